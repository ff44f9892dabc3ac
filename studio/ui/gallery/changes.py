"""What is done to items of the library, each with its way back."""

import asyncio
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoCommand

from studio.library import Item, Library
from studio.ui.gallery.model import PLACE
from studio.ui.tasks import spawn
from studio.ui.undo import UndoStack

Work = Callable[[Library], None]


class Changes:
    """Every change is a step of `stack` once it is done; the library, which may wait for its disk, gets them one after
    the other."""

    def __init__(self, library: Library, parent: QObject):
        self.stack = UndoStack(parent)
        self._library = library
        self._turn = asyncio.Lock()

    async def delete(self, keys: Sequence[int]) -> None:
        """Put items among the deleted."""
        await self._take("delete", lambda library: library.delete(keys), lambda library: library.restore(keys))

    async def restore(self, keys: Sequence[int]) -> None:
        """Bring items back from among the deleted."""
        await self._take("restore", lambda library: library.restore(keys), lambda library: library.delete(keys))

    async def star(self, items: Sequence[Item]) -> None:
        """Star them all, or take the stars away if all have one."""
        on = not all(item.star for item in items)
        keys = [item.key for item in items if item.star != on]
        await self._take("star", lambda library: library.star(keys, on), lambda library: library.star(keys, not on))

    async def rename(self, key: int, title: str) -> None:
        before: list[str] = []

        def there(library: Library) -> None:
            before[:] = [item.title for item in library.items([key])]
            library.rename(key, title)

        await self._take("rename", there, lambda library: library.rename(key, "".join(before)))

    async def retag(self, keys: Sequence[int], added: Sequence[str], gone: Sequence[str]) -> None:
        """Add tags and take some away. What they have is asked of the library: who shows it may be a change behind."""
        before: dict[int, tuple[str, ...]] = {}

        def there(library: Library) -> None:
            before.update((item.key, item.tags) for item in library.items(keys))
            library.set_all_tags(
                {key: [*(tag for tag in tags if tag not in gone), *added] for key, tags in before.items()}
            )

        await self._take("tags", there, lambda library: library.set_all_tags(before))

    async def purge(self, keys: Sequence[int]) -> None:
        """Delete items for good. What was done before has no way back then: it may be of what is gone."""
        self.stack.clear()
        await self._do(lambda library: library.purge(keys))

    async def _take(self, text: str, there: Work, back: Work) -> None:
        await self._do(there)
        self.stack.push(_Step(text, lambda: self._begin(there), lambda: self._begin(back)))

    def _begin(self, work: Work) -> None:
        spawn(self._do(work), PLACE)

    async def _do(self, work: Work) -> None:
        async with self._turn:
            await asyncio.to_thread(work, self._library)


class _Step(QUndoCommand):
    """A change that has been made already."""

    def __init__(self, text: str, there: Callable[[], None], back: Callable[[], None]):
        super().__init__(text)
        self._there, self._back, self._done = there, back, True

    def redo(self) -> None:
        if not self._done:
            self._there()
        self._done = False

    def undo(self) -> None:
        self._back()
