"""What every run of sample() keeps to."""

import inspect
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.prime.policies import POLICIES
from studio.prime.sampling import Frame, sample
from studio.prime.subtokens import Subtokens
from tests.prime.enumeration import chi_square
from tests.prime.fakes import TableDenoiser, random_denoiser, state_denoiser

S = Subtokens(16, 4)


def part_known(subtokens: Subtokens, batch: int, num_tokens: int, seed: int, share: float = 0.5) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    y = subtokens.encode(rng.integers(0, subtokens.vocab_size, (batch, num_tokens)))
    y[rng.random(y.shape) >= share] = subtokens.mask_id
    return y


@st.composite
def runs(draw: st.DrawFn) -> tuple[Subtokens, NDArray[np.int64], dict]:
    subtokens = Subtokens(draw(st.integers(2, 70)), draw(st.integers(1, 6)))
    batch = draw(st.integers(1, 3))
    y = part_known(
        subtokens, batch, draw(st.integers(1, 8)), draw(st.integers(0, 999)), draw(st.sampled_from([0, 0.3, 0.8, 1]))
    )
    options = {
        "steps": draw(st.integers(1, 12)),
        "seeds": draw(st.lists(st.integers(0, 2**64 - 1), min_size=batch, max_size=batch)),
        "schedule": draw(st.sampled_from(["linear", "cosine", "poly3"])),
        "policy": draw(st.sampled_from(POLICIES)),
        "granularity": draw(st.sampled_from([g for g in range(1, 7) if subtokens.length % g == 0])),
        "temperature": draw(st.sampled_from([0, 0.7, 1])),
        "top_p": draw(st.sampled_from([0.5, 1])),
        "top_k": draw(st.sampled_from([0, 2])),
        "remask": draw(st.sampled_from([0, 0.3, 1])),
        "draw": draw(st.sampled_from(["joint", "marginal"])),
        "temperature_slope": draw(st.sampled_from([(0.0, 1.0), (-0.2, 2.0), (0.5, 1.0)])),
        "warp": draw(st.sampled_from([(1.0, 1.0, 0.0), (1.0, 2.0, 0.0), (0.8, 0.5, 0.1), (2.0, 1.0, 0.5)])),
    }  # fmt: skip
    if not options["remask"]:
        options["corrector"] = draw(st.sampled_from([(0.0, 0.0, 0.0), (12.0, 2.0, 0.25), (3.0, 0.0, 0.0)]))
    return subtokens, y, options


@given(runs())
def test_what_is_given_stays_and_all_else_is_made(run: tuple[Subtokens, NDArray[np.int64], dict]):
    subtokens, start, options = run
    kept = start.copy()
    editable = start == subtokens.mask_id
    group = subtokens.length // options["granularity"]
    before = start
    frames = list(sample(state_denoiser(subtokens.vocab_size), subtokens, start, **options))
    assert [frame.step for frame in frames] == list(range(1, options["steps"] + 1))
    for frame in frames:
        assert frame.steps == options["steps"]
        assert frame.y.dtype == np.int64 and frame.revealed.dtype == np.bool_
        np.testing.assert_array_equal(frame.y[~editable], kept[~editable])
        assert subtokens.nameable(frame.y).all()
        # Revealed is what was masked before and is not now, whole groups at a time.
        np.testing.assert_array_equal(frame.revealed, (before == subtokens.mask_id) & (frame.y != subtokens.mask_id))
        shown = (frame.revealed | ~editable).reshape(*editable.shape[:2], -1, group)
        touched = frame.revealed.reshape(shown.shape).any(axis=-1)
        assert shown[touched].all()
        # A known digit changes by being masked first.
        steady = (before != subtokens.mask_id) & (frame.y != subtokens.mask_id)
        np.testing.assert_array_equal(frame.y[steady], before[steady])
        if not (options["remask"] or options["corrector"][0]):
            assert steady.sum() == (before != subtokens.mask_id).sum()
        assert (frame.confidence is None) == (frame.calls == 0)
        # A partly known token that the network was asked for has a likeliest class, which agrees with its digits.
        known = frame.y != subtokens.mask_id
        assert frame.likeliest is not None
        guessed = frame.likeliest >= 0
        assert not (guessed & (known.all(axis=-1) | ~known.any(axis=-1))).any()
        assert guessed[known.any(axis=-1) & ~known.all(axis=-1) & frame.revealed.any(axis=-1)].all()
        fits = np.take_along_axis(subtokens.compatible(frame.y), np.maximum(frame.likeliest, 0)[..., None], axis=-1)
        assert fits[..., 0][guessed].all()
        before = frame.y
    subtokens.decode(frames[-1].y)
    last = frames[-1].confidence
    if last is not None:
        np.testing.assert_array_equal(np.isnan(last), ~editable.any(axis=-1))
        assert np.nanmin(last) >= 0 and np.nanmax(last) <= 1 + 1e-6
    np.testing.assert_array_equal(start, kept)


