"""Every digit of a state as a cell of its own with its value: for a near look."""

import math

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QImage, QPainter

from studio.media.frames import WorkingFrame
from studio.prime.subtokens import Subtokens
from studio.ui.image import overlays
from studio.ui.image.veil import Screen, argb

MOST_VALUES = 256
"""Digits of a larger base get no value written: it would not fit into a cell."""


class DigitPainter:
    """Draws the digits of a state (L, ℓ) in its frame. A tile a value is drawn once for a size of cells; the cells that
    are seen are then laid out as one image."""

    _tiles: tuple[tuple[int, int, int, float], NDArray[np.uint32]] | None = None

    def __init__(
        self, frame: WorkingFrame, y: NDArray, subtokens: Subtokens, grid: int, made: NDArray[np.bool_] | None
    ):
        self.frame, self.subtokens, self.grid = frame, subtokens, grid
        self.rows, self.columns = overlays.digit_layout(subtokens, len(y) // grid**2)
        self.cells = overlays.digit_cells(y, subtokens, grid, made)

    def draw(self, painter: QPainter, screen: Screen) -> None:
        """Draw what the screen shows of it."""
        part = screen.part(QRectF(self.frame.x, self.frame.y, self.frame.size, self.frame.size))
        if part.rect.isEmpty():
            return
        pixel = self.frame.size / self.grid  # a pixel of the model, in pixels of the picture
        width = max(round(pixel * screen.zoom / self.columns), 4)
        height = max(round(pixel * screen.zoom / self.rows), 4)
        left, right = self._span(part.rect.left(), part.rect.right(), part.dx, part.zoom, self.frame.x)
        top, bottom = self._span(part.rect.top(), part.rect.bottom(), part.dy, part.zoom, self.frame.y)
        seen = self.cells[top * self.rows : bottom * self.rows, left * self.columns : right * self.columns]
        if not (seen >= 0).any():
            return
        tiles = self._drawn_tiles(width, height, screen.ratio)
        words = tiles[np.where(seen < 0, len(tiles) - 1, np.minimum(seen, len(tiles) - 2))]
        image = words.transpose(0, 2, 1, 3).reshape(seen.shape[0] * height, seen.shape[1] * width)
        # Between pixels their colour shows, which keeps the digits of each together.
        gap = max(round(1.5 * screen.ratio), 1)
        pixels = image.reshape(bottom - top, self.rows * height, right - left, self.columns * width)
        pixels[:, :gap] = pixels[:, -gap:] = pixels[..., :gap] = pixels[..., -gap:] = 0
        target = QRectF(
            self.frame.x + left * pixel, self.frame.y + top * pixel, (right - left) * pixel, (bottom - top) * pixel
        )
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
        painter.drawImage(target, argb(image))

    def _span(self, low: int, high: int, shift: float, zoom: float, origin: int) -> tuple[int, int]:
        """The model's pixels, from and up to, that a stretch of the screen shows."""
        cell = zoom * self.frame.size / self.grid
        start = shift + origin * zoom
        return max(math.floor((low - start) / cell), 0), min(math.floor((high - start) / cell) + 1, self.grid)

    def _drawn_tiles(self, width: int, height: int, ratio: float) -> NDArray[np.uint32]:
        """A tile a value, then the unknown one, then a clear one: (base + 2, height, width), premultiplied."""
        base = self.subtokens.base
        key = (width, height, base, ratio)
        if DigitPainter._tiles is None or DigitPainter._tiles[0] != key:
            tiles = [_tile(width, height, ratio, value, base) for value in range(min(base, MOST_VALUES))]
            unknown = _tile(width, height, ratio, None, base)
            DigitPainter._tiles = (key, np.stack([*tiles, unknown, np.zeros_like(unknown)]))
        return DigitPainter._tiles[1]


def _tile(width: int, height: int, ratio: float, value: int | None, base: int) -> NDArray[np.uint32]:
    image = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(QColor(*overlays.GAP))
    painter = QPainter(image)
    inner = QRect(0, 0, width - 1, height - 1)
    if value is None:
        painter.fillRect(inner, QColor(*overlays.UNKNOWN))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(*overlays.UNKNOWN_LINE))
        painter.drawLine(inner.topLeft(), inner.bottomRight())
    else:
        color = QColor(*map(int, overlays.KNOWN_COLORS[round(255 * value / (base - 1))]))
        painter.fillRect(inner, color)
        text = str(value)
        font = QFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        size = min(height * 0.62, (width - 2) / (0.62 * len(text)), 22 * ratio)
        if size >= 6 and base <= MOST_VALUES:
            font.setPixelSize(int(size))
            painter.setFont(font)
            dark = color.lightnessF() > 0.45
            painter.setPen(QColor(20, 22, 28) if dark else QColor(255, 255, 255))
            painter.drawText(inner, Qt.AlignmentFlag.AlignCenter, text)
    painter.end()
    words = np.frombuffer(image.constBits(), dtype=np.uint32).reshape(height, image.bytesPerLine() // 4)
    return words[:, :width].copy()
