"""The picture on the canvas with its mask, its working frame and its pins; no widgets."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QRect, Signal

from studio.media.frames import WorkingFrame, frame_around, parse_planes
from studio.media.images import Picture
from studio.ui.image import planes, shapes
from studio.ui.image.edits import BoundedUndo, Edit, Layers, Patch, PatchCommand, SwapCommand, bounds_of, slices, union
from studio.ui.image.inks import Ink, inked


class ImageDocument(QObject):
    """What is open in the image workspace. Everything that changes it can be undone, one action at a time.

    While `editing_state` is set, a paused sample is being touched: the brush marks what is to be masked again
    (`erased`) and the paint tool what is to be known (`painted`), and mask and picture stay as they are.
    """

    picture_changed = Signal(QRect)
    mask_changed = Signal(QRect)
    pins_changed = Signal(QRect)
    state_edits_changed = Signal(QRect)
    frame_changed = Signal()
    """The working frame, the model's grid or its digits."""
    planes_changed = Signal()
    replaced = Signal()
    """Another picture, maybe of another size, is open; everything is to be drawn anew."""
    edit_cancelled = Signal()
    edited = Signal()
    """An action was finished, undone or redone: time to save the session."""
    returned = Signal()
    """Undo or redo has led to another `place`."""
    reopened = Signal(object)
    """Undo or redo has led to another picture: what lay `beside` it when it was opened."""

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self.undo_stack = BoundedUndo(self)
        self.editing_state = False
        self.place: object = None
        """What was made and is on the canvas, of no concern here; undo and redo lead back to it."""
        self._edit: Edit | None = None
        self._frame: WorkingFrame | None = None
        self._grid, self._digits, self._planes = 32, 8, "all"
        self._layers: Layers = {}
        # What was found out of the layers, until they change.
        self._bounds: QRect | None = None
        self._around: tuple[Any, WorkingFrame | None] = ((), None)
        self._touched: tuple[bool, bool] | None = None
        self._picture: Picture | None = None
        self.picture_changed.connect(self._forget_picture)
        for signal in (self.state_edits_changed, self.replaced):
            signal.connect(self._forget_touched)
        self._signals = {"mask": self.mask_changed, "pins": self.pins_changed}
        self._signals |= dict.fromkeys(("stored", "alpha"), self.picture_changed)
        self._signals |= dict.fromkeys(("erased", "painted"), self.state_edits_changed)
        self._install(Picture(np.full((32, 32, 3), 255, dtype=np.uint8)))

    # The picture

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.stored.shape[1], self.stored.shape[0]

    @property
    def bounds(self) -> QRect:
        return QRect(0, 0, *self.size)

    @property
    def stored(self) -> NDArray[np.uint8]:
        """Colours as the file has them, uint8 (H, W, 3). Live: not to be written to, not to be kept."""
        return self._layer("stored")

    @property
    def alpha(self) -> NDArray[np.uint8] | None:
        """Opacity, uint8 (H, W), or None where all is opaque. Live."""
        return self._layers["alpha"]

    @property
    def picture(self) -> Picture:
        """The picture in read-only arrays, the same ones until it changes; they may go to another thread."""
        if self._picture is None:
            self._picture = Picture(self.stored.copy(), None if self.alpha is None else self.alpha.copy()).read_only()
        return self._picture

    def _forget_picture(self) -> None:
        self._picture = None

    def set_picture(
        self,
        picture: Picture,
        mask: NDArray[np.uint16] | None = None,
        frame: WorkingFrame | None = None,
        place: object = None,
        beside: tuple[object, object] = (None, None),
        text: str = "Open picture",
    ) -> None:
        """Put another picture in place, with this mask, as `mask_bits`, and frame or with none, as one action.

        picture: its arrays become read-only, and `picture` until that changes.
        beside: what goes with the picture before and with this one, of no concern here; undo and redo tell it."""
        self.cancel_edit()
        before = dict(self._layers, frame=self._frame, place=self.place, beside=beside[0])
        self._install(picture)
        if mask is not None:
            self._layers["mask"] = mask.copy()
        self._frame = None if frame is None else self.clamped(frame)
        self.place = place
        after = dict(self._layers, frame=self._frame, place=place, beside=beside[1])
        self.undo_stack.add(SwapCommand(text, before, after, self._swap))
        self.replaced.emit()
        self.frame_changed.emit()
        self.edited.emit()

    def load(self, picture: Picture) -> None:
        """Begin anew with this picture: no mask, nothing to undo."""
        self.set_picture(picture)
        self.undo_stack.clear()

    def accept(self, made: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> None:
        """Take a result, uint8 (H, W, 3), as the new original where it was filled: in `mask` (this mask)."""
        mask = self.mask if mask is None else mask
        with self.action("Use result") as edit:
            if mask.any():
                rect = bounds_of(mask)
                here = slices(rect)
                edit.put("stored", rect, mask[here], made[here])
                edit.put("alpha", rect, mask[here], 255)
            self.clear(edit, "pins", "erased", "painted")
            self.place = None

    def come_to(self, place: object, text: str, *outdated: str) -> None:
        """Something else is on the canvas from now on, and these layers belonged to what was there: one action."""
        if any(self._layer(name).any() for name in outdated):
            self.cancel_edit()
        edit = Edit(self._layers, text, self.place)
        self.clear(edit, *outdated)
        self.place = place
        self._finish(edit)

    # Mask, pins and edits of a paused sample

    @property
    def mask_bits(self) -> NDArray[np.uint16]:
        """The digits to fill, uint16 (H, W): 0 none, ALL every one, else bit j for place j. Live."""
        return self._layer("mask")

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The pixels to fill, bool (H, W): a copy."""
        return self.mask_bits != 0

    def plane_bits(self) -> NDArray[np.uint16] | None:
        """`mask_bits` for `studio.generation.picture_request`: a copy within the model's digits; None if every masked
        pixel is to be filled in all of them."""
        here, whole = slices(self.mask_bounds()), (1 << self._digits) - 1
        bits = planes.within(self.mask_bits[here], self._digits)
        if ((bits == 0) | (bits == whole)).all():
            return None
        result = np.zeros(self.mask_bits.shape, dtype=np.uint16)
        result[here] = bits
        return result

    @property
    def pins(self) -> NDArray[np.bool_]:
        """The pixels to keep as they have been made, bool (H, W). Live."""
        return self._layer("pins")

    @property
    def erased(self) -> NDArray[np.uint16]:
        """The digits of a paused sample to mask again, as `mask_bits`. Live."""
        return self._layer("erased")

    @property
    def painted(self) -> NDArray[np.uint8]:
        """Colours painted into a paused sample, uint8 (H, W, 4), opaque where painted. Live."""
        return self._layer("painted")

    @property
    def state_edits(self) -> tuple[bool, bool]:
        """Whether anything of a paused sample is erased, and whether anything is painted."""
        if self._touched is None:
            self._touched = bool(self.erased.any()), bool(self.painted.any())
        return self._touched

    def _forget_touched(self) -> None:
        self._touched = None

    def mask_bounds(self) -> QRect:
        """The smallest rectangle that holds the mask; empty without one."""
        if self._bounds is None:
            self._bounds = bounds_of(self.mask_bits)
        return self._bounds

    # The model's grid, digit planes and the working frame

    def set_model(self, grid: int, digits: int) -> None:
        """The model's side in pixels and its digits a token. No action of the user, so nothing to undo."""
        if (grid, digits) != (self._grid, self._digits):
            self._grid, self._digits = grid, digits
            self.frame_changed.emit()

    @property
    def grid(self) -> int:
        return self._grid

    @property
    def digits(self) -> int:
        return self._digits

    @property
    def planes(self) -> str:
        """The digits that strokes mask: "all", "high", "low" or places such as "0,3". A setting of the brush."""
        return self._planes

    def set_planes(self, chosen: str) -> None:
        """StudioError for planes that the model has not."""
        parse_planes(chosen, self._digits)
        self._planes = chosen
        self.planes_changed.emit()

    def stroke_bits(self) -> int:
        """What a stroke writes into the mask."""
        return planes.bits_of(self._planes, self._digits)

    @property
    def frame(self) -> WorkingFrame | None:
        """The frame as chosen; None: the square around the mask."""
        return self._frame

    @property
    def working_frame(self) -> WorkingFrame | None:
        """Where the model works: the chosen frame, which is moved or enlarged if need be to hold the whole mask, or
        the square around the mask; None where there is neither."""
        if self._frame is not None:
            return self.clamped(self._frame)
        bounds = self.mask_bounds()
        key = (bounds.getRect(), self.size, self._grid)
        if self._around[0] != key:
            self._around = (key, None if bounds.isEmpty() else frame_around(self.mask, self._grid))
        return self._around[1]

    def clamped(self, frame: WorkingFrame) -> WorkingFrame:
        """The frame nearest to this one that `parse_frame` allows and that does not leave the picture needlessly."""
        return WorkingFrame(*shapes.placed((frame.x, frame.y, frame.size), self.size, self.mask_bounds(), self._grid))

    def set_frame(self, frame: WorkingFrame | None) -> None:
        """Choose the frame, within the rules, or None for the square around the mask."""
        self.change_frame(self._frame, frame)

    def show_frame(self, frame: WorkingFrame | None) -> None:
        """Choose it for the moment, while it is dragged; `change_frame` makes the whole drag one action."""
        self._frame = None if frame is None else self.clamped(frame)
        self.frame_changed.emit()

    def change_frame(self, before: WorkingFrame | None, after: WorkingFrame | None) -> None:
        """Choose a frame as one action that leads back to `before`."""
        self.cancel_edit()
        after = None if after is None else self.clamped(after)
        here = {"place": self.place}
        self._swap({"frame": after} | here)
        if after != before:
            self.undo_stack.add(
                SwapCommand("Move frame", {"frame": before} | here, {"frame": after} | here, self._swap)
            )

    # Actions

    @contextmanager
    def action(self, text: str) -> Iterator[Edit]:
        """All that is done with the edit within is one action; an exception takes it back."""
        edit = self.begin(text)
        try:
            yield edit
        except BaseException:
            if edit.open:
                self.cancel_edit()
            raise
        self.commit(edit)

    def begin(self, text: str) -> Edit:
        """Begin an action that goes on over several events; end it with `commit` or `cancel_edit`."""
        self.cancel_edit()
        self._edit = Edit(self._layers, text, self.place)
        return self._edit

    def commit(self, edit: Edit) -> None:
        """End an action; it can be undone if it changed anything."""
        if edit is self._edit:
            self._edit = None
            self._finish(edit)

    def _finish(self, edit: Edit) -> None:
        patches = edit.close()
        some = bool(patches) or edit.place != self.place
        if some:
            self.undo_stack.add(PatchCommand(edit.text, patches, (edit.place, self.place), self._apply))
        masked = any(patch.layer == "mask" for patch in patches)
        self._announce([patch for patch in patches if patch.layer not in edit.shown], masked)
        if some:
            self.edited.emit()

    def cancel_edit(self) -> None:
        """Take back the action under way, if any."""
        if self._edit is not None:
            edit, self._edit = self._edit, None
            self._announce(edit.roll_back(), True)
            self.edit_cancelled.emit()

    def stroke(
        self, edit: Edit, start: shapes.Point, end: shapes.Point, size: int, ink: Ink, color: Sequence[int] = (0, 0, 0)
    ) -> None:
        """Draw from one point to another with a round brush of `size` pixels."""
        rect, covered = shapes.stroke(start, end, size, self.bounds)
        self.paint(edit, rect, covered, ink, color)

    def paint(
        self, edit: Edit, rect: QRect, covered: NDArray[np.bool_], ink: Ink, color: Sequence[int] = (0, 0, 0)
    ) -> None:
        """Put ink on the covered pixels, bool (height, width), of a rectangle within the picture."""
        if rect.isEmpty():
            return
        for layer, value in inked(ink, color, self.stroke_bits(), self.editing_state).items():
            edit.put(layer, rect, covered, value)
        if not self.editing_state and ink in ("mask", "unmask"):
            self._bounds = None
        for signal in dict.fromkeys(self._signals[layer] for layer in edit.touched):
            signal.emit(rect)
        edit.shown |= edit.touched

    def clear(self, edit: Edit, *layers: str) -> None:
        """Make layers blank."""
        for layer in layers:
            array = self._layer(layer)
            rect = bounds_of(array if array.ndim == 2 else array[..., 3])
            if not rect.isEmpty():
                edit.touch(layer, rect)[:] = 0

    # Inside

    def _layer(self, name: str) -> NDArray:
        layer = self._layers[name]
        assert layer is not None
        return layer

    def _install(self, picture: Picture) -> None:
        """Make the picture's layers new, the others blank. Blank memory costs nothing until it is written to."""
        self._picture = picture.read_only()
        shape = picture.stored.shape[:2]
        self._layers.update(
            stored=picture.stored.copy(),
            alpha=None if picture.alpha is None else picture.alpha.copy(),
            mask=np.zeros(shape, dtype=np.uint16),
            pins=np.zeros(shape, dtype=bool),
            erased=np.zeros(shape, dtype=np.uint16),
            painted=np.zeros((*shape, 4), dtype=np.uint8),
        )
        self._bounds = None

    def _apply(self, patches: list[Patch], place: object) -> None:
        self.cancel_edit()
        for patch in patches:
            patch.apply(self._layers)
        self._announce(patches, any(patch.layer == "mask" for patch in patches))
        self._return(place)
        self.edited.emit()

    def _swap(self, values: dict) -> None:
        self.cancel_edit()
        self._frame = values["frame"]
        if "stored" in values:
            self._layers.update({name: values[name] for name in self._layers})
            self._bounds = self._picture = None
            self.replaced.emit()
        self.frame_changed.emit()
        self._return(values["place"])
        if values.get("beside") is not None:
            self.reopened.emit(values["beside"])
        self.edited.emit()

    def _return(self, place: object) -> None:
        if place != self.place:
            self.place = place
            self.returned.emit()

    def _announce(self, patches: list[Patch], frame: bool) -> None:
        if frame:
            self._bounds = None
        for signal in dict.fromkeys(self._signals[patch.layer] for patch in patches):
            signal.emit(union([patch.rect for patch in patches if self._signals[patch.layer] is signal]))
        if frame:
            self.frame_changed.emit()