@given(runs())
def test_a_sample_of_a_batch_is_the_sample_alone(run: tuple[Subtokens, NDArray[np.int64], dict]):
    subtokens, start, options = run
    denoise = state_denoiser(subtokens.vocab_size)
    together = list(sample(denoise, subtokens, start, **options))
    for i, seed in enumerate(options["seeds"]):
        alone = sample(denoise, subtokens, start[i : i + 1], **{**options, "seeds": [seed]})
        for frame, own in zip(together, alone, strict=True):
            np.testing.assert_array_equal(frame.y[i], own.y[0])
            np.testing.assert_array_equal(frame.revealed[i], own.revealed[0])
            if own.confidence is not None and frame.confidence is not None:
                np.testing.assert_array_equal(frame.confidence[i], own.confidence[0])


@pytest.mark.parametrize("policy", POLICIES)
def test_wide_batches_agree_bit_for_bit_too(policy: str):
    """Many rows and classes, where sums over several rows at once might be ordered differently."""
    subtokens = Subtokens(1000, 2)
    denoise = random_denoiser(40, 1000)
    start = part_known(subtokens, 5, 40, 0, share=0.2)
    options = {"steps": 6, "policy": policy, "temperature": 0.9, "top_p": 0.9}
    *_, together = sample(denoise, subtokens, start, seeds=range(5), **options)
    *_, alone = sample(denoise, subtokens, start[3:4], seeds=[3], **options)
    np.testing.assert_array_equal(together.y[3], alone.y[0])
    assert together.confidence is not None and alone.confidence is not None
    np.testing.assert_array_equal(together.confidence[3], alone.confidence[0])


@pytest.mark.parametrize("policy", POLICIES)
def test_seeds_decide(policy: str):
    start = part_known(S, 1, 12, 0, share=0)

    def make(seed: int) -> bytes:
        *_, last = sample(state_denoiser(16), S, start, steps=4, seeds=[seed], policy=policy)
        return last.y.tobytes()

    assert make(1) == make(1)
    assert len({make(seed) for seed in (0, 1, 2**63, 2**64 - 1)}) == 4


@pytest.mark.parametrize("policy", POLICIES)
def test_temperature_0_is_greedy(policy: str):
    denoise = random_denoiser(12, 16)
    start = part_known(S, 2, 12, 1)
    *_, last = sample(denoise, S, start, steps=5, seeds=[1, 2], policy=policy, temperature=0, remask=0.2)
    best = np.where(S.compatible(start), denoise.logits, -np.inf).argmax(axis=-1)
    np.testing.assert_array_equal(S.decode(last.y), best)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_temperature_that_falls_to_0_ends_greedy(policy: str):
    """Steps that begin at a temperature of 0 and below take the most probable class."""
    denoise = random_denoiser(6, 16)
    start = np.full((1, 6, 4), S.mask_id)
    options = {"steps": 4, "policy": policy, "granularity": 1, "temperature_slope": (-1e9, 1e-9)}
    best = denoise.logits.argmax(axis=-1)
    drawn = 0
    for seed in range(8):
        first, *_, last = sample(denoise, S, start, seeds=[seed], **options)
        tokens = S.decode(last.y)[0]
        late = (first.y[0] == S.mask_id).any(axis=-1)
        np.testing.assert_array_equal(tokens[late], best[late])
        drawn += (tokens[~late] != best[~late]).sum()
    assert drawn or policy == "entropy"


