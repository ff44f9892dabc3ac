"""Where the page draws what: rectangles of tokens, gaps, judged words and windows that are in sight."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QTextBlock, QTextLayout, QTextLine

from studio.media.gapped import Gap
from studio.ui.text.looks import GapLook, TokenLook
from studio.ui.text.viewmap import len16

if TYPE_CHECKING:
    from studio.ui.text.page import TextPage

HANDLE = 7.0
"""Width of the edge of a gap that can be dragged."""
# Letters, and marks of direction, because of which not all of a paragraph runs from left to right.
_TURNED = re.compile(
    r"[\u0590-\u08ff\u200f\u202b\u202e\u2067\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
SEAM = 26.0
"""Width of the sign at the end of a part of a paragraph."""


@dataclass(frozen=True)
class TokenMark:
    gap: Gap
    index: int
    look: TokenLook
    rects: list[QRectF]


@dataclass(frozen=True)
class GapMark:
    gap: Gap
    look: GapLook
    rects: list[QRectF]
    """One a line that it stands on."""
    tokens: list[TokenMark]
    handle: QRectF
    grows: int = 1
    """Where it grows to when it is dragged: 1 to the right, -1 to the left."""
    judged: bool = False
    """What is tinted in it is surprise, not how sure the model was when it drew."""


@dataclass
class Marks:
    """All that is in sight, in the viewport's coordinates."""

    gaps: list[GapMark] = field(default_factory=list)
    judged: list[tuple[float, list[QRectF]]] = field(default_factory=list)
    """Bits of a token, and where it stands."""
    lines: list[tuple[int, float, float, int, int]] = field(default_factory=list)
    """Line, top, bottom, first place and place behind it."""
    seams: list[QRectF] = field(default_factory=list)
    """Where a paragraph that is shown in parts goes on in the next line."""

    def token_at(self, point: QPointF) -> TokenMark | None:
        for gap in self.gaps:
            for token in gap.tokens:
                if any(rect.contains(point) for rect in token.rects):
                    return token
        return None

    def handle_at(self, point: QPointF) -> GapMark | None:
        return next((gap for gap in self.gaps if gap.handle.contains(point)), None)

    def bits_at(self, point: QPointF) -> float | None:
        for bits, rects in self.judged:
            if any(rect.contains(point) for rect in rects):
                return bits
        return None


def collect(page: "TextPage") -> Marks:
    """The marks of what is in sight."""
    marks = Marks()
    view = page.view
    starts = view.starts
    for line, block, origin in blocks_in_sight(page):
        if line >= len(view.views):
            break
        stop = starts[line + 1] if line + 1 < len(starts) else len(page.document_.text)
        height = page.document().documentLayout().blockBoundingRect(block).height()
        marks.lines.append((line, origin.y(), origin.y() + height, starts[line], stop))
        if view.goes_on(line) and block.layout().lineCount():
            end = block.layout().lineAt(block.layout().lineCount() - 1)
            text = end.naturalTextRect().translated(origin)
            leftwards = block.textDirection() == Qt.LayoutDirection.RightToLeft
            x = text.left() - SEAM if leftwards else origin.x() + end.naturalTextWidth()
            marks.seams.append(QRectF(x, origin.y() + end.y(), SEAM, end.height()))
        rects_of = Turned(block, origin) if _TURNED.search(view.views[line]) else Straight(block, origin)
        for offset, length, gap in view.gaps_in(line):
            mark = _gap_mark(rects_of, offset, length, gap, page.look(gap))
            judged = page.judged_inside(gap)
            marks.gaps.append(mark if judged is None else replace(mark, judged=True))
            for first, last, bits in judged or ():
                low, high = offset + len16(mark.look.view[:first]), offset + len16(mark.look.view[:last])
                marks.judged.append((bits, rects_of(low, high)))
        for first, last, bits in page.judged_between(starts[line], stop):
            (_, low), (_, high) = view.position(first), view.position(last)
            marks.judged.append((bits, rects_of(low, high)))
    return marks


