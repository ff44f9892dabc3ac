"""A model comes in whose name another one has: the user says what becomes of the two."""

from typing import Any

from PySide6.QtWidgets import QWidget

from studio.runtime.catalog import AlreadyThere, free_name
from studio.ui import dialogs


async def ask_which(parent: QWidget, error: AlreadyThere) -> dict[str, Any]:
    """Options of an import with which the name is no hindrance, or none where it is left at that."""
    free = free_name(error.name)
    answer = await dialogs.choose(
        parent,
        str(error).partition(";")[0] + ".",
        ("Replace it", "Keep both", "Keep it"),
        details=f"What it made stays in the gallery. Kept beside it, the new one is called {free}.",
        danger=True,
    )
    return {"Replace it": {"replace": True}, "Keep both": {"name": free}}.get(answer, {})
