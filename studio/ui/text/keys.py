"""Which keys move the caret and which take something away, as the platform has them."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QTextCursor

_KEY = QKeySequence.StandardKey
_MOVE = QTextCursor.MoveOperation

_DELETIONS = {
    _KEY.Delete: _MOVE.NextCharacter,
    _KEY.Backspace: _MOVE.PreviousCharacter,
    _KEY.DeleteEndOfWord: _MOVE.EndOfWord,
    _KEY.DeleteStartOfWord: _MOVE.PreviousWord,
    _KEY.DeleteEndOfLine: _MOVE.EndOfBlock,
}
_MOVES = [key for key in _KEY if key.name.startswith(("MoveTo", "Select")) and key != _KEY.SelectAll]


def deletion(event: QKeyEvent, cursor: QTextCursor) -> QTextCursor | None:
    """The cursor with what the key takes away selected; None for a key that takes nothing away."""
    bare = event.key() == Qt.Key.Key_Backspace and event.modifiers() in (
        Qt.KeyboardModifier.ShiftModifier,
        Qt.KeyboardModifier.NoModifier,
    )
    for key, operation in _DELETIONS.items():
        if event.matches(key) or (bare and key == _KEY.Backspace):
            if not cursor.hasSelection():
                before = cursor.position()
                cursor.movePosition(operation, QTextCursor.MoveMode.KeepAnchor)
                if operation == _MOVE.EndOfWord and cursor.position() == before:
                    cursor.movePosition(_MOVE.NextWord, QTextCursor.MoveMode.KeepAnchor)
            return cursor
    return None


def moves(event: QKeyEvent) -> bool:
    """Whether a key moves the caret or what is selected."""
    return any(event.matches(key) for key in _MOVES) or event.key() in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


def types(event: QKeyEvent) -> bool:
    """Whether a key stands for characters; AltGr is Ctrl and Alt together."""
    control, alt = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
    held = event.modifiers() & (control | alt | Qt.KeyboardModifier.MetaModifier)
    printable = bool(event.text()) and all(c >= " " and c != "\x7f" for c in event.text())
    return printable and held in (Qt.KeyboardModifier.NoModifier, control | alt)
