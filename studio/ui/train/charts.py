"""The curves of a run. Imports pyqtgraph, which takes a moment: it is loaded when a run is first looked at."""

import math
from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from studio.ui import theme
from studio.ui.timeline.curves import thinned
from studio.ui.train.watching import Series
from studio.ui.widgets.layout import ElidedLabel

PLOTS: tuple[tuple[str, tuple[str, ...], float], ...] = (  # title, curves, factor
    ("Loss in bits, held out dashed", ("loss", "held_out"), 1),
    ("Held-out bound", ("bound",), 1),
    ("Gradient norm", ("gradient_norm",), 1),
    ("Rate × 1000", ("learning_rate",), 1000),
    ("Samples/s", ("samples_per_second",), 1),
)
POINTS = 400
OVER = 14
"""Pixels that the last number below a plot may reach over its edge."""
LOW = 100
"""Pixels of height below which a plot has two numbers at its left: pyqtgraph's three would touch."""
APART = 8
"""Pixels between two numbers below a plot, at least."""
MARK_WIDTH = 60
"""Pixels that a number below a plot has."""


class Charts(QWidget):
    """Five plots; however long the run is, each curve has at most 800 points."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Curves of the run")
        self.plots = [Plot(*plot) for plot in PLOTS]
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(6)
        for number, plot in enumerate(self.plots):
            # The loss is what everyone looks at: it has the room of two.
            row, column, width = (0, 0, 2) if number == 0 else ((0, 2, 1) if number == 1 else (1, number - 2, 1))
            grid.addWidget(plot, row, column, 1, width)
        grid.setRowStretch(0, 3)
        grid.setRowStretch(1, 2)

    def draw(self, series: Mapping[str, Series]) -> None:
        for plot in self.plots:
            plot.draw(series)

    def points(self, name: str) -> int:
        """How many points of a curve are drawn."""
        return next(plot.points(name) for plot in self.plots if name in plot.curves)


def marks(first: float, last: float, most: int) -> list[float]:
    """Round numbers from one step to another, at most so many, and one at least."""
    found: list[float] = [last]
    for distance in (factor * 10**power for power in range(12) for factor in (1, 2, 5)):
        before, found = found, [distance * n for n in range(math.ceil(first / distance), int(last // distance) + 1)]
        if len(found) <= most:
            return found or before[-1:]
    return found[-1:]


class Plot(QWidget):
    """A title over curves with two axes.

    Made of pyqtgraph's parts and not of its PlotWidget, which keeps menus and forms without a parent: they would be
    deleted by whatever thread collects garbage next.
    """

    def __init__(self, title: str, names: tuple[str, ...], factor: float) -> None:
        super().__init__()
        self._factor = factor
        self._ends: tuple[float, float] | None = None
        self._title = ElidedLabel(title, "muted")
        self._title.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._view = pg.GraphicsView()
        self._view.setAccessibleName(title)
        self._view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._view.setMinimumSize(70, 60)
        parts = pg.GraphicsLayout()
        parts.setContentsMargins(0, 0, OVER, 0)
        self._view.setCentralItem(parts)
        self._box = pg.ViewBox(enableMouse=False, enableMenu=False)
        self._axes = {side: pg.AxisItem(side) for side in ("left", "bottom")}
        parts.addItem(self._axes["left"], 0, 0)
        parts.addItem(self._box, 0, 1)
        parts.addItem(self._axes["bottom"], 1, 1)
        for axis in self._axes.values():
            axis.linkToView(self._box)
            axis.enableAutoSIPrefix(False)
        self._axes["left"].setGrid(40)
        self._axes["bottom"].setStyle(hideOverlappingLabels=OVER)  # or the ends of a young run have no number
        self._box.sigResized.connect(self._mark)  # the numbers at its left take what they need once they are drawn
        self.curves = {name: pg.PlotCurveItem(antialias=True) for name in names}
        for curve in self.curves.values():
            self._box.addItem(curve)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._title)
        layout.addWidget(self._view, 1)
        theme.current().changed.connect(self._paint)
        self._paint()

    def draw(self, series: Mapping[str, Series]) -> None:
        for name, curve in self.curves.items():
            places, values = thinned(series[name].values * self._factor, POINTS)
            steps = series[name].steps[places]
            if len(steps) == 1:  # a point would not be seen
                steps, values = steps + np.array([-0.5, 0.5]), values.repeat(2)
            curve.setData(steps, values)
        known = [series[name].steps for name in self.curves if series[name].count]
        self._ends = (min(steps[0] for steps in known), max(steps[-1] for steps in known)) if known else None
        self._mark()
        for axis in self._axes.values():  # numbers without a curve would be noise
            axis.setVisible(any(series[name].count for name in self.curves))

    def _mark(self, *_: object) -> None:
        """Numbers for the room there is: pyqtgraph's own touch where the plots are small."""
        if self._ends is None:
            return
        first, last = self._ends
        found = marks(first, last, max(2, self._view.width() // MARK_WIDTH))
        step = self._box.width() / max(1, last - first) / (1 + 2 * self._box.suggestPadding(0))
        width = self.fontMetrics().horizontalAdvance(f"{last:.0f}") + APART
        if len(found) > 1 and step * (found[1] - found[0]) < width:
            found = found[-1:]
        self._axes["bottom"].setTicks([[(mark, f"{mark:.0f}") for mark in found]])
        left, height = self._axes["left"], self._view.height()
        drawn = [curve.getData()[1] for curve in self.curves.values()]
        values = np.concatenate([values for values in drawn if values is not None])
        values = values[np.isfinite(values)]
        if height >= LOW or not len(values) or values.min() == values.max():
            left.setTicks(None)
            return
        distance, found = left.tickValues(float(values.min()), float(values.max()), height)[0]
        outer = [found[0], found[-1]]
        left.setTicks([list(zip(outer, left.tickStrings(outer, 1, distance), strict=True))])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._mark()

    def points(self, name: str) -> int:
        data = self.curves[name].getData()[0]
        return 0 if data is None else len(data)

    def _paint(self) -> None:
        """Take the colours of the theme; a second curve is dashed, so that it is told without colour too."""
        self._view.setBackground(theme.color("surface"))
        for axis in self._axes.values():
            axis.setPen(pg.mkPen(theme.color("border")))
            axis.setTextPen(pg.mkPen(theme.color("muted")))
        for number, curve in enumerate(self.curves.values()):
            style = Qt.PenStyle.SolidLine if number == 0 else Qt.PenStyle.DashLine
            width = 1.6 * self.devicePixelRatioF()
            curve.setPen(pg.mkPen(theme.color(f"curve-{number + 1}"), width=width, style=style))
