"""Which digits of a pixel are masked, as bits: bit j for the digit at place j, 0 the most significant."""

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.media.frames import WorkingFrame, crop_planes, parse_planes

ALL = 0xFFFF
"""Every digit, of any model."""


def bits_of(planes: str, digits: int) -> int:
    """What a stroke writes that masks these planes of a model with so many digits: ALL or single bits."""
    try:
        places = parse_planes(planes, digits)
    except StudioError:  # chosen for a model with more digits
        return ALL
    return ALL if len(places) == digits else sum(1 << place for place in places)


def within(bits: NDArray[np.uint16], digits: int) -> NDArray[np.uint16]:
    """Bits for a model with so many digits: a copy. What was painted for one with more digits, and would mask none of
    this one's, is masked whole."""
    whole = (1 << digits) - 1
    result = bits & np.uint16(whole)
    result[(result == 0) & (bits != 0)] = whole
    return result


def groups_in(bits: NDArray[np.uint16], frame: WorkingFrame, grid: int, digits: int, granularity: int) -> int:
    """How many groups of digits of a frame's grid × grid cells bits, (H, W), mask in a token a cell."""
    cells, wide = crop_planes(bits, frame, grid), digits // granularity
    touched = [(cells >> place & 1).astype(bool) for place in range(digits)]
    return sum(int(np.any(touched[at : at + wide], axis=0).sum()) for at in range(0, digits, wide))
