"""How a place looks that has nothing to show yet, or is busy."""

from collections.abc import Callable

from PySide6.QtCore import QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QHideEvent, QPainter, QPaintEvent, QPen, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from studio.ui import theme
from studio.ui.icons import icon
from studio.ui.widgets.icon_button import IconLabel


class EmptyState(QWidget):
    """An icon, what this place is for, the button to begin with, and perhaps a second, quiet one."""

    def __init__(
        self,
        icon_name: str,
        title: str,
        sentence: str,
        button: str = "",
        on_click: Callable[[], object] | None = None,
        *,
        button_icon: str = "",
        second: str = "",
        on_second: Callable[[], object] | None = None,
    ) -> None:
        super().__init__()
        self.setAccessibleName(title)
        middle = Qt.AlignmentFlag.AlignHCenter
        layout = QVBoxLayout(self)
        layout.setContentsMargins(32, 32, 32, 32)
        layout.setSpacing(8)
        layout.addStretch(2)
        layout.addWidget(IconLabel(icon_name, 48, "disabled"), 0, middle)
        layout.addSpacing(8)
        self.title, self.sentence = QLabel(title), QLabel(sentence)
        self.title.setProperty("role", "title")
        self.sentence.setProperty("role", "muted")
        for label in (self.title, self.sentence):
            label.setWordWrap(True)
            label.setAlignment(middle)
            label.setMaximumWidth(440)
            label.setMinimumWidth(120)
        # Centred by stretches: a label that wraps would be squeezed by an alignment.
        for label in (self.title, self.sentence):
            row = QHBoxLayout()
            row.addStretch(1)
            row.addWidget(label, 100)
            row.addStretch(1)
            layout.addLayout(row)
        self.button = QPushButton(button)
        self.button.setVisible(bool(button))
        if button:
            self.button.setProperty("kind", "primary")
            if button_icon:
                self.button.setIcon(icon(button_icon, "on-accent"))
            if on_click:
                self.button.clicked.connect(lambda: on_click())
            layout.addSpacing(12)
            layout.addWidget(self.button, 0, middle)
        self.second = QPushButton(second)
        self.second.setProperty("kind", "quiet")
        self.second.setVisible(bool(second))
        if second:
            if on_second:
                self.second.clicked.connect(lambda: on_second())
            layout.addWidget(self.second, 0, middle)
        layout.addStretch(3)


class Spinner(QWidget):
    """An arc that turns while it is seen, and costs nothing while it is not."""

    def __init__(self, name: str = "Busy", size: int = 18) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setFixedSize(size, size)
        self._angle = 0
        self._timer = QTimer(self, interval=50)
        self._timer.timeout.connect(self._turn)

    def _turn(self) -> None:
        self._angle = (self._angle + 24) % 360
        self.update()

    def showEvent(self, event: QShowEvent) -> None:
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        self._timer.stop()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width = max(2.0, self.width() / 9)
        box = QRectF(self.rect()).adjusted(width, width, -width, -width)
        painter.setPen(QPen(theme.color("border"), width))
        painter.drawEllipse(box)
        painter.setPen(QPen(theme.color("focus"), width, c=Qt.PenCapStyle.RoundCap))
        painter.drawArc(box, -self._angle * 16, 100 * 16)
        painter.end()


class Busy(QWidget):
    """A spinner with a sentence, and a button to stop it if that is possible."""

    def __init__(self, sentence: str, on_stop: Callable[[], object] | None = None) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        self.label = QLabel(sentence)
        self.label.setProperty("role", "muted")
        layout.addWidget(Spinner(sentence))
        layout.addWidget(self.label, 1)
        if on_stop:
            stop = QPushButton("Stop")
            stop.clicked.connect(lambda: on_stop())
            layout.addWidget(stop)

    def set_text(self, sentence: str) -> None:
        self.label.setText(sentence)

    def sizeHint(self) -> QSize:
        return QSize(200, 28)
