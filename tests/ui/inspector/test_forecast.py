"""Forecasts agree with theory, and with what real runs of a tiny model then take."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.generation import picture_request, text_request
from studio.prime.policies import expected_calls, idle_steps
from studio.prime.sampling import sample
from studio.prime.schedules import alpha_grid
from studio.prime.subtokens import Subtokens
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import asked_samples
from studio.ui.inspector.forecast import (
    Forecaster,
    Sampling,
    forecast,
    reveal_probabilities,
    units_of,
    units_of_request,
)
from studio.ui.lane import Lane
from studio.ui.runs import Run
from studio.ui.sampling_settings import SamplingSettings
from tests.helpers import GRID, text_bundle
from tests.ui.running import until


def a_mask(cells: int) -> np.ndarray:
    mask = np.zeros((GRID, GRID), dtype=bool)
    mask.flat[:cells] = True
    return mask


PICTURE = np.full((GRID, GRID, 3), 34, dtype=np.uint8)


def test_units_are_the_groups_with_a_masked_digit() -> None:
    given = np.array([[0, 1, 1, 0], [2, 2, 1, 0], [2, 1, 2, 2], [0, 0, 0, 2]])
    assert units_of(given, 2, 4) == (2 + 3 + 1,)
    assert units_of(given, 2, 2) == (1 + 2 + 1,)
    assert units_of(given, 2, 1) == (3,)
    assert units_of(given, 2, 4, windows=(2, 2)) == (2, 4)


def test_calls_and_idle_steps_are_those_of_theory() -> None:
    for policy in ("ancestral", "even", "confidence", "sequential"):
        found = forecast(Sampling(policy, 32, "cosine"), (25,), 1)
        assert found and not found.at_most
        assert found.calls == pytest.approx(expected_calls(policy, 32, 25, "cosine"))
        assert found.idle == pytest.approx(idle_steps(32, 25, "cosine"))
    published = forecast(Sampling("ancestral", 1024, "linear", 0.0), (1024,), 1)
    assert published and published.idle / 1024 == pytest.approx(0.368, abs=5e-4)
    assert published.calls + published.idle == pytest.approx(published.published)


def test_a_batch_counts_with_all_its_units() -> None:
    one, four = (forecast(Sampling("ancestral", 64, "linear", 0.0), (20,), batch) for batch in (1, 4))
    assert one and four and four.calls == pytest.approx(expected_calls("ancestral", 64, 80))
    assert four.shown == pytest.approx(4 * one.calls) and four.idle == one.idle
    even = forecast(Sampling("even", 64, "linear", 0.0), (20,), 4)
    assert even and (even.calls, even.shown) == (20, 80)


def test_nothing_to_make_has_no_forecast() -> None:
    assert forecast(Sampling("even", 10, "linear", 0.0), (), 1) is None
    assert forecast(Sampling("even", 10, "linear", 0.0), (0, 0), 1) is None


def test_what_is_known_only_as_it_goes_is_given_as_the_most() -> None:
    entropy = forecast(Sampling("entropy", 10, "linear", 0.0), (50,), 1)
    assert entropy and entropy.at_most and entropy.calls == 10
    again = forecast(Sampling("confidence", 10, "linear", 0.5), (4,), 1)
    assert again and again.at_most and again.calls == 10
    windows = forecast(Sampling("confidence", 10, "linear", 0.0), (50, 0, 3), 1)
    assert windows and windows.at_most and windows.calls == 20 == windows.published


@pytest.mark.parametrize("schedule", ["linear", "cosine", "poly3", "poly0.00000000000000000001"])
def test_without_remasking_a_unit_is_revealed_as_the_schedule_rises(schedule: str) -> None:
    assert reveal_probabilities(Sampling("ancestral", 40, schedule)) == pytest.approx(np.diff(alpha_grid(schedule, 40)))
    again = reveal_probabilities(Sampling("ancestral", 40, schedule, 0.4))
    assert np.isfinite(again).all() and again.sum() >= 1 - 1e-9 and (again <= 1).all()


@pytest.mark.parametrize(
    ("sampling", "batch"),
    [
        (Sampling("ancestral", 24), 1),
        (Sampling("ancestral", 24, "poly3"), 3),
        (Sampling("ancestral", 24, remask=0.6), 2),
        (Sampling("ancestral", 24, "poly3", warp=(1.0, 2.0, 0.0), corrector=(4.0, 0.25, 0.25)), 2),
        (Sampling("even", 24), 2),
        (Sampling("even", 24, remask=0.5), 1),
    ],
)
def test_the_sampler_calls_as_often_as_was_forecast(sampling: Sampling, batch: int) -> None:
    """Means over 300 runs of real `sample` within four standard errors; exactly where the forecast is exact."""
    subtokens, options, shown = Subtokens(16, 4), asdict(sampling), []
    y = np.full((batch, 7, 4), subtokens.mask_id)

    def denoise(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
        shown[-1] += len(asked_samples(y, rows)[0])  # what the runtime computes
        return np.zeros((len(rows), 16), dtype=np.float32)

    calls = []
    for repeat in range(300):
        shown.append(0)
        seeds = [repeat * batch + i for i in range(batch)]
        calls.append(list(sample(denoise, subtokens, y, seeds=seeds, **options))[-1].calls)
    found = forecast(sampling, (28,), batch)
    assert found and not found.at_most
    for expected, real in ((found.calls, np.array(calls)), (found.shown, np.array(shown))):
        assert abs(real.mean() - expected) <= 4 * real.std() / np.sqrt(len(real)) + 1e-9


def test_units_of_requests(bundle: Bundle, tmp_path: Path) -> None:
    request = picture_request(bundle, PICTURE, a_mask(11), granularity=4)
    assert units_of_request(request, bundle) == (44,)
    high = picture_request(bundle, PICTURE, a_mask(11), granularity=4, planes=(0,))
    assert units_of_request(high, bundle) == (11,)
    texts = Bundle.open(text_bundle(tmp_path))
    wanted = text_request(texts, "Once upon a time [[5]] who had three daughters.", granularity=3)
    assert sum(units_of_request(wanted, texts)) == 15


def test_seconds_come_from_measured_calls_and_then_from_runs(bundle: Bundle, lane: Lane) -> None:
    settings = SamplingSettings()
    settings.set_bundle(bundle)
    settings.set(steps=12, variations=2, granularity=4, policy="even")
    forecaster = Forecaster(lane)
    unknown = forecaster.of(settings, (40,))
    assert unknown and unknown.calls == 12 and unknown.seconds is None
    lane.submit(lane.network, bundle).result()
    call = lane.call_seconds(bundle, 2)
    known = forecaster.of(settings, (40,))
    assert known and call and known.seconds == pytest.approx(12 * call)

    request = picture_request(bundle, PICTURE, a_mask(10), seeds=(1, 2), **settings.options())
    run = lane.start(request, bundle)
    until(lambda: run.over)
    forecaster.learn(run)
    assert run.frames[-1].calls == known.calls
    after = forecaster.of(settings, (40,))
    # A call of the tiny network is so short that most of a run is what comes around it, which only runs tell.
    assert after and after.seconds and 0.3 < after.seconds / run.frames[-1].seconds < 3


def test_only_a_run_that_came_to_its_end_teaches(bundle: Bundle, lane: Lane) -> None:
    lane.submit(lane.network, bundle).result()
    forecaster = Forecaster(lane)
    request = picture_request(bundle, PICTURE, a_mask(10), steps=9, policy="even")
    run = lane.start(request, bundle, paused=True)
    run.step()
    until(lambda: not run.active)
    run.stop()
    until(lambda: run.over)
    before: Any = forecaster.of_request(request, bundle)
    forecaster.learn(run)
    assert forecaster.of_request(request, bundle) == before


def test_a_run_of_another_session_teaches_nothing(bundle: Bundle, lane: Lane) -> None:
    lane.submit(lane.network, bundle).result()
    forecaster = Forecaster(lane)
    request = picture_request(bundle, PICTURE, a_mask(10), steps=9, policy="even")
    run = lane.start(request, bundle)
    until(lambda: run.over)
    record = run.record()
    record["steps"] = record["steps"] * (1, 1, 100)  # on a device a hundred times slower
    before: Any = forecaster.of_request(request, bundle)
    assert before.seconds
    forecaster.learn(Run.recorded(request, bundle, record, lane.submit, lane.network))
    assert forecaster.of_request(request, bundle) == before


def test_without_a_model_there_is_no_forecast(lane: Lane) -> None:
    assert Forecaster(lane).of(SamplingSettings(), (10,)) is None
