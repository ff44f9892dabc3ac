"""A small picture of a schedule."""

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.prime.schedules import alpha
from studio.ui import theme

POINTS = 48


class SchedulePreview(QWidget):
    """Share known over the steps, from lower left to upper right."""

    def __init__(self) -> None:
        super().__init__()
        self._schedule = "linear"
        self.setAccessibleName("Course of the schedule")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_schedule(self, schedule: str) -> None:
        """ValueError for a name that is no schedule."""
        alpha(schedule, 0.5)
        self._schedule = schedule
        self.setAccessibleDescription(f"Halfway {100 * float(alpha(schedule, 0.5)):.0f} % are known")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(160, 44)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(1, 4, -1, -4)
        painter.setPen(QPen(theme.color("border"), 1))
        for y in (box.top(), box.bottom()):
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
        times = np.linspace(0, 1, POINTS)
        known = np.asarray(alpha(self._schedule, times))
        line = [
            QPointF(box.left() + t * box.width(), box.bottom() - a * box.height())
            for t, a in zip(times.tolist(), known.tolist(), strict=True)
        ]
        fill = theme.color("curve-1")
        fill.setAlpha(36)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawPolygon(QPolygonF([*line, box.bottomRight(), box.bottomLeft()]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.color("curve-1"), 1.6))
        painter.drawPolyline(QPolygonF(line))
        painter.end()
