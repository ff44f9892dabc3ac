"""Where shortcuts are looked up and changed."""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from studio.ui import dialogs
from studio.ui.actions import Actions, Entry, native
from studio.ui.fonts import font
from studio.ui.fuzzy import match

ID = Qt.ItemDataRole.UserRole
MODIFIERS = (Qt.Key.Key_Control, Qt.Key.Key_Shift, Qt.Key.Key_Alt, Qt.Key.Key_Meta, Qt.Key.Key_AltGr)


class Recorder(QLineEdit):
    """Takes the next keys that are pressed. Escape leaves, Backspace means none, Tab goes on as ever."""

    recorded = Signal(str)
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setAccessibleName("New shortcut")
        self.setPlaceholderText("Press Enter on an action, then its new keys")

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()  # or a shortcut of this window would take the keys
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, plain = Qt.Key(event.key()), event.modifiers() == Qt.KeyboardModifier.NoModifier
        if key in MODIFIERS or key == Qt.Key.Key_unknown:
            return
        if key == Qt.Key.Key_Escape and plain:
            self.left.emit()
        elif key in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete) and plain:
            self.recorded.emit("")
        else:
            keypad = Qt.KeyboardModifier.KeypadModifier
            combination = QKeySequence((event.modifiers() & ~keypad).value | key.value)
            self.recorded.emit(combination.toString(QKeySequence.SequenceFormat.PortableText))


