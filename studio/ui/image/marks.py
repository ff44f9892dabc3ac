"""What is drawn over the picture without being of it: working frame, brush outline, keyboard cursor, rubber band."""

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem

from studio.media.frames import WorkingFrame
from studio.ui.image.colors import CanvasColors
from studio.ui.image.veil import Screen, argb, premultiplied

HANDLE = 9
"""Side of a handle, in pixels of the view."""
GRID_FROM = 8
"""The model's grid is drawn where its cells are at least this wide, in pixels of the view."""


class Mark(QGraphicsItem):
    """Drawn in two colours, so that it is seen on any picture; lines keep their width at every zoom."""

    def __init__(self, colors: CanvasColors):
        super().__init__()
        self.colors = colors
        self.scale_ = 1.0
        """Pixels of the view a pixel of the picture."""
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)

    def set_scale(self, scale: float) -> None:
        self.prepareGeometryChange()
        self.scale_ = scale

    def set_colors(self, colors: CanvasColors) -> None:
        self.colors = colors
        self.update()

    def two_tone(self, painter: QPainter, path: QPainterPath, dashed: bool = False) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(_pen(self.colors.dark, 3 if not dashed else 1))
        painter.drawPath(path)
        pen = _pen(self.colors.light, 1)
        if dashed:
            pen.setDashPattern([4, 4])
        painter.setPen(pen)
        painter.drawPath(path)


class FrameMark(Mark):
    """The working frame with the model's grid; with handles while it can be dragged."""

    def __init__(self, colors: CanvasColors):
        super().__init__(colors)
        self.frame: WorkingFrame | None = None
        self.grid = 32
        self.automatic = True
        self.handles = False
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)
        # It stays as it is while what lies below changes with every frame of a run, and long dashed lines are slow.
        self.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)

    def set_frame(self, frame: WorkingFrame | None, grid: int, automatic: bool) -> None:
        if (frame, grid, automatic) == (self.frame, self.grid, self.automatic):
            return
        self.prepareGeometryChange()
        self.frame, self.grid, self.automatic = frame, grid, automatic
        # Begun anew: what is kept of a smaller frame, Qt would leave standing in a larger one.
        self.setCacheMode(QGraphicsItem.CacheMode.NoCache)
        self.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        self.update()

    def set_handles(self, shown: bool) -> None:
        if shown != self.handles:
            self.handles = shown
            self.update()

    @property
    def rect(self) -> QRectF:
        frame = self.frame
        return QRectF() if frame is None else QRectF(frame.x, frame.y, frame.size, frame.size)

    def boundingRect(self) -> QRectF:
        margin = (HANDLE / 2 + 2) / self.scale_
        return self.rect.adjusted(-margin, -margin, margin, margin) if self.frame else QRectF()

    def paint(self, painter: QPainter, option, widget=None) -> None:
        if self.frame is None:
            return
        rect = self.rect
        cell = self.frame.size / self.grid
        if cell * self.scale_ >= GRID_FROM:
            self._paint_grid(painter, rect, cell, option.exposedRect)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(_pen(self.colors.dark, 3))
        painter.drawRect(rect)
        pen = _pen(self.colors.light, 1)
        if self.automatic:  # dashes: it follows the mask
            pen.setDashPattern([5, 3])
        painter.setPen(pen)
        painter.drawRect(rect)
        if self.handles:
            self._paint_handles(painter, rect)

    def _paint_grid(self, painter: QPainter, rect: QRectF, cell: float, exposed: QRectF) -> None:
        color = QColor(self.colors.dark)
        # It comes in gently: thin lines are a veil where cells are small.
        color.setAlpha(min(12 + int(cell * self.scale_), 40))
        # As one picture: Qt blends that five times as fast as as many lines.
        screen = Screen.of(painter, exposed.intersected(rect))
        if screen.rect.isEmpty():
            return
        lines = np.zeros((screen.rect.height(), screen.rect.width()), dtype=np.uint32)
        steps = np.arange(1, self.grid) * cell
        across = np.rint((rect.x() + steps) * screen.zoom + screen.dx).astype(int) - screen.rect.x()
        down = np.rint((rect.y() + steps) * screen.zoom + screen.dy).astype(int) - screen.rect.y()
        lines[:, across[(across >= 0) & (across < lines.shape[1])]] = premultiplied(color)
        lines[down[(down >= 0) & (down < lines.shape[0])]] = premultiplied(color)
        screen.draw(painter, argb(lines))

    def _paint_handles(self, painter: QPainter, rect: QRectF) -> None:
        side = HANDLE / self.scale_
        painter.setPen(_pen(self.colors.dark, 1))
        painter.setBrush(self.colors.light)
        for x in (rect.left(), rect.center().x(), rect.right()):
            for y in (rect.top(), rect.center().y(), rect.bottom()):
                if QPointF(x, y) != rect.center():
                    painter.drawRect(QRectF(x - side / 2, y - side / 2, side, side))


class CursorMark(Mark):
    """The outline of the brush where the pointer is, and the cursor that the arrow keys move."""

    def __init__(self, colors: CanvasColors):
        super().__init__(colors)
        self.size = 0
        """Diameter in pixels of the picture; 0 draws no brush."""
        self.keyboard = False
        self.down = False
        self.hide()
        # A large smooth circle is slow to draw, and the same wherever it goes.
        self.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)

    def move(self, at: QPointF | None, size: int, keyboard: bool, down: bool = False) -> None:
        """Show it at a place of the picture, or not at all."""
        if (size, keyboard, down) != (self.size, self.keyboard, self.down):
            self.prepareGeometryChange()
            self.size, self.keyboard, self.down = size, keyboard, down
            self.update()
        if at is not None:
            self.setPos(at)
        self.setVisible(at is not None)

    def boundingRect(self) -> QRectF:
        if not (self.size or self.keyboard):
            return QRectF()
        reach = max(self.size / 2, (22 if self.keyboard else 0) / self.scale_) + 3 / self.scale_
        return QRectF(-reach, -reach, 2 * reach, 2 * reach)

    def paint(self, painter: QPainter, option, widget=None) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        path = QPainterPath()
        if self.size and self.size * self.scale_ >= 4:
            path.addEllipse(QPointF(), self.size / 2, self.size / 2)
        if self.keyboard:
            gap, arm = 6 / self.scale_, 20 / self.scale_
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                path.moveTo(QPointF(gap * dx, gap * dy))
                path.lineTo(QPointF(arm * dx, arm * dy))
            if self.down:
                path.addEllipse(QPointF(), 3 / self.scale_, 3 / self.scale_)
        self.two_tone(painter, path)


class OutlineMark(Mark):
    """The rubber band of a rectangle or a lasso."""

    def __init__(self, colors: CanvasColors):
        super().__init__(colors)
        self.path: QPainterPath | None = None

    def set_path(self, path: QPainterPath | None) -> None:
        self.prepareGeometryChange()
        self.path = path

    def boundingRect(self) -> QRectF:
        if self.path is None:
            return QRectF()
        margin = 3 / self.scale_
        return self.path.boundingRect().adjusted(-margin, -margin, margin, margin)

    def paint(self, painter: QPainter, option, widget=None) -> None:
        if self.path is not None:
            self.two_tone(painter, self.path, dashed=True)


def _pen(color: QColor, width: int) -> QPen:
    pen = QPen(color, width)
    pen.setCosmetic(True)
    return pen
