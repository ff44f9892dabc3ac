"""prime-studio bench: what the program must reach, measured in one run: ratios, counts, a start from the shell."""

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cli import has_display
from studio.commands import common
from studio.errors import StudioError
from studio.figures import Figure

if TYPE_CHECKING:
    from studio.generation import GenerationRequest
    from studio.runtime.bundle import Bundle
    from studio.runtime.denoiser import OnnxDenoiser

HEAVY = ("torch", "PySide6")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="where the network runs")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--ui", action="store_true", help="measure the window instead")
    other.add_argument("--train", action="store_true", help="measure training instead; needs the training extra")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="runs of which the median counts")
    common.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """0 if every bar is reached, else 1."""
    if args.repeats < 1:
        raise StudioError(f"--repeats must be at least 1, not {args.repeats}.")
    found = []
    if args.ui:
        source = ui_figures()
    elif args.train:
        source = train_figures(args.repeats)
    else:
        source = figures(common.samples_folder(), args.device, args.repeats)
    for figure in source:
        found.append(figure)
        if not args.json:
            print(figure.line(), flush=True)
    if args.json:
        common.answer(args, {"figures": [asdict(figure) | {"reached": figure.reached} for figure in found]}, "")
    return 0 if all(figure.reached for figure in found) else 1


class SessionClock:
    """An ONNX Runtime session whose `run` is timed; all else is the session's own."""

    def __init__(self, session: Any):
        self._session = session
        self.seconds = 0.0
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, *args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return self._session.run(*args, **options)
        finally:
            self.seconds += time.perf_counter() - start
            self.calls += 1


def share_outside(request: "GenerationRequest", bundle: "Bundle", denoise: "OnnxDenoiser", repeats: int) -> float:
    """Median share of the wall time of a run that is spent outside ONNX Runtime's own `run`."""
    from studio.generation import generate

    session = denoise._session
    shares = []
    try:
        for repeat in range(repeats + 1):
            denoise._session = clock = SessionClock(session)
            start = time.perf_counter()
            for _ in generate(request, bundle, denoise):
                pass
            if repeat:  # the first run warms up
                shares.append(1 - clock.seconds / (time.perf_counter() - start))
    finally:
        denoise._session = session
    return statistics.median(shares)


def engine_figures(samples: Path, device: str, repeats: int) -> Iterator[Figure]:
    """The share of the time outside the network, for the two models that ship."""
    from studio.generation import picture_request, text_request
    from studio.media.images import load_mask, load_picture
    from studio.runtime.catalog import default_bundle
    from studio.runtime.denoiser import OnnxDenoiser

    bundle = default_bundle("image")
    picture = load_picture(samples / "robot.png")
    mask = load_mask(samples / "robot-mask.png", picture.size)
    request = picture_request(bundle, picture.rgb, mask, steps=32)
    denoise = OnnxDenoiser(bundle, device)
    share = share_outside(request, bundle, denoise, repeats)
    yield Figure(f"outside the network, {bundle.name}, 32 steps", 100 * share, 10, "%", denoise.provider)

    bundle = default_bundle("text")
    text = (samples / "fisherman.txt").read_text("utf-8").replace("[[5]]", "[[40]]").replace("[[4]]", "[[40]]")
    request = text_request(bundle, text, steps=64)
    denoise = OnnxDenoiser(bundle, device)
    share = share_outside(request, bundle, denoise, repeats)
    yield Figure(f"outside the network, {bundle.name}, 64 steps", 100 * share, 15, "%", denoise.provider)


def call_figure(repeats: int) -> Figure:
    """Network calls of 1024 ancestral steps on a 64-token text at granularity 1."""
    from studio.prime.sampling import sample
    from studio.prime.subtokens import Subtokens

    subtokens = Subtokens(4096, 12, 2)
    start = np.full((1, 64, 12), subtokens.mask_id)

    def denoise(y: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.float32]:
        return np.zeros((len(rows), subtokens.vocab_size), dtype=np.float32)

    calls = []
    for seed in range(repeats):
        frames = list(sample(denoise, subtokens, start, steps=1024, seeds=[seed], policy="ancestral", granularity=1))
        calls.append(frames[-1].calls)
    note = f"{min(calls)} to {max(calls)} over {repeats} seeds"
    return Figure("calls of 1024 ancestral steps, 64 tokens, granularity 1", max(calls), 64, "calls", note)


