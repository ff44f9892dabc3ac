"""What the colours over the picture mean."""

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from studio.ui.image.overlays import Scale
from studio.ui.theme import color

SWATCH = QSize(12, 12)
AROUND, BETWEEN = 8, 6
PLACE = QPoint(12, 12)


class Legend(QWidget):
    """Colours in a row, from least to most, in a corner of the canvas; it takes no clicks and hides without a scale."""

    def __init__(self, canvas: QWidget):
        super().__init__(canvas)
        self._scale: Scale | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def show_scale(self, scale: Scale | None) -> None:
        if scale == self._scale:
            return
        self._scale = scale
        self.setVisible(scale is not None)
        if scale is not None:
            self.setAccessibleName(f"Colours: {scale.least} to {scale.most}")
            self.setGeometry(QRect(PLACE, self.sizeHint()))
            self.update()

    def sizeHint(self) -> QSize:
        if self._scale is None:
            return QSize(0, 0)
        metrics = self.fontMetrics()
        words = sum(metrics.horizontalAdvance(text) for text in (self._scale.least, self._scale.most))
        strip = SWATCH.width() * len(self._scale.colors)
        return QSize(words + strip + 2 * (AROUND + BETWEEN), max(metrics.height(), SWATCH.height()) + AROUND)

    def paintEvent(self, event: QPaintEvent) -> None:
        scale = self._scale
        if scale is None:
            return
        painter, height = QPainter(self), self.height()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(color("border"))
        painter.setBrush(color("raised"))
        painter.drawRoundedRect(self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        x = AROUND
        painter.setPen(color("text"))
        x = self._write(painter, x, scale.least) + BETWEEN
        for shade in scale.colors:
            painter.fillRect(QRect(QPoint(x, (height - SWATCH.height()) // 2), SWATCH), QColor(*shade))
            x += SWATCH.width()
        painter.setPen(color("outline"))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        strip = QSize(SWATCH.width() * len(scale.colors), SWATCH.height())
        painter.drawRect(QRect(QPoint(x - strip.width(), (height - strip.height()) // 2), strip))
        painter.setPen(color("text"))
        self._write(painter, x + BETWEEN, scale.most)

    def _write(self, painter: QPainter, x: int, text: str) -> int:
        width = self.fontMetrics().horizontalAdvance(text)
        painter.drawText(QRect(x, 0, width, self.height()), Qt.AlignmentFlag.AlignVCenter, text)
        return x + width
