"""How gaps are filled: runs for the open text, what they show of it while they go, and what they leave in it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from studio.errors import StudioError
from studio.generation import GenerationRequest, branch_request, plan_of, text_request
from studio.media.gapped import Fill, Gap, GappedText
from studio.media.words import Word
from studio.ui.playhead import Playhead
from studio.ui.runs import Run, leave
from studio.ui.sampling_settings import SamplingSettings
from studio.ui.text.document import NO_MODEL, Place, TextDocument
from studio.ui.text.jobs import Job, with_pins
from studio.ui.text.looks import GapLook, document_look, live_look

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle
    from studio.ui.context import Studio

KEPT_JOBS = 24
ALL_KNOWN = "Every word is known at this step: step back first, or redo what is not pinned."


class Filling(QObject):
    """Turns document and settings into runs, shows the frame that is looked at, and fills the document at the end.

    changed: what gaps show may be another. ended: a job is over, for whatever reason. listed: the drafts or runs to be
    looked at side by side are others.
    """

    changed = Signal()
    ended = Signal(object)
    listed = Signal()

    def __init__(
        self,
        studio: "Studio",
        document: TextDocument,
        settings: SamplingSettings,
        playhead: Playhead,
        parent: QObject | None = None,
    ):
        super().__init__(parent)
        self._studio, self.document, self.settings, self.playhead = studio, document, settings, playhead
        self._jobs: dict[str, Job] = {}
        self._over: set[str] = set()
        self._filled: set[str] = set()
        """Runs whose end was put into the text."""
        self._index: dict[str, int] = {}
        """The frame at which a run was left, where that is not its newest."""
        self._returning = False
        self.draft = 0
        self.building = False
        self._words: tuple[object, dict[int, list[Word]], dict[int, NDArray[np.bool_]]] = (None, {}, {})
        self._left: WeakKeyDictionary[GappedText, tuple[dict[str, Job], Place]] = WeakKeyDictionary()
        document.leaving.connect(self._leave)
        document.returned.connect(self._return)
        playhead.frame_changed.connect(self.changed)
        playhead.state_changed.connect(self._look)

    # ---- what is shown

    @property
    def job(self) -> Job | None:
        """The job that is looked at."""
        run = self.playhead.run
        return self._jobs.get(run.id) if run else None

    @property
    def comparison(self) -> Sequence[Job]:
        """What the job that is looked at is compared with, itself among them."""
        return self.job.beside if self.job else ()

    def at_home(self, job: Job) -> bool:
        """Whether a gap that the job makes is still in the text."""
        return any(gap.id in job.made for gap in self.document.text.gaps)

    @property
    def drafts(self) -> int:
        return len(self.job.run.request.seeds) if self.job else 0

    @property
    def live(self) -> bool:
        """Whether gaps show a frame of the run, not the document: while it goes, and whenever it is looked back at."""
        job = self.job
        if job is None or self.playhead.frame is None:
            return False
        return job.run.id not in self._filled or self.playhead.index < len(job.run.frames) - 1

    def look(self, gap: Gap) -> GapLook:
        """What the editor shows of a gap."""
        job = self.job
        if job is None or not self.live or gap.id not in job.made:
            return document_look(gap)
        words, given = self._shown(job)
        if len(words[gap.id]) != gap.length:
            return document_look(gap)
        pins = frozenset() if gap.fill is None else gap.fill.pinned
        return live_look(words[gap.id], [one or index in pins for index, one in enumerate(given[gap.id].tolist())])

    def settled(self, gap: Gap) -> Fill | None:
        """What is known of a gap in what is shown of it; None where that is nothing."""
        job, frame = self.job, self.playhead.frame
        fill = gap.fill
        if job is not None and frame is not None and self.look(gap).live:
            fill = job.fills(min(self.draft, self.drafts - 1), frame)[gap.id]
        return fill if fill is not None and fill.known else None

    def as_shown(self) -> GappedText:
        """The text as it is on the screen: what a run that is looked at has not settled is an open gap."""
        gaps = {gap.id: replace(gap, fill=self.settled(gap)) for gap in self.document.text.gaps}
        return GappedText(gaps[piece.id] if isinstance(piece, Gap) else piece for piece in self.document.text.pieces)

    def _shown(self, job: Job) -> tuple[dict[int, list[Word]], dict[int, NDArray[np.bool_]]]:
        frame = self.playhead.frame
        assert frame is not None
        key = (job.run.id, self.playhead.index, self.draft)
        if self._words[0] != key:
            draft = min(self.draft, self.drafts - 1)
            pins = self._words[2] if self._words[0] and self._words[0][0] == job.run.id else job.pinned()  # pyright: ignore[reportIndexIssue]
            self._words = (key, job.words(frame, draft), pins)
        return self._words[1], self._words[2]

    def problem(self) -> str:
        """Why nothing can be generated now, in one sentence; "" where it can."""
        gaps = self.document.text.gaps
        if not gaps:
            return "There is no gap: select words and press Ctrl+M, or insert a gap."
        longest = max(gap.length for gap in gaps)
        if longest > self.document.longest:
            return f"A gap of {longest} tokens is too long: the model takes at most {self.document.longest}."
        if not any(self._masked(gap) for gap in gaps):
            return "Every word is pinned: unpin some, or make another gap."
        return ""

    def branch_problem(self, index: int | None = None) -> str:
        """Why there is no going on from a frame (the one shown), in one sentence; "" where there is."""
        job, bundle = self.job, self.settings.bundle
        if job is None or bundle is None:
            return ""
        if not self.at_home(job):
            return "The gaps of this run are text now: undo that first, or make another gap."
        if strange := job.run.strange_to(bundle):
            return strange
        state = job.run.frames[self.playhead.index if index is None else index].y[min(self.draft, self.drafts - 1)]
        return "" if (state == bundle.subtokens.mask_id).any() else ALL_KNOWN

    def tokens_to_make(self) -> list[int]:
        """For each gap how many tokens of it the next run makes."""
        gaps = self.document.text.gaps
        empty = not all(gap.filled for gap in gaps)
        return [0 if gap.filled and empty else self._masked(gap) for gap in gaps]

    def _masked(self, gap: Gap) -> int:
        return gap.length - (0 if gap.fill is None else len(gap.fill.pinned))

    # ---- making

    def bundle(self) -> "Bundle":
        """The model to make with. StudioError without one."""
        bundle = self.settings.bundle
        if bundle is None:
            raise StudioError(NO_MODEL)
        return bundle

    async def generate(self) -> Run | None:
        """Fill the gaps that are empty; if none is, all in gaps that is not pinned. StudioError if impossible."""
        if self.building:
            return None
        self.building = True
        try:
            if not self.settings.get("seed_locked") and self._jobs:
                self.settings.new_seed()
            job = await self._start(self.settings.options(), self.settings.seeds())
        finally:
            self.building = False
        self._put(job, "generate")
        return job.run

    async def compare(self) -> list[Run]:
        """Fill the same gaps from the same seed at every granularity of the model."""
        if self.building:
            return []
        self.building = True
        try:
            jobs: list[Job] = []
            for granularity in self.settings.granularities:
                options: Any = self.settings.options() | {"granularity": granularity}
                jobs.append(await self._start(options, self.settings.seeds()[:1], jobs))
        finally:
            self.building = False
        self._put(jobs[0], "compare ℓ")
        return [job.run for job in jobs]

    async def branch(self, index: int | None = None, known: dict[tuple[int, int], int] | None = None) -> Run | None:
        """Go on from a frame (the one shown) of the draft that is looked at, with the present options and new seeds.

        known: tokens to be put in first, by gap id and place in the gap. StudioError if nothing is left to make.
        """
        job = self.job
        if job is None or self.building:
            return None
        index = self.playhead.index if index is None else index
        bundle = self.bundle()
        if problem := self.branch_problem(index):
            raise StudioError(problem)
        state = job.run.frames[index].y[min(self.draft, self.drafts - 1)].astype(np.int64)
        places = dict(zip(job.gaps, plan_of(job.run.request, bundle).positions, strict=True))
        for (gap, at), token in (known or {}).items():
            state[places[gap]][at] = bundle.subtokens.encode(token)
        if not (state == bundle.subtokens.mask_id).any():
            raise StudioError(ALL_KNOWN)
        if not self.settings.get("seed_locked"):
            self.settings.new_seed()
        options: Any = {"seeds": self.settings.seeds(), **self.settings.options()}
        request = await asyncio.to_thread(branch_request, job.run.request, bundle, state, **options)
        if self.job is not job:  # another text, or another run, has come meanwhile
            return None
        run = self._studio.lane.start(request, bundle, parent=(job.run.id, index))
        self._put(self._keep(Job(run, job.gaps, job.made)), "branch")
        return run

    def look_at(self, job: Job, draft: int) -> None:
        """Look at another draft, or another of the runs that are compared; if it is whole it goes into the text."""
        self._show(job, draft)
        place = (job.run.id, draft)
        if job.run.state == "done":
            self._filled.add(job.run.id)
            self.document.fill(job.fills(draft), "choose a draft", place)
            self.playhead.follow()
        self.document.place = place
        self.changed.emit()

    def _show(self, job: Job, draft: int) -> None:
        self.draft = draft
        self._jobs[job.run.id] = self._jobs.pop(job.run.id, job)  # what is looked at again is the youngest
        if self.playhead.run is not job.run:
            self.playhead.set_run(job.run)
        self.changed.emit()
        self.listed.emit()

    def accept(self, gap_id: int | None = None, caret: tuple[int, int] | None = None) -> None:
        """Make what is settled in gaps, as they are shown, part of the text; what is not stays a gap. Of this gap, or
        of all. A run that fills them ends. StudioError where nothing is settled. caret: as `TextDocument.accept`."""
        fills = {gap.id: self.settled(gap) for gap in self.document.text.gaps if gap_id in (None, gap.id)}
        found = {gap: fill for gap, fill in fills.items() if fill is not None}
        if not found:
            raise StudioError("Nothing is filled in yet: generate first.")
        if self.job is not None and not self.job.made.isdisjoint(found):
            self.job.run.stop()
        self.document.accept(found, caret)
        self.playhead.watch()  # of a run that was paused, nobody else would see the end

    def pin(self, gap_id: int, index: int, pinned: bool) -> None:
        """Keep a word, as it is shown, or not, when the rest is made again. StudioError where none is known."""
        _, gap = self.document.text.find(gap_id)
        fill = self.settled(gap)
        if fill is None or index not in fill.known:
            raise StudioError("No word is known in this place yet: generate first, then pin words.")
        if pinned and (gap.fill is None or gap.fill.tokens[index] != fill.tokens[index]):
            self.document.set_token(gap_id, index, fill.known[index], fill.words[index], "pin a word")
        else:
            self.document.set_pinned(gap_id, index, pinned)

    def stop(self) -> None:
        for job in (self.job, *self.comparison):
            if job is not None:
                job.run.stop()
        self.playhead.watch()

    def _leave(self) -> None:
        """What was made belongs to its text, and is kept for as long as undo may lead back to that."""
        if self._jobs:
            self._left[self.document.text] = (self._jobs, self.document.place)
        self._hide()
        self._jobs = {}

    def clear(self) -> None:
        """Let go of the run that is looked at, as an action; what is in the text stays."""
        self.document.come_to(None, "let go of the run")
        self._hide()

    def _hide(self) -> None:
        self._remember()
        leave(job.run for job in self._jobs.values())
        self.playhead.watch()
        self.draft = 0
        self.playhead.set_run(None)
        self.changed.emit()
        self.listed.emit()

    def come_back(self) -> None:
        """The text that is open now may be one that was left, with what was made for it."""
        if self.document.text in self._left:
            self._jobs, self.document.place = self._left.pop(self.document.text)
            self._return()

    def _return(self) -> None:
        """Undo or redo has led to what was on the screen at another time: have it there again."""
        run_id, draft = self.document.place or ("", 0)
        job = self._jobs.get(run_id)
        if job is None:
            self._hide()
            return
        self._returning = True  # in the middle of undoing nothing can be done
        try:
            self._end_old(job)
            self._show(job, draft)
            if run_id in self._index:
                self.playhead.show(self._index[run_id])
        finally:
            self._returning = False

    def _remember(self) -> None:
        if (job := self.job) is not None:
            self._index.pop(job.run.id, None)
            if not self.playhead.following:
                self._index[job.run.id] = self.playhead.index

    def take_up(self, job: Job, draft: int, filled: bool = False) -> None:
        """Look at a job of an earlier session; filled: what it made is in the text, as of one that is done."""
        for other in (job, *job.beside):
            if other.run.over:  # the end of one that goes on is news
                self._over.add(other.run.id)
            if filled or other.run.state == "done":
                self._filled.add(other.run.id)
            self._keep(other)
        draft = min(max(draft, 0), len(job.run.request.seeds) - 1)
        self.document.place = (job.run.id, draft)
        self._show(job, draft)

    # ---- inside

    async def _start(self, options: Any, seeds: tuple[int, ...], beside: Sequence[Job] = ()) -> Job:
        if problem := self.problem():
            raise StudioError(problem)
        bundle, text = self.bundle(), self.document.text
        gaps, parts = text.gaps, text.parts
        empty = not all(gap.filled for gap in gaps)
        kept = [
            gap.fill.known if gap.fill is not None and gap.filled and empty else pins
            for gap, pins in zip(gaps, text.kept, strict=True)
        ]

        def build() -> GenerationRequest:
            return text_request(bundle, parts, kept=kept, seeds=seeds, **options)

        request = await asyncio.to_thread(build)
        if text is not self.document.text:
            raise StudioError("Another text has been opened in the meantime: press Generate again.")
        made = frozenset(gap.id for gap, known in zip(gaps, kept, strict=True) if len(known) < gap.length)
        run = self._studio.lane.start(request, bundle)
        return self._keep(Job(run, tuple(gap.id for gap in gaps), made, beside))

    def _keep(self, job: Job) -> Job:
        self._jobs[job.run.id] = job
        while len(self._jobs) > KEPT_JOBS:
            del self._jobs[next(iter(self._jobs))]
        return job

    def _put(self, job: Job, title: str) -> None:
        """Show a new run, as an action."""
        self._end_old(job)
        draft = min(self.draft, len(job.run.request.seeds) - 1)
        self.document.come_to((job.run.id, draft), title)
        self._show(job, draft)

    def _end_old(self, job: Job) -> None:
        """Another run is shown, and others beside it: what is still being made for the screen ends."""
        self._remember()
        self.see_comparison()  # what has ended meanwhile is told before it is out of sight
        leave(old.run for old in (self.job, *self.comparison) if old and old is not job and old not in job.beside)

    def see_comparison(self) -> None:
        """Tell of runs side by side that have come to their end; the playhead watches only one of them."""
        for job in self.comparison:
            if job.run.over and job.run.id not in self._over and job is not self.job:
                self._over.add(job.run.id)
                self.ended.emit(job)

    def _look(self) -> None:
        """The run that is looked at may have come to its end."""
        job = self.job
        if job is not None and job.run.over and job.run.id not in self._over:
            self._over.add(job.run.id)
            if job.run.state == "done" and not self._returning:
                self._filled.add(job.run.id)
                draft = min(self.draft, self.drafts - 1)
                self.document.fill(with_pins(job.fills(draft), self.document.text.gaps), place=(job.run.id, draft))
            self.ended.emit(job)
        self.changed.emit()
