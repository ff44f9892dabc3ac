"""A canvas with a small grey picture."""

from collections.abc import Iterator

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from studio.media.images import Picture
from studio.ui.image.canvas import Canvas
from studio.ui.image.document import ImageDocument
from studio.ui.image.tools import ToolSettings


@pytest.fixture
def canvas(qtbot: QtBot) -> Iterator[Canvas]:
    document = ImageDocument()
    canvas = Canvas(document, ToolSettings(document))
    document.setParent(canvas)
    qtbot.addWidget(canvas)
    canvas.resize(400, 300)
    document.load(Picture(np.full((21, 33, 3), 200, dtype=np.uint8)))
    canvas.show()
    qtbot.waitExposed(canvas)
    canvas.fit()
    yield canvas
    canvas.close()
