"""What is fixed about a model folder; for the denoiser and for training, which do without pydantic."""

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
NETWORK = "denoiser.onnx"
MAX_TABLE = 1 << 28
"""Entries of the table "class c has digit v at place j" that a model may ask for."""
MAX_PIXEL_DIGITS = 16
"""Digits a token of a picture: the window paints which of them are masked as uint16."""
