"""The lane and its runs give the very frames that `sample` gives, and obey at once."""

import gc
from threading import Event
from typing import Any, cast

import numpy as np
import pytest

from studio.errors import OutOfMemory, StudioError
from studio.generation import generate
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser
from studio.ui import runs
from studio.ui.lane import Lane, Loaded, TimedDenoiser
from studio.ui.playhead import Playhead
from studio.ui.runs import Run
from studio.ui.sampling_settings import MAX_SEED, MAX_STEPS, SamplingSettings
from tests.ui.running import Gate, a_request, gated, until


def test_the_frames_are_those_of_sample(bundle: Bundle, lane: Lane) -> None:
    request = a_request(bundle, remask=0.3, policy="ancestral", granularity=4)
    run = lane.start(request, bundle)
    until(lambda: run.over)
    assert run.state == "done" and run.provider == "CPU" and run.error is None
    expected = list(generate(request, bundle, OnnxDenoiser(bundle, "cpu")))
    assert len(run.frames) == len(expected) + 1
    assert (run.frames[0].state == request.given.unpack()).all()
    for kept, frame in zip(run.frames[1:], expected, strict=True):
        assert (kept.step, kept.steps, kept.calls) == (frame.step, frame.steps, frame.calls)
        assert (kept.state == frame.y).all() and (kept.revealed == frame.revealed).all()
        assert kept.y.dtype == np.uint8
        if frame.confidence is None:
            assert kept.confidence is None
        else:
            assert kept.confidence is not None
            np.testing.assert_allclose(kept.confidence, frame.confidence, atol=1e-3)


def test_pausing_and_stepping_change_no_frame(bundle: Bundle, lane: Lane) -> None:
    request = a_request(bundle)
    whole, stepped = lane.start(request, bundle), lane.start(request, bundle, paused=True)
    until(lambda: whole.over)
    assert stepped.state == "paused" and len(stepped.frames) == 1
    for count in range(1, request.steps + 1):
        stepped.step()
        until(lambda: not stepped.active)
        assert len(stepped.frames) == count + 1
        assert stepped.state == ("done" if count == request.steps else "paused")
    assert all((a.y == b.y).all() for a, b in zip(whole.frames, stepped.frames, strict=True))


def test_a_step_asked_for_while_a_frame_is_made_comes_after_it(bundle: Bundle, lane: Lane) -> None:
    gate, run = gated(bundle, lane, a_request(bundle))
    run.resume()
    until(lambda: gate.calls == 1)
    run.pause()
    run.step()
    for _ in range(2):
        gate.open.release()
    until(lambda: not run.active)
    assert run.state == "paused" and len(run.frames) == 3 and gate.calls == 2
    run.stop()


def test_a_paused_run_lets_others_pass(bundle: Bundle, lane: Lane) -> None:
    paused = lane.start(a_request(bundle), bundle, paused=True)
    other = lane.start(a_request(bundle), bundle)
    until(lambda: other.over)
    assert other.state == "done" and paused.state == "paused"
    paused.resume()
    until(lambda: paused.over)
    assert paused.state == "done"


def test_stop_acts_before_the_next_call_and_cuts_the_present_one_short(bundle: Bundle, lane: Lane) -> None:
    gate, run = gated(bundle, lane, a_request(bundle))
    run.resume()
    gate.open.release()
    until(lambda: gate.calls == 2)
    run.stop()
    assert run.state in ("stopping", "stopped")
    until(lambda: run.over)
    assert run.state == "stopped" and run.error is None
    assert gate.calls == 2 and len(run.frames) == 2


def test_a_stop_while_the_network_loads_comes_before_its_first_call(bundle: Bundle, lane: Lane) -> None:
    loading, loaded = Event(), Event()
    gate = Gate(OnnxDenoiser(bundle, "cpu"))

    def load(_: Bundle) -> Gate:
        loading.set()
        assert loaded.wait(10)
        return gate

    run = Run(a_request(bundle), bundle, lane.submit, load)
    run.resume()
    assert loading.wait(10)
    run.stop()
    loaded.set()
    until(lambda: run.over)
    assert run.state == "stopped" and gate.calls == 0 and len(run.frames) == 1


