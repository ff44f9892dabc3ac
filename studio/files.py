"""Files that are written whole or not at all."""

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from studio.errors import StudioError

_DEVICE = r"(?i:con|prn|aux|nul|com\d|lpt\d)"  # of Windows, with any suffix
_PLAIN_NAME = re.compile(rf"(?!{_DEVICE}(?:\.|$))[A-Za-z0-9][A-Za-z0-9._-]{{0,127}}(?<!\.)")

# It can only be read by setting it, and two threads at that would leave the wrong one.
_UMASK = os.umask(0o077)
os.umask(_UMASK)


@contextmanager
def atomic_path(path: str | Path, *, new: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it replaces `path`, on failure it vanishes.

    new: what is there by then is not replaced: FileExistsError.
    The suffix is kept, because writers such as Pillow choose the format by it; so are the permissions of a file that
    is replaced, and a link goes on leading to what it led to.
    Raises StudioError when the folder is missing, not writable or full, and when `path` is no file that can be written.
    """
    target, mode = _target(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not the whole of a long name, which with more to it would be too long.
        descriptor, name = tempfile.mkstemp(prefix=f".{target.stem[:40]}.", suffix=target.suffix, dir=target.parent)
        os.close(descriptor)
    except OSError as error:
        raise cannot_write(target, error.strerror) from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(mode)
        if new:
            _take_name(temporary, target)
        else:
            os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        if new and isinstance(error, FileExistsError):
            raise
        raise StudioError(
            f"Cannot write {target}: {error.strerror or error}. Free some space or choose another place."
        ) from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _take_name(temporary: Path, target: Path) -> None:
    """Give a file a name that nothing has; of two processes at once only one can. FileExistsError."""
    try:
        os.link(temporary, target)  # to rename it would replace what is there
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.replace(temporary, target)


def write_atomic(path: str | Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` whole or not at all. Raises StudioError as `atomic_path` does."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def check_writable(path: str | Path) -> None:
    """StudioError where `path` cannot be written as a file, before time is spent on what it shall hold."""
    target, _ = _target(path)
    folder = next((parent for parent in target.parents if os.path.exists(parent)), None)
    if folder is None:
        raise cannot_write(target, f"there is no {target.anchor}")
    if not os.path.isdir(folder):
        raise cannot_write(target, f"{folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise cannot_write(target, os.strerror(errno.EACCES))
    for name in target.relative_to(folder).parts:
        try:
            os.lstat(folder / name)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:  # it is too long, or has what no name can have
            why = getattr(error, "strerror", None) or error
            raise StudioError(f"Cannot write {target}: {why}. Choose another name.") from error


def cannot_write(target: Path, why: str | None) -> StudioError:
    """What to raise where nothing can be written at a place."""
    return StudioError(f"Cannot write {target}: {why}. Choose another place to save to.")


def _target(path: str | Path) -> tuple[Path, int]:
    """The file to write and the permissions it shall have. To replace a device, even where that can be done, or a file
    that was made read-only, is not what anybody means."""
    target = Path(os.path.realpath(path) if os.path.islink(path) else os.path.abspath(path))
    if os.path.isdir(target):
        raise StudioError(f"{path} is a folder: choose another name.")
    try:
        found = target.stat().st_mode
    except (OSError, ValueError):  # it is not there, or no such thing can be: that is found out by writing
        return target, 0o666 & ~_UMASK
    if not stat.S_ISREG(found):
        raise StudioError(f"{path} is no file: choose another name.")
    if not os.access(target, os.W_OK):
        raise cannot_write(target, "the file there is read-only")
    return target, stat.S_IMODE(found)


def is_plain_name(name: str) -> bool:
    """Whether `name` can only be a visible file in the folder itself: no separator, no "..", no device."""
    return _PLAIN_NAME.fullmatch(name) is not None


def file_name(title: str) -> str:
    """The title without what the name of a file cannot have; it may be empty."""
    return "".join(letter if letter.isalnum() or letter in " -_,.()" else "-" for letter in title).strip(" .")


def is_utf8(text: str) -> bool:
    """Whether a text, such as a path, is one that can be written down."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
