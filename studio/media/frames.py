"""The square of a picture that a model works on, and the state that it starts from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from studio.errors import StudioError
from studio.media.images import put
from studio.prime.subtokens import Subtokens


@dataclass(frozen=True)
class WorkingFrame:
    """A square of `size` pixels whose upper left pixel is (x, y); it may reach beyond the picture."""

    x: int
    y: int
    size: int


def frame_around(mask: NDArray[np.bool_], grid: int) -> WorkingFrame:
    """The smallest square that shows the model what surrounds the mask, bool (H, W).

    At least a quarter of the masked part's longer side is left on each side of it, as far as the picture
    reaches; never smaller than the model's `grid`, at which a picture of just that size is taken whole.
    """
    left, top, width, height = _bounds(mask)
    longer = max(width, height)
    size = max(grid, min(longer + 2 * -(-longer // 4), max(mask.shape)))
    return WorkingFrame(_place(left, width, size, mask.shape[1]), _place(top, height, size, mask.shape[0]), size)


def _place(start: int, length: int, size: int, available: int) -> int:
    """Where a frame begins that is centred on the mask and moved inside the picture (or centred on a smaller one)."""
    if available <= size:
        return (available - size) // 2
    return min(max(start + (length - size) // 2, 0), available - size)


def _bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, width and height of the masked part."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not columns.size:
        raise StudioError("Nothing to fill: the mask is empty. Paint white where the picture is to be filled.")
    return int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)


def parse_frame(text: str, mask: NDArray[np.bool_], grid: int) -> WorkingFrame:
    """The frame that a user wrote as "x,y,size", in pixels.

    Raises StudioError where that is no frame, is smaller than the model's grid or larger than the picture, or
    leaves a part of the mask outside.
    """
    try:
        x, y, size = (int(number) for number in text.split(","))
    except ValueError as error:
        raise StudioError(f'The frame "{text[:40]}" is not three whole numbers: write it as x,y,size.') from error
    height, width = mask.shape
    if size < grid:
        raise StudioError(f"A frame of {size} pixels is smaller than the model's grid: use at least {grid}.")
    if size > max(width, height, grid):
        raise StudioError(
            f"A frame of {size} pixels is larger than the picture: use at most {max(width, height, grid)}."
        )
    left, top, wide, high = _bounds(mask)
    if x > left or y > top or x + size < left + wide or y + size < top + high:
        raise StudioError(
            f"The frame {x},{y},{size} does not hold the whole mask, which is {wide}×{high} pixels at {left},{top}: "
            "move or enlarge it."
        )
    return WorkingFrame(x, y, size)


def crop(
    picture: NDArray[np.uint8], mask: NDArray[np.bool_], frame: WorkingFrame, grid: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """What the model sees: the frame at its grid's size, uint8 (grid, grid, 3), and which cells to fill, bool.

    A frame of the grid's size is copied exactly; a larger one is averaged over areas, so that no masked pixel
    shows in a given cell: a cell is to be filled if any of its pixels is. Beyond the picture its edge goes on;
    what is made there is thrown away.
    """
    inside, reach = _overlap(frame, mask.shape)
    part, holes = picture[inside], mask[inside]
    if frame.size == grid:
        # Beyond the picture the mask goes on too: what a hole covers must not be shown as given there.
        return np.pad(part, (*reach, (0, 0)), mode="edge"), np.pad(holes, reach, mode="edge")
    down, across = (
        _held(_area_weights(frame.size, grid), before, count)
        for (before, _), count in zip(reach, holes.shape, strict=True)
    )
    flat = np.empty((grid, holes.shape[1], 3), dtype=np.float32)
    bands = np.empty((grid, holes.shape[1]), dtype=bool)
    for row, weights in enumerate(down):
        # One band of pixel rows after the other: a large picture never stands in memory as floats.
        used = slice(*(np.flatnonzero(weights)[[0, -1]] + [0, 1]))
        flat[row] = np.tensordot(weights[used], part[used].astype(np.float32), axes=1)
        bands[row] = holes[used].any(axis=0)
    cells = np.einsum("cx,rxk->rck", across, flat)
    return np.clip(np.rint(cells), 0, 255).astype(np.uint8), bands.astype(np.float32) @ across.T > 0


def _held(weights: NDArray[np.float32], before: int, count: int) -> NDArray[np.float32]:
    """(grid, size) as (grid, count): the weights of what lies beyond the picture on either side are its edge's."""
    held = weights[:, before : before + count].copy()
    held[:, 0] += weights[:, :before].sum(axis=1)
    held[:, -1] += weights[:, before + count :].sum(axis=1)
    return held


