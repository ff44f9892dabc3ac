"""The tools of the canvas: each a generator that gets the press, then every move, then the release.

    def tool(desk, event):
        ...                                # pressed
        while (event := (yield)).kind == "move":
            ...                            # dragged
        ...                                # released

A tool that is closed before the release (Escape, undo) leaves nothing behind: its action is taken back.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainterPath

from studio.media.frames import WorkingFrame
from studio.ui.image import masking
from studio.ui.image.document import ImageDocument
from studio.ui.image.inks import Ink

MAX_SIZE = 1024

Kind = Literal["press", "move", "release"]


@dataclass(frozen=True)
class Pointer:
    """A press, move or release at a place of the picture, in pixels. `erase`: the right button or the eraser."""

    kind: Kind
    x: float
    y: float
    erase: bool = False
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    screen: tuple[float, float] = (0.0, 0.0)
    """Where it is in the view, which stays while the picture moves below it."""

    @property
    def point(self) -> tuple[float, float]:
        return self.x, self.y


class ToolSettings(QObject):
    """Which tool is chosen and how it works: brush size in pixels, tolerance 0 … 255 of the fill, colour."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._tool, self._size, self._tolerance = "brush", 4, 16
        self._color = QColor(0, 0, 0)

    @property
    def tool(self) -> str:
        return self._tool

    @property
    def size(self) -> int:
        return self._size

    @property
    def tolerance(self) -> int:
        return self._tolerance

    @property
    def color(self) -> QColor:
        return QColor(self._color)

    @property
    def rgb(self) -> tuple[int, int, int]:
        return self._color.red(), self._color.green(), self._color.blue()

    def set(
        self,
        *,
        tool: str | None = None,
        size: int | None = None,
        tolerance: int | None = None,
        color: QColor | None = None,
    ) -> None:
        """Change what is given, within its bounds; an unknown tool or colour is left."""
        before = self.dump()
        if tool in TOOLS:
            self._tool = tool
        if size is not None:
            self._size = min(max(size, 1), MAX_SIZE)
        if tolerance is not None:
            self._tolerance = min(max(tolerance, 0), 255)
        if color is not None and color.isValid():
            self._color = QColor(color)
        if self.dump() != before:
            self.changed.emit()

    def resize(self, steps: int) -> None:
        """A larger or smaller brush, in steps that grow with it."""
        size = self._size
        for _ in range(abs(steps)):
            size = size + max(1, size // 5) if steps > 0 else size - max(1, size // 6)
        self.set(size=size)

    def dump(self) -> dict:
        """For the session; `set` takes it back after `QColor` on the colour."""
        return {"tool": self._tool, "size": self._size, "tolerance": self._tolerance, "color": self._color.name()}


class Desk(Protocol):
    """What a tool works on."""

    document: ImageDocument
    settings: ToolSettings

    def seen(self, rect: QRect) -> NDArray[np.uint8]:
        """The colours that are seen in a rectangle of the picture, uint8 (h, w, 3), or 4 with opacity."""
        ...

    def show_outline(self, path: QPainterPath | None) -> None:
        """Show the outline of what is being drawn, in picture coordinates; None hides it."""
        ...

    def pan_by(self, dx: float, dy: float) -> None:
        """Move the picture by pixels of the view."""
        ...

    def handle_reach(self) -> float:
        """How near, in pixels of the picture, a press must be to a handle of the frame."""
        ...


Tool = Callable[[Desk, Pointer], Generator[None, Pointer, None]]
Run = Generator[None, Pointer, None]


def _draw(desk: Desk, event: Pointer, text: str, ink: Ink) -> Run:
    """A stroke of the round brush."""
    document, settings = desk.document, desk.settings
    edit = document.begin(text)
    last = event
    document.stroke(edit, last.point, last.point, settings.size, ink, settings.rgb)
    while (event := (yield)).kind == "move":
        document.stroke(edit, last.point, event.point, settings.size, ink, settings.rgb)
        last = event
    document.commit(edit)


def brush(desk: Desk, event: Pointer) -> Run:
    """Mask; with the right button unmask."""
    yield from _draw(desk, event, "Erase" if event.erase else "Brush", "unmask" if event.erase else "mask")


def eraser(desk: Desk, event: Pointer) -> Run:
    """Unmask."""
    yield from _draw(desk, event, "Erase", "unmask")


def pin(desk: Desk, event: Pointer) -> Run:
    """Pin pixels, so that they are kept as they have been made; with the right button release them."""
    yield from _draw(desk, event, "Remove pins" if event.erase else "Pin", "unpin" if event.erase else "pin")


def paint(desk: Desk, event: Pointer) -> Run:
    """Paint with the colour."""
    yield from _draw(desk, event, "Paint", "color")


def rectangle(desk: Desk, event: Pointer) -> Run:
    """Mask a rectangle, with Shift a square; with the right button unmask it."""
    start, rect = event, _spanned(event, event)
    ink: Ink = "unmask" if event.erase else "mask"
    try:
        while (event := (yield)).kind == "move":
            rect = _spanned(start, event)
            path = QPainterPath()
            path.addRect(QRectF(rect))
            desk.show_outline(path)
    finally:
        desk.show_outline(None)
    masking.fill_rect(desk.document, rect, ink)


def _spanned(start: Pointer, end: Pointer) -> QRect:
    """The whole pixels from one place to another."""
    ax, ay, bx, by = int(start.x // 1), int(start.y // 1), int(end.x // 1), int(end.y // 1)
    if end.modifiers & Qt.KeyboardModifier.ShiftModifier:
        side = max(abs(bx - ax), abs(by - ay))
        bx, by = ax + (side if bx >= ax else -side), ay + (side if by >= ay else -side)
    return QRect(min(ax, bx), min(ay, by), abs(bx - ax) + 1, abs(by - ay) + 1)


def lasso(desk: Desk, event: Pointer) -> Run:
    """Mask what a line drawn by hand surrounds; with the right button unmask it."""
    ink: Ink = "unmask" if event.erase else "mask"
    points, path = [event.point], QPainterPath(QPointF(*event.point))
    try:
        while (event := (yield)).kind == "move":
            points.append(event.point)
            path.lineTo(QPointF(*event.point))
            closed = QPainterPath(path)
            closed.closeSubpath()
            desk.show_outline(closed)
    finally:
        desk.show_outline(None)
    if len(points) > 2:
        masking.fill_polygon(desk.document, points, ink)


def fill(desk: Desk, event: Pointer) -> Run:
    """Mask the pixels of like colour around the one pressed; with the right button unmask them."""
    ink: Ink = "unmask" if event.erase else "mask"
    colors = desk.seen(desk.document.bounds)
    masking.fill_alike(desk.document, int(event.x // 1), int(event.y // 1), desk.settings.tolerance, ink, colors)
    while (yield).kind == "move":
        pass


def picker(desk: Desk, event: Pointer) -> Run:
    """Take the colour of the pixel pressed."""
    while True:
        x, y = int(event.x // 1), int(event.y // 1)
        if desk.document.bounds.contains(x, y):
            desk.settings.set(color=QColor(*map(int, desk.seen(QRect(x, y, 1, 1))[0, 0, :3])))
        event = yield
        if event.kind == "release":
            return


def hand(desk: Desk, event: Pointer) -> Run:
    """Move the picture."""
    last = event
    while (event := (yield)).kind == "move":
        desk.pan_by(event.screen[0] - last.screen[0], event.screen[1] - last.screen[1])
        last = event


def frame(desk: Desk, event: Pointer) -> Run:
    """Move the working frame, resize it by an edge or a corner, or draw a new one; the right button makes it
    follow the mask again."""
    document = desk.document
    chosen = document.frame
    if event.erase:
        document.set_frame(None)
        while (yield).kind == "move":
            pass
        return
    start, present = event, document.working_frame
    grip = grip_at(present, event.x, event.y, desk.handle_reach()) if present else None
    moved = None
    done = False
    try:
        while (event := (yield)).kind == "move":
            if present is None or grip is None:
                moved = _drawn(start, event)
            else:
                moved = _dragged(document, present, grip, event.x - start.x, event.y - start.y)
            document.show_frame(moved)
        done = True
    finally:
        if not done:
            document.show_frame(chosen)
    if moved is not None:
        document.change_frame(chosen, moved)


def grip_at(frame: WorkingFrame, x: float, y: float, reach: float) -> tuple[int, int] | None:
    """What of a frame is at (x, y): (-1, -1) its upper left corner, (1, 0) its right edge, (0, 0) its inside, None
    nothing. A place may be `reach` away from an edge."""
    if not (-reach <= x - frame.x <= frame.size + reach and -reach <= y - frame.y <= frame.size + reach):
        return None

    def side(at: float) -> int:
        # Of a frame that is small on the screen the middle third still moves it.
        near = min(reach, frame.size / 3)
        return -1 if at <= near else 1 if at >= frame.size - near else 0

    return side(x - frame.x), side(y - frame.y)


def _drawn(start: Pointer, end: Pointer) -> WorkingFrame:
    rect = _spanned(start, replace(end, modifiers=Qt.KeyboardModifier.ShiftModifier))
    return WorkingFrame(rect.x(), rect.y(), rect.width())


def _dragged(document: ImageDocument, frame: WorkingFrame, grip: tuple[int, int], dx: float, dy: float) -> WorkingFrame:
    """The frame after one of its grips was moved; the opposite corner or edge stays where it is."""
    if grip == (0, 0):
        return WorkingFrame(frame.x + round(dx), frame.y + round(dy), frame.size)
    growth = max((side * by for side, by in zip(grip, (dx, dy), strict=True) if side), key=abs)
    size = document.clamped(replace(frame, size=max(frame.size + round(growth), 1))).size
    more = size - frame.size
    return WorkingFrame(
        frame.x - (more if grip[0] < 0 else more // 2 if grip[0] == 0 else 0),
        frame.y - (more if grip[1] < 0 else more // 2 if grip[1] == 0 else 0),
        size,
    )


TOOLS: dict[str, Tool] = {
    "brush": brush,
    "eraser": eraser,
    "rectangle": rectangle,
    "lasso": lasso,
    "fill": fill,
    "frame": frame,
    "hand": hand,
    "pin": pin,
    "paint": paint,
    "picker": picker,
}
BRUSHES = {"brush", "eraser", "pin", "paint"}
"""Tools that draw with the round brush."""
