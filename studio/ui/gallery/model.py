"""What the grid of the gallery shows: all keys at once, the items themselves a page at a time as they are looked at."""

import asyncio
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QObject, QPersistentModelIndex, Qt, QUrl
from PySide6.QtGui import QImage

from studio.errors import StudioError
from studio.library import Item, Library
from studio.ui.tasks import spawn

PAGE = 48
MAX_PAGES = 8
PLACE = "gallery"
ITEM, IMAGE, KEY = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1, Qt.ItemDataRole.UserRole + 2
Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()


@dataclass(frozen=True, eq=False)
class Entry:
    """An item with its thumbnail; None for a text."""

    item: Item
    image: QImage | None


class GalleryModel(QAbstractListModel):
    """The items of a query, the newest first. `data` never waits: what is not here yet is fetched by a thread, and
    `dataChanged` tells when it has come. Pages that nobody looks at are let go."""

    def __init__(self, library: Library, parent: QObject | None = None):
        super().__init__(parent)
        self._library = library
        self._keys: list[int] = []
        self._entries: OrderedDict[int, dict[int, Entry]] = OrderedDict()
        self._wanted: list[int] = []
        self._fetching = False

    @property
    def keys(self) -> list[int]:
        """All keys, from high to low. Not to be changed."""
        return self._keys

    def take(self, keys: list[int]) -> None:
        """Show these, from high to low. What comes at the front is inserted; selections there stay."""
        old, new = self._keys, len(keys) - len(self._keys)
        if keys == old:
            return
        if new > 0 and keys[new:] == old:
            self.beginInsertRows(ROOT, 0, new - 1)
            self._keys = keys
            self._forget_pages()
            self.endInsertRows()
        else:
            self.beginResetModel()
            self._keys = keys
            self._forget_pages()
            self.endResetModel()

    def row(self, key: int) -> int | None:
        """Where a key stands."""
        row = bisect_left(self._keys, -key, key=lambda other: -other)
        return row if row < len(self._keys) and self._keys[row] == key else None

    def refresh(self, keys: tuple[int, ...]) -> None:
        """These have changed: fetch them again, showing what was known until then."""
        for page in {row // PAGE for key in keys if (row := self.row(key)) is not None}:
            if page in self._entries:
                self._want(page)

    def entry(self, row: int) -> Entry | None:
        """The item of a row if it is here; else it is fetched."""
        page = row // PAGE
        entries = self._entries.get(page)
        if entries is None:
            self._want(page)
            return None
        self._entries.move_to_end(page)
        return entries.get(self._keys[row])

    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self._keys)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or not 0 <= index.row() < len(self._keys):
            return None
        if role == KEY:
            return self._keys[index.row()]
        if role not in (ITEM, IMAGE, *_SPOKEN):
            return None
        entry = self.entry(index.row())
        if entry is None:
            return None
        return {ITEM: entry.item, IMAGE: entry.image}.get(role, spoken(entry.item))

    def flags(self, index: Index) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled

    def mimeTypes(self) -> list[str]:
        return ["text/uri-list"]

    def mimeData(self, indexes: Any) -> QMimeData:
        """The files themselves: dropped into a folder they are copied, dropped on the window they are opened."""
        data = QMimeData()
        # Of the library: most of what is selected may never have been looked at, and a drag does not wait for pages.
        files = self._library.files([self._keys[index.row()] for index in indexes])
        data.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
        return data

    # -- fetching

    def _forget_pages(self) -> None:
        """Rows have moved: what is known is sorted into their new pages where a page is whole, and dropped else."""
        known = {key: entry for page in self._entries.values() for key, entry in page.items()}
        self._entries.clear()
        self._wanted.clear()
        for page in range(min(MAX_PAGES, -(-len(self._keys) // PAGE))):
            keys = self._page_keys(page)
            if all(key in known for key in keys):
                self._entries[page] = {key: known[key] for key in keys}

    def _page_keys(self, page: int) -> list[int]:
        return self._keys[page * PAGE : (page + 1) * PAGE]

    def _want(self, page: int) -> None:
        if page in self._wanted:
            self._wanted.remove(page)
        self._wanted.append(page)  # what is looked at now comes first
        del self._wanted[:-MAX_PAGES]
        if not self._fetching and loop_runs():
            self._fetching = True
            spawn(self._fetch(), PLACE)

    async def _fetch(self) -> None:
        try:
            while self._wanted:
                page = self._wanted.pop()
                keys = self._page_keys(page)
                entries = await asyncio.to_thread(_load, self._library, keys)
                if self._page_keys(page) != keys:
                    continue  # the rows have moved meanwhile; the view asks again
                self._entries[page] = entries
                self._entries.move_to_end(page)
                while len(self._entries) > MAX_PAGES:
                    self._entries.popitem(last=False)
                self.dataChanged.emit(self.index(page * PAGE), self.index(page * PAGE + len(keys) - 1))
        finally:
            self._fetching = False


_SPOKEN = (
    Qt.ItemDataRole.DisplayRole,
    Qt.ItemDataRole.AccessibleTextRole,
    Qt.ItemDataRole.ToolTipRole,
)


def loop_runs() -> bool:
    """Whether a coroutine can be started: Qt paints, and fires timers, once more after the loop has ended."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def spoken(item: Item) -> str:
    """An item in a line, for a screen reader and as a tooltip."""
    star = "starred, " if item.star else ""
    return f"{item.title} ({star}{item.kind}, {item.model}, seed {item.seed})"


def _load(library: Library, keys: list[int]) -> dict[int, Entry]:
    """Off the main thread: rows, thumbnails, pixels."""
    try:
        images = {key: QImage.fromData(png) for key, png in library.thumbnails(keys).items()}
        return {item.key: Entry(item, images.get(item.key)) for item in library.items(keys)}
    except StudioError:
        if library.closed:  # the window is closing
            return {}
        raise
