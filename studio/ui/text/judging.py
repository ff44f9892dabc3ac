"""Judges the text: how surprising each token is given all others, a few at a time so that runs get their turn."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from studio.errors import StudioError
from studio.evaluation import BATCH, JudgedToken, text_surprises
from studio.media.gapped import Gap, GappedText, reading
from studio.ui.text.document import TextDocument
from studio.ui.text.judged import Judged

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle
    from studio.ui.context import Studio


class Judging(QObject):
    """One judgement at a time. told: what the button to stop it says, at length and in short; "" when there is none."""

    told = Signal(str, str)
    grown = Signal()

    def __init__(self, studio: "Studio", document: TextDocument, judged: Judged, parent: QObject | None = None):
        super().__init__(parent)
        self._studio, self._document, self._judged = studio, document, judged
        self._turn = 0
        self.busy = False

    async def judge(self, bundle: "Bundle", start: int, stop: int, begin: int = 0) -> None:
        """Judge what stands between two places, by all of the text, from `begin` on and then what is before it. An
        edit ends it; what was judged stays."""
        if not len(self._document.text):
            raise StudioError("The text is empty: there is nothing to judge.")
        self._turn += 1
        turn, revision, lane = self._turn, self._document.revision, self._studio.lane
        pieces = self._document.text.pieces

        def prepare() -> tuple[list[int], dict[int, Gap], int, Iterator[list[JudgedToken]]]:
            """Of a long text that takes seconds."""
            text = GappedText(pieces)
            whole, places = readings(text)
            filled = {-place - 1: gap for place, gap in text.placed() if isinstance(gap, Gap) and gap.filled}
            low, high, first = (_index(places, place) for place in (start, stop, begin))
            stream = text_surprises(
                bundle, lambda y, rows: lane.network(bundle)(y, rows), whole, low, high, begin=first
            )
            return places, filled, *stream

        self.busy = True
        self.told.emit("Preparing…", "…")
        try:
            places, filled, calls, stream = await asyncio.to_thread(prepare)
            begun = time.monotonic()
            for done in range(calls):
                if turn != self._turn or revision != self._document.revision:
                    break
                call = (time.monotonic() - begun) / done if done else lane.call_seconds(bundle, BATCH)
                self.told.emit(progress(done, calls, call), f"{100 * done // calls} %")
                some = await asyncio.wrap_future(lane.submit(lambda: next(stream, None)))
                if some is None or turn != self._turn or revision != self._document.revision:
                    break
                self._judged.add(_by_place(some, places))
                for token in some:
                    for marked in {place for place in places[token.start : token.stop] if place in filled}:
                        self._add_inside(token, filled[marked], bisect_left(places, -marked - 1, key=_place))
                self.grown.emit()
        finally:
            if turn == self._turn:
                self.busy = False
                self.told.emit("", "")

    def _add_inside(self, token: JudgedToken, gap: Gap, first: int) -> None:
        """A token that stands, at least in part, in what a gap is filled with; first: the first character of that."""
        assert gap.fill is not None
        text = gap.fill.text
        start, stop = max(token.start - first, 0), min(token.stop - first, len(text))
        self._judged.add_inside(gap.id, text, start, stop, token.bits)

    async def judge_gaps(self, bundle: "Bundle") -> None:
        """Judge what was filled in since the text was judged, gap by gap."""
        if self.busy:
            return
        for gap in self._document.text.gaps:
            if gap.filled and gap.fill and gap.fill.text and self._judged.inside(gap.id, gap.fill.text) is None:
                place, _ = self._document.text.find(gap.id)
                revision, turn = self._document.revision, self._turn + 1
                await self.judge(bundle, place, place + 1)
                if turn != self._turn or revision != self._document.revision:
                    return

    def stop(self) -> None:
        self._turn += 1
        self.busy = False
        self.told.emit("", "")


def progress(done: int, calls: int, call: float | None) -> str:
    """How far it is, and for how long it goes on; call: seconds that one takes, None where that is not known."""
    left = "" if call is None else f", about {_rough(call * (calls - done))} left"
    return f"Stop judging ({100 * done // calls} %{left})"


def _rough(seconds: float) -> str:
    """As exact as such a forecast is."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 1):.0f} s"


def readings(text: GappedText) -> tuple[str, list[int]]:
    """The text as it reads, and for each character its place; in a gap they have that of the gap, negative."""
    places: list[int] = []
    for place, piece in text.placed():
        if isinstance(piece, str):
            places.extend(range(place, place + len(piece)))
        else:
            places.extend([-place - 1] * len(reading(piece)))
    places.append(len(text))
    return text.text, places


def _index(places: list[int], place: int) -> int:
    """The first character that stands at a place or behind it."""
    return min(bisect_left(places, place, key=_place), len(places) - 1)


def _place(place: int) -> int:
    return place if place >= 0 else -place - 1


def _by_place(tokens: list[JudgedToken], places: list[int]) -> list[tuple[int, int, float]]:
    """Tokens of given text by place."""
    found = []
    for token in tokens:
        within = [place for place in places[token.start : token.stop] if place >= 0]
        if within or (token.start == token.stop and places[token.start] >= 0):
            start = within[0] if within else places[token.start]
            found.append((start, within[-1] + 1 if within else start, token.bits))
    return found
