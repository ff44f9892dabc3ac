"""One of several: segments for a few, a list for many, stops on a line for those that have an order."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QWheelEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from studio.ui import theme
from studio.ui.fonts import font
from studio.ui.widgets.numbers import CalmSlider

WIDEST = 480
"""Of a list that is open, in pixels."""

Options = Sequence[tuple[Any, str]]
"""Values, each with the words for it."""


class Check(QCheckBox):
    """A check box with the `value()` and `changed` of the other controls; `text=False` where a Field has its label."""

    changed = Signal(object)

    def __init__(self, name: str, *, text: bool = True) -> None:
        super().__init__(name if text else "")
        self.setAccessibleName(name)
        self.clicked.connect(self._clicked)

    def _clicked(self, checked: bool) -> None:
        self.changed.emit(checked)

    def value(self) -> bool:
        return self.isChecked()

    def set_value(self, value: bool) -> None:
        self.setChecked(value)


class Combo(QComboBox):
    """As wide open as its longest line, within bounds; what does not fit ends in an ellipsis. A passing wheel changes
    nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def showPopup(self) -> None:
        longest = self.view().sizeHintForColumn(0) + 2 * self.view().frameWidth()
        self.view().setMinimumWidth(min(longest, WIDEST))
        super().showPopup()

    def paintEvent(self, event: QPaintEvent) -> None:
        """As Qt's, which cuts the words off."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        field = QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, field, self).width() - 2
        option.currentText = self.fontMetrics().elidedText(self.currentText(), Qt.TextElideMode.ElideRight, room)  # pyright: ignore[reportAttributeAccessIssue]
        painter.setPen(self.palette().color(QPalette.ColorRole.Text))
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # it may scroll what is around


class Choice(QWidget):
    """One of several values; segments side by side up to four, unless `segmented` says otherwise."""

    changed = Signal(object)

    def __init__(self, name: str, options: Options = (), *, segmented: bool | None = None) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self._segmented = len(options) <= 4 if segmented is None else segmented
        self._values: list[Any] = []
        self._words: list[str] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        if self._segmented:
            self._frame = QFrame()
            self._frame.setProperty("segments", True)
            self._row = QHBoxLayout(self._frame)
            self._row.setContentsMargins(1, 1, 1, 1)
            self._row.setSpacing(1)
            self._group = QButtonGroup(self)
            self._group.idClicked.connect(self._chosen)
            layout.addWidget(self._frame)
        else:
            self._combo = Combo()
            self._combo.setAccessibleName(name)
            self._combo.view().setAccessibleName(name)
            self._combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            self._combo.setMinimumContentsLength(6)
            self._combo.activated.connect(self._chosen)
            self.setFocusProxy(self._combo)
            layout.addWidget(self._combo)
        self.set_options(options)

    def set_options(self, options: Options) -> None:
        """Other values; the present one stays if it is among them, else the first is taken, telling nobody."""
        before = self.value() if self._values else None
        self._values, self._words = [value for value, _ in options], [label for _, label in options]
        if self._segmented:
            for button in self._group.buttons():
                self._group.removeButton(button)
                self._row.removeWidget(button)
                button.hide()
                button.deleteLater()
            for i, (_, label) in enumerate(options):
                self._add_segment(i, label)
        else:
            self._combo.clear()
            self._combo.addItems([label for _, label in options])
        if self._values:
            self.set_value(before if before in self._values else self._values[0])

    def _add_segment(self, index: int, label: str) -> None:
        button = QPushButton(label)
        button.setProperty("segment", True)
        button.setCheckable(True)
        button.setAccessibleName(f"{self.accessibleName()}: {label}")
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._group.addButton(button, index)
        self._row.addWidget(button, 1)
        if index == 0:
            self.setFocusProxy(button)

    def set_option_help(self, value: Any, help: str) -> None:
        """One sentence on one of the values."""
        index = self._values.index(value)
        if self._segmented:
            self._group.button(index).setToolTip(help)
        else:
            self._combo.setItemData(index, help, Qt.ItemDataRole.ToolTipRole)

    def words(self, value: Any) -> str:
        """How one of the values is named here; the value itself if it is not among them."""
        return self._words[self._values.index(value)] if value in self._values else str(value)

    def value(self) -> Any:
        index = self._group.checkedId() if self._segmented else self._combo.currentIndex()
        return self._values[index] if 0 <= index < len(self._values) else None

    def set_value(self, value: Any) -> None:
        """ValueError for one that is not among the options."""
        index = self._values.index(value)
        if self._segmented:
            self._group.button(index).setChecked(True)
        else:
            self._combo.setCurrentIndex(index)

    def _chosen(self, index: int) -> None:
        self.changed.emit(self._values[index])


class StopsSlider(CalmSlider):
    """A slider over a few values in order, such as the granularities of a model; each is a stop with its label."""

    changed = Signal(object)

    def __init__(self, name: str, stops: Sequence[Any] = (1,), labels: Sequence[str] = ()) -> None:
        super().__init__()
        self._silent = False
        self._stops: list[Any] = []
        self._labels: list[str] = []
        self.setAccessibleName(name)
        self.setPageStep(1)
        self.set_stops(stops, labels)
        self.valueChanged.connect(self._moved)

    def set_stops(self, stops: Sequence[Any], labels: Sequence[str] = ()) -> None:
        """Other values; the present one stays if it is among them, else the last is taken, telling nobody."""
        before = self.value() if self._stops else None
        self._stops, self._labels = list(stops), list(labels) or [str(stop) for stop in stops]
        self._silent = True
        self.setRange(0, len(self._stops) - 1)
        self._silent = False
        self.set_value(before if before in self._stops else self._stops[-1])
        self.setEnabled(len(self._stops) > 1)
        self.updateGeometry()
        self.update()

    def value(self) -> Any:
        """The value of the stop; its place in the row is `sliderPosition()`."""
        return self._stops[min(self.sliderPosition(), len(self._stops) - 1)]

    def set_value(self, value: Any) -> None:
        """ValueError for one that is not among the stops."""
        self._silent = True
        self.setValue(self._stops.index(value))
        self._silent = False
        self.setAccessibleDescription(self._labels[self.sliderPosition()])

    def _moved(self, index: int) -> None:
        self.setAccessibleDescription(self._labels[index])
        self.update()
        if not self._silent:
            self.changed.emit(self._stops[index])

    # --- looks

    def sizeHint(self) -> QSize:
        return QSize(160, 42)

    def minimumSizeHint(self) -> QSize:
        return QSize(80, 42)

    def _x(self, index: int) -> float:
        inner = self.width() - 24
        return 12 + inner * (index / (len(self._stops) - 1) if len(self._stops) > 1 else 0.5)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._to_pointer(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._to_pointer(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()

    def _to_pointer(self, event: QMouseEvent) -> None:
        x = event.position().x()
        self.setValue(min(range(len(self._stops)), key=lambda i: abs(self._x(i) - x)))
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        on = self.isEnabled()
        line, done = theme.color("outline" if on else "border"), theme.color("focus" if on else "disabled")
        y, here = 12.0, self._x(self.sliderPosition())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(line)
        painter.drawRoundedRect(QRectF(12, y - 2, self.width() - 24, 4), 2, 2)
        painter.setBrush(done)
        if len(self._stops) > 1:
            painter.drawRoundedRect(QRectF(12, y - 2, here - 12, 4), 2, 2)
        metrics = QFontMetrics(font(11))
        painter.setFont(font(11))
        last = -1e9
        for i, label in enumerate(self._labels):
            x, chosen = self._x(i), i == self.sliderPosition()
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(done if i <= self.sliderPosition() else line)
            painter.drawEllipse(QRectF(x - 4, y - 4, 8, 8))
            width = metrics.horizontalAdvance(label)
            left = min(max(x - width / 2, 0), self.width() - width)
            if left > last + 4 or chosen:  # what would overlap is left out
                painter.setPen(theme.color(("text" if chosen else "muted") if on else "disabled"))
                painter.drawText(QRect(QPoint(int(left), 24), QSize(width + 2, 16)), label)
                last = left + width
        painter.setBrush(done if self.hasFocus() else theme.color("control"))
        painter.setPen(QPen(theme.color("text") if self.hasFocus() else done, 2))
        painter.drawEllipse(QRectF(here - 7, y - 7, 14, 14))
        painter.end()
