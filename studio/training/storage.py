"""What training keeps on disk: how large it is, and what of it can go. No torch."""

import shutil
import tomllib
from contextlib import suppress
from pathlib import Path

from studio.datasets.store import is_dataset, is_quiet
from studio.errors import StudioError
from studio.training.client import find_runs
from studio.training.run_folder import RECIPE, Lock

DELETED = ".deleted"


def size_of(*folders: Path) -> int:
    """Bytes of all files below; a file with several names, as checkpoints have, counts once."""
    sizes: dict[tuple[int, int], int] = {}
    for folder in folders:
        for file in folder.rglob("*"):
            with suppress(OSError):
                if file.is_file() and not file.is_symlink():
                    status = file.stat()
                    sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def delete_run(folder: Path) -> None:
    """Delete a run with its checkpoints and its copy of the data. StudioError while it is at work, or if it cannot go.

    It leaves its place whole: what is killed half way leaves no half of a run to be found.
    """
    if not folder.exists():
        return  # another window was quicker
    Lock(folder).release()  # or it says that a worker is at work
    deleted = folder.parent / DELETED
    try:
        shutil.rmtree(deleted, ignore_errors=True)
        deleted.mkdir()
        folder.rename(deleted / folder.name)
        shutil.rmtree(deleted)
    except OSError as error:
        raise StudioError(f"Cannot delete {folder}: {error.strerror}. Check its permissions.") from error


def unused_datasets(datasets: Path, runs: Path) -> list[Path]:
    """Datasets made ready that no run uses, and what a reading that was killed left, by name.

    What is being read now, by this window or another, is none of them.
    """
    used = {source for run in find_runs(runs) for source in _data_of(run.folder)}
    if not datasets.is_dir():
        return []
    folders = [path for path in sorted(datasets.iterdir()) if path.is_dir() and path.resolve() not in used]
    return [path for path in folders if (is_quiet(path) if path.name.startswith(".") else is_dataset(path))]


def _data_of(run: Path) -> list[Path]:
    """What a run learns from and is validated on."""
    try:
        data = tomllib.loads((run / RECIPE).read_text(encoding="utf-8"))["data"]
        return [Path(data[part]).resolve() for part in ("train", "valid") if data.get(part)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
