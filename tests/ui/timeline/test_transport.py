"""The buttons' doings: they steer the run, and never change what it makes."""

from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from studio.generation import generate
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser
from studio.ui.lane import Lane
from studio.ui.playhead import Playhead
from studio.ui.timeline.transport import Transport
from tests.ui.running import a_request, gated


@pytest.fixture
def transport(qapp: object) -> Iterator[Transport]:
    transport = Transport(Playhead())
    yield transport
    transport.playhead.close_down()


def test_without_a_run_nothing_happens(transport: Transport) -> None:
    for do in (
        *(transport.first, transport.last, transport.back, transport.forward, transport.play_or_rest),
        *(transport.pause, transport.step, transport.go_on, transport.stop),
    ):
        do()
    assert transport.state == "" and not transport.busy and not transport.live and transport.playhead.index == 0


def test_forward_at_the_end_of_a_pause_makes_the_next_frame(
    transport: Transport, bundle: Bundle, lane: Lane, qtbot: QtBot
) -> None:
    request = a_request(bundle)
    run, head = lane.start(request, bundle, paused=True), transport.playhead
    head.set_run(run)
    states: list[str] = []
    head.state_changed.connect(lambda: states.append(transport.state))
    expected = list(generate(request, bundle, OnnxDenoiser(bundle, "cpu")))
    for i in range(1, len(expected) + 1):
        transport.forward()
        qtbot.waitUntil(lambda: not head._watch.isActive())
        assert head.index == head.last == i and (run.frames[i].state == expected[i - 1].y).all()
    assert transport.state == "done" and set(states) <= {"paused", "done"}, "a single step is a part of the pause"


def test_back_pauses_what_is_running(transport: Transport, bundle: Bundle, lane: Lane, qtbot: QtBot) -> None:
    gate, run = gated(bundle, lane, a_request(bundle))
    head = transport.playhead
    head.set_run(run)
    run.resume()
    head.watch()
    gate.open.release()
    gate.open.release()
    qtbot.waitUntil(lambda: head.index == 2)
    assert transport.live
    transport.back()
    assert transport.paused and head.index == 1 and not head.following
    gate.open.release()  # the frame that was being made is finished
    qtbot.waitUntil(lambda: not head._watch.isActive())
    assert head.last == 3 and head.index == 1 and run.state == "paused"
    transport.forward()
    transport.forward()
    assert head.index == 3 and gate.calls == 3, "looking at what is there makes nothing"
    transport.go_on()
    assert transport.live
    for _ in range(3):
        gate.open.release()
    qtbot.waitUntil(lambda: transport.state == "done")
    assert head.index == head.last == 6


def test_stop_and_what_follows(transport: Transport, bundle: Bundle, lane: Lane, qtbot: QtBot) -> None:
    gate, run = gated(bundle, lane, a_request(bundle))
    head = transport.playhead
    head.set_run(run)
    run.resume()
    head.watch()
    qtbot.waitUntil(lambda: gate.calls == 1)
    transport.stop()
    assert transport.state in ("stopping", "stopped")
    qtbot.waitUntil(lambda: transport.state == "stopped")
    transport.go_on()
    transport.step()
    assert run.state == "stopped" and head.last == 0


def test_steps_asked_for_quickly_come_one_by_one(
    transport: Transport, bundle: Bundle, lane: Lane, qtbot: QtBot
) -> None:
    gate, run = gated(bundle, lane, a_request(bundle))
    run.pause()
    head = transport.playhead
    head.set_run(run)
    transport.forward()
    qtbot.waitUntil(lambda: gate.calls == 1)
    transport.forward()
    transport.forward()
    for _ in range(6):
        gate.open.release()
    qtbot.waitUntil(lambda: not head._watch.isActive())
    assert transport.paused and head.index == 2 == gate.calls
    transport.stop()


def test_scrubbing_to_the_end_follows(transport: Transport, bundle: Bundle, lane: Lane, qtbot: QtBot) -> None:
    run, head = lane.start(a_request(bundle), bundle), transport.playhead
    head.set_run(run)
    qtbot.waitUntil(lambda: transport.state == "done")
    transport.show(2)
    assert head.index == 2 and not head.following
    transport.show(6)
    assert head.following
    transport.first()
    assert head.index == 0
    transport.last()
    assert head.index == 6 and head.following
    transport.play_or_rest()
    assert head.playing
    transport.play_or_rest()
    assert not head.playing
