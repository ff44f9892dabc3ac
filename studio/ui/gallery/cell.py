"""One cell of the grid: the picture in whole screen pixels, or how the text reads; its title and where it is from."""

from datetime import datetime

from PySide6.QtCore import QObject, QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPen, QTextLayout, QTextOption
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from studio.library import Item
from studio.ui.fonts import font
from studio.ui.gallery.model import IMAGE, ITEM, Index
from studio.ui.icons import paint_icon
from studio.ui.theme import color

SIDE = 160
PAD = 8
CELL = QSize(SIDE + 2 * PAD + 4, SIDE + 2 * PAD + 46)


def ago(seconds: float, now: float | None = None) -> str:
    """When something was made, as people say it."""
    then, today = datetime.fromtimestamp(seconds), datetime.fromtimestamp(now) if now else datetime.now()
    days = (today.date() - then.date()).days
    if days <= 0:
        return f"{then:%H:%M}"
    if days == 1:
        return f"yesterday {then:%H:%M}"
    return f"{then.day} {then:%b}" if then.year == today.year else f"{then.day} {then:%b %Y}"


def draw_sharp(painter: QPainter, image: QImage, area: QRect) -> QRectF:
    """Draw an image in the middle of an area, and tell where: a small one with each pixel a whole number of screen
    pixels wide, a large one smoothly made to fit."""
    device = painter.device()
    ratio = device.devicePixelRatioF() if device else 1.0
    width, height = max(1, image.width()), max(1, image.height())
    scale = min(area.width() * ratio / width, area.height() * ratio / height)
    sharp = scale >= 2 or scale == 1
    if sharp:
        scale = float(int(scale))
    size = (width * scale / ratio, height * scale / ratio)
    left = round((area.x() + (area.width() - size[0]) / 2) * ratio) / ratio
    top = round((area.y() + (area.height() - size[1]) / 2) * ratio) / ratio
    target = QRectF(left, top, *size)
    if image.hasAlphaChannel():
        painter.fillRect(target, Qt.GlobalColor.white)  # as what was made of it, and its thumbnail
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not sharp)
    painter.drawImage(target, image)
    return target


class CellDelegate(QStyledItemDelegate):
    """Paints cells of the size CELL."""

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._title, self._small, self._text = font(13), font(12), font(12)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return CELL

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        rect: QRect = option.rect.adjusted(2, 2, -2, -2)  # pyright: ignore[reportAttributeAccessIssue]
        state: QStyle.StateFlag = option.state  # pyright: ignore[reportAttributeAccessIssue]
        item: Item | None = index.data(ITEM)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color("selection" if selected else "hover"))
            painter.drawRoundedRect(rect, 8, 8)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(color("focus"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), 8, 8)
        area = QRect(rect.left() + PAD, rect.top() + PAD, SIDE, SIDE)
        self._paint_area(painter, area, item, index.data(IMAGE))
        if item is not None:
            self._paint_words(painter, QRect(rect.left() + PAD, area.bottom() + 5, SIDE, 38), item, selected)
        painter.restore()

    def _paint_area(self, painter: QPainter, area: QRect, item: Item | None, image: QImage | None) -> None:
        path = QPainterPath()
        path.addRoundedRect(area, 6, 6)
        painter.fillPath(path, color("canvas" if item is None or item.kind == "picture" else "control"))
        if item is None:
            return
        painter.setClipPath(path)
        if item.kind == "text":
            self._paint_text(painter, area, item.snippet)
        elif image is not None:
            draw_sharp(painter, image, area)
        painter.setClipping(False)
        painter.strokePath(path, QPen(color("border"), 1))
        if item.star:
            badge = QRect(area.right() - 27, area.top() + 5, 24, 24)
            painter.setPen(QPen(color("border"), 1))
            painter.setBrush(color("raised"))
            painter.drawEllipse(badge)
            paint_icon(painter, "star-filled", badge.topLeft() + QPoint(4, 4), 16, "pin")

    def _paint_text(self, painter: QPainter, area: QRect, text: str) -> None:
        """As many whole lines as fit."""
        inner = area.adjusted(10, 8, -8, -6)
        layout = QTextLayout(text, self._text)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        layout.beginLayout()
        whole, top = 0, 0.0
        while (line := layout.createLine()).isValid():
            line.setLineWidth(inner.width())
            if top + line.height() > inner.height():
                break
            line.setPosition(QPointF(0, top))
            whole, top = whole + 1, top + line.height() + 2
        layout.endLayout()
        painter.setPen(color("text"))
        for number in range(whole):
            layout.lineAt(number).draw(painter, inner.topLeft())

    def _paint_words(self, painter: QPainter, area: QRect, item: Item, selected: bool) -> None:
        elide, left = Qt.TextElideMode.ElideRight, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        for words, typeface, role, top in (
            (item.title, self._title, "text", 0),
            (f"{ago(item.created)}  ·  {item.model}", self._small, "text" if selected else "muted", 19),
        ):
            painter.setFont(typeface)
            painter.setPen(color(role))
            line = QRect(area.left(), area.top() + top, area.width(), 19)
            painter.drawText(line, left, painter.fontMetrics().elidedText(words, elide, line.width()))
