"""Pictures in files of many kinds, one after the other, never all at once."""

import gzip
import math
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from studio.datasets.batches import MAX_BYTES, read_batch
from studio.datasets.parquet import parquet_values
from studio.errors import StudioError
from studio.media.images import SUFFIXES, Picture, load_picture

Item = tuple[str, Callable[[], NDArray[np.uint8]]]
"""(name, a function that reads the picture, uint8 (H, W, 3), or raises StudioError)."""

FITS = {
    "crop": "the middle of the model's shape is cut out, then reduced or enlarged",
    "pad": "the whole picture is reduced or enlarged, with white around it",
}
MAX_PICTURE_BYTES = 1 << 26
"""Of one picture in an archive. A few are in memory at a time, and a megabyte can unpack to a thousand."""
_KINDS = "a folder or zip of pictures, an .npz, IDX files, CIFAR python batches or Parquet"


def pictures(path: Path, column: str = "") -> Iterator[Item]:
    """Every picture of a folder or zip of pictures, an .npz, IDX files (MNIST and the like), CIFAR batches or Parquet.

    column: of Parquet. Folders are walked in the order of their names. StudioError for what cannot be read at all;
    a single bad picture fails only when it is read.
    """
    check_source(path)
    if path.is_dir():
        return _folder(path, column)
    name = path.name.lower()
    if name.endswith(".zip"):
        return _zip(path)
    if name.endswith(".npz"):
        return _npz(path)
    if name.endswith(".parquet"):
        return _parquet([path], column)
    if name.endswith((".tar.gz", ".tgz")):
        return _cifar_archive(path)
    if _is_idx(path):
        return _idx(path)
    if name.startswith(("data_batch", "test_batch")) or name in ("train", "test"):
        return _cifar([path])
    if name.endswith(SUFFIXES):
        return iter([(path.name, lambda: load_picture(path).rgb)])
    raise StudioError(f"{path.name} is none of the kinds of data that are known: use {_KINDS}.")


def check_source(path: Path) -> None:
    """StudioError where there are no data to be read: reading a pipe or a device would wait for ever, or never end."""
    if not path.exists():
        raise StudioError(f"There is no data at {path}: check the path.")
    if not path.is_file() and not path.is_dir():
        raise StudioError(f"{path} is neither a file nor a folder: name one of these.")


def fit(picture: NDArray[np.uint8], height: int, width: int, how: str = "crop") -> NDArray[np.uint8]:
    """A picture as the model takes it, uint8 (height, width, 3). how: one of FITS. Small ones are enlarged crisply."""
    if picture.shape[:2] == (height, width):
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    small = image.width <= width and image.height <= height
    method = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    if how == "pad":
        return np.asarray(ImageOps.pad(image, (width, height), method, color=(255, 255, 255)))
    return np.asarray(ImageOps.fit(image, (width, height), method))


