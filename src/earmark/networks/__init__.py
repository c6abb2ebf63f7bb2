"""The networks, as torch modules that also write themselves as ONNX."""
