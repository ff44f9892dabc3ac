"""A selection of the library as files to give away."""

import csv
import io
import re
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.files import atomic_path, write_atomic
from studio.generation import Options
from studio.library.items import Item
from studio.library.store import Library
from studio.media.export import check_suffix, contact_grid, enlarge, save_png, save_text, viewing_scale
from studio.media.images import MAX_PIXELS, load_picture

GRID_LIMIT = 400
CELL = 128
"""Pixels that the longer side of a picture in a grid has at least."""
_OPTIONS = tuple(Options.__annotations__)


def export_items(
    library: Library, items: Sequence[Item], target: str | Path, how: Literal["metadata", "plain", "grid", "table"]
) -> list[Path]:
    """Write items to `target` and tell the files. Not for the main thread.

    "metadata": into a folder, pictures as they are kept, texts as JSON. "plain": without any parameters, texts as
    .txt. "table": as "metadata", with a table.csv of everything beside them. "grid": the pictures on one PNG.
    Files that are there are never written over. StudioError where it cannot be done.
    """
    if not items:
        raise StudioError("Nothing is selected: choose something to export.")
    if how == "grid":
        return [_grid(items, Path(target))]
    folder = Path(target)
    if folder.exists() and not folder.is_dir():
        raise StudioError(f"{folder} is a file: choose a folder.")
    files = []
    for item in items:
        suffix = item.file.suffix if how != "plain" or item.kind == "picture" else ".txt"
        path = _free(folder, _name(item), suffix)
        try:
            export_item(library, item, path, plain=how == "plain")
        except StudioError as error:
            raise StudioError(f"{error} Of {len(items):,} files {len(files):,} are in {folder}.") from error
        files.append(path)
    if how == "table":
        path = _free(folder, "table", ".csv")
        write_atomic(path, table(library, items, [file.name for file in files]).encode("utf-8-sig"))
        files.append(path)
    return files


def export_item(library: Library, item: Item, path: Path, plain: bool) -> None:
    """Write one item to `path`: as it is kept, or without any parameters. StudioError where it cannot be done."""
    if item.kind == "text":
        text = library.text(item)
        if plain:
            save_text(path, text)
            return
    elif plain:
        picture = load_picture(item.file)
        save_png(path, picture.stored, alpha=picture.alpha)
        return
    if not item.file.exists():
        raise StudioError(f"{item.file} is gone: delete this item from the gallery.")
    with atomic_path(path) as temporary:
        shutil.copyfile(item.file, temporary)


def table(library: Library, items: Sequence[Item], names: Sequence[str]) -> str:
    """One line an item: where it is, what it was made from and how."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(
        [
            *("file", "title", "kind", "created", "model", "seed", *_OPTIONS),
            *("calls", "seconds", "provider", "width", "height", "star", "tags", "parent"),
        ]
    )
    for item, name in zip(items, names, strict=True):
        request = library.request(item.key)
        created = datetime.fromtimestamp(item.created).astimezone().isoformat(timespec="seconds")
        parent = item.parent and (item.parent.item or f"{item.parent.run}:{item.parent.frame}")
        writer.writerow(
            [
                *(name, item.title, item.kind, created, item.model, item.seed),
                *(_plain(getattr(request, option)) for option in _OPTIONS),
                *(item.calls, item.seconds, item.provider, item.width or "", item.height or "", int(item.star)),
                *(", ".join(item.tags), parent or ""),
            ]
        )
    return file.getvalue()


def _plain(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


def pictures_for_grid(items: Sequence[Item]) -> list[Item]:
    """The pictures among the items. StudioError where there are none, or more than one sheet takes."""
    chosen = [item for item in items if item.kind == "picture"]
    if not chosen:
        raise StudioError("No picture is selected: a grid is made of pictures.")
    if len(chosen) > GRID_LIMIT:
        raise StudioError(f"{len(chosen)} pictures are too many for one grid: choose at most {GRID_LIMIT}.")
    if len(chosen) * max(item.height for item in chosen) * max(item.width for item in chosen) > MAX_PIXELS:
        raise StudioError("These pictures are too large for one grid: choose fewer, or leave out the largest.")
    return chosen


def _grid(items: Sequence[Item], path: Path) -> Path:
    """All pictures on one sheet: each in the middle of a cell of the largest one's size, small ones enlarged."""
    path = check_suffix(path, (".png",))
    pictures = [load_picture(item.file).rgb for item in pictures_for_grid(items)]
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    cells = [_cell(picture, height, width) for picture in pictures]
    scale = viewing_scale(cells[0], CELL)
    save_png(path, contact_grid(cells, gap=max(2, width // 16) * scale, scale=scale))
    return path


def _cell(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    picture = enlarge(picture, max(1, min(height // picture.shape[0], width // picture.shape[1])))
    cell = np.full((height, width, 3), 255, dtype=np.uint8)
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    cell[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return cell


def _name(item: Item) -> str:
    """A file name that the title gives: letters and digits of any script, the rest as hyphens."""
    words = re.sub(r"[^\w]+", "-", item.title)[:40].strip("-_") or item.kind
    return f"{words}-{item.id[:8]}"


def _free(folder: Path, name: str, suffix: str) -> Path:
    """A path that nothing has yet."""
    path, number = folder / f"{name}{suffix}", 2
    while path.exists():
        path, number = folder / f"{name}-{number}{suffix}", number + 1
    return path
