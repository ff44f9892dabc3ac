"""The timeline as it is used: real keys, clicks and drags; its curves looked at as pixels."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QComboBox, QWidget
from pytestqt.qtbot import QtBot

from studio.runtime.bundle import Bundle
from studio.ui import theme
from studio.ui.lane import Lane
from studio.ui.playhead import Playhead
from studio.ui.runs import Run
from studio.ui.timeline.curves import POINTS
from studio.ui.timeline.panel import TimelinePanel
from studio.ui.timeline.transport import Transport
from tests.ui.running import a_request, gated

LEFT, KEY = Qt.MouseButton.LeftButton, Qt.Key


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[TimelinePanel]:
    panel = TimelinePanel(Transport(Playhead()))
    qtbot.addWidget(panel)
    panel.resize(900, 180)
    panel.show()
    qtbot.waitUntil(lambda: panel.chart is not None)
    yield panel
    panel.playhead.close_down()
    panel.close_down()


@pytest.fixture
def done(panel: TimelinePanel, bundle: Bundle, lane: Lane, qtbot: QtBot) -> Run:
    """A run of 32 steps that came to its end, on view."""
    run = lane.start(a_request(bundle, steps=32, granularity=4), bundle)
    panel.playhead.set_run(run)
    qtbot.waitUntil(lambda: panel.playhead.state == "done")
    qtbot.waitUntil(lambda: not panel._later.isActive())
    return run


def chart(panel: TimelinePanel) -> Any:
    assert panel.chart is not None
    return panel.chart


def columns(widget: QWidget, role: str, tolerance: int = 24) -> list[int]:
    """The columns of what the widget shows in which a colour of the theme is to be seen."""
    image, wanted = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32), theme.color(role)

    def near(colour: QColor) -> bool:
        return all(
            abs(a - b) <= tolerance
            for a, b in zip(colour.getRgb()[:3], wanted.getRgb()[:3], strict=True)  # pyright: ignore[reportIndexIssue]
        )

    return [x for x in range(image.width()) if any(near(image.pixelColor(x, y)) for y in range(image.height()))]


def test_without_a_run_it_says_what_it_is_for(panel: TimelinePanel) -> None:
    assert panel._empty.isVisible() and not panel.scrubber.isVisible()
    for button in (panel.to_first, panel.to_back, panel.to_play, panel.to_forward, panel.to_last, panel.to_branch):
        assert not button.isEnabled()
    assert not panel.go_on.isVisible()


def test_of_a_run_that_is_there_it_does_not_say_so_before_its_curves_come(
    qtbot: QtBot, bundle: Bundle, lane: Lane
) -> None:
    panel = TimelinePanel(Transport(Playhead()))
    qtbot.addWidget(panel)
    assert panel._empty.text() and panel.chart is None
    run = lane.start(a_request(bundle, steps=2, granularity=4), bundle)
    panel.playhead.set_run(run)
    assert not panel._empty.text()
    qtbot.waitUntil(lambda: panel.playhead.state == "done")
    panel.playhead.set_run(None)
    assert panel._empty.text()
    panel.playhead.close_down()
    panel.close_down()


def test_at_the_end_of_what_is_over_there_is_nothing_newer(panel: TimelinePanel, done: Run) -> None:
    panel.playhead.show(32)  # as a session brings it back
    assert not panel.to_last.isEnabled() and not panel.to_forward.isEnabled() and panel.to_back.isEnabled()


def test_why_there_is_no_branch_is_told_at_its_button(panel: TimelinePanel, done: Run) -> None:
    told: list[int] = []
    panel.branch.connect(told.append)
    panel.set_branch_problem("Every word is known.")
    panel.to_branch.click()
    assert told == [] and panel.to_branch.toolTip() == "Every word is known."
    panel.set_branch_problem("")
    panel.to_branch.click()
    assert told == [32] and "Go on" in panel.to_branch.toolTip()


def test_arrows_home_end_and_pages_scrub(panel: TimelinePanel, done: Run, qtbot: QtBot) -> None:
    head, keys = panel.playhead, panel.scrubber
    assert head.index == 32 and panel.counter.text().startswith("Step 32 of 32 · 32 calls · ")
    for key, index in (
        (KEY.Key_Left, 31),
        (KEY.Key_Home, 0),
        (KEY.Key_Right, 1),
        (KEY.Key_PageUp, 4),
        (KEY.Key_PageDown, 1),
        (KEY.Key_End, 32),
        (KEY.Key_Right, 32),
    ):
        qtbot.keyClick(keys, key)
        assert head.index == index == keys.value()
    assert head.following
    qtbot.keyClick(keys, KEY.Key_Home)
    assert panel.counter.text() == "Start · 32 steps" and panel.known.text() == "0 %"
    qtbot.keyClick(keys, KEY.Key_Space)
    assert head.playing and panel.to_play.accessibleName() == "Pause"
    qtbot.keyClick(keys, KEY.Key_Space)
    assert not head.playing


def test_the_buttons_are_reached_by_tab_and_work_by_key(panel: TimelinePanel, done: Run, qtbot: QtBot) -> None:
    panel.to_first.setFocus()
    for button, index in ((panel.to_first, 0), (panel.to_forward, 1), (panel.to_last, 32), (panel.to_back, 31)):
        button.setFocus()
        qtbot.keyClick(button, KEY.Key_Space)
        assert panel.playhead.index == index
    seen: list[QWidget] = []
    panel.to_first.setFocus()
    while panel.focusWidget() not in seen:
        seen.append(panel.focusWidget())
        qtbot.keyClick(panel.focusWidget(), KEY.Key_Tab)
    assert {panel.to_back, panel.to_play, panel.to_branch, panel.to_export, panel.scrubber} <= set(seen)
    assert all(widget.accessibleName() for widget in seen)


def test_dragging_the_slider_shows_the_frame_under_the_pointer(panel: TimelinePanel, done: Run, qtbot: QtBot) -> None:
    slider, head = panel.scrubber, panel.playhead
    shown: list[int] = []
    head.frame_changed.connect(lambda: shown.append(head.index))
    at = [QPoint(round(slider.position_of(step)), slider.height() // 2) for step in range(33)]
    qtbot.mousePress(slider, LEFT, pos=at[20])
    for step in (19, 12, 5):
        qtbot.mouseMove(slider, at[step])
    qtbot.mouseRelease(slider, LEFT, pos=at[5])
    assert shown == [20, 19, 12, 5] and panel.counter.text().startswith("Step 5 of 32")


def test_the_line_on_the_curves_is_dragged_and_stands_over_the_slider(
    panel: TimelinePanel, done: Run, qtbot: QtBot
) -> None:
    curves, head = chart(panel), panel.playhead
    viewport = curves.viewport()
    x = round(panel.scrubber.position_of(10))
    qtbot.mousePress(viewport, LEFT, pos=QPoint(x, 20))
    assert head.index == 10
    qtbot.mouseMove(viewport, QPoint(round(panel.scrubber.position_of(16)), 25))
    assert head.index == 16
    qtbot.mouseRelease(viewport, LEFT, pos=QPoint(x, 20))
    line = columns(curves, "text", 60)
    assert line and max(abs(x - panel.scrubber.position_of(16)) for x in line) <= 2


def test_two_curves_are_drawn_and_change_with_the_theme(panel: TimelinePanel, done: Run, qtbot: QtBot) -> None:
    panel.playhead.show(0)
    for mode in ("dark", "light"):
        theme.current().set_mode(mode)
        qtbot.wait(20)
        for role in ("curve-1", "curve-2"):
            seen = columns(chart(panel), role)
            assert max(seen) - min(seen) > 0.9 * (chart(panel).width() - 40), f"{role} in {mode}"
        corner = chart(panel).grab().toImage().pixelColor(2, 2)
        assert corner == theme.color("surface")


def test_the_second_curve_can_be_chosen(panel: TimelinePanel, done: Run, qtbot: QtBot) -> None:
    panel.playhead.show(7)
    before = chart(panel)._other.getData()[1]
    assert float(panel.other.text()) == pytest.approx(before[6], abs=0.006)
    combo = panel.second.findChild(QComboBox)
    assert combo is not None
    combo.setFocus()
    qtbot.keyClick(combo, KEY.Key_Down)
    assert panel.second.value() == "revealed"
    assert int(panel.other.text()) == done.frames[7].revealed.sum()
    heights = chart(panel)._other.getData()[1]
    revealed = [frame.revealed.sum() for frame in done.frames]
    assert heights.max() == 1 and heights[6] == revealed[7] / max(revealed)


def test_branch_and_export_tell_what_is_wanted(panel: TimelinePanel, done: Run, qtbot: QtBot) -> None:
    told: list[Any] = []
    panel.branch.connect(told.append)
    panel.export.connect(told.append)
    panel.playhead.show(9)
    qtbot.mouseClick(panel.to_branch, LEFT)
    for action in panel._menu.actions():
        action.trigger()
    assert told == [9, "gif", "webp", "mp4", "strip"]


def test_a_branch_names_its_step(panel: TimelinePanel, bundle: Bundle, lane: Lane, done: Run) -> None:
    panel.playhead.set_run(lane.start(a_request(bundle), bundle, parent=(done.id, 9), paused=True))
    assert panel.counter.text() == "Start · 6 steps · branched at step 9"
    panel.transport.stop()


def test_a_live_run(panel: TimelinePanel, bundle: Bundle, lane: Lane, qtbot: QtBot) -> None:
    gate, run = gated(bundle, lane, a_request(bundle))
    panel.playhead.set_run(run)
    run.resume()
    panel.playhead.watch()
    for _ in range(3):
        gate.open.release()
    qtbot.waitUntil(lambda: panel.playhead.index == 3)
    assert panel.to_play.accessibleName() == "Pause" and not panel.go_on.isVisible()
    assert panel.scrubber.maximum() == 3
    qtbot.waitUntil(lambda: panel.scrubber.value() == 3)
    assert panel.known.text() and float(panel.other.text()) > 0
    far = QPoint(panel.scrubber.width() - 12, panel.scrubber.height() // 2)
    qtbot.mouseClick(panel.scrubber, LEFT, pos=far)
    assert panel.scrubber.value() == 3, "only what was made can be reached"

    qtbot.mouseClick(panel.to_back, LEFT)
    gate.open.release()
    qtbot.waitUntil(lambda: not run.active)
    assert panel.playhead.index == 2 and run.state == "paused" and panel.go_on.isVisible()
    panel.playhead.follow()
    gate.open.release()
    qtbot.keyClick(panel.scrubber, KEY.Key_Right)
    qtbot.waitUntil(lambda: panel.playhead.index == 5 and not run.active)
    assert run.state == "paused" and gate.calls == 5
    gate.open.release()
    qtbot.mouseClick(panel.go_on, LEFT)
    qtbot.waitUntil(lambda: panel.playhead.state == "done")
    assert not panel.go_on.isVisible() and panel.known.text() == "100 %"


def test_curves_of_a_run_seen_before_are_still_there(
    panel: TimelinePanel, bundle: Bundle, lane: Lane, done: Run, qtbot: QtBot
) -> None:
    first = panel._curves
    other = lane.start(a_request(bundle), bundle)
    panel.playhead.set_run(other)
    qtbot.waitUntil(lambda: panel.playhead.state == "done")
    assert panel._curves is not first
    panel.playhead.set_run(done)
    assert first is not None and panel._curves is first and first.count == 33
    panel.playhead.set_run(None)
    assert panel._empty.isVisible() and panel.counter.text() == ""


def test_however_many_steps_few_points_are_drawn(
    panel: TimelinePanel, bundle: Bundle, lane: Lane, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    draw: Callable[[Any], None] = chart(panel).draw
    monkeypatch.setattr(chart(panel), "draw", lambda curves: (drawn.append(1), draw(curves)))
    run = lane.start(a_request(bundle, steps=4096, policy="ancestral", seeds=(1,)), bundle)
    panel.playhead.set_run(run)
    ticks: list[int] = []
    panel.playhead.grown.connect(lambda: ticks.append(1))
    qtbot.waitUntil(lambda: panel.playhead.state == "done", timeout=20_000)
    qtbot.waitUntil(lambda: panel._curves is not None and panel._curves.count == 4097)
    qtbot.waitUntil(lambda: not panel._later.isActive())
    for curve in (chart(panel)._known, chart(panel)._other):
        assert 0 < len(curve.getData()[0]) <= 2 * POINTS + 4
    assert panel.known.text() == "100 %"


def test_out_of_sight_nothing_is_timed_and_back_again_all_is_there(
    panel: TimelinePanel, bundle: Bundle, lane: Lane, qtbot: QtBot
) -> None:
    panel.hide()
    run = lane.start(a_request(bundle), bundle)
    panel.playhead.set_run(run)
    qtbot.waitUntil(lambda: panel.playhead.state == "done")
    panel._later.stop()
    panel.hide()
    panel.show()
    qtbot.waitUntil(lambda: len(chart(panel)._known.getData()[0]) == 7)
    assert panel.known.text() == "100 %"


def test_a_narrow_panel_keeps_every_button(panel: TimelinePanel, done: Run, qtbot: QtBot) -> None:
    for width in (600, 480):
        panel.resize(width, 180)
        qtbot.wait(20)
    assert panel.width() == 480 and panel.to_branch.text() == "" and panel.to_branch.accessibleName() == "Branch here"
    label = panel.counter
    assert label.fontMetrics().horizontalAdvance(label.text()) <= label.width()
    assert label.toolTip().startswith(label.text() + " · "), "what has no room is told in full"
    right = panel.to_export.mapTo(panel, QPointF(panel.to_export.width(), 0)).x()
    assert right <= 480 and panel.scrubber.width() > 150
