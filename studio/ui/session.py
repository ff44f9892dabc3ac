"""The session: what is open, saved as the user works and there again after a crash."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication

from studio.errors import StudioError
from studio.runtime.catalog import data_folder
from studio.ui import dialogs
from studio.ui.session_files import Loaded, SessionFiles, frozen
from studio.ui.tasks import spawn

if TYPE_CHECKING:
    from studio.ui.notices import Notice, Notices

DELAY_MS = 1500
RETRY_MS = 15_000
SETTLE_MS = 250
"""By then what was restored has been painted: a start that comes so far has come through."""
PLACE = "window"
log = logging.getLogger(__name__)


class Part(Protocol):
    """A workspace, as far as the session knows it."""

    name: Any

    def session(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class Shared(Protocol):
    """What the session needs of `Studio`."""

    @property
    def notices(self) -> "Notices": ...


class Session(QObject):
    """Saves what workspaces tell of themselves, at most two seconds after `touch`, in a thread of its own.

    `Workspace.session` is called on the main thread. What it gives may hold JSON values, NumPy arrays and bytes: a
    read-only array is neither copied nor hashed or written twice, a writeable one is copied there and then. `restore`
    checks every value that it is given. Nothing is saved before `start`, so that an empty window never takes the place
    of a full session.
    """

    saved = Signal()
    _written = Signal(object)

    def __init__(self, studio: Shared, workspaces: Sequence[Part], folder: Path | None = None):
        super().__init__()
        self._notices = studio.notices
        self._files = SessionFiles(folder or data_folder() / "session")
        self._workspaces = {workspace.name: workspace for workspace in workspaces}
        self._parts: dict[str, dict[str, Any]] = {}
        self._dirty: set[str] = set()
        self.came_back = False
        """All of what was open is here again."""
        self._started = False
        self._failing: Notice | None = None
        """What is told while the disk refuses."""
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="session")
        self._writing: Future[None] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.save_now)
        self._up = QTimer(self)
        self._up.setSingleShot(True)
        self._up.timeout.connect(self._on_up)
        self._written.connect(self._on_written)

    async def bring_back(self) -> str | None:
        """Hand every workspace what it had; the name of the one that was in front, None where there was no session.

        What cannot be restored is said and left out; the rest is not touched by that.
        """
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(self._writer, self._files.load)
        await loop.run_in_executor(self._writer, self._files.begin_restoring)
        if loaded.aside is not None:
            self._offer(loaded.aside)
        return self._take(loaded)

    def _offer(self, aside: Path) -> None:
        """Restoring it may be what ended the last start, or that was killed by chance: the user decides."""

        async def restore() -> None:
            question = "Restore the session that was left out? What is open now is replaced by it, without a way back."
            if not await dialogs.confirm(QApplication.activeWindow(), question, "Restore", danger=True):
                self._offer(aside)
                return
            loaded = await asyncio.get_running_loop().run_in_executor(self._writer, SessionFiles(aside).load, True)
            self._take(loaded)

        self._notices.show(
            f"The start before ended while the last session was restored, so it was left out; it is kept in {aside}.",
            kind="warning",
            place=PLACE,
            action="Restore it now",
            on_action=lambda: spawn(restore(), PLACE),
        )

    def _take(self, loaded: Loaded) -> str | None:
        """Hand out the parts, and say what went wrong."""
        notices = loaded.notices
        for name, part in loaded.parts.items():
            workspace = self._workspaces.get(name)
            if workspace is None:
                self._parts[name] = frozen(part)  # of a workspace that this start does not have
                continue
            try:
                workspace.restore(part)
            except StudioError as error:
                notices.append(f"What was open under {name} could not be restored: {error}")
            except Exception:  # a stored value that nobody thought of must not stop the start for ever
                log.exception("restoring the session of %s", name)
                notices.append(f"What was open under {name} could not be restored; the log says why.")
        for text in notices:
            self._notices.show(text, kind="warning", place=PLACE)
        self.came_back = bool(loaded.parts) and not notices
        front = self._parts.get(PLACE, {}).get("front")
        return front if isinstance(front, str) else None

    def start(self) -> None:
        """The window is up: from now on changes are saved."""
        self._started = True
        self._up.start(SETTLE_MS)
        for name in self._workspaces:
            self.touch(name)

    def in_front(self, name: str) -> None:
        """This workspace is in front now."""
        if self._parts.get(PLACE) != {"front": name}:
            self._parts[PLACE] = {"front": name}
            self.touch(PLACE)

    def touch(self, name: str) -> None:
        """What a workspace has is no longer what was saved. Cheap: call it as often as you like."""
        self._dirty.add(name)
        if self._started and not self._timer.isActive():
            self._timer.start(RETRY_MS if self._failing else DELAY_MS)

    def save_now(self) -> None:
        """Save what has changed: the snapshot is taken here, the disk is waited for elsewhere."""
        self._timer.stop()
        if not self._started or not self._dirty or self._writing is not None:
            return  # what is being written now starts the next one when it is done
        try:
            self._snapshot()
        except Exception as error:
            self._tell(_refusal(error))
            return
        self._writing = self._writer.submit(self._files.write, dict(self._parts))
        self._writing.add_done_callback(self._tell_main_thread)

    async def save_all(self) -> StudioError | None:
        """Save all that is open and wait for the disk; why that was refused, None where all is saved."""
        if not self._started:
            return None
        self._timer.stop()
        self._dirty.update(self._workspaces)  # what is too slight to be told, such as where one looks
        loop, refused = asyncio.get_running_loop(), None
        try:
            self._snapshot()
            await loop.run_in_executor(self._writer, self._files.write, dict(self._parts))
        except Exception as error:  # whatever it is: a window that cannot save must still be able to close
            refused = _refusal(error)
        self._tell(refused)
        return refused

    async def finish(self) -> None:
        """Save a last time, as a session that ended well, and end the thread."""
        if self._started:
            if refused := await self.save_all():
                log.warning("the session was not saved: %s", refused)
            await asyncio.get_running_loop().run_in_executor(self._writer, self._files.restored)
        self.close()

    def close(self) -> None:
        """End the thread without saving."""
        self._started = False
        self._timer.stop()
        self._up.stop()
        self._writer.shutdown()

    def _on_up(self) -> None:
        self._writer.submit(self._files.restored)

    def _snapshot(self) -> None:
        for name in self._dirty & set(self._workspaces):
            self._parts[name] = frozen(self._workspaces[name].session())
        self._dirty.clear()

    def _tell_main_thread(self, done: "Future[None]") -> None:
        self._written.emit(done)

    def _on_written(self, done: "Future[None]") -> None:
        self._writing = None
        error = done.exception()
        self._tell(_refusal(error) if error else None)

    def _tell(self, refused: StudioError | None) -> None:
        """Say that the disk refuses, once, until it takes the session again; anew where others pushed it out."""
        if refused is not None:
            self._dirty.update(self._workspaces)  # nothing of it is on disk
            if self._failing is None or self._failing not in self._notices.at(PLACE):
                text = f"Your work cannot be saved: {refused}"
                self._failing = self._notices.show(text, kind="error", place=PLACE)
        else:
            if self._failing is not None:
                self._notices.dismiss(self._failing)
                self._failing = None
            self.saved.emit()
        if self._dirty and self._started:
            self.touch(next(iter(self._dirty)))


def _refusal(error: BaseException) -> StudioError:
    """Why nothing was saved, for the user; what is no StudioError is logged with its trace."""
    if isinstance(error, StudioError):
        return error
    log.error("saving the session", exc_info=error)
    if isinstance(error, MemoryError):
        return StudioError("there is not enough memory for it; close other programs.")
    return StudioError("something went wrong inside the program; the log says what.")
