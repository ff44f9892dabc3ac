"""A picture as the screen takes it, quick to draw at every zoom."""

import math

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QRectF
from PySide6.QtGui import QImage, QPainter

from studio.media.images import Picture

TIE = 0.01
"""Shift, in pixels of the screen, that breaks ties at fractional scaling."""
SMALLEST = 512
"""Halving stops here, in pixels of the longer side."""


def qimage(pixels: NDArray[np.uint8]) -> QImage:
    """uint8 (H, W, 3), or (H, W, 4) with straight alpha, as a QImage of its own: it needs the array no longer."""
    pixels = np.ascontiguousarray(pixels)
    height, width, channels = pixels.shape
    known = {3: QImage.Format.Format_RGB888, 4: QImage.Format.Format_RGBA8888}[channels]
    shown = {3: QImage.Format.Format_RGB32, 4: QImage.Format.Format_ARGB32_Premultiplied}[channels]
    return QImage(pixels.data, width, height, channels * width, known).convertToFormat(shown)


def image_of(picture: Picture) -> QImage:
    """A picture with its opacity, to be given away: the colours of what is transparent are kept too."""
    if picture.alpha is None:
        return qimage(picture.stored)
    pixels = np.concatenate([picture.stored, picture.alpha[..., None]], axis=2)
    height, width, channels = pixels.shape
    return QImage(pixels.data, width, height, channels * width, QImage.Format.Format_RGBA8888).copy()


def picture_of(image: QImage) -> Picture:
    """What was pasted or dropped."""
    if not image.hasAlphaChannel():
        return Picture(_pixels(image, QImage.Format.Format_RGB888, 3))
    rgba = _pixels(image, QImage.Format.Format_RGBA8888, 4)
    alpha = rgba[..., 3].copy()
    return Picture(rgba[..., :3].copy(), None if alpha.min() == 255 else alpha)


def _pixels(image: QImage, known: QImage.Format, channels: int) -> NDArray[np.uint8]:
    """uint8 (H, W, channels): a copy, since the image's memory goes with it."""
    image = image.convertToFormat(known)
    rows = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : channels * image.width()].reshape(image.height(), image.width(), channels).copy()


class Raster:
    """A picture at full size, and halved again and again, so that a far view of a large one costs no more than a near
    one. It is `width` × `height` pixels, and changes by rectangles."""

    def __init__(self, width: int, height: int, opaque: bool):
        shown = QImage.Format.Format_RGB32 if opaque else QImage.Format.Format_ARGB32_Premultiplied
        self.levels = [QImage(width, height, shown)]
        while max(width, height) > SMALLEST:
            width, height = max(width // 2, 1), max(height // 2, 1)
            self.levels.append(QImage(width, height, shown))
        if not opaque:  # else it is written whole before it is drawn
            for level in self.levels:
                level.fill(0)

    @classmethod
    def seen_through(cls, mask: NDArray[np.bool_], pixels: NDArray[np.uint8]) -> "Raster":
        """Pixels, uint8 (h, w, 3), where the mask, bool (h, w), is set, and nothing elsewhere. From any thread."""
        image = qimage(pixels)
        image.reinterpretAsFormat(QImage.Format.Format_ARGB32_Premultiplied)  # their opacity is full
        height, width = mask.shape
        colors = np.frombuffer(image.bits(), dtype=np.uint32).reshape(height, width)
        np.putmask(colors, ~mask, 0)
        raster = cls(width, height, opaque=False)
        raster.put(QPoint(0, 0), image)
        return raster

    def write(self, at: QPoint, pixels: NDArray[np.uint8]) -> None:
        """Put pixels, uint8 (h, w, 3 or 4), at a place of it."""
        self.put(at, qimage(pixels))

    def put(self, at: QPoint, image: QImage) -> None:
        """Put an image at a place of it; one that fills it whole is taken, not copied."""
        place = QRect(at, image.size())
        if place == self.levels[0].rect() and image.format() == self.levels[0].format():
            self.levels[0] = image
        else:
            self._draw_into(self.levels[0], place, image, None)
        changed = QRectF(place)
        for below, level in zip(self.levels, self.levels[1:], strict=False):
            across, down = level.width() / below.width(), level.height() / below.height()
            changed = QRectF(
                changed.x() * across, changed.y() * down, changed.width() * across, changed.height() * down
            )
            # A pixel more: its average takes in what changed beside it.
            self._draw_into(
                level, QRect(QPoint(0, 0), level.size()), below, changed.toAlignedRect().adjusted(-1, -1, 1, 1)
            )

    @staticmethod
    def _draw_into(level: QImage, target: QRect, image: QImage, clip: QRect | None) -> None:
        painter = QPainter(level)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, clip is not None)
        if clip is not None:
            painter.setClipRect(clip)
        painter.drawImage(target, image)
        painter.end()

    def draw(self, painter: QPainter, target: QRectF, zoom: float) -> None:
        """Draw it onto a rectangle, at `zoom` pixels of the screen a pixel of it: sharp from 2 on."""
        level = min(max(math.floor(math.log2(1 / zoom)), 0), len(self.levels) - 1) if zoom < 1 else 0
        smooth = zoom < 2 and zoom != 1
        if not smooth:
            # Where the screen is scaled to 125 %, the border of two pixels may lie in the middle of one of the screen:
            # Qt would take the one or the other as it draws a part or all.
            target = target.translated(-TIE / zoom, -TIE / zoom)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawImage(target, self.levels[level])
