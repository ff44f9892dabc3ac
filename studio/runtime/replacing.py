"""A model folder takes the place of another, which is removed only after the new one is in place: whenever the program
is killed, one of the two is there afterwards."""

import errno
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_ASIDE = ".replaced-"


def take_place(folder: Path, target: Path) -> None:
    """Move a finished model folder to `target`, in the same file system; what stood there is removed only
    after the new one is in place. OSError where it cannot be moved: then what stood there still does."""
    while True:
        # No name of it is used twice: see `bring_back`.
        aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=target.parent))
        try:
            with suppress(FileNotFoundError):
                target.rename(aside / target.name)
            folder.rename(target)
            return
        except OSError as error:
            # Another process may put its own there in between, which is then replaced in turn.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY) or not folder.exists():
                raise
        finally:
            bring_back(target.parent)


def bring_back(models: Path) -> None:
    """Put what was set aside by a replacement that was cut off back in its place, and delete what was replaced."""
    for aside in models.glob(f"{_ASIDE}*"):
        with suppress(OSError):
            for previous in aside.iterdir():
                # What is seen here was moved away before, so what stands in its place now is the new one.
                if (models / previous.name).exists():
                    shutil.rmtree(previous, ignore_errors=True)
                else:
                    previous.rename(models / previous.name)
            aside.rmdir()  # only if it is empty: its process may be about to set something aside
