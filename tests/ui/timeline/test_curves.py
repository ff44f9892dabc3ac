"""The curves say what is in the frames, cost little, and stay small however long the run."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from studio.prime.sampling import sample
from studio.prime.subtokens import Subtokens
from studio.ui.runs import Kept
from studio.ui.timeline.curves import POINTS, Curves, thinned

SUBTOKENS = Subtokens(16, 4)


def recorded(steps: int = 20, batch: int = 2, tokens: int = 12, **options: Any) -> Any:
    """What `Run` keeps of a sampling with a fixed network; three of the tokens are given."""
    y = np.full((batch, tokens, 4), SUBTOKENS.mask_id)
    y[:, :3] = 1
    logits = np.random.default_rng(0).normal(size=(batch * tokens, 16)).astype(np.float32)
    kept = [Kept(0, steps, 0, 0.0, y.astype(np.uint8), np.packbits(np.zeros(y.size, bool)), None)]
    frames = sample(lambda _, rows: logits[rows], SUBTOKENS, y, steps=steps, seeds=range(batch), **options)
    for frame in frames:
        state, last = frame.y.astype(np.uint8), kept[-1]
        confidence = None if frame.confidence is None else frame.confidence.astype(np.float16)
        same = last.y if np.array_equal(state, last.y) else state
        kept.append(Kept(frame.step, steps, frame.calls, 0.1, same, np.packbits(frame.revealed), confidence))
    return SimpleNamespace(frames=kept, bundle=SimpleNamespace(subtokens=SUBTOKENS))


@pytest.mark.parametrize("options", [{}, {"remask": 0.5}, {"policy": "confidence", "granularity": 2}])
def test_every_figure_is_that_of_its_frame(options: dict[str, Any]) -> None:
    run = recorded(**options)
    curves = Curves(run)
    while curves.advance(0.0):
        pass
    assert curves.count == 21
    to_make = 2 * 9 * 4
    for i, frame in enumerate(run.frames):
        assert curves.known[i] == pytest.approx(1 - (frame.state == SUBTOKENS.mask_id).sum() / to_make)
        assert curves.revealed[i] == frame.revealed.sum()
        assert curves.calls[i] == frame.calls
        if frame.confidence is None:
            assert np.isnan(curves.confidence[i])
        else:
            assert curves.confidence[i] == pytest.approx(np.nanmean(frame.confidence.astype(np.float32)), abs=1e-3)
    assert curves.known[0] == 0 and curves.known[-1] == 1


def test_frames_are_taken_in_once_as_they_come() -> None:
    whole = recorded()
    growing = SimpleNamespace(frames=[], bundle=whole.bundle)
    growing.frames.append(whole.frames[0])
    curves = Curves(growing)  # pyright: ignore[reportArgumentType]
    for count, kept in enumerate(whole.frames, start=1):
        if count > 1:
            growing.frames.append(kept)
        assert not curves.advance() and curves.count == count
    assert not curves.advance() and curves.count == 21


def test_what_does_not_fit_in_the_time_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 0.001)  # every look at it is a millisecond later
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    run = recorded()
    curves = Curves(run)
    assert curves.advance(0.0045) and curves.count == 5
    assert curves.advance(0.0) and curves.count == 6, "at least one, or it would never end"
    assert not curves.advance(1.0) and curves.count == 21


def test_a_thin_curve_keeps_its_peaks() -> None:
    values = np.sin(np.linspace(0, 60, 40_000))
    values[12_345], values[23_456] = 9.0, -9.0
    places, kept = thinned(values)
    assert len(places) <= 2 * POINTS + 2 and (np.diff(places) > 0).all()
    assert kept.max() == 9 and kept.min() == -9 and (kept == values[places]).all()
    assert places[0] == 0 and places[-1] == 39_999


def test_a_short_curve_is_drawn_whole_without_what_is_no_number() -> None:
    values = np.array([np.nan, np.nan, 0.5, np.inf, 0.25])
    places, kept = thinned(values)
    assert places.tolist() == [2, 4] and kept.tolist() == [0.5, 0.25]
    assert thinned(np.array([]))[0].size == 0
