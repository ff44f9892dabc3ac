"""What is imported when: the runtime is light until a model is loaded."""

import subprocess
import sys
from pathlib import Path

CODE = """
import importlib, pkgutil, sys
for name in sys.argv[1].split(","):
    package = importlib.import_module(name)
    if hasattr(package, "__path__"):
        for module in pkgutil.walk_packages(package.__path__, name + "."):
            importlib.import_module(module.name)
print(",".join(name for name in sys.argv[2].split(",") if name in sys.modules))
"""


def imported(modules: str, unwanted: str) -> str:
    command = [sys.executable, "-c", CODE, modules, unwanted]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_prime_and_runtime_import_neither_torch_nor_qt() -> None:
    assert imported("studio.prime,studio.runtime", "torch,PySide6,onnxruntime,onnx,PIL,tokenizers") == ""


def test_the_denoiser_needs_no_pydantic() -> None:
    assert imported("studio.prime,studio.runtime.denoiser,studio.runtime.devices", "pydantic,platformdirs") == ""


def test_onnx_runtime_reports_nothing_to_its_maker(own_home: Path) -> None:
    """Its telemetry keeps a number of this machine and what it is to send in the cache, and a thread for sending it."""
    code = "from studio.runtime.catalog import verify_bundle; verify_bundle('storybook')"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert list(own_home.rglob("*")) == []