def test_top_k_and_top_p_restrict():
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05]))
    subtokens = Subtokens(4, 1)
    start = np.full((1, 500, 1), subtokens.mask_id)

    def made(**options) -> set[int]:
        *_, last = sample(TableDenoiser(np.tile(logits, (500, 1))), subtokens, start, steps=3, seeds=[0], **options)
        return set(subtokens.decode(last.y).ravel().tolist())

    assert made() == {0, 1, 2, 3}
    assert made(top_k=3) == {0, 1, 2}
    assert made(top_p=0.75) == {0, 1}
    assert made(top_p=0.4) == made(top_k=1) == {0}


def test_only_the_digits_in_the_plan_are_copied():
    """A token's other digits are drawn again later: with independent draws the last ones need not belong together."""
    subtokens = Subtokens(4, 2)
    two_ends = np.log(np.array([0.5, 1e-12, 1e-12, 0.5]))
    start = np.full((1, 2000, 2), subtokens.mask_id)
    *_, last = sample(TableDenoiser(np.tile(two_ends, (2000, 1))), subtokens, start, steps=8, seeds=[0])
    # Carry-over: the second digit follows the first, whichever came first.
    assert set(subtokens.decode(last.y).ravel().tolist()) == {0, 3}
    frames = list(sample(random_denoiser(50, 4), subtokens, start[:, :50], steps=8, seeds=[0]))
    halves = [((frame.y == 2).sum(axis=-1) == 1).sum() for frame in frames]
    assert max(halves) > 5


def test_many_steps_do_not_lower_the_entropy():
    """The float32 defect of samplers that draw {classes, stay masked} at once (Zheng et al. 2024)."""
    zipf = 1 / np.arange(1, 257)
    law = zipf / zipf.sum()
    subtokens = Subtokens(256, 1)
    start = np.full((1, 8192, 1), subtokens.mask_id)
    *_, last = sample(
        TableDenoiser(np.tile(np.log(law), (8192, 1))), subtokens, start, steps=2048, seeds=[0], schedule="poly3"
    )
    counts = np.bincount(last.y.ravel(), minlength=256)
    assert chi_square(counts, law) > 1e-4
    seen = counts[counts > 0] / counts.sum()
    # The entropy of 8192 samples lies (classes − 1) / 2N below that of their law.
    entropy, expected = -np.sum(seen * np.log(seen)), -np.sum(law * np.log(law)) - 255 / 2 / 8192
    assert entropy == pytest.approx(expected, abs=0.03)


def test_pause_step_and_branch():
    """A frame's state, changed or not, is the start of another run."""
    denoise = state_denoiser(16)
    frames = sample(denoise, S, np.full((1, 10, 4), S.mask_id), steps=8, seeds=[0], policy="even")
    *_, fourth = (next(frames) for _ in range(4))
    branch = fourth.y.copy()
    branch[0, 0] = S.encode(5)
    *_, last = sample(denoise, S, branch, steps=8, seeds=[1])
    np.testing.assert_array_equal(last.y[branch != S.mask_id], branch[branch != S.mask_id])
    assert len(list(frames)) == 4


def test_closing_early_leaves_nothing_running():
    denoise = random_denoiser(20, 16)
    threads = threading.active_count()
    frames = sample(denoise, S, np.full((1, 20, 4), S.mask_id), steps=50, seeds=[0], policy="even")
    next(frames)
    next(frames)
    frames.close()
    assert next(frames, None) is None
    assert len(denoise.asked) == 2
    assert threading.active_count() == threads


def test_nothing_is_drawn_or_asked_when_all_is_given():
    denoise = random_denoiser(6, 16)
    start = part_known(S, 2, 6, 0, share=1)
    for policy in POLICIES:
        frames = list(sample(denoise, S, start, steps=3, seeds=[0, 1], policy=policy, remask=1))
        assert [(frame.calls, frame.confidence) for frame in frames] == [(0, None)] * 3
        np.testing.assert_array_equal(frames[-1].y, start)
    assert not denoise.asked


