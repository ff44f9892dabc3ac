"""From files as people have them to a dataset folder, a few at a time."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.datasets.pictures import FITS, fit, pictures
from studio.datasets.store import Dataset, DatasetWriter, is_dataset
from studio.datasets.texts import columns, texts
from studio.errors import StudioError

OnProgress = Callable[[dict[str, int]], None]
"""Called with the counts so far, a few times a second."""

_AHEAD = 8  # pictures that are decoded at once or wait for their turn, each of up to MAX_PICTURE_BYTES
_SMALLEST = 4  # pixels a side; less is no picture


def collect_pictures(
    source: Path,
    folder: Path,
    grid: tuple[int, int],
    how: str = "crop",
    column: str = "",
    on_progress: OnProgress = lambda counts: None,
) -> Dataset:
    """Write every usable picture of `source`, fitted to grid = (height, width), as a dataset into `folder`.

    Unreadable pictures are listed and left out; those smaller than the grid are listed as tiny and enlarged.
    StudioError where nothing is usable.
    """
    if how not in FITS:
        raise StudioError(f"Pictures are fitted by {' or '.join(FITS)}, not {how!r}.")
    facts = {"source": str(source), "grid": list(grid), "fit": how} | _column_facts(source, column, "pictures")
    writer = DatasetWriter(folder, "pictures", facts)
    tell = _Throttle(on_progress, writer)
    try:
        for name, future in _decoded(source, column, grid, how):
            try:
                picture, size = future.result()
            except StudioError as error:
                writer.problem(name, "unreadable", _without_path(error, source, name))
            else:
                if size[0] < grid[0] or size[1] < grid[1]:
                    writer.problem(name, "tiny", f"{size[1]} × {size[0]} pixels are enlarged")
                writer.add(name, picture.tobytes())
            tell()
        return _finished(writer, source, "pictures")
    except BaseException:
        writer.discard()
        raise


def _decoded(
    source: Path, column: str, grid: tuple[int, int], how: str
) -> Iterator[tuple[str, Future[tuple[NDArray[np.uint8], tuple[int, int]]]]]:
    """Names and fitted pictures in order; decoding lets go of the interpreter, so threads help."""

    def decode(load: Callable[[], NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        picture = load()
        if min(picture.shape[:2]) < _SMALLEST:
            raise StudioError(f"It has only {picture.shape[1]} × {picture.shape[0]} pixels.")
        return fit(picture, *grid, how), (picture.shape[0], picture.shape[1])

    waiting: deque[tuple[str, Future[Any]]] = deque()
    with ThreadPoolExecutor(4, thread_name_prefix="decode") as pool:
        try:
            for name, load in pictures(source, column):
                waiting.append((name, pool.submit(decode, load)))
                if len(waiting) >= _AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, future in waiting:
                future.cancel()


def collect_texts(
    source: Path, folder: Path, column: str = "", on_progress: OnProgress = lambda counts: None
) -> Dataset:
    """Write every usable text of `source` as a dataset into `folder`; each ends with a newline, as lines do.

    What cannot be read is listed and left out, as is what is empty (tiny). StudioError where nothing is usable.
    """
    writer = DatasetWriter(folder, "texts", {"source": str(source)} | _column_facts(source, column, "texts"))
    tell = _Throttle(on_progress, writer)
    try:
        for name, load in texts(source, column):
            try:
                text = load().replace("\r\n", "\n")
            except StudioError as error:
                writer.problem(name, "unreadable", _without_path(error, source, name))
            else:
                if text.strip():
                    writer.add(name, (text if text.endswith("\n") else text + "\n").encode("utf-8", "replace"))
                else:
                    writer.problem(name, "tiny", "nothing but white space")
            tell()
        return _finished(writer, source, "texts")
    except BaseException:
        writer.discard()
        raise


def _column_facts(source: Path, column: str, what: str) -> dict[str, Any]:
    """The column that was asked for, and of a table the one that is taken and those that there are."""
    found = columns(source, column, what)
    names = [name[:200] for name in found[1][:100]] if found else []  # they are only shown
    return {"column": column} | ({"taken": found[0][:200], "columns": names} if found else {})


def _without_path(error: StudioError, source: Path, name: str) -> str:
    """What is wrong with a file; where the data lie is known, and its name stands beside it."""
    return str(error).replace(str(source / name), name)


def _finished(writer: DatasetWriter, source: Path, what: str) -> Dataset:
    if not writer.counts["kept"]:
        unreadable = writer.counts["unreadable"]
        reason = f"{unreadable} were found but none can be read" if unreadable else "none were found"
        first = f" The first: {writer.first_problem()}" if unreadable else ""
        raise StudioError(f"There are no {what} in {source}: {reason}.{first}")
    return writer.finish()


def open_or_collect(
    source: Path,
    folder: Path,
    grid: tuple[int, int] | None,
    how: str = "crop",
    column: str = "",
    on_progress: OnProgress = lambda counts: None,
) -> Dataset:
    """The dataset at `source` if it is one, or the one that was made from it in `folder` before, or a new one there.

    grid: (height, width) for pictures, None for texts. What a run began with it goes on with, even where the
    source has changed or gone since. StudioError where a dataset is of another kind or size.
    """
    wanted = {"kind": "texts", "source": str(source), "column": column}
    if grid is not None:
        wanted |= {"kind": "pictures", "grid": list(grid), "fit": how}
    if is_dataset(source):
        dataset = Dataset(source)
        if dataset.kind != wanted["kind"] or (grid is not None and dataset.table["grid"] != list(grid)):
            shape = f"pictures of {grid[1]} × {grid[0]} pixels" if grid else "texts"
            raise StudioError(f"The dataset at {source} does not hold {shape}: open the data again for this model.")
        return dataset
    if is_dataset(folder):
        try:
            dataset = Dataset(folder)
        except StudioError:
            pass  # damaged: made anew
        else:
            if all(dataset.table.get(key) == value for key, value in wanted.items()):
                return dataset
    if grid is not None:
        return collect_pictures(source, folder, grid, how, column, on_progress)
    return collect_texts(source, folder, column, on_progress)


class _Throttle:
    """Calls on with the counts at most five times a second."""

    def __init__(self, on_progress: OnProgress, writer: DatasetWriter):
        self.on_progress, self.writer, self.last = on_progress, writer, 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self.last > 0.2:
            self.last = now
            self.on_progress(dict(self.writer.counts))
