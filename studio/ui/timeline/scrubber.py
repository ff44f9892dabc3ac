"""The slider over the steps of a run."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSlider

from studio.ui import theme

INSET = 9
"""Pixels left free at both ends; the chart above has the same, so that a step stands under its place in it."""
HEIGHT = 24
GROOVE = 4
HANDLE = 7.0


def step_at(x: float, width: int, steps: int, last: int) -> int:
    """The step nearest to x, in pixels from the left, where `steps` lie across the width; at most the last one made."""
    return min(max(round((x - INSET) / max(1, width - 2 * INSET) * steps), 0), last)


class Scrubber(QSlider):
    """From the start to the last step of the run; only what was made can be reached.

    Its value is the frame shown. back and forward: an arrow key, for the steps before and after.
    """

    back = Signal()
    forward = Signal()
    play = Signal()

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._steps = 1
        self.setAccessibleName("Step")
        self.setToolTip("Steps of the run: drag, or use the arrow keys; the space bar plays")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setRange(0, 0)

    def set_steps(self, steps: int) -> None:
        """Steps of the whole run."""
        self._steps = max(1, steps)
        self.setPageStep(max(1, self._steps // 10))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(80, HEIGHT)

    def position_of(self, step: float) -> float:
        """Where a step stands, in pixels from the left."""
        return INSET + step / self._steps * (self.width() - 2 * INSET)

    def step_at(self, x: float) -> int:
        """The step that was made nearest to here."""
        return step_at(x, self.width(), self._steps, self.maximum())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            self.setSliderDown(True)
            self.setValue(self.step_at(event.position().x()))
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self.setValue(self.step_at(event.position().x()))
            event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(False)
            event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        match event.key():
            case Qt.Key.Key_Left | Qt.Key.Key_Down:
                self.back.emit()
            case Qt.Key.Key_Right | Qt.Key.Key_Up:
                self.forward.emit()
            case Qt.Key.Key_Space:
                self.play.emit()
            case _:
                super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        middle, enabled = self.height() / 2, self.isEnabled()
        for role, until in (("border", self._steps), ("outline", self.maximum()), ("focus", self.value())):
            painter.setBrush(theme.color(role if enabled else "border"))
            width = self.position_of(until) - INSET
            if width > 0:
                painter.drawRoundedRect(QRectF(INSET, middle - GROOVE / 2, width, GROOVE), GROOVE / 2, GROOVE / 2)
        if not enabled:
            return
        focused = self.hasFocus()
        painter.setBrush(theme.color("focus" if focused else "control"))
        painter.setPen(QPen(theme.color("text" if focused else "focus"), 2))
        painter.drawEllipse(QPointF(self.position_of(self.value()), middle), HANDLE, HANDLE)
