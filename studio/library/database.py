"""The library's SQLite file: its tables, its versions, its connections."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from studio.errors import StudioError

VERSION = 1
BUSY_SECONDS = 5.0

# `strays` names files that belong to no item: written before a file is made and before one is deleted, so that a
# kill in between leaves nothing behind. The index `live` answers every filter in order of time without the rows.
_SCHEMA = """
CREATE TABLE requests (key INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, json TEXT NOT NULL);
CREATE TABLE items (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    created REAL NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('picture', 'text')),
    model TEXT NOT NULL,
    title TEXT NOT NULL,
    snippet TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    variation INTEGER NOT NULL,
    seed TEXT NOT NULL,
    run TEXT,
    parent TEXT,
    parent_run TEXT,
    parent_frame INTEGER,
    calls INTEGER NOT NULL,
    seconds REAL NOT NULL,
    provider TEXT NOT NULL,
    star INTEGER NOT NULL DEFAULT 0,
    deleted REAL,
    request INTEGER NOT NULL REFERENCES requests,
    file TEXT NOT NULL UNIQUE,
    input TEXT
);
CREATE INDEX live ON items (deleted, key, kind, model, star, created);
CREATE INDEX items_run ON items (run) WHERE run IS NOT NULL;
CREATE INDEX items_parent ON items (parent) WHERE parent IS NOT NULL;
CREATE INDEX items_parent_run ON items (parent_run) WHERE parent_run IS NOT NULL;
CREATE INDEX items_request ON items (request);
CREATE INDEX items_input ON items (input) WHERE input IS NOT NULL;
CREATE TABLE thumbnails (item INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE, png BLOB NOT NULL);
CREATE TABLE tags (
    item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
    tag TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (item, tag)
) WITHOUT ROWID;
CREATE INDEX tags_tag ON tags (tag);
CREATE TABLE strays (file TEXT PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (title, body, tags, tokenize = 'unicode61 remove_diacritics 2');
"""

# What the machine may do to a database; every other error of SQLite is a bug of ours.
_KNOWN = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "it may not be written to; check its permissions",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check its permissions",
    sqlite3.SQLITE_IOERR: "the disk failed; check the disk",
    sqlite3.SQLITE_BUSY: "another program holds it; close that and try again",
    sqlite3.SQLITE_LOCKED: "another program holds it; close that and try again",
    sqlite3.SQLITE_PERM: "access was denied; check its permissions",
    sqlite3.SQLITE_CORRUPT: "it is damaged; start Prime Studio again to rebuild it",
    sqlite3.SQLITE_NOTADB: "it is damaged; start Prime Studio again to rebuild it",
}


class Damaged(StudioError):
    """The file is no whole database."""


@contextmanager
def known_errors(path: Path) -> Iterator[None]:
    """Turn what the machine or the user did to the database into StudioError."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code not in _KNOWN:
            raise
        kind = Damaged if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else StudioError
        raise kind(f"The library {path} cannot be used: {_KNOWN[code]}.") from error


class Database:
    """Connections to one SQLite file, one a thread; writes wait for each other, reads for nobody (WAL).

    StudioError for what the machine does, and for a file of a newer version; `Damaged` for one that is not whole.
    """

    def __init__(self, path: Path):
        self.path = path
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._writing = threading.RLock()
        self._using = threading.Condition()
        self._users = 0
        self.closed = False
        with known_errors(path):
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise

    def _prepare(self) -> None:
        db = self._connection()
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StudioError(
                f"The library {self.path} was made by a newer version of Prime Studio: update Prime Studio to use it."
            )
        db.execute("PRAGMA journal_mode = WAL")
        if version < VERSION:
            if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise Damaged(f"The library {self.path} cannot be used: it is no library.")
            with self.write() as db:
                for statement in _SCHEMA.split(";\n"):
                    if statement.strip():
                        db.execute(statement)
                db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("SELECT max(key) FROM items").fetchone()

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, which is not closed meanwhile."""
        with self._using:
            if self.closed:
                raise StudioError("The library is closed: start Prime Studio again.")
            self._users += 1
        try:
            yield self._connection()
        finally:
            with self._using:
                self._users -= 1
                self._using.notify_all()

    def _connection(self) -> sqlite3.Connection:
        db = getattr(self._local, "db", None)
        if db is None:
            # Closed by the thread that closes the library, so not bound to the one that opens it here.
            db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            with self._using:
                self._all.append(db)
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA cache_size = -16000")
            self._local.db = db
        return db

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent state of the whole database."""
        with known_errors(self.path), self._use() as db:
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing."""
        with known_errors(self.path), self._use() as db, self._writing:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk rolls back by itself
                    db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Wait for what is going on, then close every connection; the write-ahead log goes into the file."""
        with self._using:
            self.closed = True
            # Closing under a query that runs in another thread would end in a crash.
            self._using.wait_for(lambda: not self._users, timeout=2 * BUSY_SECONDS)
            for db in self._all:
                with suppress(sqlite3.Error):
                    db.close()
            self._all.clear()
            self._local = threading.local()


def set_aside(path: Path) -> Path:
    """Rename a damaged database and its log, so that a new one can take its place; nothing is deleted."""
    aside = path.with_name(f"{path.stem}-damaged-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside
