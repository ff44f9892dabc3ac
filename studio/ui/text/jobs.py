"""A run for the open text: which gaps it fills, and what its frames know of them. Without Qt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.generation import GenerationRequest, plan_of, words_of
from studio.media.gapped import Fill, Gap
from studio.media.texts import TextTokenizer
from studio.media.words import Word, gap_words
from studio.ui.runs import Kept, Run

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle


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
    runs = [list(run) for _, run in groupby(plan.parts, lambda part: isinstance(part, int))]
    fills: dict[int, Fill] = {}
    at = 0
    for index, run in enumerate(runs):
        if isinstance(run[0], str):
            at += len("".join(map(str, run)))
            continue
        # Gaps with no text between them are one stretch.
        numbers = range(len(fills), len(fills) + len(run))
        words = [word for number in numbers for word in given[number]]
        after = "".join(map(str, runs[index + 1])) if index + 1 < len(runs) else ""
        stops = (at + stop for stop in _places(after, text[at:], index + 2 >= len(runs)))
        spaced, tokens = plan.spaced[numbers.start], None
        for stop in stops:
            tokens = _spelled(text[at:stop], words, spaced, plan.tokenizer)
            if tokens is not None:
                at = stop
                break
        if tokens is None:
            return {}
        for number in numbers:
            own, tokens = tokens[: len(given[number])], tokens[len(given[number]) :]
            y = bundle.subtokens.encode(np.array(own, dtype=np.int64))
            pins = frozenset(place for place, word in enumerate(given[number]) if word.settled)
            fills[number] = fill_of(gap_words(y, bundle.subtokens, plan.tokenizer, spaced=plan.spaced[number]), pins)
    return fills if plan.join([fill.text for fill in fills.values()]) == text else {}


def _places(words: str, text: str, last: bool) -> Iterator[int]:
    """Where words stand in a text, a few of the places; the last ones at its end alone."""
    at = len(text) - len(words) if last else text.find(words)
    for _ in range(20):
        if at < 0 or not text.startswith(words, at):
            return
        yield at
        at = -1 if last else text.find(words, at + 1)


def _spelled(text: str, words: Sequence[Word], spaced: bool, tokenizer: TextTokenizer) -> list[int] | None:
    """Tokens of a stretch of text, as many as there are words, of which some are known; None where there are none."""
    known = {index: word.token for index, word in enumerate(words) if word.token is not None}
    data = text.encode("utf-8", "replace")
    if spaced and (tokens := tokenizer.spell(b" " + data, len(words), known)) is not None:
        return tokens
    return tokenizer.spell(data, len(words), known)


def begun(request: GenerationRequest, bundle: "Bundle") -> bool:
    """Whether a request goes on from tokens of which some digits are known: gaps and pins do not tell of those."""
    found = words_of(request, bundle, request.given.unpack())
    return any(0 < word.known < bundle.subtokens.length for words in found for word in words)
