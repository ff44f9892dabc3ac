"""Texts in files of many kinds, piece by piece, never all at once."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from studio.datasets.parquet import parquet_columns, parquet_values
from studio.datasets.pictures import check_source, walk
from studio.errors import StudioError

Item = tuple[str, Callable[[], str]]
"""(name, a function that gives the text or raises StudioError)."""

BLOCK = 4096
"""Characters; plain texts are cut into blocks of about so many, at ends of lines."""
MAX_LINE = 1 << 24
"""Characters of one text in a table. A longer one is not read: a megabyte can unpack to a line of a thousand."""
PLAIN = (".txt", ".md", ".txt.gz", ".md.gz")
TABLES = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".tsv", ".parquet")
LOOK_AT = 20
"""Rows of a table by which its column of words is found."""
_KINDS = "a folder of .txt or .md files, or a .txt, .jsonl, .csv or .parquet file"


def texts(path: Path, column: str = "") -> Iterator[Item]:
    """Every text of a .txt or .md file or a folder of them, of JSONL, CSV or Parquet; all but Parquet may be gzipped.

    column: of a table; if empty, "text" or the first one of text, which in a CSV is one of words, not of numbers, and
    in JSONL that of the first row that has one.
    Plain texts come in blocks of lines, rows of tables each by itself. StudioError for what cannot be read at all; a
    single bad piece fails when it is read.
    """
    check_source(path)
    if path.is_dir():
        return _folder(path, column)
    return _file(path, path.name, column)


def columns(path: Path, column: str = "", what: str = "texts") -> tuple[str, list[str]] | None:
    """(the column of a table that is read, all that there are); None for what is no table, or has no named columns.

    what: "texts" or "pictures", which lie in Parquet only. StudioError where the file cannot be read at all.
    """
    lower = path.name.lower()
    if not path.is_file():
        return None
    if lower.endswith(".parquet"):
        return parquet_columns(path, column, what)
    if lower.endswith((".jsonl", ".jsonl.gz")):
        return _json_head(path, column)
    return _csv_head(path, column) if lower.endswith((".csv", ".csv.gz", ".tsv")) else None


def _file(path: Path, name: str, column: str) -> Iterator[Item]:
    lower = path.name.lower()
    if lower.endswith(".parquet"):
        return _parquet(path, name, column)
    if lower.endswith((".jsonl", ".jsonl.gz")):
        return _jsonl(path, name, column)
    if lower.endswith((".csv", ".csv.gz", ".tsv")):
        return _csv(path, name, column)
    if lower.endswith(PLAIN):
        return _plain(path, name)
    raise StudioError(f"{path.name} is none of the kinds of text that are known: use {_KINDS}.")


def _folder(path: Path, column: str) -> Iterator[Item]:
    for file in walk(path, PLAIN + TABLES):
        name = str(file.relative_to(path))
        try:
            yield from _file(file, name, column)
        except StudioError as error:  # one bad file of many
            yield name, _failing(str(error))


@contextmanager
def _open(path: Path) -> Iterator[io.TextIOBase]:
    """A UTF-8 text file, gzipped or not. StudioError where it cannot be opened."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file  # type: ignore[misc]
    except OSError as error:
        raise StudioError(f"Cannot read {path}: {error.strerror or error}.") from error


def _plain(path: Path, name: str) -> Iterator[Item]:
    """Blocks of whole lines; a line of more than 64 blocks is cut. What is no UTF-8 ends the file with a bad piece."""
    lines: list[str] = []
    size = 0
    try:
        with _open(path) as file:
            while line := file.readline(64 * BLOCK):
                lines.append(line)
                size += len(line)
                if size >= BLOCK:
                    yield name, _given("".join(lines))
                    lines, size = [], 0
    except StudioError as error:
        yield name, _failing(str(error))
        return
    except (UnicodeDecodeError, EOFError, zlib.error) as error:
        why = "save it as UTF-8 first" if isinstance(error, UnicodeDecodeError) else str(error)
        yield name, _failing(f"{name} is not whole UTF-8 text: {why}.")
        return
    if lines:
        yield name, _given("".join(lines))


def _given(text: str) -> Callable[[], str]:
    return lambda: text


def _failing(message: str) -> Callable[[], str]:
    def fail() -> str:
        raise StudioError(message)

    return fail


def _jsonl(path: Path, name: str, column: str) -> Iterator[Item]:
    wanted, there = _json_head(path, column) or (column or "text", [])
    try:
        with _open(path) as file:
            for number, line in enumerate(_lines(file), 1):
                where = f"{name}, line {number},"
                if line is None:
                    yield f"{name} {number}", _failing(f"{where} has more than {MAX_LINE:,} characters: split it.")
                elif line.strip():
                    yield f"{name} {number}", _json_text(where, line, wanted, there, named=bool(column))
    except (UnicodeDecodeError, EOFError, zlib.error) as error:
        yield name, _failing(f"{name} cannot be read to its end: {error}.")


