"""Prime Studio: masked diffusion with partial masking, on the canvas and in the text."""

__version__ = "0.1.0"
