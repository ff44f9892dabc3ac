"""Numbers to be set: by slider, by typing, or both. Points, never commas, whatever the system's language.

Every control here has `value()`, `set_value()`, which tells nobody, and `changed`, which tells what the user set.
"""

import math
import secrets
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, QLocale, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence, QValidator, QWheelEvent
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLineEdit, QSlider, QSpinBox, QWidget

from studio.ui.style import restyle
from studio.ui.widgets.icon_button import IconButton

MAX_SEED = 2**64 - 1
_STOPS = 1000


def _turn(widget: QWidget, event: QWheelEvent, turn: Callable[[QWheelEvent], None]) -> None:
    """Only what has the keys is turned by the wheel; what passes over scrolls what is around."""
    if widget.hasFocus():
        turn(event)
    else:
        event.ignore()


class CalmSlider(QSlider):
    """A slider that a passing wheel does not move."""

    def __init__(self, orientation: Qt.Orientation = Qt.Orientation.Horizontal) -> None:
        super().__init__(orientation)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        _turn(self, event, super().wheelEvent)


def is_for_the_window(line: QLineEdit, event: QEvent) -> bool:
    """Whether this asks for undo or redo where the line has none of its own: a line takes the keys all the same."""
    if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
        return False
    undo, redo = (event.matches(key) for key in (QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Redo))
    return (undo and not line.isUndoAvailable()) or (redo and not line.isRedoAvailable())


class _Spin(QDoubleSpinBox):
    """Plain C numbers without trailing zeros; a passing wheel does not turn it."""

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(QLocale.c())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAlignment(Qt.AlignmentFlag.AlignRight)

    def event(self, event: QEvent) -> bool:
        if is_for_the_window(self.lineEdit(), event):
            event.ignore()
            return True
        return super().event(event)

    def valueFromText(self, text: str) -> float:
        return super().valueFromText(text.replace(",", "."))

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        state, _, where = super().validate(text.replace(",", "."), position)
        return state, text, where

    def wheelEvent(self, event: QWheelEvent) -> None:
        _turn(self, event, super().wheelEvent)


class CountBox(QSpinBox):
    """A whole number in plain digits; a passing wheel does not turn it."""

    def __init__(self, minimum: int, maximum: int) -> None:
        super().__init__()
        self.setRange(minimum, maximum)
        self.setLocale(QLocale.c())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        _turn(self, event, super().wheelEvent)


class NumberSlider(QWidget):
    """A slider and a box for one number, int if it has no decimals.

    log: the slider moves by factors, for ranges such as 1 to 4096.
    """

    changed = Signal(object)

    def __init__(
        self, name: str, minimum: float, maximum: float, *, step: float = 1, decimals: int = 0, log: bool = False
    ) -> None:
        super().__init__()
        self._log = log
        self._value: float = minimum
        self.setAccessibleName(name)
        self.slider, self.spin = CalmSlider(), _Spin()
        self.slider.setAccessibleName(name)
        self.spin.setAccessibleName(f"{name}, number")
        self.spin.setDecimals(decimals)
        self.spin.setSingleStep(step)
        self.spin.setFixedWidth(84)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.spin)
        self.setFocusProxy(self.slider)
        self.set_range(minimum, maximum)
        self.slider.valueChanged.connect(self._slid)
        self.spin.valueChanged.connect(self._typed)

    def set_range(self, minimum: float, maximum: float) -> None:
        """New bounds; the value is brought within them, telling nobody."""
        with QSignalBlocker(self.spin):
            self.spin.setRange(minimum, maximum)
        stops = _STOPS if self._log else min(round((maximum - minimum) / self.spin.singleStep()), 10_000)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(stops, 1))
            self.slider.setPageStep(max(1, stops // 10))
        self.set_value(min(max(self._value, minimum), maximum))

    def value(self) -> Any:
        return self._value if self.spin.decimals() else round(self._value)

    def set_value(self, value: float) -> None:
        self._value = min(max(float(value), self.spin.minimum()), self.spin.maximum())
        if self.spin.value() != self._value:
            with QSignalBlocker(self.spin):
                self.spin.setValue(self._value)
        self._place_slider()

    def _place_slider(self) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(self._share(self._value) * self.slider.maximum()))

    def _share(self, value: float) -> float:
        """Where on the slider the value lies, 0 to 1."""
        low, high = self.spin.minimum(), self.spin.maximum()
        if high <= low:
            return 0.0
        if self._log:
            return math.log(max(value, low) / low) / math.log(high / low)
        return (value - low) / (high - low)

    def _at(self, share: float) -> float:
        low, high = self.spin.minimum(), self.spin.maximum()
        value = low * (high / low) ** share if self._log else low + share * (high - low)
        return round(value, self.spin.decimals())

    def _slid(self, position: int) -> None:
        value = self._at(position / self.slider.maximum())
        if self._log and value == self._value:
            # Where steps of the slider are finer than whole numbers, a key press still moves by one.
            value += math.copysign(self.spin.singleStep(), position / self.slider.maximum() - self._share(self._value))
        self.set_value(value)
        self.changed.emit(self.value())

    def _typed(self, value: float) -> None:
        if value != self._value:
            self._value = value
            self._place_slider()
            self.changed.emit(self.value())


class CheckedLine(QLineEdit):
    """A line that holds a value only if it is one; while it is not, it says why, and on leaving it goes back.

    Subclasses give `parse`, which raises ValueError with a sentence, and `show_value`.
    """

    changed = Signal(object)

    def __init__(self, name: str, value: Any) -> None:
        super().__init__()
        self._value = value
        self._help = ""
        self.setAccessibleName(name)
        self.setText(self.show_value(value))
        self.textEdited.connect(self._edited)

    def event(self, event: QEvent) -> bool:
        if is_for_the_window(self, event):
            event.ignore()
            return True
        return super().event(event)

    def parse(self, text: str) -> Any:
        raise NotImplementedError

    def show_value(self, value: Any) -> str:
        return str(value)

    def value(self) -> Any:
        return self._value

    def set_value(self, value: Any) -> None:
        if value != self._value:
            self._value = value
            self._back()

    @property
    def problem(self) -> str:
        """What is wrong with the text now, or ""."""
        try:
            self.parse(self.text().strip())
        except ValueError as error:
            return str(error)
        return ""

    def _edited(self) -> None:
        problem = self.problem
        self._mark(problem)
        if not problem and (value := self.parse(self.text().strip())) != self._value:
            self._value = value
            self.changed.emit(value)

    def _back(self) -> None:
        self.setText(self.show_value(self._value))
        self._mark("")

    def _mark(self, problem: str) -> None:
        if problem and not self.property("invalid"):
            self._help = self.toolTip()
        if problem or self.property("invalid"):
            self.setToolTip(problem or self._help)
        restyle(self, "invalid", bool(problem))
        self.setAccessibleDescription(problem or self._help)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self._back()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape) and self.isModified():
            self._back()
            self.selectAll()
            event.accept()
            return
        super().keyPressEvent(event)


