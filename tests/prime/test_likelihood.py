"""The bounds and the joint loss, against sums over every masked state of a known distribution."""

import math
from functools import cache, cached_property
from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.prime.likelihood import Bound, Estimate, joint_loss, marginal_bound, step_bound, surprise
from studio.prime.schedules import alpha_grid
from studio.prime.subtokens import Subtokens
from tests.prime.enumeration import TOKENS, State, World
from tests.prime.fakes import random_denoiser

LOG2 = math.log(2)


class Crooked(World):
    """A world whose network is wrong: what it says is a law, but not the true one."""

    @cache  # noqa: B019  (a few worlds, for the length of a test run)
    def conditionals(self, state: State) -> NDArray[np.float64]:
        law = super().conditionals(state) ** 0.6
        law *= np.random.default_rng(self.index(state)).uniform(0.4, 2.5, law.shape)
        return law / law.sum(axis=1, keepdims=True)


class Sums:
    """The exact expectations for a world and its network, by enumeration over data and masked sets of units."""

    def __init__(self, world: World, groups: int):
        self.world, self.groups = world, groups
        self.units = list(product(range(TOKENS), range(groups)))
        self.data = list(product(range(len(world.codes)), repeat=TOKENS))
        self.law = np.array([world.joint[x] for x in self.data])

    @cached_property
    def charges(self) -> list[tuple[int, int, int, float]]:
        """(masked units, masked units of one token, those of them that are revealed, E over the data of their
        −log p given all that is not masked) for every set of masked units, token and non-empty set of its units."""
        found = []
        for size in range(1, len(self.units) + 1):
            for masked in combinations(self.units, size):
                for token in range(TOKENS):
                    here = [unit for unit in masked if unit[0] == token]
                    for number in range(1, len(here) + 1):
                        for revealed in combinations(here, number):
                            charge = self.charge({*masked}, token, {*revealed})
                            found.append((size, len(here), number, float(self.law @ charge)))
        return found

    def charge(self, masked: set, token: int, revealed: set) -> NDArray[np.float64]:
        """−log p(the revealed units of a token | the units that are not masked), for all data."""
        world, size = self.world, 2 // self.groups
        charges = []
        for x in self.data:
            digits = [(t, place // size, world.codes[x[t]][place]) for t, place in product(range(TOKENS), range(2))]
            state = tuple(world.subtokens.mask_id if (t, g) in masked else d for t, g, d in digits)
            after = tuple(world.subtokens.mask_id if (t, g) in masked - revealed else d for t, g, d in digits)
            law = world.conditionals(state)[token]
            charges.append(-math.log(law[world.named(after, token)].sum()))
        return np.array(charges)

    def integral(self, joint: bool) -> float:
        """∫ 1/(1−α) E Σ … dα; ∫ (1−α)^(k−1) α^(n−k) dα = Γ(k) Γ(n−k+1) / Γ(n+1)."""
        total, n = 0.0, len(self.units)
        for k, here, number, charge in self.charges:
            if number == (here if joint else 1):
                total += math.gamma(k) * math.gamma(n - k + 1) / math.gamma(n + 1) * charge
        return total

    def steps(self, alpha: NDArray[np.float64]) -> float:
        """Σ over steps of what is charged, by the probability that just these units are masked and revealed."""
        k, here, number, charge = (np.array(column)[:, None] for column in zip(*self.charges, strict=True))
        before, hazard = alpha[:-1], np.diff(alpha) / (1 - alpha[:-1])
        masked = (1 - before) ** k * before ** (len(self.units) - k)
        return float((masked * hazard**number * (1 - hazard) ** (here - number) * charge).sum())

    def entropy(self) -> float:
        return float(-self.law @ np.log(self.law))


@cache
def sums(vocab_size: int, groups: int, crooked: bool = False) -> Sums:
    # C = 5 has base 3, so that four of the nine codes name no class.
    return Sums((Crooked if crooked else World)(vocab_size, seed=vocab_size), groups)


def samples(world: World, count: int, seed: int = 0) -> NDArray[np.int64]:
    """Data (count, 3) drawn from the world."""
    drawn = np.random.default_rng(seed).choice(world.joint.size, size=count, p=world.joint.ravel())
    return np.stack(np.unravel_index(drawn, world.joint.shape), axis=1)


def assert_meets(estimate: Estimate, exact: float) -> None:
    assert abs(estimate.nats - exact) < 4 * estimate.standard_error
    assert estimate.standard_error < 0.05 * exact


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("vocab_size", [4, 5])
def test_with_true_conditionals_the_marginal_bound_is_the_entropy(vocab_size: int, groups: int):
    exact = sums(vocab_size, groups)
    assert exact.integral(joint=False) == pytest.approx(exact.entropy(), abs=1e-6)
    world = exact.world
    bound = marginal_bound(world.denoise, world.subtokens, samples(world, 2000), granularity=groups, batch=500)
    assert_meets(bound, exact.entropy())


@pytest.mark.parametrize("groups", [1, 2])
def test_a_wrong_network_pays(groups: int):
    """The estimates meet the exact sums, all of which lie above the entropy but for the joint loss."""
    exact = sums(5, groups, crooked=True)
    world = exact.world
    options = {"granularity": groups, "batch": 500, "seed": 5}
    data = samples(world, 2500, seed=1)
    assert exact.integral(joint=False) > exact.entropy() + 0.05
    assert_meets(marginal_bound(world.denoise, world.subtokens, data, **options), exact.integral(joint=False))
    assert_meets(joint_loss(world.denoise, world.subtokens, data, **options), exact.integral(joint=True))
    for steps, schedule in ((1, "linear"), (3, "cosine"), (40, "poly2")):
        wanted = exact.steps(alpha_grid(schedule, steps))
        assert wanted > exact.entropy() + 0.05
        bound = step_bound(world.denoise, world.subtokens, data, steps=steps, schedule=schedule, **options)
        assert_meets(bound, wanted)


@pytest.mark.parametrize("groups", [1, 2])
def test_the_step_bound_falls_to_the_entropy(groups: int):
    """Every grid refines the one before it, so what it reveals knows more (conditioning lowers entropy)."""
    exact = sums(4, groups)
    world = exact.world
    bounds = {steps: exact.steps(alpha_grid("linear", steps)) for steps in (1, 2, 4, 8, 64, 1024)}
    assert list(bounds.values()) == sorted(bounds.values(), reverse=True)
    assert exact.entropy() < bounds[1024] < exact.entropy() + 0.01 < bounds[8]
    for steps in (1, 2, 8, 1024):
        bound = step_bound(
            world.denoise, world.subtokens, samples(world, 2000), steps=steps, granularity=groups, batch=500
        )
        assert_meets(bound, bounds[steps])


@pytest.mark.parametrize("groups", [1, 2])
def test_in_one_step_the_step_bound_is_the_sum_of_the_tokens_entropies(groups: int):
    exact = sums(4, groups)
    joint = exact.world.joint
    marginals = [joint.sum((1, 2)), joint.sum((0, 2)), joint.sum((0, 1))]
    wanted = -sum(float(p @ np.log(p)) for p in marginals)
    assert exact.steps(alpha_grid("linear", 1)) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("crooked", [False, True])
def test_the_step_bound_bounds_the_law_of_the_sampler(crooked: bool):
    """−log p of the data under the enumerated law of what is sampled."""
    exact = sums(4, 2, crooked)
    world = exact.world
    start = (world.subtokens.mask_id,) * 6
    for steps in (1, 2, 5):
        law = world.chain_law(start, alpha_grid("linear", steps), 2)
        cross_entropy = float(-(world.joint * np.log(law)).sum())
        bound = exact.steps(alpha_grid("linear", steps))
        if steps == 1:  # one plan only
            assert bound == pytest.approx(cross_entropy, abs=1e-6)
        else:
            assert bound > cross_entropy


def test_one_group_a_token_has_one_usual_bound():
    """At granularity 1 the joint loss is the marginal bound, and many steps give the same."""
    exact = sums(4, 1, crooked=True)
    assert exact.integral(joint=True) == pytest.approx(exact.integral(joint=False), abs=1e-9)
    assert exact.steps(alpha_grid("linear", 4000)) == pytest.approx(exact.integral(joint=False), abs=2e-3)


def equal_digits(y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """True conditionals of tokens 00 or 11, all tokens of a sample the same, by a fair coin."""
    known = [{int(d) for d in sample.ravel()} - {2} for sample in y]
    laws = np.array([[not k or 0 in k, 0, 0, not k or 1 in k] for k in known], dtype=np.float32)
    return np.log(np.maximum(laws, np.float32(1e-30)))[rows // y.shape[1]]


def test_the_joint_loss_of_two_equal_digits_is_half_their_entropy():
    """So it is no bound: the entropy is log 2, which both bounds give."""
    subtokens, data = Subtokens(4, 2), np.array([[0], [3]] * 200)
    loss = joint_loss(equal_digits, subtokens, data)
    assert loss.nats == pytest.approx(LOG2 / 2)
    assert not isinstance(loss, Bound) and not hasattr(loss, "perplexity") and "not a bound" in loss.what
    # One digit is always new and the other always known; every pair of times holds both.
    assert marginal_bound(equal_digits, subtokens, data).nats == pytest.approx(LOG2)
    for steps in (1, 2, 30):
        bound = step_bound(equal_digits, subtokens, data, steps=steps)
        assert abs(bound.nats - LOG2) <= 4 * bound.standard_error + 1e-6


def test_what_many_steps_are_good_for():
    """Two tokens of one coin: drawn at once they cost a coin each."""
    subtokens, data = Subtokens(4, 2), np.array([[0, 0], [3, 3]] * 1000)
    exactly = step_bound(equal_digits, subtokens, data, steps=1, batch=500)
    assert exactly.nats == pytest.approx(2 * LOG2) and exactly.standard_error < 1e-6
    assert_meets(step_bound(equal_digits, subtokens, data, steps=100, batch=500), LOG2 * (1 + _meeting(100)))
    assert_meets(marginal_bound(equal_digits, subtokens, data, batch=500), LOG2)


def _meeting(steps: int) -> float:
    """The probability that the first digits revealed of two tokens, two digits each, come in the same step."""
    first = 1 - (1 - np.arange(steps + 1) / steps) ** 2
    return float((np.diff(first) ** 2).sum())


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_independent_tokens_are_charged_exactly(groups: int):
    """A network that heeds nothing but the token's own digits: every order gives the same product."""
    subtokens = Subtokens(16, 4)
    denoise = random_denoiser(1, 16)
    data = np.arange(16)[:, None]
    log_p = denoise.logits[0] - np.log(np.exp(np.float64(denoise.logits[0])).sum())
    bound = step_bound(denoise, subtokens, data, steps=1, granularity=groups)
    assert bound.nats == pytest.approx(-log_p.mean(), rel=1e-6)
    many = marginal_bound(denoise, subtokens, data, granularity=groups, pairs=400)
    # The chain rule holds in every order, so the error is that of the random states alone.
    assert many.nats == pytest.approx(-log_p.mean(), rel=0.02)


def test_the_error_is_as_stated():
    """z-scores of many small estimates: centred, and not wider than stated."""
    exact = sums(4, 2, crooked=True)
    world, wanted = exact.world, exact.integral(joint=False)
    bounds = [
        marginal_bound(world.denoise, world.subtokens, samples(world, 60, seed), seed=seed, batch=120)
        for seed in range(100)
    ]
    z = np.array([(bound.nats - wanted) / bound.standard_error for bound in bounds])
    assert abs(z.mean()) < 0.4
    assert 0.7 < z.std() < 1.25


def test_pairs_lower_the_error_and_stand_for_one_sample():
    world = sums(4, 2).world
    data = samples(world, 1)
    alone = marginal_bound(world.denoise, world.subtokens, data)
    assert alone.count == 1 and math.isnan(alone.standard_error)
    few, many = (
        marginal_bound(world.denoise, world.subtokens, data, pairs=pairs, batch=100).standard_error
        for pairs in (20, 500)
    )
    assert 0 < many < few


def test_batches_change_nothing():
    world = sums(5, 2).world
    data = samples(world, 11)
    for bound in (marginal_bound, joint_loss, lambda *a, **o: step_bound(*a, steps=3, **o)):
        results = [bound(world.denoise, world.subtokens, data, pairs=2, seed=9, batch=batch) for batch in (1, 7, 64)]
        assert results[0].nats == pytest.approx(results[1].nats) == pytest.approx(results[2].nats)


def test_many_classes_are_taken_in_blocks(monkeypatch: pytest.MonkeyPatch):
    world = sums(5, 2).world
    whole = marginal_bound(world.denoise, world.subtokens, samples(world, 20))
    monkeypatch.setattr("studio.prime.likelihood._BLOCK", 7)
    assert marginal_bound(world.denoise, world.subtokens, samples(world, 20)) == whole


def test_what_the_network_rules_out_costs_everything():
    def certain(y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.where(np.arange(4) == 0, np.float32(0), np.float32(-np.inf)) + np.zeros((len(rows), 4), np.float32)

    subtokens = Subtokens(4, 2)
    bound = step_bound(certain, subtokens, [[0, 1], [0, 0]], steps=1)
    assert bound.nats == math.inf and bound.perplexity == math.inf
    assert step_bound(certain, subtokens, [[0, 0], [0, 0]], steps=1).nats == 0


def test_units_of_a_bound():
    bound = Bound("", 1, nats=80 * LOG2, standard_error=8 * LOG2, count=5, num_tokens=40)
    assert bound.nats_per_token == pytest.approx(2 * LOG2)
    assert bound.bits_per_token == pytest.approx(2) and bound.perplexity == pytest.approx(4)
    assert bound.bits_per(160) == pytest.approx(0.5) and bound.error_per(160) == pytest.approx(0.05)


def test_surprise_leaves_one_out():
    world = sums(5, 2).world
    tokens = samples(world, 1)[0]
    mask = world.subtokens.mask_id
    codes = [digit for token in tokens for digit in world.codes[token]]
    wanted = []
    for token in range(TOKENS):
        state = list(codes)
        state[2 * token : 2 * token + 2] = mask, mask
        wanted.append(-np.log(world.conditionals(tuple(state))[token, tokens[token]]))
    for batch in (1, 2, 8):
        assert surprise(world.denoise, world.subtokens, tokens, batch=batch) == pytest.approx(wanted, rel=1e-5)


def test_surprise_of_a_long_sequence_shows_what_stands_around():
    denoise = random_denoiser(5, 16)
    tokens = np.arange(12)
    assert len(surprise(denoise, Subtokens(16, 4), tokens, context=5, batch=4)) == 12
    states = np.concatenate([y for y, _ in denoise.asked])
    first = np.array([Subtokens(16, 4).decode(np.delete(y, np.flatnonzero((y == 2).any(-1))[0], 0))[0] for y in states])
    assert states.shape == (12, 5, 4) and ((states == 2).all(-1).sum(1) == 1).all()
    assert first.tolist() == [1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 7]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": [0, 1]}, "shape"),
        ({"tokens": np.zeros((0, 3), dtype=int)}, "shape"),
        ({"tokens": [[0, 4]]}, "0 … 3"),
        ({"granularity": 3}, "divide 2"),
        ({"pairs": 0}, "at least 1"),
        ({"steps": 0}, "steps"),
        ({"schedule": "never"}, "schedule"),
    ],
)
def test_bad_arguments(change: dict, message: str):
    arguments = {"tokens": [[0, 1]], "steps": 2} | change
    with pytest.raises(ValueError, match=message):
        step_bound(equal_digits, Subtokens(4, 2), arguments.pop("tokens"), **arguments)


@pytest.mark.parametrize("wrong", [np.zeros((1, 3)), np.full((2, 4), np.nan)])
def test_bad_logits(wrong: NDArray[np.float64]):
    with pytest.raises(ValueError, match="logits"):
        step_bound(lambda y, rows: wrong.astype(np.float32), Subtokens(4, 2), [[0, 1]], steps=1)
