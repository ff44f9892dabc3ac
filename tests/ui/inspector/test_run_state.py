"""Each state of a run has a look of its own, in words and signs."""

from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from studio.errors import StudioError
from studio.runtime.bundle import Bundle
from studio.ui import theme
from studio.ui.inspector.forecast import calls_of
from studio.ui.inspector.run_state import BUG, RunState, look_of
from studio.ui.lane import Lane
from studio.ui.playhead import Playhead
from studio.ui.runs import Run
from studio.ui.timeline.transport import Transport
from tests.ui.running import a_request


def a_run(step: int = 12, seconds: float = 0.4, error: Exception | None = None) -> Any:
    frame = SimpleNamespace(step=step, steps=32, calls=step, seconds=seconds)
    return SimpleNamespace(frames=[frame], error=error, catching_up=False)


@pytest.mark.parametrize(
    ("state", "loading", "step", "text"),
    [
        ("waiting", True, 0, "Loading the network…"),
        ("waiting", False, 0, "Waiting for its turn…"),
        ("running", True, 0, "Loading the network…"),
        ("running", False, 12, "Step 12 of 32"),
        ("paused", False, 0, "Paused before the first step"),
        ("paused", False, 12, "Paused at step 12 of 32"),
        ("stopping", False, 12, "Stopping…"),
        ("stopped", False, 12, "Stopped at step 12 of 32"),
        ("done", False, 32, "Done · 32 calls · 0.4 s"),
    ],
)
def test_states_in_words(state: str, loading: bool, step: int, text: str) -> None:
    assert look_of(a_run(step), state, loading).text == text


def test_a_long_run_tells_what_is_left() -> None:
    assert look_of(a_run(8, 4.0), "running").text == "Step 8 of 32 · 12 s left"


def test_steps_without_a_call_are_not_waited_for(qtbot: QtBot, bundle: Bundle, lane: Lane) -> None:
    """Twelve words in 32 steps: after eleven calls there is one more, whatever the number of steps."""
    frame = SimpleNamespace(step=11, steps=32, calls=11, seconds=16.5)
    look = look_of(SimpleNamespace(frames=[frame], error=None, catching_up=False), "running", calls=12)  # pyright: ignore[reportArgumentType]
    assert look.text == "Step 11 of 32" and look.share == pytest.approx(11 / 12)
    few = a_request(bundle).model_copy(update={"steps": 500, "policy": "even"})
    head = Playhead()
    widget = RunState(Transport(head))
    qtbot.addWidget(widget)
    run = lane.start(few, bundle, paused=True)
    head.set_run(run)
    run.step()
    head.watch()
    qtbot.waitUntil(lambda: head.last == 1 and not run.active)
    assert widget.bar.value() == round(1000 / calls_of(few, bundle)) > 10
    run.stop()
    head.close_down()


def test_a_failure_says_why_and_a_bug_says_so() -> None:
    failed = look_of(a_run(error=StudioError("The model is gone; install it again.")), "failed")
    assert failed.text == "The model is gone; install it again." and failed.icon == "error" and failed.share is None
    assert look_of(a_run(error=KeyError("x")), "failed").text == BUG


def test_no_two_states_look_alike() -> None:
    states = ("running", "paused", "stopped", "failed", "done")
    looks = {(look_of(a_run(), state).icon, look_of(a_run(), state).role) for state in states}
    assert len(looks) == len(states) and len({look_of(a_run(), state).icon for state in states}) == len(states)
    assert look_of(None, "").text == "Nothing made yet"


def filled(widget: RunState) -> float:
    """Share of the bar that is filled, from its pixels."""
    bar = widget.bar.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    row = [bar.pixelColor(x, bar.height() // 2) for x in range(bar.width())]
    return sum(colour == theme.color("focus") for colour in row) / len(row)


def test_the_bar_fills_and_failures_take_its_place(
    qtbot: QtBot, bundle: Bundle, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = Playhead()
    widget = RunState(Transport(head))
    qtbot.addWidget(widget)
    widget.resize(288, widget.heightForWidth(288))
    widget.show()
    height = widget.height()
    assert widget.text.text() == "Nothing made yet" and not widget.bar.isVisible()
    run = lane.start(a_request(bundle), bundle, paused=True)
    head.set_run(run)
    for made in (1, 2, 3):
        run.step()
        head.watch()
        qtbot.waitUntil(lambda made=made: head.last == made and not run.active)
        assert filled(widget) == pytest.approx(made / 6, abs=0.03)
    assert widget.heightForWidth(288) == height, "nothing jumps"

    def gone(_: Bundle) -> Any:
        raise StudioError("The model is gone; install it again.")

    broken = Run(a_request(bundle), bundle, lane.submit, gone)
    broken.resume()
    head.set_run(broken)
    qtbot.waitUntil(lambda: head.state == "failed")
    assert widget.text.text() == "The model is gone; install it again." and not widget.bar.isVisible()
    assert widget.text.property("role") == "danger"
    run.stop()
    head.close_down()
