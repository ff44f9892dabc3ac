"""The item of the scene that shows the picture, what is being made in it, an overlay, the mask and the pins."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QGraphicsItem

from studio.media.frames import WorkingFrame
from studio.media.images import put
from studio.ui.image.colors import CanvasColors
from studio.ui.image.digits import DigitPainter
from studio.ui.image.document import ImageDocument
from studio.ui.image.edits import bounds_of, slices
from studio.ui.image.raster import Raster, picture_of, qimage
from studio.ui.image.veil import Pattern, Pooled, Screen


class Made:
    """What a run shows in its frame: pixels at the model's grid, or a finished picture, seen through a mask."""

    def __init__(self, frame: WorkingFrame, mask: NDArray[np.bool_]):
        self.frame, self.mask = frame, mask
        height, width = mask.shape
        self.rect = QRect(frame.x, frame.y, frame.size, frame.size).intersected(QRect(0, 0, width, height))
        self._pooled: Pooled | None = None
        self._raster: Raster | None = None
        self._image: QImage | None = None
        self._cells: NDArray[np.uint8] | None = None

    def show(self, pixels: NDArray[np.uint8]) -> None:
        """Show the frame as the model has it, uint8 (grid, grid, 3)."""
        if len(pixels) == self.frame.size:
            rows, columns = slices(self.rect.translated(-self.frame.x, -self.frame.y))
            self.show_exact(self.exact(pixels[rows, columns]))
        else:
            # Enlarged as it is drawn: what a large frame costs depends on the screen alone.
            self._image, self._raster, self._cells = qimage(pixels), None, pixels
            if self._pooled is None:
                self._pooled = Pooled(self.mask[slices(self.rect)].copy(), self.rect.x(), self.rect.y())

    def exact(self, part: NDArray[np.uint8]) -> Raster | None:
        """What of the finished picture lies in `rect`, uint8 (h, w, 3), for `show_exact`. From any thread."""
        return None if self.rect.isEmpty() else Raster.seen_through(self.mask[slices(self.rect)], part)

    def show_exact(self, raster: Raster | None) -> None:
        self._image, self._raster = None, raster

    def seen(self, rect: QRect) -> NDArray[np.uint8]:
        """The pixels of a part of `rect`, uint8 (h, w, 3)."""
        if self._raster is not None:
            return picture_of(self._raster.levels[0].copy(rect.translated(-self.rect.topLeft()))).stored
        assert self._cells is not None
        cells, frame = self._cells, self.frame
        rows = (np.arange(rect.top(), rect.bottom() + 1) - frame.y) * len(cells) // frame.size
        columns = (np.arange(rect.left(), rect.right() + 1) - frame.x) * len(cells) // frame.size
        return cells[rows[:, None], columns]

    def draw(self, painter: QPainter, screen: Screen) -> None:
        if self._raster is not None:
            self._raster.draw(painter, QRectF(self.rect), screen.zoom)
        elif self._image is not None and self._pooled is not None:
            part = screen.part(QRectF(self.rect))
            if part.rect.isEmpty():
                return
            shown = QImage(part.rect.size(), QImage.Format.Format_ARGB32_Premultiplied)
            shown.fill(0)
            inner = QPainter(shown)
            inner.translate(part.dx - part.rect.x(), part.dy - part.rect.y())
            inner.scale(part.zoom, part.zoom)
            inner.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            frame = self.frame
            inner.drawImage(QRectF(frame.x, frame.y, frame.size, frame.size), self._image)
            inner.end()
            colors = np.frombuffer(shown.bits(), dtype=np.uint32).reshape(part.rect.height(), part.rect.width())
            np.putmask(colors, ~part.sample(self._pooled), 0)
            part.draw(painter, shown)