def walk(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """The files below a folder with one of the suffixes, by name; only one folder's names are held at a time.

    Pipes and devices are passed over: reading one would wait for ever, or never end.
    """
    try:
        entries = sorted(os.listdir(folder))
    except OSError as error:
        raise StudioError(f"Cannot read the folder {folder}: {error.strerror}. Check its permissions.") from error
    for name in entries:
        if name.startswith("."):
            continue
        path = folder / name
        try:
            mode = path.stat().st_mode
        except OSError:
            mode = stat.S_IFREG  # a link to nothing, or what must not be looked at: reading it says so
        if stat.S_ISDIR(mode) and not path.is_symlink():
            yield from walk(path, suffixes)
        elif stat.S_ISREG(mode) and name.lower().endswith(suffixes):
            yield path


def _folder(path: Path, column: str) -> Iterator[Item]:
    """What is in the top of the folder says of which kind it is."""
    names = sorted(os.listdir(path))
    batches = [n for n in names if (n.startswith("data_batch_") or n == "train") and (path / n).is_file()]
    if batches:  # the test batch stays out: it is for held-out data
        return _cifar([path / name for name in batches])
    idx = [n for n in names if "idx3" in n and not n.startswith(".") and (path / n).is_file()]
    if idx:
        train = [n for n in idx if n.startswith("train")] or idx
        return (item for name in train for item in _idx(path / name))
    shards = [path / n for n in names if n.endswith(".parquet") and (path / n).is_file()]
    if shards:
        return _parquet(shards, column)
    return ((str(file.relative_to(path)), _reader(file)) for file in walk(path, SUFFIXES))


def _reader(path: Path) -> Callable[[], NDArray[np.uint8]]:
    return lambda: load_picture(path).rgb


def _given(picture: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
    return lambda: picture


def _decoder(name: str, data: bytes) -> Callable[[], NDArray[np.uint8]]:
    return lambda: load_picture(name, data).rgb


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """StudioError in place of what the readers of archives raise for damaged ones."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, tarfile.TarError, gzip.BadGzipFile, EOFError, struct.error) as error:
        raise StudioError(f"{path.name} is no readable archive: {str(error) or 'it is cut short'}.") from error
    except (RuntimeError, NotImplementedError) as error:  # a password, or a compression that is not known
        raise StudioError(f"{path.name} cannot be unpacked: {error}.") from error
    except (ValueError, OSError) as error:
        raise StudioError(f"{path.name} cannot be read: {error}.") from error


def _zip(path: Path) -> Iterator[Item]:
    with _damage(path), zipfile.ZipFile(path) as archive:
        for member in sorted(archive.infolist(), key=lambda member: member.filename):
            name, size = member.filename, member.file_size
            if not name.lower().endswith(SUFFIXES) or "__MACOSX/" in name:
                continue
            if size > MAX_PICTURE_BYTES:
                yield name, _failing(_too_large(name, size, MAX_PICTURE_BYTES))
                continue
            try:
                with archive.open(member) as file:
                    data = file.read(size + 1)  # no more than that is unpacked, whatever comes
            except (zipfile.BadZipFile, zlib.error) as error:
                yield name, _failing(f"{name} is damaged in its archive: {error}.")
            else:
                yield name, _decoder(name, data)


def _too_large(name: str, size: int, most: int) -> str:
    return f"{name} has {size:,} bytes unpacked, more than the {most:,} that are read: reduce it first."


def _failing(message: str) -> Callable[[], NDArray[np.uint8]]:
    def fail() -> NDArray[np.uint8]:
        raise StudioError(message)

    return fail


def _npz(path: Path) -> Iterator[Item]:
    """The array of pictures, row by row out of the archive: (N, H, W), (N, H, W, 1, 3 or 4) or (N, 3, H, W), uint8."""
    with _damage(path), zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist(), key=lambda name: (name != "images.npy", name)):
            with archive.open(name) as file:
                shape, kind = _npy_header(file)
                if kind == np.uint8 and _is_pictures(shape):
                    yield from _rows(file, shape, name.removesuffix(".npy"))
                    return
    raise StudioError(
        f"{path.name} holds no pictures: it needs an array 'images' of type uint8 and shape (N, H, W, 3) or (N, H, W)."
    )


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], Any]:
    if np.lib.format.read_magic(file) != (1, 0):
        return (), None  # what describes itself in more than 64 KB is a table, not pictures
    shape, fortran, kind = np.lib.format.read_array_header_1_0(file)
    return (() if fortran else shape), kind


def _is_pictures(shape: tuple[int, ...]) -> bool:
    kinds = len(shape) == 3 or (len(shape) == 4 and (shape[3] in (1, 3, 4) or shape[1] == 3))
    return kinds and 0 not in shape[1:]  # of empty ones a file of no size holds any number


def _rows(file: IO[bytes], shape: tuple[int, ...], name: str) -> Iterator[Item]:
    size = math.prod(shape[1:])
    if size > MAX_PICTURE_BYTES:
        raise StudioError(_too_large(f"A picture of {name}", size, MAX_PICTURE_BYTES))
    for index in range(shape[0]):
        data = file.read(size)
        if len(data) < size:
            raise EOFError
        yield f"{name} {index}", _given(_rgb(np.frombuffer(data, np.uint8).reshape(shape[1:])))


def _rgb(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey, channels first or with alpha (on white): uint8 (H, W, 3)."""
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.shape[2] not in (1, 3, 4):
        picture = picture.transpose(1, 2, 0)
    if picture.shape[2] == 1:
        return np.repeat(picture, 3, axis=2)
    if picture.shape[2] == 4:
        return Picture(picture[..., :3], picture[..., 3]).rgb
    return picture


def _open_idx(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _is_idx(path: Path) -> bool:
    try:
        with _open_idx(path) as file:
            return file.read(4) in (b"\0\0\x08\x03", b"\0\0\x08\x04")
    except (OSError, EOFError, zlib.error):
        return False


def _idx(path: Path) -> Iterator[Item]:
    """IDX: two zero bytes, 8 for unsigned bytes, the number of dimensions, each of them big-endian, the data."""
    with _damage(path), _open_idx(path) as file:
        magic = file.read(4)
        if magic not in (b"\0\0\x08\x03", b"\0\0\x08\x04"):
            raise StudioError(f"{path.name} holds no pictures in the IDX format.")
        shape = struct.unpack(f">{magic[3]}I", file.read(4 * magic[3]))
        if not _is_pictures(shape):
            raise StudioError(f"{path.name} holds no pictures: its shape is {shape}, not (N, H, W) or (N, H, W, 3).")
        yield from _rows(file, shape, path.name.split(".")[0])


def _cifar(paths: list[Path]) -> Iterator[Item]:
    for path in paths:
        with _damage(path):
            size = path.stat().st_size
        if size > MAX_BYTES:
            yield path.name, _failing(_too_large(path.name, size, MAX_BYTES))
            continue
        with _damage(path):
            batch = read_batch(path.read_bytes(), path.name)
        for index, picture in enumerate(batch):
            yield f"{path.name} {index}", _given(picture)


def _cifar_archive(path: Path) -> Iterator[Item]:
    """The .tar.gz as it is downloaded; nothing is unpacked to disk."""
    found = False
    with _damage(path), tarfile.open(path, "r|gz") as archive:
        for member in archive:
            name = Path(member.name).name
            if member.isfile() and (name.startswith("data_batch_") or name == "train"):
                found = True
                if member.size > MAX_BYTES:
                    yield name, _failing(_too_large(name, member.size, MAX_BYTES))
                    continue
                file = archive.extractfile(member)
                batch = read_batch(b"" if file is None else file.read(), name)
                for index, picture in enumerate(batch):
                    yield f"{name} {index}", _given(picture)
    if not found:
        raise StudioError(f"{path.name} holds no CIFAR python batches; unpack it and give the folder of pictures.")


def _parquet(paths: list[Path], column: str) -> Iterator[Item]:
    for path in paths:
        for index, value in enumerate(parquet_values(path, column, "pictures")):
            name = f"{path.stem} {index}"
            yield name, _decoder(name, value) if isinstance(value, bytes) else _failing(f"{name} holds no picture.")
