"""Prime Studio: masked diffusion with partial masking, on the canvas and in the text."""

import os

__version__ = "0.1.0"

# NumPy's OpenBLAS keeps a thread a core spinning for a while after every product, on the cores that the network needs:
# a run that the window watches took a tenth longer. It reads this once, when NumPy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# ONNX Runtime's packages report every session to their maker over the network, and keep a number of this machine in the
# user's cache for it. It looks here when it is loaded; `disable_telemetry_events()` comes too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
