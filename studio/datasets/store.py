"""A dataset made ready: all that was usable, in one folder of flat files that are mapped and never read whole.

dataset.json   what it is: kind, source, counts, sizes (format 1)
content.bin    pictures: uint8 (N, H, W, 3), one after the other; texts: their UTF-8 bytes
content.idx    texts: int64 (N + 1,), where each begins
names.bin, names.idx   the name of each, the same way
hashes.bin     uint64 (N,), of the content: equal content, equal hash; it decides who is held out
problems.jsonl {"name", "kind", "what"} a line, for what is unreadable, tiny (which an empty text is) or a duplicate
"""

import hashlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.files import write_atomic

FORMAT = 1
TABLE = "dataset.json"
MAX_PROBLEMS = 10_000
"""Lines kept of each kind of problem; all are counted."""
QUIET = 3600.0
"""Seconds; a reading that has written nothing for so long was killed."""


class DatasetWriter:
    """Fills a folder beside `folder` that takes its place on `finish`, and vanishes on `discard`."""

    def __init__(self, folder: Path, kind: str, facts: dict[str, Any]):
        self.folder, self.kind, self.facts = folder, kind, facts
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            # What mkdtemp made below, and no dataset whose name only begins the same.
            ours = re.compile(rf"\.{re.escape(folder.name)}\.[a-z0-9_]{{8}}(\.old)?")
            for left in folder.parent.iterdir():
                if ours.fullmatch(left.name) and is_quiet(left):
                    shutil.rmtree(left, ignore_errors=True)
            self.temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            self._files = {
                name: (self.temporary / name).open("wb")
                for name in ("content.bin", "content.idx", "names.bin", "names.idx", "hashes.bin", "problems.jsonl")
            }
        except OSError as error:
            raise StudioError(f"Cannot write {folder}: {error.strerror}. Choose another place.") from error
        self.counts = {"kept": 0, "unreadable": 0, "tiny": 0, "duplicate": 0}
        self.size = 0
        self._name_end = 0
        self._write("content.idx", np.int64(0).tobytes())
        self._write("names.idx", np.int64(0).tobytes())

    def add(self, name: str, content: bytes) -> None:
        label = name.encode("utf-8", errors="surrogateescape")
        self.size += len(content)
        self._name_end += len(label)
        self._write("content.bin", content)
        self._write("names.bin", label)
        if self.kind == "texts":
            self._write("content.idx", np.int64(self.size).tobytes())
        self._write("names.idx", np.int64(self._name_end).tobytes())
        self._write("hashes.bin", hashlib.blake2b(content, digest_size=8).digest())
        self.counts["kept"] += 1

    def problem(self, name: str, kind: str, what: str) -> None:
        self.counts[kind] += 1
        if self.counts[kind] <= MAX_PROBLEMS:
            line = json.dumps({"name": name, "kind": kind, "what": what}, ensure_ascii=True)
            self._write("problems.jsonl", line.encode() + b"\n")

    def first_problem(self) -> str:
        """What the first problem was."""
        self._files["problems.jsonl"].flush()
        with (self.temporary / "problems.jsonl").open(encoding="utf-8") as file:
            return str(json.loads(file.readline())["what"])

    def finish(self) -> "Dataset":
        """List the duplicates, put the folder in its place and open it."""
        try:
            for name in ("content.bin", "names.bin", "names.idx", "hashes.bin"):
                self._files[name].flush()
            for first, second in self._duplicates():
                self.problem(second, "duplicate", f"the same content as {first}")
            for file in self._files.values():
                file.close()
            table = {"format": FORMAT, "kind": self.kind, **self.facts, "counts": self.counts, "bytes": self.size}
            write_atomic(self.temporary / TABLE, json.dumps(table, indent=1).encode())
            self._take_place()
        except OSError as error:
            raise self._cannot_write(error) from error
        return Dataset(self.folder)

    def discard(self) -> None:
        for file in self._files.values():
            with suppress(OSError):
                file.close()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _write(self, name: str, data: bytes) -> None:
        try:
            self._files[name].write(data)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> StudioError:
        remedy = "Free some space, close what has it open, and open the data again."
        return StudioError(f"Cannot write {self.folder}: {error.strerror}. {remedy}")

    def _take_place(self) -> None:
        """What stood there goes once the new folder stands, and stays whole where it cannot be moved, being mapped."""
        old = self.temporary.with_name(f"{self.temporary.name}.old")
        with suppress(FileNotFoundError):
            self.folder.rename(old)
        try:
            self.temporary.rename(self.folder)
        except OSError:
            with suppress(FileNotFoundError):
                old.rename(self.folder)
            raise
        shutil.rmtree(old, ignore_errors=True)

    def _duplicates(self) -> Iterator[tuple[str, str]]:
        """(name of the first, name of the other) of all that has equal content."""
        hashes = np.fromfile(self.temporary / "hashes.bin", dtype="<u8")
        order = np.argsort(hashes, kind="stable")
        again = np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]]) + 1
        if not len(again):
            return
        starts = np.flatnonzero(np.r_[True, hashes[order[1:]] != hashes[order[:-1]]])
        firsts = order[starts[np.searchsorted(starts, again, side="right") - 1]]
        names = _Strings(self.temporary, "names")
        for first, second in zip(firsts, order[again], strict=True):
            yield names[int(first)], names[int(second)]


def is_quiet(folder: Path) -> bool:
    """Whether nobody has written there for a while."""
    try:
        written = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return False  # it takes its place right now, or is gone
    return time.time() - written > QUIET


def _gone(folder: Path) -> StudioError:
    return StudioError(f"The dataset at {folder} is gone: open the data again.")


