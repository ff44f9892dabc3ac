"""The window: rail, workspace, inspector, timeline, status. It lays out and forwards; what is made is elsewhere."""

import asyncio
import base64
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QByteArray, Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication, QImage, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMainWindow, QMenu, QSplitter, QStackedWidget, QWidget

from studio.ui import dialogs, history, menus
from studio.ui.context import Studio
from studio.ui.notices import Notice
from studio.ui.rail import Rail
from studio.ui.session import Session
from studio.ui.status import StatusBar
from studio.ui.tasks import cancel_all, spawn
from studio.ui.workspace import Workspace, files_of
from studio.ui.workspaces import make_workspaces

PLACE = "window"
INSPECTOR_WIDTH = 320
TITLE = 30
"""What a title bar takes, in pixels."""


class Window(QMainWindow):
    """The one window. `left` is set once it may be closed for good."""

    asking = Signal(bool)
    """Whether it is being asked if the window may close: nothing is to be opened behind that question."""

    def __init__(self, studio: Studio):
        super().__init__()
        self.studio = studio
        self.left = asyncio.Event()
        self._closing = False
        self._refused: Notice | None = None
        self.setWindowTitle("Prime Studio")
        self.setAcceptDrops(True)
        room = QGuiApplication.primaryScreen().availableSize()  # at 200 % a small screen has less
        self.setMinimumSize(min(880, room.width()), min(480, room.height() - TITLE))

        self.workspaces: list[Workspace] = make_workspaces(studio)
        self.rail = Rail(self.workspaces)
        self.centre, self.inspectors, self.timelines = QStackedWidget(), QStackedWidget(), QStackedWidget()
        for workspace in self.workspaces:
            self.centre.addWidget(workspace)
            self.inspectors.addWidget(workspace.inspector or QWidget())
            self.timelines.addWidget(workspace.timeline or QWidget())
            if workspace.undo_stack is not None:
                studio.undo.addStack(workspace.undo_stack)
        self._lay_out()
        self.status = StatusBar(studio)
        self.setStatusBar(self.status)
        studio.theme.dress()
        self.menus: dict[str, list[QMenu]] = {}
        menus.add_actions(self)
        studio.actions.check_shortcuts()
        dropped = [*studio.settings.dropped, *studio.actions.dropped]
        studio.notices.show_all(dropped, f"{len(dropped)} stored settings could not be used: their defaults are.")
        self.rail.chosen.connect(self.bring_to_front)

        self.session = Session(studio, self.workspaces, studio.folder / "session")
        for workspace in self.workspaces:
            workspace.dirty.connect(partial(self.session.touch, workspace.name))
            workspace.dirty.connect(self._tell_subject)
            workspace.status_changed.connect(self._tell_what_goes_on)
            workspace.request_opened.connect(lambda request, source: self.open_request(request, **source))
            workspace.paths_opened.connect(self.open_paths)
            workspace.model_used.connect(self._use_model)
        self._tell_what_goes_on()
        self._restore_geometry()
        self.bring_to_front("image")

    def _lay_out(self) -> None:
        self.across, self.down = QSplitter(Qt.Orientation.Horizontal), QSplitter(Qt.Orientation.Vertical)
        self.down.addWidget(self.centre)
        self.down.addWidget(self.timelines)
        self.down.setStretchFactor(0, 1)
        self.down.setStretchFactor(1, 0)
        self.down.setCollapsible(0, False)
        self.across.addWidget(self.down)
        self.across.addWidget(self.inspectors)
        self.across.setStretchFactor(0, 1)
        self.across.setStretchFactor(1, 0)
        self.across.setCollapsible(0, False)
        self.across.setSizes([1000, INSPECTOR_WIDTH])
        self.whole = QFrame()
        row = QHBoxLayout(self.whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addWidget(self.across, 1)
        self.setCentralWidget(self.whole)
        self.drop_hint = QFrame(self.whole)
        self.drop_hint.setProperty("drop", True)
        self.drop_hint.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.drop_hint.hide()

    # ---- workspaces

    @property
    def workspace(self) -> Workspace:
        """The one in front."""
        return self.workspaces[self.centre.currentIndex()]

    def workspace_named(self, name: str) -> Workspace | None:
        return next((workspace for workspace in self.workspaces if workspace.name == name), None)

    def bring_to_front(self, name: str) -> None:
        workspace = self.workspace_named(name)
        if workspace is None:
            return
        index = self.workspaces.index(workspace)
        self.centre.setCurrentIndex(index)
        self.inspectors.setCurrentIndex(index)
        self.timelines.setCurrentIndex(index)
        self.inspectors.setVisible(workspace.inspector is not None)
        self.timelines.setVisible(workspace.timeline is not None)
        self.rail.mark(name)
        self.studio.actions.set_workspace(name)
        self.studio.undo.setActiveStack(workspace.undo_stack)  # pyright: ignore[reportArgumentType] (None is none)
        self.status.look_at(workspace)
        self._tell_subject()
        menus.fill(self)
        workspace.activated()
        self.session.in_front(name)

    def _tell_what_goes_on(self) -> None:
        for workspace in self.workspaces:
            self.rail.tell(workspace.name, workspace.goes_on)

    def _tell_subject(self) -> None:
        """In the title, to which the desktop adds the name of the program."""
        self.setWindowTitle(self.workspace.status().get("subject") or "Prime Studio")

    def _first(self, takes: Callable[[Workspace], bool]) -> bool:
        """The first workspace that takes something, the one in front asked before the others, comes to the front,
        and the keys go to what is worked on; false if none does."""
        for workspace in [self.workspace, *(other for other in self.workspaces if other is not self.workspace)]:
            if takes(workspace):
                self.bring_to_front(workspace.name)
                workspace.setFocus()
                return True
        return False

    # ---- opening

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Hand files to the first workspace that knows them, the one in front before the others."""
        if self._refused is not None:  # of the files before
            self.studio.notices.dismiss(self._refused)
        if self._first(lambda workspace: workspace.open_paths(list(paths))):
            return
        names = ", ".join(path.name for path in paths)
        self._refused = self.studio.notices.show(
            f"{names} cannot be opened here: choose {self.workspace.opens}.",
            kind="error",
            place=PLACE,
        )

    def open_from_outside(self, paths: Sequence[Path]) -> None:
        """The program was started once more: come to the front, and open what it was started with."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.raise_()
        self.activateWindow()
        if paths:
            self.open_paths(paths)

    def open_request(self, request: Any, **source: Any) -> None:
        """Bring an exact request back where it was made."""
        if self._first(lambda workspace: workspace.open_request(request, **source)):
            return
        self.studio.notices.show(
            "No workspace can continue this. An unconditional sample is made again with `prime-studio sample`.",
            kind="warning",
            place=PLACE,
        )

    def _use_model(self, bundle: Any) -> None:
        self._first(lambda workspace: workspace.use_model(bundle))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return in a field is done with it: the keys go back to what is worked on."""
        canvas = self.workspace.focusProxy()
        if canvas is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            canvas.setFocus()
        else:
            super().keyPressEvent(event)

    def open_image(self, image: QImage) -> None:
        """Hand a picture that is no file to the workspace that takes it, as pasting does."""
        self._first(lambda workspace: workspace.open_image(image))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if files_of(event.mimeData()) or event.mimeData().hasImage():
            event.setDropAction(Qt.DropAction.CopyAction)  # where a move was taken, a file manager may delete the file
            event.accept()
            self.drop_hint.setGeometry(self.whole.rect())
            self.drop_hint.raise_()
            self.drop_hint.show()
        else:
            event.ignore()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.drop_hint.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self.drop_hint.hide()
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        if paths := files_of(event.mimeData()):
            self.open_paths(paths)
        else:
            image = event.mimeData().imageData()
            self.open_image(image if isinstance(image, QImage) else QImage())

    # ---- session and leaving

    async def bring_back(self, fresh: bool = False) -> None:
        """Take up what was open; `fresh` begins with nothing."""
        front = None if fresh else await self.session.bring_back()
        self.bring_to_front(front or "image")
        self.workspace.setFocus()
        self.session.start()

    def leave(self) -> None:
        """Close without asking, as on SIGTERM: the session keeps what is open."""
        self.left.set()

    def closeEvent(self, event: QCloseEvent) -> None:
        event.ignore()
        if not self._closing:
            self._closing = True
            self.asking.emit(True)
            spawn(self._ask_and_leave(), place=PLACE)

    async def _ask_and_leave(self) -> None:
        try:
            # First: who stays after all has not yet had a training stopped for it.
            if not await self._may_lose_the_session():
                return
            for workspace in self.workspaces:
                if not await workspace.may_leave():
                    return
            for workspace in self.workspaces:  # only now: whoever was asked last may have stayed
                await workspace.leaving()
            self.leave()
        finally:
            self._closing = self.left.is_set()
            if not self._closing:
                self.asking.emit(False)

    async def _may_lose_the_session(self) -> bool:
        refused = await self.session.save_all()
        if refused is None:
            return True
        question = "What is open could not be saved; leave anyway?"
        return await dialogs.confirm(self, question, "Leave", "Stay here", details=str(refused), danger=True)

    async def close_down(self) -> None:
        """Save and stop everything that the window owns."""
        await dialogs.close_all()
        settings = self.studio.settings
        settings.set("geometry", base64.b64encode(self.saveGeometry().data()).decode("ascii"))
        # What the workspace in front does without, such as the timeline, has no size now: the one it had stands.
        if not self.inspectors.isHidden():
            settings.set_ui(PLACE, across=self.across.sizes())
        if not self.timelines.isHidden():
            settings.set_ui(PLACE, down=self.down.sizes())
        await self.session.finish()
        for workspace in self.workspaces:
            workspace.close_down()
        self.status.close_down()
        self.hide()
        await cancel_all()  # what goes on in it still needs its widgets to clear away
        await history.all_kept()
        self.deleteLater()

    def _restore_geometry(self) -> None:
        settings = self.studio.settings
        geometry, sizes = settings.values.geometry, settings.ui(PLACE)
        with suppress(ValueError):
            if geometry and self.restoreGeometry(QByteArray(base64.b64decode(geometry, validate=True))):
                for splitter, name in ((self.across, "across"), (self.down, "down")):
                    if _are_sizes(sizes.get(name)):
                        splitter.setSizes(sizes[name])
                return
        room = QGuiApplication.primaryScreen().availableSize()
        self.resize(min(1440, room.width() - 40), min(900, room.height() - 80))
        self.down.setSizes([700, 180])


def _are_sizes(value: Any) -> bool:
    """Qt takes no number beyond an int of C, and no screen is so large."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(size, int) and 0 <= size <= 100_000 for size in value)
    )
