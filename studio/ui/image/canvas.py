"""The canvas: an `ImageDocument` on the screen, to be looked at and worked on with mouse and keyboard."""

import inspect
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainterPath, QPointingDevice, QWheelEvent

from studio.ui import theme
from studio.ui.image.colors import colors_of
from studio.ui.image.document import ImageDocument
from studio.ui.image.item import PictureItem
from studio.ui.image.legend import Legend
from studio.ui.image.live import LiveView
from studio.ui.image.marks import HANDLE, CursorMark, FrameMark, OutlineMark
from studio.ui.image.tools import BRUSHES, TOOLS, Kind, Pointer, ToolSettings, grip_at
from studio.ui.image.view import PictureView
from studio.ui.widgets.focus import FocusRing

TAP_MS = 250
"""Tab held longer shows the original; a tap moves the focus on."""
ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
GRIPS = {
    (0, 0): Qt.CursorShape.SizeAllCursor,
    **dict.fromkeys(((-1, 0), (1, 0)), Qt.CursorShape.SizeHorCursor),
    **dict.fromkeys(((0, -1), (0, 1)), Qt.CursorShape.SizeVerCursor),
    **dict.fromkeys(((-1, -1), (1, 1)), Qt.CursorShape.SizeFDiagCursor),
    **dict.fromkeys(((-1, 1), (1, -1)), Qt.CursorShape.SizeBDiagCursor),
}
"""The pointer over a grip of the frame."""
OVERLAY_KEYS = {
    Qt.Key.Key_1: "picture",
    Qt.Key.Key_2: "states",
    Qt.Key.Key_3: "confidence",
    Qt.Key.Key_4: "difference",
}


