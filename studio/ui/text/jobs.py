"""A run for the open text: which gaps it fills, and what its frames know of them. Without Qt."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.generation import GenerationRequest, plan_of, words_of
from studio.media.gapped import Fill, Gap
from studio.media.textplan import TextPlan
from studio.media.words import Word, gap_words
from studio.ui.runs import Kept, Run

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle

PATIENCE = 1.0
"""Seconds to find the words of a draft again among what was given."""


@dataclass(frozen=True, eq=False)
class Job:
    """A run and the gaps that it fills. gaps: their ids, for each gap of the request; made: those not given whole;
    beside: the jobs that it is compared with, itself among them."""

    run: Run
    gaps: tuple[int, ...]
    made: frozenset[int]
    beside: Sequence["Job"] = ()

    def words(self, kept: Kept, draft: int) -> dict[int, list[Word]]:
        """What a frame knows of the gaps that are made, by their ids."""
        found = words_of(
            self.run.request,
            self.run.bundle,
            kept.y[draft].astype(np.int64),
            None if kept.confidence is None else kept.confidence[draft],
            None if kept.likeliest is None else kept.likeliest[draft],
        )
        return {gap: words for gap, words in zip(self.gaps, found, strict=True) if gap in self.made}

    def pinned(self) -> dict[int, NDArray[np.bool_]]:
        """For each gap which of its tokens were given to the run."""
        plan, bundle = plan_of(self.run.request, self.run.bundle), self.run.bundle
        given = (self.run.frames[0].y[0] != bundle.subtokens.mask_id).all(axis=-1)
        return {gap: given[place] for gap, place in zip(self.gaps, plan.positions, strict=True)}

    def fills(self, draft: int, kept: Kept | None = None) -> dict[int, Fill]:
        """What a frame, the newest unless another is given, leaves in the gaps that are made."""
        pinned = self.pinned()
        return {
            gap: fill_of(words, frozenset(np.flatnonzero(pinned[gap]).tolist()))
            for gap, words in self.words(kept or self.run.frames[-1], draft).items()
        }


def fill_of(words: list[Word], pinned: frozenset[int]) -> Fill:
    """What is settled among words."""
    return Fill(
        tuple(word.token for word in words),
        tuple(word.text if word.settled else "" for word in words),
        tuple(word.confidence if word.settled else None for word in words),
        pinned,
    )


def with_pins(fills: dict[int, Fill], gaps: Sequence[Gap]) -> dict[int, Fill]:
    """With what was pinned in the gaps while the run went on, where it is there at the end."""
    old = {gap.id: gap.fill for gap in gaps if gap.fill is not None}
    for gap, fill in fills.items():
        pins = old[gap].pinned if gap in old else frozenset()
        same = {i for i in pins if i < len(fill.tokens) and fill.tokens[i] == old[gap].tokens[i]}
        fills[gap] = replace(fill, pinned=fill.pinned | same)
    return fills


def given_fills(request: GenerationRequest, bundle: "Bundle") -> dict[int, Fill]:
    """What a request was given in gaps, by their numbers: all of it counts as pinned."""
    fills = {}
    for number, words in enumerate(words_of(request, bundle, request.given.unpack())):
        known = frozenset(index for index, word in enumerate(words) if word.settled)
        if known:
            fills[number] = fill_of(words, known)
    return fills


def made_fills(request: GenerationRequest, bundle: "Bundle", text: str) -> dict[int, Fill]:
    """What stands in the gaps of a text that a request made, by their numbers; nothing where it made no such text. Of a
    draft only the text is kept: the tokens are some that read so. What was given is pinned."""
    plan, given = plan_of(request, bundle), words_of(request, bundle, request.given.unpack())
    found = _Spelling(plan, given, text).tokens()
    if found is None:
        return {}
    fills: dict[int, Fill] = {}
    for number, (words, spaced) in enumerate(zip(given, plan.spaced, strict=True)):
        y = bundle.subtokens.encode(np.array(found[: len(words)], dtype=np.int64))
        pins = frozenset(place for place, word in enumerate(words) if word.settled)
        fills[number] = fill_of(gap_words(y, bundle.subtokens, plan.tokenizer, spaced=spaced), pins)
        found = found[len(words) :]
    return fills if plan.join([fill.text for fill in fills.values()]) == text else {}


class _Spelling:
    """Looks for tokens of the gaps with which a text reads as it does; given: the words of each gap."""

    def __init__(self, plan: TextPlan, given: list[list[Word]], text: str):
        self._text, self._tokenizer = text, plan.tokenizer
        # Gaps with no text between them are one stretch.
        self._runs = [list(run) for _, run in groupby(plan.parts, lambda part: isinstance(part, int))]
        self._spaced, self._words = [], []
        numbers = iter(range(len(given)))
        for run in self._runs:
            own = [next(numbers) for part in run if isinstance(part, int)]
            self._spaced.append(bool(own) and plan.spaced[own[0]])
            self._words.append([word for number in own for word in given[number]])
        self._until = time.monotonic() + PATIENCE

    def tokens(self) -> list[int] | None:
        """Those of all gaps, one after the other; None where there are none, or none were found in time."""
        ways, found = [self._ways(0, 0)], list[list[int]]()
        while ways:
            del found[len(ways) - 1 :]  # the last way was none
            way = next(ways[-1], None)
            if way is None:
                ways.pop()
                continue
            found.append(way[0])
            if len(found) < len(self._runs):
                ways.append(self._ways(len(found), way[1]))
            elif way[1] == len(self._text):
                return list(chain(*found))
        return None

    def _ways(self, index: int, at: int) -> Iterator[tuple[list[int], int]]:
        """How a run that begins at a character can read: the tokens of its gaps, and where it ends."""
        if not self._words[index]:
            if self._text.startswith(given := self._given(index), at):
                yield [], at + len(given)
            return
        for stop in self._stops(index, at):
            if time.monotonic() > self._until:
                return
            tokens = self._spelled(self._text[at:stop], self._words[index], self._spaced[index])
            if tokens is not None:
                yield tokens, stop

    def _given(self, index: int) -> str:
        return "".join(map(str, self._runs[index])) if index < len(self._runs) else ""

    def _stops(self, index: int, at: int) -> list[int]:
        """Where a stretch can end: before what follows it. Candidates whose tokenised length is nearest the gap's come
        first."""
        after, count = self._given(index + 1), len(self._words[index])
        if index + 2 >= len(self._runs):
            return [len(self._text) - len(after)] if len(self._text) - len(after) >= at else []
        stops, stop = [], self._text.find(after, at)
        while stop >= 0 and len(stops) < 50:
            stops.append(stop)
            stop = self._text.find(after, stop + 1)
        space = " " * self._spaced[index]
        return sorted(stops, key=lambda stop: abs(len(self._tokenizer.encode(space + self._text[at:stop])) - count))

    def _spelled(self, text: str, words: Sequence[Word], spaced: bool) -> list[int] | None:
        known = {index: word.token for index, word in enumerate(words) if word.token is not None}
        data = text.encode("utf-8", "replace")
        if spaced and (tokens := self._tokenizer.spell(b" " + data, len(words), known)) is not None:
            return tokens
        return self._tokenizer.spell(data, len(words), known)


def begun(request: GenerationRequest, bundle: "Bundle") -> bool:
    """Whether a request goes on from tokens of which some digits are known: gaps and pins do not tell of those."""
    found = words_of(request, bundle, request.given.unpack())
    return any(0 < word.known < bundle.subtokens.length for words in found for word in words)