class ShortcutsDialog(QDialog):
    """Every action with its shortcut: search, press another, take one from another action, reset. `open()` it."""

    def __init__(self, actions: Actions, parent: QWidget) -> None:
        super().__init__(parent)
        self._actions = actions
        self._wanted: tuple[str, str] | None = None
        """An action and a shortcut that another one has."""
        self.setWindowTitle("Keyboard shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialogs.resize(self, 620, 620)
        self.search = QLineEdit()
        self.search.setAccessibleName("Search an action or a shortcut")
        self.search.setPlaceholderText("Search an action or a shortcut")
        self.search.setClearButtonEnabled(True)
        self.tree = QTreeWidget()
        self.tree.setAccessibleName("Actions and their shortcuts")
        self.tree.setHeaderLabels(["Action", "Shortcut"])
        self.tree.setRootIsDecorated(False)
        self.tree.setIndentation(0)
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.tree.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        self.tree.header().resizeSection(1, 180)
        self.tree.header().setStretchLastSection(False)
        self.tree.header().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.recorder = Recorder()
        self.take = QPushButton("Take it")
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Give this action the shortcut that it came with")
        self.reset_all = QPushButton("Reset all")
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setMinimumHeight(20)
        close = QPushButton("Close")
        row, last = QHBoxLayout(), QHBoxLayout()
        for widget in (self.recorder, self.take, self.reset):
            row.addWidget(widget)
        last.addWidget(self.reset_all)
        last.addStretch()
        last.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        layout.addWidget(self.search)
        layout.addWidget(self.tree, 1)
        layout.addLayout(row)
        layout.addWidget(self.message)
        layout.addLayout(last)
        for button in (self.take, self.reset, self.reset_all, close):
            button.setAutoDefault(False)

        self.search.textChanged.connect(self._fill)
        self.search.installEventFilter(self)
        self.tree.itemActivated.connect(self._record)
        self.tree.currentItemChanged.connect(self._show_current)
        self.recorder.recorded.connect(self._recorded)
        self.recorder.left.connect(self._leave)
        self.take.clicked.connect(self._take)
        self.reset.clicked.connect(self._reset)
        self.reset_all.clicked.connect(self._reset_all)
        close.clicked.connect(self.accept)
        self._fill()
        self.search.setFocus()

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        down = isinstance(event, QKeyEvent) and event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Return)
        if watched is self.search and event.type() == QEvent.Type.KeyPress and down:
            self.tree.setFocus()
            return True
        return False

    def _fill(self) -> None:
        """The actions that the search finds, place by place."""
        query, kept = self.search.text(), self._current()
        self.tree.clear()
        places = dict.fromkeys(entry.workspace for entry in self._actions)
        for place in sorted(places, key=lambda place: place is not None):
            found = [entry for entry in self._actions if entry.workspace == place and self._finds(query, entry)]
            if not found:
                continue
            heading = QTreeWidgetItem([(place or "everywhere").capitalize(), ""])
            heading.setFlags(Qt.ItemFlag.ItemIsEnabled)
            self._embolden(heading, 0)
            self.tree.addTopLevelItem(heading)
            for entry in found:
                item = QTreeWidgetItem([entry.title, native(entry.shortcut)])
                item.setData(0, ID, entry.id)
                item.setToolTip(0, entry.help)
                item.setIcon(0, entry.action.icon())
                if entry.shortcut != entry.default:
                    self._embolden(item, 1)
                    item.setToolTip(1, f"It came with {native(entry.default) or 'none'}")
                self.tree.addTopLevelItem(item)
        self._select(kept.id if kept else None)

    def _finds(self, query: str, entry: Entry) -> bool:
        keys = native(entry.shortcut).casefold()
        return match(query, entry.title) is not None or query.strip().casefold() in keys != ""

    def _embolden(self, item: QTreeWidgetItem, column: int) -> None:
        item.setFont(column, font(bold=True))

    def _select(self, id: str | None) -> None:
        """This action, or the first there is."""
        everything = [self.tree.topLevelItem(i) for i in range(self.tree.topLevelItemCount())]
        items = [item for item in everything if item and item.data(0, ID)]
        wanted = next((item for item in items if item.data(0, ID) == id), items[0] if items else None)
        if wanted:
            self.tree.setCurrentItem(wanted)
        self._show_current()

    def _current(self) -> Entry | None:
        item = self.tree.currentItem()
        return self._actions.entry(item.data(0, ID)) if item and item.data(0, ID) else None

    def _show_current(self) -> None:
        entry = self._current()
        self._wanted = None
        self.take.setEnabled(False)
        self.recorder.setEnabled(entry is not None)
        self.recorder.setText(native(entry.shortcut) if entry else "")
        self.reset.setEnabled(entry is not None and entry.shortcut != entry.default)
        self.message.setText("")

    def _record(self) -> None:
        if self._current():
            self.recorder.setText("")
            self.recorder.setFocus()
            self.message.setText("Press the new shortcut. Backspace means none, Escape leaves it.")

    def _leave(self) -> None:
        self._show_current()
        self.tree.setFocus()

    def _recorded(self, shortcut: str) -> None:
        entry = self._current()
        if entry is None:
            return
        other = self._actions.conflict(entry.id, shortcut)
        if other is None:
            self._give(entry.id, shortcut)
            return
        self._wanted = (entry.id, shortcut)
        self.recorder.setText(native(shortcut))
        self.message.setText(f"{native(shortcut)} belongs to “{other.title}”. Take it from there, or press another.")
        self.take.setEnabled(True)
        self.take.setFocus()

    def _take(self) -> None:
        if self._wanted is None:
            return
        id, shortcut = self._wanted
        while other := self._actions.conflict(id, shortcut):
            self._actions.set_shortcut(other.id, "")
        self._give(id, shortcut)

    def _reset(self) -> None:
        if entry := self._current():
            self._recorded(entry.default)

    def _reset_all(self) -> None:
        self._actions.reset_shortcuts()
        self._fill()
        self.message.setText("Every action has the shortcut that it came with.")

    def _give(self, id: str, shortcut: str) -> None:
        self._actions.set_shortcut(id, shortcut)
        self._fill()
        self._select(id)
        entry = self._actions.entry(id)
        self.message.setText(f"“{entry.title}” has {native(shortcut) or 'no shortcut'} now.")
        self.tree.setFocus()
