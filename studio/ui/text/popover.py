"""What could stand at a place instead: a small list at the word, with probabilities."""

from collections.abc import Callable

from PySide6.QtCore import QPoint, QRect, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from studio.generation import Alternative
from studio.ui.fonts import font
from studio.ui.icons import icon
from studio.ui.text.tips import chance
from studio.ui.theme import color

ROWS = 9


class _Row(QAbstractButton):
    """A word, its probability as a number and a bar."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.probability = 0.0
        self.word = ""

    def take(self, found: Alternative, present: bool) -> None:
        self.word, self.probability = found.text, found.probability
        self.setChecked(present)
        here = ", in the text now" if present else ""
        self.setAccessibleName(f"{visible(found.text)}, {chance(found.probability)}{here}")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, 29)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = self.rect().adjusted(1, 1, -1, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        if self.underMouse() or self.hasFocus():
            painter.setBrush(color("hover"))
            painter.drawRoundedRect(box, 5, 5)
        bar = QRect(box.left() + 8, box.bottom() - 4, round((box.width() - 16) * self.probability), 2)
        painter.setBrush(color("link"))
        painter.drawRect(bar)
        painter.setFont(font(14, bold=self.isChecked()))
        painter.setPen(color("text"))
        inside = box.adjusted(8, 0, -8, -5)
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(inside, left | middle, visible(self.word) + ("  ✓" if self.isChecked() else ""))
        painter.setFont(font(12, mono=True))
        painter.setPen(color("muted"))
        painter.drawText(inside, right | middle, chance(self.probability))
        if self.hasFocus():
            painter.setPen(color("focus"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box, 5, 5)
        painter.end()


class Popover(QFrame):
    """Opens at a word. chosen: gap id, place in the gap, token, word. pinned: whether to keep the word as it is.
    redo: make all again that is not pinned."""

    chosen = Signal(int, int, int, str)
    pinned = Signal(int, int, bool)
    redo = Signal()

    def __init__(self, parent: QWidget):
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAccessibleName("Alternatives")
        self.setProperty("surface", "card")
        self.gap, self.index = 0, 0
        self._found: list[Alternative] = []
        self._title = QLabel()
        self._title.setProperty("role", "muted")
        self._title.setWordWrap(True)
        self.rows = [_Row(self) for _ in range(ROWS)]
        for number, row in enumerate(self.rows):
            row.clicked.connect(self._choosing(number))
        self.pin = QPushButton(icon("pin"), "Pin")
        self.pin.setCheckable(True)
        self.pin.setToolTip("Keep this word when the rest is made again")
        self.pin.toggled.connect(self._pin)
        self.again = QPushButton(icon("refresh"), "Redo the rest")
        self.again.setToolTip("Make everything in gaps again that is not pinned")
        self.again.clicked.connect(self._redo)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(1)
        column.addWidget(self._title)
        column.addSpacing(4)
        for row in self.rows:
            column.addWidget(row)
        column.addSpacing(6)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.pin)
        buttons.addWidget(self.again, 1)
        column.addLayout(buttons)

    def ask(self, gap: int, index: int, at: QRect, pinned: bool, settled: bool) -> None:
        """Open below a word, in the screen's coordinates; the words come with `tell`. settled: there is a word already,
        which can be pinned."""
        self.gap, self.index = gap, index
        self._found = []
        self._title.setText("Looking…")
        for row in self.rows:
            row.hide()
        with QSignalBlocker(self.pin):
            self.pin.setChecked(pinned)
        self.pin.setVisible(settled)
        self.again.setVisible(settled)
        self._place(at)
        self.show()
        self.pin.setFocus()

    def tell(self, found: list[Alternative], present: str | None) -> None:
        """The words that could stand there; present: the one that does."""
        self._found = found
        self._title.setText("In this place, given the rest" if found else "Nothing else fits here.")
        for row in self.rows:
            row.setVisible(False)
        for row, one in zip(self.rows, found, strict=False):
            row.take(one, one.text == present)
            row.setVisible(True)
        self.adjustSize()
        self._place(self._at)
        if found:
            next((row for row in self.rows[: len(found)] if row.isChecked()), self.rows[0]).setFocus()

    def _place(self, at: QRect) -> None:
        self._at = at
        self.adjustSize()
        screen = (QGuiApplication.screenAt(at.center()) or QGuiApplication.primaryScreen()).availableGeometry()
        left = min(max(at.left(), screen.left() + 4), screen.right() - self.width() - 4)
        below = at.bottom() + 4
        top = below if below + self.height() < screen.bottom() else at.top() - self.height() - 4
        self.move(QPoint(left, max(top, screen.top() + 4)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Down.value: 1, Qt.Key.Key_Up.value: -1}.get(event.key())
        shown = [row for row in self.rows if row.isVisible()]
        if step and shown:
            now = next((i for i, row in enumerate(shown) if row.hasFocus()), -1)
            shown[(now + step) % len(shown)].setFocus()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            focus = self.focusWidget()
            if isinstance(focus, QAbstractButton) and focus.isVisible():  # else no words have come yet
                focus.click()
        else:
            super().keyPressEvent(event)

    def _choosing(self, number: int) -> Callable[[], None]:
        def choose() -> None:
            found = self._found[number]
            self.hide()
            self.chosen.emit(self.gap, self.index, found.token, found.text)

        return choose

    def _pin(self, on: bool) -> None:
        self.pinned.emit(self.gap, self.index, on)

    def _redo(self) -> None:
        self.hide()
        self.redo.emit()


def visible(text: str) -> str:
    """A word for a list: what cannot be seen is written out."""
    bare = text.strip()
    if not text:
        return "(part of a character)"
    return bare.replace("\n", "↵") if bare else {"\n": "↵ new line", " ": "␣ space"}.get(text, repr(text))
