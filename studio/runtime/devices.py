"""What can run here, what really runs, and what to do about the rest."""

import contextlib
import ctypes
import functools
import importlib.metadata
import io
import os
import platform
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from studio.errors import REINSTALL, StudioError

PACKAGES = ("onnxruntime", "onnxruntime-gpu")
_REINSTALL = f"run `pip uninstall -y onnxruntime onnxruntime-gpu` and then {REINSTALL}"
FATAL = 4
"""Log severity of ONNX Runtime: what matters is reported by us, not on stderr."""

BROKEN = ["GemmTransposeFusion"]
"""Graph optimisers to disable: in ONNX Runtime 1.26 to 1.29 this one transposes the wrong input of a Gemm. Nothing is
slower without."""


def import_onnxruntime() -> ModuleType:
    """The module onnxruntime, quiet. StudioError when it is missing, cannot be loaded or is an empty shell."""
    try:
        import onnxruntime
    except Exception as error:  # a missing shared library shows in many ways
        if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl+C while it was loading, in the words of pybind11
            raise KeyboardInterrupt from error
        raise StudioError(f"ONNX Runtime cannot be loaded ({one_line(error)}); {_REINSTALL}.") from error
    # Uninstalling one of the two packages leaves a folder that still imports, as a namespace without content.
    if not hasattr(onnxruntime, "InferenceSession"):
        raise StudioError(f"ONNX Runtime is broken, its folder is there but empty; {_REINSTALL}.")
    onnxruntime.set_default_logger_severity(FATAL)
    return onnxruntime


def one_line(error: object, limit: int = 200) -> str:
    """First line with content of what a library has to say, cut to `limit` characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


@functools.cache
def cuda_problem() -> str | None:
    """Why ONNX Runtime cannot use CUDA here and what would help, or None if nothing speaks against it.

    Only a session that was started is proof: see `OnnxDenoiser.provider`.
    """
    driver = driver_problem()
    if driver:
        return driver
    if "CUDAExecutionProvider" not in import_onnxruntime().get_available_providers():
        return "the installed ONNX Runtime is built without CUDA; install onnxruntime-gpu instead of onnxruntime"
    missing_library()
    return None


def driver_problem() -> str | None:
    """Why there is no card to be used at all, or None."""
    if sys.platform == "darwin":
        return "there is no CUDA on macOS"
    install = "install a driver from NVIDIA if there is such a card"
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return f"no NVIDIA driver is installed; {install}"
    code = driver.cuInit(0)
    if code:
        return f"the NVIDIA driver finds no device it can use (cuInit gives {code}); check `nvidia-smi`"
    count = ctypes.c_int()
    if driver.cuDeviceGetCount(ctypes.byref(count)) or count.value < 1:
        return "the NVIDIA driver lists no device; check CUDA_VISIBLE_DEVICES and `nvidia-smi`"
    return None


@functools.cache
def missing_library() -> str | None:
    """Load the CUDA libraries, from nvidia-* packages too; what could not be loaded, and the remedy, or None.

    It explains a session that fails, but foretells nothing: some of the libraries are only needed by some networks.
    """
    onnxruntime = import_onnxruntime()
    if not hasattr(onnxruntime, "preload_dlls"):
        return None
    printed = io.StringIO()  # `preload_dlls` prints what it could not load
    with contextlib.redirect_stdout(printed):
        onnxruntime.preload_dlls()
    failed = [line for line in printed.getvalue().splitlines() if line.startswith("Failed to load")]
    if not failed:
        return None
    return f'{one_line(failed[0], 120)}; run `pip install "onnxruntime-gpu[cuda,cudnn]"`'


def physical_cores() -> int:
    """Cores to compute on; 0 where ONNX Runtime itself shall count them (Windows, macOS).

    Only the cores this process may use count, and no more than the time a container grants.
    """
    if sys.platform != "linux":
        return 0
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text().strip() if siblings.exists() else str(cpu))
    return max(1, min(len(cores), _granted_cpus()))


def _granted_cpus() -> int:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, round(int(quota) / int(period)))
    except (OSError, ValueError):  # no such control group, or the quota is "max"
        return sys.maxsize


def describe() -> dict[str, Any]:
    """Facts for `prime-studio doctor`.

    {"python", "platform", "cpus", "threads", "memory_bytes", "onnxruntime", "packages", "build",
    "providers": {name: None if usable, else why not}, "problems": [one sentence with its remedy each]}.
    A missing GPU is no problem, but a fact.
    """
    packages = installed_packages()
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "threads": physical_cores(),
        "memory_bytes": _memory_bytes(),
        "onnxruntime": None,
        "build": None,
        "packages": packages,
        "providers": {},
    }
    problems = []
    if len(packages) > 1:
        problems.append(f"Both onnxruntime and onnxruntime-gpu are installed and overwrite each other; {_REINSTALL}.")
    try:
        onnxruntime = import_onnxruntime()
    except StudioError as error:
        problems.append(str(error))
    else:
        facts["onnxruntime"] = onnxruntime.__version__
        facts["build"] = " ".join(onnxruntime.get_build_info().split())
        facts["providers"] = {"CPU": None, "CUDA": cuda_problem()}
    return facts | {"problems": problems}


def installed_packages() -> dict[str, str]:
    """The distributions of ONNX Runtime that are installed, with their versions; more than one is an error."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
