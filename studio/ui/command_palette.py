"""Ctrl+K: every action by a few letters of its name, with its shortcut."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QFontMetrics, QHideEvent, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from studio.ui import theme
from studio.ui.actions import Actions, Entry, native
from studio.ui.fonts import font
from studio.ui.fuzzy import match
from studio.ui.settings import Settings

WIDTH, ROW, ROWS, TOP = 640, 36, 10, 56
RECENT = 6
POOR = 0.3
"""Share of the best score below which a find is noise."""
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class _Found:
    entry: Entry
    places: tuple[int, ...]
    """Of the letters in the title that were found."""
    available: bool


class CommandPalette(QFrame):
    """A list over the window, opened by `open`; it closes when it loses the focus.

    show_workspace brings a workspace to the front, so that its actions can be run from everywhere.
    """

    def __init__(
        self,
        actions: Actions,
        settings: Settings,
        window: QWidget,
        show_workspace: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(window)
        self._actions, self._settings, self._show_workspace = actions, settings, show_workspace
        self._window = window
        self._before: QWidget | None = None
        self.setProperty("command", True)
        self.setAccessibleName("Command palette")
        self.line = QLineEdit()
        self.line.setPlaceholderText("What do you want to do?")
        self.line.setAccessibleName("Search an action")
        self.line.setProperty("command", True)
        self.list = QListView()
        self.list.setAccessibleName("Actions")
        self.list.setProperty("command", True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setUniformItemSizes(True)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setMouseTracking(True)
        self._model = _Model(self)
        self.list.setModel(self._model)
        self.list.setItemDelegate(_Delegate(self))
        self.nothing = QLabel("No action has these letters.")
        self.nothing.setProperty("role", "muted")
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.nothing.setFixedHeight(ROW)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        for widget in (self.line, self.list, self.nothing):
            layout.addWidget(widget)
        self.hide()
        self.line.textChanged.connect(self._search)
        self.line.installEventFilter(self)
        self.list.clicked.connect(self._run)
        window.installEventFilter(self)

    def open(self) -> None:
        """Show it empty, with what was used last on top."""
        self._before = QApplication.focusWidget()
        self.line.clear()
        self._search("")
        self._place()
        self.show()
        self.raise_()
        self.line.setFocus(Qt.FocusReason.PopupFocusReason)

    def hideEvent(self, event: QHideEvent) -> None:
        # The focus goes back to where it was, unless the user has put it elsewhere.
        before, self._before = self._before, None
        focus = QApplication.focusWidget()
        if before is not None and isValid(before) and (focus is None or self.isAncestorOf(focus)):
            before.setFocus(Qt.FocusReason.PopupFocusReason)
        super().hideEvent(event)

    def found(self) -> list[Entry]:
        """What the list shows, best first."""
        return [found.entry for found in self._model.rows]

    def _place(self) -> None:
        window = self._window
        width = min(WIDTH, window.width() - 32)
        rows = min(len(self._model.rows), ROWS, max(1, (window.height() - TOP - 80) // ROW))
        self.list.setFixedHeight(rows * ROW)
        self.list.setVisible(rows > 0)
        self.nothing.setVisible(rows == 0)
        self.resize(width, self.sizeHint().height())
        self.move((window.width() - width) // 2, min(TOP, max(0, window.height() - self.height())))

    def _search(self, query: str) -> None:
        recent = self._recent()
        matches = []
        for entry in self._actions:
            by_title = match(query, entry.title)
            matches.append((entry, by_title, by_title or match(query, f"{entry.title} {entry.workspace or ''}")))
        best = max((found[0] for _, _, found in matches if found), default=0.0)
        here = {entry.title for entry in self._actions if entry.workspace == self._actions.workspace}
        ranked = []
        for order, (entry, by_title, found) in enumerate(matches):
            if found is None or found[0] < POOR * best < best:
                continue
            away = entry.workspace not in (None, self._actions.workspace)
            available = entry.action.isEnabled() or (away and self._show_workspace is not None)
            last = recent.index(entry.id) if not query.strip() and entry.id in recent else RECENT
            places = tuple(place for place in found[1] if place < len(entry.title))
            # Who names what the workspace in front has as well means that one, even where it cannot be done now.
            twin = away and entry.title in here
            score = -found[0] if query.strip() else away
            # Of what is found by its place, as all of Train by "train", "Go to Train" is meant first.
            ranked.append((twin, not available, last, by_title is None, score, order, entry, places))
        ranked.sort(key=lambda row: row[:6])
        self._model.show([_Found(entry, places, not row[1]) for *row, entry, places in ranked])
        self.list.setCurrentIndex(self._model.index(0))
        self.list.scrollToTop()
        if self.isVisible():
            self._place()

    def _recent(self) -> list[str]:
        stored = self._settings.ui("palette").get("recent", [])
        return [id for id in stored if isinstance(id, str)] if isinstance(stored, list) else []

    def _run(self, index: QModelIndex) -> None:
        if not index.isValid() or not (found := self._model.rows[index.row()]).available:
            return
        entry = found.entry
        self.hide()
        self._settings.set_ui("palette", recent=[entry.id, *(id for id in self._recent() if id != entry.id)][:RECENT])
        if entry.workspace not in (None, self._actions.workspace) and self._show_workspace:
            self._show_workspace(entry.workspace)
        entry.action.trigger()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.line:
            if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
                return self._key(event)
            if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
                # While it is open every key is its own: a letter is no tool, Return no run.
                event.accept()
                return False
            if event.type() == QEvent.Type.FocusOut and self.isVisible():
                self.hide()
        elif event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return False

    def _key(self, event: QKeyEvent) -> bool:
        steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: ROWS, Qt.Key.Key_PageUp: -ROWS}
        key = Qt.Key(event.key())
        rows = len(self._model.rows)
        if key in steps and rows:
            row = self.list.currentIndex().row() + steps[key]
            # One at a time goes round, a page stops at the end.
            row = row % rows if abs(steps[key]) == 1 else min(max(row, 0), rows - 1)
            self.list.setCurrentIndex(self._model.index(row))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._run(self.list.currentIndex())
        elif key == Qt.Key.Key_Escape or (
            key == Qt.Key.Key_K and event.modifiers() == Qt.KeyboardModifier.ControlModifier
        ):
            self.hide()
        else:
            return False
        return True


class _Model(QAbstractListModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.rows: list[_Found] = []

    def show(self, rows: list[_Found]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        found = self.rows[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return found
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            words = [found.entry.title, native(found.entry.shortcut), "" if found.available else "not available now"]
            return ", ".join(word for word in words if word)
        return found.entry.help if role == Qt.ItemDataRole.ToolTipRole else None


class _Delegate(QStyledItemDelegate):
    """Icon, title with the letters that were found, where it works, and its keys."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(0, ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        found: _Found = index.data(Qt.ItemDataRole.UserRole)
        state, rect = option.state, option.rect  # pyright: ignore[reportAttributeAccessIssue]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        if chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("selection" if chosen else "hover"))
            painter.drawRoundedRect(QRectF(rect).adjusted(0, 1, 0, -1), 6, 6)
        if chosen:
            painter.setBrush(theme.color("focus"))
            painter.drawRoundedRect(QRectF(rect.left(), rect.top() + 9, 3, rect.height() - 18), 1.5, 1.5)
        icon = found.entry.action.icon()
        if not icon.isNull():
            mode = icon.Mode.Normal if found.available else icon.Mode.Disabled
            icon.paint(painter, QRect(rect.left() + 12, rect.center().y() - 8, 18, 18), mode=mode)
        self._title(painter, rect, found)
        right = self._keys(painter, rect, found)
        painter.setFont(font(12))
        painter.setPen(theme.color("muted" if found.available else "disabled"))
        where = QRect(rect.left(), rect.top(), right - rect.left() - 12, rect.height())
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(where, middle, (found.entry.workspace or "").capitalize())
        painter.restore()

    def _title(self, painter: QPainter, rect: QRect, found: _Found) -> None:
        x = rect.left() + 42
        plain = theme.color("text" if found.available else "disabled")
        for place, letter in enumerate(found.entry.title):
            hit = place in found.places and found.available
            used = font(13, bold=hit)
            painter.setFont(used)
            painter.setPen(theme.color("link") if hit else plain)
            width = QFontMetrics(used).horizontalAdvance(letter)
            painter.drawText(QRect(x, rect.top(), width + 2, rect.height()), Qt.AlignmentFlag.AlignVCenter, letter)
            x += width

    def _keys(self, painter: QPainter, rect: QRect, found: _Found) -> int:
        """The shortcut as key caps, from the right edge; the x where they begin."""
        right = rect.right() - 8
        shortcut = native(found.entry.shortcut)
        metrics = QFontMetrics(font(11))
        # "Ctrl++" is Ctrl and +.
        caps = shortcut.replace("++", "+\0").split("+") if shortcut else []
        for cap in reversed([cap.replace("\0", "+") for cap in caps]):
            width = max(metrics.horizontalAdvance(cap) + 12, 20)
            box = QRectF(right - width, rect.center().y() - 9.5, width, 20)
            painter.setPen(QPen(theme.color("border"), 1))
            painter.setBrush(theme.color("control"))
            painter.drawRoundedRect(box, 4, 4)
            painter.setFont(font(11))
            painter.setPen(theme.color("muted" if found.available else "disabled"))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, cap)
            right -= width + 4
        return QPoint(int(right), 0).x()
