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
from studio.generation import (
    Alternative,
    GenerationRequest,
    alternatives,
    branch_request,
    plan_of,
    text_request,
)
from studio.media.gapped import Fill, Gap, GappedText
from studio.media.words import Word, differences
from studio.ui.playhead import Playhead
from studio.ui.runs import Run
from studio.ui.sampling_settings import SamplingSettings
from studio.ui.text.document import TextDocument
from studio.ui.text.jobs import Job
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
        self.comparison: list[Job] = []
        self.draft = 0
        self.building = False
        self._words: tuple[object, dict[int, list[Word]], dict[int, NDArray[np.bool_]]] = (None, {}, {})
        self._left: WeakKeyDictionary[GappedText, tuple[dict[str, Job], list[Job], Job | None, int, int]] = (
            WeakKeyDictionary()
        )
        document.leaving.connect(self._leave)
        playhead.frame_changed.connect(self.changed)
        playhead.state_changed.connect(self._look)

    # ---- what is shown

    @property
    def job(self) -> Job | None:
        """The job that is looked at."""
        run = self.playhead.run
        return self._jobs.get(run.id) if run else None

    def job_of(self, run_id: str) -> Job | None:
        return self._jobs.get(run_id)

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
        return job.run.state != "done" or self.playhead.index < len(job.run.frames) - 1

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
        self._set_comparison([])
        self._put(job)
        return job.run

    async def compare(self) -> list[Run]:
        """Fill the same gaps from the same seed at every granularity of the model."""
        if self.building:
            return []
        self.building = True
        try:
            jobs = []
            for granularity in self.settings.granularities:
                options: Any = self.settings.options() | {"granularity": granularity}
                jobs.append(await self._start(options, self.settings.seeds()[:1]))
        finally:
            self.building = False
        self._put(jobs[0])
        self._set_comparison(jobs)
        return [job.run for job in jobs]

    async def branch(self, index: int | None = None, known: dict[tuple[int, int], int] | None = None) -> Run | None:
        """Go on from a frame (the one shown) of the draft that is looked at, with the present options and new seeds.

        known: tokens to be put in first, by gap id and place in the gap. StudioError if nothing is left to make.
        """
        job = self.job
        if job is None or self.building:
            return None
        index = self.playhead.index if index is None else index
        bundle = self._bundle()
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
        request = branch_request(job.run.request, bundle, state, seeds=self.settings.seeds(), **self.settings.options())
        run = self._studio.lane.start(request, bundle, parent=(job.run.id, index))
        self._set_comparison([])
        self._put(self._keep(Job(run, job.gaps, job.made)))
        return run

    async def alternatives(self, gap_id: int, index: int, count: int = 9) -> list[Alternative]:
        """What could stand at a place of a gap given everything else, as it is shown. StudioError where unknown."""
        bundle, job = self._bundle(), self.job
        if self.live and job is not None and gap_id in job.made:
            request, frame = job.run.request, self.playhead.frame
            assert frame is not None
            y = frame.y[min(self.draft, self.drafts - 1)].astype(np.int64)
            bundle = job.run.bundle
            number = job.gaps.index(gap_id)
        else:
            text = self.document.text
            gaps = text.gaps
            number = next(i for i, gap in enumerate(gaps) if gap.id == gap_id)
            kept = [{} if gap.fill is None else gap.fill.known for gap in gaps]
            kept[number].pop(index, None)
            request = await asyncio.to_thread(text_request, bundle, text.parts, kept=kept)
            y = request.given.unpack()
        lane = self._studio.lane
        work = lane.submit(lambda: alternatives(request, bundle, lane.network(bundle), y, number, index, count))
        return await asyncio.wrap_future(work)

    def look_at(self, job: Job, draft: int) -> None:
        """Look at another draft, or another of the runs that are compared; if it is whole it goes into the text."""
        self.draft = draft
        if self.playhead.run is not job.run:
            self.playhead.set_run(job.run)
        if job.run.state == "done":
            self.document.fill(job.fills(draft), "choose a draft")
            self.playhead.follow()
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
        for run in self._studio.lane.runs:
            if run.id in self._jobs:
                run.stop()
        self.playhead.watch()

    def _leave(self) -> None:
        """What was made belongs to its text, and is kept for as long as undo may lead back to that."""
        if self._jobs:
            made = (self._jobs, self.comparison, self.job, self.draft, self.playhead.index)
            self._left[self.document.text] = made
        self.clear()

    def clear(self) -> None:
        """Let go of everything that was made; what is in the text stays."""
        self.stop()
        self._jobs, self.draft = {}, 0
        self.playhead.set_run(None)
        self._set_comparison([])
        self.changed.emit()

    def come_back(self) -> None:
        """The text that is open now may be one that was left, with what was made for it."""
        if self.document.text in self._left:
            self._jobs, self.comparison, job, self.draft, index = self._left.pop(self.document.text)
            self._over.update(self._jobs)  # whatever they made is in the text already
            self.playhead.set_run(job.run if job else None)
            self.playhead.show(index)
            self.changed.emit()
            self.listed.emit()

    def take_up(self, job: Job, draft: int, comparison: Sequence[Job] = ()) -> None:
        """Look at a job of an earlier session, whose fills are in the text, and those that it was compared with."""
        for other in (job, *comparison):
            self._over.add(other.run.id)
            self._keep(other)
        self.comparison = list(comparison)
        self.draft = min(max(draft, 0), len(job.run.request.seeds) - 1)
        self.playhead.set_run(job.run)
        self.listed.emit()

    def differing(self, job: Job, draft: int, words: dict[int, list[Word]]) -> dict[int, Sequence[bool]]:
        """For each gap which tokens of a draft differ from the one that is looked at."""
        shown = self.job
        if shown is None or (job is shown and draft == self.draft):
            return {}
        kept = shown.run.frames[-1] if job is not shown else job.run.frames[-1]
        others = shown.words(kept, min(self.draft, self.drafts - 1))
        return {
            gap: differences([word.text for word in mine], [word.text for word in others[gap]])[0].tolist()
            for gap, mine in words.items()
            if gap in others
        }

    # ---- inside

    def _bundle(self) -> "Bundle":
        bundle = self.settings.bundle
        if bundle is None:
            raise StudioError("There is no text model: import one in Models, or install Prime Studio again.")
        return bundle

    async def _start(self, options: Any, seeds: tuple[int, ...]) -> Job:
        if problem := self.problem():
            raise StudioError(problem)
        bundle, text = self._bundle(), self.document.text
        gaps, parts = text.gaps, text.parts
        empty = not all(gap.filled for gap in gaps)
        kept = [
            gap.fill.known if gap.fill is not None and gap.filled and empty else pins
            for gap, pins in zip(gaps, text.kept, strict=True)
        ]

        def build() -> GenerationRequest:
            return text_request(bundle, parts, kept=kept, seeds=seeds, **options)

        request = await asyncio.to_thread(build)
        made = frozenset(gap.id for gap, known in zip(gaps, kept, strict=True) if len(known) < gap.length)
        run = self._studio.lane.start(request, bundle)
        return self._keep(Job(run, tuple(gap.id for gap in gaps), made))

    def _keep(self, job: Job) -> Job:
        self._jobs[job.run.id] = job
        while len(self._jobs) > KEPT_JOBS:
            del self._jobs[next(iter(self._jobs))]
        return job

    def _put(self, job: Job) -> None:
        old = self.playhead.run
        if old is not None and old is not job.run and all(old is not other.run for other in self.comparison):
            old.stop()
        self.draft = min(self.draft, len(job.run.request.seeds) - 1)
        self.playhead.set_run(job.run)
        self.changed.emit()
        self.listed.emit()

    def _set_comparison(self, jobs: list[Job]) -> None:
        self.comparison = jobs
        self.listed.emit()

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
            if job.run.state == "done":
                self.document.fill(self._with_pins(job.fills(min(self.draft, self.drafts - 1))))
            self.ended.emit(job)
        self.changed.emit()

    def _with_pins(self, fills: dict[int, Fill]) -> dict[int, Fill]:
        """With what was pinned while the run went on, where it is there at the end."""
        old = {gap.id: gap.fill for gap in self.document.text.gaps if gap.fill is not None}
        for gap, fill in fills.items():
            pins = old[gap].pinned if gap in old else frozenset()
            same = {i for i in pins if i < len(fill.tokens) and fill.tokens[i] == old[gap].tokens[i]}
            fills[gap] = replace(fill, pinned=fill.pinned | same)
        return fills
