"""Where the model finds the picture odd: the surprise of each pixel given all the others, over the picture."""

import asyncio
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from studio.evaluation import heat_map
from studio.generation import picture_tokenizer
from studio.media.frames import WorkingFrame, crop
from studio.prime.likelihood import surprises
from studio.ui.image.overlays import Scale
from studio.ui.image.raster import qimage

if TYPE_CHECKING:
    from studio.ui.image.workspace import ImageWorkspace


class Surprise(QObject):
    """Fills the map call by call, so that it is seen as it comes and gives way to runs; `changed` when it begins, and
    when it is whole or taken away."""

    changed = Signal()

    def __init__(self, workspace: "ImageWorkspace"):
        super().__init__(workspace)
        self._of = workspace
        self._round = 0
        self._frame: WorkingFrame | None = None
        self.bits: NDArray[np.float64] | None = None
        """Of each cell of the frame, (grid, grid) in bits, NaN where it is not known yet; None while it is off."""

    @property
    def on(self) -> bool:
        return self.bits is not None

    def clear(self) -> None:
        """Take the map away, and stop making it."""
        self._round += 1
        if self.bits is not None:
            self.bits = None
            self._of.canvas.live.show_map(None, None, None)
            self.changed.emit()

    async def show(self) -> None:
        """Make the map of what is on the canvas, inside the working frame. StudioError where there is no model."""
        self.clear()
        mine = self._round
        try:
            await self._make(mine)
        except Exception:
            if mine == self._round:
                self.clear()
                self.changed.emit()  # also where nothing had begun: the action was checked by the click
            raise

    async def _make(self, mine: int) -> None:
        of, document, bundle = self._of, self._of.document, self._of.making.bundle()
        grid = document.grid
        frame = document.working_frame or document.clamped(WorkingFrame(0, 0, max(document.size)))
        picture = of.shown_picture()
        nothing = np.zeros(picture.stored.shape[:2], dtype=np.bool_)
        square, _ = await asyncio.to_thread(lambda: crop(picture.rgb, nothing, frame, grid))
        if mine != self._round:
            return
        tokens = picture_tokenizer(bundle).encode(square)
        self.bits, self._frame = np.full((grid, grid), np.nan), frame
        self.changed.emit()
        loaded = await asyncio.wrap_future(of.studio.lane.submit(of.studio.lane.load, bundle))
        calls = surprises(loaded.denoise, bundle.subtokens, tokens)
        found = np.full(len(tokens), np.nan)
        while mine == self._round:
            made = await asyncio.wrap_future(of.studio.lane.submit(lambda: next(calls, None)))
            if mine != self._round:
                return
            if made is None:
                break
            places, nats = made
            found[places] = nats / np.log(2)
            self.bits = found.reshape(grid, grid, -1).sum(axis=-1)
            self._draw(frame, float(np.log2(bundle.subtokens.vocab_size)) * (len(tokens) // grid**2))
        self.changed.emit()

    def _draw(self, frame: WorkingFrame, top: float) -> None:
        assert self.bits is not None
        known = np.isfinite(self.bits)
        rgba = np.zeros((*self.bits.shape, 4), dtype=np.uint8)
        rgba[..., :3] = heat_map(np.where(known, self.bits, 0), top)
        rgba[known, 3] = 235
        scale = Scale.of(heat_map(np.linspace(0, top, 9), top), "0", f"{top:.0f} bits")
        self._of.canvas.live.show_map(frame, qimage(rgba), scale)

    def words(self, pixel: tuple[int, int] | None = None) -> str:
        """What the map says, of all pixels of the frame or of the one at (x, y) of the picture; "" without a map."""
        frame = self._frame
        if self.bits is None or frame is None or not np.isfinite(self.bits).any():
            return ""
        if pixel is not None:
            grid = len(self.bits)
            column, row = (
                int((at - start) * grid // frame.size) for at, start in zip(pixel, (frame.x, frame.y), strict=True)
            )
            if 0 <= column < grid and 0 <= row < grid and np.isfinite(self.bits[row, column]):
                return f"{self.bits[row, column]:.1f} bits"
        return f"{np.nanmean(self.bits):.2f} bits a pixel"
