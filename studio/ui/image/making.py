"""What is made of the open picture: runs, branches, variations and the comparison of ℓ. No widgets."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal

from studio.errors import StudioError
from studio.generation import (
    GenerationRequest,
    branch_request,
    picture_request,
    picture_tokenizer,
)
from studio.media.images import Picture, put
from studio.ui.context import Studio
from studio.ui.image import planes
from studio.ui.image.document import ImageDocument
from studio.ui.image.jobs import Job, Jobs, Look
from studio.ui.image.repaint import touched_job, touched_state
from studio.ui.inspector.forecast import units_of
from studio.ui.playhead import Playhead
from studio.ui.runs import Kept, Run, leave
from studio.ui.sampling_settings import SamplingSettings

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle

ALL_KNOWN = "Every pixel is known at this step: step back, or mark with the brush what is to be made again."
PAINTED = (
    "All is known, and what you painted too: mark with the brush what is to be made again, or use this as the picture."
)
BESIDE_MS = 100
"""How often runs beside the one on the canvas are looked at, for their end."""


class Making(QObject):
    """Turns document and settings into runs, and the frame that is looked at into something to go on from."""

    changed = Signal()
    """Another job, or another variation of it, is on the canvas."""
    compared = Signal()
    """The runs side by side are others."""
    ended = Signal(object)
    """A job has ended, for whatever reason."""

    def __init__(self, studio: Studio, document: ImageDocument, settings: SamplingSettings, playhead: Playhead):
        super().__init__()
        self._studio, self.document, self.settings, self.playhead = studio, document, settings, playhead
        self._jobs = Jobs()
        self._told: set[str] = set()
        self.comparison: Sequence[Job] = ()
        self.variation = 0
        self.building = False
        # The open picture on white paper as the last run saw it, shared by all runs until it changes.
        self._rgb: NDArray[np.uint8] | None = None
        self._beside = QTimer(self)
        self._beside.setInterval(BESIDE_MS)
        self._beside.timeout.connect(self._look)
        document.returned.connect(self._return)
        document.replaced.connect(self._replaced)
        playhead.state_changed.connect(self._look)
        settings.changed.connect(self._take_model)
        self._take_model()

    def _take_model(self) -> None:
        bundle = self.settings.bundle
        if bundle is not None:
            self.document.set_model(picture_tokenizer(bundle).height, bundle.subtokens.length)

    # ---- what there is

    @property
    def job(self) -> Job | None:
        """The job whose frame is on the canvas."""
        run = self.playhead.run
        return self._jobs.get(run.id) if run else None

    @property
    def runs(self) -> bool:
        """Whether the run on the canvas is being made now."""
        return self.playhead.state in ("waiting", "running", "stopping")

    @property
    def pending(self) -> bool:
        """Whether the frame on the canvas was touched, so that the next run goes on from it."""
        return self.job is not None and any(self.document.state_edits)

    def units(self) -> int:
        """Groups of digits a variation that the next run makes; 0 where nothing is masked."""
        bundle, frame = self.settings.bundle, self.document.working_frame
        job = self.job
        if bundle is not None and job is not None and self.pending and bundle.digest == job.run.bundle.digest:
            state = touched_state(job, self.playhead.index, self.variation, self.document)
            return sum(units_of(state, bundle.subtokens.mask_id, self.settings.get("granularity")))
        if bundle is None or frame is None:
            return 0
        grid, length, groups = self.document.grid, bundle.subtokens.length, self.settings.get("granularity")
        units = planes.groups_in(self.document.mask_bits, frame, grid, length, groups)
        return units * (bundle.num_tokens // grid**2)

    def all_is_open(self) -> bool:
        """Whether the next run gets nothing of the picture to go by."""
        bundle = self.settings.bundle
        return bundle is not None and self.units() == bundle.num_tokens * self.settings.get("granularity")

    def branch_problem(self, index: int | None = None, again: NDArray[np.bool_] | None = None) -> str:
        """Why there is no going on from a frame (the one shown), in one sentence; "" where there is. As `branch`."""
        job, bundle = self.job, self.settings.bundle
        if job is None or bundle is None:
            return ""
        anew = "undo your marks to generate anew" if self.pending else "generate anew"
        if strange := job.run.strange_to(bundle, anew):
            return strange
        state = job.run.frames[self.playhead.index if index is None else index].y[self.variation]
        erased, painted = self.document.state_edits
        if erased or (again is not None and again.any()) or (state == bundle.subtokens.mask_id).any():
            return ""
        return PAINTED if painted else ALL_KNOWN

    # ---- making

    async def generate(self) -> Run | None:
        """Go on from the frame on the canvas if it was touched, else fill the mask anew. StudioError if impossible."""
        if self.pending:
            return await self.branch()
        if self.building:
            return None
        self.building = True
        try:
            bundle = self.bundle()
            seed = self.settings.get("seed")
            if not self.settings.get("seed_locked") and any(seed in job.run.request.seeds for job in self._jobs):
                self.settings.new_seed()
            request = await self._ask(bundle, self.settings.options(), self.settings.seeds())
            run = self._keep_start(request, bundle).run
        finally:
            self.building = False
        self._put(run, "Generate")
        return run

    async def branch(self, index: int | None = None, again: NDArray[np.bool_] | None = None) -> Run | None:
        """Go on from a frame (the one shown) of the variation on the canvas, with what was erased, painted and pinned,
        the present options and new seeds. StudioError if nothing is left to make.

        again: pixels to be made again as if they were erased, bool (H, W), without an action of its own."""
        job = self.job
        if job is None or self.building:
            return None
        index = self.playhead.index if index is None else index
        bundle = self.bundle()
        if problem := self.branch_problem(index, again):
            raise StudioError(problem)
        self.building, touched = True, self.document.undo_stack.index()
        try:
            given = touched_state(job, index, self.variation, self.document, again)
            edited, mask = touched_job(job, self.document, again)
            if not (given == bundle.subtokens.mask_id).any():  # painted over, but nothing marked
                raise StudioError(PAINTED)
            if not self.settings.get("seed_locked"):
                self.settings.new_seed()
            request = await asyncio.to_thread(
                branch_request,
                job.run.request,
                bundle,
                given,
                mask=mask,
                seeds=self.settings.seeds(),
                **self.settings.options(),
            )
        finally:
            self.building = False
        if self.job is not job:  # taken from the canvas in the meantime
            return None
        if self.document.undo_stack.index() != touched:  # a stroke has come to it
            return await self.branch(index, again)
        run = self._studio.lane.start(request, bundle, parent=(job.run.id, index))
        self._jobs.keep(replace(edited, run=run))
        self._put(run, "Branch" if again is None else "Redo the rest")
        return run

    async def redo_rest(self) -> Run | None:
        """Make everything anew that was made and is not pinned."""
        job = self.job
        if job is None:
            return None
        if not self.document.pins.any():
            raise StudioError("Nothing is pinned: mark what shall stay with the pin tool first, or generate anew.")
        return await self.branch(again=job.source.full_mask() & ~self.document.pins)

    async def compare(self) -> list[Run]:
        """Fill the same hole from the same seed at every granularity of the model, side by side."""
        if self.building:
            return []
        self.building = True
        try:
            bundle = self.bundle()
            first = await self._ask(bundle, self.settings.options(), self.settings.seeds()[:1])
            jobs = []
            for granularity in self.settings.granularities:
                request = first.model_copy(update={"granularity": granularity})
                jobs.append(self._keep_start(request, bundle))
        finally:
            self.building = False
        self._put(jobs[0].run, "Compare ℓ", jobs)
        return [job.run for job in jobs]

    def take_up(self, job: Job, variation: int, comparison: Sequence[Job] = ()) -> None:
        """Show a job of an earlier session, and those that it was compared with."""
        for other in (job, *comparison):
            if other.run.over:  # the end of one that goes on is news
                self._told.add(other.run.id)
            self._jobs.keep(other)
        self._set_comparison(comparison)
        self.document.editing_state = True
        self.look_at(job, variation)

    def look_at(self, job: Job, variation: int = 0) -> None:
        """Put another job, or variation, on the canvas."""
        self._jobs.keep(job)
        self.variation = min(variation, len(job.run.request.seeds) - 1)
        self.document.place = job.run.id
        if self.playhead.run is not job.run:
            self.playhead.set_run(job.run)
        self.changed.emit()

    def clear(self) -> None:
        """Take what was made from the canvas, as an action; runs that go on are stopped, paused ones wait for undo."""
        self.document.come_to(None, "Back to the original", "pins", "erased", "painted")
        self._leave()

    def _leave(self) -> None:
        self._beside.stop()
        leave(job.run for job in self._jobs)
        self._remember()
        self.document.editing_state = False
        self._set_comparison(())
        self.playhead.set_run(None)
        self.variation = 0
        self.changed.emit()

    def _remember(self) -> None:
        if self.job is not None:
            index = None if self.playhead.following else self.playhead.index
            for job in {self.job, *self.comparison}:  # undo knows a comparison by its first
                self._jobs.remember(job, Look(self.job, self.variation, index, self.comparison))

    def _return(self) -> None:
        """Undo or redo has led to what was on the canvas at another time: have it there again."""
        job = self._jobs.get(self.document.place)
        if job is None:
            self._leave()
            return
        look = self._jobs.look(job)
        job = look.job or job
        self._end_old(job.run, look.beside)
        self._remember()
        self._set_comparison(look.beside)
        self.document.editing_state = True
        self.look_at(job, look.variation)
        if look.index is not None:
            self.playhead.show(look.index)

    def _replaced(self) -> None:
        if self.job is not None:
            self._leave()

    def use_as_original(self) -> None:
        """The frame on the canvas becomes the picture; every pixel outside the mask stays as it is."""
        job, kept = self.job, self.playhead.frame
        if job is None or kept is None:
            return
        state = kept.y[self.variation]
        if (state == job.run.bundle.subtokens.mask_id).any():
            raise StudioError(f"This is not finished: some pixels are only partly known. {self._way_on(job.run)}")
        made, filled = self._whole(job, kept)
        self.document.accept(made, filled if job.repainted is None else filled | job.repainted)
        self._leave()

    def _way_on(self, run: Run) -> str:
        """What makes a frame whole in which some pixels are only partly known."""
        if run.state == "done":
            return "Step on to the last step first."
        if run.over:
            return "The run has ended before its last step: Branch here goes on from this one."
        return "Go on to the last step first."

    def finished(self) -> Picture | None:
        """The picture on the canvas as it would be saved: what was made and painted, in the picture it belongs to."""
        job, kept = self.job, self.playhead.frame
        return None if job is None or kept is None else job.picture.filled(*self._whole(job, kept))

    def _whole(self, job: Job, kept: Kept) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The picture with what was made and painted in it, uint8 (H, W, 3), and where that is, bool (H, W)."""
        made, filled, painted = job.whole(kept, self.variation), job.source.full_mask(), self.document.painted
        if self.document.state_edits[1]:
            opaque = painted[..., 3] > 0
            filled |= opaque
            put(made, painted[..., :3], opaque)
        return made, filled

    def stop(self) -> None:
        """Stop what is on the canvas, and what it is compared with."""
        for job in (self.job, *self.comparison):
            if job is not None:
                job.run.stop()

    def close_down(self) -> None:
        self._beside.stop()
        for job in self._jobs:
            job.run.stop()

    # ---- inside

    def bundle(self) -> "Bundle":
        """The model to make with. StudioError without one."""
        bundle = self.settings.bundle
        if bundle is None:
            raise StudioError("There is no picture model: import one in Models, or install Prime Studio again.")
        return bundle

    async def _ask(self, bundle: "Bundle", options: Any, seeds: tuple[int, ...]) -> GenerationRequest:
        """The request for what is open, built off the main thread: averaging a large frame takes its time."""
        document = self.document
        picture = document.picture
        mask, bits, frame = document.mask, document.plane_bits(), document.working_frame
        if frame is None:
            raise StudioError("Nothing is masked: paint over what is to be filled, or press Ctrl+A for all of it.")

        def build() -> tuple[GenerationRequest, NDArray[np.uint8]]:
            rgb = picture.rgb
            return picture_request(bundle, rgb, mask, frame=frame, planes=bits, seeds=seeds, **options), rgb

        request, self._rgb = await asyncio.to_thread(build)
        if picture is not document.picture:
            raise StudioError("The picture has changed in the meantime: press Generate again.")
        return request

    def _keep_start(self, request: GenerationRequest, bundle: "Bundle") -> Job:
        assert self._rgb is not None
        return self._jobs.keep(Job(self._studio.lane.start(request, bundle), self.document.picture, self._rgb))

    def _end_old(self, run: Run, beside: Sequence[Job]) -> None:
        """Another run is shown, and others beside it: what is still being made for the canvas ends."""
        leave(old.run for old in (self.job, *self.comparison) if old and old.run is not run and old not in beside)

    def _put(self, run: Run, text: str, comparison: Sequence[Job] = ()) -> None:
        """Show a new run, as an action; what was touched in the one before belonged to that."""
        self._end_old(run, comparison)
        self._remember()
        self._set_comparison(comparison)
        self.document.come_to(run.id, text, "erased", "painted")
        self.variation = min(self.variation, len(run.request.seeds) - 1)
        self.document.editing_state = True
        self.playhead.set_run(run)
        self.changed.emit()

    def _set_comparison(self, jobs: Sequence[Job]) -> None:
        self._look()  # what has ended meanwhile is told before it is out of sight
        if jobs or self.comparison:
            self.comparison = jobs
            self.compared.emit()
        if jobs:
            self._beside.start()  # the playhead looks at the one on the canvas alone

    def _look(self) -> None:
        if all(job.run.over for job in self.comparison):
            self._beside.stop()
        for job in dict.fromkeys((self.job, *self.comparison)):
            if job is not None and job.run.over and job.run.id not in self._told:
                self._told.add(job.run.id)
                self.ended.emit(job)
