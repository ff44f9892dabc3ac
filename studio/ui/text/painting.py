"""How the marks of the editor look: blocks, faint words, underlines that tell how sure the model was, tints."""

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from studio.ui.fonts import font
from studio.ui.text.marks import GapMark, Marks, TokenMark
from studio.ui.theme import color

SURE, DOUBTFUL = 0.5, 0.05
"""Drawn with at least the first probability a word has no line under it, below the second a thick dotted one."""
CALM_BITS, TOP_BITS = 2.0, 14.0
"""Up to the first surprise a word has no tint; at the second, and above it, the tint is full."""


def soft(role: str, alpha: float) -> QColor:
    shade = color(role)
    shade.setAlphaF(alpha)
    return shade


def oddness(bits: float) -> float:
    """Surprise as a share of what is shown, 0 … 1."""
    return min(max((bits - CALM_BITS) / (TOP_BITS - CALM_BITS), 0.0), 1.0)


def beneath(painter: QPainter, marks: Marks, confidence: bool, judged: bool) -> None:
    """What lies under the text."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    for gap in marks.gaps:
        if gap.gap.fill is None and not gap.look.live:
            continue
        painter.setBrush(soft("link", 0.10))
        for rect in gap.rects:
            painter.drawRoundedRect(rect.adjusted(-2, 0, 2, 0), 4, 4)
        for token in gap.tokens if confidence and not gap.judged else ():
            if token.look.state == "settled" and token.look.confidence is not None:
                painter.setBrush(soft("curve-2", 0.30 * (1 - token.look.confidence**0.5)))
                for rect in token.rects:
                    painter.drawRoundedRect(rect, 3, 3)
    if judged:
        for bits, rects in marks.judged:
            painter.setBrush(soft("warning", 0.45 * oddness(bits)))
            for rect in rects:
                painter.drawRect(rect)


def above(
    painter: QPainter,
    marks: Marks,
    background: QColor,
    *,
    confidence: bool,
    judged: bool,
    hot: int | None,
    selected: set[int],
) -> None:
    """What lies on the text. hot: the gap under the pointer, whose edge is shown. selected: gaps by their ids."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if judged:
        for bits, rects in marks.judged:
            # Height tells what the tint tells.
            high = 5 * oddness(bits)
            for rect in rects:
                painter.fillRect(QRectF(rect.left(), rect.bottom() - high, rect.width(), high), color("warning"))
    painter.setFont(font(15))
    painter.setPen(color("muted"))
    for seam in marks.seams:
        painter.drawText(seam, Qt.AlignmentFlag.AlignCenter, "⋯")
    for gap in marks.gaps:
        for token in gap.tokens:
            _token(painter, token, background, confidence and not gap.judged, gap.gap.id in selected)
        if gap.gap.fill is None and not gap.look.live and gap.tokens and gap.tokens[0].rects:
            _length(painter, gap)
        if gap.gap.id == hot:
            _handle(painter, gap)


def _token(painter: QPainter, token: TokenMark, background: QColor, confidence: bool, selected: bool) -> None:
    look = token.look
    if look.state == "unknown":
        for rect in token.rects:
            painter.fillRect(rect.adjusted(-1, 0, 1, 0), background)
        painter.setPen(QPen(color("focus" if selected else "outline"), 2 if selected else 1))
        painter.setBrush(color("selection" if selected else "hover"))
        for rect in token.rects:
            painter.drawRoundedRect(rect.adjusted(1.5, rect.height() * 0.16, -1.5, -rect.height() * 0.12), 4, 4)
        return
    if look.state == "partial":
        for rect in token.rects:
            painter.fillRect(rect, QColor(background.red(), background.green(), background.blue(), 105))
        _line(painter, token.rects, color("muted"), 1, Qt.PenStyle.DotLine)
        return
    if confidence and look.confidence is not None and look.confidence < SURE:
        doubtful = look.confidence < DOUBTFUL
        style = Qt.PenStyle.DotLine if doubtful else Qt.PenStyle.SolidLine
        _line(painter, token.rects, color("curve-2"), 2.4 if doubtful else 1.2, style)
    if look.pinned and token.rects:
        _pin(painter, token.rects[0])


def _line(painter: QPainter, rects: list[QRectF], shade: QColor, width: float, style: Qt.PenStyle) -> None:
    pen = QPen(shade, width, style)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for rect in rects:
        y = rect.bottom() - 1.5
        painter.drawLine(QLineF(rect.left(), y, rect.right(), y))


def _pin(painter: QPainter, rect: QRectF) -> None:
    """A small solid triangle at the upper left, as on a page that is marked."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color("pin"))
    left, top = rect.left() - 1, rect.top()
    painter.drawPolygon([QPointF(left, top), QPointF(left + 7, top), QPointF(left, top + 7)])


def _length(painter: QPainter, gap: GapMark) -> None:
    """The number of tokens, in the first block."""
    first = gap.tokens[0].rects[0]
    painter.setFont(font(11))
    painter.setPen(color("text"))
    painter.drawText(first.adjusted(0, 1, 0, 1), Qt.AlignmentFlag.AlignCenter, str(gap.gap.length))


def _handle(painter: QPainter, gap: GapMark) -> None:
    bar = QRectF(gap.handle.center().x() - 1.5, gap.handle.top() + 2, 3, gap.handle.height() - 4)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color("focus"))
    painter.drawRoundedRect(bar, 1.5, 1.5)


def windows(painter: QPainter, marks: Marks, extents: list[tuple[int, int]], x: float) -> None:
    """A bracket beside the lines of each window that the network sees at once."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for number, (start, stop) in enumerate(extents):
        seen = [mark for mark in marks.lines if (mark[3] < stop and mark[4] > start) or mark[3] == start]
        if not seen:
            continue
        # Neighbours side by side, so that overlapping ones can be told apart.
        at = x + 6 * (number % 2)
        top, bottom = seen[0][1] + 3, seen[-1][2] - 3
        painter.setPen(QPen(color("link"), 2))
        painter.drawLine(QLineF(at, top, at, bottom))
        if seen[0][3] <= start <= seen[0][4]:
            painter.drawLine(QLineF(at, top, at + 5, top))
        if seen[-1][4] >= stop:
            painter.drawLine(QLineF(at, bottom, at + 5, bottom))
