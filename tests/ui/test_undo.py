"""A document that nobody holds any more goes together with its steps, whoever is freed first."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from studio.media.gapped import GappedText
from studio.media.images import Picture
from studio.ui.image import masking
from studio.ui.image.document import ImageDocument
from studio.ui.text.document import TextDocument

pytestmark = pytest.mark.usefixtures("qapp")


def picture() -> ImageDocument:
    document = ImageDocument()
    document.load(Picture(np.zeros((2048, 2048, 3), dtype=np.uint8)))
    for place in range(500, 540, 10):
        with document.action("Stroke") as edit:
            document.stroke(edit, (place, 500), (510, 500), 64, "mask")
        masking.mask_whole(document)
    return document


def text() -> TextDocument:
    document = TextDocument()
    document.load(GappedText(["one two"]))
    for place in range(3):
        document.insert(place, place, "xy")
    document.undo_stack.undo()
    return document


@pytest.mark.parametrize("make", [picture, text])
@pytest.mark.parametrize("garbage", [False, True])
def test_forgotten_documents_are_freed(make: Callable[[], Any], garbage: bool):
    def forget() -> weakref.ref:
        document = make()
        if garbage:  # only the collector finds what refers to itself
            document.itself, document.its_stack = document, document.undo_stack
        return weakref.ref(document)

    for _ in range(10):
        document = forget()
        gc.collect()
        assert document() is None
