"""Results beside each other under the canvas, and the slider between two of them over it."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QSignalBlocker, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.generation import picture_tokenizer
from studio.generation.request import inside
from studio.media.frames import WorkingFrame, stitch
from studio.ui.image.compare import CompareView
from studio.ui.image.jobs import LARGE, Job
from studio.ui.image.making import Making
from studio.ui.image.variations import SIDE, Compared, ComparisonStrip, Variations
from studio.ui.playhead import Playhead
from studio.ui.runs import Kept
from studio.ui.widgets.focus import leave_focus

if TYPE_CHECKING:
    from studio.ui.image.workspace import ImageWorkspace

REFRESH_MS = 120
"""The small pictures are drawn at most this often while they are made."""
HEIGHT = 222
"""With results at their full size."""
ENOUGH = 256
"""Pixels a side that a small picture is drawn from."""

Pictures = Callable[[], tuple[NDArray[np.uint8], NDArray[np.uint8]]]
Reduced = tuple[NDArray[np.uint8], NDArray[np.bool_], WorkingFrame]


class SideBySide(QWidget):
    """Shows the variations of the run on the canvas, or the runs of a comparison of ℓ; nothing where there is one
    result only."""

    def __init__(self, workspace: "ImageWorkspace"):
        super().__init__()
        self._of = workspace
        self._making: Making = workspace.making
        self._playhead: Playhead = workspace.playhead
        self.variations, self.comparison = Variations(), ComparisonStrip()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for results in (self.variations, self.comparison):
            results.hide()
            column.addWidget(results)
        self.set_low(False)
        self._given: WeakKeyDictionary[Job, Reduced] = WeakKeyDictionary()
        self._wiped: tuple[Job, int] | None = None
        """The run whose variations the slider compares, and the one on its left."""
        self._seeds: tuple[str, tuple[int, ...]] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._refresh)
        self._making.changed.connect(self._arrange)
        self._making.changed.connect(self._turn_wipe)
        self._making.compared.connect(self._compare)
        self._playhead.frame_changed.connect(self._soon)
        self._playhead.state_changed.connect(self._soon)
        self.variations.shown.connect(self._show_variation)
        self.variations.picked.connect(self._use_variation)
        self.variations.compared.connect(self._wipe_variations)
        self.comparison.shown.connect(self._show_run)
        self.comparison.picked.connect(self._use_run)
        self.comparison.compared.connect(self._wipe_runs)

    def set_low(self, low: bool) -> None:
        """Whether there is room for half as large results only."""
        for results in (self.variations, self.comparison):
            results.setFixedHeight(HEIGHT - low * SIDE // 2)
            results.view.set_side(SIDE // 2 if low else SIDE)

    def close_down(self) -> None:
        self._timer.stop()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._soon()  # out of sight nothing is drawn, but much may have been made

    # ---- variations

    def _arrange(self) -> None:
        job = self._making.job
        seeds = None if job is None else (job.run.id, job.run.request.seeds)
        several = job is not None and len(job.run.request.seeds) > 1 and not self._making.comparison
        self._set_visible(self.variations, several)
        with QSignalBlocker(self.variations):  # what is chosen here follows what is on the canvas
            if several and seeds != self._seeds and seeds is not None:
                self.variations.set_seeds(seeds[1])
            if several and self.variations.current != self._making.variation:
                self.variations.view.set_current(self._making.variation)
        self._seeds = seeds if several else None
        self._soon()

    def _set_visible(self, results: QWidget, visible: bool) -> None:
        if not visible:
            leave_focus(results, self)
        results.setVisible(visible)

    def _soon(self) -> None:
        if not self._timer.isActive() and (self.variations.isVisible() or self.comparison.isVisible()):
            self._timer.start()

    def _refresh(self) -> None:
        job, kept = self._making.job, self._playhead.frame
        if self.variations.isVisible() and job is not None and kept is not None:
            self.variations.show_samples(self._small(job, kept))
        if self.comparison.isVisible():
            jobs = self._making.comparison
            for row, other in enumerate(jobs):
                self.comparison.show_run(row, _told(other), self._small(other, other.run.frames[-1])[0])
            if any(not other.run.over for other in jobs):
                self._timer.start()

    def _small(self, job: Job, kept: Kept) -> NDArray[np.uint8]:
        if job not in self._given:
            self._given[job] = reduced(job)
        return small_parts(job, kept, *self._given[job])

    def _show_variation(self, row: int) -> None:
        job = self._making.job
        if job is not None and row != self._making.variation:
            self._making.look_at(job, row)

    def _use_variation(self, row: int) -> None:
        self._show_variation(row)
        self._of.commands["use"].trigger()

    def _wipe_variations(self, first: int, second: int) -> None:
        caption = "Original" if first < 0 else f"Variation {first + 1}"
        self.wipe(first, second, (caption, f"Variation {second + 1}"))

    def wipe(self, first: int, second: int, captions: tuple[str, str]) -> None:
        """Compare two variations in the frame that is shown; -1 is the original."""
        job = self._making.job
        if job is not None:

            def whole(variation: int) -> NDArray[np.uint8]:
                kept = self._playhead.frame or job.run.frames[-1]
                return job.rgb if variation < 0 else job.whole(kept, variation)

            self._wiped = job, first
            self._of.wipes.show(lambda: (whole(first), whole(second)), captions)

    def _turn_wipe(self) -> None:
        """Another variation is on the canvas: the slider has it on its right. With another run it closes."""
        if not self._of.wipes.on:
            return
        if self._wiped is not None and self._wiped[0] is self._making.job:
            first, second = self._wiped[1], self._making.variation
            self._wipe_variations(-1 if first == second else first, second)
        else:
            self._of.wipes.close()

    # ---- the comparison of ℓ

    def _compare(self) -> None:
        jobs = self._making.comparison
        self._set_visible(self.comparison, bool(jobs))
        if jobs:
            with QSignalBlocker(self.comparison):
                self.comparison.set_runs([_told(job) for job in jobs])
        self._arrange()

    def _show_run(self, row: int) -> None:
        jobs = self._making.comparison
        if row < len(jobs) and self._making.job is not jobs[row]:
            self._making.look_at(jobs[row])

    def _use_run(self, row: int) -> None:
        self._show_run(row)
        self._playhead.follow()
        self._of.commands["use"].trigger()

    def _wipe_runs(self, first: int, second: int) -> None:
        jobs, self._wiped = self._making.comparison, None

        def newest(row: int) -> NDArray[np.uint8]:
            return jobs[row].whole(jobs[row].run.frames[-1], 0)

        caption = "Original" if first < 0 else f"ℓ = {jobs[first].run.request.granularity}"
        self._of.wipes.show(
            lambda: (jobs[second].rgb if first < 0 else newest(first), newest(second)),
            (caption, f"ℓ = {jobs[second].run.request.granularity}"),
        )


def reduced(job: Job) -> Reduced:
    """What a job fills, uint8 (h, w, 3), with its mask and its frame there: of a large one every nth pixel."""
    frame = WorkingFrame(*job.source.frame)
    every = max(frame.size // ENOUGH, 1)
    part = job.rgb[inside(frame, job.source.width, job.source.height)]
    here = WorkingFrame(min(frame.x, 0) // every, min(frame.y, 0) // every, -(-frame.size // every))
    return part[::every, ::every], job.source.part_mask()[::every, ::every], here


def small_parts(
    job: Job, kept: Kept, part: NDArray[np.uint8], mask: NDArray[np.bool_], frame: WorkingFrame
) -> NDArray[np.uint8]:
    """The samples of a frame in what `reduced` gave, uint8 (B, h, w, 3)."""
    made = picture_tokenizer(job.run.bundle).rough(kept.y.astype(np.int64), job.run.bundle.subtokens)
    return np.stack([stitch(part, filled, mask, frame) for filled in made])


def _told(job: Job) -> Compared:
    newest = job.run.frames[-1]
    return Compared(job.run.request.granularity, newest.calls, newest.seconds)


class Wipe(QObject):
    """The slider between two pictures, in the place of the canvas while it is on."""

    turned = Signal()
    """It was turned on or off."""

    def __init__(self, workspace: "ImageWorkspace"):
        super().__init__(workspace)
        self._of = workspace
        self._pictures: Pictures | None = None
        self.view = CompareView()
        self.view.closed.connect(self.close)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._refresh)
        for signal in (workspace.playhead.frame_changed, workspace.playhead.state_changed):
            signal.connect(self._soon)
        self.view.hide()

    @property
    def on(self) -> bool:
        return self.view.isVisible()

    def show(self, pictures: Pictures, captions: tuple[str, str]) -> None:
        """Compare two pictures, uint8 (H, W, 3) of the same size, as they are whenever another frame is shown."""
        self._pictures = pictures
        self.view.set_pictures(*pictures(), captions)
        if not self.on:
            self._of.canvas.hide()
            self.view.show()
            if self.view.picture_size() == self._of.canvas.picture_size():
                self.view.look_like(self._of.canvas)
            self.view.setFocus()
        self._of.commands["wipe"].setChecked(True)
        self.turned.emit()

    def close(self) -> None:
        """Back to the canvas; what is on it has changed, or the user has seen enough."""
        if not self.on:
            return
        self._timer.stop()
        self._pictures = None
        self.view.hide()
        self._of.canvas.show()
        self._of.canvas.setFocus()
        self._of.commands["wipe"].setChecked(False)
        self.turned.emit()

    def close_down(self) -> None:
        self._timer.stop()

    def _soon(self) -> None:
        if self.on and not self._timer.isActive():
            self._timer.start()

    def _refresh(self) -> None:
        width, height = self.view.picture_size()
        if self._pictures is None or (self._of.transport.live and width * height > LARGE):
            return  # a large picture takes longer than a frame: it follows when the run pauses or ends
        self.view.set_pictures(*self._pictures(), self.view.captions)
