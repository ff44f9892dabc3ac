"""The canvas with real events, asserted on the pixels it draws."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QFocusEvent, QInputDevice, QMouseEvent, QPointingDevice, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from studio.media.frames import WorkingFrame
from studio.media.images import Picture
from studio.ui import theme
from studio.ui.image import masking
from studio.ui.image.canvas import Canvas
from studio.ui.image.compare import CompareView
from studio.ui.image.view import PictureView
from studio.ui.widgets.focus import FocusRing
from tests.ui.image.looking import at, drag, on_screen, rendered, tinted

LEFT, RIGHT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton


def test_a_stroke_masks_what_is_under_it_and_is_seen(canvas: Canvas) -> None:
    canvas.frame_mark.setVisible(False)
    canvas.cursor_mark.setOpacity(0)
    assert not tinted(canvas).any()
    canvas.settings.set(size=3)
    drag(canvas, (5.5, 5.5), (12.5, 5.5), (12.5, 9.5))
    mask = np.zeros((21, 33), dtype=bool)
    mask[4:7, 4:14] = mask[4:11, 11:14] = True
    assert np.array_equal(canvas.document.mask, mask)
    assert np.array_equal(tinted(canvas), mask)
    assert canvas.document.undo_stack.count() == 1
    drag(canvas, (5.5, 5.5), (6.5, 5.5), button=RIGHT)  # the right button erases
    mask[4:7, 4:8] = False
    assert np.array_equal(canvas.document.mask, mask)
    assert np.array_equal(tinted(canvas), mask)
    canvas.document.undo_stack.undo()
    canvas.document.undo_stack.undo()
    assert not canvas.document.mask.any() and not tinted(canvas).any()


def test_the_other_end_of_a_pen_takes_back(canvas: Canvas) -> None:
    masking.mask_whole(canvas.document)
    kinds, capable = QPointingDevice.PointerType, QInputDevice.Capability
    for kind, masked in ((kinds.Pen, True), (kinds.Eraser, False)):
        pen = QPointingDevice("pen", 7, QInputDevice.DeviceType.Stylus, kind, capable.Position, 1, 3)
        place = QPointF(canvas.viewportTransform().map(QPointF(10.5, 8.5)))
        for event in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease):
            held = LEFT if event == QEvent.Type.MouseButtonPress else Qt.MouseButton.NoButton
            touch = QMouseEvent(event, place, place, LEFT, held, Qt.KeyboardModifier.NoModifier, pen)
            QApplication.sendEvent(canvas.viewport(), touch)
        assert canvas.document.mask[8, 10] == masked


def test_what_a_stroke_draws_is_what_a_whole_repaint_draws(canvas: Canvas) -> None:
    """Dirty rectangles miss nothing, at any zoom."""
    rng = np.random.default_rng(3)
    canvas.document.load(Picture(rng.integers(0, 256, (700, 901, 3), dtype=np.uint8)))
    canvas.settings.set(size=40)
    canvas.cursor_mark.setOpacity(0)
    canvas.frame_mark.setVisible(False)
    for zoom in (1 / 3, 0.5, 1, 1.5, 4):
        canvas.set_zoom(zoom)
        middle = canvas.to_picture(QPointF(200, 150))
        drag(canvas, *[(middle.x() + float(dx), middle.y() + float(dy)) for dx, dy in rng.uniform(-60, 60, (6, 2))])
        QTest.qWait(20)
        shown = on_screen(canvas)
        canvas.viewport().repaint()
        apart = np.abs(shown.astype(int) - on_screen(canvas)).max()
        # Where pixels are blended, Qt rounds by a step otherwise when it draws a part.
        assert apart == 0 if zoom in (1, 4) else apart <= 1


@pytest.mark.parametrize(("tool", "count"), [("rectangle", 40), ("lasso", 28), ("fill", 21 * 33), ("eraser", 0)])
def test_tools_that_mask(canvas: Canvas, tool: str, count: int) -> None:
    canvas.settings.set(tool=tool)
    drag(canvas, (3.5, 4.5), (10.5, 4.5), (10.5, 8.5))
    if tool == "lasso":
        assert 10 <= canvas.document.mask.sum() <= count
    else:
        assert canvas.document.mask.sum() == count
    drag(canvas, (3.5, 4.5), (10.5, 4.5), (10.5, 8.5), button=RIGHT)
    assert not canvas.document.mask.any()


def test_pin_paint_and_picker(canvas: Canvas) -> None:
    canvas.settings.set(tool="pin", size=1)
    drag(canvas, (3.5, 3.5), (6.5, 3.5))
    assert canvas.document.pins.sum() == 4
    drag(canvas, (3.5, 3.5), (4.5, 3.5), button=RIGHT)
    assert canvas.document.pins.sum() == 2
    canvas.document.stored[10, 10] = (1, 2, 3)
    canvas.settings.set(tool="picker")
    drag(canvas, (10.5, 10.5))
    assert canvas.settings.rgb == (1, 2, 3)
    canvas.settings.set(tool="paint")
    drag(canvas, (20.5, 10.5))
    assert canvas.document.stored[10, 20].tolist() == [1, 2, 3]
    canvas.cursor_mark.setOpacity(0)
    place = at(canvas, 20.5, 10.5)
    assert rendered(canvas)[place.y(), place.x()].tolist() == [1, 2, 3]


def test_the_frame_is_dragged(canvas: Canvas) -> None:
    document = canvas.document
    document.set_model(8, 8)
    masking.fill_rect(document, QRect(10, 8, 3, 3))
    assert document.working_frame == WorkingFrame(7, 5, 8)
    canvas.settings.set(tool="frame")
    drag(canvas, (11, 9), (13, 10))
    assert document.frame == WorkingFrame(9, 6, 8)
    drag(canvas, (17, 14), (20, 14))  # the lower right corner
    assert document.frame == WorkingFrame(9, 6, 11)
    drag(canvas, (9, 11), (7, 11))  # the left edge
    assert document.frame == WorkingFrame(7, 5, 13)
    assert document.undo_stack.count() == 4
    document.undo_stack.undo()
    assert document.frame == WorkingFrame(9, 6, 11)
    drag(canvas, (1, 1), (9, 9))  # beside it: a new one, moved to hold the mask
    assert document.frame == WorkingFrame(4, 2, 9)
    drag(canvas, (5, 5), button=RIGHT)
    assert document.frame is None


def test_escape_takes_back_what_is_under_way(canvas: Canvas) -> None:
    for tool in ("brush", "rectangle", "lasso", "frame", "paint"):
        canvas.settings.set(tool=tool)
        before = canvas.document.stored.copy()
        QTest.mousePress(canvas.viewport(), LEFT, pos=at(canvas, 3, 3))
        QTest.mouseMove(canvas.viewport(), at(canvas, 9, 9))
        QTest.keyClick(canvas, Qt.Key.Key_Escape)
        QTest.mouseMove(canvas.viewport(), at(canvas, 12, 9))
        QTest.mouseRelease(canvas.viewport(), LEFT, pos=at(canvas, 9, 9))
        document = canvas.document
        assert not document.mask.any() and document.frame is None and np.array_equal(document.stored, before)
        assert document.undo_stack.count() == 0


def test_undo_while_the_button_is_down(canvas: Canvas) -> None:
    drag(canvas, (20, 10), (25, 10))
    QTest.mousePress(canvas.viewport(), LEFT, pos=at(canvas, 3, 3))
    canvas.document.undo_stack.undo()
    QTest.mouseMove(canvas.viewport(), at(canvas, 9, 9))
    QTest.mouseRelease(canvas.viewport(), LEFT, pos=at(canvas, 9, 9))
    assert not canvas.document.mask.any()


def test_a_mask_without_a_mouse(canvas: Canvas) -> None:
    canvas.setFocus()
    canvas.settings.set(size=1)
    QTest.keyClick(canvas, Qt.Key.Key_Right)  # shows the cursor in the middle
    start = canvas.cursor_mark.pos()
    assert canvas.cursor_mark.isVisible() and canvas.cursor_mark.keyboard
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    assert np.argwhere(canvas.document.mask).tolist() == [[int(start.y()), int(start.x())]]
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    for _ in range(5):
        QTest.keyClick(canvas, Qt.Key.Key_Left)
    QTest.keyClick(canvas, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert canvas.document.mask.sum() == 6 + 8
    assert canvas.document.undo_stack.count() == 2
    canvas.settings.set(tool="rectangle")
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    QTest.keyClick(canvas, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(canvas, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    assert canvas.document.mask[:, :12].sum() >= 27


def test_zoom_keeps_the_pixel_under_the_pointer(canvas: Canvas) -> None:
    canvas.document.load(Picture(np.zeros((500, 700, 3), dtype=np.uint8)))
    for place in (QPointF(50, 60), QPointF(300, 200)):
        there = canvas.to_picture(place)
        for zoom in (0.25, 2, 16, 0.7):
            canvas.set_zoom(zoom, place)
            moved = canvas.viewportTransform().map(there) - place
            assert abs(moved.x()) <= 2 and abs(moved.y()) <= 2
    canvas.actual_size()
    assert canvas.zoom == 1
    before = canvas.to_picture(QPointF(0, 0))
    drag_start, drag_end = QPoint(100, 100), QPoint(130, 80)
    QTest.mousePress(canvas.viewport(), MIDDLE, pos=drag_start)
    QTest.mouseMove(canvas.viewport(), drag_end)
    QTest.mouseRelease(canvas.viewport(), MIDDLE, pos=drag_end)
    assert canvas.to_picture(QPointF(0, 0)) - before == QPointF(-30, 20)
    canvas.fit()
    assert canvas.to_picture(QPointF(canvas.viewport().rect().center())).x() == pytest.approx(350, abs=3)


def wheel(view: PictureView, across: int, down: int, modifiers: Qt.KeyboardModifier) -> None:
    place, none = QPointF(50, 50), Qt.MouseButton.NoButton
    turn = QWheelEvent(
        place, place, QPoint(0, 0), QPoint(across, down), none, modifiers, Qt.ScrollPhase.NoScrollPhase, False
    )
    view.wheelEvent(turn)


def test_fine_wheels_and_pads(canvas: Canvas) -> None:
    compare = CompareView()
    compare.setParent(canvas)
    pixels = canvas.document.stored.copy()
    compare.set_pictures(pixels, pixels)
    for view in (canvas, compare):
        view.set_zoom(4)
        for _ in range(7):
            wheel(view, 0, 15, Qt.KeyboardModifier.NoModifier)
        assert view.zoom == 4
        wheel(view, 0, 15, Qt.KeyboardModifier.NoModifier)
        assert view.zoom == 6
        wheel(view, 240, 0, Qt.KeyboardModifier.NoModifier)
        assert view.zoom == 6, "sideways is neither nearer nor farther"
    size = canvas.settings.size
    wheel(canvas, 120, 0, Qt.KeyboardModifier.AltModifier)
    assert canvas.settings.size == size + 1


def test_a_picture_is_never_fitted_thinner_than_a_pixel(canvas: Canvas) -> None:
    for size in ((1, 5000), (5000, 1)):
        canvas.document.load(Picture(np.zeros((*size, 3), dtype=np.uint8)))
        assert canvas.zoom == 1
    canvas.document.load(Picture(np.zeros((5000, 50, 3), dtype=np.uint8)))
    assert 1 / 50 < canvas.zoom < 0.1


def test_the_original_while_tab_is_held(canvas: Canvas) -> None:
    canvas.frame_mark.setVisible(False)
    masking.mask_whole(canvas.document)
    canvas.setFocus()
    assert tinted(canvas).any()
    QTest.keyPress(canvas, Qt.Key.Key_Tab)
    assert not tinted(canvas).any()
    QTest.keyRelease(canvas, Qt.Key.Key_Tab, delay=300)
    assert tinted(canvas).any()


def test_pixels_of_transparent_and_odd_pictures(canvas: Canvas) -> None:
    rng = np.random.default_rng(0)
    for width in (1, 2, 3, 5, 7, 31):
        stored = rng.integers(0, 256, (3, width, 3), dtype=np.uint8)
        alpha = np.full((3, width), 255, dtype=np.uint8)
        alpha[1] = 0
        canvas.document.load(Picture(stored, alpha))
        canvas.frame_mark.setVisible(False)
        shown = rendered(canvas)
        for x in range(width):
            for y, wanted in ((0, stored[0, x]), (2, stored[2, x])):
                place = at(canvas, x + 0.5, y + 0.5)
                assert shown[place.y(), place.x()].tolist() == wanted.tolist()
            place = at(canvas, x + 0.5, 1.5)
            assert shown[place.y(), place.x()].min() > 200  # the checkerboard


def test_it_has_a_name_and_takes_the_focus(canvas: Canvas) -> None:
    assert canvas.accessibleName() and canvas.accessibleDescription()
    assert canvas.focusPolicy() & Qt.FocusPolicy.StrongFocus


def test_the_focus_is_seen_that_comes_by_tab(canvas: Canvas) -> None:
    ring, reason = canvas.findChild(FocusRing), Qt.FocusReason
    assert ring is not None

    def shown(reason: Qt.FocusReason) -> bool:
        for kind in (QEvent.Type.FocusOut, QEvent.Type.FocusIn):
            QApplication.sendEvent(canvas, QFocusEvent(kind, reason))
            assert ring.isVisible() <= (kind == QEvent.Type.FocusIn)
        return ring.isVisible()

    assert not shown(reason.MouseFocusReason) and not shown(reason.ActiveWindowFocusReason)
    assert shown(reason.TabFocusReason) and shown(reason.ActiveWindowFocusReason) and shown(reason.PopupFocusReason)
    edge, focus = canvas.grab().toImage(), theme.color("focus")
    last = edge.width() - 1, edge.height() - 1
    assert all(edge.pixelColor(x, y) == focus for x, y in ((0, 0), (1, 150), last)) and edge.pixelColor(3, 3) != focus
    assert not shown(reason.OtherFocusReason)


SCRIPT = """
import sys
import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QImage, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from studio.media.images import Picture
from studio.ui import theme
from studio.ui.image.canvas import Canvas
from studio.ui.image.document import ImageDocument
from studio.ui.image.tools import ToolSettings

