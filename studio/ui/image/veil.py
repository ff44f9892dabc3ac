"""The mask as it is seen: hatched and outlined at the resolution of the screen, whatever the zoom.

A hatch in pixels of the picture would be blocks when near and grey when far; so the mask is looked up for every
pixel of the screen that is drawn, and the pattern is laid out there.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF
from PySide6.QtGui import QColor, QImage, QPainter

from studio.ui.image.edits import bounds_of, slices
from studio.ui.image.planes import ALL

MASKED, PARTIAL, EDGE, STRIPE, CROSS, DASH = 1, 2, 4, 8, 16, 32


class Pooled:
    """A mask (H, W) and its halves, in which a pixel is set if any of its four is: thin strokes are seen from afar.

    `base` is kept, not copied; `update` follows its changes. (x, y): where its first pixel is in the picture.
    """

    def __init__(self, base: NDArray, x: int = 0, y: int = 0):
        self.x, self.y = x, y
        self.levels = [base]
        while max(self.levels[-1].shape) > 256:
            height, width = self.levels[-1].shape
            self.levels.append(np.zeros(((height + 1) // 2, (width + 1) // 2), dtype=base.dtype))
        self.bounds = QRect()
        """A rectangle of the picture that holds everything that is set; not always the smallest."""
        self.version = 0
        """Another after every change."""
        if base.any():
            self.update(QRect(0, 0, base.shape[1], base.shape[0]))

    def update(self, rect: QRect) -> None:
        """Take over what changed in a rectangle of the base."""
        self.version += 1
        for below, level in zip(self.levels, self.levels[1:], strict=False):
            left, top = rect.left() // 2, rect.top() // 2
            rect = QRect(left, top, rect.right() // 2 - left + 1, rect.bottom() // 2 - top + 1)
            fine = below[2 * top : 2 * (rect.bottom() + 1), 2 * left : 2 * (rect.right() + 1)]
            # Rows first: whole rows are quick to join, every other pixel of a row is not.
            rows = fine[::2].copy()
            rows[: len(fine) // 2] |= fine[1::2]
            coarse = level[slices(rect)]
            coarse[:] = rows[:, ::2]
            coarse[:, : fine.shape[1] // 2] |= rows[:, 1::2]
        found, scale = bounds_of(self.levels[-1]), 2 ** (len(self.levels) - 1)
        self.bounds = QRect(
            self.x + found.x() * scale, self.y + found.y() * scale, found.width() * scale, found.height() * scale
        )


@dataclass(frozen=True)
class Screen:
    """The pixels of the screen to draw: `rect` in device pixels; a picture pixel is `zoom` of them wide, and the
    picture's origin is at (dx, dy)."""

    rect: QRect
    zoom: float
    dx: float
    dy: float
    ratio: float

    @classmethod
    def of(cls, painter: QPainter, exposed: QRectF) -> "Screen":
        """What of the screen an exposed part of the picture covers."""
        transform, device = painter.worldTransform(), painter.device()
        ratio = device.devicePixelRatioF()
        zoom, dx, dy = transform.m11() * ratio, transform.dx() * ratio, transform.dy() * ratio
        area = QRectF(exposed.x() * zoom + dx, exposed.y() * zoom + dy, exposed.width() * zoom, exposed.height() * zoom)
        whole = QRect(0, 0, math.ceil(device.width() * ratio), math.ceil(device.height() * ratio))
        return cls(area.toAlignedRect().intersected(whole), zoom, dx, dy, ratio)

    def part(self, area: QRectF) -> "Screen":
        """Only what lies in an area of the picture."""
        here = QRectF(
            area.x() * self.zoom + self.dx,
            area.y() * self.zoom + self.dy,
            area.width() * self.zoom,
            area.height() * self.zoom,
        )
        return Screen(here.toAlignedRect().intersected(self.rect), self.zoom, self.dx, self.dy, self.ratio)

    def sample(self, mask: Pooled, margin: int = 0) -> NDArray:
        """The mask at every pixel of the screen, and `margin` pixels around; zero beyond the mask."""
        level = min(max(math.floor(math.log2(1 / self.zoom)), 0), len(mask.levels) - 1) if self.zoom < 1 else 0
        array = mask.levels[level]
        base_height, base_width = mask.levels[0].shape
        rows, rows_in = self._places(self.rect.y(), self.rect.height(), margin, self.dy, mask.y, base_height)
        columns, columns_in = self._places(self.rect.x(), self.rect.width(), margin, self.dx, mask.x, base_width)
        rows, columns = rows >> level, columns >> level
        if not rows.size or not columns.size:
            return np.zeros((rows.size, columns.size), dtype=array.dtype)
        # A few rows of the mask are widened first: only those are read that the screen shows.
        left = columns[0]
        used = array[rows[0] : rows[-1] + 1, left : columns[-1] + 1]
        sampled = np.take(np.take(used, columns - left, axis=1), rows - rows[0], axis=0)
        sampled[~rows_in] = 0
        sampled[:, ~columns_in] = 0
        return sampled

    def _places(
        self, start: int, count: int, margin: int, shift: float, origin: int, size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        middle = np.arange(start - margin, start + count + margin) + 0.5
        places = np.floor((middle - shift) / self.zoom).astype(np.int64) - origin
        inside = (places >= 0) & (places < size)
        return np.clip(places, 0, size - 1), inside

    def draw(self, painter: QPainter, image: QImage) -> None:
        """Put an image of the size of `rect` onto the screen, pixel by pixel."""
        image.setDevicePixelRatio(self.ratio)
        painter.save()
        painter.resetTransform()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(QPointF(self.rect.x() / self.ratio, self.rect.y() / self.ratio), image)
        painter.restore()


class Pattern:
    """The colours of a hatch: `tint` between the stripes, `stripe` on them, the outline in dashes of two colours that
    are seen on any picture. A part of the digits only is hatched the other way, and wider."""

    def __init__(self, tint: QColor, stripe: QColor, dark: QColor, light: QColor):
        table = np.zeros(64, dtype=np.uint32)
        for code in range(64):
            if not code & MASKED:
                continue
            line = code & CROSS if code & PARTIAL else code & STRIPE
            color = stripe if line else tint
            if code & EDGE:
                color = dark if code & DASH else light
            table[code] = premultiplied(color)
        self.hatched = table
        self.outlined = np.where(np.arange(64) & EDGE, table, np.uint32(0)).astype(np.uint32)
        self._drawn: tuple[tuple[Pooled, int, Screen, bool], QImage | None] | None = None

    def draw(self, painter: QPainter, screen: Screen, mask: Pooled, hatch: bool = True) -> None:
        """Draw a mask, hatched and outlined or only outlined."""
        screen = screen.part(QRectF(mask.bounds))
        if mask.bounds.isEmpty() or screen.rect.isEmpty():
            return
        # While a run is watched, the same part is drawn for every frame.
        key = (mask, mask.version, screen, hatch)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = (key, self._image(screen, mask, hatch))
        if self._drawn[1] is not None:
            screen.draw(painter, self._drawn[1])

    def _image(self, screen: Screen, mask: Pooled, hatch: bool) -> QImage | None:
        """None where nothing of the mask is on the screen."""
        thick = max(round(screen.ratio), 1)
        wide = screen.sample(mask, thick)
        if not wide.any():
            return None
        here = wide[thick:-thick, thick:-thick]
        height, width = here.shape
        inside = wide != 0
        core = inside[thick:-thick, thick:-thick]
        surrounded = core.copy()
        for dy, dx in ((0, thick), (2 * thick, thick), (thick, 0), (thick, 2 * thick)):
            surrounded &= inside[dy : dy + height, dx : dx + width]
        code = core.view(np.uint8) * np.uint8(MASKED)
        code |= (core & ~surrounded).view(np.uint8) * np.uint8(EDGE)
        if here.dtype != bool:
            code |= (core & (here != ALL)).view(np.uint8) * np.uint8(PARTIAL)
        code |= _stripes(screen, height, width)
        colors = (self.hatched if hatch else self.outlined)[code]
        return argb(colors)


def argb(colors: NDArray[np.uint32]) -> QImage:
    """Premultiplied colours (H, W) as a QImage of its own."""
    colors = np.ascontiguousarray(colors)
    height, width = colors.shape
    return QImage(colors.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied).copy()


def premultiplied(color: QColor) -> int:
    """A colour as a pixel of such an image."""
    alpha = color.alpha()
    red, green, blue = (round(value * alpha / 255) for value in (color.red(), color.green(), color.blue()))
    return alpha << 24 | red << 16 | green << 8 | blue


def _stripes(screen: Screen, height: int, width: int) -> NDArray[np.uint8]:
    """Which pixels lie on the stripes and dashes. They are fixed to the picture's origin, so that they move with it."""
    period = max(round(8 * screen.ratio), 4)
    thick = max(round(1.5 * screen.ratio), 1)
    x = np.arange(width) + screen.rect.x() - round(screen.dx)
    y = (np.arange(height) + screen.rect.y() - round(screen.dy))[:, None]
    # Sums and differences of a row and a column take few values: look each up instead of dividing for every pixel.
    offsets = np.arange(height + width)
    rising = (x[0] + y[0, 0] + offsets) % period < thick
    dashes = (x[0] + y[0, 0] + offsets) % (2 * period) < period
    falling = (x[0] - y[-1, 0] + offsets) % (2 * period) < thick
    along = (rising.astype(np.uint8) * np.uint8(STRIPE)) | (dashes.astype(np.uint8) * np.uint8(DASH))
    across = falling.astype(np.uint8) * np.uint8(CROSS)
    windows = np.lib.stride_tricks.sliding_window_view
    pattern = windows(along, width)[:height] | windows(across, width)[:height][::-1]
    return pattern.astype(np.uint8)
