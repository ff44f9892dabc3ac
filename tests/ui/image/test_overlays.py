"""Overlays as arrays: what they say, and that it can be read without colour."""

import numpy as np
import pytest

from studio.prime.subtokens import Subtokens
from studio.ui.image import overlays

GRID = 4
LUMA = np.array([0.299, 0.587, 0.114])


def lightness(rgba: np.ndarray) -> np.ndarray:
    return rgba[..., :3] @ LUMA


def state(subtokens: Subtokens, known: list[int], a_pixel: int = 1) -> np.ndarray:
    y = np.full((GRID * GRID * a_pixel, subtokens.length), subtokens.mask_id)
    for token, count in enumerate(known):
        y[token, :count] = 0
    return y


@pytest.mark.parametrize("colors", [overlays.KNOWN_COLORS, overlays.CONFIDENCE_COLORS])
def test_the_maps_rise_in_lightness(colors: np.ndarray) -> None:
    assert (np.diff(colors @ LUMA) > -0.6).all()
    assert np.ptp(colors @ LUMA) > 150


@pytest.mark.parametrize("side", [1, 10, 20, 39])
@pytest.mark.parametrize("length", [1, 2, 4, 8])
def test_more_known_digits_are_more_and_lighter(length: int, side: int) -> None:
    subtokens = Subtokens(256, length)
    y = state(subtokens, list(range(length + 1)))
    rgba = overlays.states_rgba(y, subtokens, GRID, side=side)
    assert rgba.shape == (GRID * side, GRID * side, 4) and rgba.dtype == np.uint8 and (rgba[..., 3] == 255).all()
    cells = lightness(rgba).reshape(GRID, side, GRID, side).transpose(0, 2, 1, 3).reshape(GRID * GRID, -1)
    means = cells.mean(axis=1)[: length + 1]
    assert (np.diff(means[1:]) > 0).all() and means[0] < means[1]
    if side >= 10:  # each count has a look of its own, and unknown a mark
        assert len({cell.tobytes() for cell in cells[: length + 1]}) == length + 1


def test_bars_are_as_high_as_digits_are_known() -> None:
    subtokens = Subtokens(256, 8)
    rgba = overlays.states_rgba(state(subtokens, list(range(9))), subtokens, GRID, side=17)
    light = lightness(rgba)
    for known in range(1, 9):
        row, column = divmod(known, GRID)
        bar = light[row * 17 : row * 17 + 16, column * 17 + 3]
        assert (bar == bar[-1]).sum() == 2 * known


def test_three_tokens_a_pixel_stand_side_by_side() -> None:
    subtokens = Subtokens(256, 8)
    y = state(subtokens, [8, 0, 8], a_pixel=3)
    rgba = overlays.states_rgba(y, subtokens, GRID, side=12)
    assert rgba.shape == (48, 48, 4)
    assert lightness(rgba)[2, [1, 5, 9]].tolist() == lightness(rgba)[2, [9, 5, 1]].tolist()
    assert lightness(rgba)[2, 1] > lightness(rgba)[2, 5] + 50
    assert overlays.states_rgba(y, subtokens, GRID, side=1).shape == (GRID, 3 * GRID, 4)


def test_given_tokens_are_clear() -> None:
    subtokens = Subtokens(256, 8)
    made = np.zeros(GRID * GRID, dtype=bool)
    made[5] = True
    y = state(subtokens, [3] * 16)
    for rgba in (
        overlays.states_rgba(y, subtokens, GRID, made, 8),
        overlays.confidence_rgba(np.full(16, 0.4), y, subtokens, GRID, made, 8),
        overlays.difference_rgba(np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 3), np.uint8), made.reshape(4, 4), 8),
    ):
        seen = rgba[..., 3].reshape(GRID, 8, GRID, 8).any(axis=(1, 3))
        assert np.array_equal(seen.reshape(-1), made)


def test_confidence_and_what_is_unknown() -> None:
    subtokens = Subtokens(256, 8)
    confidence = np.linspace(0, 1, 16)
    confidence[3] = np.nan
    y = state(subtokens, [8] * 15)
    rgba = overlays.confidence_rgba(confidence, y, subtokens, GRID, side=10)
    corners = lightness(rgba)[4::10, 1::10].reshape(-1)  # beside the line of a cell that is crossed out
    sure = np.delete(corners, [3, 15])
    assert (np.diff(sure) > 0).all()
    assert corners[3] == corners[15]


def test_difference() -> None:
    original = np.zeros((4, 4, 3), dtype=np.uint8)
    made = original.copy()
    made[0, 1, 2], made[0, 2], made[0, 3, 0] = 5, 40, 255
    rgba = overlays.difference_rgba(made, original, side=1)
    light = lightness(rgba)
    assert light[0, 1] < light[0, 2] < light[0, 3]
    assert tuple(rgba[2, 2, :3]) == overlays.UNKNOWN


def test_digits_lie_most_significant_first() -> None:
    subtokens = Subtokens(256, 8)
    y = subtokens.encode(np.arange(16))
    y[2, 4] = subtokens.mask_id
    made = np.ones(16, dtype=bool)
    made[3] = False
    cells = overlays.digit_cells(y, subtokens, GRID, made)
    assert cells.shape == (8, 16)
    assert cells[:2, 4:8].reshape(-1).tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
    assert cells[1, 8] == subtokens.mask_id and (cells[:2, 12:16] == -1).all()
    rgb = overlays.digit_cells(Subtokens(256, 4).encode(np.arange(48)), Subtokens(256, 4), GRID)
    assert rgb.shape == (12, 16) and rgb[1, :4].tolist() == [0, 0, 0, 1]
    odd = overlays.digit_cells(Subtokens(256, 3).encode(np.arange(16)), Subtokens(256, 3), GRID)
    assert odd.shape == (4, 12)
    five = overlays.digit_cells(Subtokens(32, 5).encode(np.arange(16)), Subtokens(32, 5), GRID)
    assert five.shape == (8, 12) and (five == -1).sum() == 16


def test_the_legend_says_what_the_colours_mean() -> None:
    states = overlays.scale_of("states", Subtokens(256, 8))
    assert states is not None and (states.least, states.most) == ("0", "8 digits known")
    assert len(states.colors) == 9 and states.colors[0] == overlays.UNKNOWN
    digits = overlays.scale_of("states", Subtokens(256, 4), digits=True)
    assert digits is not None and (digits.least, digits.most, len(digits.colors)) == ("digit 0", "3", 4)
    for name in ("confidence", "difference"):
        scale = overlays.scale_of(name, Subtokens(256, 8))
        assert scale is not None and scale.colors[-1] == tuple(overlays.CONFIDENCE_COLORS[-1])
    assert overlays.scale_of("picture", Subtokens(256, 8)) is None