def test_stopping_a_waiting_run_leaves_another_alone(bundle: Bundle, lane: Lane) -> None:
    gate, first = gated(bundle, lane, a_request(bundle))
    second = lane.start(a_request(bundle), bundle, paused=True)
    first.resume()
    until(lambda: gate.calls == 1)
    second.resume()
    second.stop()
    assert second.state == "stopping"
    for _ in range(20):
        gate.open.release()
    until(lambda: first.over and second.over)
    assert first.state == "done" and second.state == "stopped" and len(second.frames) == 1


def test_a_stopped_run_stays_stopped(bundle: Bundle, lane: Lane) -> None:
    run = lane.start(a_request(bundle), bundle, paused=True)
    run.stop()
    until(lambda: run.over)
    run.resume()
    run.step()
    run.stop()
    assert run.state == "stopped" and len(run.frames) == 1 and not run.active


def test_a_failure_is_kept_and_the_lane_goes_on(bundle: Bundle, lane: Lane) -> None:
    def broken(_: Bundle) -> Any:
        raise StudioError("The model is gone; install it again.")

    run = Run(a_request(bundle), bundle, lane.submit, broken)
    run.resume()
    until(lambda: run.over)
    assert run.state == "failed" and "install it again" in str(run.error)
    after = lane.start(a_request(bundle), bundle)
    until(lambda: after.over)
    assert after.state == "done"


def test_closing_the_lane_stops_what_runs(bundle: Bundle) -> None:
    lane = Lane("cpu")
    gate, run = gated(bundle, lane, a_request(bundle))
    run.resume()
    until(lambda: gate.calls == 1)
    lane.close()
    assert run.state == "stopped"


def test_a_call_that_does_not_come_back_does_not_hold_up_the_end() -> None:
    lane, comes_back = Lane("cpu"), Event()
    lane.submit(comes_back.wait)
    try:
        assert not lane.close(patience=0.01)
    finally:
        comes_back.set()
    assert lane.close()
    with pytest.raises(RuntimeError):  # nothing is called any more
        lane.submit(print)


def test_the_time_of_a_call_is_known_before_a_run(bundle: Bundle, lane: Lane) -> None:
    assert lane.call_seconds(bundle, 1) is None
    lane.submit(lane.load, bundle).result()
    once, four = lane.call_seconds(bundle, 1), lane.call_seconds(bundle, 4)
    assert once is not None and four == pytest.approx(4 * once)


def test_an_idle_step_takes_no_memory(bundle: Bundle, lane: Lane) -> None:
    run = lane.start(a_request(bundle, policy="ancestral", steps=500, seeds=(1,)), bundle)
    until(lambda: run.over)
    calls = run.frames[-1].calls
    assert calls < 100
    for name, most in (("y", calls), ("packed", 2 * calls), ("confidence", calls), ("likeliest", calls)):
        assert len({id(getattr(kept, name)) for kept in run.frames}) <= most + 1, name


def test_the_playhead_follows_scrubs_and_plays(bundle: Bundle, lane: Lane, qtbot: Any) -> None:
    playhead = Playhead()
    shown: list[int] = []
    playhead.frame_changed.connect(lambda: shown.append(playhead.index))
    run = lane.start(a_request(bundle), bundle, paused=True)
    playhead.set_run(run)
    assert playhead.state == "paused" and playhead.index == 0
    run.resume()
    playhead.watch()
    qtbot.waitUntil(lambda: playhead.state == "done", timeout=5000)
    assert playhead.index == playhead.last == 6 and shown == sorted(shown)
    assert not playhead._watch.isActive(), "nothing is looked at when nothing happens"

    playhead.show(2)
    frame = playhead.frame
    assert frame is run.frames[2] and not playhead.following
    playhead.show(99)
    assert playhead.index == 6
    playhead.show(0)
    playhead.play()
    assert playhead.playing
    qtbot.waitUntil(lambda: not playhead.playing, timeout=5000)
    assert playhead.index == 6
    playhead.close_down()


@pytest.mark.parametrize(("seconds", "worth"), [(1e-9, True), (60.0, False)])
def test_what_a_long_run_has_made_is_worth_keeping(
    bundle: Bundle, lane: Lane, qtbot: Any, monkeypatch: pytest.MonkeyPatch, seconds: float, worth: bool
) -> None:
    monkeypatch.setattr("studio.ui.playhead.KEEP_S", seconds)
    playhead = Playhead()
    kept: list[int] = []
    playhead.lasting.connect(lambda: kept.append(playhead.last))
    run = lane.start(a_request(bundle, steps=40), bundle, paused=True)
    playhead.set_run(run)
    run.resume()
    playhead.watch()
    qtbot.waitUntil(lambda: not playhead._watch.isActive(), timeout=5000)
    assert bool(kept) == worth
    playhead.close_down()


