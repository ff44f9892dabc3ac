"""What the workspaces share."""

from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoGroup

from studio.ui.catalog import Models
from studio.ui.lane import Lane


class Studio(QObject):
    """The shared parts of the window, in one place; made once, handed to every workspace."""

    def __init__(self, device: str = "auto", parent: QObject | None = None):
        super().__init__(parent)
        self.lane = Lane(device)
        self.models = Models(self)
        self.undo = QUndoGroup(self)

    def close_down(self) -> None:
        self.lane.close()
