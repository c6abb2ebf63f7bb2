"""A model file and sound become answers. Needs onnxruntime."""
