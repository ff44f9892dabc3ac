"""A run as it goes: its state, curves, filmstrip, checkpoints and log."""

import math
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from studio.training.run_folder import CHECKPOINT, Checkpoint
from studio.ui.fonts import font
from studio.ui.train.film import Film
from studio.ui.train.watching import Watch, network_line
from studio.ui.widgets.choices import Choice
from studio.ui.widgets.icon_button import ActionButton
from studio.ui.widgets.layout import ElidedLabel, Section
from studio.ui.widgets.states import EmptyState

if TYPE_CHECKING:
    from studio.ui.train.charts import Charts

DRAW_MS = 250
"""Between two drawings of the curves, however fast the worker tells."""
NEWEST, STANDS, BEST = " · newest", " · goes on here", " · best"


class RunPanel(QWidget):
    """Shows what a `Watch` follows. `run_chosen` tells the name of another run, the other two a checkpoint."""

    run_chosen = Signal(object)
    drawn = Signal()
    roll_back = Signal(object)
    use = Signal(object)

    def __init__(self, watch: Watch, actions: dict[str, QAction]) -> None:
        super().__init__()
        self.watch = watch
        self.charts: Charts | None = None
        self.runs = Choice("Run", [("", "")], segmented=False)
        self.runs.setMinimumWidth(200)
        self.runs.changed.connect(self.run_chosen)
        self.state, self.figure = ElidedLabel(role="heading"), QLabel()
        self.figure.setProperty("role", "muted")
        self.figure.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Progress of the run")
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.film = Film()
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setFont(font(12, mono=True))
        self.log.setAccessibleName("Log of the run")
        self.log.setMaximumBlockCount(500)
        self._log_end = True
        self.log.verticalScrollBar().valueChanged.connect(self._log_scrolled)
        self.log.verticalScrollBar().rangeChanged.connect(self._log_grew)
        self.checkpoints = QListWidget()
        self.checkpoints.setAccessibleName("Checkpoints and their bounds")
        self.checkpoints.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.checkpoints.currentItemChanged.connect(self._pick)
        self.checkpoints.itemPressed.connect(self._pick)  # the marked one, to keep it
        self._picked: tuple[Any, ...] | None = None  # by the user; else the best is marked
        self.back = QPushButton("Go back to it")
        self.back.setToolTip("The run goes on from this checkpoint when it is resumed.")
        self.back.clicked.connect(self._roll_back)
        self.take = QPushButton("Use in studio")
        self.take.setProperty("kind", "primary")
        self.take.setToolTip("Make a model of the chosen checkpoint, check it and load it.")
        self.take.clicked.connect(self._use)
        self._lines, self._written = watch.lines, 0
        self._making = False
        self._lay_out(actions)
        self._timer = QTimer(self, singleShot=True, interval=DRAW_MS)
        self._timer.timeout.connect(self.draw)
        watch.told.connect(self._soon)
        watch.state_changed.connect(self.refresh)
        watch.previewed.connect(self._previewed)
        self.refresh()

    def _lay_out(self, actions: dict[str, QAction]) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(16, 8, 16, 0)
        head.setSpacing(4)
        head.addWidget(self.runs)
        head.addStretch(1)
        words = QVBoxLayout()
        words.setContentsMargins(16, 6, 16, 6)
        words.setSpacing(0)
        words.addWidget(self.state)
        words.addWidget(self.figure)
        self._buttons = [ActionButton(actions[name]) for name in ("pause", "sample", "save", "delete")]
        self._buttons += [ActionButton(actions[name], text=True) for name in ("resume", "stop")]  # one place, by turns
        # Before the others: whichever of the two is there, none of those moves from beneath the pointer.
        for button in (*self._buttons[-2:], *self._buttons[:-2]):
            head.addWidget(button)
        self._charts_place = QVBoxLayout()
        self._charts_place.setContentsMargins(0, 0, 0, 0)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(16, 4, 8, 8)
        column.addLayout(self._charts_place, 3)
        film = Section("Filmstrip: given, made, original")
        film.add(self.film)
        column.addWidget(film, 2)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(8, 4, 16, 8)
        column.setSpacing(6)
        for title, widget, stretch in (("Checkpoints and bounds", self.checkpoints, 2), ("Log", self.log, 3)):
            label = QLabel(title)
            label.setProperty("role", "heading")
            label.setBuddy(widget)
            column.addWidget(label)
            column.addWidget(widget, stretch)
            if widget is self.checkpoints:
                buttons = QHBoxLayout()
                buttons.setSpacing(8)
                buttons.addWidget(self.take, 1)
                buttons.addWidget(self.back, 1)
                column.addLayout(buttons)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(left)
        split.addWidget(right)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 1)
        split.setSizes([700, 280])
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addLayout(words)
        column.addWidget(self.bar)
        column.addWidget(split, 1)
        self.empty = EmptyState(
            "train",
            "No run yet",
            "Open data, choose a model on the right and start. The run goes on in the background while you work, and "
            "after you close the window if you wish.",
        )
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(whole)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.stack)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.charts is None:  # pyqtgraph takes a moment: not at the start of the window
            from studio.ui.train.charts import Charts

            self.charts = Charts()
            self._charts_place.addWidget(self.charts)
        self.draw()
        self.film.set_previews(self.watch.previews())

    def set_making(self, making: bool) -> None:
        """Say for as long as it takes that a model is being made of a checkpoint."""
        self._making = making
        self.take.setText("Making the model…" if making else "Use in studio")
        self._refresh_buttons()

    def set_runs(self, names: list[str], at_work: list[str]) -> None:
        """All runs; those that are at work are marked."""
        words = [(name, f"{name} · training" if name in at_work else name) for name in names]
        self.runs.set_options(words or [("", "")])
        if self.watch.name in names:
            self.runs.set_value(self.watch.name)

    def close_down(self) -> None:
        self._timer.stop()

    # ---- what the worker tells

    def _soon(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def draw(self) -> None:
        """Bring curves, log and figures up to date."""
        watch = self.watch
        self.state.set_text(watch.status_line())
        self.figure.setText(self._figure_line())
        steps = int(watch.start.get("steps", 0))
        self.bar.setRange(0, steps or 1)
        back = watch.back()
        self.bar.setValue(back.step if back else int(watch.last.get("step", watch.start.get("step", 0))))
        if watch.lines is not self._lines:  # those of another run
            self.log.clear()
            self._lines, self._written = watch.lines, 0
        for line in watch.lines[len(watch.lines) - min(len(watch.lines), watch.line_count - self._written) :]:
            self.log.appendPlainText(line)
        self._written = watch.line_count
        if self.charts is not None and self.isVisible():
            self.charts.draw(watch.series)
        self.drawn.emit()
        self._list_checkpoints()

    def _log_scrolled(self, value: int) -> None:
        self._log_end = value == self.log.verticalScrollBar().maximum()

    def _log_grew(self, _: int, most: int) -> None:
        """Lines that come, or less room: the end stays in sight unless the user looks at something else."""
        if self._log_end:
            self.log.verticalScrollBar().setValue(most)

    def _figure_line(self) -> str:
        watch = self.watch
        if watch.state in ("failed", "lost") and not watch.live:  # what happens now is told by a notice
            return watch.message
        parts = []
        if back := watch.back():  # what was told last is of steps that no longer count
            if back.held_out is not None:
                parts.append(f"held-out bound {back.held_out:.3f} bits a token")
        elif watch.last:
            parts.append(f"loss {watch.last['loss']:.3f} bits")
        if watch.evaluation and not back:
            error = watch.evaluation.get("bound_error") or math.nan  # as of a single sample
            within = f" ± {error:.3f}" if math.isfinite(error) else ""
            parts.append(f"held-out bound {watch.evaluation['bound']:.3f}{within} bits a token")
        if watch.start:
            parts.append(network_line(watch.start))
        return " · ".join(parts)

    def _list_checkpoints(self) -> None:
        lines = _lines(self.watch.checkpoints())
        items = [self.checkpoints.item(row) for row in range(self.checkpoints.count())]
        if lines == [(item.text(), item.data(Qt.ItemDataRole.UserRole)) for item in items]:
            return
        picked = [(self.watch.folder, *_weights(entry)) == self._picked for _, entry in lines]
        best = [words.endswith(BEST) for words, _ in lines]
        marked = picked.index(True) if any(picked) else best.index(True) if any(best) else 0
        with QSignalBlocker(self.checkpoints):
            self.checkpoints.clear()
            for words, entry in lines:
                item = QListWidgetItem(words)
                item.setData(Qt.ItemDataRole.UserRole, entry)
                self.checkpoints.addItem(item)
            self.checkpoints.setCurrentRow(marked)
        self._refresh_buttons()

    def _pick(self, *_: Any) -> None:
        """The user marked one: it stays marked, under whatever name it lies later."""
        if (chosen := self.chosen()) is not None:
            self._picked = (self.watch.folder, *_weights(chosen))
        self._refresh_buttons()

    def chosen(self) -> Checkpoint | None:
        """The checkpoint that is marked in the list."""
        item = self.checkpoints.currentItem()
        return item.data(Qt.ItemDataRole.UserRole) if item is not None else None

    def refresh(self) -> None:
        """Another state."""
        self.stack.setCurrentIndex(0 if self.watch.state == "none" else 1)
        for button in self._buttons:
            button.setVisible(button.defaultAction().isVisible())
        self._refresh_buttons()
        self._soon()

    def held(self) -> QWidget | None:
        """The button above the curves that has the keys, if one has."""
        return next((button for button in self._buttons if button.hasFocus()), None)

    def hold(self, held: QWidget | None) -> None:
        """What can be done is another: where the button that had the keys has gone, what took its place has them now.
        Qt would hand them to whatever comes next in the window."""
        self.refresh()
        if held is not None and not (held.isVisible() and held.isEnabled()):
            near = (button for button in (*self._buttons[-2:], self.runs) if button.isVisible() and button.isEnabled())
            next(near, self).setFocus()

    def _refresh_buttons(self, *_: Any) -> None:
        chosen = self.chosen()
        take = chosen is not None and not self._making
        back = chosen is not None and chosen.file != CHECKPOINT and not self.watch.active
        for button, can in ((self.take, take), (self.back, back)):
            if not can and button.hasFocus():  # or the next press of the same key would go to the other of the two
                self.checkpoints.setFocus()
            button.setEnabled(can)

    def _previewed(self) -> None:
        if self.isVisible():
            self.film.set_previews(self.watch.previews())

    def _roll_back(self) -> None:
        self.roll_back.emit(self.chosen())

    def _use(self) -> None:
        self.use.emit(self.chosen())


def _weights(entry: Checkpoint) -> tuple[int, float | None]:
    """What tells its weights from others of the run; not when it was written, for the end of a run writes them again.

    After a way back the same step can have other weights, and then its bound is another.
    """
    return entry.step, entry.held_out


def _lines(entries: list[Checkpoint]) -> list[tuple[str, Checkpoint]]:
    """The list, the newest first; what is the same checkpoint under several names is one line of it."""
    same: dict[tuple[int, float | None], list[Checkpoint]] = {}
    for entry in entries[::-1]:
        same.setdefault(_weights(entry), []).append(entry)
    last = max((entry.step for entry in entries), default=0)
    lines = []
    for entry, *copies in same.values():
        figure = f" · {entry.held_out:.3f}" if entry.held_out is not None else ""
        kind = (NEWEST if entry.step == last else STANDS) if entry.file == CHECKPOINT else ""
        best = BEST if any(one.best for one in (entry, *copies)) else ""
        lines.append((f"Step {entry.step:,}{figure}{kind}{best}", entry))
    return lines
