"""A studio and a library for tests of the workspaces that look at what is kept."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import shiboken6
from PySide6.QtCore import QObject

from studio.library import Library
from studio.ui import tasks, theme
from studio.ui.actions import Actions
from studio.ui.catalog import Models
from studio.ui.lane import Lane
from studio.ui.notices import Notices
from studio.ui.settings import Settings


class FakeStudio(QObject):
    """The parts of `Studio` that the gallery and the models need; `library` may be None, as where it cannot open."""

    def __init__(self, folder: Path, library: Library | None = None):
        super().__init__()
        self.library = library
        self.settings = Settings(folder, self)
        self.theme = theme.current()
        self.notices = Notices(self)
        self.actions = Actions(self.settings, parent=self)
        self.models = Models(self)
        self.lane: Any = Lane("cpu")
        tasks.report_to(self.notices)

    def told(self, place: str) -> list[str]:
        return [notice.text for notice in self.notices.at(place)]

    def close(self) -> None:
        tasks.report_to(None)
        self.lane.close()
        if self.library is not None:
            self.library.close()
        self.settings.save()
        # In a cycle as it is, it would be collected in any thread, such as the lane of a later test; Qt would crash.
        shiboken6.delete(self)


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something to become true. TimeoutError if it does not."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def settled() -> None:
    """No coroutine runs, no refresh is waiting."""
    await asyncio.sleep(0.25)
    await until(lambda: not tasks.running())
