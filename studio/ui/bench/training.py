"""Main-thread gaps of the window while a training run of its own has the rest of the machine."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.errors import StudioError
from studio.ui.bench.measures import Measured, probed, run_once
from studio.ui.bench.stall import StallProbe

if TYPE_CHECKING:
    from studio.ui.image.workspace import ImageWorkspace
    from studio.ui.train.workspace import TrainWorkspace
    from studio.ui.window import Window

PICTURES = 256
SECONDS = 30
PATIENCE = 300  # seconds, on a machine that does other things too


async def measure_all(window: "Window") -> AsyncIterator[Measured]:
    """(name, value, note): first with the run's curves in front, then with a picture that is being filled."""
    train: TrainWorkspace = window.workspace_named("train")  # pyright: ignore[reportAssignmentType]
    image: ImageWorkspace = window.workspace_named("image")  # pyright: ignore[reportAssignmentType]
    with tempfile.TemporaryDirectory() as folder:
        await _begin(window, train, Path(folder))
        try:
            probe = StallProbe()
            probe.begin()
            await asyncio.sleep(SECONDS)
            probe.end()
            for figure in _figures("train", train, probe):
                yield figure
            window.bring_to_front("image")
            image.settings.set(seed=1, seed_locked=True, variations=1)
            await run_once(image)  # the first one loads what is needed
            for figure in _figures("train-image", train, await probed(image)):
                yield figure
        finally:
            await train.watch.stop()


async def _begin(window: "Window", train: "TrainWorkspace", folder: Path) -> None:
    """Fine-tune the default model on noise, as the window starts it, until steps are told."""
    noise = np.random.default_rng(0).integers(0, 256, (PICTURES, 32, 32, 3), dtype=np.uint8)
    np.savez(folder / "noise.npz", images=noise)
    window.bring_to_front("train")
    train.open_data(folder / "noise.npz")
    await _until(train, lambda: train.source.dataset is not None and not train.source.reading)
    # Twice as many events as a user's run has: this is about the window.
    train.form.set_values({"training.steps": 100_000, "training.evaluate_every": 50, "training.preview_every": 50})
    await train.start()
    await _until(train, lambda: train.watch.series["loss"].count >= 3)


async def _until(train: "TrainWorkspace", holds: Callable[[], bool]) -> None:
    waited = 0.0
    while not holds():
        if train.watch.state in ("failed", "lost") or waited > PATIENCE:
            raise StudioError(f"Cannot measure the window during a training: {train.watch.message or 'no step yet'}")
        await asyncio.sleep(0.05)
        waited += 0.05


def _figures(name: str, train: "TrainWorkspace", probe: StallProbe) -> list[Measured]:
    p99, longest = probe.milliseconds(0.99, probe.own), 1000 * max(probe.own)
    own = f"without what it waited for a core {p99:.1f} ms, longest {longest:.1f} ms"
    pace = f"{train.watch.last['samples_per_second']:.1f} samples/s meanwhile"
    return [(f"{name}-p99", probe.milliseconds(0.99), own), (f"{name}-max", probe.longest, pace)]
