"""prime-studio doctor: what runs here, what does not, and the remedy for each thing that is wrong."""

import argparse
import importlib.metadata
from typing import TYPE_CHECKING, Any

from studio import __version__
from studio.commands import common
from studio.errors import REINSTALL, TO_TRAIN, StudioError

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle

NEEDED = ("numpy", "pillow", "pydantic", "tokenizers", "safetensors", "platformdirs", "rich")
WINDOW = ("PySide6-Essentials", "pyqtgraph", "qasync")
TRAINING = ("torch", "accelerate", "onnx", "onnxscript", "tensorboard")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """0 if pictures and texts can be made here, 1 if something needed for that is broken."""
    from studio.runtime.devices import describe

    common.say(args, "checking what runs here")
    facts: dict[str, Any] = {"prime-studio": __version__} | describe()
    problems = facts.pop("problems")
    packages = {name: _version(name) for name in (*NEEDED, *WINDOW, *TRAINING)}
    missing = [name for name in NEEDED if packages[name] is None]
    if missing:
        problems.append(f"Missing: {', '.join(missing)}; run {REINSTALL}.")
    models, model_problems = _models(facts["onnxruntime"] is not None, facts["providers"])
    problems += model_problems
    notes = _notes(packages)
    facts |= {"python_packages": packages, "models": models, "problems": problems, "notes": notes}
    common.answer(args, facts, _text(facts))
    return 1 if problems else 0


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _models(runtime: bool, providers: dict[str, str | None]) -> tuple[dict[str, str], list[str]]:
    """Each model with its state, and what is wrong. `providers`: why CUDA cannot be used is said once it was tried."""
    from studio.runtime.catalog import list_bundles, verify_bundle

    states, problems = {}, []
    for path, bundle in list_bundles():
        try:
            if isinstance(bundle, StudioError):
                raise bundle
            if runtime:
                verify_bundle(path)
                _try_cuda(bundle, providers)
            states[path.name] = f"{bundle.manifest.modality}, whole"
        except StudioError as error:
            states[path.name] = "broken"
            problems.append(str(error))
    for modality in ("image", "text"):
        if not any(state == f"{modality}, whole" for state in states.values()):
            problems.append(f"There is no working {modality} model; run `prime-studio models import FILE` with one.")
    return states, problems


def _try_cuda(bundle: "Bundle", providers: dict[str, str | None]) -> None:
    """Where nothing speaks against CUDA, only a session that was started is proof."""
    if providers.get("CUDA", "") is None:
        from studio.runtime.denoiser import OnnxDenoiser

        providers["CUDA"] = OnnxDenoiser(bundle, "auto").reason


def _notes(packages: dict[str, str | None]) -> list[str]:
    """What is missing without being needed for the command line."""
    notes = []
    if any(packages[name] is None for name in WINDOW):
        notes.append(f"The window's packages are missing; run {REINSTALL}.")
    if any(packages[name] is None for name in TRAINING):
        notes.append(f"Training is not installed: {TO_TRAIN}.")
    return notes


def _text(facts: dict[str, Any]) -> str:
    memory = facts["memory_bytes"]
    lines = [
        f"prime-studio {facts['prime-studio']}, Python {facts['python']}, {facts['platform']}",
        f"{facts['cpus']} CPUs, {facts['threads'] or 'all'} threads a call"
        + (f", {memory / 2**30:.1f} GiB memory" if memory else ""),
        f"ONNX Runtime {facts['onnxruntime'] or 'missing'} ({', '.join(facts['packages']) or 'no package'})",
    ]
    for name, why in facts["providers"].items():
        lines.append(f"  {name}: {'usable' if why is None else why}")
    versions = (f"{name} {version or '–'}" for name, version in facts["python_packages"].items())
    lines.append("Packages: " + ", ".join(versions))
    lines.append("Models:" if facts["models"] else "Models: none")
    lines += [f"  {name}: {state}" for name, state in facts["models"].items()]
    lines += [f"Note: {note}" for note in facts["notes"]]
    lines += [f"Wrong: {problem}" for problem in facts["problems"]] or ["Everything that is needed works."]
    return "\n".join(lines)
