"""The inspector of the models: all that one says of itself, and what can be done with it."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QApplication,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from studio.runtime.bundle import Bundle
from studio.runtime.catalog import is_shipped
from studio.ui.models import facts
from studio.ui.models.listing import Card
from studio.ui.widgets.icon_button import ActionButton
from studio.ui.words import bytes_text

_SELECTABLE = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard


class Details(QScrollArea):
    """Shows one card whole; built anew for each. The keys go to `beside` where the button that had them goes."""

    def __init__(self, actions: dict[str, QAction], beside: QWidget):
        super().__init__()
        self._beside, self._shown = beside, ()
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # what is in it takes the keys
        self._actions = actions
        self.use: QPushButton | None = None
        self.speed = QLabel()
        self.show_card(None, "", False)

    def show_card(self, card: Card | None, speed: str, measuring: bool) -> None:
        shown = (card and (card.name, card.title, card.second, card.bundle and card.bundle.digest), speed, measuring)
        if shown == self._shown:
            return  # it stays where it was scrolled to, and keeps the keys
        another, self._shown = self._shown[:1] != shown[:1], shown
        inside = QWidget()
        inside.setProperty("transparent", True)
        column = QVBoxLayout(inside)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        if card is None:
            column.addWidget(label("Choose a model to see what it is.", "muted"))
        elif card.bundle is None:
            column.addWidget(label(card.title, "title"))
            column.addWidget(label(card.second, "danger"))
            remove = QPushButton("Remove…")
            remove.clicked.connect(self._actions["remove"].trigger)
            column.addWidget(remove)
        else:
            self._fill(column, card.bundle, speed, measuring)
        column.addStretch()
        focused = QApplication.focusWidget()
        if focused is not None and self.isAncestorOf(focused):
            self._beside.setFocus()
        bar = self.verticalScrollBar()
        place = 0 if another else bar.value()
        self.setWidget(inside)  # the one before is deleted by Qt
        bar.setValue(place)

    def _fill(self, column: QVBoxLayout, bundle: Bundle, speed: str, measuring: bool) -> None:
        manifest = bundle.manifest
        column.addWidget(label(manifest.title, "title"))
        if manifest.description:
            column.addWidget(label(facts.prose(manifest.description)))
        column.addLayout(self._buttons(bundle))
        column.addWidget(heading("Speed here"))
        line = QHBoxLayout()
        self.speed = label("measuring…" if measuring else speed or "not measured yet", "" if speed else "muted")
        line.addWidget(self.speed, 1)
        measure = QPushButton("Measure")
        measure.setAccessibleName("Measure the speed here")
        measure.setEnabled(not measuring)
        measure.clicked.connect(self._actions["measure"].trigger)
        line.addWidget(measure, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(line)
        column.addWidget(heading("What it is"))
        column.addLayout(
            form(
                [
                    ("Name", bundle.name),
                    ("Works on", facts.works_on(bundle)),
                    ("A token is", facts.digits(bundle)),
                    ("Size", bytes_text(facts.size_of(bundle))),
                    ("From", "came with the program" if is_shipped(bundle) else "added here"),
                    ("Licence", manifest.licence),
                ]
            )
        )
        for notice in manifest.notices[:20]:
            column.addWidget(label(facts.prose(notice), "muted"))
        trained = facts.trained_on(bundle)
        if trained:
            column.addWidget(heading("What it was trained on"))
            column.addLayout(form(trained))
        for table in facts.tables(bundle):
            column.addWidget(heading(table.heading))
            column.addLayout(grid(table.columns, table.rows))
            column.addWidget(label(table.what, "muted"))

    def _buttons(self, bundle: Bundle) -> QHBoxLayout:
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        self.use = QPushButton("Use in Image" if bundle.manifest.modality == "image" else "Use in Text")
        self.use.setProperty("kind", "primary")
        self.use.clicked.connect(self._actions["use"].trigger)
        buttons.addWidget(self.use, 1)
        for name in ("export", "verify", "rename", "remove"):
            buttons.addWidget(ActionButton(self._actions[name]))
        return buttons


def label(words: str, role: str = "") -> QLabel:
    """Text that wraps and can be copied."""
    made = _plain(words, role)
    made.setWordWrap(True)
    made.setTextInteractionFlags(_SELECTABLE)
    made.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    return made


def _plain(words: str, role: str = "") -> QLabel:
    """A label for a stranger's words: no markup, and a word longer than the line is cut, or all else would be."""
    made = QLabel(words)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setMinimumWidth(1)
    if role:
        made.setProperty("role", role)
    return made


def heading(words: str) -> QLabel:
    made = QLabel(words)
    made.setProperty("role", "heading")
    made.setContentsMargins(0, 10, 0, 0)
    return made


def form(rows: Sequence[tuple[str, str]]) -> QFormLayout:
    layout = QFormLayout()
    layout.setHorizontalSpacing(16)
    layout.setVerticalSpacing(6)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    for name, value in rows:
        title = _plain(name, "muted")
        title.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        layout.addRow(title, label(value))
    return layout


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> QGridLayout:
    """A table of figures, the numbers right-aligned."""
    layout = QGridLayout()
    layout.setHorizontalSpacing(12)
    layout.setVerticalSpacing(4)
    for place, name in enumerate(columns):
        title = _plain(name.replace(" per ", "\nper ").replace(" % ", " %\n"), "muted")
        title.setAlignment(Qt.AlignmentFlag.AlignRight)
        layout.addWidget(title, 0, place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
    for number, row in enumerate(rows, start=1):
        for place, value in enumerate(row):
            figure = _plain(value)
            figure.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            layout.addWidget(figure, number, place, Qt.AlignmentFlag.AlignRight)
    layout.setColumnStretch(0, 0)
    return layout
