"""Where the page draws what: rectangles of tokens, gaps, judged words and windows that are in sight."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QTextBlock

from studio.media.gapped import Gap
from studio.ui.text.looks import GapLook, TokenLook
from studio.ui.text.viewmap import len16

if TYPE_CHECKING:
    from studio.ui.text.page import TextPage

HANDLE = 7.0
"""Width of the edge of a gap that can be dragged."""
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
            marks.seams.append(QRectF(origin.x() + end.naturalTextWidth(), origin.y() + end.y(), SEAM, end.height()))
        for offset, length, gap in view.gaps_in(line):
            mark = _gap_mark(block, origin, offset, length, gap, page.look(gap))
            judged = page.judged_inside(gap)
            marks.gaps.append(mark if judged is None else replace(mark, judged=True))
            for first, last, bits in judged or ():
                low, high = offset + len16(mark.look.view[:first]), offset + len16(mark.look.view[:last])
                marks.judged.append((bits, text_rects(block, origin, low, high)))
        for first, last, bits in page.judged_between(starts[line], stop):
            (_, low), (_, high) = view.position(first), view.position(last)
            marks.judged.append((bits, text_rects(block, origin, low, high)))
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


def text_rects(block: QTextBlock, origin: QPointF, start: int, stop: int) -> list[QRectF]:
    """The rectangles of characters of a block, one for each line that they stand on."""
    layout, rects = block.layout(), []
    line = layout.lineForTextPosition(start)
    for number in range(line.lineNumber() if line.isValid() else 0, layout.lineCount()):
        line = layout.lineAt(number)
        first = line.textStart()
        if first >= stop:
            break
        low, high = max(start, first), min(stop, first + line.textLength())
        if low < high:
            left, right = _x(line, low), _x(line, high)
            rects.append(QRectF(origin.x() + min(left, right), origin.y() + line.y(), abs(right - left), line.height()))
    return rects


def _x(line, position: int) -> float:
    answer = line.cursorToX(position)
    return float(answer[0] if isinstance(answer, tuple) else answer)


def _gap_mark(block: QTextBlock, origin: QPointF, offset: int, length: int, gap: Gap, look: GapLook) -> GapMark:
    rects = text_rects(block, origin, offset, offset + length)
    tokens = [
        TokenMark(gap, index, token, text_rects(block, origin, offset + token.start, offset + token.stop))
        for index, token in enumerate(look.tokens)
    ]
    last = rects[-1] if rects else QRectF()
    return GapMark(
        gap,
        look,
        rects,
        tokens,
        QRectF(last.right() - HANDLE / 2, last.top(), HANDLE, last.height()) if rects else last,
    )
