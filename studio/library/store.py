"""Library: everything that was made, kept as files with an index beside them."""

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from studio.errors import StudioError
from studio.files import write_atomic
from studio.generation import GenerationRequest, Result, filled_picture, parameters_of
from studio.library import rebuilding
from studio.library.database import Damaged, Database, set_aside
from studio.library.items import (
    Change,
    Filter,
    Item,
    Parent,
    clean_tags,
    png_bytes,
    snippet_of,
    thumbnail,
    title_of,
)
from studio.media.export import save_json, save_png
from studio.media.images import Picture

TRASH_DAYS = 30
"""How long a deleted item can be brought back."""
_STRAY_SECONDS = 3600
_CHUNK = 500
T = TypeVar("T")


class Library:
    """The library in `folder`, made if it is not there. Every method may be called from any thread.

    Reads take milliseconds whatever the size, except `ids`, `models` and `tags`, which scan all items: tens of
    milliseconds for 100,000; `add`, `purge` and `tidy` write files. StudioError for what the disk, another program or a
    newer version of the library does; a damaged index is set aside and made anew from the files, and `notice` says so.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).absolute()
        self.notice: str | None = None
        self.listeners: list[Callable[[Change], None]] = []
        """Called with every change, in the thread that made it."""
        self._filing = threading.Lock()
        path = self.folder / "library.sqlite"
        try:
            (self.folder / "items").mkdir(parents=True, exist_ok=True)
            (self.folder / "inputs").mkdir(exist_ok=True)
        except OSError as error:
            raise StudioError(f"Cannot write to {self.folder}: {error.strerror}. Check its permissions.") from error
        lost = not path.exists()
        try:
            self._db = Database(path)
        except Damaged:
            aside, lost = set_aside(path), True
            self._db = Database(path)
            self.notice = f"The library was damaged. It was made anew from its files; the old index is {aside}."
        if lost:
            rebuilding.rebuild(self._db, self.folder)

    @property
    def closed(self) -> bool:
        return self._db.closed

    def close(self) -> None:
        """Close it; later calls raise StudioError."""
        self._db.close()

    # -- adding

    def add(
        self,
        result: Result,
        variation: int = 0,
        *,
        picture: Picture | None = None,
        title: str = "",
        run: str | None = None,
        parent: Parent | None = None,
        tags: Iterable[str] = (),
    ) -> Item:
        """Keep one sample of a result; `picture` is what it was made into. Writes files: not for the main thread."""
        ident, now = uuid.uuid4().hex, time.time()
        kind = "text" if result.pictures is None else "picture"
        suffix = ".png" if kind == "picture" else ".json"
        file = f"items/{time.strftime('%Y-%m', time.localtime(now))}/{ident}{suffix}"
        filled = filled_picture(result, variation, picture) if kind == "picture" else None
        kept = {
            "id": ident,
            "created": now,
            "title": title.strip() or title_of(result, variation),
            "run": run,
            "parent": None if parent is None else [parent.item, parent.run, parent.frame],
            "calls": result.calls,
            "seconds": round(result.seconds, 3),
            "tags": clean_tags(tags),
        }
        parameters = parameters_of(result.request, variation, result.provider)
        text = "" if result.texts is None else result.texts[variation]
        with self._filing:
            kept["input"] = None if picture is None or filled is None else self._keep_input(picture)
            self._announce(file)
            everything = parameters | {"kept": kept}
            if filled is not None:
                save_png(self.folder / file, filled.stored, json.dumps(everything), filled.alpha)
            else:
                save_json(self.folder / file, everything | {"text": text})
            row = rebuilding.Row.of(
                everything,
                file,
                thumbnail=None if filled is None else thumbnail(filled),
                size=(0, 0) if filled is None else filled.size,
                text=text,
                snippet=snippet_of(text, result.request.source),
            )
            with self._db.write() as db:
                key = row.insert(db)
                db.execute("DELETE FROM strays WHERE file IN (?, ?)", (file, kept["input"]))
        self._tell("added", [key])
        return self.items([key])[0]

    def _keep_input(self, picture: Picture) -> str:
        """Write the picture once, under a name that its pixels give."""
        digest = hashlib.sha256(f"{picture.size}".encode() + np.ascontiguousarray(picture.stored).tobytes())
        digest.update(b"" if picture.alpha is None else np.ascontiguousarray(picture.alpha).tobytes())
        name = f"inputs/{digest.hexdigest()[:40]}.png"
        self._announce(name)  # what is there may be about to be swept
        if not (self.folder / name).exists():
            write_atomic(self.folder / name, png_bytes(picture))
        return name

    def _announce(self, file: str) -> None:
        """Note that a file is about to be made, so that it is swept if the item never comes."""
        with self._db.write() as db:
            db.execute("INSERT OR REPLACE INTO strays VALUES (?, ?)", (file, time.time()))

    # -- reading

    def ids(self, chosen: Filter = Filter()) -> list[int]:  # noqa: B008 (frozen)
        """Keys of all items that the filter lets through, the newest first."""
        where, values = chosen.where()
        with self._db.read() as db:
            return [row[0] for row in db.execute(f"SELECT key FROM items WHERE {where} ORDER BY key DESC", values)]

    def items(self, keys: Sequence[int]) -> list[Item]:
        """The items of these keys in this order; one that is gone is left out."""
        found: dict[int, Item] = {}
        columns = ", ".join(rebuilding.COLUMNS)
        for some in _chunks(keys):
            with self._db.read() as db:
                marks = _marks(some)
                tags: dict[int, list[str]] = {}
                for key, tag in db.execute(f"SELECT item, tag FROM tags WHERE item IN ({marks}) ORDER BY tag", some):
                    tags.setdefault(key, []).append(tag)
                for row in db.execute(f"SELECT {columns} FROM items WHERE key IN ({marks})", some):
                    found[row[0]] = self._item(row, tuple(tags.get(row[0], ())))
        return [found[key] for key in keys if key in found]

    def files(self, keys: Sequence[int]) -> list[Path]:
        """The files of these keys in this order; of one that is gone there is none. Some milliseconds a thousand."""
        found: dict[int, str] = {}
        for some in _chunks(keys):
            with self._db.read() as db:
                found.update(db.execute(f"SELECT key, file FROM items WHERE key IN ({_marks(some)})", some))
        return [self.folder / found[key] for key in keys if key in found]

    def find(self, ident: str) -> Item | None:
        """The item of this id, deleted ones too."""
        with self._db.read() as db:
            row = db.execute("SELECT key FROM items WHERE id = ?", (ident,)).fetchone()
        return next(iter(self.items([row[0]])), None) if row else None

    def thumbnails(self, keys: Sequence[int]) -> dict[int, bytes]:
        """PNGs of at most `THUMBNAIL` pixels a side, of those that are pictures."""
        found: dict[int, bytes] = {}
        for some in _chunks(keys):
            with self._db.read() as db:
                found.update(db.execute(f"SELECT item, png FROM thumbnails WHERE item IN ({_marks(some)})", some))
        return found

    def request(self, key: int) -> GenerationRequest:
        """The exact request that an item was made from."""
        with self._db.read() as db:
            row = db.execute(
                "SELECT json FROM requests JOIN items ON request = requests.key WHERE items.key = ?", [key]
            )
            found = row.fetchone()
        if found is None:
            raise StudioError("This item is no longer in the library.")
        return GenerationRequest.from_json(found[0])

    def text(self, item: Item) -> str:
        """The whole of a text. Reads its file: not for the main thread. StudioError where that is gone."""
        try:
            return str(json.loads(item.file.read_bytes())["text"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StudioError(f"{item.file} is gone or damaged: delete this item from the gallery.") from error

    def relatives(self, item: Item) -> tuple[list[Item], list[Item]]:
        """What an item was branched from and what was branched from it, deleted ones left out."""
        parent = item.parent or Parent()
        with self._db.read() as db:
            # The plus keeps SQLite from going through all that is not deleted.
            live = "SELECT key FROM items WHERE +deleted IS NULL AND"
            # NULL equals nothing, so what has no parent or no run finds none by it.
            above = db.execute(f"{live} (id = ? OR run = ?) ORDER BY key", (parent.item, parent.run)).fetchall()
            below = db.execute(f"{live} (parent = ? OR parent_run = ?) ORDER BY key", (item.id, item.run)).fetchall()
        return self.items([key for (key,) in above]), self.items([key for (key,) in below])

    def models(self, deleted: bool = False) -> list[tuple[str, int]]:
        """Every model that made something, with how much; or that made what is deleted."""
        where, values = Filter(deleted=deleted).where()
        return self._counts(f"SELECT model, count(*) FROM items WHERE {where} GROUP BY model ORDER BY model", values)

    def tags(self, deleted: bool = False) -> list[tuple[str, int]]:
        """Every tag in use, with how many items have it; or that those have which are deleted."""
        where, values = Filter(deleted=deleted).where()
        tagged = f"SELECT tag, count(*) FROM tags JOIN items ON item = key WHERE {where}"
        return self._counts(f"{tagged} GROUP BY tag ORDER BY tag", values)

    def count(self, chosen: Filter = Filter()) -> int:  # noqa: B008
        """How many items the filter lets through."""
        where, values = chosen.where()
        with self._db.read() as db:
            return db.execute(f"SELECT count(*) FROM items WHERE {where}", values).fetchone()[0]

    # -- changing

    def star(self, keys: Iterable[int], on: bool = True) -> None:
        """Set or take away the star."""
        self._change("changed", keys, "UPDATE items SET star = ? WHERE key IN ({})", int(on))

    def rename(self, key: int, title: str) -> None:
        """Give an item another title; an empty one is passed by."""
        title = title.strip()[:200]
        if title:
            with self._db.write() as db:
                db.execute("UPDATE items SET title = ? WHERE key = ?", (title, key))
                db.execute("UPDATE words SET title = ? WHERE rowid = ?", (title, key))
            self._tell("changed", [key])

    def set_all_tags(self, tags: Mapping[int, Iterable[str]]) -> None:
        """The tags of items, by their keys, in place of those they have."""
        with self._db.write() as db:
            for key, given in tags.items():
                cleaned = clean_tags(given)
                db.execute("DELETE FROM tags WHERE item = ?", (key,))
                db.executemany("INSERT INTO tags VALUES (?, ?)", [(key, tag) for tag in cleaned])
                db.execute("UPDATE words SET tags = ? WHERE rowid = ?", (" ".join(cleaned), key))
        self._tell("changed", list(tags))

    def delete(self, keys: Iterable[int]) -> None:
        """Put items among the deleted ones, from where `restore` brings them back until they are purged."""
        self._change("deleted", keys, "UPDATE items SET deleted = ? WHERE deleted IS NULL AND key IN ({})", time.time())

    def restore(self, keys: Iterable[int]) -> None:
        """Bring deleted items back, as they were."""
        self._change("restored", keys, "UPDATE items SET deleted = ? WHERE key IN ({})", None)

    def purge(self, keys: Iterable[int]) -> None:
        """Delete items for good, with their files; only such as have been deleted before."""
        with self._filing:
            gone: list[int] = []
            for some in _chunks(list(keys)):
                with self._db.write() as db:
                    gone += rebuilding.purge_rows(db, some)
            self._sweep()
        self._tell("purged", gone)

    def tidy(self, days: float = TRASH_DAYS) -> None:
        """Purge what was deleted more than `days` ago, and files that a kill left behind. For once a start."""
        limit = time.time() - days * 24 * 3600
        with self._db.read() as db:
            old = [key for (key,) in db.execute("SELECT key FROM items WHERE deleted < ?", (limit,))]
        if old:
            self.purge(old)
        with self._filing:
            self._sweep()

    def check(self) -> None:
        """Look at every page of the index. `Damaged` if one is wrong; takes seconds for a large one."""
        with self._db.read() as db:
            if db.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
                raise Damaged(f"The library {self._db.path} is damaged; start Prime Studio again to rebuild it.")

    # -- inside

    def _sweep(self) -> None:
        """Delete the files of no item: those that were purged, and what was announced so long ago that no process can
        be writing it now."""
        with self._db.write() as db:
            used = "SELECT file FROM items UNION ALL SELECT input FROM items WHERE input IS NOT NULL"
            db.execute(f"DELETE FROM strays WHERE file IN ({used})")
            found = db.execute("SELECT file FROM strays WHERE since < ?", (time.time() - _STRAY_SECONDS,))
            strays = [file for (file,) in found]
        for file in strays:
            try:
                (self.folder / file).unlink(missing_ok=True)
            except OSError:  # open in another program: the next sweep takes it
                continue
            with self._db.write() as db:
                db.execute("DELETE FROM strays WHERE file = ?", (file,))

    def _change(self, what: Any, keys: Iterable[int], statement: str, value: object) -> None:
        keys = list(keys)
        with self._db.write() as db:
            for some in _chunks(keys):
                db.execute(statement.format(_marks(some)), [value, *some])
        self._tell(what, keys)

    def _counts(self, statement: str, values: dict[str, Any]) -> list[tuple[str, int]]:
        with self._db.read() as db:
            return db.execute(statement, values).fetchall()

    def _tell(self, what: Any, keys: Sequence[int]) -> None:
        if keys:
            for listener in list(self.listeners):
                listener(Change(what, tuple(keys)))

    def _item(self, row: Sequence[Any], tags: tuple[str, ...]) -> Item:
        found = dict(zip(rebuilding.COLUMNS, row, strict=True))
        above = [found.pop(name) for name in ("parent", "parent_run", "parent_frame")]
        source = found["input"]
        found |= {
            "seed": int(found["seed"]),
            "star": bool(found["star"]),
            "file": self.folder / found["file"],
            "input": None if source is None else self.folder / source,
        }
        return Item(**found, parent=Parent(*above) if above[0] or above[1] else None, tags=tags)


def _chunks(values: Sequence[T]) -> Iterator[list[T]]:
    for start in range(0, len(values), _CHUNK):
        yield list(values[start : start + _CHUNK])


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
