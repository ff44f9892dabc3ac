"""The menu of the files that were opened last."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu

if TYPE_CHECKING:
    from studio.ui.window import Window

WIDTH = 420
"""Of a path in pixels; a longer one is cut in its middle."""


class RecentMenu(QMenu):
    """Made anew whenever it is shown. Whether a file still exists is found out by opening it: a folder in the network
    that does not answer must not hold up a menu."""

    def __init__(self, window: "Window", workspace: str, parent: QMenu) -> None:
        super().__init__("Open &recent", parent)
        self._window, self._workspace = window, workspace
        self.setToolTipsVisible(True)
        parent.aboutToShow.connect(lambda: self.setEnabled(bool(self._paths())))
        self.aboutToShow.connect(self._fill)

    def _paths(self) -> list[str]:
        return self._window.studio.settings.values.recent.get(self._workspace, [])

    def _fill(self) -> None:
        self.clear()
        for path in self._paths():
            shown = self.fontMetrics().elidedText(_from_home(path), Qt.TextElideMode.ElideMiddle, WIDTH)
            action = self.addAction(shown.replace("&", "&&"))
            action.setToolTip(path)
            action.triggered.connect(_opening(self._window, path))
        self.addSeparator()
        self.addAction("Forget these").triggered.connect(
            lambda: self._window.studio.settings.forget_recent(self._workspace)
        )


def _opening(window: "Window", path: str):
    return lambda: window.open_paths([Path(path)])


def _from_home(path: str) -> str:
    try:
        return str(Path("~", Path(path).relative_to(Path.home())))
    except (ValueError, RuntimeError):  # elsewhere, or of somebody who has no home
        return path
