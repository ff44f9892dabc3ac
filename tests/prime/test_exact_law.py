"""The sampler's law is the one that enumeration gives, with the exact conditionals as the network."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.prime.sampling import sample
from studio.prime.schedules import alpha_grid
from tests.prime.enumeration import TOKENS, State, World, chi_square, total_variation

SAMPLES = 20_000
# By vocabulary: nothing given, a whole token, one digit of each kind, and both; M is a masked digit.
M = -1
STARTS = {
    "nothing": (M, M, M, M, M, M),
    "a token": (M, M, 1, 0, M, M),
    "a first digit": (1, M, M, M, M, M),
    "a second digit and a token": (M, 1, M, M, 0, 1),
}


@cache
def world(vocab_size: int) -> World:
    # C = 5 has base 3, so that four of the nine codes name no class.
    return World(vocab_size, seed=vocab_size)


def start_state(world: World, given: str) -> State:
    return tuple(world.subtokens.mask_id if digit == M else digit for digit in STARTS[given])


def counts_of(
    world: World, start: State, samples: int = SAMPLES, batch: int = 4, seed: int = 0, **options
) -> NDArray[np.int64]:
    """How often each triple of tokens is made. Each sample holds many worlds side by side: to `ancestral`, whose
    units are independent, they are as many samples."""
    y = np.tile(np.array(start).reshape(TOKENS, 2), (batch, samples // batch, 1))
    *_, last = sample(world.denoise, world.subtokens, y, seeds=range(seed, seed + batch), **options)
    tokens = world.subtokens.decode(last.y).reshape(-1, TOKENS)
    counts = np.zeros(world.joint.shape, dtype=np.int64)
    np.add.at(counts, tuple(tokens.T), 1)
    return counts


@pytest.mark.parametrize("given", STARTS)
@pytest.mark.parametrize("granularity", [1, 2])
@pytest.mark.parametrize("vocab_size", [4, 5])
def test_ancestral_follows_the_enumerated_chain(vocab_size: int, granularity: int, given: str):
    here = world(vocab_size)
    start = start_state(here, given)
    for steps in (1, 2, 4, 64):
        law = here.chain_law(start, alpha_grid("linear", steps), granularity)
        counts = counts_of(here, start, steps=steps, granularity=granularity)
        assert chi_square(counts, law) > 1e-4, f"{steps} steps"


@pytest.mark.parametrize("schedule", ["cosine", "poly3"])
def test_ancestral_follows_the_chain_of_other_schedules(schedule: str):
    here = world(4)
    start = start_state(here, "nothing")
    law = here.chain_law(start, alpha_grid(schedule, 4), 2)
    assert chi_square(counts_of(here, start, steps=4, schedule=schedule), law) > 1e-4


def test_samples_of_their_own_follow_the_chain():
    """The same with one world a sample, each with its own seed."""
    here = world(4)
    start = start_state(here, "nothing")
    law = here.chain_law(start, alpha_grid("linear", 4), 2)
    assert chi_square(counts_of(here, start, samples=4000, batch=4000, steps=4), law) > 1e-4


@pytest.mark.parametrize("remask", [0.3, 1.0])
@pytest.mark.parametrize("granularity", [1, 2])
def test_remasking_follows_the_enumerated_chain(granularity: int, remask: float):
    here = world(4)
    start = start_state(here, "nothing")
    for steps in (2, 5):
        law = here.chain_law(start, alpha_grid("linear", steps), granularity, remask)
        counts = counts_of(here, start, steps=steps, granularity=granularity, remask=remask)
        assert chi_square(counts, law) > 1e-4, f"{steps} steps"


@pytest.mark.parametrize("given", STARTS)
@pytest.mark.parametrize("granularity", [1, 2])
@pytest.mark.parametrize("vocab_size", [4, 5])
def test_the_marginal_draw_follows_the_enumerated_chain(vocab_size: int, granularity: int, given: str):
    here = world(vocab_size)
    start = start_state(here, given)
    for steps in (1, 2, 4, 64):
        law = here.chain_law(start, alpha_grid("linear", steps), granularity, marginal=True)
        counts = counts_of(here, start, steps=steps, granularity=granularity, draw="marginal")
        assert chi_square(counts, law) > 1e-4, f"{steps} steps"


def test_the_marginal_draw_is_another_law_and_as_good_in_the_limit():
    here = world(5)
    start = start_state(here, "nothing")
    joint = here.chain_law(start, alpha_grid("linear", 2), 2)
    assert chi_square(counts_of(here, start, steps=2, draw="marginal"), joint) < 1e-12
    # A group that is a whole token has no other marginal than the token.
    assert counts_of(here, start, steps=2, granularity=1, draw="marginal", samples=400).sum() == 400
    far, near = (
        total_variation(here.chain_law(start, alpha_grid("linear", steps), 2, marginal=True), here.data_law(start))
        for steps in (4, 2000)
    )
    assert near < 0.01 < far


CORRECTOR = (12.0, 2.0, 0.25)


@pytest.mark.parametrize("schedule", ["linear", "poly3"])
@pytest.mark.parametrize("granularity", [1, 2])
def test_the_corrector_follows_the_enumerated_chain(granularity: int, schedule: str):
    here = world(4)
    start = start_state(here, "nothing")
    for steps in (2, 5, 16):
        law = here.chain_law(start, alpha_grid(schedule, steps), granularity, corrector=CORRECTOR)
        options = {"steps": steps, "schedule": schedule, "granularity": granularity}
        assert chi_square(counts_of(here, start, corrector=CORRECTOR, **options), law) > 1e-4, f"{steps} steps"
    assert chi_square(counts_of(here, start, **options), law) < 1e-12


def test_the_corrector_keeps_the_data_s_law_in_the_limit():
    """It masks and reveals in balance, so what many steps make is right with it as without it."""
    here = world(4)
    start = start_state(here, "a first digit")
    laws = [here.chain_law(start, alpha_grid("linear", steps), 2, corrector=CORRECTOR) for steps in (20, 200, 2000)]
    distances = [total_variation(law, here.data_law(start)) for law in laws]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.01


def test_warp_and_temperature_slope_follow_the_enumerated_chain():
    here = world(4)
    start = start_state(here, "nothing")
    warp, steps = (1.0, 2.0, 0.0), 5
    times = [1 - (1 - k / steps) ** 2 for k in range(steps + 1)]
    # 1.5 − 0.9·t² at the time at which each step begins.
    powers = tuple(1 / (1.5 - 0.9 * t**2) for t in times[:-1])
    law = here.chain_law(start, np.array(times), 2, powers=powers)
    options = {"temperature": 1.5, "temperature_slope": (-0.9, 2.0)}
    assert chi_square(counts_of(here, start, steps=steps, warp=warp, **options), law) > 1e-4
    assert chi_square(counts_of(here, start, steps=steps, **options), law) < 1e-6
    assert chi_square(counts_of(here, start, steps=steps, warp=warp, temperature=1.5), law) < 1e-6


@pytest.mark.parametrize("remask", [0.0, 0.5])
def test_many_steps_follow_the_data(remask: float):
    """Remasking adds steps that draw tokens together, fewer and fewer: the distance falls as 1 / √steps."""
    here = world(4)
    start = start_state(here, "a first digit")
    chain = {steps: here.chain_law(start, alpha_grid("linear", steps), 2, remask) for steps in (10, 100, 2000)}
    distances = [total_variation(law, here.data_law(start)) for law in chain.values()]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.01
    assert chi_square(counts_of(here, start, steps=100, remask=remask), chain[100]) > 1e-4


def test_the_laws_differ_enough_to_tell():
    """Few steps draw tokens together that depend on each other: the tests above must see that."""
    here = world(4)
    start = start_state(here, "nothing")
    laws = [here.chain_law(start, alpha_grid("linear", steps), 2) for steps in (1, 2, 4, 64)]
    distances = [total_variation(law, here.data_law(start)) for law in laws]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.2
    assert distances[-1] < 0.02
    counts = counts_of(here, start, steps=2)
    for other in (laws[0], laws[2]):
        assert chi_square(counts, other) < 1e-12
    assert chi_square(counts, here.chain_law(start, alpha_grid("linear", 2), 1)) < 1e-12


@pytest.mark.parametrize("policy", ["even", "confidence", "entropy", "sequential"])
def test_one_unit_a_step_follows_the_data_whatever_the_order(policy: str):
    """With exact conditionals one at a time, any order that does not look at what is drawn is exact."""
    here = world(4)
    start = start_state(here, "nothing")
    samples = 2000
    y = np.tile(np.array(start).reshape(1, TOKENS, 2), (samples, 1, 1))
    *_, last = sample(
        here.denoise, here.subtokens, y, steps=500 if policy == "entropy" else 6, seeds=range(samples), policy=policy
    )
    tokens = here.subtokens.decode(last.y)
    law = here.data_law(start)
    counts = np.zeros(law.shape, dtype=np.int64)
    np.add.at(counts, tuple(tokens.T), 1)
    if policy == "confidence":  # prefers probable classes, by design
        assert total_variation(counts / samples, law) < 0.4
    else:
        assert chi_square(counts, law) > 1e-4
