"""A run together with the picture that it fills, and the runs that are kept to come back to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect

from studio.generation import PictureSource, parts_of
from studio.generation.request import inside
from studio.media.frames import WorkingFrame
from studio.media.images import Picture
from studio.ui.runs import Kept, Run

LARGE = 1 << 20
"""Pixels of a picture that takes long to be put together."""
KEPT_JOBS = 12
KEPT_BYTES = 256 << 20
"""What the pictures of earlier runs may take."""
KEPT_MADE = 512 << 20
"""What the frames of all runs may take together."""


@dataclass(frozen=True, eq=False)
class Job:
    """A run together with the picture that it fills, as that was when the run was asked for.

    rgb: uint8 (H, W, 3), the picture on white. repainted: pixels outside the mask, bool (H, W), that the user painted
    into a paused sample; None where there are none.
    """

    run: Run
    picture: Picture
    rgb: NDArray[np.uint8]
    repainted: NDArray[np.bool_] | None = None

    @property
    def source(self) -> PictureSource:
        source = self.run.request.source
        assert isinstance(source, PictureSource)
        return source

    @property
    def rect(self) -> QRect:
        """What of the picture lies inside the frame: the part that changes."""
        rows, columns = inside(WorkingFrame(*self.source.frame), self.source.width, self.source.height)
        return QRect(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)

    @lru_cache(maxsize=2)  # noqa: B019 - of a large picture it takes a while, and is asked for to be seen and to be kept
    def part(self, kept: Kept, variation: int) -> NDArray[np.uint8]:
        """One sample of a frame inside `rect`, uint8 (h, w, 3), read-only, drawn as `studio.generation.parts_of` does.
        From any thread."""
        state = kept.y[variation : variation + 1].astype(np.int64)
        part = parts_of(self.run.request, self.run.bundle, state, self.rgb)[0]
        part.setflags(write=False)
        return part

    def whole(self, kept: Kept, variation: int) -> NDArray[np.uint8]:
        """The picture with that part in it, uint8 (H, W, 3)."""
        made, rect = self.rgb.copy(), self.rect
        made[rect.y() : rect.y() + rect.height(), rect.x() : rect.x() + rect.width()] = self.part(kept, variation)
        return made


@dataclass(frozen=True)
class Look:
    """How a run was looked at: `index` is None for its newest frame, `beside` what it was compared with, `job` the one
    of these that was on the canvas."""

    job: Job | None = None
    variation: int = 0
    index: int | None = None
    beside: Sequence[Job] = ()


class Jobs:
    """The last runs of the open picture and of those before, by their ids, and how each was last looked at."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._looks: dict[str, Look] = {}

    def __iter__(self) -> Iterator[Job]:
        return iter(tuple(self._jobs.values()))

    def get(self, run_id: object) -> Job | None:
        return self._jobs.get(str(run_id))

    def keep(self, job: Job) -> Job:
        self._jobs.pop(job.run.id, None)  # what is looked at again is the youngest
        self._jobs[job.run.id] = job
        while len(self._jobs) > KEPT_JOBS:
            self._drop(next(iter(self._jobs)))
        # What has its pixels in common with this one, as all of a comparison have, would go for nothing.
        others = [run_id for run_id, other in self._jobs.items() if other.rgb is not job.rgb]
        while others and len(self._jobs) > 2 and self._bytes() > KEPT_BYTES:
            self._drop(others.pop(0))
        earlier = [run_id for run_id in self._jobs if run_id != job.run.id]
        while len(earlier) > 1 and sum(other.run.nbytes for other in self) > KEPT_MADE:
            self._drop(earlier.pop(0))
        return job

    def _drop(self, run_id: str) -> None:
        del self._jobs[run_id]
        self._looks.pop(run_id, None)

    def remember(self, job: Job, look: Look) -> None:
        self._looks[job.run.id] = look

    def look(self, job: Job) -> Look:
        return self._looks.get(job.run.id, Look())

    def _bytes(self) -> int:
        """What the pictures of all runs take, those that they share counted once."""
        arrays = (array for job in self for array in (job.picture.stored, job.picture.alpha, job.rgb))
        return sum({id(array): array.nbytes for array in arrays if array is not None}.values())
