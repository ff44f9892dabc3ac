"""Small pictures with captions, in a row: variations, comparisons, the pictures of a folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFontMetrics, QImage, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView, QStyle, QStyledItemDelegate, QWidget

from studio.ui import theme
from studio.ui.image.raster import qimage

Index = QModelIndex | QPersistentModelIndex
PADDING = 6


@dataclass
class Tile:
    """One of them. image: None while there is none yet; `title` names it, `detail` tells more."""

    title: str
    detail: str = ""
    image: QImage | None = None
    failed: bool = False


class TileModel(QAbstractListModel):
    """The tiles of a view."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.tiles: list[Tile] = []
        self.wanted: Callable[[int], None] | None = None
        """Told the row of a tile that is drawn without an image."""

    def set_tiles(self, tiles: Sequence[Tile]) -> None:
        self.beginResetModel()
        self.tiles = list(tiles)
        self.endResetModel()

    def changed(self, row: int) -> None:
        """A tile has another image or caption."""
        self.dataChanged.emit(self.index(row), self.index(row))

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.tiles)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        tile = self.tiles[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return tile.title
            case Qt.ItemDataRole.AccessibleTextRole | Qt.ItemDataRole.ToolTipRole:
                return ", ".join(filter(None, (tile.title, tile.detail)))
        return None


class TileDelegate(QStyledItemDelegate):
    """Draws a tile: the picture sharp if it is enlarged, two lines of caption, a ring where it is chosen."""

    def __init__(self, parent: "TileView"):
        super().__init__(parent)
        self._view = parent

    def sizeHint(self, option, index: Index) -> QSize:
        lines = QFontMetrics(option.font).height()
        detailed = any(tile.detail for tile in self._view.tiles.tiles)
        side = self._view.side
        return QSize(self._view.wide + 2 * PADDING, side + 3 * PADDING + lines * (2 if detailed else 1))

    def paint(self, painter: QPainter, option, index: Index) -> None:
        tile = self._view.tiles.tiles[index.row()]
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        focused = self._view.hasFocus() and index == self._view.currentIndex()
        area: QRect = option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRect(area.x() + PADDING, area.y() + PADDING, area.width() - 2 * PADDING, self._view.side)
        painter.setPen(Qt.PenStyle.NoPen)
        if chosen:
            painter.setBrush(theme.color("selection"))
            painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), 6, 6)
        painter.setBrush(theme.color("canvas"))
        painter.drawRoundedRect(box, 3, 3)
        if tile.image is not None:
            _draw_fitted(painter, box, tile.image)
        else:
            if self._view.tiles.wanted is not None and not tile.failed:
                self._view.tiles.wanted(index.row())
            painter.setPen(theme.color("muted"))
            wrapped = Qt.AlignmentFlag.AlignCenter.value | Qt.TextFlag.TextWordWrap.value
            painter.drawText(box, wrapped, "Cannot be read" if tile.failed else "…")
        self._caption(painter, option, tile, QRect(box.x(), box.bottom() + PADDING // 2, box.width(), area.height()))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if chosen or focused:
            painter.setPen(QPen(theme.color("focus" if focused else "accent"), 2))
            painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), 6, 6)
        painter.restore()

    def _caption(self, painter: QPainter, option, tile: Tile, room: QRect) -> None:
        metrics = QFontMetrics(option.font)
        painter.setFont(option.font)
        for line, (text, role) in enumerate(((tile.title, "text"), (tile.detail, "muted"))):
            painter.setPen(theme.color(role))
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, room.width())
            place = QRect(room.x(), room.y() + line * metrics.height(), room.width(), metrics.height())
            painter.drawText(place, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter, shown)


class TileView(QListView):
    """A row of tiles. Arrow keys move, Enter or a double click picks; `picked` tells the row."""

    picked = Signal(int)
    current_changed = Signal(int)
    selection_changed = Signal()

    def __init__(self, name: str, side: int):
        super().__init__()
        self.side = self.wide = side
        self.tiles = TileModel(self)
        self.setModel(self.tiles)
        self.setItemDelegate(TileDelegate(self))
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSpacing(4)
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.activated.connect(self._activate)
        self.selectionModel().currentChanged.connect(self._tell_current)
        self.selectionModel().selectionChanged.connect(self._tell_selection)
        theme.current().changed.connect(self.viewport().update)

    def set_tiles(self, tiles: Sequence[Tile]) -> None:
        self.tiles.set_tiles(tiles)
        self._fit()

    def set_side(self, side: int) -> None:
        """Show the pictures as high as that, in pixels; their captions keep their width."""
        if side != self.side:
            self.side = side
            self.scheduleDelayedItemsLayout()
            self._fit()

    def _fit(self) -> None:
        bar = self.horizontalScrollBar().sizeHint().height()
        self.setFixedHeight(self.sizeHintForRow(0) + bar + 2 * self.spacing() + 10 if self.tiles.tiles else 0)

    def set_image(self, row: int, pixels: NDArray[np.uint8]) -> None:
        """Show pixels, uint8 (H, W, 3), on a tile."""
        self.tiles.tiles[row].image = qimage(pixels)
        self.tiles.changed(row)

    @property
    def current(self) -> int:
        """The row that the keyboard is on; −1 for none."""
        return self.currentIndex().row()

    def set_current(self, row: int) -> None:
        # Not setCurrentIndex: that adds to what is chosen while Ctrl is held, as it is with Ctrl+Enter.
        chosen = QItemSelectionModel.SelectionFlag.ClearAndSelect
        self.selectionModel().setCurrentIndex(self.tiles.index(row), chosen)

    def selected(self) -> list[int]:
        """The rows that are chosen, in their order."""
        return sorted(index.row() for index in self.selectedIndexes())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.scheduleDelayedItemsLayout()

    def _activate(self, index: QModelIndex) -> None:
        self.picked.emit(index.row())

    def _tell_current(self, current: QModelIndex) -> None:
        self.current_changed.emit(current.row())

    def _tell_selection(self) -> None:
        self.selection_changed.emit()


def _draw_fitted(painter: QPainter, box: QRect, image: QImage) -> None:
    """The picture in the middle of a box, as large as it fits; enlarged in whole steps and sharp."""
    ratio = painter.device().devicePixelRatioF()
    room = min(box.width() / image.width(), box.height() / image.height()) * ratio
    scale = (max(room // 1, 1) if room >= 1 else room) / ratio
    size = QSize(max(round(image.width() * scale), 1), max(round(image.height() * scale), 1))
    place = QRect(0, 0, size.width(), size.height())
    place.moveCenter(box.center())
    if room >= 1:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(place, image)
    else:
        # Qt reduces smoothly only when it makes a new image.
        reduced = image.scaled(
            size * ratio, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        painter.drawImage(place, reduced)
