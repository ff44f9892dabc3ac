"""A document that nobody holds any more goes together with its steps, whoever is freed first."""

import gc
import weakref

import numpy as np
import pytest

from studio.media.gapped import GappedText
from studio.media.images import Picture
from studio.ui.image import masking
from studio.ui.image.document import ImageDocument
from studio.ui.text.document import TextDocument

pytestmark = pytest.mark.usefixtures("qapp")


def forgotten_picture() -> weakref.ref[ImageDocument]:
    document = ImageDocument()
    document.load(Picture(np.zeros((2048, 2048, 3), dtype=np.uint8)))
    with document.action("Stroke") as edit:
        document.stroke(edit, (500, 500), (510, 500), 64, "mask")
    masking.mask_whole(document)
    return weakref.ref(document)


def forgotten_text() -> weakref.ref[TextDocument]:
    document = TextDocument()
    document.load(GappedText(["one two"]))
    for place in range(3):
        document.insert(place, place, "x")
    document.undo_stack.undo()
    return weakref.ref(document)


@pytest.mark.parametrize("make", [forgotten_picture, forgotten_text])
def test_forgotten_documents_are_freed(make):
    for _ in range(5):
        document = make()
        gc.collect()
        assert document() is None
