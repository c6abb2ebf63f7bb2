"""ONNX graphs: built from modules, and run again as differentiable torch functions."""
