"""What the machine says: devices, memory, and whether an error means that there was too little of it."""

import os
import sys

import torch
from torch import nn

from studio.errors import StudioError


def pick_device(device: str) -> bool:
    """Whether to keep to the CPU. StudioError where CUDA is asked for and not there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise StudioError("There is no CUDA device here: choose the device auto or cpu.")
    return device == "cpu"


def bound_memory() -> None:
    """Let oneDNN keep less of what it makes ready for shapes that do not come again; to be called before any step.

    How many tokens are masked is another number at every step, and for each it keeps some megabytes, a thousand
    times: a text model of 5 M parameters grew to 5.5 GB. With 64 it takes a third of that, and no more time.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


def lay_out(network: nn.Module, device: torch.device) -> None:
    """Put the weights of convolutions in the order that the device is fastest with: channels last on a GPU."""
    if device.type == "cuda":
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def memory(device: torch.device) -> int:
    """Bytes in use: on the GPU at most so far, else of this process now (0 where the system does not tell)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return peak_memory(device)


def peak_memory(device: torch.device) -> int:
    """Bytes in use at most so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if os.name != "posix":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python ran out of memory; on a CPU torch says so in a plain RuntimeError."""
    words = ("out of memory", "not enough memory", "can't allocate memory", "could not allocate")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )
