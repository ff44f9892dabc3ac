"""The curves over the scrubber. Imports pyqtgraph, which takes a moment: it is loaded beside the window."""

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPen, QResizeEvent, QWheelEvent

from studio.ui import theme
from studio.ui.timeline.curves import POINTS, Curves, thinned
from studio.ui.timeline.scrubber import INSET, step_at


class Chart(pg.GraphicsView):
    """Share of the sub-tokens known, and a second curve, over the steps; a line stands at the frame shown.

    scrubbed: the user wants to see this step; pressing and dragging anywhere moves the line.
    """

    scrubbed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._steps, self._last, self._second = 1, 0, "confidence"
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Curves of the run")
        self.setCursor(Qt.CursorShape.SizeHorCursor)
        self._box = pg.ViewBox(enableMouse=False, enableMenu=False, defaultPadding=0)
        self.setCentralItem(self._box)
        self._levels = [pg.InfiniteLine(pos=level, angle=0) for level in (0.0, 0.5, 1.0)]
        self._known = pg.PlotCurveItem(antialias=True, fillLevel=0.0)
        self._other = pg.PlotCurveItem(antialias=True)
        self._line = pg.InfiniteLine(angle=90)
        for item in (*self._levels, self._known, self._other, self._line):
            self._box.addItem(item, ignoreBounds=True)
        theme.current().changed.connect(self._paint)
        self._paint()

    def sizeHint(self) -> QSize:
        return QSize(240, 84)

    def minimumSizeHint(self) -> QSize:
        return QSize(80, 40)

    def set_steps(self, steps: int) -> None:
        self._steps = max(1, steps)
        self._fit()

    def _fit(self) -> None:
        """All steps between the insets, and a little room above and below for the width of a line."""
        margin = self._steps * INSET / max(1, self.width() - 2 * INSET)
        self._box.setRange(xRange=(-margin, self._steps + margin), yRange=(-0.06, 1.06), padding=0)

    def resizeEvent(self, ev: QResizeEvent) -> None:
        super().resizeEvent(ev)
        # The base class calls this while it is made.
        if hasattr(self, "_box"):
            self._fit()

    def set_second(self, name: str, curves: Curves | None) -> None:
        """Let the second curve show "confidence" or "revealed"."""
        self._second = name
        self.draw(curves)

    def draw(self, curves: Curves | None) -> None:
        """Show what the curves hold by now."""
        if curves is None:
            self._last = 0
            self._known.clear()
            self._other.clear()
            return
        self._last = curves.count - 1
        # It rises smoothly: fewer points draw the same, and its filling is the dearest part.
        self._known.setData(*thinned(curves.known, POINTS // 3))
        values: NDArray[np.generic] = curves.confidence
        if self._second == "revealed":
            # Of digits the start and idle steps have none; the upper edge is the most of any step.
            values = curves.revealed / max(1, int(curves.revealed.max(initial=0)))
        self._other.setData(*thinned(values))

    def set_position(self, step: int) -> None:
        self._line.setPos(step)

    def step_at(self, x: float) -> int:
        """The step that was made nearest to here, x in pixels from the left."""
        return step_at(x, self.width(), self._steps, self._last)

    def mousePressEvent(self, ev: QMouseEvent) -> None:
        if ev.button() == Qt.MouseButton.LeftButton:
            self.scrubbed.emit(self.step_at(ev.position().x()))
        ev.accept()

    def mouseMoveEvent(self, ev: QMouseEvent) -> None:
        if ev.buttons() & Qt.MouseButton.LeftButton:
            self.scrubbed.emit(self.step_at(ev.position().x()))
        ev.accept()

    def mouseReleaseEvent(self, ev: QMouseEvent) -> None:
        ev.accept()

    def wheelEvent(self, ev: QWheelEvent) -> None:
        """Nothing is zoomed: the whole run is on view."""

    def event(self, ev: QEvent) -> bool:
        # Lines are drawn in device pixels: on another screen they are as wide as before.
        if ev.type() == QEvent.Type.DevicePixelRatioChange and hasattr(self, "_line"):
            self._paint()
        return super().event(ev)

    def _paint(self) -> None:
        """Take the colours of the theme; the second curve is dashed, so that it is told without colour too."""
        self.setBackground(theme.color("surface"))
        for level in self._levels:
            level.setPen(self._pen("border", 1))
        self._known.setPen(self._pen("curve-1", 1.6))
        fill = theme.color("curve-1")
        fill.setAlpha(36)
        self._known.setBrush(fill)
        self._other.setPen(self._pen("curve-2", 1.6, Qt.PenStyle.DashLine))
        self._line.setPen(self._pen("text", 1))

    def _pen(self, role: str, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
        return pg.mkPen(theme.color(role), width=width * self.devicePixelRatioF(), style=style)
