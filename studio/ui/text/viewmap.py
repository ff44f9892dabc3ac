"""Between a text with gaps and the lines that an editor shows: which character stands where. Without Qt.

An editor of Qt takes line ends of every kind for one, and counts in halves of surrogate pairs. Here each line of the
text keeps its own end, and a place is found in its line by what stands before it there. A line that is very long is
shown as several, which have no end but the last: they are parts of one paragraph.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from studio.media.gapped import Edit, Gap, GappedText, Pieces, joined, size
from studio.ui.text.parting import LONGEST, parted

LINE_END = re.compile("\r\n|[\r\n\u2029]")
# What Qt would take for something else is shown as a character that is none.
_SHOWN = str.maketrans(dict.fromkeys("\ufdd0\ufdd1\ufffc", "\ufffd"))
_FILLED = str.maketrans(dict.fromkeys("\n\r\u2029", "\u2028") | dict.fromkeys("\ufdd0\ufdd1\ufffc", "\ufffd"))


def len16(text: str) -> int:
    """Length in the units that Qt counts in."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def index16(text: str, units: int) -> int:
    """How many characters the first `units` units of a text are."""
    if text.isascii():
        return min(units, len(text))
    return len(text.encode("utf-16-le", "surrogatepass")[: 2 * max(units, 0)].decode("utf-16-le", "ignore"))


def filled_view(text: str) -> str:
    """What a gap shows of its words: as many characters, all in one paragraph."""
    return text.translate(_FILLED)


@dataclass(frozen=True)
class Spot:
    """A place of the text; where it is within what a gap shows, `inside` counts that gap's characters."""

    place: int
    gap: Gap | None = None
    inside: int = 0


@dataclass(frozen=True)
class Change:
    """In the lines from `first` on, `removed` is replaced by `added`; both are views of lines."""

    first: int
    removed: list[str]
    added: list[str]


