"""Undo for arrays: an edit remembers the tiles it touches, a command keeps only what changed in them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakMethod

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QObject, QRect
from PySide6.QtGui import QUndoCommand

from studio.media.images import put
from studio.ui.undo import UndoStack

TILE = 128
"""Side of a tile in pixels: small enough that a dab copies little, large enough that a picture has few."""

UNDO_BYTES = 256 << 20

Layers = dict[str, NDArray | None]


def slices(rect: QRect) -> tuple[slice, slice]:
    """The rows and columns of a rectangle."""
    return slice(rect.y(), rect.y() + rect.height()), slice(rect.x(), rect.x() + rect.width())


def union(rects: list[QRect]) -> QRect:
    whole = QRect()
    for rect in rects:
        whole = whole.united(rect)
    return whole


def bounds_of(array: NDArray) -> QRect:
    """The smallest rectangle that holds everything but zero, (H, W); empty if all is zero."""
    rows = np.flatnonzero(array.any(axis=1))
    if not rows.size:
        return QRect()
    columns = np.flatnonzero(array[rows[0] : rows[-1] + 1].any(axis=0))
    return QRect(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)


@dataclass(frozen=True)
class Patch:
    """What changed in a tile: before XOR after, so that the same patch undoes and redoes. `change` is 1 × 1
    if it is the same for the whole tile."""

    layer: str
    rect: QRect
    change: NDArray

    def apply(self, layers: Layers) -> None:
        array = layers[self.layer]
        assert array is not None
        array[slices(self.rect)] ^= self.change


class Edit:
    """One action on the layers under way: touch a rectangle, write into what it returns, then commit or roll back."""

    def __init__(self, layers: Layers, text: str, place: object = None):
        self.text, self.place = text, place
        self.open = True
        self.touched: set[str] = set()
        self.shown: set[str] = set()
        """Layers whose changes have been announced as they were made."""
        self._layers = layers
        self._before: dict[tuple[str, int, int], NDArray] = {}

    def touch(self, layer: str, rect: QRect) -> NDArray:
        """The part of a layer inside `rect`, to be written to; what was there is kept for undo."""
        if not self.open:
            raise RuntimeError("this edit is over")
        array = self._layers[layer]
        assert array is not None
        self.touched.add(layer)
        for row in range(rect.top() // TILE, rect.bottom() // TILE + 1):
            for column in range(rect.left() // TILE, rect.right() // TILE + 1):
                if (layer, row, column) not in self._before:
                    tile = array[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
                    self._before[layer, row, column] = tile.copy()
        return array[slices(rect)]

    def put(self, layer: str, rect: QRect, covered: NDArray[np.bool_], value: ArrayLike) -> None:
        """Put a value, or one for each pixel, on the covered pixels, bool (h, w), of a rectangle of a layer, if there
        is such a layer."""
        array = self._layers[layer]
        if array is None or (self.open and not np.any(value) and not array[slices(rect)].any()):
            return  # blank stays blank, and needs neither memory nor undo
        view = self.touch(layer, rect)
        if view.ndim == 2:
            np.copyto(view, value, where=covered)
        else:
            put(view, value, covered)

    def close(self) -> list[Patch]:
        """End the edit: what it changed."""
        self.open = False
        patches = []
        for (layer, row, column), before in self._before.items():
            rect = QRect(column * TILE, row * TILE, before.shape[1], before.shape[0])
            array = self._layers[layer]
            assert array is not None
            change = before ^ array[slices(rect)]
            if change.any():
                first = change[:1, :1].copy()
                even = (change[-1, -1] == first[0, 0]).all() and (change == first).all()
                patches.append(Patch(layer, rect, first if even else change))
        self._before.clear()
        return patches

    def roll_back(self) -> list[Patch]:
        """End the edit and take it back: what it had changed."""
        patches = self.close()
        for patch in patches:
            patch.apply(self._layers)
        return patches


class Command(QUndoCommand):
    """One action that can be undone. `size` is what it keeps, in bytes; `drop` gives that up for good.

    It does not hold the document whose method it calls, and which holds the stack.
    """

    size = 0

    def __init__(self, text: str):
        super().__init__(text)
        self._done = True  # push() calls redo() at once, but what it does has been done

    def redo(self) -> None:
        if self._done:
            self._done = False
        else:
            self.apply(True)

    def undo(self) -> None:
        self.apply(False)

    def apply(self, forward: bool) -> None:
        raise NotImplementedError

    def drop(self) -> None:
        self.size = 0
        self.setObsolete(True)


class PatchCommand(Command):
    """Changes of pixels between one place and another; `apply_patches` carries them out and comes to a place."""

    def __init__(
        self,
        text: str,
        patches: list[Patch],
        places: tuple[object, object],
        apply_patches: Callable[[list[Patch], object], None],
    ):
        super().__init__(text)
        self.patches, self.places = patches, places
        self.size = sum(patch.change.nbytes for patch in patches)
        self._apply = WeakMethod(apply_patches)

    def apply(self, forward: bool) -> None:
        if apply_patches := self._apply():
            apply_patches(self.patches, self.places[forward])

    def drop(self) -> None:
        super().drop()
        self.patches = []


class SwapCommand(Command):
    """Values replaced as wholes; `swap` takes {name: value}."""

    def __init__(self, text: str, before: dict[str, Any], after: dict[str, Any], swap: Callable[[dict], None]):
        super().__init__(text)
        self.before, self.after = before, after
        # Layers that stay blank take no memory: the system gives none to zeros that are never written.
        self.size = sum(side[name].nbytes for side in (before, after) for name in ("stored", "mask") if name in side)
        self._swap = WeakMethod(swap)

    def apply(self, forward: bool) -> None:
        if swap := self._swap():
            swap(self.after if forward else self.before)

    def drop(self) -> None:
        super().drop()
        self.before, self.after = {}, {}


class BoundedUndo(UndoStack):
    """An undo stack that forgets its oldest actions once all together keep more than `limit` bytes."""

    def __init__(self, parent: QObject | None = None, limit: int = UNDO_BYTES):
        super().__init__(parent)
        self.limit = limit
        self._sweeping = False
        self.indexChanged.connect(self._sweep)

    def add(self, command: Command) -> None:
        """Push what was just done."""
        self.push(command)
        kept = [self.command(index) for index in range(self.count() - 1)]
        total = command.size + sum(old.size for old in kept if isinstance(old, Command))
        for old in kept:
            if total <= self.limit:
                break
            if isinstance(old, Command):
                total -= old.size
                old.drop()

    def _sweep(self) -> None:
        """Once only forgotten actions are left below, take them away: Qt deletes an obsolete one when undone."""
        if self._sweeping:
            return
        self._sweeping = True
        try:
            while self.index() > 0 and self.command(self.index() - 1).isObsolete():
                self.undo()
        finally:
            self._sweeping = False
