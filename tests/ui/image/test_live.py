"""What a run shows on the canvas, on the pixels that are drawn."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest

from studio.media.frames import WorkingFrame, crop, stitch
from studio.media.images import Picture
from studio.prime.subtokens import Subtokens
from studio.ui.image import masking, overlays
from studio.ui.image.canvas import Canvas
from studio.ui.image.legend import Legend
from tests.ui.image.looking import at, drag, rendered, tinted

SUBTOKENS = Subtokens(256, 8)
GRID = 8
FRAME = WorkingFrame(10, 6, GRID)


@pytest.fixture
def run(canvas: Canvas) -> Canvas:
    """A run that fills 3 × 3 pixels of a frame of 8."""
    canvas.document.set_model(GRID, 8)
    masking.fill_rect(canvas.document, QRect(12, 8, 3, 3))
    given = SUBTOKENS.encode(np.zeros(GRID * GRID, dtype=np.int64))
    given.reshape(GRID, GRID, 8)[2:5, 2:5] = SUBTOKENS.mask_id
    canvas.live.begin(FRAME, canvas.document.mask, given, SUBTOKENS)
    canvas.set_marks_shown(False)
    return canvas


def pixels(value: int) -> np.ndarray:
    return np.full((GRID, GRID, 3), value, dtype=np.uint8)


def state(known: int) -> np.ndarray:
    y = np.full((GRID * GRID, 8), SUBTOKENS.mask_id)
    y[:, :known] = 1
    return y


def color(canvas: Canvas, x: float, y: float) -> list[int]:
    place = at(canvas, x + 0.5, y + 0.5)
    return rendered(canvas)[place.y(), place.x()].tolist()


def test_frames_show_in_the_mask_only_and_stay_until_the_next(run: Canvas) -> None:
    mask = run.document.mask
    assert not tinted(run).any()
    run.live.show(pixels(90), state(3))
    assert np.array_equal(tinted(run), mask)
    assert color(run, 12, 8) == [90] * 3
    run.document.undo_stack.undo()  # the mask of the run counts, not today's
    assert np.array_equal(tinted(run), mask)
    # The next run has begun and shows nothing yet: no flicker back to the picture.
    run.live.begin(FRAME, mask, state(0), SUBTOKENS)
    assert color(run, 12, 8) == [90] * 3
    run.live.show(pixels(30), state(1))
    assert color(run, 12, 8) == [30] * 3
    run.show_original(True)
    assert not tinted(run).any()
    run.show_original(False)
    assert color(run, 12, 8) == [30] * 3
    run.live.clear()
    assert not tinted(run).any()


def test_the_colours_are_explained_while_there_are_any(run: Canvas) -> None:
    legend = run.findChild(Legend)
    assert legend is not None
    run.set_overlay("states")
    assert legend.isHidden()
    run.live.show(pixels(90), state(3))
    assert not legend.isHidden() and legend.accessibleName() == "Colours: 0 to 8 digits known"
    while run.live.item.digits is None:
        run.zoom_in()
    assert legend.accessibleName() == "Colours: digit 0 to 1"
    run.live.show_map(FRAME, QImage(1, 1, QImage.Format.Format_RGB32), overlays.Scale(((0, 0, 0),), "0", "8 bits"))
    assert legend.accessibleName() == "Colours: 0 to 8 bits"
    run.show_original(False)
    digits = rendered(run)
    run.live.show_map(None, None, None)
    assert (rendered(run) != digits).any(), "the digits do not shine through the map"
    run.live.show_map(FRAME, QImage(1, 1, QImage.Format.Format_ARGB32), None)
    run.live.item.map[1].fill(0)  # pyright: ignore[reportOptionalSubscript]
    run.live.item.update()
    assert color(run, 13, 9) == [90] * 3
    run.live.show_map(None, None, None)
    run.set_overlay("picture")
    assert legend.isHidden()
    run.set_overlay("confidence")
    assert not legend.isHidden()
    run.live.clear()
    assert legend.isHidden()


def test_what_was_painted_into_a_run_goes_with_it(run: Canvas) -> None:
    run.document.editing_state = True
    run.live.show(pixels(90), state(8))
    masking.fill_rect(run.document, QRect(13, 9, 1, 1), "color", (1, 2, 3))
    masking.fill_rect(run.document, QRect(2, 2, 1, 1), "mask")
    run.set_marks_shown(True)
    assert color(run, 13, 9) == [1, 2, 3] and color(run, 2, 2) != [200] * 3
    run.live.clear()  # such as by undo, where the run is not kept any more
    assert color(run, 13, 9) != [1, 2, 3] and color(run, 2, 2) == [200] * 3


def test_tools_go_by_what_is_seen(run: Canvas) -> None:
    document = run.document
    document.editing_state = True
    run.live.show(pixels(77), state(8))
    run.settings.set(tool="picker")
    drag(run, (13.5, 9.5))
    assert run.settings.rgb == (77, 77, 77)
    drag(run, (11.5, 9.5))
    assert run.settings.rgb == (200, 200, 200), "outside of what is filled it is the picture"
    run.settings.set(tool="fill")
    drag(run, (13.5, 9.5))
    assert (document.erased != 0).sum() == 9 and (document.erased[8:11, 12:15] != 0).all()
    run.settings.set(tool="paint", size=1, color=QColor(1, 2, 3))
    drag(run, (5.5, 5.5))
    run.settings.set(tool="picker", color=QColor(9, 9, 9))
    drag(run, (5.5, 5.5))
    assert run.settings.rgb == (1, 2, 3)


@pytest.mark.parametrize("exact", [False, True])
def test_what_is_seen_of_a_large_frame(canvas: Canvas, exact: bool) -> None:
    alpha = np.full((90, 90), 40, dtype=np.uint8)
    canvas.document.load(Picture(np.full((90, 90, 3), 200, dtype=np.uint8), alpha))
    frame, mask = WorkingFrame(-4, 20, 64), np.zeros((90, 90), dtype=bool)
    mask[30:50, 0:30] = True
    made = np.arange(GRID * GRID * 3, dtype=np.uint8).reshape(GRID, GRID, 3)
    canvas.live.begin(frame, mask, state(0), SUBTOKENS)
    canvas.live.show(made, state(8))
    whole = made.repeat(8, axis=0).repeat(8, axis=1)[:, 4:]
    if exact:
        canvas.live.show_result(whole)
    seen = canvas.seen(QRect(0, 25, 40, 60))
    expected = np.full((60, 40, 4), (200, 200, 200, 40), dtype=np.uint8)
    expected[5:25, :30] = np.dstack([whole[10:30, :30], np.full((20, 30), 255, dtype=np.uint8)])
    assert (seen == expected).all()
    assert (canvas.document.stored == 200).all() and (alpha == 40).all()


def test_a_run_in_another_frame_leaves_nothing_of_the_last(run: Canvas) -> None:
    run.live.show(pixels(90), state(3))
    mask = np.zeros((21, 33), dtype=bool)
    mask[0:2, 0:2] = True
    run.live.begin(WorkingFrame(0, 0, GRID), mask, state(0), SUBTOKENS)
    run.live.show(pixels(40), state(3))
    assert np.array_equal(tinted(run), mask)


def test_a_large_frame_is_enlarged_as_the_result_will_be(canvas: Canvas) -> None:
    rng = np.random.default_rng(1)
    canvas.document.load(Picture(np.full((300, 400, 3), 200, dtype=np.uint8)))
    canvas.set_marks_shown(False)
    frame, mask = WorkingFrame(50, 20, 160), np.zeros((300, 400), dtype=bool)
    mask[60:140, 70:180] = True
    made = np.repeat(np.repeat(rng.integers(60, 140, (4, 4, 3)), 2, axis=0), 2, axis=1).astype(np.uint8)
    canvas.live.begin(frame, mask, state(0), SUBTOKENS)
    canvas.actual_size()
    canvas.centerOn(130, 100)
    canvas.live.show(made, state(8))
    rough = rendered(canvas)
    origin = at(canvas, 0, 0)
    cells, holes = crop(canvas.document.stored, mask, frame, GRID)
    wanted = stitch(canvas.document.stored, np.where(holes[..., None], made, cells), mask, frame)
    canvas.live.show_result(wanted[20:180, 50:210])
    exact = rendered(canvas)
    view = exact[origin.y() + 30 : origin.y() + 170, origin.x() + 60 : origin.x() + 200]
    assert np.array_equal(view, wanted[30:170, 60:200])
    outside = rough[origin.y() + 30 : origin.y() + 170, origin.x() + 60 : origin.x() + 200]
    assert np.array_equal((outside != 200).any(axis=2), mask[30:170, 60:200])
    middle = np.abs(rough.astype(int) - exact)[origin.y() + 80 : origin.y() + 120, origin.x() + 90 : origin.x() + 160]
    assert middle.mean() < 6  # bilinear now, bicubic in the end


def test_overlays_by_key_and_by_zoom(run: Canvas) -> None:
    run.setFocus()
    run.live.show(pixels(90), state(4), np.full(GRID * GRID, 0.5))
    seen = {}
    for key in (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_4):
        QTest.keyClick(run, key)
        assert np.array_equal(tinted(run), run.document.mask)
        seen[run.overlay] = rendered(run).tobytes()
    assert len(set(seen.values())) == 4 and list(seen) == ["picture", "states", "confidence", "difference"]
    run.set_overlay("states")
    assert run.item.overlay is not None and run.item.overlay.width() == GRID * run.zoom
    run.set_zoom(64)
    assert run.item.overlay is None and run.item.digits is not None
    run.set_zoom(4)
    assert run.item.overlay is not None and run.item.overlay.width() == GRID
    run.set_overlay("picture")
    assert run.item.overlay is None and run.item.digits is None


def test_every_digit_is_a_cell_when_near(run: Canvas) -> None:
    y = state(0)
    y.reshape(GRID, GRID, 8)[3, 3] = [0, 1, 0, 1, 2, 2, 1, 0]  # 2 is unknown
    run.live.show(pixels(90), y)
    run.set_overlay("states")
    run.set_zoom(96)
    run.centerOn(13.5, 9.5)
    shown = rendered(run)
    values = []
    for row in range(2):
        for column in range(4):
            # The upper left of each cell, where no figure stands.
            place = run.viewportTransform().map(QPointF(13 + (column + 0.2) / 4, 9 + (row + 0.1) / 2)).toPoint()
            values.append(tuple(shown[place.y(), place.x()].tolist()))
    zero, one, unknown = values[0], values[1], values[4]
    assert len({zero, one, unknown}) == 3
    assert values == [zero, one, zero, one, unknown, unknown, one, zero]
    assert sum(one) > sum(unknown) > 0


def test_another_picture_ends_what_was_shown(run: Canvas) -> None:
    run.live.show(pixels(90), state(3))
    run.document.load(Picture(np.full((10, 10, 3), 50, dtype=np.uint8)))
    assert not run.live.shown and not tinted(run).any()
