"""The line above the grid: search, and which of all that was made is shown."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QSignalBlocker, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QWidget

from studio.library import Filter
from studio.ui.icons import icon
from studio.ui.widgets.choices import Combo
from studio.ui.widgets.icon_button import IconButton
from studio.ui.words import count

TYPING_MS = 150
NARROW = 620
"""Below that there is no room to count."""
ARROW = 40
"""What a box takes beside its words."""


class FilterBar(QWidget):
    """`changed` when `chosen` is another filter than before; for typing when it rests for a moment."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        line = QHBoxLayout(self)
        line.setContentsMargins(16, 12, 16, 8)
        line.setSpacing(8)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search titles, texts, tags, models, seeds")
        self.search.setAccessibleName("Search")
        self.search.setClearButtonEnabled(True)
        self.search.addAction(icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition)
        self.search.setMinimumWidth(64)
        self.kind = self._choice("Kind", "All kinds", [("Pictures", "picture"), ("Texts", "text")])
        self.model = self._choice("Model", "All models", [])
        self.tag = self._choice("Tag", "All tags", [])
        self.starred = IconButton("star", "Starred only", checkable=True)
        self.deleted = IconButton("trash", "Show what was deleted", checkable=True)
        self.count = QLabel()
        self.count.setProperty("role", "muted")
        line.addWidget(self.search, 1)
        for box in (self.kind, self.model, self.tag):
            line.addWidget(box)
        for button in (self.starred, self.deleted):
            button.toggled.connect(self._told)
            line.addWidget(button)
        line.addWidget(self.count)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_MS)
        self._typing.timeout.connect(self._told)
        self.search.textChanged.connect(self._typed)
        self._last = self.chosen

    def _choice(self, name: str, everything: str, options: Sequence[tuple[str, str]]) -> QComboBox:
        box = Combo()
        box.setAccessibleName(name)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        box.setMinimumWidth(box.fontMetrics().horizontalAdvance(everything) + ARROW)
        box.setMaximumWidth(180)
        box.addItem(everything, None)
        for words, value in options:
            box.addItem(words, value)
        box.currentIndexChanged.connect(self._told)
        return box

    @property
    def chosen(self) -> Filter:
        return Filter(
            text=self.search.text(),
            kind=self.kind.currentData(),
            model=self.model.currentData(),
            tag=self.tag.currentData(),
            starred=self.starred.isChecked(),
            deleted=self.deleted.isChecked(),
        )

    @property
    def narrowed(self) -> bool:
        """Whether anything is left out."""
        return self.chosen != Filter()

    def offer(self, models: Sequence[tuple[str, int]], tags: Sequence[tuple[str, int]]) -> None:
        """What there is to choose from, with how many; what is chosen stays chosen while it is there."""
        before = self.chosen
        for box, options in ((self.model, models), (self.tag, tags)):
            with QSignalBlocker(box):
                chosen = box.currentData()
                while box.count() > 1:
                    box.removeItem(1)
                for value, count in options:
                    box.addItem(f"{value}  ({count:,})", value)
                box.setCurrentIndex(max(0, box.findData(chosen)))
            box.setVisible(bool(options))
        if self.chosen != before:
            self._told()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.count.setVisible(self.width() > NARROW)

    def set_count(self, shown: int) -> None:
        self.count.setText(count(shown, "item"))

    def clear(self) -> None:
        """Show everything."""
        self.take({})

    def state(self) -> dict[str, Any]:
        """What to keep in a session."""
        chosen = self.chosen
        return {"text": chosen.text, "kind": chosen.kind, "starred": chosen.starred}

    def take(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave, as far as it is valid."""
        blockers = [QSignalBlocker(box) for box in (self.search, self.kind, self.model, self.tag)]
        blockers += [QSignalBlocker(button) for button in (self.starred, self.deleted)]
        text = state.get("text")
        self.search.setText(text[:1000] if isinstance(text, str) else "")
        self.kind.setCurrentIndex(max(0, self.kind.findData(state.get("kind"))))
        self.model.setCurrentIndex(0)
        self.tag.setCurrentIndex(0)
        self.starred.setChecked(state.get("starred") is True)
        self.deleted.setChecked(False)
        del blockers
        self._told()

    def stop(self) -> None:
        self._typing.stop()

    def _typed(self) -> None:
        self._typing.start()

    def _told(self) -> None:
        self._typing.stop()
        self.starred.set_icon("star-filled" if self.starred.isChecked() else "star")
        if self.chosen != self._last:
            self._last = self.chosen
            self.changed.emit()
