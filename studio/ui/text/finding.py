"""Find words in the text: a line below the tools, as browsers have it."""

from bisect import bisect_right
from itertools import accumulate, chain
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QKeyEvent, QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit

from studio.ui.text.viewmap import index16, len16
from studio.ui.widgets.icon_button import IconButton

if TYPE_CHECKING:
    from studio.ui.text.page import TextPage


def folded(text: str) -> str:
    """Case-folded without changing its length; spaces of either kind are the same."""
    return text.replace("\u0130", "i").lower().replace("ς", "σ").replace("\xa0", " ")


class Flat:
    """All that a page shows, folded, as one text: Qt's own search does not go from one part of a long paragraph to the
    next."""

    def __init__(self, page: "TextPage"):
        view = page.view
        self._views, self._document = view.views, page.document()
        last = len(self._views) - 1
        ends = ["" if line == last or view.goes_on(line) else "\n" for line in range(last + 1)]
        self._starts = [0, *accumulate(len(shown) + len(end) for shown, end in zip(self._views, ends, strict=True))]
        self.flat = folded("".join(chain.from_iterable(zip(self._views, ends, strict=True))))

    def index(self, position: int) -> int:
        """The character at a position of Qt's document."""
        block = self._document.findBlock(position)
        line = block.blockNumber()
        return self._starts[line] + index16(self._views[line], position - block.position())

    def position(self, index: int, behind: bool = False) -> int:
        """Where a character stands in Qt's document, or the position behind it."""
        line = bisect_right(self._starts, index) - 1
        before = self._views[line][: index - self._starts[line] + behind]
        return self._document.findBlockByNumber(line).position() + len16(before)


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
        page.textChanged.connect(self.told.clear)
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
        words, text = folded(words), Flat(self._page)
        if forward:
            found = text.flat.find(words, text.index(cursor.selectionEnd() if again else cursor.selectionStart()))
            round_ = text.flat.find(words) if found < 0 else -1
        else:
            found = text.flat.rfind(words, 0, text.index(cursor.selectionStart()))
            round_ = text.flat.rfind(words) if found < 0 else -1
        if found < 0:
            self.told.setText("Not found" if round_ < 0 else "Round the end" if forward else "Round the start")
            found = round_
        if found < 0:
            cursor.setPosition(cursor.selectionStart())  # what fitted before is not what is asked for
            self._page.setTextCursor(cursor)
            return False
        cursor.setPosition(text.position(found))
        cursor.setPosition(text.position(found + len(words) - 1, behind=True), QTextCursor.MoveMode.KeepAnchor)
        self._page.setTextCursor(cursor)
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