class PictureItem(QGraphicsItem):
    """Draws an `ImageDocument`, changed rectangles only. The canvas tells it what changed."""

    def __init__(self, document: ImageDocument, colors: CanvasColors):
        super().__init__()
        self.document = document
        self.made: Made | None = None
        self.overlay: QImage | None = None
        self.digits: DigitPainter | None = None
        self.map: tuple[WorkingFrame, QImage] | None = None
        """Something about the picture itself that is shown over it."""
        self.show_original = False
        self.show_marks = True
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)
        self.margin = 4.0
        """How far, in pixels of the picture, an outline reaches beyond what changed."""
        self.set_colors(colors)
        self.rebuild()

    def set_marks_shown(self, shown: bool) -> None:
        """Whether mask, pins and what is to be made again are drawn."""
        self.show_marks = shown
        self.update()

    def set_colors(self, colors: CanvasColors) -> None:
        self.colors = colors
        self._mask_pattern = Pattern(colors.tint, colors.stripe, colors.dark, colors.light)
        self._erased_pattern = Pattern(colors.erased, colors.erased_stripe, colors.dark, colors.light)
        self._pin_pattern = Pattern(colors.pin, colors.pin_stripe, colors.dark, colors.pin_stripe)
        self._checker = _checkerboard(*colors.checker)
        self.update()

    def rebuild(self) -> None:
        """Another picture: take everything anew."""
        document = self.document
        self.prepareGeometryChange()
        self._size = document.size
        self._opaque = document.alpha is None
        self._raster = Raster(*document.size, opaque=self._opaque)
        self._painted: Raster | None = None
        self._mask, self._pins, self._erased = (
            Pooled(document.mask_bits),
            Pooled(document.pins),
            Pooled(document.erased),
        )
        self.made = self.overlay = self.digits = self.map = None
        self.refresh_picture(document.bounds)
        painted = bounds_of(document.painted[..., 3])
        if not painted.isEmpty():
            self.refresh_edits(painted)

    def seen(self, rect: QRect) -> NDArray[np.uint8]:
        """The colours that are seen in a rectangle, without mask and overlay: uint8 (h, w, 3), or 4 with opacity."""
        document, here = self.document, slices(rect)
        colors = document.stored[here]
        if document.alpha is not None:
            colors = np.concatenate([colors, document.alpha[here][..., None]], axis=2)
        over = [(document.painted[here][..., :3], document.painted[here][..., 3] > 0, rect)]
        if self.made is not None and not (part := rect.intersected(self.made.rect)).isEmpty():
            over.insert(0, (self.made.seen(part), self.made.mask[slices(part)], part))
        for pixels, opaque, part in over:
            if opaque.any():
                colors = colors.copy()
                inner = colors[slices(part.translated(-rect.topLeft()))]
                put(inner[..., :3], pixels, opaque)
                inner[opaque, 3:] = 255
        return colors

    def refresh_picture(self, rect: QRect) -> None:
        document, here = self.document, slices(rect)
        stored = document.stored[here]
        if document.alpha is not None:
            stored = np.concatenate([stored, document.alpha[here][..., None]], axis=2)
        self._raster.write(rect.topLeft(), stored)
        self.refresh(rect)

    def refresh_mask(self, rect: QRect) -> None:
        self._mask.update(rect)
        self.refresh(rect)

    def refresh_pins(self, rect: QRect) -> None:
        self._pins.update(rect)
        self.refresh(rect)

    def refresh_edits(self, rect: QRect) -> None:
        self._erased.update(rect)
        painted = self.document.painted[slices(rect)]
        if self._painted is None and painted[..., 3].any():
            self._painted = Raster(*self._size, opaque=False)
        if self._painted is not None:
            self._painted.write(rect.topLeft(), painted)
        self.refresh(rect)

    def refresh(self, rect: QRect) -> None:
        """Draw a rectangle again, with the outline of the mask around it."""
        self.update(QRectF(rect).adjusted(-self.margin, -self.margin, self.margin, self.margin))

    def boundingRect(self) -> QRectF:
        return QRectF(0, 0, *self._size)

    def paint(self, painter: QPainter, option, widget=None) -> None:
        exposed = option.exposedRect.intersected(self.boundingRect())
        screen = Screen.of(painter, exposed)
        if screen.rect.isEmpty():
            return
        whole = self.boundingRect()
        if not self._opaque:
            self._paint_checkerboard(painter, exposed)
        self._raster.draw(painter, whole, screen.zoom)
        if self.show_original:
            return
        if self.made is not None:
            self.made.draw(painter, screen)
            if self._painted is not None:
                self._painted.draw(painter, whole, screen.zoom)
        if self.overlay is not None and self.made is not None and self.map is None:
            frame = self.made.frame
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.drawImage(QRectF(frame.x, frame.y, frame.size, frame.size), self.overlay)
        if self.digits is not None and self.map is None:
            self.digits.draw(painter, screen)
        if self.map is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            frame, image = self.map
            painter.drawImage(QRectF(frame.x, frame.y, frame.size, frame.size), image)
        elif self.show_marks:
            self._mask_pattern.draw(painter, screen, self._mask, hatch=self.made is None)
            if self.made is not None:
                self._erased_pattern.draw(painter, screen, self._erased)
            self._pin_pattern.draw(painter, screen, self._pins)

    def _paint_checkerboard(self, painter: QPainter, exposed: QRectF) -> None:
        """Squares of the same size on the screen at every zoom."""
        painter.save()
        area = painter.worldTransform().mapRect(exposed)
        origin = painter.worldTransform().map(QPoint(0, 0))
        painter.resetTransform()
        painter.setBrushOrigin(origin)
        painter.fillRect(area, self._checker)
        painter.restore()


def _checkerboard(light: QColor, dark: QColor) -> QBrush:
    tile = QPixmap(16, 16)
    tile.fill(light)
    painter = QPainter(tile)
    for at in (0, 8):
        painter.fillRect(at, at, 8, 8, dark)
    painter.end()
    brush = QBrush(tile)
    brush.setStyle(Qt.BrushStyle.TexturePattern)
    return brush