def shell_figures(samples: Path, device: str, repeats: int) -> Iterator[Figure]:
    """One `inpaint` from the shell, start-up included: median seconds, and the most memory held."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "studio", "inpaint", str(samples / "robot.png"), "--quiet", "--steps", "32"]
        command += ["--mask", str(samples / "robot-mask.png"), "--device", device, "-o", str(Path(folder) / "out.png")]
        runs = [_measured(command) for _ in range(repeats)]
    wall, processor, peaks = zip(*runs, strict=True)
    # Other programs lengthen the wall time; the processor's own time tells how much of it was ours.
    note = f"{statistics.median(processor):.2f} s of processor time{_load()}" if all(processor) else ""
    yield Figure("inpaint from the shell, 32 steps, start-up included", statistics.median(wall), 4, "s", note)
    if all(peaks):
        yield Figure("its memory at the peak", max(peaks) / 1e6, 700, "MB")


def _load() -> str:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return f"; the machine is busy, load {load:.1f} on {cores} cores" if load > cores else ""


def _measured(command: list[str]) -> tuple[float, float, int]:
    """Wall seconds, processor seconds and peak resident bytes of a command that must succeed.

    The last two are 0 where the system does not tell.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    processor, peak = 0.0, 0
    if os.name == "posix":
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        processor = usage.ru_utime + usage.ru_stime
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    code = process.wait()
    seconds = time.perf_counter() - start
    if code:
        raise StudioError(f"Cannot measure the start from the shell: it ended with exit code {code}.")
    return seconds, processor, peak


def import_figure() -> Figure:
    """How many of the heavy packages importing the engine brings in."""
    code = (
        "import json, pkgutil, sys, importlib, studio.prime, studio.runtime\n"
        "for package in (studio.prime, studio.runtime):\n"
        "    for module in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    found = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    absent = [name for name in HEAVY if importlib.util.find_spec(name) is None]
    note = ", ".join(found) or (f"not installed here: {', '.join(absent)}" if absent else "")
    return Figure("torch and Qt imported by studio.prime and studio.runtime", len(found), 0, "", note)


UI_BARS: dict[str, tuple[str, float, str]] = {
    "gap-p99": ("main-thread gap while sampling, 99 % of the time", 33, "ms"),
    "gap-max": ("main-thread gap while sampling, longest", 100, "ms"),
    "stroke": ("one mouse move, 4096 × 4096, 256 px brush, 99 of 100", 8, "ms"),
    "stop": ("Stop to idle", 200, "ms"),
    "frame": ("a frame of the sampler to pixels on the screen", 33, "ms"),
    "watched": ("a run that the window watches over the same alone", 1.10, "×"),
    "start": ("process start to usable window, model loaded, warm", 2.0, "s"),
    "memory": ("memory after 500 generations over that after 50", 5, "% more"),
    "train-p99": ("main-thread gap beside a training, its curves, 99 %", 33, "ms"),
    "train-max": ("main-thread gap beside a training, its curves, longest", 100, "ms"),
    "train-image-p99": ("main-thread gap beside a training, sampling, 99 %", 33, "ms"),
    "train-image-max": ("main-thread gap beside a training, sampling, longest", 100, "ms"),
}
"""Name -> what it is, the most that it may be, unit."""


def ui_figures() -> Iterator[Figure]:
    """The figures of the window, each from a process with a window of its own; offscreen where there is no display."""
    starts = [next(_ui_process("start")) for _ in range(4)][1:]
    yield _ui_figure("start", statistics.median(start["value"] for start in starts), "median of 3")
    for told in _ui_process("window"):
        yield _ui_figure(**told)


def _ui_figure(name: str, value: float, note: str) -> Figure:
    title, bar, unit = UI_BARS[name]
    return Figure(title, value, bar, unit, note)


def _ui_process(name: str) -> Iterator[dict[str, Any]]:
    environment = dict(os.environ)
    if not has_display():
        environment["QT_QPA_PLATFORM"] = "offscreen"
    command = [sys.executable, "-m", "studio.ui.bench", name, repr(time.time())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise StudioError(f"Cannot measure the window: it ended with exit code {process.returncode}.")


def train_figures(repeats: int) -> Iterator[Figure]:
    """The figures of training, and of the window beside a training."""
    from studio.commands.train import needs_extra

    with needs_extra():
        benchmarks = importlib.import_module("studio.training.benchmarks")
    yield from benchmarks.measures(repeats)
    for told in _ui_process("train"):
        yield _ui_figure(**told)


def figures(samples: Path, device: str = "cpu", repeats: int = 5) -> Iterator[Figure]:
    """Every figure, as it is measured."""
    yield from engine_figures(samples, device, repeats)
    yield call_figure(repeats)
    yield from shell_figures(samples, device, min(repeats, 3))
    yield import_figure()
