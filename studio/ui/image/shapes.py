"""Which pixels a brush, a polygon, a flood fill or a growing mask covers. NumPy, and Qt for polygons."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPolygonF

Point = tuple[float, float]


def snapped(point: Point, size: int) -> Point:
    """Where a brush of `size` pixels sits: on the middle of a pixel if it is odd, between pixels if even."""
    half = 0.5 * (size % 2)
    return np.floor(point[0] + 0.5 - half) + half, np.floor(point[1] + 0.5 - half) + half


def stroke(start: Point, end: Point, size: int, bounds: QRect) -> tuple[QRect, NDArray[np.bool_]]:
    """A round brush of `size` pixels drawn from one point to another: its rectangle within `bounds`, and which
    pixels of that are covered, bool (height, width); those whose middle is at most size / 2 from the line."""
    (ax, ay), (bx, by) = snapped(start, size), snapped(end, size)
    reach = size / 2
    low = QPoint(int(np.floor(min(ax, bx) - reach)), int(np.floor(min(ay, by) - reach)))
    high = QPoint(int(np.ceil(max(ax, bx) + reach)), int(np.ceil(max(ay, by) + reach)))
    rect = QRect(low, high).intersected(bounds)
    if rect.isEmpty():
        return QRect(), np.zeros((0, 0), dtype=bool)
    y = np.arange(rect.top(), rect.bottom() + 1, dtype=np.float64) + float(0.5 - ay)
    left, right = _span(y, bx - ax, by - ay, reach)
    x = (np.arange(rect.left(), rect.right() + 1) + 0.5 - ax).astype(np.float32)
    return rect, (x >= left[:, None].astype(np.float32)) & (x <= right[:, None].astype(np.float32))


def _span(
    y: NDArray[np.float64], dx: float, dy: float, reach: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where rows are at most `reach` from the line from (0, 0) to (dx, dy): the lowest and the highest x of each, float
    (n,), NaN where a row is not.

    What is near a line is a disc around either end and a rectangle between them, and has no gaps in a row.
    """
    reach = math.sqrt(reach * reach + 1e-3)  # a hair more: the middle of a pixel must not fall out by rounding
    with np.errstate(invalid="ignore"):
        first, second = np.sqrt(reach * reach - y * y), np.sqrt(reach * reach - (y - dy) ** 2)
    lefts, rights = [-first, dx - second], [first, dx + second]
    length = dx * dx + dy * dy
    if length:
        wide = reach * math.sqrt(length)
        left, right = np.full(len(y), -np.inf), np.full(len(y), np.inf)
        # x · dx + y · dy lies between both ends; x · dy - y · dx says how far it is from the line.
        for factor, low, high in ((dx, -y * dy, length - y * dy), (dy, y * dx - wide, y * dx + wide)):
            if factor:
                low, high = np.sort((low / factor, high / factor), axis=0)
            else:
                low, high = np.where((low <= 0) & (high >= 0), ((-np.inf,), (np.inf,)), ((np.inf,), (-np.inf,)))
            left, right = np.maximum(left, low), np.minimum(right, high)
        none = left > right
        left[none] = right[none] = np.nan
        lefts.append(left)
        rights.append(right)
    return np.fmin.reduce(lefts), np.fmax.reduce(rights)


def polygon(points: Sequence[Point], bounds: QRect) -> tuple[QRect, NDArray[np.bool_]]:
    """The pixels whose middle lies inside a closed polygon: its rectangle within `bounds` and bool (height, width)."""
    outline = QPolygonF([QPointF(x, y) for x, y in points])
    rect = outline.boundingRect().toAlignedRect().intersected(bounds)
    if rect.isEmpty() or len(points) < 3:
        return QRect(), np.zeros((0, 0), dtype=bool)
    image = QImage(rect.size(), QImage.Format.Format_Grayscale8)
    image.fill(0)
    path = QPainterPath()
    path.addPolygon(outline.translated(-rect.x(), -rect.y()))
    path.setFillRule(Qt.FillRule.WindingFill)
    painter = QPainter(image)
    painter.fillPath(path, QColor(255, 255, 255))
    painter.end()
    pixels = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(rect.height(), image.bytesPerLine())
    return rect, pixels[:, : rect.width()] > 127


