"""What stands in the gallery where nothing is."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from studio.ui.widgets.icon_button import IconLabel


class Empty(QWidget):
    """A sign, a heading, some words and a button."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.setSpacing(8)
        self.sign = IconLabel("gallery", 48, "muted")
        self.heading, self.words, self.button = QLabel(), QLabel(), QPushButton()
        self.heading.setProperty("role", "title")
        self.words.setProperty("role", "muted")
        for widget in (self.sign, self.heading, self.words, self.button):
            column.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)

    def say(self, sign: str, heading: str, words: str, button: str = "") -> None:
        self.sign.set_icon(sign, "muted")
        self.heading.setText(heading)
        self.words.setText(words)
        self.button.setText(button)
        self.button.setVisible(bool(button))
