"""Going on from a paused sample that was touched."""

import numpy as np
import pytest

from studio.media.frames import WorkingFrame
from studio.media.images import PaletteTokenizer, Picture, RgbTokenizer
from studio.prime.subtokens import Subtokens
from studio.ui.image.document import ImageDocument
from studio.ui.image.repaint import edited_state, pinned_state

GRID = 8
SUBTOKENS = Subtokens(256, 8)
FRAME = WorkingFrame(4, 2, GRID)


@pytest.fixture
def document() -> ImageDocument:
    document = ImageDocument()
    document.load(Picture(np.zeros((20, 24, 3), dtype=np.uint8)))
    document.set_model(GRID, 8)
    document.editing_state = True
    return document


def dab(document: ImageDocument, x: int, y: int, ink: str, color=(0, 0, 0), size: int = 1) -> None:
    with document.action(ink) as edit:
        document.stroke(edit, (x + 0.5, y + 0.5), (x + 0.5, y + 0.5), size, ink, color)  # pyright: ignore[reportArgumentType]


def test_erased_digits_are_masked_and_painted_pixels_known(document: ImageDocument) -> None:
    tokenizer = PaletteTokenizer(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1), GRID, GRID)
    y = SUBTOKENS.encode(np.full(64, 77))
    y[10] = SUBTOKENS.mask_id
    dab(document, 4, 2, "mask")
    document.set_planes("low")
    dab(document, 5, 2, "mask")
    dab(document, 6, 3, "color", (200, 200, 200))  # the cell that is masked
    dab(document, 20, 18, "mask")  # outside the frame
    state = edited_state(y, document, FRAME, tokenizer, SUBTOKENS)
    assert (state[0] == SUBTOKENS.mask_id).all()
    assert state[1].tolist() == [*SUBTOKENS.encode(77)[:4], *[SUBTOKENS.mask_id] * 4]
    assert SUBTOKENS.decode(state[10]) == 200
    rest = np.delete(np.arange(64), [0, 1, 10])
    assert np.array_equal(state[rest], y[rest])
    assert (y[0] == SUBTOKENS.encode(77)).all()  # a copy


def test_cells_of_a_larger_frame(document: ImageDocument) -> None:
    tokenizer = RgbTokenizer(GRID, GRID)
    frame = WorkingFrame(0, 0, 16)
    y = SUBTOKENS.encode(np.full(GRID * GRID * 3, 5))
    dab(document, 0, 0, "color", (10, 20, 30), size=2)  # a whole cell
    dab(document, 4, 0, "color", (90, 90, 90))  # a quarter of one
    dab(document, 8, 0, "mask")
    state = edited_state(y, document, frame, tokenizer, SUBTOKENS).reshape(GRID, GRID, 3, 8)
    assert SUBTOKENS.decode(state[0, 0]).tolist() == [10, 20, 30]
    assert SUBTOKENS.decode(state[0, 2]).tolist() == [5, 5, 5]
    assert (state[0, 4] == SUBTOKENS.mask_id).all()


def test_pinned_pixels_are_kept_from_the_start(document: ImageDocument) -> None:
    tokenizer = RgbTokenizer(GRID, GRID)
    given = np.full((GRID * GRID * 3, 8), SUBTOKENS.mask_id)
    y = SUBTOKENS.encode(np.arange(GRID * GRID * 3))
    document.editing_state = False
    dab(document, 7, 4, "pin")
    state = pinned_state(given, y, document.pins, FRAME, tokenizer).reshape(GRID, GRID, 3, 8)
    assert np.array_equal(state[2, 3], y.reshape(GRID, GRID, 3, 8)[2, 3])
    assert (state != SUBTOKENS.mask_id).any(axis=(2, 3)).sum() == 1
