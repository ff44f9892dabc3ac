"""What training keeps on disk, and how its user lets go of it: nothing goes without a question that tells its size."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QWidget

from studio.training import storage
from studio.ui import dialogs
from studio.ui.words import bytes_text


async def delete_run(parent: QWidget, folder: Path) -> bool:
    """Delete a run if its user means it. StudioError while it is at work."""
    size = bytes_text(await asyncio.to_thread(storage.size_of, folder))
    details = (
        f"Its checkpoints, previews, curves and log go, {size}. Your data and the models that were made of it stay."
    )
    if not await dialogs.confirm(
        parent, f"Delete the run “{folder.name}”?", "Delete", "Keep", details=details, danger=True
    ):
        return False
    await asyncio.to_thread(storage.delete_run, folder)
    return True


async def remove_unused(parent: QWidget, datasets: Path, runs: Path, opened: Callable[[], Path | None]) -> str:
    """Remove the datasets that neither a run nor the window needs, if the user means it; what was done, in a sentence.

    opened: gives the dataset that is shown now, or raises StudioError where it is being read.
    """

    def look(opened: Path | None) -> tuple[list[Path], int]:
        folders = [folder for folder in storage.unused_datasets(datasets, runs) if folder != opened]
        return folders, storage.size_of(*folders)

    folders, size = await asyncio.to_thread(look, opened())
    if not folders:
        return "Every copy of data that is kept is needed: by a run, or because it is open."
    copies = "a copy" if len(folders) == 1 else f"{len(folders)} copies"
    details = (
        f"No run learns from {'it' if len(folders) == 1 else 'them'}. What they were made of is not touched; "
        "opened again, it is read anew."
    )
    question = f"Remove {copies} of data, {bytes_text(size)}?"
    if not await dialogs.confirm(parent, question, "Remove", "Keep", details=details, danger=True):
        return ""

    def remove(opened: Path | None) -> int:
        unused, _ = look(opened)  # a run may have begun, or data been opened, since the question
        gone = [folder for folder in folders if folder in unused]
        size = storage.size_of(*gone)
        for folder in gone:
            shutil.rmtree(folder, ignore_errors=True)
        return size

    return f"{bytes_text(await asyncio.to_thread(remove, opened()))} are free again."
