"""From the frame that is looked at to pixels on the canvas."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject

from studio.generation import picture_tokenizer
from studio.media.frames import WorkingFrame
from studio.ui.image.canvas import Canvas
from studio.ui.image.jobs import LARGE, Job
from studio.ui.image.making import Making
from studio.ui.playhead import Playhead
from studio.ui.runs import Kept
from studio.ui.tasks import spawn


class Showing(QObject):
    """Keeps the canvas at the frame and the variation that are looked at."""

    def __init__(self, canvas: Canvas, making: Making, playhead: Playhead):
        super().__init__(canvas)
        self._canvas, self._making, self._playhead = canvas, making, playhead
        self._begun: tuple[str, int] | None = None
        self._drawn: tuple[str, int, int, bool] | None = None
        playhead.frame_changed.connect(self.show)
        playhead.state_changed.connect(self.show)
        making.changed.connect(self.show)

    def show(self) -> None:
        """Draw the present frame; the picture alone where nothing was made."""
        job, kept = self._making.job, self._playhead.frame
        if job is None or kept is None:
            if self._begun is not None:
                self._begun = self._drawn = None
                self._canvas.live.clear()
            return
        variation = self._making.variation
        bundle = job.run.bundle
        finished = self._is_finished(job, kept, variation)
        now = (job.run.id, variation, self._playhead.index, finished)
        if now == self._drawn:
            return  # undo and the end of a run tell several times of one change, and a large picture takes its time
        self._drawn = now
        if self._begun != (job.run.id, variation):
            self._begun = (job.run.id, variation)
            given = job.run.frames[0].y[variation].astype(np.int64)
            frame, mask = WorkingFrame(*job.source.frame), job.source.full_mask()
            # What was painted into a frame is no part of the picture that lies below.
            seen = mask if job.repainted is None else mask | job.repainted
            self._canvas.live.begin(frame, seen, given, bundle.subtokens)
        y = kept.y[variation].astype(np.int64)
        confidence = None if kept.confidence is None else kept.confidence[variation].astype(np.float32)
        rough: NDArray[np.uint8] = picture_tokenizer(bundle).rough(y[None], bundle.subtokens)[0]
        self._canvas.live.show(rough, y, confidence)
        if finished and job.rect.width() * job.rect.height() > LARGE:
            spawn(self._canvas.live.show_result_of(lambda: job.part(kept, variation)), place="image")
        elif finished:
            self._canvas.live.show_result(job.part(kept, variation))

    def _is_finished(self, job: Job, kept: Kept, variation: int) -> bool:
        """Whether the exact result is to be seen: enlarged smoothly and stitched, as it will be saved."""
        run = job.run
        newest = self._playhead.index == self._playhead.last
        return run.state == "done" and newest and not (kept.y[variation] == run.bundle.subtokens.mask_id).any()