def test_rows_index_the_batch_as_it_was_given():
    # A network may know the samples by their place, such as one that plays back what each of them is to be.
    wanted = np.random.default_rng(0).integers(0, S.vocab_size, (3, 5))

    def denoise(y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        assert y.shape == (3, 5, S.length)
        return np.where(np.arange(S.vocab_size) == wanted.ravel()[rows][:, None], np.float32(0), np.float32(-50))

    for policy in POLICIES:
        start = np.full((3, 5, S.length), S.mask_id)
        *_, last = sample(denoise, S, start, steps=30, seeds=[0, 1, 2], policy=policy)
        np.testing.assert_array_equal(S.decode(last.y), wanted)


def test_frames_and_inputs_are_nobody_else_s():
    start = np.full((1, 10, 4), S.mask_id)

    def run(meddle: bool) -> list[Frame]:
        table = random_denoiser(10, 16)

        def denoise(y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
            logits = table(y, rows)
            if meddle:
                y[:] = 0
            return logits

        made = []
        for frame in sample(denoise, S, start, steps=6, seeds=[0], policy="confidence", remask=0.5):
            made.append(Frame(frame.step, 6, frame.calls, frame.y.copy(), frame.revealed.copy(), None, frame.likeliest))
            if meddle:
                frame.y[:] = 0
                frame.revealed[:] = True
                assert frame.confidence is not None
                frame.confidence[:] = 0
        return made

    for plain, meddled in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(plain.y, meddled.y)
        np.testing.assert_array_equal(plain.revealed, meddled.revealed)


def test_a_changed_given_digit_is_a_fault():
    start = part_known(S, 1, 10, 0)
    frames = sample(random_denoiser(10, 16), S, start, steps=5, seeds=[0])
    next(frames)
    inside: NDArray[np.int64] = inspect.getgeneratorlocals(frames)["y"]
    inside[start != S.mask_id] = 0
    with pytest.raises(RuntimeError, match="given digit"):
        next(frames)


GOOD = {"y": np.full((2, 3, 4), 2), "steps": 4, "seeds": [0, 1]}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"y": np.full((3, 4), 2)}, "shape"),
        ({"y": np.full((2, 3, 5), 2)}, "shape"),
        ({"y": np.full((2, 0, 4), 2)}, "shape"),
        ({"y": np.full((2, 3, 4), 3)}, "digits"),
        ({"y": np.full((2, 3, 4), -1)}, "digits"),
        ({"y": np.full((2, 3, 4), 0.7)}, "whole numbers"),
        ({"steps": 0}, "steps"),
        ({"steps": 4.0}, "steps"),
        ({"granularity": 2.0}, "granularity"),
        ({"top_k": 1.5}, "top_k"),
        ({"seeds": [0, 1.5]}, "seeds"),
        ({"seeds": [0]}, "seeds"),
        ({"seeds": [0, -1]}, "seeds"),
        ({"seeds": [0, 2**64]}, "seeds"),
        ({"schedule": "sine"}, "schedule"),
        ({"policy": "random"}, "policy"),
        ({"granularity": 3}, "granularity"),
        ({"granularity": 0}, "granularity"),
        ({"granularity": -4}, "granularity"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": np.nan}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"remask": -0.1}, "remask"),
        ({"remask": 1.1}, "remask"),
        ({"draw": "alone"}, "draw"),
        ({"temperature_slope": (np.nan, 1.0)}, "temperature_slope"),
        ({"temperature_slope": (-0.2, 0.0)}, "temperature_slope"),
        ({"warp": (1.0, 0.0, 0.0)}, "warp"),
        ({"warp": (0.0, 1.0, 0.0)}, "warp"),
        ({"warp": (1.0, 1.0, np.nan)}, "warp"),
        ({"corrector": (-1.0, 0.0, 0.0)}, "corrector"),
        ({"corrector": (1.0, np.inf, 0.0)}, "corrector"),
        ({"corrector": (1.0, 2.0, 2.0), "remask": 0.1}, "remask and corrector"),
    ],
)
def test_bad_arguments_are_refused_before_the_first_frame(bad: dict, message: str):
    sample(random_denoiser(3, 16), S, **GOOD)
    with pytest.raises(ValueError, match=message):
        sample(random_denoiser(3, 16), S, **{**GOOD, **bad})


def test_given_digits_that_no_class_has_are_refused():
    subtokens = Subtokens(5, 2)
    start = np.full((1, 2, 2), subtokens.mask_id)
    start[0, 1, 0] = 2
    with pytest.raises(ValueError, match="no class"):
        sample(random_denoiser(2, 5), subtokens, start, steps=1, seeds=[0])
