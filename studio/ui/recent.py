"""The menu of the files that were opened last."""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu

from studio.ui.tasks import spawn

if TYPE_CHECKING:
    from studio.ui.window import Window

WIDTH = 420
"""Of a path in pixels; a longer one is cut in its middle."""


class RecentMenu(QMenu):
    """Made anew whenever it is shown. Whether a file still exists is found out when it is chosen: a folder in the
    network that does not answer must not hold up a menu."""

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
            action.triggered.connect(partial(self._open, path))
        self.addSeparator()
        self.addAction("Forget these").triggered.connect(partial(self._forget, None))

    def _open(self, path: str) -> None:
        spawn(self._open_if_there(path), self._workspace)

    async def _open_if_there(self, path: str) -> None:
        if await asyncio.to_thread(os.path.exists, path):
            self._window.open_paths([Path(path)])
            return
        self._window.studio.notices.show(
            f"{path} is no longer there: it was moved, renamed or deleted.",
            "error",
            self._workspace,
            action="Take it off the list",
            on_action=partial(self._forget, path),
        )

    def _forget(self, path: str | None) -> None:
        self._window.studio.settings.forget_recent(self._workspace, path)


def _from_home(path: str) -> str:
    try:
        return str(Path("~", Path(path).relative_to(Path.home())))
    except (ValueError, RuntimeError):  # elsewhere, or of somebody who has no home
        return path
