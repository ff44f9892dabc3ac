"""A paused sample that was touched on the canvas, as the state to go on from."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studio.generation import picture_tokenizer
from studio.generation.request import inside
from studio.media.frames import WorkingFrame, crop, crop_planes
from studio.media.images import ImageTokenizer, put
from studio.prime.subtokens import Subtokens
from studio.ui.image.document import ImageDocument
from studio.ui.image.jobs import Job


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
        shown = np.zeros((*opaque.shape, 3), dtype=np.uint8)
        put(shown, painted[..., :3], opaque)
        colors = crop(shown, nothing, frame, grid)[0]
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


def touched_state(
    job: Job, index: int, variation: int, document: ImageDocument, again: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """A frame of a run, (L, ℓ), with what was erased, painted and pinned in it on the canvas.

    again: more pixels that count as erased, bool (H, W)."""
    bundle, frame = job.run.bundle, WorkingFrame(*job.source.frame)
    tokenizer, before = picture_tokenizer(bundle), job.run.frames[index].y[variation]
    state = edited_state(before, document, frame, tokenizer, bundle.subtokens)
    if again is not None:
        cells = crop_planes(again.astype(np.uint8), frame, tokenizer.height) > 0
        state[tokenizer.token_mask(cells)] = bundle.subtokens.mask_id
    return pinned_state(state, before, document.pins, frame, tokenizer) if document.pins.any() else state


def touched_job(
    job: Job, document: ImageDocument, again: NDArray[np.bool_] | None = None
) -> tuple[Job, NDArray[np.bool_]]:
    """A job with the pictures that what was painted belongs to, and the mask, bool (H, W), of a run that goes on. As
    `touched_state`."""
    mask, painted = job.source.full_mask(), document.painted[..., 3] > 0
    if painted.any():
        color, rgb = document.painted[..., :3], job.rgb.copy()
        put(rgb, color, painted)
        job = replace(
            job,
            picture=job.picture.filled(color, painted),
            rgb=rgb,
            repainted=painted if job.repainted is None else painted | job.repainted,
        )
        mask &= ~painted
    here = inside(WorkingFrame(*job.source.frame), job.source.width, job.source.height)
    mask[here] |= (document.erased[here] != 0) & ~document.pins[here]
    if again is not None:
        mask |= again & ~document.pins
    return job, mask
