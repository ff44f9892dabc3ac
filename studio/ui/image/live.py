"""What a run makes, on the canvas while it is made: pixels, and the overlay that is chosen."""

import asyncio
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QImage

from studio.media.frames import WorkingFrame, crop
from studio.media.images import Picture
from studio.prime.subtokens import Subtokens
from studio.ui.image import overlays
from studio.ui.image.digits import DigitPainter
from studio.ui.image.document import ImageDocument
from studio.ui.image.item import Made, PictureItem
from studio.ui.image.legend import Legend
from studio.ui.image.overlays import Scale
from studio.ui.image.raster import qimage

OVERLAYS = ("picture", "states", "confidence", "difference")
PATTERN_FROM, DIGITS_FROM = 10, 40
"""Pixels of the screen a cell needs to be shown with a pattern, and with every digit."""
WIDEST = 1280
"""Pixels of a side of an overlay at most; it is enlarged from there on."""


class LiveView:
    """Shows one run at a time; the latest frame stays until the next one or `clear`, so nothing flickers."""

    def __init__(self, item: PictureItem, document: ImageDocument, zoom: Callable[[], float], legend: Legend):
        self.item, self.document, self.legend = item, document, legend
        self.overlay = "picture"
        self._zoom = zoom
        self._drawn_for = 0
        self._map_scale: Scale | None = None
        self._forget()

    def _forget(self) -> None:
        self._subtokens: Subtokens | None = None
        self._tokens: NDArray[np.bool_] | None = None
        self._pixels: NDArray[np.uint8] | None = None
        self._y: NDArray | None = None
        self._confidence: NDArray | None = None
        self._cells: tuple[NDArray[np.uint8], NDArray[np.bool_]] | None = None

    @property
    def shown(self) -> bool:
        """Whether something made is on the canvas."""
        return self.item.made is not None

    def begin(self, frame: WorkingFrame, mask: NDArray[np.bool_], given: NDArray, subtokens: Subtokens) -> None:
        """A run in this frame: mask bool (H, W) is where it fills, given (L, ℓ) its start state. What is shown stays
        until the first `show`."""
        self._forget()
        self._subtokens, self._tokens = subtokens, overlays.open_tokens(given, subtokens)
        self._next = Made(frame, mask)

    def show(self, pixels: NDArray[np.uint8], y: NDArray, confidence: NDArray | None = None) -> None:
        """A frame of the run: its pixels, uint8 (grid, grid, 3), its state (L, ℓ) and confidence (L,)."""
        self._pixels, self._y, self._confidence = pixels, y, confidence
        self._next.show(pixels)
        self._put()

    def show_result(self, part: NDArray[np.uint8]) -> None:
        """What of the finished picture lies in the frame, uint8 (h, w, 3), exactly; the state of the last frame goes
        on for the overlays."""
        self._next.show_exact(self._next.exact(part))
        self._put()

    async def show_result_of(self, part: Callable[[], NDArray[np.uint8]]) -> None:
        """As `show_result`, where it takes so long that it is made beside the window; not if another frame comes
        meanwhile."""
        made, pixels = self._next, self._pixels
        raster = await asyncio.to_thread(lambda: made.exact(part()))
        if pixels is not None and pixels is self._pixels:
            made.show_exact(raster)
            self._put()

    def clear(self) -> None:
        """Back to the picture."""
        made, self.item.made, self.item.overlay, self.item.digits = self.item.made, None, None, None
        self._forget()
        self._explain()
        if made is not None:
            self.item.refresh(_square(made.frame))

    def show_map(self, frame: WorkingFrame | None, image: QImage | None, scale: Scale | None) -> None:
        """Something about the picture, an image over this frame, in place of the mask; None takes it away."""
        self.item.map = None if frame is None or image is None else (frame, image)
        self.item.update()
        self._map_scale = scale
        self._explain()

    def set_overlay(self, name: str) -> bool:
        """Choose what is shown over the frame; whether that is another than before."""
        if name not in OVERLAYS or name == self.overlay:
            return False
        self.overlay = name
        self._draw_overlay()
        return True

    def zoomed(self) -> None:
        """Cells may have come to be large enough, or too small, for their pattern."""
        if self._drawn_for != self._detail():
            self._draw_overlay()

    def _put(self) -> None:
        old, self.item.made = self.item.made, self._next
        if old is not None and old.frame != self._next.frame:
            self.item.refresh(_square(old.frame))
        self._draw_overlay()

    def _detail(self) -> int:
        """Pixels of a cell's side in the overlay: 0 for none, DIGITS_FROM where each digit is drawn, else as many as it
        has on the screen."""
        if self._pixels is None or self.overlay == "picture":
            return 0
        cell = self._zoom() * self._next.frame.size / len(self._pixels)
        if cell >= DIGITS_FROM and self.overlay == "states":
            return DIGITS_FROM
        if cell < PATTERN_FROM:
            return 1
        return min(round(cell), DIGITS_FROM - 1, max(WIDEST // len(self._pixels), PATTERN_FROM))

    def _draw_overlay(self) -> None:
        self._drawn_for = self._detail()
        self.item.overlay, self.item.digits = None, None
        self._explain()
        if not self.shown:
            return
        if self._drawn_for == DIGITS_FROM:
            assert self._y is not None and self._pixels is not None and self._subtokens is not None
            self.item.digits = DigitPainter(self._next.frame, self._y, self._subtokens, len(self._pixels), self._tokens)
        elif self._drawn_for:
            rgba = self._rgba(self._drawn_for)
            self.item.overlay = None if rgba is None else qimage(rgba)
        self.item.refresh(_square(self._next.frame))

    def _explain(self) -> None:
        scale = self._map_scale
        if scale is None and self.shown and self._drawn_for and self._subtokens is not None:
            scale = overlays.scale_of(self.overlay, self._subtokens, self._drawn_for == DIGITS_FROM)
        self.legend.show_scale(scale)

    def _rgba(self, side: int) -> NDArray[np.uint8] | None:
        pixels, y, subtokens = self._pixels, self._y, self._subtokens
        if pixels is None or y is None or subtokens is None:
            return None
        if self.overlay == "states":
            return overlays.states_rgba(y, subtokens, len(pixels), self._tokens, side)
        if self.overlay == "confidence":
            confidence = np.full(len(y), np.nan) if self._confidence is None else self._confidence
            return overlays.confidence_rgba(confidence, y, subtokens, len(pixels), self._tokens, side)
        if self._cells is None:
            shown = Picture(self.document.stored, self.document.alpha).rgb
            self._cells = crop(shown, self._next.mask, self._next.frame, len(pixels))
        return overlays.difference_rgba(pixels, *self._cells, side)


def _square(frame: WorkingFrame) -> QRect:
    return QRectF(frame.x, frame.y, frame.size, frame.size).toRect()
