"""What a run is doing, pixel by pixel, as pictures: how much is known, how sure it was, what is different.

Pure NumPy: states (L, ℓ) in, uint8 RGBA (rows, columns, 4) for the working frame out. A model's pixel becomes a cell
of `side` × `side` pixels, or one pixel where it is small on the screen. Lightness rises with what is told in every
map, and cells carry a pattern, so that all of it reads without colour. Cells of tokens that were given are clear.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.prime.subtokens import Subtokens

# Ten stations of the maps viridis and cividis (matplotlib, CC0), which rise evenly in lightness.
VIRIDIS = "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725"
CIVIDIS = "00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 e1cc55 fee838"
UNKNOWN = (43, 46, 56)
UNKNOWN_LINE = (96, 102, 114)
GAP = (24, 26, 32)


def color_map(stations: str) -> NDArray[np.uint8]:
    """256 colours, uint8 (256, 3), straight between stations written as hexadecimal RGB."""
    points = np.array([list(bytes.fromhex(station)) for station in stations.split()], dtype=np.float64)
    at = np.linspace(0, len(points) - 1, 256)
    channels = [np.interp(at, np.arange(len(points)), channel) for channel in points.T]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


KNOWN_COLORS, CONFIDENCE_COLORS = color_map(CIVIDIS), color_map(VIRIDIS)


def open_tokens(given: NDArray, subtokens: Subtokens) -> NDArray[np.bool_]:
    """The tokens of a start state (L, ℓ) of which something is to be made: bool (L,)."""
    return (given == subtokens.mask_id).any(axis=1)


def states_rgba(
    y: NDArray, subtokens: Subtokens, grid: int, made: NDArray[np.bool_] | None = None, side: int = 8
) -> NDArray[np.uint8]:
    """How many of its ℓ digits are known of each token: the cell is filled from below as far, and as bright. A token
    without a known digit is crossed out. y: (L, ℓ); made: bool (L,), which tokens to show (all)."""
    known = (y != subtokens.mask_id).sum(axis=1)
    length = subtokens.length
    share, colors = np.arange(length + 1) / length, _known_colors(length)
    if side == 1:
        return _cells(np.append(colors, np.full((length + 1, 1), 255, dtype="u1"), axis=1), known, grid, made)
    # The last row is the gap to the next cell.
    filled = np.arange(side)[::-1] <= np.rint(share * (side - 1))[:, None]
    tiles = np.where(filled[:, :, None, None], colors[:, None, None], np.array(UNKNOWN, dtype="u1"))
    tiles = np.repeat(tiles, side, axis=2)
    tiles[0] = _crossed(side)
    return _tiled(tiles, known, grid, made)


def confidence_rgba(
    confidence: NDArray,
    y: NDArray,
    subtokens: Subtokens,
    grid: int,
    made: NDArray[np.bool_] | None = None,
    side: int = 8,
) -> NDArray[np.uint8]:
    """The probability, (L,), that the value drawn for each token had; crossed out where nothing was drawn yet (NaN, or
    no digit known)."""
    unknown = np.isnan(confidence) | (y == subtokens.mask_id).all(axis=1)
    level = 1 + np.rint(np.where(unknown, 0, np.clip(confidence, 0, 1)) * 255).astype(np.int64)
    level[unknown] = 0
    colors = np.concatenate([[UNKNOWN], CONFIDENCE_COLORS]).astype("u1")
    return _mapped(colors, level, grid, made, side)


def difference_rgba(
    made_pixels: NDArray[np.uint8],
    original: NDArray[np.uint8],
    made: NDArray[np.bool_] | None = None,
    side: int = 8,
) -> NDArray[np.uint8]:
    """How far, at most in any colour value, pixels (grid, grid, 3) are from the original's; crossed out where they are
    the same. made: bool (grid, grid), which pixels to show (all)."""
    apart = np.abs(made_pixels.astype(np.int16) - original).max(axis=2)
    # Small differences are the ones that are hard to see: the root lifts them.
    level = np.rint(np.sqrt(apart / 255) * 255).astype(np.int64)
    colors = CONFIDENCE_COLORS.copy()
    colors[0] = UNKNOWN
    return _mapped(colors, level.reshape(-1), len(original), None if made is None else made.reshape(-1), side)


@dataclass(frozen=True)
class Scale:
    """What the colours of a map mean: RGB from least to most, and words for both ends."""

    colors: tuple[tuple[int, int, int], ...]
    least: str
    most: str

    @classmethod
    def of(cls, colors: NDArray[np.uint8], least: str, most: str) -> "Scale":
        """colors: uint8 (n, 3)."""
        return cls(tuple((red, green, blue) for red, green, blue in colors.tolist()), least, most)


def scale_of(name: str, subtokens: Subtokens, digits: bool = False) -> Scale | None:
    """Of an overlay, None where it has no colours of its own; digits: each digit is a cell of its own."""
    evenly = CONFIDENCE_COLORS[np.rint(np.linspace(0, 255, 9)).astype(int)]
    match name:
        case "states" if digits:
            values = np.rint(255 * np.arange(subtokens.base) / (subtokens.base - 1)).astype(int)
            return Scale.of(KNOWN_COLORS[values], "digit 0", str(subtokens.base - 1))
        case "states":
            return Scale.of(_known_colors(subtokens.length), "0", f"{subtokens.length} digits known")
        case "confidence":
            return Scale.of(evenly, "unsure", "sure")
        case "difference":
            return Scale.of(evenly, "alike", "different")
    return None


def _known_colors(length: int) -> NDArray[np.uint8]:
    """A colour for 0 … ℓ known digits, each of them seen against the one for none: uint8 (ℓ + 1, 3)."""
    lit = 0.35 + 0.65 * np.arange(1, length + 1) / length
    return np.concatenate([[UNKNOWN], KNOWN_COLORS[np.rint(255 * lit).astype(int)]]).astype(np.uint8)


def digit_layout(subtokens: Subtokens, tokens_a_pixel: int) -> tuple[int, int]:
    """Rows and columns of digit cells in a pixel: a row a colour, or the digits of one token in a near square."""
    length = subtokens.length
    if tokens_a_pixel > 1:
        return tokens_a_pixel, length
    rows = int(np.sqrt(length))
    return rows, -(-length // rows)


def digit_cells(
    y: NDArray, subtokens: Subtokens, grid: int, made: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """The digits as they lie in the frame: (grid · rows, grid · columns), the value, base where it is unknown, −1 where
    nothing is to be shown."""
    a_pixel = len(y) // grid**2
    rows, columns = digit_layout(subtokens, a_pixel)
    cells = np.full((len(y), rows * columns // a_pixel), -1, dtype=np.int64)
    cells[:, : subtokens.length] = y
    if made is not None:
        cells[~made] = -1
    return cells.reshape(grid, grid, rows, columns).transpose(0, 2, 1, 3).reshape(grid * rows, grid * columns)


def _mapped(
    colors: NDArray[np.uint8], level: NDArray[np.int64], grid: int, made: NDArray[np.bool_] | None, side: int
) -> NDArray[np.uint8]:
    """Cells of even colour, crossed out at level 0."""
    if side == 1:
        return _cells(np.append(colors, np.full((len(colors), 1), 255, dtype="u1"), axis=1), level, grid, made)
    tiles = np.broadcast_to(colors[:, None, None], (len(colors), side, side, 3)).copy()
    tiles[0] = _crossed(side)
    return _tiled(tiles, level, grid, made)


def _cells(
    colors: NDArray[np.uint8], index: NDArray[np.int64], grid: int, made: NDArray[np.bool_] | None
) -> NDArray[np.uint8]:
    """One pixel a cell; the tokens of a pixel side by side."""
    rgba = colors[index].copy()
    if made is not None:
        rgba[~made] = 0
    return rgba.reshape(grid, -1, 4)


def _tiled(
    tiles: NDArray[np.uint8], index: NDArray[np.int64], grid: int, made: NDArray[np.bool_] | None
) -> NDArray[np.uint8]:
    """Lay tiles (n, side, side, 3) by their index (L,): a square a pixel, narrower where it has several tokens."""
    side = tiles.shape[1]
    a_pixel = len(index) // grid**2
    width = max(side // a_pixel, 2)
    table = np.full((len(tiles) + 1, side, width, 4), 255, dtype=np.uint8)
    table[:-1, ..., :3] = tiles[:, :, :width]
    table[:-1, -1, :, :3] = GAP
    table[:-1, :, -1, :3] = GAP
    table[-1] = 0
    chosen = index if made is None else np.where(made, index, len(tiles))
    # As one number a pixel, which NumPy gathers four times as fast as four bytes.
    words = table.view(np.uint32)[..., 0][chosen.reshape(grid, grid * a_pixel)]
    image = words.transpose(0, 2, 1, 3).reshape(grid * side, grid * a_pixel * width)
    return np.ascontiguousarray(image).view(np.uint8).reshape(*image.shape, 4)


def _crossed(side: int) -> NDArray[np.uint8]:
    """A tile with a falling line: nothing is known."""
    tile = np.empty((side, side, 3), dtype=np.uint8)
    tile[:] = UNKNOWN
    tile[np.eye(side, dtype=bool)] = UNKNOWN_LINE
    return tile
