"""The data of a run: where they come from, how many, how they look, and what is wrong with some."""

import re

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from studio.datasets.pictures import FITS
from studio.datasets.texts import TABLES
from studio.errors import StudioError
from studio.ui.style import restyle
from studio.ui.train.browser import Browser
from studio.ui.train.source import Source
from studio.ui.widgets.choices import Choice, Combo
from studio.ui.widgets.icon_button import ActionButton
from studio.ui.widgets.layout import ElidedLabel
from studio.ui.widgets.states import Busy, EmptyState

MOST_PROBLEMS = 500
COLUMN = "Which column of the table holds what is to be learned."


class DataPanel(QWidget):
    """Shows a `Source`. `fit_chosen` tells how pictures shall be fitted, `column_chosen` which column it is."""

    fit_chosen = Signal(object)
    column_chosen = Signal(str)

    def __init__(self, source: Source, open_file: QAction, open_folder: QAction, tidy: QAction) -> None:
        super().__init__()
        self.source = source
        self.browser = Browser()
        self.browser.picked.connect(self._tell_name)
        self.browser.lost.connect(source.look, Qt.ConnectionType.QueuedConnection)  # once it is drawn
        self.path, self.summary, self.picked = ElidedLabel(role="heading"), QLabel(), ElidedLabel(role="mono")
        self.summary.setProperty("role", "muted")
        self.summary.setWordWrap(True)
        self.fit = Choice("How pictures are fitted", [("crop", "Crop"), ("pad", "Pad")])
        for how, sentence in FITS.items():
            self.fit.set_option_help(how, sentence.capitalize() + ".")
        self.fit.changed.connect(self.fit_chosen)
        self.fit.setFixedWidth(140)
        self.column, self.column_line = Combo(), QLineEdit()
        self.column.setLineEdit(self.column_line)
        self.column.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.column.setCompleter(None)  # pyright: ignore[reportArgumentType]
        for widget in (self.column, self.column.view()):
            widget.setAccessibleName("Column of the table")
        self.column_line.setAccessibleName("Name of the column")
        self.column.setStyleSheet("QLineEdit { background: transparent; border: none; padding: 0; min-height: 0; }")
        self.column.setFixedWidth(140)
        self.column.textActivated.connect(self._column_named)
        self.column_line.editingFinished.connect(self._column_named)
        self._asked = ""  # Return in the line tells of it twice
        self.problems = QListWidget()
        self.problems.setAccessibleName("Problems with the data")
        self.problems.setWordWrap(True)
        self.busy = Busy("Reading the data…", self.source.close)
        self._lay_out(open_file, open_folder, tidy)
        source.changed.connect(self.refresh)
        self.refresh()

    def _lay_out(self, open_file: QAction, open_folder: QAction, tidy: QAction) -> None:
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.path)
        words.addWidget(self.summary)
        head = QHBoxLayout()
        head.setContentsMargins(16, 12, 16, 8)
        head.setSpacing(12)
        head.addLayout(words, 1)
        head.addWidget(self.column)
        head.addWidget(self.fit)
        head.addWidget(ActionButton(open_folder, text=True))
        head.addWidget(ActionButton(open_file, text=True))
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.addWidget(self.browser)
        self.split.addWidget(self.problems)
        self.split.setStretchFactor(0, 1)
        self.split.setSizes([600, 120])
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        busy = QHBoxLayout()
        busy.setContentsMargins(16, 0, 16, 8)
        busy.addWidget(self.busy)
        column.addLayout(busy)
        column.addWidget(self.split, 1)
        foot = QHBoxLayout()
        foot.setContentsMargins(16, 4, 16, 6)
        foot.addWidget(self.picked, 1)
        foot.addWidget(ActionButton(tidy, text=True))
        column.addLayout(foot)
        self.empty = EmptyState(
            "folder",
            "What shall the model learn?",
            "Drop a folder or zip of pictures, an .npz, MNIST or CIFAR files, or texts as .txt, .jsonl, .csv or "
            "Parquet. It is read in the background, counted and split; nothing is changed in it.",
            "Open a folder…",
            open_folder.trigger,
            button_icon="folder",
            second="Open a file…",
            on_second=open_file.trigger,
        )
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(whole)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.stack)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.source.look()

    def refresh(self) -> None:
        source, dataset = self.source, self.source.dataset
        self.stack.setCurrentIndex(0 if source.path is None else 1)
        self.path.set_text(str(source.path or ""))
        self.summary.setText(source.summary())
        restyle(self.summary, "role", "danger" if source.problem else "muted")
        self.busy.setVisible(source.reading)
        self.busy.set_text(source.summary())
        self.fit.setVisible(source.grid is not None and not source.problem)
        self.column.setVisible(source.path is not None and source.path.name.lower().endswith(TABLES))
        if source.reading:
            return
        self.fit.set_value(source.fit)
        if dataset is not None:  # of one that was named wrong the others are still to be chosen from
            self.column.clear()
            self.column.addItems(dataset.table.get("columns", []))
        self._asked = source.column
        self.column.setCurrentIndex(self.column.findText(source.column))
        self.column.setEditText(source.column)
        taken = dataset.table.get("taken") if dataset else None
        self.column_line.setPlaceholderText(f"Column: {taken}" if taken else "Column")
        words = dataset.column_words() if dataset else ""
        self.column.setToolTip(f"{COLUMN} Now {words}." if words else COLUMN)
        self.browser.set_dataset(dataset)
        self.picked.set_text("")
        self.problems.clear()
        for problem in dataset.problems(MOST_PROBLEMS) if dataset else ():
            name, what = problem["name"], problem["what"]
            file = re.sub(r" \d+$", "", name)  # of a table each row has a number
            self.problems.addItem(what if what.startswith(file) else f"{name}: {what}")
        self.problems.setVisible(self.problems.count() > 0)

    def _column_named(self, *_: object) -> None:
        column = self.column_line.text().strip()
        if column != self._asked and self.column.isVisible():
            self._asked = column
            self.column_chosen.emit(column)

    def _tell_name(self, index: int) -> None:
        dataset = self.source.dataset
        if dataset is not None:
            try:
                self.picked.set_text(f"{index + 1:,}  {dataset.name(index)}")
            except StudioError:  # removed under the window
                self.source.look()