class Canvas(PictureView):
    """Shows a document, its marks and what a run makes in it (`live`), and hands the pointer to the chosen tool.

    Keys: arrows move a cursor (with Shift by 8), Space dabs there, Enter puts the tool down and lifts it, Escape takes
    back what is under way; + - 0 9 zoom, Ctrl and arrows pan, [ ] size the brush, 1 … 4 choose the overlay, Tab held
    shows the original.
    """

    pointed = Signal(object)
    """The pixel under the pointer as QPoint, or None."""
    overlay_changed = Signal(str)

    def __init__(self, document: ImageDocument, settings: ToolSettings):
        super().__init__()
        self.document, self.settings = document, settings
        self._tool: Generator[None, Pointer, None] | None = None
        self._button = Qt.MouseButton.NoButton
        self._erasing = False
        self._at: QPointF | None = None
        self._cursor: QPointF | None = None
        self._space = False
        self._tab_since = 0

        colors = colors_of(theme.current())
        self.item = PictureItem(document, colors)
        self.frame_mark, self.cursor_mark, self.outline_mark = (
            FrameMark(colors),
            CursorMark(colors),
            OutlineMark(colors),
        )
        for item in (self.item, self.frame_mark, self.outline_mark, self.cursor_mark):
            self.scene().addItem(item)
        self.live = LiveView(self.item, document, lambda: self.zoom, Legend(self))
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        FocusRing(self)
        self.setAccessibleName("Picture canvas")
        self.setAccessibleDescription(
            "Paint what to fill. Arrow keys move the cursor, Space paints there, Enter begins and ends a stroke."
        )
        self.setBackgroundBrush(colors.surround)
        theme.current().changed.connect(self._theme_changed)

        document.picture_changed.connect(self.item.refresh_picture)
        document.mask_changed.connect(self.item.refresh_mask)
        document.pins_changed.connect(self.item.refresh_pins)
        document.state_edits_changed.connect(self.item.refresh_edits)
        document.frame_changed.connect(self._show_frame)
        document.replaced.connect(self._replaced)
        document.edit_cancelled.connect(self._drop_tool)
        settings.changed.connect(self._settings_changed)
        self._show_frame()
        self._settings_changed()

    def _theme_changed(self) -> None:
        colors = colors_of(theme.current())
        self.setBackgroundBrush(colors.surround)
        self.item.set_colors(colors)
        for mark in (self.frame_mark, self.cursor_mark, self.outline_mark):
            mark.set_colors(colors)

    def picture_size(self) -> tuple[int, int]:
        return self.document.size

    def zoomed(self, zoom: float, scale: float) -> None:
        self.item.margin = 2 + 4 / zoom
        for mark in (self.frame_mark, self.cursor_mark, self.outline_mark):
            mark.set_scale(scale)
        self.live.zoomed()
        self._move_cursor_mark()

    # The document

    def _replaced(self) -> None:
        self._drop_tool()
        self._at = None
        self.live.clear()
        self.item.rebuild()
        self._cursor = None
        self.fit()

    def _show_frame(self) -> None:
        document = self.document
        self.frame_mark.set_frame(document.working_frame, document.grid, document.frame is None)

    def _settings_changed(self) -> None:
        self.frame_mark.set_handles(self.settings.tool == "frame")
        self._shape_cursor()
        self._move_cursor_mark()

    def _shape_cursor(self) -> None:
        """The pointer says what a press would do."""
        shape = Qt.CursorShape.CrossCursor
        frame = self.document.working_frame
        if self.settings.tool == "hand" or self._space:
            shape = Qt.CursorShape.OpenHandCursor
        elif self.settings.tool == "frame" and frame is not None and self._at is not None:
            grip = grip_at(frame, self._at.x(), self._at.y(), self.handle_reach())
            shape = GRIPS[grip] if grip is not None else shape
        if self.viewport().cursor().shape() != shape:
            self.viewport().setCursor(shape)

    # Desk: what tools ask for

    def show_outline(self, path: QPainterPath | None) -> None:
        self.outline_mark.set_path(path)

    def seen(self, rect: QRect) -> NDArray[np.uint8]:
        return self.item.seen(rect)

    def handle_reach(self) -> float:
        return HANDLE * self.ratio() / self.zoom

    # The pointer

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._tool is not None:
            return
        button = event.button()
        self._cursor = None
        if button == Qt.MouseButton.MiddleButton or (button == Qt.MouseButton.LeftButton and self._space):
            self._begin(event, "hand")
        elif button in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton):
            self._begin(event, self.settings.tool)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._at = self.under(event.position())
        if self._tool is not None and self._button != Qt.MouseButton.NoButton:
            self._send(self._pointer("move", event))
        if self._tool is None or self._button != Qt.MouseButton.NoButton:
            self._cursor = None
        self._move_cursor_mark()
        if self._tool is None and self.settings.tool == "frame":
            self._shape_cursor()
        pixel = QPoint(int(self._at.x() // 1), int(self._at.y() // 1))
        self.pointed.emit(pixel if self.document.bounds.contains(pixel) else None)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == self._button:
            self._send(self._pointer("release", event))
            self._button = Qt.MouseButton.NoButton

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.mousePressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._at = None
        self._move_cursor_mark()
        self.pointed.emit(None)
        super().leaveEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        notches = self.notches(event)
        if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            self.settings.resize(notches)
        else:
            self.zoom_by(notches, event.position())
        event.accept()

    def _pointer(self, kind: Kind, event: QMouseEvent) -> Pointer:
        at, screen = self.under(event.position()), event.position()
        return Pointer(kind, at.x(), at.y(), self._erasing, event.modifiers(), (screen.x(), screen.y()))

    def _begin(self, event: QMouseEvent, tool: str) -> None:
        self._button = event.button()
        self._erasing = (
            self._button == Qt.MouseButton.RightButton or event.pointerType() == QPointingDevice.PointerType.Eraser
        )
        self._start(tool, self._pointer("press", event))

    def _start(self, tool: str, pointer: Pointer) -> None:
        self._tool = TOOLS[tool](self, pointer)
        try:
            next(self._tool)
        except StopIteration:
            self._tool = None

    def _send(self, pointer: Pointer) -> None:
        tool = self._tool
        if tool is None:
            return
        if pointer.kind == "release":
            self._tool = None
        try:
            tool.send(pointer)
        except StopIteration:
            self._tool = None

    def _drop_tool(self) -> None:
        """Forget the tool that is down; what it had begun is or has been taken back."""
        tool, self._tool = self._tool, None
        self._button = Qt.MouseButton.NoButton
        if tool is not None and inspect.getgeneratorstate(tool) != inspect.GEN_RUNNING:
            tool.close()
        self.outline_mark.set_path(None)
        self._move_cursor_mark()

    def cancel_tool(self) -> bool:
        """Take back what is under way; whether there was anything."""
        if self._tool is None:
            return False
        self._drop_tool()
        self.document.cancel_edit()
        return True

    def _move_cursor_mark(self) -> None:
        at = self._at if self._cursor is None else self._cursor if self.hasFocus() else None
        size = self.settings.size if self.settings.tool in BRUSHES else 0
        keyboard = self._cursor is not None
        self.cursor_mark.move(at, size, keyboard, keyboard and self._tool is not None)

    # The keyboard

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, control = event.key(), bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if key in ARROWS and control:
            dx, dy = ARROWS[Qt.Key(key)]
            self.pan_by(-64 * dx, -64 * dy)
        elif key in ARROWS:
            step = 8 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
            dx, dy = ARROWS[Qt.Key(key)]
            self._move_keyboard_cursor(step * dx, step * dy)
        elif key == Qt.Key.Key_Space:
            if event.isAutoRepeat():
                return
            if self._cursor is not None:
                self._key_dab()
            else:
                self._space = True
                self._shape_cursor()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not control:
            self._key_pen()
        elif key == Qt.Key.Key_Escape and self.cancel_tool():
            pass
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal) and not control:
            self.zoom_in()
        elif key == Qt.Key.Key_Minus and not control:
            self.zoom_out()
        elif key == Qt.Key.Key_0 and not control:
            self.fit()
        elif key == Qt.Key.Key_9 and not control:
            self.actual_size()
        elif key in OVERLAY_KEYS and not control:
            self.set_overlay(OVERLAY_KEYS[Qt.Key(key)])
        else:
            event.ignore()  # the window's shortcuts

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self._shape_cursor()
        else:
            super().keyReleaseEvent(event)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Tab and not event.modifiers():
            if event.type() == QEvent.Type.KeyPress:
                if not event.isAutoRepeat():
                    self._tab_since = event.timestamp()
                    self.show_original(True)
                return True
            if event.type() == QEvent.Type.KeyRelease and not event.isAutoRepeat():
                self.show_original(False)
                if event.timestamp() - self._tab_since < TAP_MS:
                    self.focusNextPrevChild(True)
                return True
        return super().event(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._space = False
        self.show_original(False)
        self._move_cursor_mark()
        super().focusOutEvent(event)

    def _move_keyboard_cursor(self, dx: int, dy: int) -> None:
        width, height = self.document.size
        at = self._cursor
        if at is None:
            start = self._at or self.to_picture(QPointF(self.viewport().rect().center()))
            at = QPointF(start.x() // 1 + 0.5, start.y() // 1 + 0.5)
            dx = dy = 0
        self._cursor = QPointF(min(max(at.x() + dx, 0.5), width - 0.5), min(max(at.y() + dy, 0.5), height - 0.5))
        self.ensureVisible(QRectF(self._cursor, self._cursor), 48, 48)
        if self._tool is not None:
            self._send(self._key_pointer("move"))
        self._move_cursor_mark()
        self.pointed.emit(QPoint(int(self._cursor.x()), int(self._cursor.y())))

    def _key_pointer(self, kind: Kind) -> Pointer:
        assert self._cursor is not None
        screen = self.viewportTransform().map(self._cursor)
        return Pointer(kind, self._cursor.x(), self._cursor.y(), screen=(screen.x(), screen.y()))

    def _key_dab(self) -> None:
        if self._tool is None:
            self._start(self.settings.tool, self._key_pointer("press"))
            self._send(self._key_pointer("release"))

    def _key_pen(self) -> None:
        """Put the tool down where the cursor is, or lift it."""
        if self._cursor is None:
            self._move_keyboard_cursor(0, 0)
        elif self._tool is None:
            self._start(self.settings.tool, self._key_pointer("press"))
        else:
            self._send(self._key_pointer("release"))
        self._move_cursor_mark()

    # What is looked at

    def show_original(self, shown: bool) -> None:
        """Show the picture as it is, without mask, overlay or what a run has made."""
        if shown != self.item.show_original:
            self.item.show_original = shown
            self.item.update()

    def set_overlay(self, name: str) -> None:
        """ "picture", "states", "confidence" or "difference"."""
        if self.live.set_overlay(name):
            self.overlay_changed.emit(name)

    @property
    def overlay(self) -> str:
        return self.live.overlay

    def set_marks_shown(self, shown: bool) -> None:
        self.item.set_marks_shown(shown)
        self.frame_mark.setVisible(shown)
