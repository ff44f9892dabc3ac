"""The installed models, opened and checked off the main thread."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from studio.errors import StudioError
from studio.runtime.catalog import DEFAULTS, list_bundles

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle


class Models(QObject):
    """What `studio.runtime.catalog` finds, in order; those that are broken with what is wrong with them."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._bundles: dict[str, Bundle] = {}
        self.broken: list[tuple[Path, StudioError]] = []

    def load(self) -> None:
        """Look again, on this thread: a few hundredths of a second for the models that ship."""
        self._take(list_bundles())

    async def reload(self) -> None:
        """Look again, off the main thread."""
        self._take(await asyncio.to_thread(list_bundles))

    def _take(self, found: "list[tuple[Path, Bundle | StudioError]]") -> None:
        self.broken = [(path, what) for path, what in found if isinstance(what, StudioError)]
        now = {what.name: what for _, what in found if not isinstance(what, StudioError)}
        for name, bundle in now.items():
            old = self._bundles.get(name)
            if old is not None and (old.path, old.digest) == (bundle.path, bundle.digest):
                now[name] = old  # whoever holds it holds the one that is listed
        self._bundles = now
        self.changed.emit()

    def get(self, name: str) -> "Bundle | None":
        return self._bundles.get(name)

    def of(self, modality: str) -> "list[Bundle]":
        """The models for "image" or "text", the one that ships first."""
        fitting = [bundle for bundle in self._bundles.values() if bundle.manifest.modality == modality]
        return sorted(fitting, key=lambda bundle: (bundle.name != DEFAULTS.get(modality), bundle.name))

    def default(self, modality: str, preferred: str | None = None) -> "Bundle | None":
        """The preferred model if it is there and for this modality, else the first one; None if there is none."""
        bundle = self._bundles.get(preferred or "")
        if bundle is not None and bundle.manifest.modality == modality:
            return bundle
        return next(iter(self.of(modality)), None)

    def all(self) -> "list[Bundle]":
        return list(self._bundles.values())
