"""Results side by side: the variations of a run from several seeds, or one hole filled at several settings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from studio.ui.icons import icon
from studio.ui.image.tiles import Tile, TileView

SIDE = 88
"""Pixels a side of a result, where there is room."""


class Results(QWidget):
    """Tiles of results. Enter, a double click or "Use" picks one; "Compare" takes two chosen ones, or the
    chosen one and the original."""

    picked = Signal(int)
    """Take this one as the new original."""
    compared = Signal(int, int)
    """Show these two beside each other; −1 is the original."""
    shown = Signal(int)
    """Look at this one on the canvas."""

    def __init__(self, name: str):
        super().__init__()
        self.view = TileView(name, SIDE)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.title = QLabel(name)
        self._use = QPushButton(icon("accept"), "Use")
        self._use.setToolTip("Take the chosen result as the new original (Enter)")
        self._compare = QPushButton(icon("compare"), "Compare")
        self._compare.setToolTip("Compare two chosen results, or the chosen one with the original (C)")
        bar = QHBoxLayout()
        bar.addWidget(self.title)
        bar.addStretch(1)
        bar.addWidget(self._compare)
        bar.addWidget(self._use)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(8, 6, 8, 6)
        whole.setSpacing(6)
        whole.addLayout(bar)
        whole.addWidget(self.view)
        self.view.picked.connect(self.picked)
        self.view.current_changed.connect(self._show)
        self.view.selection_changed.connect(self._enable)
        self._use.clicked.connect(self._pick)
        self._compare.clicked.connect(self.compare)
        self.view.installEventFilter(self)
        self._enable()

    def set_results(self, tiles: Sequence[Tile]) -> None:
        """Begin with these; the first is chosen."""
        self.view.set_tiles(tiles)
        if tiles:
            self.view.set_current(0)
        self._enable()

    def set_image(self, row: int, pixels: NDArray[np.uint8]) -> None:
        """Show a result as it is by now, uint8 (H, W, 3)."""
        self.view.set_image(row, pixels)

    def set_caption(self, row: int, detail: str) -> None:
        self.view.tiles.tiles[row].detail = detail
        self.view.tiles.changed(row)

    @property
    def current(self) -> int:
        return self.view.current

    def compare(self) -> None:
        """Ask for the comparison of what is chosen."""
        chosen = self.view.selected()
        if len(chosen) == 2:
            self.compared.emit(*chosen)
        elif chosen:
            self.compared.emit(-1, chosen[-1])

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
            if plain and event.key() == Qt.Key.Key_C:
                self.compare()
                return True
        return super().eventFilter(watched, event)

    def _pick(self) -> None:
        if self.current >= 0:
            self.picked.emit(self.current)

    def _show(self, row: int) -> None:
        if row >= 0:
            self.shown.emit(row)

    def _enable(self) -> None:
        count = len(self.view.selected())
        self._use.setEnabled(count == 1)
        self._compare.setEnabled(count in (1, 2))


class Variations(Results):
    """The samples of one run in a row, each with its seed."""

    def __init__(self) -> None:
        super().__init__("Variations")

    def set_seeds(self, seeds: Sequence[int]) -> None:
        """A run with a sample for each of these seeds."""
        self.set_results([Tile(f"{i + 1}", f"seed {seed}") for i, seed in enumerate(seeds)])

    def show_samples(self, pixels: NDArray[np.uint8]) -> None:
        """The samples as they are by now, uint8 (B, H, W, 3)."""
        for row, sample in enumerate(pixels[: len(self.view.tiles.tiles)]):
            self.set_image(row, sample)


@dataclass(frozen=True)
class Compared:
    """One run of a comparison: granularity, and what it cost."""

    granularity: int
    calls: int = 0
    seconds: float = 0.0

    @property
    def detail(self) -> str:
        digits = 1 if self.calls < 100 else 0  # so that many calls fit below a picture too
        return f"{self.calls} calls, {self.seconds:.{digits}f} s" if self.calls else "waiting"


class ComparisonStrip(Results):
    """The same hole and seed at each granularity, in a row, with network calls and seconds."""

    def __init__(self) -> None:
        super().__init__("Compare ℓ")

    def set_runs(self, runs: Sequence[Compared]) -> None:
        self.set_results([Tile(f"ℓ = {run.granularity}", run.detail) for run in runs])

    def show_run(self, row: int, run: Compared, pixels: NDArray[np.uint8]) -> None:
        """A run as it is by now: pixels uint8 (H, W, 3)."""
        self.set_caption(row, run.detail)
        self.set_image(row, pixels)