app = QApplication([])
theme.install(app, "dark")
document = ImageDocument()
canvas = Canvas(document, ToolSettings())
canvas.resize(403, 301)
rng = np.random.default_rng(0)
stored = rng.integers(0, 200, (21, 33, 3), dtype=np.uint8)
document.load(Picture(stored))
canvas.show()
QTest.qWaitForWindowExposed(canvas)
canvas.fit()
ratio = canvas.devicePixelRatioF()
assert ratio == float(sys.argv[1]), ratio
canvas.frame_mark.setVisible(False)
canvas.cursor_mark.setOpacity(0)

def shown():
    image = canvas.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()

def middles():
    pixels, found = shown(), np.empty_like(stored)
    for y in range(21):
        for x in range(33):
            place = canvas.viewportTransform().map(QPointF(x + 0.5, y + 0.5)) * ratio
            found[y, x] = pixels[int(place.y()), int(place.x())]
    return found

assert canvas.zoom == int(canvas.zoom), canvas.zoom
assert np.array_equal(middles(), stored)
# Every pixel is as wide as every other on the screen: a sharp picture.
row = shown()[int(canvas.viewportTransform().map(QPointF(0, 10.5)).y() * ratio)]
edges = np.flatnonzero((row[1:] != row[:-1]).any(axis=1))
assert set(np.diff(edges).tolist()) == {int(canvas.zoom)}, np.diff(edges)
view = canvas.viewport()
def at(x, y): return canvas.viewportTransform().map(QPointF(x, y)).toPoint()
canvas.settings.set(size=3)
QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=at(5.5, 5.5))
for x in range(6, 13): QTest.mouseMove(view, at(x + 0.5, 5.5))
QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=at(12.5, 5.5))
mask = np.zeros((21, 33), dtype=bool)
mask[4:7, 4:14] = True
assert np.array_equal(document.mask, mask)
assert np.array_equal((middles() != stored).any(axis=2), mask)
canvas.actual_size()
pixels = shown()
corner = canvas.viewportTransform().map(QPointF(0, 0)) * ratio
# Qt counts whole pixels of the view, so the corner may lie between two of the screen.
corners = [(int(corner.x()) + dx, int(corner.y()) + dy) for dx in (0, 1) for dy in (0, 1)]
found = [np.array_equal(pixels[y + 10 : y + 21, x : x + 33], stored[10:]) for x, y in corners]
assert any(found), "one pixel of it on one of the screen"
canvas.settings.set(size=1)
for k in range(4):
    document.undo_stack.undo()
    before = document.mask
    px, py = int(corner.x()) + 16 + k, int(corner.y()) + 16 - k
    color = shown()[py, px]
    place = QPointF(px / ratio, py / ratio)
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    for kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease):
        app.sendEvent(view, QMouseEvent(kind, place, view.mapToGlobal(place), left, left, none))
    ((x, y),) = [(int(x), int(y)) for y, x in np.argwhere(document.mask & ~before)]
    assert (stored[y, x] == color).all(), "a click is on the pixel that is seen there"
"""


@pytest.mark.parametrize("ratio", ["1", "1.25", "1.5", "2"])
def test_sharp_at_every_scale(ratio: str, tmp_path: Path) -> None:
    script = tmp_path / "scale.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"QT_SCALE_FACTOR": ratio}
    result = subprocess.run([sys.executable, str(script), ratio], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("ratio", ["1.25", "1.5"])
def test_dirty_rectangles_miss_nothing_between_the_scales(ratio: str) -> None:
    test = f"{__file__}::{test_what_a_stroke_draws_is_what_a_whole_repaint_draws.__name__}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    result = subprocess.run(command, env=os.environ | {"QT_SCALE_FACTOR": ratio}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
