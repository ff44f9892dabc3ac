"""The list of models: one card a line."""

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPen, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QFrame, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from studio.errors import StudioError
from studio.runtime.bundle import Bundle
from studio.runtime.catalog import is_shipped
from studio.ui.fonts import font
from studio.ui.icons import paint_icon
from studio.ui.models import facts
from studio.ui.theme import color
from studio.ui.words import bytes_text

NAME, CARD = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
HEIGHT = 100


class Card:
    """The words on a card."""

    def __init__(self, found: Bundle | StudioError, name: str):
        self.name, self.bundle = name, found if isinstance(found, Bundle) else None
        if isinstance(found, Bundle):
            manifest = found.manifest
            self.icon = "image" if manifest.modality == "image" else "text"
            self.title, self.second = manifest.title, facts.works_on(found)
            self.third = facts.headline(found) or "no likelihood is stored"
            self.right = [bytes_text(facts.size_of(found)), "shipped" if is_shipped(found) else "added"]
            self.right.append(manifest.licence)
        else:
            self.icon, self.title, self.second, self.third, self.right = (
                "error",
                name,
                str(found),
                "",
                ["cannot be used"],
            )

    @property
    def spoken(self) -> str:
        return ", ".join([self.title, self.second, self.third, *self.right])


class ModelList(QListView):
    """Cards in one column."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setAccessibleName("Installed models")
        self.setModel(QStandardItemModel(self))
        self.setItemDelegate(_Delegate(self))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setStyleSheet("ModelList { border: none; border-radius: 0; background: transparent; }")
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)

    def keep_free(self, height: int) -> None:
        """Show nothing in so many pixels at the foot: something lies over them."""
        self.setViewportMargins(0, 0, 0, height)

    def show_cards(self, cards: list[Card]) -> None:
        """These instead of those before; the one that was current stays so if it is still there."""
        current, model = self.currentIndex().data(NAME), self._items
        model.clear()
        for card in cards:
            item = QStandardItem(card.spoken)
            item.setData(card.name, NAME)
            item.setData(card, CARD)
            model.appendRow(item)
        names = [card.name for card in cards]
        if names:
            self.choose(current if current in names else names[0])

    def choose(self, name: str) -> None:
        """Make the model of this name the current one."""
        for row in range(self._items.rowCount()):
            if self._items.index(row, 0).data(NAME) == name:
                self.setCurrentIndex(self._items.index(row, 0))

    @property
    def card(self) -> Card | None:
        return self.currentIndex().data(CARD)

    @property
    def _items(self) -> QStandardItemModel:
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        return model


class _Delegate(QStyledItemDelegate):
    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._title, self._plain, self._small = font(15, bold=True), font(13), font(12)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(200, HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        card: Card = index.data(CARD)
        state: QStyle.StateFlag = option.state  # pyright: ignore[reportAttributeAccessIssue]
        rect: QRect = option.rect.adjusted(16, 5, -16, -5)  # pyright: ignore[reportAttributeAccessIssue]
        selected = bool(state & QStyle.StateFlag.State_Selected)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        focused = selected and bool(state & QStyle.StateFlag.State_HasFocus)
        painter.setPen(QPen(color("focus" if focused else "border"), 2 if focused else 1))
        painter.setBrush(color("selection" if selected else "hover" if hovered else "raised"))
        painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), 8, 8)
        paint_icon(
            painter, card.icon, QPoint(rect.left() + 18, rect.top() + 18), 24, "text" if card.bundle else "danger"
        )
        right = QRect(rect.right() - 150, rect.top() + 14, 134, 66)
        painter.setFont(self._small)
        painter.setPen(color("text" if selected else "muted"))
        for number, words in enumerate(card.right):
            line = QRect(right.left(), right.top() + 21 * number, right.width(), 20)
            painter.drawText(
                line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, _fit(painter, words, line)
            )
        width = right.left() - rect.left() - 70
        for words, typeface, role, top in (
            (card.title, self._title, "text", 12),
            (card.second, self._plain, "text", 36),
            (card.third, self._small, "text" if selected else "muted", 57),
        ):
            painter.setFont(typeface)
            painter.setPen(color(role if card.bundle or typeface is not self._plain else "danger"))
            line = QRect(rect.left() + 58, rect.top() + top, width, 22)
            painter.drawText(
                line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, _fit(painter, words, line)
            )
        painter.restore()


def _fit(painter: QPainter, words: str, line: QRect) -> str:
    return painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, line.width())