def blocks_in_sight(page: "TextPage") -> Iterator[tuple[int, QTextBlock, QPointF]]:
    """(line, block, where its layout begins in the viewport) from the first that is seen to the last."""
    layout = page.document().documentLayout()
    scroll = QPointF(page.horizontalScrollBar().value(), page.verticalScrollBar().value())
    block = page.cursorForPosition(page.viewport().rect().topLeft()).block()
    bottom = page.viewport().height()
    while block.isValid():
        origin = layout.blockBoundingRect(block).topLeft() - scroll
        if origin.y() > bottom:
            return
        yield block.blockNumber(), block, origin
        block = block.next()


class Straight:
    """Where characters of a block stand that all run from left to right."""

    def __init__(self, block: QTextBlock, origin: QPointF):
        self._layout, self._origin = block.layout(), origin

    def __call__(self, start: int, stop: int) -> list[QRectF]:
        """Their rectangles, one for each line that they stand on."""
        rects, origin = [], self._origin
        for line, low, high in _lines(self._layout, start, stop):
            left, right = _x(line, low), _x(line, high)
            rects.append(QRectF(origin.x() + min(left, right), origin.y() + line.y(), abs(right - left), line.height()))
        return rects

    def end(self, start: int, stop: int) -> tuple[QPointF, float, int]:
        """The upper corner where they end, the height of the line there, and to which side it goes on: 1 or -1."""
        last = rects[-1] if (rects := self(start, stop)) else QRectF()
        return last.topRight(), last.height(), 1


class Turned(Straight):
    """Where characters of a block stand of which some run from right to left: each is asked for, for what follows in
    the text may stand anywhere in the line."""

    def __init__(self, block: QTextBlock, origin: QPointF):
        super().__init__(block, origin)
        self._boxes: dict[int, tuple[float, float, bool] | None] = {}

    def __call__(self, start: int, stop: int) -> list[QRectF]:
        rects, origin = [], self._origin
        for line, low, high in _lines(self._layout, start, stop):
            spans: list[list[float]] = []
            for left, right, _ in sorted(box for at in range(low, high) if (box := self._box(line, at))):
                if spans and left <= spans[-1][1] + 0.5:
                    spans[-1][1] = max(spans[-1][1], right)
                else:
                    spans.append([left, right])
            top, high_ = origin.y() + line.y(), line.height()
            rects += [QRectF(origin.x() + left, top, right - left, high_) for left, right in spans]
        return rects

    def end(self, start: int, stop: int) -> tuple[QPointF, float, int]:
        for line, low, high in reversed(list(_lines(self._layout, start, stop))):
            for at in range(high - 1, low - 1, -1):
                if box := self._box(line, at):
                    left, right, leftwards = box
                    corner = self._origin + QPointF(left if leftwards else right, line.y())
                    return corner, line.height(), -1 if leftwards else 1
        return QPointF(), 0.0, 1

    def _box(self, line: QTextLine, at: int) -> tuple[float, float, bool] | None:
        """Left, right and whether it runs to the left, of a character; None of one that takes no room."""
        if at not in self._boxes:
            runs = line.glyphRuns(at, 1)
            box = runs[0].boundingRect() if runs else QRectF()
            self._boxes[at] = (box.left(), box.right(), runs[0].isRightToLeft()) if box.width() > 0 else None
        return self._boxes[at]


def _lines(layout: QTextLayout, start: int, stop: int) -> Iterator[tuple[QTextLine, int, int]]:
    """Each line with the first and the last, exclusive, of some characters on it."""
    line = layout.lineForTextPosition(start)
    for number in range(line.lineNumber() if line.isValid() else 0, layout.lineCount()):
        line = layout.lineAt(number)
        first = line.textStart()
        if first >= stop:
            return
        low, high = max(start, first), min(stop, first + line.textLength())
        if low < high:
            yield line, low, high


def _x(line: QTextLine, position: int) -> float:
    answer: Any = line.cursorToX(position)
    return float(answer[0] if isinstance(answer, tuple) else answer)


def _gap_mark(rects_of: Straight, offset: int, length: int, gap: Gap, look: GapLook) -> GapMark:
    tokens = [
        TokenMark(gap, index, token, rects_of(offset + token.start, offset + token.stop))
        for index, token in enumerate(look.tokens)
    ]
    corner, height, grows = rects_of.end(offset, offset + length)
    handle = QRectF(corner.x() - HANDLE / 2, corner.y(), HANDLE, height) if height else QRectF()
    return GapMark(gap, look, rects_of(offset, offset + length), tokens, handle, grows)
