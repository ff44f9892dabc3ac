"""A run as a time-lapse or a strip. No Qt: it is done off the main thread."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.media.export import TIMELAPSE_SUFFIXES, Drawn, check_suffix, save_strip, save_timelapse, viewing_scale
from studio.ui.image.jobs import LARGE, Job
from studio.ui.memory import give_back

STRIP_FRAMES = 12


def export_run(path: Path, job: Job, variation: int) -> None:
    """Write every frame in which something changed: .webp, .gif and .mp4 move, .png is a strip of some of them."""
    check_suffix(path, (*TIMELAPSE_SUFFIXES, ".png"))
    _write(path, shots_of(job, variation))
    give_back()  # what the frames took is kept for this thread, and the next export may run in another of ten


def _write(path: Path, shots: Sequence[NDArray[np.uint8]]) -> None:
    if path.suffix.lower() == ".png":
        chosen = np.unique(np.linspace(0, len(shots) - 1, min(STRIP_FRAMES, len(shots))).round().astype(int))
        save_strip(path, [shots[place] for place in chosen], scale=viewing_scale(shots[0], 128))
    else:
        save_timelapse(path, shots)


def shots_of(job: Job, variation: int) -> Sequence[NDArray[np.uint8]]:
    """The pictures of the run, uint8 (H, W, 3): whole, or of a large one the working frame alone."""
    kept = [frame for frame in job.run.frames if frame.step == 0 or frame.packed.any()]
    take = job.part if job.rgb.shape[0] * job.rgb.shape[1] > LARGE else job.whole
    return Drawn([partial(take, frame, variation) for frame in kept])
