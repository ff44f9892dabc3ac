"""The pictures of a folder as a film strip."""

import re
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.errors import StudioError
from studio.media.images import SUFFIXES, load_picture
from studio.ui.image.raster import qimage
from studio.ui.image.tiles import Tile, TileView

SIDE = 72
KEPT = 300
"""Thumbnails in memory at most, of about 80 kB each on a screen of double density."""
MOST = 10_000
"""Pictures of a folder that are listed at most."""


class FilmStrip(QWidget):
    """The pictures of a folder in a row; `chosen` tells the path of the one to open.

    One worker lists the folder and makes thumbnails of what is seen, the last seen first. `close_down` ends it.
    """

    chosen = Signal(Path)
    listed = Signal()
    """The folder has been read, and holds pictures."""
    failed = Signal(str)
    _listing = Signal(int, list, str)
    _thumbnail = Signal(int, int, QImage)

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[Path] = []
        self._folder = 0  # counts the folders opened: what comes late from another is dropped
        self._wanted: OrderedDict[int, None] = OrderedDict()
        self._kept: OrderedDict[int, None] = OrderedDict()
        self._busy = False
        self._worker: ThreadPoolExecutor | None = None
        self.view = TileView("Pictures of the folder", SIDE)
        self.view.tiles.wanted = self._want
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        self.view.picked.connect(self._pick)
        self.view.clicked.connect(self._clicked)
        queued = Qt.ConnectionType.QueuedConnection
        self._listing.connect(self._take_listing, queued)
        self._thumbnail.connect(self._take_thumbnail, queued)

    def open_folder(self, folder: Path) -> None:
        """List the pictures of a folder."""
        self._forget()
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="film strip")
        self._worker.submit(self._list, self._folder, folder).add_done_callback(_show_bug)

    def close_folder(self) -> None:
        """Show no folder any more."""
        self._forget()
        self.hide()

    def _forget(self) -> None:
        self._folder += 1
        self.paths = []
        self._wanted.clear()
        self._kept.clear()
        self.view.set_tiles([])

    def close_down(self) -> None:
        """End the worker; thumbnails that are not begun are not made."""
        self._folder += 1
        self._wanted.clear()
        if self._worker is not None:
            self._worker.shutdown(wait=True, cancel_futures=True)
            self._worker = None

    def step(self, by: int) -> None:
        """Open the next picture, or another that is `by` further."""
        row = self.view.current + by
        if 0 <= row < len(self.paths):
            self.view.set_current(row)
            self._pick(row)

    def mark(self, path: Path | None) -> None:
        """Show which picture is open: none of these, if it came from elsewhere. Who walks along here is left alone."""
        if path not in self.paths:
            self.view.set_current(-1)
        elif not self.view.hasFocus():
            self.view.set_current(self.paths.index(path))

    # On the worker

    def _list(self, number: int, folder: Path) -> None:
        found, problem = [], "There is no picture in this folder: choose another."
        try:
            found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
        except OSError as error:
            problem = f"Cannot read the folder {folder}: {error.strerror}. Choose another one."
        self._listing.emit(number, sorted(found, key=_natural)[:MOST], "" if found else problem)

    def _make(self, number: int, row: int, path: Path) -> None:
        image = QImage()
        if number == self._folder:
            try:
                pixels = qimage(load_picture(path).rgb)
            except (StudioError, MemoryError):
                pass
            else:
                # Twice the side, for screens of double density; small ones stay as they are, to be seen sharp.
                image = pixels
                if max(pixels.width(), pixels.height()) > 2 * SIDE:
                    smooth = Qt.TransformationMode.SmoothTransformation
                    image = pixels.scaled(QSize(2 * SIDE, 2 * SIDE), Qt.AspectRatioMode.KeepAspectRatio, smooth)
        self._thumbnail.emit(number, row, image)

    # In the window

    def _take_listing(self, number: int, paths: list[Path], problem: str) -> None:
        if number != self._folder:
            return
        self.paths = paths
        self.view.set_tiles([Tile(path.name) for path in paths])
        self.setVisible(bool(paths))
        if problem:
            self.failed.emit(problem)
        else:
            self.listed.emit()

    def _want(self, row: int) -> None:
        self._wanted[row] = None
        self._wanted.move_to_end(row)
        self._make_next()

    def _make_next(self) -> None:
        if not self._busy and self._wanted and self._worker is not None:
            row, _ = self._wanted.popitem()
            self._busy = True
            self._worker.submit(self._make, self._folder, row, self.paths[row]).add_done_callback(_show_bug)

    def _take_thumbnail(self, number: int, row: int, image: QImage) -> None:
        self._busy = False
        if number == self._folder and row < len(self.paths):
            tile = self.view.tiles.tiles[row]
            tile.image, tile.failed = (None, True) if image.isNull() else (image, False)
            self._wanted.pop(row, None)
            self._keep(row)
            self.view.tiles.changed(row)
        self._make_next()

    def _keep(self, row: int) -> None:
        self._kept[row] = None
        self._kept.move_to_end(row)
        while len(self._kept) > KEPT:
            old, _ = self._kept.popitem(last=False)
            self.view.tiles.tiles[old].image = None  # made again when it is seen again

    def _clicked(self) -> None:
        self._pick(self.view.current)

    def _pick(self, row: int) -> None:
        if 0 <= row < len(self.paths):
            self.chosen.emit(self.paths[row])


def _show_bug(done: Future[None]) -> None:
    """What the worker did not expect is logged, rather than lost with a future that nobody asks."""
    if not done.cancelled():
        done.result()


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts 2 before 10."""
    parts = re.split(r"(\d+)", path.name.lower())
    # Not isdigit: that is true of "²" too, which is no number to int().
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
