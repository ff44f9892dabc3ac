"""Rows of the library's index: from what stands in a file, so that a lost index can be made anew."""

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from studio.errors import StudioError
from studio.generation import GenerationRequest
from studio.library.database import Database
from studio.library.items import clean_tags, snippet_of, thumbnail
from studio.media.export import read_parameters
from studio.media.images import load_picture

COLUMNS = (
    *("key", "id", "created", "kind", "model", "title", "snippet", "width", "height", "variation", "seed", "run"),
    *("parent", "parent_run", "parent_frame", "calls", "seconds", "provider", "star", "deleted", "file", "input"),
)
_MAX_BODY = 100_000
_INPUT = re.compile(r"inputs/[0-9a-f]{40}\.png")


@dataclass(frozen=True)
class Row:
    """One item as the tables have it."""

    values: dict[str, Any]
    request: str
    thumbnail: bytes | None
    body: str
    tags: Sequence[str]

    @classmethod
    def of(
        cls,
        everything: dict[str, Any],
        file: str,
        *,
        thumbnail: bytes | None,
        size: tuple[int, int],
        text: str,
        snippet: str,
    ) -> Self:
        """From the parameters in a file of the library. KeyError, TypeError or ValueError where they are damaged."""
        kept, variation = everything["kept"], int(everything["variation"])
        request = everything["request"]
        parent, parent_run, frame = kept["parent"] or (None, None, None)
        seed, model = str(int(request["seeds"][variation])), str(request["model"])
        values = {
            "id": str(kept["id"]),
            "created": float(kept["created"]),
            "kind": "text" if thumbnail is None else "picture",
            "model": model,
            "title": str(kept["title"])[:200],
            "snippet": snippet,
            "width": size[0],
            "height": size[1],
            "variation": variation,
            "seed": seed,
            "run": _maybe(str, kept["run"]),
            "parent": _maybe(str, parent),
            "parent_run": _maybe(str, parent_run),
            "parent_frame": _maybe(int, frame),
            "calls": int(kept["calls"]),
            "seconds": float(kept["seconds"]),
            "provider": str(everything["provider"]),
            "file": file,
            "input": _maybe(_input, kept["input"]),
        }
        body = f"{model} {seed} {text[:_MAX_BODY]}"
        return cls(values, json.dumps(request), thumbnail, body, clean_tags(kept["tags"]))

    def insert(self, db: sqlite3.Connection) -> int:
        """Put it into every table; the key it got."""
        digest = hashlib.sha256(self.request.encode()).hexdigest()
        db.execute("INSERT OR IGNORE INTO requests (sha256, json) VALUES (?, ?)", (digest, self.request))
        (request,) = db.execute("SELECT key FROM requests WHERE sha256 = ?", (digest,)).fetchone()
        values = self.values | {"request": request}
        marks = ", ".join(f":{name}" for name in values)
        key = db.execute(f"INSERT INTO items ({', '.join(values)}) VALUES ({marks})", values).lastrowid
        assert key is not None
        if self.thumbnail is not None:
            db.execute("INSERT INTO thumbnails VALUES (?, ?)", (key, self.thumbnail))
        db.executemany("INSERT INTO tags VALUES (?, ?)", [(key, tag) for tag in self.tags])
        words = (key, self.values["title"], self.body, " ".join(self.tags))
        db.execute("INSERT INTO words (rowid, title, body, tags) VALUES (?, ?, ?, ?)", words)
        return key


def _input(name: object) -> str:
    """The name of an input: nothing else may be deleted with an item."""
    if not isinstance(name, str) or not _INPUT.fullmatch(name):
        raise ValueError(f"no input of the library: {name!r}")
    return name


def _maybe(kind: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else kind(value)


def purge_rows(db: sqlite3.Connection, keys: Sequence[int]) -> list[int]:
    """Delete the rows of those that are among the deleted, and note their files as strays; the keys that went."""
    marks = ", ".join("?" * len(keys))
    rows = db.execute(
        f"SELECT key, file, input, request FROM items WHERE deleted IS NOT NULL AND key IN ({marks})", keys
    ).fetchall()
    for key, file, source, request in rows:
        db.execute("DELETE FROM items WHERE key = ?", (key,))
        db.execute("DELETE FROM words WHERE rowid = ?", (key,))
        db.execute("DELETE FROM requests WHERE key = ? AND key NOT IN (SELECT request FROM items)", (request,))
        strays = [file] if source is None else [file, source]
        # A file that another item still needs is struck off again before anything is deleted.
        db.executemany("INSERT OR REPLACE INTO strays VALUES (?, 0)", [(stray,) for stray in strays])
    return [row[0] for row in rows]


def rebuild(database: Database, folder: Path) -> int:
    """Fill an empty index from the files of the library; how many were found. Stars, edited titles and tags, and
    marks of deletion live only in the index and are lost; deleted items reappear."""
    count = 0
    with database.write() as db:
        for row in sorted(_rows(folder), key=lambda row: row.values["created"]):
            try:
                row.insert(db)
            except sqlite3.IntegrityError:  # a copy of a file, made by hand
                continue
            count += 1
    return count


def _rows(folder: Path) -> Iterator[Row]:
    for path in folder.glob("items/*/*"):
        file = path.relative_to(folder).as_posix()
        try:
            if path.suffix == ".png":
                everything, picture = json.loads(read_parameters(path) or ""), load_picture(path)
                GenerationRequest.from_json(json.dumps(everything["request"]))  # refuses what is none
                row = Row.of(everything, file, thumbnail=thumbnail(picture), size=picture.size, text="", snippet="")
            elif path.suffix == ".json":
                everything = json.loads(path.read_bytes())
                text = everything["text"]
                snippet = snippet_of(text, GenerationRequest.from_json(json.dumps(everything["request"])).source)
                row = Row.of(everything, file, thumbnail=None, size=(0, 0), text=text, snippet=snippet)
            else:
                continue
        except (StudioError, OSError, ArithmeticError, ValueError, KeyError, TypeError, IndexError, RecursionError):
            continue  # not of the library, or damaged: it stays where it is
        yield row
