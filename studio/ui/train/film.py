"""The filmstrip: what the run made of the same holes with the same seeds, from the first look to the last."""

from pathlib import Path

from PySide6.QtCore import QRect, QSignalBlocker, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QStackedWidget, QVBoxLayout, QWidget

from studio.ui import theme
from studio.ui.fonts import font
from studio.ui.widgets.numbers import CalmSlider


class Film(QWidget):
    """Shows one preview; a slider goes through all of them. It follows the newest while it stands at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._previews: list[tuple[int, Path]] = []
        self.sheet, self.text = _Sheet(), QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setFont(font(13))
        self.text.setAccessibleName("What the model writes")
        self.slider = CalmSlider()
        self.slider.setAccessibleName("Which preview")
        self.slider.valueChanged.connect(self._show)
        self.step = QLabel("No preview yet")
        self.step.setProperty("role", "muted")
        self.stack = QStackedWidget()
        self.stack.addWidget(self.sheet)
        self.stack.addWidget(self.text)
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(self.step)
        line.addWidget(self.slider, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.stack, 1)
        layout.addLayout(line)

    def set_previews(self, previews: list[tuple[int, Path]]) -> None:
        at_end = self.slider.value() == self.slider.maximum()
        other = previews[:1] != self._previews[:1]
        self._previews = previews
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(0, len(previews) - 1))
            if at_end or other:
                self.slider.setValue(self.slider.maximum())
        self.slider.setEnabled(len(previews) > 1)
        self._show(self.slider.value())

    def _show(self, place: int) -> None:
        if not self._previews:
            self.step.setText("No preview yet")
            self.sheet.set_pixmap(QPixmap())
            self.text.clear()
            return
        step, path = self._previews[min(place, len(self._previews) - 1)]
        self.step.setText(f"Step {step:,}")
        if path.suffix == ".png":
            self.stack.setCurrentWidget(self.sheet)
            self.sheet.set_pixmap(QPixmap(str(path)))
        else:
            self.stack.setCurrentWidget(self.text)
            try:
                self.text.setPlainText(path.read_text(encoding="utf-8"))
            except OSError as error:
                self.text.setPlainText(f"{path.name} cannot be read: {error.strerror}")


class _Sheet(QWidget):
    """A picture as large as it fits, pixels crisp."""

    def __init__(self) -> None:
        super().__init__()
        self._pixmap = QPixmap()
        self.setAccessibleName("What the model makes: given, made, original")
        self.setMinimumSize(120, 60)

    def set_pixmap(self, pixmap: QPixmap) -> None:
        self._pixmap = pixmap
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(400, 160)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("canvas"))
        if not self._pixmap.isNull():
            size = self._pixmap.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            left, top = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
            # Larger than it is only without blur, smaller only with.
            smooth = size.width() < self._pixmap.width()
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
            painter.drawPixmap(QRect(left, top, size.width(), size.height()), self._pixmap)
        painter.end()