def _mapped(folder: Path, name: str, kind: Any, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """A file of the folder. StudioError where it was removed since the dataset was opened."""
    try:
        return np.memmap(folder / name, dtype=kind, mode="r", shape=shape)
    except FileNotFoundError as error:
        raise _gone(folder) from error


def _read(path: Path, start: int, size: int) -> bytes:
    """Bytes of a file. StudioError where they are not there: it was removed or cut, or the disk fails.

    Not mapped: a file that is cut short under a map ends the process without a word (SIGBUS).
    """
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            data = file.read(size)
    except FileNotFoundError as error:
        raise _gone(path.parent) from error
    except OSError as error:
        raise StudioError(f"Cannot read {path}: {error.strerror}. Open the data again.") from error
    if len(data) != size:
        raise StudioError(f"The dataset at {path.parent} is cut short: open the data again.")
    return data


class _Strings:
    """Strings one after the other in a file, their ends in another."""

    def __init__(self, folder: Path, name: str):
        self._ends, self._path = folder / f"{name}.idx", folder / f"{name}.bin"

    def bytes(self, index: int) -> bytes:
        start, end = np.frombuffer(_read(self._ends, 8 * index, 16), "<i8").tolist()
        return _read(self._path, start, end - start)

    def __getitem__(self, index: int) -> str:
        return self.bytes(index).decode("utf-8", errors="replace")


class Dataset:
    """A dataset folder, opened. Nothing but its table is read until it is asked for."""

    def __init__(self, folder: str | Path):
        """StudioError where it is none, is damaged or was made by a newer version."""
        self.folder = Path(folder)
        try:
            self.table: dict[str, Any] = json.loads((self.folder / TABLE).read_bytes())
            counts, kind = self.table["counts"], self.table["kind"]
            self.count, self.kind = int(counts["kept"]), str(kind)
        except FileNotFoundError as error:
            raise StudioError(f"There is no dataset at {folder}: open the data again.") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StudioError(f"The dataset at {folder} is damaged: open the data again.") from error
        if self.table.get("format") != FORMAT:
            raise StudioError(f"The dataset at {folder} was made by another version: open the data again.")
        if not self.whole():
            raise StudioError(f"The dataset at {folder} is cut short: open the data again.")

    def whole(self) -> bool:
        """Whether its files are there still, as long as they were."""
        sizes = {"content.bin": self.table.get("bytes"), "hashes.bin": 8 * self.count, "names.idx": 8 * self.count + 8}
        try:
            return all((self.folder / name).stat().st_size == size for name, size in sizes.items())
        except OSError:
            return False

    def __len__(self) -> int:
        return self.count

    @property
    def counts(self) -> dict[str, int]:
        """Of kept, unreadable, tiny and duplicate ones."""
        return self.table["counts"]

    def column_words(self) -> str:
        """Which column of a table is read, and which there are; "" where it was no table."""
        if "taken" not in self.table:
            return ""
        return f"the column “{self.table['taken']}” is read; there are {', '.join(self.table['columns'])}"

    @cached_property
    def digest(self) -> str:
        """Tells this dataset from any other: of its table and of the hashes of all that is in it."""
        digest = hashlib.sha256((self.folder / TABLE).read_bytes())
        digest.update(np.ascontiguousarray(self.hashes).tobytes())
        return digest.hexdigest()

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """uint8 (N, H, W, 3), mapped."""
        height, width = self.table["grid"]
        shape = (self.count, height, width, 3)
        return _mapped(self.folder, "content.bin", np.uint8, shape) if self.count else _EMPTY

    def picture(self, index: int) -> NDArray[np.uint8]:
        """uint8 (H, W, 3), read from the disk. StudioError where it is not there any more."""
        height, width = self.table["grid"]
        size = 3 * height * width
        data = _read(self.folder / "content.bin", index * size, size)
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        return _mapped(self.folder, "hashes.bin", "<u8") if self.count else np.empty(0, np.uint64)

    @cached_property
    def _names(self) -> _Strings:
        return _Strings(self.folder, "names")

    @cached_property
    def _texts(self) -> _Strings:
        return _Strings(self.folder, "content")

    def name(self, index: int) -> str:
        return self._names[index]

    def text(self, index: int) -> str:
        return self._texts[index]

    def texts(self, indices: NDArray[np.int64] | None = None) -> Iterator[str]:
        """The texts at these places, in order, or all of them."""
        for index in range(self.count) if indices is None else indices:
            yield self._texts[int(index)]

    def held_out(self, share: float) -> NDArray[np.bool_]:
        """Bool (N,): who is held out. Content decides, so equal ones stay together and no other changes places.

        At least one is held out and at least one is not, where there are two different ones.
        """
        limit = np.uint64(min(max(share, 0.0), 1.0) * (2**64 - 2**11))
        held = np.asarray(self.hashes) < limit
        if share > 0 and self.count and held.all() != held.any():
            return held
        if share > 0 and self.count:
            edge = self.hashes.min() if not held.any() else self.hashes.max()
            held = (self.hashes == edge) if not held.any() else (self.hashes != edge)
        return held

    def problems(self, limit: int = 1000) -> list[dict[str, str]]:
        """Some of them; what was left out before what was kept."""
        with suppress(FileNotFoundError), (self.folder / "problems.jsonl").open(encoding="utf-8") as file:
            lines = sorted(file, key=lambda line: '"kind": "unreadable"' not in line)  # in a name quotes are escaped
            return [json.loads(line) for line in lines[:limit]]
        return []


_EMPTY = np.empty((0, 1, 1, 3), np.uint8)


def is_dataset(path: Path) -> bool:
    """Whether a folder is one that `Dataset` can open."""
    return (path / TABLE).is_file()