def flood(rgb: NDArray[np.uint8], x: int, y: int, tolerance: int) -> NDArray[np.bool_]:
    """The pixels of a picture (H, W, 3 or 4) that hang together with (x, y) by their sides and whose colour values
    all differ from its by at most `tolerance`: bool (H, W).

    Works on runs of alike pixels, row by row: runs that touch are joined by pointer jumping, so the number of
    rounds grows with the logarithm of the length of the longest path, and noise costs no recursion.
    """
    height, width = rgb.shape[:2]
    alike = np.ones((height, width + 2), dtype=bool)
    alike[:, 0] = alike[:, -1] = False  # runs end at the edges
    inner = alike[:, 1:-1]
    for channel in range(rgb.shape[2]):
        value, values = int(rgb[y, x, channel]), rgb[..., channel]
        inner &= (values >= max(value - tolerance, 0)) & (values <= min(value + tolerance, 255))
    flat, stride = alike.reshape(-1), width + 2
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    # The runs of the next row that overlap run i are those from first[i] up to last[i].
    first, last = np.searchsorted(ends, starts + stride, "right"), np.searchsorted(starts, ends + stride, "left")
    counts = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    names = _joined(len(starts), upper, lower)
    chosen = names == names[np.searchsorted(starts, y * stride + x + 1, "right") - 1]
    steps = np.zeros(flat.size + 1, dtype=np.int8)
    steps[starts[chosen]] = 1
    steps[ends[chosen]] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).reshape(height, stride)[:, 1:-1].astype(bool)


def _joined(count: int, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """The smallest number of each of `count` things' group, where one[i] and other[i] belong together."""
    names = np.arange(count)
    while True:
        a, b = names[one], names[other]
        apart = a != b
        if not apart.any():
            return names
        one, other, a, b = one[apart], other[apart], a[apart], b[apart]
        np.minimum.at(names, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(further := names[names], names):
            names = further


def grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """A mask and every pixel at most `by` pixels from it, bool (H, W)."""
    result = mask.copy()
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if by < 1 or not columns.size:
        return result
    here = (slice(max(rows[0] - by, 0), rows[-1] + 1 + by), slice(max(columns[0] - by, 0), columns[-1] + 1 + by))
    source, target = mask[here], result[here]
    wide = source.copy()  # grown sideways by `reach`, which gets larger as the row gets nearer
    reach = 0
    for dy in range(by, -1, -1):
        while (reach + 1) ** 2 + dy**2 <= by**2:
            reach += 1
            if reach < source.shape[1]:
                wide[:, reach:] |= source[:, :-reach]
                wide[:, :-reach] |= source[:, reach:]
        if dy < len(wide):
            target[dy:] |= wide[: len(wide) - dy]
            target[: len(wide) - dy] |= wide[dy:]
    return result


def shrunk(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """A mask without the pixels that are at most `by` pixels from an unmasked one; the picture's edge counts for
    nothing. Bool (H, W)."""
    return mask & ~grown(~mask, by)


def placed(
    square: tuple[int, int, int], available: tuple[int, int], mask: QRect, smallest: int
) -> tuple[int, int, int]:
    """The square (x, y, size) nearest to this one that holds the mask and has a side of at least `smallest`: inside a
    picture of the `available` size (width, height) if it fits, else around it."""
    size = min(max(square[2], smallest, mask.width(), mask.height()), max(*available, smallest))
    corner = []
    for start, room, first, length in zip(
        square[:2], available, (mask.x(), mask.y()), (mask.width(), mask.height()), strict=True
    ):
        if not mask.isEmpty():
            start = min(max(start, first + length - size), first)
        low, high = sorted((0, room - size))
        corner.append(min(max(start, low), high))
    return corner[0], corner[1], size
