"""The Gallery workspace: search, grid, inspector, and what can be done with what is selected."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QTimer, Signal
from PySide6.QtGui import QAction, QGuiApplication, QImage
from PySide6.QtWidgets import QFrame, QStackedWidget, QVBoxLayout

from studio.errors import StudioError
from studio.files import file_name
from studio.generation import read_text_request
from studio.library import Change, Filter, Item, Library, export_item, export_items, pictures_for_grid
from studio.ui import dialogs
from studio.ui.actions import Row
from studio.ui.gallery import reading
from studio.ui.gallery.cell import CELL, CellDelegate
from studio.ui.gallery.changes import Changes
from studio.ui.gallery.details import Details
from studio.ui.gallery.empty import Empty
from studio.ui.gallery.filters import FilterBar
from studio.ui.gallery.grid import GridView
from studio.ui.gallery.model import KEY, PLACE, GalleryModel, loop_runs
from studio.ui.notices import Notice, NoticeBar, notices_over
from studio.ui.tasks import spawn
from studio.ui.workspace import Workspace

if TYPE_CHECKING:
    from studio.ui.context import Studio

REFRESH_MS = 150


class GalleryWorkspace(Workspace):
    """Everything made."""

    name = PLACE
    title = "Gallery"
    icon = "gallery"

    _told = Signal(object)

    def __init__(self, studio: "Studio"):
        super().__init__(studio)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.library: Library | None = studio.library
        self.stack = QStackedWidget()
        self.bar = FilterBar()
        column.addWidget(self.bar)
        column.addLayout(notices_over(self.stack, NoticeBar(studio.notices, PLACE)), 1)
        self._actions = _actions(self)
        self.details = Details(self._actions)
        self.inspector = self.details
        self.grid = GridView(CELL)
        self.grid.setAccessibleName("Everything made")
        self.grid.setItemDelegate(CellDelegate(self.grid))
        self.grid.setFrameShape(QFrame.Shape.NoFrame)
        self.grid.setStyleSheet("GridView { border: none; border-radius: 0; }")
        self.empty = Empty()
        self.stack.addWidget(self.grid)
        self.stack.addWidget(self.empty)
        self._wanted: Filter | None = None
        self._querying = self._tidied = False
        self._offered: bool | None = None  # whether of the deleted; None where it is to be asked anew
        self._goal: str | None = None
        self._deletion: Notice | None = None
        self._newest = self._asked = self._opening = 0
        if self.library is None:
            self.bar.setEnabled(False)
            for action in self._actions.values():
                action.setEnabled(False)
            self.empty.say("warning", "The library cannot be opened.", "What is made now is not kept.")
            self.stack.setCurrentWidget(self.empty)
            return
        self.model, self.changes = GalleryModel(self.library, self), Changes(self.library, self)
        self.undo_stack = self.changes.stack
        self.undo_stack.indexChanged.connect(self._steps_taken)
        self.grid.setModel(self.model)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(REFRESH_MS)
        self._later.timeout.connect(self.refresh)
        self.bar.changed.connect(self.refresh)
        self.bar.changed.connect(self.dirty)
        self.empty.button.clicked.connect(self.bar.clear)
        self.grid.opened.connect(self._actions["open"].trigger)
        self.grid.selectionModel().selectionChanged.connect(self._on_selection)
        self.grid.selectionModel().currentChanged.connect(self._on_selection)
        self.model.modelReset.connect(self._on_selection)
        self.details.renamed.connect(self._rename)
        self.details.tagged.connect(self._retag)
        self.details.asked_for.connect(self.show_item)
        # The library speaks from the thread that changed it; the signal carries it here.
        self._told.connect(self._on_change)
        self._listener = self._told.emit
        self.library.listeners.append(self._listener)
        self._on_selection()

    # -- what is shown

    def activated(self) -> None:
        if not self._tidied and self.library is not None:
            self._tidied = True
            spawn(asyncio.to_thread(self.library.tidy), PLACE)
        self.refresh()
        self.grid.setFocus()

    def refresh(self) -> None:
        """Ask the library again; of questions that come faster than answers only the last counts."""
        if self.library is None or not loop_runs():
            return
        self._later.stop()
        self._wanted = self.bar.chosen
        if not self._querying:
            self._querying = True
            spawn(self._query(self.library), PLACE)

    async def _query(self, library: Library) -> None:
        try:
            while self._wanted is not None:
                chosen, self._wanted = self._wanted, None
                keys = await asyncio.to_thread(library.ids, chosen)
                if self._offered != chosen.deleted:
                    self._offered = chosen.deleted
                    models = await asyncio.to_thread(library.models, chosen.deleted)
                    self.bar.offer(models, await asyncio.to_thread(library.tags, chosen.deleted))
                if self._wanted is None:
                    self._show(keys)
        except StudioError:
            if not library.closed:
                raise
        finally:
            self._querying = False

    def _show(self, keys: list[int]) -> None:
        selected, current = self.selected, self.grid.currentIndex().data(KEY)
        self.model.take(keys)
        if selected and not self.selected:  # a reset forgets it
            rows = [row for key in selected if (row := self.model.row(key)) is not None]
            self.grid.selectionModel().select(_spans(self.model, rows), QItemSelectionModel.SelectionFlag.Select)
            row = None if current is None else self.model.row(current)
            if row is not None:
                index = self.model.index(row)
                self.grid.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        left_alone = self.selected == [self._newest] and not self.isVisible()
        if keys and (left_alone or (not self.selected and not self.grid.verticalOffset())):
            self._newest = keys[0]
            self.grid.setCurrentIndex(self.model.index(0))  # the newest, rather than an outline around nothing chosen
        self.bar.set_count(len(keys))
        self.stack.setCurrentWidget(self.grid if keys else self.empty)
        if not keys and self.bar.deleted.isChecked():
            self.empty.say("trash", "Nothing is deleted.", "What you delete can be brought back from here for 30 days.")
        elif not keys and self.bar.narrowed:
            self.empty.say("search", "Nothing fits.", "Other words or fewer conditions may.", "Show everything")
        elif not keys:
            self.empty.say(
                "gallery",
                "Nothing is here.",
                "What you make is kept here; what you delete stays in the bin.",
            )
        if self._goal is not None:
            spawn(self._go_to(self._goal), PLACE)

    def show_item(self, ident: str) -> None:
        """Select an item by its id, such as a relative; filters that hide it are cleared."""
        spawn(self._go_to(ident), PLACE)

    async def _go_to(self, ident: str) -> None:
        assert self.library is not None
        again, self._goal = self._goal == ident, None
        item = await asyncio.to_thread(self.library.find, ident)
        if item is None or item.deleted is not None:
            return
        row = self.model.row(item.key)
        if row is not None:
            self.grid.setCurrentIndex(self.model.index(row))
            self.grid.scrollTo(self.model.index(row), GridView.ScrollHint.PositionAtCenter)
        elif not again:
            self._goal = ident
            self.bar.clear()
            self.refresh()

    def _on_change(self, change: Change) -> None:
        if self.library is None or self.library.closed:
            return
        self._offered = None
        self.model.refresh(change.keys)
        if change.what == "changed":
            self._on_selection()
        if not self._later.isActive():
            self._later.start()

    # -- what is selected

    @property
    def selected(self) -> list[int]:
        """Keys, from high to low."""
        selection = self.grid.selectionModel().selection()
        spans = [selection[place] for place in range(selection.count())]  # pyright: ignore[reportIndexIssue]
        ranges = sorted((span.top(), span.bottom()) for span in spans)
        return [key for top, bottom in ranges for key in self.model.keys[top : bottom + 1]]

    def _on_selection(self, *_: object) -> None:
        keys, deleted = self.selected, self.bar.deleted.isChecked()
        for name, action in self._actions.items():
            action.setEnabled(bool(keys) or name in ("select-all", "find"))
        self._actions["open"].setEnabled(len(keys) == 1 and not deleted)
        self._actions["restore"].setEnabled(bool(keys) and deleted)
        self._actions["star"].setEnabled(bool(keys) and not deleted)
        self._actions["delete"].setText("Delete for good…" if deleted else "Delete")
        if len(keys) == 1 and loop_runs():
            spawn(self._describe(keys[0]), PLACE)
        elif keys:
            self.details.show_many(len(keys), deleted)
        else:
            self.details.show_nothing()

    async def _describe(self, key: int) -> None:
        assert self.library is not None
        self._asked += 1
        mine = self._asked
        shown = await asyncio.to_thread(reading.describe, self.library, key)
        # Of two answers about one item the one that was asked for first, and may be older, can come last.
        if shown is not None and mine == self._asked and self.selected == [key]:
            self.details.show_item(shown)

    async def _items(self) -> list[Item]:
        assert self.library is not None
        return await asyncio.to_thread(self.library.items, self.selected)

    # -- what is done with it

    async def open_selected(self) -> None:
        """Bring the exact request back to where it was made; of several that are being read, the last asked for."""
        self._opening += 1
        turn, items = self._opening, await self._items()
        if len(items) == 1 and self.library is not None:
            request, source = await asyncio.to_thread(reading.source_of, self.library, items[0])
            if turn == self._opening:
                self.request_opened.emit(request, source)

    async def copy_selected(self) -> None:
        """The picture, the texts, or where several pictures are, to the clipboard."""
        items, library, clipboard = await self._items(), self.library, QGuiApplication.clipboard()
        if not items or library is None:
            return
        texts = [await asyncio.to_thread(library.text, item) for item in items if item.kind == "text"]
        # Not by a QMimeData of our own: the clipboard outlives Python, and would take the process down at its end.
        if texts:
            clipboard.setText("\n\n".join(texts))
        elif len(items) == 1:
            clipboard.setImage(await asyncio.to_thread(QImage, str(items[0].file)))
        else:
            clipboard.setText("\n".join(str(item.file) for item in items))

    async def star_selected(self) -> None:
        """Star them all, or take the stars away if all have one."""
        await self.changes.star(await self._items())

    async def delete_selected(self) -> None:
        """Put them among the deleted, with a way back; from among those, delete them for good."""
        keys = self.selected
        if not keys:
            return
        self.grid.setFocus()  # a button of what is gone goes with it
        what = f"{len(keys):,} items" if len(keys) > 1 else "This item"
        if self.bar.deleted.isChecked():
            question = f"Delete {what.lower()} for good?"
            if await dialogs.confirm(self, question, yes="Delete", no="Keep", danger=True):
                await self.changes.purge(keys)
            return
        row = self.model.row(keys[-1]) or 0
        await self.changes.delete(keys)
        gone = set(keys)
        self.model.take([key for key in self.model.keys if key not in gone])
        if left := self.model.rowCount():  # the keyboard goes on from where it was
            self.grid.setCurrentIndex(self.model.index(min(max(0, row - len(keys) + 1), left - 1)))
        self._deletion = self.studio.notices.show(
            f"{what} {'was' if len(keys) == 1 else 'were'} deleted.",
            place=PLACE,
            action="Undo",
            on_action=self.changes.stack.undo,
        )

    def _steps_taken(self) -> None:
        """The offer to undo a deletion holds until something else is done or undone."""
        if self._deletion is not None:
            self.studio.notices.dismiss(self._deletion)

    async def restore_selected(self) -> None:
        await self.changes.restore(self.selected)

    async def export_selected(self, how: str) -> None:
        """Ask where to, and write what is selected there."""
        items, library = await self._items(), self.library
        if not items or library is None:
            return
        if how == "grid":
            pictures_for_grid(items)  # refused before it is asked where to
            target = await dialogs.ask_save(self, "Export as a grid", PLACE, "grid.png", ["PNG (*.png)"])
        elif len(items) == 1 and how != "table":
            item, plain = items[0], how == "plain"
            suffix = ".txt" if plain and item.kind == "text" else item.file.suffix
            stem = Path(item.title).stem[:60] if item.kind == "picture" else item.title[:40]
            name = (file_name(stem) or item.kind) + suffix
            target = await dialogs.ask_save(self, "Export", PLACE, name)
            if target is not None:
                await asyncio.to_thread(export_item, library, item, target, plain)
                self._tell_written([target])
            return
        else:
            target = await dialogs.ask_folder(self, "Export into a folder", PLACE)
        if target is not None:
            written = await asyncio.to_thread(export_items, library, items, target, how)  # pyright: ignore
            self._tell_written(written)

    def _tell_written(self, files: Sequence[Path]) -> None:
        where = str(files[0]) if len(files) == 1 else f"{len(files):,} files in {files[0].parent}"
        self.studio.notices.show(f"Written: {where}", kind="success", place=PLACE)

    def _rename(self, title: str) -> None:
        shown = self.details.shown
        if shown is not None:
            spawn(self.changes.rename(shown.item.key, title), PLACE)

    def _retag(self, added: list[str], gone: list[str]) -> None:
        shown = self.details.shown
        keys = [shown.item.key] if shown is not None else self.selected
        if keys:
            spawn(self.changes.retag(keys, added, gone), PLACE)

    # -- as a workspace

    def open_paths(self, paths: list[Path]) -> bool:
        """A text that was exported with its parameters goes back to where it was made; pictures know that way alone."""
        if len(paths) != 1 or paths[0].suffix.lower() != ".json":
            return False
        try:
            request, variation, text = read_text_request(paths[0])
        except StudioError:
            return False
        source = {"title": paths[0].stem, "variation": variation, "text": text}
        # Later: the window brings this workspace to the front now, and the one that made the text after that.
        QTimer.singleShot(0, self, lambda: self.request_opened.emit(request, source))
        return True

    def session(self) -> dict[str, Any]:
        shown = self.details.shown
        return {"filter": self.bar.state(), "item": shown.item.id if shown else None}

    def restore(self, state: dict[str, Any]) -> None:
        chosen, ident = state.get("filter"), state.get("item")
        if self.library is None:
            return
        if isinstance(chosen, dict):
            self.bar.take(chosen)
        if isinstance(ident, str):
            self._goal = ident

    def close_down(self) -> None:
        self.bar.stop()
        if self.library is not None:
            self._later.stop()
            self.library.listeners.remove(self._listener)


def _spans(model: GalleryModel, rows: Sequence[int]) -> QItemSelection:
    """These rows, from low to high, as one selection: with the fewest ranges, for Qt compares each with each."""
    spans, start = QItemSelection(), 0
    for at, row in enumerate(rows, start=1):
        if at == len(rows) or rows[at] != row + 1:
            spans.select(model.index(rows[start]), model.index(row))
            start = at
    return spans


def _actions(workspace: GalleryWorkspace) -> dict[str, QAction]:
    """What can be done, by the last part of its id."""
    rows: tuple[Row, ...] = (
        ("open", "Open where it was made", workspace.open_selected, "", "open", ""),
        ("copy", "Copy", workspace.copy_selected, "Ctrl+C", "copy", ""),
        ("star", "Star", workspace.star_selected, "S", "star", ""),
        ("delete", "Delete", workspace.delete_selected, "Del", "trash", ""),
        ("restore", "Restore", workspace.restore_selected, "", "undo", ""),
        ("export", "Export with parameters…", lambda: workspace.export_selected("metadata"), "Ctrl+E", "export", ""),
        ("export-plain", "Export without parameters…", lambda: workspace.export_selected("plain"), "", "export", ""),
        ("export-grid", "Export as a grid…", lambda: workspace.export_selected("grid"), "", "grid", ""),
        ("export-table", "Export with a table…", lambda: workspace.export_selected("table"), "", "folder", ""),
        ("select-all", "Select all", lambda: workspace.grid.selectAll(), "Ctrl+A", "", ""),
        ("find", "Search", lambda: workspace.bar.search.setFocus(), "Ctrl+F", "search", ""),
    )
    return workspace.studio.actions.add_all(PLACE, rows)
