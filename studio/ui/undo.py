"""The undo stack of a document."""

import shiboken6
from PySide6.QtGui import QUndoStack


class UndoStack(QUndoStack):
    """A stack that lets go of its commands while everything they belong to is there.

    Python calls `__del__` for all that it found as garbage before it takes any of it apart. Else it may free a command
    before the stack, which frees it again: a crash. The commands must not hold the document that holds the stack, or
    letting go of the last one would free both in the middle of this.
    """

    def __del__(self) -> None:
        if shiboken6.isValid(self):
            self.blockSignals(True)
            self.clear()
