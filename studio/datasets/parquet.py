"""One column of a Parquet file, a few rows at a time.

pyarrow reads it: the format's own reference reader and one that keeps up with it. It has 50 MB, so it comes with the
training extra and is imported when a Parquet file is opened.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.errors import TO_TRAIN, StudioError

ROWS = 64


def parquet_values(path: Path, column: str, what: str) -> Iterator[Any]:
    """The values of a column: bytes of picture files where `what` is "pictures", str where it is "texts"; None is none.

    column: its name; if empty, the first that can hold such values. Pictures may lie in a column of bytes or, as
    on the Hugging Face hub, of structs with a field `bytes`. StudioError where there is no such column.
    """
    with _opened(path, column, what) as (file, name):
        for batch in file.iter_batches(batch_size=ROWS, columns=[name]):
            for scalar in batch.column(0):
                try:
                    value = scalar.as_py()
                except UnicodeDecodeError:  # a text that is none
                    value = None
                yield value.get("bytes") if isinstance(value, dict) else value


def parquet_columns(path: Path, column: str, what: str) -> tuple[str, list[str]]:
    """(the column that `parquet_values` reads, all that there are). StudioError as there."""
    with _opened(path, column, what) as (file, name):
        return name, list(file.schema_arrow.names)


@contextmanager
def _opened(path: Path, column: str, what: str) -> Iterator[tuple[Any, str]]:
    """The file and the name of the column that is read."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise StudioError(f"Reading Parquet needs the package pyarrow: {TO_TRAIN}.") from error
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            schema = file.schema_arrow
            fits = {field.name: _reader(field.type, what) for field in schema}
            usable = [name for name, read in fits.items() if read]
            preferred = [name for name in ("text", "image", "img") if name in usable]
            name = column or next(iter(preferred or usable), "")
            if name not in usable:
                there = ", ".join(schema.names[:12])
                wanted = f"no column {column!r} of {what}" if column else f"no column of {what}"
                raise StudioError(f"{path.name} has {wanted}: choose one of {there}.")
            yield file, name
    except (pa.ArrowException, OSError) as error:
        raise StudioError(f"{path.name} is no readable Parquet file: {error}".splitlines()[0]) from error


def _reader(kind: Any, what: str) -> bool:
    """Whether a column of this Arrow type can hold pictures, or texts."""
    import pyarrow.types as types

    if what == "texts":
        return types.is_string(kind) or types.is_large_string(kind)
    if types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return types.is_binary(kind) or types.is_large_binary(kind)
