"""What the machine says: devices, precision, memory, and whether an error means that there was too little of it."""

import os
import sys

import torch
from accelerate import Accelerator
from torch import nn

from studio.errors import StudioError
from studio.training.recipe import TrainingSettings


def accelerator_for(settings: TrainingSettings) -> Accelerator:
    """The device and the precision that the settings ask for: "auto" is CUDA, or else the CPU, never MPS.

    StudioError where CUDA is asked for and not there.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise StudioError("There is no CUDA device here: choose the device auto or cpu.")
    cpu = settings.device == "cpu" or not torch.cuda.is_available()
    fast = "bf16" if computes_in_bf16("cpu" if cpu else "cuda") else "no"
    precision = fast if settings.precision == "auto" else settings.precision
    return Accelerator(mixed_precision=precision, cpu=cpu)


def computes_in_bf16(device: str) -> bool:
    """Whether "cpu" or "cuda" has units for bf16. PyTorch computes without them too, convolutions 20 times slower."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Not in every PyTorch that is allowed; "bf16" is ARM's name.
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(features.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def precision_name(accelerator: Accelerator) -> str:
    return "float32" if accelerator.mixed_precision == "no" else accelerator.mixed_precision


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
    """Bytes. CUDA: peak so far; CPU: resident size of this process now, 0 where the system does not tell."""
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