class NumberBox(CheckedLine):
    """A number to be typed, such as a learning rate: 0.0003 and 3e-4 are the same. Up and down turn whole numbers."""

    def __init__(self, name: str, minimum: float, maximum: float, value: float, *, integer: bool = False) -> None:
        self._minimum, self._maximum, self._integer = minimum, maximum, integer
        super().__init__(name, value)

    def set_range(self, minimum: float, maximum: float) -> None:
        """New bounds; the value is brought within them, telling nobody."""
        self._minimum, self._maximum = minimum, maximum
        self.set_value(min(max(self._value, minimum), maximum))

    def parse(self, text: str) -> Any:
        what = "a whole number" if self._integer else "a number"
        wanted = f"Give {what} from {self.show_value(self._minimum)} to {self.show_value(self._maximum)}."
        try:
            value = int(text) if self._integer else float(text.replace(",", "."))
        except ValueError:
            raise ValueError(wanted) from None
        if not self._minimum <= value <= self._maximum:
            raise ValueError(wanted)
        return value

    def show_value(self, value: Any) -> str:
        return str(value) if self._integer else f"{value:.6g}"

    def keyPressEvent(self, event: QKeyEvent) -> None:
        turn = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}.get(Qt.Key(event.key()))
        if turn is None or not self._integer:
            super().keyPressEvent(event)
        elif self._minimum <= self._value + turn <= self._maximum:
            self.set_value(self._value + turn)
            self.changed.emit(self._value)


class _SeedLine(CheckedLine):
    def parse(self, text: str) -> int:
        # isdecimal and isascii: int() would also take "1_000", "+5" and the digits of other scripts.
        if not (text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) <= MAX_SEED):
            raise ValueError(f"Give a whole number from 0 to {MAX_SEED}.")
        return int(text)


class SeedBox(QWidget):
    """A seed of 64 bits, which no spin box can hold, with dice for another one and a lock that keeps it."""

    changed = Signal(object)
    lock_changed = Signal(bool)

    def __init__(self, name: str = "Seed", value: int = 0) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.line = _SeedLine(name, value)
        self.line.setMaxLength(24)
        self.dice = IconButton("dice", "Draw another seed")
        self.lock = IconButton("unlock", "Keep this seed for the next run", checkable=True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.line, 1)
        layout.addWidget(self.dice)
        layout.addWidget(self.lock)
        self.setFocusProxy(self.line)
        self.line.changed.connect(self.changed)
        self.dice.clicked.connect(self.roll)
        self.lock.toggled.connect(self._locked)

    def value(self) -> int:
        return self.line.value()

    def set_value(self, value: int) -> None:
        """ValueError where it is no seed."""
        self.line.set_value(self.line.parse(str(value)))

    def roll(self) -> None:
        """Another seed by chance, short enough to be read out."""
        self.line.set_value(secrets.randbits(32))
        self.changed.emit(self.value())

    def set_locked(self, locked: bool) -> None:
        with QSignalBlocker(self.lock):
            self.lock.setChecked(locked)
        self._show_lock(locked)

    def _locked(self, locked: bool) -> None:
        self._show_lock(locked)
        self.lock_changed.emit(locked)

    def _show_lock(self, locked: bool) -> None:
        self.lock.set_icon("lock" if locked else "unlock")
        self.lock.set_name("Draw a new seed for every run" if locked else "Keep this seed for the next run")
