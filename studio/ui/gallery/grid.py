"""The grid of the gallery: cells of one size, so that a hundred thousand of them cost no more than those in sight.

QListView lays out every item on each change of the model or the width, 150 to 400 ms for 100,000; here every place
follows from the row.
"""

from collections.abc import Sequence

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QRegion, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyleOptionViewItem

from studio.ui.gallery.model import Index

MARGIN = 8


class GridView(QAbstractItemView):
    """Items in rows that fill the width; scrolled by pixels. `opened` is Return or a double click on an item."""

    opened = Signal(QModelIndex)

    def __init__(self, cell: QSize):
        super().__init__()
        self._cell = cell
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragEnabled(True)
        self.setMouseTracking(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self._hovered = -1

    # -- geometry

    @property
    def columns(self) -> int:
        return max(1, (self.viewport().width() - MARGIN) // self._cell.width())

    def _count(self) -> int:
        return self.model().rowCount() if self.model() is not None else 0

    def _rect(self, row: int) -> QRect:
        """Where a row is, in the viewport. What is left of the width stands between the columns."""
        columns = self.columns
        across, down = row % columns, row // columns
        step = (self.viewport().width() - 2 * MARGIN) / columns
        left = MARGIN + round(across * step + (step - self._cell.width()) / 2)
        return QRect(QPoint(left, MARGIN + down * self._cell.height() - self.verticalOffset()), self._cell)

    def _rows_in(self, rect: QRect) -> range:
        """The rows that may touch a part of the viewport."""
        columns, height = self.columns, self._cell.height()
        first = max(0, (rect.top() + self.verticalOffset() - MARGIN) // height)
        last = max(0, (rect.bottom() + self.verticalOffset() - MARGIN) // height)
        return range(min(first * columns, self._count()), min((last + 1) * columns, self._count()))

    def visualRect(self, index: Index) -> QRect:
        return self._rect(index.row()) if index.isValid() else QRect()

    def indexAt(self, point: QPoint) -> QModelIndex:
        for row in self._rows_in(QRect(point, QSize(1, 1))):
            if self._rect(row).contains(point):
                return self.model().index(row, 0)
        return QModelIndex()

    def scrollTo(
        self, index: Index, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        if not index.isValid():
            return
        rect, height, bar = self.visualRect(index), self.viewport().height(), self.verticalScrollBar()
        if hint == QAbstractItemView.ScrollHint.PositionAtCenter:
            bar.setValue(bar.value() + rect.center().y() - height // 2)
        elif rect.top() < MARGIN or hint == QAbstractItemView.ScrollHint.PositionAtTop:
            bar.setValue(bar.value() + rect.top() - MARGIN)
        elif rect.bottom() > height - MARGIN:
            bar.setValue(bar.value() + rect.bottom() - height + MARGIN)

    def horizontalOffset(self) -> int:
        return 0

    def verticalOffset(self) -> int:
        return self.verticalScrollBar().value()

    def isIndexHidden(self, index: Index) -> bool:
        return False

    def updateGeometries(self) -> None:
        lines = -(-self._count() // self.columns)
        bar, height = self.verticalScrollBar(), self.viewport().height()
        bar.setRange(0, max(0, lines * self._cell.height() + 2 * MARGIN - height))
        bar.setPageStep(height)
        bar.setSingleStep(self._cell.height() // 4)
        super().updateGeometries()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """What is at the top stays there."""
        top = self._rows_in(QRect(0, MARGIN, 1, 1)).start
        super().resizeEvent(event)
        self.updateGeometries()
        if top and self.verticalOffset():
            bar = self.verticalScrollBar()
            bar.setValue(bar.value() + self._rect(top).top() - MARGIN)

    def rowsInserted(self, parent: Index, start: int, end: int) -> None:
        super().rowsInserted(parent, start, end)
        self.updateGeometries()
        self.viewport().update()

    def dataChanged(self, top_left: Index, bottom_right: Index, roles: Sequence[int] = ()) -> None:
        self.viewport().update()

    # -- selection and keys

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        count = self._count()
        if not count:
            return QModelIndex()
        move, columns = QAbstractItemView.CursorAction, self.columns
        page = columns * max(1, self.viewport().height() // self._cell.height())
        row = max(0, self.currentIndex().row())
        steps = {
            move.MoveLeft: -1,
            move.MovePrevious: -1,
            move.MoveRight: 1,
            move.MoveNext: 1,
            move.MoveUp: -columns,
            move.MoveDown: columns,
            move.MovePageUp: -page,
            move.MovePageDown: page,
        }
        if action in (move.MoveHome, move.MoveEnd):
            row = 0 if action == move.MoveHome else count - 1
        elif 0 <= row + steps[action] < count:
            row += steps[action]
        elif abs(steps[action]) == page:
            row = row % columns if steps[action] < 0 else count - 1
        elif action == move.MoveDown and row // columns < (count - 1) // columns:
            row = count - 1
        return self.model().index(row, 0)

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """The corners of `rect` are where it began and where the pointer is: all items from the one to the other, as
        in reading; while a band is drawn, those that it touches."""
        selection, model = QItemSelection(), self.model()
        first, last = self.indexAt(rect.topLeft()), self.indexAt(rect.bottomRight())
        band = self.state() == QAbstractItemView.State.DragSelectingState
        if not band and first.isValid() and last.isValid():
            selection.select(min(first, last), max(first, last))
        else:
            rect = rect.normalized()
            for row in self._rows_in(rect):
                if self._rect(row).intersects(rect):
                    selection.select(model.index(row, 0), model.index(row, 0))
        self.selectionModel().select(selection, command)

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        return QRegion(self.viewport().rect())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex())
            return
        super().keyPressEvent(event)

    def keyboardSearch(self, search: str) -> None:
        """Letters are shortcuts here."""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        if index.isValid():
            self.opened.emit(index)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._hover(self.indexAt(event.position().toPoint()).row())
        super().mouseMoveEvent(event)

    def leaveEvent(self, event: object) -> None:
        self._hover(-1)

    def _hover(self, row: int) -> None:
        if row != self._hovered:
            for changed in (row, self._hovered):
                if changed >= 0:
                    self.viewport().update(self._rect(changed))
            self._hovered = row

    # -- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        try:
            for row in self._rows_in(event.rect()):
                self.itemDelegate().paint(painter, self._option(row), self.model().index(row, 0))
        finally:
            painter.end()

    def _option(self, row: int) -> QStyleOptionViewItem:
        flag, option = QStyle.StateFlag, QStyleOptionViewItem()
        self.initViewItemOption(option)
        state = flag.State_Enabled
        if self.selectionModel().isSelected(self.model().index(row, 0)):
            state |= flag.State_Selected
        if row == self.currentIndex().row() and self.hasFocus():
            state |= flag.State_HasFocus
        if row == self._hovered:
            state |= flag.State_MouseOver
        option.rect = self._rect(row)  # pyright: ignore[reportAttributeAccessIssue]
        option.state = state  # pyright: ignore[reportAttributeAccessIssue]
        return option