def _lines(file: io.TextIOBase) -> Iterator[str | None]:
    """The lines of a file, None in place of one of more than MAX_LINE characters, which is passed over in pieces."""
    while line := file.readline(MAX_LINE):
        whole = piece = line
        while len(piece) == MAX_LINE and piece[-1] not in "\r\n":
            whole, piece = None, file.readline(MAX_LINE)
        yield whole


def _json_text(where: str, line: str, column: str, there: list[str], *, named: bool) -> Callable[[], str]:
    def read() -> str:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise StudioError(f"{where} is not JSON: {error}.") from error
        if isinstance(row, str) and not named:
            return row
        if not isinstance(row, dict):
            raise StudioError(f"{where} is no JSON object.")
        if not isinstance(row.get(column), str):
            others = "" if column in there or not there else f": choose one of {', '.join(there[:12])}"
            raise StudioError(f"{where} has no text in the column {column!r}{others}.")
        return row[column]

    return read


def _json_head(path: Path, column: str) -> tuple[str, list[str]] | None:
    """(the column asked for, or that of the first row that has one; those of the first rows). One for the whole file:
    rows may have their keys in any order, and some of them none."""
    wanted, names = column, dict[str, None]()
    with _open(path) as file, suppress(UnicodeDecodeError, EOFError, zlib.error):  # reading it will tell
        for number, line in enumerate(_lines(file)):
            if wanted and number >= LOOK_AT:
                break
            try:
                row = json.loads(line or "null")
            except (ValueError, RecursionError):
                continue
            if isinstance(row, str) and not names:
                return None  # a text a line
            if isinstance(row, dict):
                wanted = wanted or _json_column(row)
                names |= dict.fromkeys(islice(row, 100)) if number < LOOK_AT or wanted in row else {}
    return (wanted, list(names)) if names else None


def _json_column(row: dict[str, Any]) -> str:
    return "text" if "text" in row else next((key for key, value in row.items() if isinstance(value, str)), "")


def _csv(path: Path, name: str, column: str) -> Iterator[Item]:
    wanted, _ = _csv_head(path, column)
    try:
        with _open(path) as file:
            rows = _csv_rows(path, file)
            header = next(rows, [])
            if wanted not in header:
                raise StudioError(f"{path.name} has no column {wanted!r}: choose one of {', '.join(header[:12])}.")
            place = header.index(wanted)
            for row in rows:
                where = f"{name} {rows.line_num}"
                yield where, _given(row[place]) if place < len(row) else _failing(f"{where} has too few columns.")
    except (UnicodeDecodeError, EOFError, zlib.error, csv.Error) as error:
        yield name, _failing(f"{name} cannot be read to its end: {error}.")


def _csv_rows(path: Path, file: io.TextIOBase) -> Any:
    """csv's reader, which knows the number of its line."""
    csv.field_size_limit(MAX_LINE)
    return csv.reader(_short_lines(file), delimiter="\t" if path.suffix == ".tsv" else ",")


def _csv_head(path: Path, column: str) -> tuple[str, list[str]]:
    """(the column asked for, or "text", or the first most of whose first values are words; all that there are)."""
    header: list[str] = []
    first: list[list[str]] = []
    with _open(path) as file, suppress(UnicodeDecodeError, EOFError, zlib.error, csv.Error):  # reading it will tell
        rows = _csv_rows(path, file)
        header = next(rows, [])
        first.extend(islice(rows, LOOK_AT))
    if column or "text" in header:
        return column or "text", header
    for place, name in enumerate(header):
        values = [row[place] for row in first if place < len(row) and row[place].strip()]
        if 2 * sum(map(_is_words, values)) > len(values):
            return name, header
    return next(iter(header), ""), header


def _is_words(value: str) -> bool:
    """Whether there are letters in it, and not because it is a number such as 1e5 or nan."""
    try:
        float(value)
    except ValueError:
        return any(character.isalpha() for character in value)
    return False


def _short_lines(file: io.TextIOBase) -> Iterator[str]:
    for line in _lines(file):
        if line is None:
            raise csv.Error(f"a line has more than {MAX_LINE:,} characters, split it")
        yield line


def _parquet(path: Path, name: str, column: str) -> Iterator[Item]:
    for index, value in enumerate(parquet_values(path, column, "texts")):
        where = f"{name} {index}"
        yield where, _given(value) if isinstance(value, str) else _failing(f"{where} holds no text in UTF-8.")
