"""Brushes, polygons, flood fills and growing masks against slow and plain ways of saying the same."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QRect

from studio.ui.image import shapes
from studio.ui.image.edits import slices

BOUNDS = QRect(0, 0, 40, 30)


def test_brush_sizes() -> None:
    counts = {size: int(shapes.stroke((15.2, 12.7), (15.2, 12.7), size, BOUNDS)[1].sum()) for size in (1, 2, 3, 4)}
    assert counts == {1: 1, 2: 4, 3: 9, 4: 12}
    for size in (9, 20):
        area = shapes.stroke((15.2, 12.7), (15.2, 12.7), size, BOUNDS)[1].sum()
        assert area == pytest.approx(np.pi * size**2 / 4, rel=0.1)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(-10, 50)] * 4), st.integers(1, 9))
def test_a_stroke_has_no_gaps_and_stays_in_the_picture(ends: tuple[float, float, float, float], size: int) -> None:
    rect, covered = shapes.stroke(ends[:2], ends[2:], size, BOUNDS)
    assert (covered.shape == (max(rect.height(), 0), max(rect.width(), 0)) and BOUNDS.contains(rect)) or rect.isEmpty()
    # Where the line runs through the picture, every few steps along it a pixel near by is covered.
    for share in np.linspace(0, 1, 50):
        x, y = (1 - share) * ends[0] + share * ends[2], (1 - share) * ends[1] + share * ends[3]
        if 1 <= x < 39 and 1 <= y < 29:
            near = covered[
                max(int(y) - 1 - rect.y(), 0) : int(y) + 2 - rect.y(),
                max(int(x) - 1 - rect.x(), 0) : int(x) + 2 - rect.x(),
            ]
            assert near.any()


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[st.integers(-20, 60)] * 4), st.integers(1, 33))
@example((3, 5, 30, 5), 8)
@example((7, 2, 7, 25), 3)
def test_a_stroke_covers_what_is_near_its_line(ends: tuple[int, int, int, int], size: int) -> None:
    rect, covered = shapes.stroke(ends[:2], ends[2:], size, BOUNDS)
    (ax, ay), (bx, by) = shapes.snapped(ends[:2], size), shapes.snapped(ends[2:], size)
    rows, columns = np.mgrid[: BOUNDS.height(), : BOUNDS.width()]
    x, y, dx, dy = columns + 0.5 - ax, rows + 0.5 - ay, bx - ax, by - ay
    along = np.clip((x * dx + y * dy) / max(dx * dx + dy * dy, 1), 0, 1)
    expected = (x - along * dx) ** 2 + (y - along * dy) ** 2 <= size**2 / 4 + 1e-3
    whole = np.zeros_like(expected)
    if not rect.isEmpty():
        whole[slices(rect)] = covered
    assert (whole == expected).all()


def plain_flood(rgb: np.ndarray, x: int, y: int, tolerance: int) -> np.ndarray:
    alike = (np.abs(rgb.astype(int) - rgb[y, x]).max(axis=2)) <= tolerance
    reached, waiting = np.zeros(alike.shape, dtype=bool), [(y, x)]
    while waiting:
        row, column = waiting.pop()
        if 0 <= row < len(alike) and 0 <= column < alike.shape[1] and alike[row, column] and not reached[row, column]:
            reached[row, column] = True
            waiting += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    return reached


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 25), st.integers(1, 25), st.integers(0, 3))
def test_flood_fill(seed: int, height: int, width: int, tolerance: int) -> None:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 3, (height, width, 3), dtype=np.uint8) * (rng.random() < 0.5) + np.uint8(
        rng.integers(0, 2, (height, width, 1))
    )
    x, y = int(rng.integers(width)), int(rng.integers(height))
    assert np.array_equal(shapes.flood(rgb, x, y, tolerance), plain_flood(rgb, x, y, tolerance))


def test_flood_fill_of_a_spiral_and_at_the_ends_of_the_colours() -> None:
    size = 101
    wall = np.zeros((size, size), dtype=bool)
    row, column, dy, dx = 0, 0, 0, 1
    path = np.zeros_like(wall)
    for length in [size - 1, *[n for n in range(size - 1, 0, -2) for _ in (0, 1)]]:
        for _ in range(length):
            path[row, column] = True
            row, column = row + dy, column + dx
        dy, dx = dx, -dy
    rgb = np.where(path, 255, 0).astype(np.uint8)[..., None].repeat(3, axis=2)
    assert np.array_equal(shapes.flood(rgb, 0, 0, 10), plain_flood(rgb, 0, 0, 10))
    assert shapes.flood(rgb, 0, 0, 255).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 20), st.integers(0, 6))
def test_growing_and_shrinking(seed: int, height: int, width: int, by: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.1
    rows, columns = np.mgrid[:height, :width]
    far = np.full((height, width), 10**6)
    for row, column in np.argwhere(mask):
        far = np.minimum(far, (rows - row) ** 2 + (columns - column) ** 2)
    assert np.array_equal(shapes.grown(mask, by), far <= by**2)
    assert np.array_equal(shapes.shrunk(~mask, by), ~shapes.grown(mask, by) & ~mask)


def test_a_polygon_covers_the_middles_inside_it() -> None:
    rect, covered = shapes.polygon([(2, 2), (12.4, 2), (12.4, 8.6), (2, 8.6)], BOUNDS)
    whole = np.zeros((30, 40), dtype=bool)
    whole[rect.top() : rect.bottom() + 1, rect.left() : rect.right() + 1] = covered
    wanted = np.zeros_like(whole)
    wanted[2:9, 2:12] = True
    assert np.array_equal(whole, wanted)
    assert shapes.polygon([(1, 1), (5, 5)], BOUNDS)[0].isEmpty()
    assert shapes.polygon([(100, 100), (120, 100), (110, 120)], BOUNDS)[0].isEmpty()
