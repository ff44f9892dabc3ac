"""The curves of a run. Imports pyqtgraph, which takes a moment: it is loaded when a run is first looked at."""

from collections.abc import Mapping

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from studio.ui import theme
from studio.ui.timeline.curves import thinned
from studio.ui.train.watching import Series

PLOTS: tuple[tuple[str, tuple[str, ...], float], ...] = (  # title, curves, factor
    ("Loss, bits a masked token · held out dashed", ("loss", "held_out"), 1),
    ("Held-out bound, bits a token", ("bound",), 1),
    ("Gradient norm", ("gradient_norm",), 1),
    ("Learning rate × 1000", ("learning_rate",), 1000),
    ("Samples a second", ("samples_per_second",), 1),
)
POINTS = 400


class Charts(QWidget):
    """Five plots; however long the run is, each draws at most 800 points."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Curves of the run")
        self._plots: list[pg.PlotWidget] = []
        self._curves: dict[str, pg.PlotDataItem] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(6)
        for number, (title, names, _) in enumerate(PLOTS):
            plot = pg.PlotWidget(enableMenu=False)
            plot.setAccessibleName(title)
            plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            plot.setMouseEnabled(False, False)
            plot.hideButtons()
            plot.setMinimumSize(140, 90)
            for name in names:
                self._curves[name] = plot.plot([], [])
            self._plots.append(plot)
            # The loss is what everyone looks at: it has the room of two.
            row, column, width = (0, 0, 2) if number == 0 else ((0, 2, 1) if number == 1 else (1, number - 2, 1))
            grid.addWidget(plot, row, column, 1, width)
        grid.setRowStretch(0, 3)
        grid.setRowStretch(1, 2)
        theme.current().changed.connect(self._paint)
        self._paint()

    def draw(self, series: Mapping[str, Series]) -> None:
        for plot, (_, names, factor) in zip(self._plots, PLOTS, strict=True):
            for name in names:
                one = series[name]
                places, values = thinned(one.values * factor, POINTS)
                # A curve of one point would not be seen.
                self._curves[name].setData(one.steps[places], values, symbol="o" if len(places) == 1 else None)
            for side in ("left", "bottom"):  # numbers without a curve would be noise
                plot.showAxis(side, any(series[name].count for name in names))

    def points(self, name: str) -> int:
        """How many points of a curve are drawn."""
        data = self._curves[name].getData()[0]
        return 0 if data is None else len(data)

    def _paint(self) -> None:
        """Take the colours of the theme; a second curve is dashed, so that it is told without colour too."""
        for plot, (title, names, _) in zip(self._plots, PLOTS, strict=True):
            plot.setBackground(theme.color("surface"))
            plot.setTitle(title, color=theme.color("muted").name(), size="9pt")
            plot.showGrid(x=False, y=True, alpha=0.15)
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(pg.mkPen(theme.color("border")))
                axis.setTextPen(pg.mkPen(theme.color("muted")))
                axis.enableAutoSIPrefix(False)
            for number, name in enumerate(names):
                style = Qt.PenStyle.SolidLine if number == 0 else Qt.PenStyle.DashLine
                role = f"curve-{number + 1}"
                self._curves[name].setPen(pg.mkPen(theme.color(role), width=1.6, style=style))
                self._curves[name].setSymbolBrush(theme.color(role))
                self._curves[name].setSymbolPen(None)
                self._curves[name].setSymbolSize(6)
