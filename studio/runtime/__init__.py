"""Models on disk and on a device. ONNX Runtime is imported here alone."""
