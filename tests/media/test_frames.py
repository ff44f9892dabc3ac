import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from studio.errors import StudioError
from studio.media.frames import (
    WorkingFrame,
    crop,
    crop_planes,
    frame_around,
    given_state,
    parse_frame,
    parse_planes,
    stitch,
)
from studio.prime.subtokens import Subtokens

GRID = 8


def random_case(seed: int, height: int, width: int):
    """A random picture, a random rectangle as its mask, and what a model may have made."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), dtype=bool)
    top, left = rng.integers(height), rng.integers(width)
    mask[top : top + rng.integers(1, height + 1), left : left + rng.integers(1, width + 1)] = True
    return picture, mask, rng.integers(0, 256, (GRID, GRID, 3), dtype=np.uint8)


cases = {"seed": st.integers(0, 2**32), "height": st.integers(1, 40), "width": st.integers(1, 40)}


@settings(max_examples=80, deadline=None)
@given(**cases)
def test_outside_the_mask_nothing_changes(seed, height, width):
    picture, mask, filled = random_case(seed, height, width)
    before = picture.copy()
    frame = frame_around(mask, GRID)
    cells, holes = crop(picture, mask, frame, GRID)
    result = stitch(picture, filled, mask, frame)
    assert cells.shape == (GRID, GRID, 3) and cells.dtype == np.uint8 and holes.shape == (GRID, GRID) and holes.any()
    assert result.shape == picture.shape and result.dtype == np.uint8
    assert np.array_equal(result[~mask], picture[~mask])
    assert np.array_equal(picture, before)


@settings(max_examples=80, deadline=None)
@given(**cases)
def test_the_frame_holds_the_mask_and_stays_inside(seed, height, width):
    _, mask, _ = random_case(seed, height, width)
    frame = frame_around(mask, GRID)
    rows, columns = np.nonzero(mask)
    assert frame.size >= GRID
    assert frame.x <= columns.min() and columns.max() < frame.x + frame.size
    assert frame.y <= rows.min() and rows.max() < frame.y + frame.size
    for start, available in ((frame.x, width), (frame.y, height)):
        if available >= frame.size:
            assert 0 <= start <= available - frame.size
        else:
            assert start <= 0 and start + frame.size >= available
    assert parse_frame(f"{frame.x},{frame.y},{frame.size}", mask, GRID) == frame


@settings(max_examples=80, deadline=None)
@given(**cases)
def test_what_is_masked_never_shows_in_a_given_cell(seed, height, width):
    picture, mask, _ = random_case(seed, height, width)
    frame = frame_around(mask, GRID)
    cells, holes = crop(picture, mask, frame, GRID)
    painted = np.where(mask[..., None], 255 - picture, picture).astype(np.uint8)
    again, _ = crop(painted, mask, frame, GRID)
    assert np.array_equal(cells[~holes], again[~holes])


def test_a_picture_of_the_grid_is_taken_whole_and_exactly():
    picture, mask, filled = random_case(3, GRID, GRID)
    frame = frame_around(mask, GRID)
    assert frame == WorkingFrame(0, 0, GRID)
    cells, holes = crop(picture, mask, frame, GRID)
    assert np.array_equal(cells, picture) and np.array_equal(holes, mask)
    assert np.array_equal(stitch(picture, filled, mask, frame)[mask], filled[mask])


def test_there_is_context_around_the_mask():
    mask = np.zeros((200, 200), dtype=bool)
    mask[90:110, 60:100] = True
    assert frame_around(mask, GRID) == WorkingFrame(50, 70, 60)


def test_an_edge_goes_on_beyond_a_small_picture():
    picture = np.full((2, GRID, 3), 200, dtype=np.uint8)
    mask = np.zeros((2, GRID), dtype=bool)
    mask[0, 0] = True
    frame = frame_around(mask, GRID)
    assert frame == WorkingFrame(0, -3, GRID)
    cells, holes = crop(picture, mask, frame, GRID)
    assert (cells == 200).all() and np.argwhere(holes).tolist() == [[0, 0], [1, 0], [2, 0], [3, 0]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(9, 60), st.integers(9, 60), st.integers(9, 90))
def test_a_large_frame_sees_beyond_the_picture_what_padding_would_give(seed, height, width, size):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = rng.random((height, width)) < 0.1
    x, y = int(rng.integers(1 - size, width)), int(rng.integers(1 - size, height))
    seen, holes = crop(picture, mask, WorkingFrame(x, y, size), 8)
    reach = ((size, size), (size, size))
    padded, masked = np.pad(picture, (*reach, (0, 0)), mode="edge"), np.pad(mask, reach, mode="edge")
    wanted, open_cells = crop(padded, masked, WorkingFrame(x + size, y + size, size), 8)
    assert (holes == open_cells).all() and np.abs(seen.astype(int) - wanted).max() <= 1


def test_of_a_panorama_only_itself_is_enlarged(monkeypatch):
    picture, made = np.full((30, 3000, 3), 80, dtype=np.uint8), np.full((8, 8, 3), 200, dtype=np.uint8)
    mask = np.zeros((30, 3000), dtype=bool)
    mask[5:20, 100:2900] = True
    enlarged, resize = [], Image.Image.resize
    monkeypatch.setattr(
        Image.Image,
        "resize",
        lambda image, size, *more, **named: (enlarged.append(size), resize(image, size, *more, **named))[1],
    )
    result = stitch(picture, made, mask, WorkingFrame(0, -1485, 3000))
    assert enlarged == [(3000, 30)]
    assert (result[~mask] == 80).all() and result[mask].mean() > 180


def test_reducing_averages_areas():
    picture = np.zeros((2 * GRID, 2 * GRID, 3), dtype=np.uint8)
    picture[::2] = 100
    mask = np.zeros((2 * GRID, 2 * GRID), dtype=bool)
    mask[5, 7] = True
    cells, holes = crop(picture, mask, WorkingFrame(0, 0, 2 * GRID), GRID)
    assert (cells == 50).all()
    assert np.argwhere(holes).tolist() == [[2, 3]]


def test_enlarging_a_flat_fill_keeps_its_color():
    picture = np.full((20, 20, 3), 60, dtype=np.uint8)
    mask = np.zeros((20, 20), dtype=bool)
    mask[5:15, 5:15] = True
    filled = np.full((GRID, GRID, 3), 60, dtype=np.uint8)
    assert (stitch(picture, filled, mask, WorkingFrame(0, 0, 20)) == 60).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2", "x,y,size"),
        ("a,b,c", "x,y,size"),
        ("0,0,4", "at least 8"),
        ("0,0,90", "at most 40"),
        ("20,20,8", "does not hold the whole mask"),
        ("8,8,8", "does not hold the whole mask"),
    ],
)
def test_bad_frames(text, message):
    mask = np.zeros((40, 30), dtype=bool)
    mask[10:14, 10:18] = True
    with pytest.raises(StudioError, match=message):
        parse_frame(text, mask, GRID)


def test_an_empty_mask_has_no_frame():
    with pytest.raises(StudioError, match="Nothing to fill"):
        frame_around(np.zeros((9, 9), dtype=bool), GRID)


def test_planes():
    assert parse_planes("all", 4) == [0, 1, 2, 3]
    assert parse_planes("high", 8) == [0, 1, 2, 3]
    assert parse_planes("low", 8) == [4, 5, 6, 7]
    assert sorted(parse_planes("high", 3) + parse_planes("low", 3)) == [0, 1, 2]
    assert parse_planes("high", 1) == parse_planes("low", 1) == [0]
    assert parse_planes("3,0,3", 4) == [0, 3]
    for bad in ("", "none", "4", "-1", "0;1"):
        with pytest.raises(StudioError):
            parse_planes(bad, 4)


def test_given_state_masks_only_the_chosen_digits():
    subtokens = Subtokens(16, 4)
    tokens = np.arange(16).reshape(2, 8)
    token_mask = np.arange(8) < 3
    y = given_state(tokens, token_mask, subtokens)
    assert (y[:, :3] == subtokens.mask_id).all()
    assert np.array_equal(subtokens.decode(y[:, 3:]), tokens[:, 3:])
    low = given_state(tokens, token_mask, subtokens, [2, 3])
    assert np.array_equal(low[..., :2], subtokens.encode(tokens)[..., :2])
    assert (low[:, :3, 2:] == subtokens.mask_id).all() and (low[:, 3:] != subtokens.mask_id).all()


@settings(max_examples=80, deadline=None)
@given(**cases)
def test_planes_of_cells_are_those_of_their_pixels(seed, height, width):
    picture, mask, _ = random_case(seed, height, width)
    bits = np.random.default_rng(seed).integers(0, 16, mask.shape, dtype=np.uint16) * mask
    frame = frame_around(mask, GRID)
    cells = crop_planes(bits, frame, GRID)
    for place in range(4):
        assert np.array_equal((cells >> place) & 1 > 0, crop(picture, (bits >> place) & 1 > 0, frame, GRID)[1])


def test_planes_of_a_panorama_take_no_more_memory_than_it():
    bits = np.zeros((2, 3000), dtype=np.uint16)
    bits[1, 1500] = 0b10
    tracemalloc.start()
    try:
        cells = crop_planes(bits, WorkingFrame(0, -1499, 3000), GRID)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    down, across = GRID // 2, GRID // 2
    assert np.argwhere(cells).tolist() == [[row, across] for row in range(down, GRID)]
    assert cells.max() == 0b10


def test_given_state_with_planes_for_each_token():
    subtokens = Subtokens(16, 4)
    tokens = np.arange(16).reshape(2, 8)
    planes = np.random.default_rng(0).random((8, 4)) < 0.5
    token_mask = np.arange(8) < 5
    y = given_state(tokens, token_mask, subtokens, planes)
    chosen = planes & token_mask[:, None]
    assert np.array_equal(y == subtokens.mask_id, np.broadcast_to(chosen, y.shape))
    assert np.array_equal(y[:, ~chosen], subtokens.encode(tokens)[:, ~chosen])