def test_what_is_recorded_is_not_copied_again(bundle: Bundle, lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the session has it, and until there are more frames; what is too large for one is known beforehand."""
    run = lane.start(a_request(bundle, steps=3, granularity=1, policy="even"), bundle)
    until(lambda: run.over)
    record, again = run.record(), run.record()
    names = ("steps", "y", "packed", "confidence", "likeliest")
    assert all(record[name] is again[name] and not record[name].flags.writeable for name in names)
    assert len(Run.recorded(run.request, bundle, record, lane.submit, lane.network).frames) == len(run.frames)
    run.frames.append(run.frames[-1])
    assert len(run.record()["y"]) == len(record["y"]) + 1
    assert run.recordable
    monkeypatch.setattr(runs, "MAX_VALUE", run.record()["y"].nbytes - 1)
    assert not run.recordable


@pytest.mark.parametrize("policy", ["ancestral", "confidence"])
def test_a_run_of_another_session_goes_on_to_the_same(bundle: Bundle, lane: Lane, policy: str) -> None:
    """Paused on the way, recorded, and taken up again: every frame is what it would have been."""
    request = a_request(bundle, steps=8, policy=policy)
    before = lane.start(request, bundle, paused=True)
    for count in range(2, 5):
        before.step()
        until(lambda count=count: len(before.frames) == count and not before.active)
    run = lane.restore(lambda _: bundle, before.record())
    assert run.state == "paused" and run in lane.runs and len(run.frames) == 4 and run.catching_up
    run.step()
    until(lambda: not run.active)
    assert run.state == "paused" and len(run.frames) == 5 and not run.catching_up and not run.made_here
    run.resume()
    until(lambda: run.over)
    whole = list(generate(request, bundle, OnnxDenoiser(bundle, "cpu")))
    assert run.state == "done" and len(run.frames) == 9
    for kept, frame in zip(run.frames[1:], whole, strict=True):
        assert (kept.y == frame.y).all() and kept.calls == frame.calls and (kept.revealed == frame.revealed).all()
    before.stop()
    until(lambda: before.over)


def test_a_run_whose_steps_come_out_otherwise_here_says_so(bundle: Bundle, lane: Lane) -> None:
    before = lane.start(a_request(bundle, steps=8), bundle)
    until(lambda: before.over)
    record: dict[str, Any] = before.record() | {"state": "paused"}
    record |= {name: record[name][:4] for name in ("steps", "y", "packed", "confidence", "likeliest")}
    y = np.array(record["y"])
    y[3][y[3] != bundle.subtokens.mask_id] ^= 1
    run = lane.restore(lambda _: bundle, record | {"y": y})
    run.resume()
    until(lambda: run.over)
    assert run.state == "failed" and "Branch here" in str(run.error) and len(run.frames) == 4


def test_a_paused_run_that_nobody_can_come_back_to_is_let_go(bundle: Bundle, lane: Lane) -> None:
    left = [lane.start(a_request(bundle), bundle, paused=True)]
    left[0].step()
    until(lambda: not left[0].active)
    assert lane.runs == left
    left.clear()
    gc.collect()
    assert not lane.runs


def test_settings_stay_within_what_the_model_can_do(bundle: Bundle) -> None:
    settings = SamplingSettings()
    changes: list[int] = []
    settings.changed.connect(lambda: changes.append(1))
    settings.set_bundle(bundle)
    assert settings.get("steps") == 6 and settings.get("granularity") == 1
    settings.set(granularity=3, steps=-5, temperature=float("nan"), policy="magic", top_p=7, seed=2**70)
    assert settings.get("granularity") == 4 and settings.get("steps") == 1
    assert settings.get("temperature") == 0.9 and settings.get("policy") == "confidence"
    assert settings.get("top_p") == 1.0 and settings.get("seed") == MAX_SEED
    settings.set(variations=2)
    assert settings.seeds() == (MAX_SEED, 0)
    before = len(changes)
    settings.set(variations=2)
    assert len(changes) == before, "what does not change is not told"
    settings.load({"steps": "12", "nonsense": 3, "schedule": "poly3", "seed_locked": 1})
    assert settings.get("steps") == 12 and settings.get("schedule") == "poly3" and settings.get("seed_locked") is True


def test_settings_come_back_with_the_model_that_is_there_now(bundle: Bundle) -> None:
    settings = SamplingSettings()
    settings.set_bundle(bundle)
    settings.set(steps=9, temperature=0.4)
    state, again = settings.state(), Bundle.open(bundle.path)
    settings.set(steps=11)
    settings.come_back(state, lambda name: None)
    assert settings.get("steps") == 11, "the model is gone, and what it was set to with it"
    settings.come_back(state, lambda name: again if name == bundle.name else None)
    assert settings.state() == state and settings.bundle is again


def test_settings_say_what_of_a_request_they_cannot_take(bundle: Bundle) -> None:
    settings = SamplingSettings()
    settings.set_bundle(bundle)
    assert settings.take(a_request(bundle, steps=9, warp=(1.0, 2.0, 0.1), seeds=(7, 8))) == ""
    assert settings.get("seed_locked") and settings.seeds() == (7, 8) and settings.get("warp") == (1.0, 2.0, 0.1)
    settings.set(warp=(-1, 1, 0))  # none at all, and there is no control to put it right
    assert settings.get("warp") == (1.0, 2.0, 0.1)
    said = settings.take(a_request(bundle, steps=MAX_STEPS + 1, seeds=(7, 9, 4)))
    assert said.startswith("Generate makes something else than before: steps, seeds ")


class Cramped:
    """A network with memory for so many samples a call."""

    provider, reason = "CPU", None

    def __init__(self, network: OnnxDenoiser, most: int):
        self.network, self.most, self.asked = network, most, []

    def stoppable(self) -> "Cramped":
        return self

    def stop(self) -> None:
        pass

    def __call__(self, y: Any, rows: Any) -> Any:
        self.asked.append(len(y))
        if len(y) > self.most:
            raise OutOfMemory("Not enough memory; take fewer variations.")
        return self.network(y, rows)


def cramped(bundle: Bundle, lane: Lane, most: int) -> tuple[Cramped, Run]:
    network = Cramped(OnnxDenoiser(bundle, "cpu"), most)
    loaded = Loaded(cast(OnnxDenoiser, network))
    run = Run(a_request(bundle, seeds=range(5)), bundle, lane.submit, lambda _: TimedDenoiser(loaded))
    run.resume()
    until(lambda: run.over)
    return network, run


@pytest.mark.parametrize("most", [4, 3, 1])
def test_a_batch_that_does_not_fit_is_halved_and_gives_the_same(bundle: Bundle, lane: Lane, most: int) -> None:
    network, run = cramped(bundle, lane, most)
    assert run.state == "done"
    whole = list(generate(run.request, bundle, OnnxDenoiser(bundle, "cpu")))
    assert (run.frames[-1].y == whole[-1].y).all()
    assert network.asked.count(5) == 1 and max(network.asked[2:]) <= 2


def test_the_time_of_a_call_is_that_of_the_samples_computed(bundle: Bundle) -> None:
    network = Cramped(OnnxDenoiser(bundle, "cpu"), 1)
    loaded = Loaded(cast(OnnxDenoiser, network))
    y = np.full((5, bundle.num_tokens, bundle.subtokens.length), bundle.subtokens.mask_id)
    rows = np.arange(3) + 2 * bundle.num_tokens
    assert (TimedDenoiser(loaded)(y, rows) == OnnxDenoiser(bundle, "cpu")(y[2:3], np.arange(3))).all()
    assert network.asked == [1] and list(loaded.seconds) == [1] and loaded.most is None


def test_the_time_of_a_call_is_taken_anew(bundle: Bundle, lane: Lane) -> None:
    loaded = lane.submit(lane.load, bundle).result()
    for _ in range(9):
        loaded.note(1, 1000.0)
    lane.submit(lane.time_again, [bundle]).result()
    seconds = lane.call_seconds(bundle, 1)
    assert seconds is not None and seconds < 100


def test_one_sample_that_does_not_fit_fails_with_what_to_do(bundle: Bundle, lane: Lane) -> None:
    network, run = cramped(bundle, lane, 0)
    assert run.state == "failed" and isinstance(run.error, OutOfMemory)
    assert network.asked == [5, 2, 1]
