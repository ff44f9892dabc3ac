"""What the canvas costs, measured as a user makes it work: real mouse events, and the repaint they cause."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from studio.media.frames import WorkingFrame
from studio.media.images import Picture
from studio.prime.subtokens import Subtokens
from studio.ui.image import masking
from studio.ui.image.canvas import Canvas
from studio.ui.image.document import ImageDocument
from studio.ui.image.tools import ToolSettings

LONGEST = 1.0
"""Seconds to wait for a repaint before the measurement is given up."""


class Paints(QObject):
    """Counts the paint events of a widget."""

    count = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() == QEvent.Type.Paint
        return False


def measure_strokes(side: int = 4096, brush: int = 256, moves: int = 300, zoom: float | None = None) -> list[float]:
    """Milliseconds of each mouse move of a stroke across a picture of side × side pixels until it is painted.

    zoom: pixels of the screen a pixel of the picture; None shows the whole picture.
    """
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    with _shown(Picture(noise), zoom) as (canvas, paints):
        canvas.settings.set(tool="brush", size=brush)
        view = canvas.viewport()
        middle, reach = view.rect().center(), 0.4 * min(view.width(), view.height())
        angles = np.linspace(0, 6 * np.pi, moves + 1)
        places = [
            QPointF(middle) + QPointF(np.cos(angle), np.sin(angle)) * (reach * (0.3 + 0.7 * i / moves))
            for i, angle in enumerate(angles)
        ]
        _send(canvas, QEvent.Type.MouseButtonPress, places[0])
        times = []
        for place in places[1:]:
            started, before = time.perf_counter(), paints.count
            _send(canvas, QEvent.Type.MouseMove, place)
            _wait(paints, before)
            times.append(1000 * (time.perf_counter() - started))
        _send(canvas, QEvent.Type.MouseButtonRelease, places[-1])
        return times


def measure_frames(side: int = 32, grid: int = 32, overlay: str = "picture", frames: int = 100) -> list[float]:
    """Milliseconds from a frame of the sampler to pixels on the screen: a working frame of `side` pixels, half masked,
    on a model's grid with tokens of eight digits."""
    rng = np.random.default_rng(0)
    subtokens = Subtokens(256, 8)
    with _shown(Picture(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)), None) as (canvas, paints):
        masking.fill_rect(canvas.document, QRect(side // 4, 0, side // 2, side))
        mask = canvas.document.mask
        given = np.full((grid * grid, 8), subtokens.mask_id)
        canvas.set_overlay(overlay)
        canvas.live.begin(WorkingFrame(0, 0, side), mask, given, subtokens)
        times = []
        for _ in range(frames):
            pixels = rng.integers(0, 256, (grid, grid, 3), dtype=np.uint8)
            y, confidence = rng.integers(0, 3, (grid * grid, 8)), rng.random(grid * grid)
            started, before = time.perf_counter(), paints.count
            canvas.live.show(pixels, y, confidence)
            _wait(paints, before)
            times.append(1000 * (time.perf_counter() - started))
        return times


def measure_all() -> dict[str, list[float]]:
    """Everything about the canvas that has a bar, by what it is."""
    measured = {
        "mouse move, 4096 × 4096, brush of 256, whole picture in view": measure_strokes(),
        "mouse move, 4096 × 4096, brush of 256, at 1:1": measure_strokes(zoom=1),
    }
    for overlay in ("picture", "states", "confidence", "difference"):
        measured[f"frame to screen, 32 × 32, {overlay}"] = measure_frames(overlay=overlay)
    measured["frame to screen, working frame of 2048 pixels"] = measure_frames(side=2048)
    return measured


@contextmanager
def _shown(picture: Picture, zoom: float | None) -> Iterator[tuple[Canvas, Paints]]:
    document = ImageDocument()
    canvas = Canvas(document, ToolSettings(document))
    paints = Paints(canvas)
    canvas.viewport().installEventFilter(paints)
    canvas.resize(1100, 800)
    document.load(picture)
    canvas.show()
    _settle()
    canvas.fit()
    if zoom is not None:
        canvas.set_zoom(zoom)
    _settle()
    yield canvas, paints
    canvas.close()
    canvas.deleteLater()
    _settle()


def _settle(seconds: float = 0.2) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()


def _wait(paints: Paints, before: int) -> None:
    end = time.perf_counter() + LONGEST
    while paints.count == before and time.perf_counter() < end:
        QApplication.processEvents()
    QApplication.processEvents()


def _send(canvas: Canvas, kind: QEvent.Type, place: QPointF) -> None:
    view = canvas.viewport()
    whole = QPointF(QPoint(round(place.x()), round(place.y())))
    button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
    held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else Qt.MouseButton.LeftButton
    event = QMouseEvent(kind, whole, QPointF(view.mapToGlobal(whole)), button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(view, event)
