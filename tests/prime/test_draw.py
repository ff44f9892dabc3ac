"""The draw of a class: filter, temperature, top-k, top-p, inverse CDF."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.prime.drawing import draw_classes as draw
from studio.prime.subtokens import Subtokens

# Evenly spread uniforms: the classes they give are the law itself, up to 1 / UNIFORMS.
UNIFORMS = (np.arange(10_000) + 0.5) / 10_000


def law_of(logits: NDArray, subtokens: Subtokens, digits: list[int], **options) -> NDArray[np.float64]:
    n = len(UNIFORMS)
    y = np.tile(digits, (n, 1))
    classes, _, _ = draw(np.tile(np.float32(logits), (n, 1)), subtokens, y, UNIFORMS, **options)
    return np.bincount(classes, minlength=subtokens.vocab_size) / n


def reference(logits: NDArray, keep: NDArray, temperature=1.0, top_k=0, top_p=1.0) -> NDArray[np.float64]:
    """The law in double precision, one plain step after the other."""
    p = np.where(keep, np.exp((logits - logits[keep].max()) / temperature), 0)
    order = np.argsort(-p)
    if top_k:
        p[order[top_k:]] = 0
    p /= p.sum()
    before = np.cumsum(p[order]) - p[order]
    p[order[before >= top_p]] = 0
    return p / p.sum()


@pytest.mark.parametrize("vocab_size", [2, 5, 256, 300, 600])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.7},
        {"temperature": 1.8},
        {"top_k": 3},
        {"top_p": 0.9},
        {"top_p": 0.3},
        {"temperature": 0.9, "top_k": 20, "top_p": 0.8},
        {"top_k": 10**6, "top_p": 1.0},
    ],
)
def test_law_of_the_draw(vocab_size: int, options: dict):
    s = Subtokens(vocab_size, 3)
    logits = np.random.default_rng(vocab_size).normal(size=vocab_size) * 2
    for digits in ([s.mask_id] * 3, [0, s.mask_id, s.mask_id], [s.mask_id, 0, 1]):
        if not s.nameable(digits):
            continue
        keep = s.compatible(digits)
        law, expected = law_of(logits, s, digits, **options), reference(logits, keep, **options)
        assert not law[expected == 0].any()
        assert np.abs(law - expected).sum() < 0.03


def test_temperature_0_takes_the_most_probable_compatible_class():
    s = Subtokens(16, 2)
    logits = np.arange(16.0)
    for temperature in (0, 1e-30, 1e-7):
        assert law_of(logits, s, [4, 4], temperature=temperature)[15] == 1
        assert law_of(logits, s, [2, 4], temperature=temperature)[11] == 1


@given(st.integers(2, 600), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-300, 0.5, 1 - 2**-53]))
def test_a_class_of_probability_0_is_never_drawn(vocab_size: int, seed: int, uniform: float):
    rng = np.random.default_rng(seed)
    s = Subtokens(vocab_size, 1)
    logits = (rng.normal(size=(4, vocab_size)) * 20).astype(np.float32)
    logits[rng.random(logits.shape) < 0.7] = -np.inf
    logits[:, rng.integers(vocab_size)] = 0
    y = np.full((4, 1), s.mask_id)
    choices: list[dict[str, Any]] = [{}, {"top_p": 0.5}, {"top_k": 2}, {"temperature": 0.3}]
    for options in choices:
        classes, log_prob, _ = draw(logits, s, y, np.full(4, uniform), **options)
        assert np.isfinite(log_prob).all()
        assert np.isfinite(logits[np.arange(4), classes]).all()


def test_probability_and_entropy_are_the_networks_own():
    s = Subtokens(16, 2)
    logits = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    y = np.tile([1, s.mask_id], (50, 1))
    p = np.where(s.compatible(y), np.exp(logits), 0)
    p /= p.sum(axis=-1, keepdims=True)
    every: list[dict[str, Any]] = [{}, {"temperature": 0}, {"temperature": 0.5, "top_p": 0.7, "top_k": 3}]
    for options in every:
        classes, log_prob, entropy = draw(logits, s, y, np.linspace(0, 0.999, 50), with_entropy=True, **options)
        np.testing.assert_allclose(np.exp(log_prob), p[np.arange(50), classes], rtol=1e-5)
        assert entropy is not None
        np.testing.assert_allclose(entropy, -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=-1), rtol=1e-5)


def test_the_network_s_array_is_left_alone():
    s = Subtokens(16, 2)
    logits = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
    before = logits.copy()
    for digit in (s.mask_id, 2):
        y = np.tile([digit, s.mask_id], (3, 1))
        draw(logits, s, y, np.full(3, 0.5), temperature=0.5, top_k=2, top_p=0.5)
    np.testing.assert_array_equal(logits, before)


def test_answers_that_leave_no_class_are_refused():
    s = Subtokens(4, 2)
    y = np.full((1, 2), s.mask_id)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="not finite"):
            draw(np.array([[0, bad, 0, 0]], dtype=np.float32), s, y, np.zeros(1))
    with pytest.raises(ValueError, match="no class"):
        draw(np.full((1, 4), -np.inf, dtype=np.float32), s, y, np.zeros(1))
    with pytest.raises(ValueError, match="shape"):
        draw(np.zeros((1, 5), dtype=np.float32), s, y, np.zeros(1))


def marginal_law(
    law: NDArray[np.float64], s: Subtokens, digits: list[int], wanted: list[bool], **options
) -> NDArray[np.float64]:
    """The law of the classes drawn by group, out of many uniforms."""
    n = 40_000
    groups = len(wanted)
    uniforms = np.random.default_rng(0).random((n, groups + 1))
    logits = np.log(np.maximum(law, 1e-30)).astype(np.float32)
    classes, _, _ = draw(
        np.tile(logits, (n, 1)), s, np.tile(digits, (n, 1)), uniforms, wanted=np.tile(wanted, (n, 1)), **options
    )
    return np.bincount(classes, minlength=s.vocab_size) / n


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7}, {"top_k": 5}, {"top_p": 0.8}])
@pytest.mark.parametrize(("vocab_size", "length", "groups"), [(16, 4, 4), (16, 4, 2), (81, 4, 2), (64, 3, 3)])
def test_each_group_has_its_own_marginal_and_knows_no_other(vocab_size: int, length: int, groups: int, options: dict):
    """Where every code has a name: each group has the marginal of the filtered law, and the groups are independent."""
    s = Subtokens(vocab_size, length)
    assert s.base**length == vocab_size
    law = np.random.default_rng(vocab_size).dirichlet(np.full(vocab_size, 0.3))
    made = marginal_law(law, s, [s.mask_id] * length, [True] * groups, **options)
    kept = reference(np.log(law), np.ones(vocab_size, dtype=bool), **options)
    width = length // groups
    values = s.digits.reshape(vocab_size, groups, width) @ s.base ** np.arange(width)[::-1]
    wanted = np.ones(vocab_size)
    for group in range(groups):
        share = np.bincount(values[:, group], kept, minlength=s.base**width)
        wanted *= share[values[:, group]]
    assert np.abs(made - wanted).sum() < 0.06
    assert np.abs(wanted - kept).sum() > 0.3  # the joint draw is another


def test_what_is_not_wanted_is_drawn_given_the_rest():
    """One group alone has its marginal, so that the whole class has its joint law, known digits or not."""
    s = Subtokens(200, 4)
    law = np.random.default_rng(1).dirichlet(np.full(200, 0.3))
    for digits in ([s.mask_id] * 4, [s.mask_id, 1, s.mask_id, s.mask_id]):
        keep = s.compatible(digits)
        for group in (0, 2, 3):
            made = marginal_law(law, s, digits, [place == group for place in range(4)])
            assert np.abs(made - law * keep / law[keep].sum()).sum() < 0.08


def test_groups_never_make_a_code_without_a_name():
    """Base 3 writes 4 classes in nine codes: 00, 01, 02, 10. The second digit must not be 1 or 2 after a 1."""
    s = Subtokens(4, 2, base=3)
    law = np.array([0.1, 0.4, 0.4, 0.1])
    made = marginal_law(law, s, [3, 3], [True, True])
    assert made.sum() == 1
    assert made[3] == pytest.approx(0.1, abs=0.01)  # first digit 1, then 0 for certain
    assert made[1] / made[2] == pytest.approx(1, abs=0.05)
    assert made[0] == pytest.approx(0.9 * 0.2, abs=0.01)
    # All weight on classes that what is drawn already rules out: the one that is left is taken.
    made = marginal_law(np.array([0, 1, 0, 1e-30]), s, [1, 3], [False, True])
    assert made[3] == 1
