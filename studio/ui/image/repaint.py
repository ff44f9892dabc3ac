"""A paused sample that was touched on the canvas, as the state to go on from."""

import numpy as np
from numpy.typing import NDArray

from studio.media.frames import WorkingFrame, crop, crop_planes
from studio.media.images import ImageTokenizer
from studio.prime.subtokens import Subtokens
from studio.ui.image.document import ImageDocument


def edited_state(
    y: NDArray, document: ImageDocument, frame: WorkingFrame, tokenizer: ImageTokenizer, subtokens: Subtokens
) -> NDArray[np.int64]:
    """A state (L, ℓ) in `frame` with what was erased masked again and what was painted known: (L, ℓ), a copy.

    A cell of several pixels takes the mean of the colours painted in it where they cover at least half of it; it is
    masked where any of its pixels is erased.
    """
    grid = tokenizer.height
    state = np.array(y, dtype=np.int64)
    painted = document.painted
    if painted[..., 3].any():
        opaque = painted[..., 3] > 0
        nothing = np.zeros(opaque.shape, dtype=bool)
        share = crop(np.repeat(painted[..., 3:], 3, axis=2), nothing, frame, grid)[0][..., :1]
        colors = crop(np.where(opaque[..., None], painted[..., :3], np.uint8(0)), nothing, frame, grid)[0]
        mean = np.rint(np.minimum(colors * (255 / np.maximum(share, 1)), 255)).astype(np.uint8)
        covered = tokenizer.token_mask(share[..., 0] >= 128)
        state[covered] = subtokens.encode(tokenizer.encode(mean))[covered]
    if document.erased.any():
        bits = crop_planes(document.erased, frame, grid)
        for place in range(subtokens.length):
            state[tokenizer.token_mask((bits >> place) & 1 > 0), place] = subtokens.mask_id
    return state


def pinned_state(
    given: NDArray, y: NDArray, pins: NDArray[np.bool_], frame: WorkingFrame, tokenizer: ImageTokenizer
) -> NDArray[np.int64]:
    """The start state of a run, given (L, ℓ), with what was made in y (L, ℓ) kept at the pinned pixels, bool (H, W):
    (L, ℓ), a copy. A cell is kept where any of its pixels is pinned."""
    state = np.array(given, dtype=np.int64)
    cells = crop_planes(pins.astype(np.uint8), frame, tokenizer.height) > 0
    kept = tokenizer.token_mask(cells)
    state[kept] = y[kept]
    return state