class ViewMap:
    """The lines of a text as they are shown. shown: what stands for a gap, without line ends. longest: places of a
    line; a longer one is shown in parts."""

    def __init__(self, text: GappedText, shown: Callable[[Gap], str], longest: int = LONGEST):
        self._text, self._shown, self._longest = text, shown, longest
        self._lines: list[tuple[int, int]] = []
        """Places of a line with its end, and of its end alone; a gap is one."""
        self.views: list[str] = []
        self._starts: list[int] | None = None
        self.reset()

    def reset(self) -> None:
        """Lay everything out anew."""
        self._take(0, len(self._lines), self._text.pieces, [])

    def update(self, edit: Edit) -> Change:
        """Follow an edit that the text has just been given."""
        first = self.line_of(edit.start)
        # Where a line begins, what was put there can join the end before it: "\r" and "\n".
        first -= first > 0 and self.starts[first] == edit.start
        stop = edit.start + size(edit.removed)
        last = self.line_of(stop)
        grown = size(edit.added) - size(edit.removed)
        # Parts of a paragraph that have become small join their neighbours.
        if sum(places for places, _ in self._lines[first : last + 1]) + grown < self._longest // 4:
            first -= first > 0 and self.goes_on(first - 1)
            last += self.goes_on(last)
        start, end = self.starts[first], self.starts[last] + self._lines[last][0] + grown
        seams = [self.starts[line + 1] for line in range(first, last) if self.goes_on(line)]
        kept = [seam for seam in seams if seam <= edit.start] + [seam + grown for seam in seams if seam >= stop]
        return self._take(first, last + 1 - first, self._text.between(start, end), [seam - start for seam in kept])

    def goes_on(self, line: int) -> bool:
        """Whether a line is a part of a paragraph that goes on in the next one."""
        return line + 1 < len(self._lines) and self._lines[line][1] == 0

    def refresh(self, gap_ids: set[int]) -> list[Change]:
        """Look again at what these gaps show."""
        changes: list[Change] = []
        for place, piece in self._text.placed():
            if isinstance(piece, Gap) and piece.id in gap_ids:
                line = self.line_of(place)
                if not changes or changes[-1].first != line:
                    view = self._view(self.content(line))
                    if view != self.views[line]:
                        changes.append(Change(line, [self.views[line]], [view]))
                        self.views[line] = view
        return changes

    @property
    def starts(self) -> list[int]:
        """The place at which each line begins."""
        if self._starts is None:
            self._starts = [0, *accumulate(places for places, _ in self._lines[:-1])]
        return self._starts

    def line_of(self, place: int) -> int:
        return bisect_right(self.starts, place) - 1

    def content(self, line: int) -> Pieces:
        """The pieces of a line without its end."""
        places, end = self._lines[line]
        return self._text.between(self.starts[line], self.starts[line] + places - end)

    def spot(self, line: int, offset: int) -> Spot:
        """What stands at an offset, in Qt's units, of a line."""
        place = self.starts[line]
        for piece in self.content(line):
            view = self._shown(piece) if isinstance(piece, Gap) else piece
            length = len16(view)
            if isinstance(piece, str):
                if offset <= length:
                    return Spot(place + index16(piece, offset))
                place += len(piece)
            else:
                if offset <= 0:
                    return Spot(place)
                if offset < length:
                    return Spot(place, piece, index16(view, offset))
                place += 1
            offset -= length
        return Spot(place)

    def position(self, place: int) -> tuple[int, int]:
        """Line, and offset in Qt's units in it, of a place."""
        line = self.line_of(place)
        left, offset = place - self.starts[line], 0
        for piece in self.content(line):
            if left <= 0:
                break
            if isinstance(piece, str):
                offset += len16(piece[:left])
                left -= len(piece)
            else:
                offset += len16(self._shown(piece))
                left -= 1
        return line, offset

    def gaps_in(self, line: int) -> list[tuple[int, int, Gap]]:
        """(offset, length, gap) of the gaps of a line, in Qt's units."""
        found, offset = [], 0
        for piece in self.content(line):
            length = len16(self._shown(piece) if isinstance(piece, Gap) else piece)
            if isinstance(piece, Gap):
                found.append((offset, length, piece))
            offset += length
        return found

    def _take(self, first: int, removed: int, pieces: Pieces, seams: list[int]) -> Change:
        lines: list[tuple[Pieces, int]] = []
        at = 0
        for content, end in _split(pieces):
            here = [seam - at for seam in seams if at < seam < at + size(content)]
            parts = parted(content, here, self._longest)
            lines += [*((part, 0) for part in parts[:-1]), (parts[-1], end)]
            at += size(content) + end
        # The text after the last line end is a line too, but only at the very end of the text.
        if first + removed < len(self._lines) and lines[-1] == ((), 0):
            lines.pop()
        views = [self._view(content) for content, _ in lines]
        old = self.views[first : first + removed]
        self._lines[first : first + removed] = [(size(content) + end, end) for content, end in lines]
        self.views[first : first + removed] = views
        self._starts = None
        return Change(first, old, views)

    def _view(self, content: Pieces) -> str:
        return "".join(self._shown(piece) if isinstance(piece, Gap) else piece.translate(_SHOWN) for piece in content)


def _split(pieces: Pieces) -> list[tuple[Pieces, int]]:
    """Pieces line by line: the content of each and the length of its end, 0 for the last."""
    lines: list[tuple[Pieces, int]] = []
    content: list[str | Gap] = []
    for piece in pieces:
        if isinstance(piece, Gap):
            content.append(piece)
            continue
        start = 0
        for end in LINE_END.finditer(piece):
            lines.append((joined([*content, piece[start : end.start()]]), len(end.group())))
            content, start = [], end.end()
        content.append(piece[start:])
    return [*lines, (joined(content), 0)]


def difference(old: str, new: str) -> tuple[int, int, str]:
    """(start, removed, added) that turns one view into the other: Qt's units, whole characters."""
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    added = new[start : len(new) - end]
    return len16(old[:start]), len16(old[start : len(old) - end]), added


def _common(one: str, other: str) -> int:
    """Length of the common beginning, by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
