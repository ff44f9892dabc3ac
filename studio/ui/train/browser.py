"""What is in a dataset, as thumbnails or lines; only what is seen is read, so a million are as quick as ten."""

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea

from studio.datasets.store import Dataset
from studio.errors import StudioError
from studio.ui import theme
from studio.ui.widgets.focus import FocusRing

CELL = 76
LINE = 30
GAP = 8
SHOWN = 400  # characters of a text that can be seen in a line


class Browser(QAbstractScrollArea):
    """Thumbnails of pictures in a grid, texts in lines. `picked` tells the index that is pointed at or chosen, `lost`
    that the data cannot be read any more."""

    picked = Signal(int)
    lost = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._dataset: Dataset | None = None
        self._index = -1
        self._pixmaps: dict[int, QPixmap] = {}
        self.setAccessibleName("Training data")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        FocusRing(self)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalScrollBar().setAccessibleName("Scroll the training data")

    def set_dataset(self, dataset: Dataset | None) -> None:
        self._dataset, self._index = dataset, -1
        self._pixmaps.clear()
        self.verticalScrollBar().setValue(0)
        self._fit()
        self.viewport().update()

    @property
    def index(self) -> int:
        return self._index

    def _count(self) -> int:
        return len(self._dataset) if self._dataset else 0

    def _pictures(self) -> bool:
        return self._dataset is not None and self._dataset.kind == "pictures"

    def _columns(self) -> int:
        return max(1, (self.viewport().width() - GAP) // (CELL + GAP)) if self._pictures() else 1

    def _row_height(self) -> int:
        return CELL + GAP if self._pictures() else LINE

    def _fit(self) -> None:
        rows = -(-self._count() // self._columns())
        # In rows, not pixels: a million rows of pixels would not fit into a scroll bar.
        seen = max(1, self.viewport().height() // self._row_height())
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, rows - seen))
        bar.setPageStep(seen)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self.viewport().update()

    def cell(self, index: int) -> QRect:
        """Where an index is drawn, in the viewport."""
        row, column = divmod(index, self._columns())
        top = (row - self.verticalScrollBar().value()) * self._row_height() + GAP // 2
        if self._pictures():
            return QRect(GAP + column * (CELL + GAP), top, CELL, CELL)
        return QRect(0, top, self.viewport().width(), LINE)

    def index_at(self, point: QPoint) -> int:
        """The index drawn there, or −1."""
        row = (point.y() - GAP // 2) // self._row_height() + self.verticalScrollBar().value()
        column = (point.x() - GAP // 2) // (CELL + GAP) if self._pictures() else 0
        index = row * self._columns() + column
        inside = column < self._columns() and 0 <= index < self._count()
        return index if inside and self.cell(index).contains(point) else -1

    def _seen(self) -> range:
        first = self.verticalScrollBar().value() * self._columns()
        rows = self.viewport().height() // self._row_height() + 2
        return range(first, min(self._count(), first + rows * self._columns()))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.fillRect(self.viewport().rect(), theme.color("canvas"))
        lost = False
        for index in self._seen():
            try:
                self._draw(painter, index, self.cell(index))
            except StudioError:  # removed or cut short under the window
                lost = True
        painter.end()
        if lost:
            self.lost.emit()

    def _draw(self, painter: QPainter, index: int, box: QRect) -> None:
        if self._pictures():
            painter.drawPixmap(box, self._pixmap(index))
        else:
            self._draw_line(painter, index, box)
        if index == self._index:
            painter.setPen(QPen(theme.color("focus"), 2))
            painter.drawRect(box.adjusted(-1, -1, 1, 1) if self._pictures() else box.adjusted(1, 1, -2, -2))

    def _pixmap(self, index: int) -> QPixmap:
        pixmap = self._pixmaps.get(index)
        if pixmap is None:
            assert self._dataset
            pixels = self._dataset.picture(index)
            height, width = pixels.shape[:2]
            image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
            side = QSize(CELL, CELL) * self.devicePixelRatioF()
            smooth = (
                Qt.TransformationMode.SmoothTransformation if width > CELL else Qt.TransformationMode.FastTransformation
            )
            pixmap = QPixmap.fromImage(image.scaled(side, Qt.AspectRatioMode.IgnoreAspectRatio, smooth))
            if len(self._pixmaps) > 2000:
                self._pixmaps.clear()
            self._pixmaps[index] = pixmap
        return pixmap

    def _draw_line(self, painter: QPainter, index: int, box: QRect) -> None:
        assert self._dataset
        text = " ".join(self._dataset.text(index)[:SHOWN].split())
        painter.setPen(theme.color("muted"))
        painter.drawText(box.adjusted(8, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, f"{index + 1:,}")
        painter.setPen(theme.color("text"))
        room = box.adjusted(80, 0, -8, 0)
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, shown)

    def pick(self, index: int) -> None:
        """Mark one and bring it into view."""
        if not 0 <= index < self._count():
            return
        self._index = index
        row, bar = index // self._columns(), self.verticalScrollBar()
        if row < bar.value():
            bar.setValue(row)
        elif row >= bar.value() + bar.pageStep():
            bar.setValue(row - bar.pageStep() + 1)
        self.viewport().update()
        self.picked.emit(index)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.index_at(event.position().toPoint())
        if index >= 0:
            self.pick(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        columns, page = self._columns(), self._columns() * self.verticalScrollBar().pageStep()
        moves = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -columns, Qt.Key.Key_Down: columns}
        moves |= {Qt.Key.Key_PageUp: -page, Qt.Key.Key_PageDown: page}
        moves |= {Qt.Key.Key_Home: -self._count(), Qt.Key.Key_End: self._count()}
        move = moves.get(Qt.Key(event.key()))
        if move is None:
            super().keyPressEvent(event)
        else:
            self.pick(min(max(self._index + move, 0), self._count() - 1))
