"""What the tests do with a canvas, and how they see what it shows."""

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from studio.ui.image.canvas import Canvas

LEFT = Qt.MouseButton.LeftButton


def at(canvas: Canvas, x: float, y: float) -> QPoint:
    """Where a place of the picture is in the view."""
    return canvas.viewportTransform().map(QPointF(x, y)).toPoint()


def drag(canvas: Canvas, *points: tuple[float, float], button: Qt.MouseButton = LEFT) -> None:
    view = canvas.viewport()
    QTest.mousePress(view, button, pos=at(canvas, *points[0]))
    for point in points[1:]:
        QTest.mouseMove(view, at(canvas, *point))
        QTest.qWait(1)
    QTest.mouseRelease(view, button, pos=at(canvas, *points[-1]))


def rendered(canvas: Canvas | QWidget) -> np.ndarray:
    """What is on the screen, uint8 (height, width, 3)."""
    widget = canvas.viewport() if isinstance(canvas, Canvas) else canvas
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def on_screen(canvas: Canvas) -> np.ndarray:
    """What has been drawn so far, without asking for it to be drawn again."""
    image = canvas.screen().grabWindow(canvas.winId()).toImage().convertToFormat(QImage.Format.Format_RGB32)
    return np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.width(), 4)[..., :3].copy()


def tinted(canvas: Canvas) -> np.ndarray:
    """Which pixels of the picture are drawn otherwise than plain at their middles: bool (H, W)."""
    shown, ratio = rendered(canvas), canvas.ratio()
    width, height = canvas.document.size
    middles = [[at(canvas, x + 0.5, y + 0.5) * ratio for x in range(width)] for y in range(height)]
    values = np.array([[shown[p.y(), p.x()] for p in row] for row in middles])
    return (values != canvas.document.stored).any(axis=2)