def _overlap(frame: WorkingFrame, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[tuple[int, int], ...]]:
    """The part of a picture that a frame shows, and how far the frame reaches beyond it on each side."""
    spans = [(max(at, 0), min(at + frame.size, end), at) for at, end in zip((frame.y, frame.x), shape, strict=False)]
    rows, columns = (slice(start, stop) for start, stop, _ in spans)
    return (rows, columns), tuple((start - at, at + frame.size - stop) for start, stop, at in spans)


def _area_weights(size: int, grid: int) -> NDArray[np.float32]:
    """(grid, size): the share that each pixel has in each cell's average."""
    edges = np.arange(grid + 1) * size / grid
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    # An overlap of rounding errors only is none: it would mask a cell that holds no masked pixel.
    overlap[overlap < 1e-6] = 0
    return (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)


def stitch(
    picture: NDArray[np.uint8], filled: NDArray[np.uint8], mask: NDArray[np.bool_], frame: WorkingFrame
) -> NDArray[np.uint8]:
    """Put what the model made, uint8 (grid, grid, 3), back into the picture, enlarged smoothly if need be.

    Every pixel outside the mask and outside the frame is the picture's, bit for bit.
    """
    grid = len(filled)
    inside, ((above, _), (before, _)) = _overlap(frame, mask.shape)
    height, width = mask[inside].shape
    if frame.size == grid:
        part = filled[above : above + height, before : before + width]
    else:
        # Given cells get their true colours, so that enlarging does not blend rounded ones into the fill.
        cells, holes = crop(picture, mask, frame, grid)
        blended = Image.fromarray(np.where(holes[..., None], filled, cells))
        # Only what lies in the picture: of a panorama the frame is many times as large.
        cell = frame.size / grid
        seen = before / cell, above / cell, (before + width) / cell, (above + height) / cell
        part = np.asarray(blended.resize((width, height), Image.Resampling.BICUBIC, box=seen))
    result = picture.copy()
    put(result[inside], part, mask[inside])
    return result


def parse_planes(text: str, length: int) -> list[int]:
    """Digit places to fill, 0 the most significant: "all", "high", "low" (the halves) or numbers such as "0,3"."""
    named = {
        "all": range(length),
        "high": range(max(length // 2, 1)),
        "low": range(length // 2, length),
    }
    if text in named:
        return list(named[text])
    try:
        places = sorted({int(number) for number in text.split(",")})
    except ValueError as error:
        raise StudioError(f'The planes "{text[:40]}" are unknown: use all, high, low or places such as 0,3.') from error
    if places[0] < 0 or places[-1] >= length:
        raise StudioError(f"The model's digits have the places 0 … {length - 1}: {text[:40]} names others.")
    return places


def crop_planes(bits: NDArray[np.unsignedinteger], frame: WorkingFrame, grid: int) -> NDArray[np.unsignedinteger]:
    """Which digits of each cell to fill, (grid, grid), where bits (H, W) says it for each pixel: bit j for place j.

    A cell's digit is to be filled if it is in any of the cell's pixels; see `crop`.
    """
    inside, reach = _overlap(frame, bits.shape)
    part = bits[inside]
    if frame.size == grid:
        return np.pad(part, reach, mode="edge")
    down, across = (
        _pixels(frame.size, grid, before, count) for (before, _), count in zip(reach, part.shape, strict=True)
    )
    bands = np.stack([np.bitwise_or.reduce(part[used], axis=0) for used in down])
    return np.stack([np.bitwise_or.reduce(bands[:, used], axis=1) for used in across], axis=1)


def _pixels(size: int, grid: int, before: int, count: int) -> list[slice]:
    """For each cell of a frame of `size` pixels the ones that it covers of the `count` that lie in the picture, of
    which its edge goes on beyond it on either side."""
    firsts = [min(max(cell * size // grid - before, 0), count - 1) for cell in range(grid)]
    stops = [-(-(cell + 1) * size // grid) - before for cell in range(grid)]
    return [slice(first, min(max(stop, first + 1), count)) for first, stop in zip(firsts, stops, strict=True)]


def given_state(
    tokens: ArrayLike,
    token_mask: NDArray[np.bool_],
    subtokens: Subtokens,
    planes: Sequence[int] | NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Tokens (..., L) to the state (..., L, ℓ) to start from: masked in the chosen digit places where to fill.

    planes: the places, 0 the most significant; or an array, bool (L, ℓ), of what to mask of each token; None for all.
    """
    y = subtokens.encode(tokens)
    if isinstance(planes, np.ndarray):
        chosen = planes
    else:
        chosen = np.zeros(subtokens.length, dtype=bool)
        chosen[list(range(subtokens.length) if planes is None else planes)] = True
    y[..., token_mask[:, None] & chosen] = subtokens.mask_id
    return y
