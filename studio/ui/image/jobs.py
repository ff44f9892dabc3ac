"""A run together with the picture that it fills."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect

from studio.generation import PictureSource, parts_of
from studio.generation.request import inside
from studio.media.frames import WorkingFrame
from studio.media.images import Picture
from studio.ui.runs import Kept, Run


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

    def part(self, kept: Kept, variation: int) -> NDArray[np.uint8]:
        """One sample of a frame inside `rect`, uint8 (h, w, 3), drawn as `studio.generation.parts_of` does."""
        state = kept.y[variation : variation + 1].astype(np.int64)
        return parts_of(self.run.request, self.run.bundle, state, self.rgb)[0]

    def whole(self, kept: Kept, variation: int) -> NDArray[np.uint8]:
        """The picture with that part in it, uint8 (H, W, 3)."""
        made, rect = self.rgb.copy(), self.rect
        made[rect.y() : rect.y() + rect.height(), rect.x() : rect.x() + rect.width()] = self.part(kept, variation)
        return made
