"""What the workspaces share."""

from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoGroup
from PySide6.QtWidgets import QApplication

from studio.errors import StudioError
from studio.library import Library
from studio.runtime.catalog import data_folder
from studio.ui import dialogs, theme
from studio.ui.actions import Actions
from studio.ui.catalog import Models
from studio.ui.lane import Lane
from studio.ui.notices import Notices
from studio.ui.settings import Settings


class Studio(QObject):
    """The shared parts of the window, in one place; made once, handed to every workspace.

    safe: default settings that are not kept, and a session of its own.
    """

    def __init__(self, application: QApplication, lane: Lane, safe: bool = False):
        super().__init__()
        self.lane = lane
        self.folder = folder = data_folder() / "safe" if safe else data_folder()
        """Where settings and session are."""
        if safe:
            (folder / "settings.json").unlink(missing_ok=True)
        self.settings = Settings(folder, self)
        dialogs.keep_folders_in(self.settings)
        self.theme = theme.install(application, self.settings.values.theme)
        self.notices = Notices(self)
        self.actions = Actions(self.settings, parent=self)
        self.models = Models(self)
        self.undo = QUndoGroup(self)
        self.library = self._open_library()
        self.settings.changed.connect(self._settings_changed)

    def _open_library(self) -> Library | None:
        """None where it cannot be opened: the window works without it, and says so."""
        try:
            library = Library(data_folder() / "library")
        except StudioError as error:
            self.notices.show(f"Nothing that you make is kept in the Gallery: {error}", kind="error")
            return None
        if library.notice:
            self.notices.show(library.notice, kind="warning")
        return library

    def _settings_changed(self, name: str) -> None:
        if name == "problem" and self.settings.problem:
            self.notices.show(f"The settings cannot be saved: {self.settings.problem}", kind="error")
        elif name == "theme":
            self.theme.set_mode(self.settings.values.theme)

    def close_down(self) -> None:
        """Save the settings, end the lane and free the actions; a run that goes on is stopped."""
        self.lane.close()
        dialogs.keep_folders_in(None)
        if self.library is not None:
            self.library.close()
        try:
            self.settings.save()
        except StudioError as error:
            self.notices.show(str(error), kind="error")
        self.actions.deleteLater()  # what they do leads to everything, and Qt holds it where Python sees no cycle
