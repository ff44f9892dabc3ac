"""Which units come when, and how often the network is called."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.prime import policies
from studio.prime.policies import (
    POLICIES,
    Ancestral,
    Confidence,
    Drawn,
    corrector_hazard,
    corrector_rates,
    expected_calls,
    idle_steps,
    policy_class,
    remask_rate,
)
from studio.prime.sampling import Frame, sample
from studio.prime.schedules import SCHEDULES, alpha_grid, time_grid
from studio.prime.subtokens import Subtokens
from tests.prime.enumeration import chi_square
from tests.prime.fakes import TableDenoiser, random_denoiser

S = Subtokens(16, 4)


def masked_state(num_tokens: int, batch: int = 1) -> NDArray[np.int64]:
    return np.full((batch, num_tokens, S.length), S.mask_id)


def run(denoise: TableDenoiser, y: NDArray[np.int64], **options) -> list[Frame]:
    return list(sample(denoise, S, y, **{"seeds": range(len(y)), **options}))


def test_ancestral_calls_only_for_what_it_reveals():
    denoise = random_denoiser(10, 16)
    frames = run(denoise, masked_state(10, batch=3), steps=40, granularity=2)
    asked = iter(denoise.asked)
    calls, before = 0, masked_state(10, batch=3)
    for frame in frames:
        revealed = np.any(frame.revealed, axis=-1)
        if revealed.any():
            calls += 1
            shown, rows = next(asked)
            np.testing.assert_array_equal(shown, before)  # every sample, so that rows index the batch as it was given
            np.testing.assert_array_equal(rows, np.flatnonzero(revealed))
        assert frame.calls == calls
        before = frame.y
    assert next(asked, None) is None
    assert any(not frame.revealed.any() for frame in frames)


def test_1024_ancestral_steps_on_64_tokens_cost_at_most_64_calls():
    for seed in range(5):
        denoise = random_denoiser(64, 16)
        frames = run(denoise, masked_state(64), steps=1024, granularity=1, seeds=[seed])
        assert len(frames) == 1024
        assert frames[-1].calls == len(denoise.asked) <= 64
        assert sum(len(rows) for _, rows in denoise.asked) == 64


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_idle_steps_are_as_many_as_expected(schedule: str):
    steps, num_tokens, batch = 50, 20, 100
    frames = run(
        random_denoiser(20, 16), masked_state(num_tokens, batch), steps=steps, schedule=schedule, granularity=2
    )
    busy = np.sum([frame.revealed.any(axis=(1, 2)) for frame in frames], axis=0)
    assert abs(busy.mean() - expected_calls("ancestral", steps, 2 * num_tokens, schedule)) < 5 * busy.std() / batch**0.5
    together = expected_calls("ancestral", steps, 2 * num_tokens * batch, schedule)
    assert abs(frames[-1].calls - together) < 5


def test_published_share_of_idle_steps():
    assert idle_steps(1024, 1024) / 1024 == pytest.approx(0.3677, abs=1e-4)
    assert idle_steps(1024, 4096) / 1024 == pytest.approx(0.0183, abs=1e-4)


@pytest.mark.parametrize("schedule", [*SCHEDULES, "poly0.3"])
@pytest.mark.parametrize("policy", ["even", "confidence", "sequential"])
@given(steps=st.integers(1, 40), num_tokens=st.integers(1, 12), granularity=st.sampled_from([1, 2, 4]))
def test_counted_policies_make_exactly_as_many_calls_as_they_can(
    policy: str, schedule: str, steps: int, num_tokens: int, granularity: int
):
    units = num_tokens * granularity
    frames = run(
        random_denoiser(num_tokens, 16), masked_state(num_tokens), steps=steps, schedule=schedule, policy=policy,
        granularity=granularity,
    )  # fmt: skip
    calls = [frame.calls for frame in frames]
    assert calls == [min(step, units) for step in range(1, steps + 1)]
    assert calls[-1] == expected_calls(policy, steps, units, schedule)
    if units >= 8 * steps and schedule == "linear":
        shown = [frame.revealed.sum() * granularity / S.length for frame in frames]
        assert max(shown) - min(shown) <= 1


@given(steps=st.integers(1, 30), num_tokens=st.integers(1, 20), scale=st.sampled_from([0, 1, 30]))
def test_entropy_never_calls_more_often_than_steps(steps: int, num_tokens: int, scale: float):
    frames = run(random_denoiser(num_tokens, 16, scale=scale), masked_state(num_tokens), steps=steps, policy="entropy")
    assert frames[-1].calls <= expected_calls("entropy", steps, num_tokens) == min(steps, num_tokens)
    assert not (frames[-1].y == S.mask_id).any()


def test_entropy_calls_less_where_the_network_is_sure():
    flat = TableDenoiser(np.zeros((64, 16)))
    sure = TableDenoiser(np.tile(np.eye(16) * 100, (4, 1)))
    mixed = TableDenoiser(np.where(np.arange(64)[:, None] < 60, sure.logits, 0))
    calls = [run(denoise, masked_state(64), steps=16, policy="entropy")[-1].calls for denoise in (flat, mixed, sure)]
    # Mixed: all that are sure at once, then one by one.
    assert calls == [16, 1 + 4, 1]


def test_entropy_reveals_the_surest_tokens_first():
    sharpness = np.random.default_rng(1).permutation(16)
    denoise = TableDenoiser(np.eye(16) * sharpness[:, None] / 2)
    frames = run(denoise, masked_state(16), steps=8, policy="entropy")
    order = [sharpness[np.any(frame.revealed, axis=-1)[0]] for frame in frames if np.any(frame.revealed)]
    assert all(max(after) < min(before) for before, after in pairwise(order))


def test_sequential_is_raster_order():
    frames = run(random_denoiser(8, 16), masked_state(8), steps=32, policy="sequential")
    assert [int(np.flatnonzero(frame.revealed)[0]) for frame in frames] == list(range(32))


def test_even_takes_every_place_alike():
    first, *_ = run(random_denoiser(8, 16), masked_state(8, batch=400), steps=8, policy="even", granularity=1)
    counts = first.revealed.all(axis=-1).sum(axis=0)
    assert counts.sum() == 400
    assert (np.abs(counts - 50) < 5 * 50**0.5).all()


def test_confidence_ranks_tokens_and_never_asks_for_what_is_known(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(policies, "RANKING_NOISE", 0)
    sharpness = np.random.default_rng(0).permutation(12)
    denoise = TableDenoiser(np.eye(12, 16) * (5 + sharpness[:, None]))
    frames = run(denoise, masked_state(12), steps=30, policy="confidence", granularity=1, temperature=0)
    order = [int(np.flatnonzero(frame.revealed[0].any(axis=-1))[0]) for frame in frames[:12]]
    assert order == list(np.argsort(-sharpness))
    assert [len(rows) for _, rows in denoise.asked] == list(range(12, 0, -1))
    assert frames[-1].calls == 12


def test_confidence_gives_each_token_one_group_before_any_gets_two():
    y = masked_state(6, batch=20)
    for frame in run(random_denoiser(6, 16), y, steps=5, schedule="poly2", policy="confidence"):
        shown = frame.revealed.sum(axis=-1)
        open_tokens = (y == S.mask_id).sum(axis=-1)
        for groups, masked in zip(shown, open_tokens, strict=True):
            assert (groups >= np.minimum(masked, groups.max() - 1)).all()
        y = frame.y
        # The most significant digits first.
        assert (np.diff((y == S.mask_id).astype(int), axis=-1) >= 0).all()


def test_the_noise_on_the_ranking_fades():
    """Where all is about to be known, the surest tokens come first; where nothing is, others come before them."""
    units = np.ones((40, 1), dtype=np.bool_)
    drawn = Drawn(np.arange(40), np.arange(0, -4, -0.1, dtype=np.float32), None)
    overtaken = []
    for alpha in (0.5, 0.9, 0.999999):
        rule = Confidence(units, np.array([0.0, alpha, 1.0]), np.random.Generator(np.random.Philox(0)))
        first = [rule._blurred(1, drawn.log_prob).argmax() for _ in range(300)]
        overtaken.append(np.mean(np.array(first) > 0))
        if alpha > 0.99:
            some = np.arange(40)[:, None] < 30
            assert rule.choose(1, units & some, Drawn(drawn.tokens[:30], drawn.log_prob[:30], None))[:29].all()
    assert overtaken[0] > overtaken[1] > 0.2 and overtaken[2] == 0


def test_confidence_masks_the_least_sure_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(policies, "RANKING_NOISE", 0)
    units = np.ones((10, 2), dtype=np.bool_)
    rule = policy_class("confidence")(units, alpha_grid("linear", 4), np.random.Generator(np.random.Philox(0)))
    known = units.copy()
    known[3] = False
    log_prob = -np.arange(10, dtype=np.float32)
    masks = [rule.remask(1, known, log_prob, 0.25) for _ in range(400)]
    assert np.mean([again.sum() for again in masks]) == pytest.approx(18 * 0.25, abs=0.2)
    for again in masks:
        assert not again[:7].any()
        assert again[8:].all()
        # Half a token: the less significant group.
        assert not again[7, 0]


def test_remask_rate():
    assert remask_rate(0.5, 0.1) == remask_rate(0.5, 0.5) == 0.5
    assert remask_rate(1.0, 0.75) == pytest.approx(1 / 3)
    assert remask_rate(1.0, 1.0) == 0


def test_what_ancestral_masks_again_reenters_the_plan():
    """After step k it comes back in step k' > k with probability (α_k' − α_{k'−1}) / (1 − α_k)."""
    alpha = alpha_grid("poly2", 6)
    units = np.ones((10_000, 2), dtype=np.bool_)
    rule = Ancestral(units, alpha, np.random.Generator(np.random.Philox(0)))
    assert chi_square(np.bincount(rule.when.ravel(), minlength=7)[1:], np.diff(alpha)) > 1e-4
    known = rule.when <= 3
    before = rule.when.copy()
    again = rule.remask(3, known, np.zeros(len(units), dtype=np.float32), 1.0)
    np.testing.assert_array_equal(again, known)
    np.testing.assert_array_equal(rule.when[~known], before[~known])
    counts = np.bincount(rule.when[known], minlength=7)
    assert chi_square(counts[4:], np.diff(alpha)[3:] / (1 - alpha[3])) > 1e-4
    assert not counts[:4].any()


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_masks_about_as_much_again(policy: str):
    """Over many runs, the share of what was known before a step and is masked after it is the rate."""
    again, expected = 0, 0.0
    alpha = alpha_grid("linear", 8)
    for seed in range(30):
        frames = run(random_denoiser(40, 16), masked_state(40), steps=8, policy=policy, remask=0.4, seeds=[seed],
                     granularity=1)  # fmt: skip
        for before, after in pairwise(frames[:-1]):
            known = (before.y != S.mask_id).all(axis=-1)
            again += int((known & (after.y == S.mask_id).any(axis=-1)).sum())
            expected += known.sum() * remask_rate(0.4, alpha[after.step])
    assert again == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("schedule", ["linear", "poly3", "cosine"])
def test_the_corrector_keeps_the_share_that_is_known(schedule: str):
    """After each step α of the units are known though some were masked again; counting policies lag a step behind."""
    steps, corrector = 12, (12.0, 2.0, 0.25)
    alpha = alpha_grid(schedule, steps)
    rates = corrector_rates(corrector, time_grid(steps), alpha)
    assert rates[0] == rates[1] == rates[-1] == 0 and rates[5] > 0.05
    hazard = corrector_hazard(rates, alpha)
    assert hazard[0] == 0 and np.isinf(hazard[-1]) and (np.diff(hazard[:-1]) > 0).all()
    for policy in ("ancestral", "even", "confidence"):
        frames = run(random_denoiser(3000, 16), masked_state(3000), steps=steps, policy=policy, schedule=schedule,
                     corrector=corrector, granularity=1)  # fmt: skip
        known = [(frame.y != S.mask_id).all(axis=-1).mean() for frame in frames]
        again = sum(((a.y != S.mask_id) & (b.y == S.mask_id)).any(axis=-1).sum() for a, b in pairwise(frames))
        assert again > 1000
        # The counting policies make up for what a step masks in the next one.
        due = alpha.copy()
        for k in range(1, steps) if policy != "ancestral" else ():
            due[k] -= rates[k] * due[k - 1]
        np.testing.assert_allclose(known, due[1:], atol=0.03)


def test_a_long_corrected_run_keeps_to_its_hazard():
    """By the end hardly a unit is masked from the start: the plan must not lose count of those."""
    steps = 400
    alpha = alpha_grid("poly3", steps)
    hazard = corrector_hazard(corrector_rates((40.0, 1.0, 0.0), time_grid(steps), alpha), alpha)
    assert hazard[-2] > 60
    units = np.ones((20_000, 1), dtype=np.bool_)
    rule = Ancestral(units, alpha, np.random.Generator(np.random.Philox(0)), hazard)
    rule.remask(steps - 10, units, np.zeros(len(units), dtype=np.float32), 1.0)
    law = -np.diff(np.exp(-(hazard[steps - 10 :] - hazard[steps - 10])))
    assert chi_square(np.bincount(rule.when[:, 0], minlength=steps + 1)[steps - 9 :], law) > 1e-4


def test_unknown_policies_are_refused():
    assert POLICIES == ("ancestral", "even", "confidence", "entropy", "sequential")
    with pytest.raises(ValueError, match="unknown policy"):
        policy_class("random")
    with pytest.raises(ValueError, match="unknown policy"):
        expected_calls("random", 4, 4)
