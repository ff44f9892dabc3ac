"""What the session keeps of a picture: copies that are made anew only where something has changed."""

import numpy as np
import pytest

from studio.media.frames import frame_around
from studio.ui.image.document import ImageDocument
from studio.ui.image.keeping import LAYERS, Copies
from tests.ui.image.test_document import picture, random_action


@pytest.mark.parametrize("seed", range(3))
def test_what_is_remembered_of_layers_is_what_they_are(seed: int) -> None:
    document, rng = ImageDocument(), np.random.default_rng(seed)
    copies = Copies(document)
    document.load(picture(40, 61))

    def check() -> None:
        for name in LAYERS:
            live = document.mask_bits if name == "mask" else getattr(document, name)
            copy = copies.of(name)
            assert not live.any() if copy is None else (copy == live).all() and not copy.flags.writeable
        assert any(document.state_edits) == bool(document.erased.any() or document.painted.any())
        if document.frame is None and document.mask.any():
            assert document.working_frame == frame_around(document.mask, document.grid)

    for step in range(100):
        if rng.random() < 0.3:
            (document.undo_stack.undo if rng.random() < 0.6 else document.undo_stack.redo)()
        else:
            random_action(document, rng, step)
        check()


def test_what_has_not_changed_is_not_copied_again() -> None:
    document = ImageDocument()
    copies = Copies(document)
    with document.action("stroke") as edit:
        document.stroke(edit, (3, 3), (9, 9), 4, "mask")
    first = copies.of("mask")
    with document.action("pin") as edit:
        document.stroke(edit, (3, 3), (9, 9), 4, "pin")
    assert first is not None and copies.of("mask") is first and copies.of("erased") is None
    with document.action("stroke") as edit:
        document.stroke(edit, (20, 20), (20, 20), 4, "mask")
    assert copies.of("mask") is not first
