"""Find words in the text: a line below the tools, as browsers have it."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QKeyEvent, QTextCursor, QTextDocument
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit

from studio.ui.widgets.icon_button import IconButton

if TYPE_CHECKING:
    from studio.ui.text.page import TextPage


class FindBar(QFrame):
    """Selects what is typed in the text, from the caret on and round its end. Enter finds the next, Shift+Enter the
    one before, Escape goes back to the text."""

    def __init__(self, page: "TextPage"):
        super().__init__()
        self._page = page
        self.setProperty("surface", "raised")
        self.words = QLineEdit()
        self.words.setPlaceholderText("Find in the text")
        self.words.setAccessibleName("Find in the text")
        self.words.setClearButtonEnabled(True)
        self.told = QLabel()
        self.told.setProperty("role", "muted")
        before, after = (
            IconButton("chevron-left", "Find the one before (Shift+Enter)"),
            IconButton("chevron-right", "Find the next (Enter)"),
        )
        close = IconButton("close", "Close (Escape)")
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.setSpacing(4)
        row.addWidget(self.words, 1)
        row.addWidget(self.told)
        for button in (before, after, close):
            row.addWidget(button)
        self.words.textEdited.connect(self._typed)
        before.clicked.connect(self._before)
        after.clicked.connect(self._after)
        close.clicked.connect(self.close_bar)
        self.hide()

    def open_bar(self) -> None:
        """Show the line, with what is selected in the text if that is within one of its own."""
        chosen = self._page.textCursor().selectedText()
        if chosen and len(chosen) < 100 and "\u2029" not in chosen:
            self.words.setText(chosen)
        self.show()
        self.words.setFocus()
        self.words.selectAll()

    def close_bar(self) -> None:
        self.hide()
        self._page.setFocus()

    def seek(self, forward: bool, again: bool = True) -> bool:
        """Select the next place, or with `again` false the one at the caret if it still fits; whether there is one."""
        words, cursor = self.words.text(), self._page.textCursor()
        self.told.setText("")
        if not words:
            return False
        flags = QTextDocument.FindFlag(0) if forward else QTextDocument.FindFlag.FindBackward
        document, start = self._page.document(), QTextCursor(cursor)
        start.setPosition(cursor.selectionEnd() if forward and again else cursor.selectionStart())
        found = document.find(words, start, flags)
        if found.isNull():
            start.movePosition(QTextCursor.MoveOperation.Start if forward else QTextCursor.MoveOperation.End)
            found = document.find(words, start, flags)
            self.told.setText("Not found" if found.isNull() else "Round the end" if forward else "Round the start")
        if found.isNull():
            return False
        self._page.setTextCursor(found)
        return True

    def _typed(self) -> None:
        self.seek(True, again=False)

    def _before(self) -> None:
        self.seek(False)

    def _after(self) -> None:
        self.seek(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self.seek(not event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            case Qt.Key.Key_Escape:
                self.close_bar()
            case _:
                super().keyPressEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.told.setText("")
