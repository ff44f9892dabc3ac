"""Two pictures on one another with a divider that is dragged: what was and what is."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPen, QWheelEvent
from PySide6.QtWidgets import QGraphicsItem

from studio.ui import theme
from studio.ui.image.colors import colors_of
from studio.ui.image.raster import Raster
from studio.ui.image.view import PictureView

KNOB = 13
"""Radius of the divider's knob, in pixels of the view."""


class _Pair(QGraphicsItem):
    """Both pictures; `share` of the width, from the left, shows the first."""

    def __init__(self):
        super().__init__()
        self.size = (1, 1)
        self.rasters: list[Raster] = []
        self.share = 0.5
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)

    def set_pictures(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
        self.prepareGeometryChange()
        self.size = before.shape[1], before.shape[0]
        self.rasters = [Raster(*self.size, opaque=True) for _ in range(2)]
        for raster, pixels in zip(self.rasters, (before, after), strict=True):
            raster.write(QPoint(0, 0), pixels)
        self.update()

    def set_share(self, share: float) -> None:
        old, self.share = self.share, share
        left, right = sorted((old * self.size[0], share * self.size[0]))
        self.update(QRectF(left - 1, 0, right - left + 2, self.size[1]))

    def boundingRect(self) -> QRectF:
        return QRectF(0, 0, *self.size)

    def paint(self, painter: QPainter, option, widget=None) -> None:
        if not self.rasters:
            return
        zoom = painter.worldTransform().m11() * painter.device().devicePixelRatioF()
        whole, at = self.boundingRect(), self.share * self.size[0]
        sides = (QRectF(0, 0, at, self.size[1]), QRectF(at, 0, self.size[0] - at, self.size[1]))
        for raster, side in zip(self.rasters, sides, strict=True):
            painter.save()
            painter.setClipRect(side, Qt.ClipOperation.IntersectClip)
            raster.draw(painter, whole, zoom)
            painter.restore()


class CompareView(PictureView):
    """Drag anywhere, or press the arrow keys, to move the divider; the wheel zooms, the middle button pans, Escape
    asks to close."""

    share_changed = Signal(float)
    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.captions = ("Before", "After")
        self._pair = _Pair()
        self._panning: QPointF | None = None
        self.scene().addItem(self._pair)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Comparison of two pictures")
        self.viewport().setCursor(Qt.CursorShape.SplitHCursor)
        theme.current().changed.connect(self._theme_changed)
        self._theme_changed()
        self._tell()

    def set_pictures(
        self,
        before: NDArray[np.uint8],
        after: NDArray[np.uint8],
        captions: tuple[str, str] = ("Before", "After"),
    ) -> None:
        """Compare two pictures of the same size, uint8 (H, W, 3)."""
        if before.shape != after.shape:
            raise ValueError(f"pictures of {before.shape} and {after.shape} cannot lie on one another")
        other_size = self._pair.size != (before.shape[1], before.shape[0])
        self.captions = captions
        self._pair.set_pictures(before, after)
        if other_size:
            self.fit()
        self._tell()
        self.viewport().update()

    @property
    def share(self) -> float:
        """How much of the width shows the first picture, 0 … 1."""
        return self._pair.share

    def set_share(self, share: float) -> None:
        share = min(max(share, 0.0), 1.0)
        if share == self.share:
            return
        old = self._knob()
        self._pair.set_share(share)
        for knob in (old, self._knob()):
            self.viewport().update(QRect(int(knob.x()) - KNOB - 2, 0, 2 * KNOB + 4, self.viewport().height()))
        self._tell()
        self.share_changed.emit(share)

    def picture_size(self) -> tuple[int, int]:
        return self._pair.size

    def _theme_changed(self) -> None:
        self.setBackgroundBrush(colors_of(theme.current()).surround)

    def _tell(self) -> None:
        before, after = self.captions
        self.setAccessibleDescription(
            f"{before} fills {self.share:.0%} from the left, {after} the rest. Arrow keys move the divider."
        )

    def _knob(self) -> QPointF:
        """Where the knob is in the view: on the divider, in the middle of what is seen of the picture."""
        area = self.viewportTransform().mapRect(self._pair.boundingRect())
        seen = area.intersected(QRectF(self.viewport().rect()))
        return QPointF(area.left() + self.share * area.width(), seen.center().y())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._move_to(event.position())
        elif event.button() == Qt.MouseButton.MiddleButton:
            self._panning = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._panning is not None:
            by = event.position() - self._panning
            self._panning = event.position()
            self.pan_by(by.x(), by.y())
            self.viewport().update()
        elif event.buttons() & Qt.MouseButton.LeftButton:
            self._move_to(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._panning = None

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.zoom_by(self.notches(event), event.position())
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = 0.1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0.02
        match event.key():
            case Qt.Key.Key_Left:
                self.set_share(self.share - step)
            case Qt.Key.Key_Right:
                self.set_share(self.share + step)
            case Qt.Key.Key_Home:
                self.set_share(0)
            case Qt.Key.Key_End:
                self.set_share(1)
            case Qt.Key.Key_Plus | Qt.Key.Key_Equal:
                self.zoom_in()
            case Qt.Key.Key_Minus:
                self.zoom_out()
            case Qt.Key.Key_0:
                self.fit()
            case Qt.Key.Key_Escape:
                self.closed.emit()
            case _:
                event.ignore()

    def zoomed(self, zoom: float, scale: float) -> None:
        self.viewport().update()

    def _move_to(self, place: QPointF) -> None:
        self.set_share(self.to_picture(place).x() / self._pair.size[0])

    def drawForeground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        """Divider, knob and captions, at the size of the screen."""
        if not self._pair.rasters:
            return
        colors = colors_of(theme.current())
        area = self.viewportTransform().mapRect(self._pair.boundingRect())
        knob = self._knob()
        painter.save()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for color, width in ((colors.dark, 4), (colors.light, 2)):
            painter.setPen(QPen(color, width))
            painter.drawLine(QPointF(knob.x(), area.top()), QPointF(knob.x(), area.bottom()))
        painter.setPen(QPen(colors.dark, 1))
        painter.setBrush(colors.light)
        painter.drawEllipse(knob, KNOB - 1, KNOB - 1)
        arrows = QPainterPath()
        for side in (-1, 1):
            arrows.moveTo(knob + QPointF(3 * side, -4))
            arrows.lineTo(knob + QPointF(7 * side, 0))
            arrows.lineTo(knob + QPointF(3 * side, 4))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colors.dark, 2))
        painter.drawPath(arrows)
        seen = area.intersected(QRectF(self.viewport().rect()))
        self._draw_caption(painter, self.captions[0], seen, Qt.AlignmentFlag.AlignLeft)
        self._draw_caption(painter, self.captions[1], seen, Qt.AlignmentFlag.AlignRight)
        painter.restore()

    def _draw_caption(self, painter: QPainter, text: str, area: QRectF, side: Qt.AlignmentFlag) -> None:
        metrics = QFontMetrics(self.font())
        width, height = metrics.horizontalAdvance(text) + 16, metrics.height() + 6
        left = area.left() + 8 if side == Qt.AlignmentFlag.AlignLeft else area.right() - 8 - width
        box = QRectF(left, area.top() + 8, width, height)
        colors = colors_of(theme.current())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colors.dark)
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(colors.light)
        painter.setFont(self.font())
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
