"""From a run to an installed model."""

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from studio.runtime.catalog import import_bundle
from studio.training.client import ask_worker
from studio.training.run_folder import CHECKPOINT, RECIPE, Checkpoint

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle
    from studio.ui.catalog import Models
    from studio.ui.context import Studio


async def make_model(models: "Models", folder: Path, entry: Checkpoint) -> "Bundle":
    """Make a bundle of a run's checkpoint, checked against its network and measured, and install it."""
    bundle = folder.parent / ".export" / folder.name
    try:
        checkpoint = ["--checkpoint", entry.file] if entry.file != CHECKPOINT else []
        await ask_worker(str(folder / RECIPE), "-o", str(folder), "--export", str(bundle), *checkpoint)
        made = await asyncio.to_thread(import_bundle, bundle, True)
        await models.reload()
        return made
    finally:
        await asyncio.to_thread(shutil.rmtree, bundle.parent, True)  # with what a kill left there


def tell_made(studio: "Studio", made: "Bundle", place: str) -> None:
    """Say that the model is there, and offer to go where it is used."""
    modality = made.manifest.modality
    go = f"window.go-{modality}"
    open_it = studio.actions[go].trigger if go in studio.actions else None
    studio.notices.show(
        f"“{made.name}” is installed.",
        "success",
        place,
        action=f"Open in {modality.capitalize()}" if open_it else "",
        on_action=open_it,
    )
