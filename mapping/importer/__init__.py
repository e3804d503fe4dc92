"""From an ONNX file to a quantised network of integers."""
