"""The session on disk: JSON with large values beside it, whole or not at all, and what is done if it is not. No Qt."""

import hashlib
import io
import json
import shutil
import time
import weakref
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.files import cannot_write, write_atomic

VERSION = 1
MAX_JSON = 64 << 20
MAX_VALUE = 1 << 30
_KEEP_ASIDE = 3

Value: TypeAlias = Any
"""None, bool, int, float, str, bytes, a NumPy array without objects, a list or tuple of values, a dict by str."""


@dataclass
class Loaded:
    """What was found: a dict for each workspace, what has to be said, and when it was saved (seconds since 1970)."""

    parts: dict[str, dict[str, Value]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    saved: float = 0.0
    aside: Path | None = None
    """Where a session is that was not restored, although nothing is known to be wrong with it."""


def frozen(value: Value) -> Value:
    """A copy that may cross to another thread; arrays that are read-only already are taken as they are."""
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("a session holds no arrays of objects")
        if value.flags.writeable:
            value = value.copy()
            value.setflags(write=False)
        return value
    if isinstance(value, dict):
        if any(not isinstance(key, str) or key.startswith("$") for key in value):
            raise TypeError("keys of a session are str and begin with no $")
        return {key: frozen(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [frozen(part) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    raise TypeError(f"a session cannot hold {type(value).__name__}")


class SessionFiles:
    """The session of one data folder. Not thread-safe: one thread at a time.

    session.json names its large values by their sha256; they lie in files/, so that what did not change is not
    written again and a cut one is noticed. The session before is kept as last-good.json.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._current, self._last_good = self.folder / "session.json", self.folder / "last-good.json"
        self._marker = self.folder / "restoring.json"
        self._known: dict[int, tuple[weakref.ref[NDArray], str, int]] = {}
        self._content: dict[str, Any] = {}
        """What session.json holds: what is the same is not written again."""

    # -- writing

    def write(self, parts: dict[str, dict[str, Value]]) -> None:
        """Put `parts` (from `frozen`) in the place of the session before. StudioError where the disk refuses."""
        try:
            self._write(parts)
        except OSError as error:  # of what is only looked at, such as in a folder that may not be read
            raise cannot_write(self._current, error.strerror) from error

    def _write(self, parts: dict[str, dict[str, Value]]) -> None:
        used: dict[str, int] = {}
        content = {"version": VERSION, "parts": self._encode(parts, used), "files": used}
        if content == self._content and self._current.exists():
            return
        before = self._read(self._current)
        if before is not None and self._document(before) is not None:
            write_atomic(self._last_good, before)
        else:
            before = self._read(self._last_good)
        text = json.dumps(content | {"saved": time.time()}, ensure_ascii=False)
        # A path need not be UTF-8: what of it is no character comes and goes as it is.
        write_atomic(self._current, text.encode("utf-8", "surrogatepass"))
        self._content = content
        old = self._document(before) if before is not None else None
        self._collect(set(used) | set(old["files"] if old else ()))

    def _encode(self, value: Value, used: dict[str, int]) -> Value:
        if isinstance(value, dict):
            return {key: self._encode(part, used) for key, part in value.items()}
        if isinstance(value, list):
            return [self._encode(part, used) for part in value]
        if isinstance(value, np.ndarray):
            return {"$array": self._store_array(value, used)}
        if isinstance(value, bytes):
            return {"$bytes": self._store(value, used)}
        return value

    def _store_array(self, array: NDArray, used: dict[str, int]) -> str:
        known = self._known.get(id(array))
        if known is not None and known[0]() is array and self._file(known[1]).exists():
            used[known[1]] = known[2]
            return known[1]
        file = io.BytesIO()
        np.save(file, array, allow_pickle=False)
        digest = self._store(file.getvalue(), used)
        self._known = {key: entry for key, entry in self._known.items() if entry[0]() is not None}
        self._known[id(array)] = (weakref.ref(array), digest, used[digest])
        return digest

    def _store(self, data: bytes, used: dict[str, int]) -> str:
        digest = hashlib.sha256(data).hexdigest()
        used[digest] = len(data)
        path = self._file(digest)
        if not path.exists():
            write_atomic(path, zlib.compress(data, 1))
        return digest

    def _file(self, digest: str) -> Path:
        return self.folder / "files" / f"{digest}.z"

    def _collect(self, used: set[str]) -> None:
        """Delete what no session needs any more, and what a kill left half written."""
        for path in (self.folder / "files").glob("*"):
            if path.stem not in used:
                path.unlink(missing_ok=True)
        for path in [*self.folder.glob(".session.*"), *self.folder.glob(".last-good.*")]:
            path.unlink(missing_ok=True)

    # -- reading

    def load(self, again: bool = False) -> Loaded:
        """The last whole session. What is wrong with it is said in `notices` and kept aside, never raised.

        again: although a start ended in the middle of restoring it.
        """
        found = Loaded()
        raw = self._read(self._current)
        if raw is None and not self._last_good.exists():
            return found
        if raw is not None and self._attempts(raw) >= 1 and not again:
            found.aside = self._set_aside()
            return found
        documents = []
        for path, data in ((self._current, raw), (self._last_good, self._read(self._last_good))):
            document = None if data is None else self._document(data)
            if document is not None and document["version"] > VERSION:
                found.notices.append(
                    "The last session is of a newer version of Prime Studio: it was not restored, and is kept in "
                    f"{self._set_aside()}."
                )
                return found
            if document is not None:
                documents.append(document)
            elif path.exists():
                found.notices.append(f"The session file was damaged: it is kept as {self._quarantine(path)}.")
        if not documents:
            return found
        if raw is None or self._document(raw) is None:
            found.notices.append("The session before the last one was restored.")
        found.saved = _number(documents[0].pop("saved", None))
        for name in documents[0]["parts"]:
            part = next((part for part in self._tries(documents, name)), None)
            if part is None:
                found.notices.append(f"The session of {name} was damaged and could not be restored.")
            else:
                found.parts[name] = part
        if not found.notices:
            self._content = documents[0]
        return found

    def _tries(self, documents: list[dict[str, Any]], name: str) -> Iterator[dict[str, Value]]:
        """The part as each of the documents has it, the newest first, where it is whole."""
        for document in documents:
            with suppress(OSError, ValueError, KeyError, TypeError, zlib.error, EOFError):
                part = self._decode(document["parts"][name], document["files"])
                if isinstance(part, dict):
                    yield part

    def _decode(self, value: Value, sizes: dict[str, int]) -> Value:
        if isinstance(value, list):
            return [self._decode(part, sizes) for part in value]
        if not isinstance(value, dict):
            return value
        if "$array" in value:
            array = np.load(io.BytesIO(self._fetch(value["$array"], sizes)), allow_pickle=False)
            array.setflags(write=False)
            return array
        if "$bytes" in value:
            return self._fetch(value["$bytes"], sizes)
        return {key: self._decode(part, sizes) for key, part in value.items()}

    def _fetch(self, digest: str, sizes: dict[str, int]) -> bytes:
        size = sizes[digest]
        if not 0 <= size <= MAX_VALUE or set(digest) - set("0123456789abcdef"):
            raise ValueError("no value of a session")
        data = zlib.decompressobj().decompress(self._file(digest).read_bytes(), size + 1)
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError("a value of the session is damaged")
        return data

    @staticmethod
    def _read(path: Path) -> bytes | None:
        try:
            with path.open("rb") as file:
                return file.read(MAX_JSON + 1)
        except OSError:
            return None

    @staticmethod
    def _document(data: bytes) -> dict[str, Any] | None:
        """The content of a session file, None where it is none; of a newer version only its number is known."""
        try:
            content = json.loads(data)
            version = content["version"]
            if isinstance(version, bool) or not isinstance(version, int) or version < 1:
                return None
            if version > VERSION:
                return {"version": version, "files": {}}
            files, parts = content["files"], content["parts"]
            whole = isinstance(files, dict) and isinstance(parts, dict)
            return content if whole and all(type(size) is int for size in files.values()) else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    # -- what went wrong before

    def begin_restoring(self) -> None:
        """Note that this session is being restored: if the start ends before `restored`, it is not tried again."""
        raw = self._read(self._current)
        if raw is not None:
            with suppress(StudioError):  # a read-only disk cannot keep the note, and must not stop the start
                content = {"session": hashlib.sha256(raw).hexdigest(), "attempts": self._attempts(raw) + 1}
                write_atomic(self._marker, json.dumps(content).encode())

    def restored(self) -> None:
        """The start has come through."""
        with suppress(OSError):
            self._marker.unlink(missing_ok=True)

    def _attempts(self, raw: bytes) -> int:
        try:
            content = json.loads(self._marker.read_bytes())
            return int(content["attempts"]) if content["session"] == hashlib.sha256(raw).hexdigest() else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _set_aside(self) -> Path:
        """Rename the whole folder; the newest few of those are kept."""
        aside = self._stamped(self.folder.parent, f"{self.folder.name}-aside", "")
        with suppress(OSError):
            self.folder.rename(aside)
        self._content = {}
        for old in sorted(self.folder.parent.glob(f"{self.folder.name}-aside-*"))[:-_KEEP_ASIDE]:
            shutil.rmtree(old, ignore_errors=True)
        return aside

    def _quarantine(self, path: Path) -> Path:
        kept = self._stamped(self.folder / "damaged", path.stem, ".json")
        with suppress(OSError):
            kept.parent.mkdir(exist_ok=True)
            path.rename(kept)
        for old in sorted(kept.parent.glob(f"{path.stem}-*"))[:-_KEEP_ASIDE]:
            old.unlink(missing_ok=True)
        return kept

    @staticmethod
    def _stamped(folder: Path, name: str, suffix: str) -> Path:
        stamp, number = time.strftime("%Y%m%d-%H%M%S"), 0
        while (path := folder / f"{name}-{stamp}-{number}{suffix}").exists():
            number += 1
        return path


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and value == value else 0.0
