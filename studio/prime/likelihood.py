"""Likelihood: two upper bounds on −log p(tokens), and the published joint loss, which is none.

A unit is a group of digits of one token that is masked and revealed as a whole; there are N of them in a sample.
All figures are Monte-Carlo means over masked states of the data, in nats a sample. What they charge for the digits
x_R of one token, given the state y, is their joint marginal

    p(x_R | y) = Σ p(class | y) over the classes that agree with x_R and y / the same over those that agree with y.

Temperature 1, no top-k, no top-p. Source: Chao et al. 2025, arXiv 2505.18495, with the correction that the joint
cross-entropy bounds nothing.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.prime.sampling import Denoiser
from studio.prime.schedules import alpha_grid
from studio.prime.subtokens import Subtokens

Units = NDArray[np.bool_]

_BLOCK = 1 << 22
"""Probabilities worked on at once, in float64: 32 MB."""


@dataclass(frozen=True)
class Estimate:
    """A mean over samples. what: a sentence that says of what. granularity: groups a token that it was made with.
    nats: of a whole sample of `num_tokens` tokens.

    standard_error: of `nats`, as an estimate for all data of this kind, `count` samples being drawn; for one
    sample that of the random states alone. NaN for a single pair of them and where `nats` is infinite.
    """

    what: str
    granularity: int
    nats: float
    standard_error: float
    count: int
    num_tokens: int

    @property
    def nats_per_token(self) -> float:
        return self.nats / self.num_tokens

    def figure(self, units: Mapping[str, float]) -> dict[str, Any]:
        """For JSON: what, granularity, nats and nats_error (standard error) a sample, nats_per_token and samples; of a
        bound also bits and perplexity a token, and bits_per_… with their error of each of `units`, of which a sample
        has so many on average. None stands for what is infinite or not known."""
        numbers = {"nats": self.nats, "nats_error": self.standard_error, "nats_per_token": self.nats_per_token}
        if isinstance(self, Bound):
            numbers |= {"bits_per_token": self.bits_per_token, "perplexity_per_token": self.perplexity}
            for unit, number in units.items():
                numbers |= {f"bits_per_{unit}": self.bits_per(number), f"bits_per_{unit}_error": self.error_per(number)}
        # Six digits are more than the error leaves; JSON has no infinity.
        rounded = {key: float(f"{value:.6g}") if math.isfinite(value) else None for key, value in numbers.items()}
        return {"what": self.what, "granularity": self.granularity} | rounded | {"samples": self.count}


@dataclass(frozen=True)
class Bound(Estimate):
    """An `Estimate` of an upper bound on −log p(tokens); only such a one is a perplexity or a code length."""

    @property
    def bits_per_token(self) -> float:
        return self.bits_per(self.num_tokens)

    @property
    def perplexity(self) -> float:
        """A token, e to the power of `nats_per_token`; infinite where that is too large for a float."""
        return math.exp(self.nats_per_token) if self.nats_per_token < 700 else math.inf

    def bits_per(self, units: float) -> float:
        """Bits a pixel, colour value or character, of which a sample has `units` (on average)."""
        return self.nats / units / math.log(2)

    def error_per(self, units: float) -> float:
        """The standard error of `bits_per`."""
        return self.standard_error / units / math.log(2)


def marginal_bound(
    denoise: Denoiser,
    subtokens: Subtokens,
    tokens: ArrayLike,
    *,
    granularity: int | None = None,
    pairs: int = 1,
    seed: int = 0,
    batch: int = 8,
) -> Bound:
    """∫₀¹ 1/(1−α) E Σ over masked units of −log p(x_u | y) dα, every unit being masked with probability 1−α.

    tokens: int (n, L), the data. granularity: groups a token, a divisor of ℓ; None is ℓ. pairs: antithetic pairs
    of states a sample. batch: states a network call. ValueError for bad arguments.

    A set of k of the N units is the masked one with probability (1−α)^k α^(N−k), and ∫ (1−α)^(k−1) α^(N−k) dα
    = 1 / (k · binomial(N, k)). So the integral is Σ_k 1/k · E[Σ −log p(x_u | y)] over masked sets of exactly k units:
    the code length of one unit at a time in a random order, a bound for each order by itself. It is estimated
    as N/k · Σ −log p(x_u | y) with k uniform in 1 … N, which is unbiased; no weight blows up, as a mean over k
    masked units stays bounded where 1/(1−α) does not. With true conditionals it is the entropy.
    """

    def plan(time: float, uniforms: NDArray[np.float64], rng: np.random.Generator) -> _State:
        masked, weight = _exactly(time, uniforms)
        groups = np.arange(masked.shape[1])
        return _State(masked, masked & (groups == groups[:, None, None]), np.full(len(masked), weight))

    digits, groups = _prepare(subtokens, tokens, granularity, pairs, batch)
    what = "Upper bound on -log p(tokens) of the model that reveals one group of digits at a time in random order"
    nats, error = _mean(denoise, subtokens, digits, groups, plan, pairs, seed, batch)
    return Bound(what, groups, nats, error, len(digits), digits.shape[1])


def step_bound(
    denoise: Denoiser,
    subtokens: Subtokens,
    tokens: ArrayLike,
    *,
    steps: int,
    schedule: str = "linear",
    granularity: int | None = None,
    pairs: int = 1,
    seed: int = 0,
    batch: int = 8,
) -> Bound:
    """The bound for what `ancestral` makes in `steps` steps: E over its plans of Σ −log p(x_R | y).

    The sum is over steps and tokens, R being the digits of the token that the step reveals: one draw of the class
    gives them all, so they are charged jointly. Given the plan, the product of the p(x_R | y) is the probability of
    the sample; Jensen's inequality over plans makes it a bound. Other arguments as in `marginal_bound`.

    Before step k each unit is masked with probability 1−α_{k−1}, and each masked one revealed with h = (α_k − α_{k−1})
    / (1−α_{k−1}). The estimate draws step k with probability α_k − α_{k−1}, a state, and for each token with m
    masked units a non-empty R, and weighs the token with (1 − (1−h)^m) / (α_k − α_{k−1}): R is empty otherwise, and
    nothing is charged. So it is unbiased, and many steps with little to reveal cost no accuracy.
    """
    alpha = alpha_grid(schedule, steps)

    def plan(time: float, uniforms: NDArray[np.float64], rng: np.random.Generator) -> _State:
        step = int(np.searchsorted(alpha, time))
        width, left = alpha[step] - alpha[step - 1], 1 - alpha[step - 1]
        masked = uniforms <= left
        hazard = width / left
        # some[m]: the probability that at least one of m masked units is revealed. The place of the first one
        # among the masked is drawn from it; those behind are revealed on their own.
        some = 1 - (1 - hazard) ** np.arange(masked.shape[1] + 1)
        number = masked.sum(axis=1)
        first = np.searchsorted(some, rng.random(len(masked)) * some[number], side="right")
        place = np.cumsum(masked, axis=1) - np.minimum(first, number)[:, None]
        revealed = masked & ((place == 0) | ((place > 0) & (rng.random(masked.shape) < hazard)))
        return _State(masked, revealed[None], some[number] / width)

    digits, groups = _prepare(subtokens, tokens, granularity, pairs, batch)
    what = f"Upper bound on -log p(tokens) of what the policy ancestral makes in {steps} steps of schedule {schedule}"
    nats, error = _mean(denoise, subtokens, digits, groups, plan, pairs, seed, batch)
    return Bound(what, groups, nats, error, len(digits), digits.shape[1])


def joint_loss(
    denoise: Denoiser,
    subtokens: Subtokens,
    tokens: ArrayLike,
    *,
    granularity: int | None = None,
    pairs: int = 1,
    seed: int = 0,
    batch: int = 8,
) -> Estimate:
    """The published training loss, ∫₀¹ 1/(1−α) E Σ over tokens with a masked unit of −log p(token | y) dα.

    No bound on the likelihood: the whole token is charged once where its units are revealed one by one, each of
    them paying again in another state but for less. Two digits that are always equal have entropy log 2 and
    joint loss (log 2)/2. Arguments and estimate as in `marginal_bound`.
    """

    def plan(time: float, uniforms: NDArray[np.float64], rng: np.random.Generator) -> _State:
        masked, weight = _exactly(time, uniforms)
        return _State(masked, masked[None], np.full(len(masked), weight))

    digits, groups = _prepare(subtokens, tokens, granularity, pairs, batch)
    what = "Joint loss as published: a training loss, not a bound on the likelihood"
    nats, error = _mean(denoise, subtokens, digits, groups, plan, pairs, seed, batch)
    return Estimate(what, groups, nats, error, len(digits), digits.shape[1])


def surprise(
    denoise: Denoiser, subtokens: Subtokens, tokens: ArrayLike, *, context: int | None = None, batch: int = 8
) -> NDArray[np.float64]:
    """−log p(token | all the others) in nats for each of the tokens (L,): float64 (L,).

    context: the most tokens that the network takes; of a longer sequence each token is shown with those around it.
    """
    found = [nats for _, nats in surprises(denoise, subtokens, tokens, context=context, batch=batch)]
    return np.concatenate([np.empty(0), *found])


def surprises(
    denoise: Denoiser,
    subtokens: Subtokens,
    tokens: ArrayLike,
    *,
    context: int | None = None,
    batch: int = 8,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """`surprise` incrementally, one network call at a time: (places, nats) of up to `batch` tokens each, in order.

    start, stop: judge only the tokens from one place up to the other; the others are what they are judged by.
    """
    digits = subtokens.encode(tokens)
    length = len(digits)
    window = length if context is None else min(context, length)
    end = length if stop is None else min(stop, length)
    for begin in range(start, end, batch):
        places = np.arange(begin, min(begin + batch, end))
        starts = np.clip(places - window // 2, 0, length - window)
        masked = np.zeros((len(places), window, 1), dtype=np.bool_)
        masked[np.arange(len(places)), places - starts] = True
        shown = digits[starts[:, None] + np.arange(window)]
        yield places, _charges(denoise, subtokens, shown, masked, masked[None]).sum(axis=1)


@dataclass(frozen=True, eq=False)
class _State:
    """One masked state. masked: bool (L, G). revealed: bool (R, L, G), R sets of units, each charged jointly within
    a token. weight: float (L,), of the tokens."""

    masked: Units
    revealed: Units
    weight: NDArray[np.float64]


_Plan = Callable[[float, NDArray[np.float64], np.random.Generator], _State]
"""(time in (0, 1], uniforms (L, G), generator) -> the state to charge at this time."""


def _exactly(time: float, uniforms: NDArray[np.float64]) -> tuple[Units, float]:
    """Mask the k units with the least uniforms, k uniform in 1 … N as time is in (0, 1]; and N/k."""
    k = math.ceil(time * uniforms.size)
    return uniforms <= np.partition(uniforms, k - 1, axis=None)[k - 1], uniforms.size / k


def _prepare(
    subtokens: Subtokens, tokens: ArrayLike, granularity: int | None, pairs: int, batch: int
) -> tuple[NDArray[np.int64], int]:
    """Digits (n, L, ℓ) of the data and the number of groups a token. ValueError for bad arguments."""
    digits = subtokens.encode(tokens)
    if digits.ndim != 3 or not digits.size:
        raise ValueError(f"tokens must have the shape (samples, tokens), not {digits.shape[:-1]}")
    groups = subtokens.length if granularity is None else granularity
    if groups < 1 or subtokens.length % groups:
        raise ValueError(f"granularity must divide {subtokens.length}, not be {granularity}")
    if pairs < 1 or batch < 1:
        raise ValueError(f"pairs and batch must be at least 1, not {pairs} and {batch}")
    return digits, groups


def _mean(
    denoise: Denoiser,
    subtokens: Subtokens,
    digits: NDArray[np.int64],
    groups: int,
    plan: _Plan,
    pairs: int,
    seed: int,
    batch: int,
) -> tuple[float, float]:
    """Mean of the charges over samples and its standard error, from `pairs` antithetic pairs of states a sample.

    Times are stratified, over the samples and over the pairs of each; the second state of a pair has time 1 − t and
    uniforms 1 − u, so that what is masked in one is mostly known in the other. A state taken at random from a pair
    has the right law, which is all that an unbiased mean needs. The samples count as independent in the error, which is
    thus a little too large: the strata make their times less alike than that.
    """
    count, length = digits.shape[:2]
    rng = np.random.Generator(np.random.Philox(seed))
    strata = rng.permuted(np.tile(np.arange(count)[:, None], (1, pairs)), axis=0) + 1 - rng.random((count, pairs))
    times = (np.arange(pairs) + strata / count) / (2 * pairs)  # in (0, 1/2]

    def states() -> Iterator[tuple[int, int, _State]]:
        for sample, pair in np.ndindex(count, pairs):
            time, uniforms = times[sample, pair], rng.random((length, groups))
            yield sample, pair, plan(time, uniforms, rng)
            yield sample, pair, plan(1 - time, 1 - uniforms, rng)

    values = np.zeros((count, pairs))
    pending = states()
    while chunk := list(islice(pending, batch)):
        samples, places, parts = zip(*chunk, strict=True)
        charges = _charges(
            denoise,
            subtokens,
            digits[list(samples)],
            np.stack([state.masked for state in parts]),
            np.stack([state.revealed for state in parts], axis=1),
        )
        weighted = (charges * np.stack([state.weight for state in parts])).sum(axis=1)
        np.add.at(values, (samples, places), weighted / 2)
    blocks = values.mean(axis=1) if count > 1 else values[0]
    error = math.nan
    if len(blocks) > 1 and np.isfinite(blocks).all():
        error = float(blocks.std(ddof=1)) / math.sqrt(len(blocks))
    return float(values.mean()), error


def _charges(
    denoise: Denoiser, subtokens: Subtokens, digits: NDArray[np.int64], masked: Units, revealed: Units
) -> NDArray[np.float64]:
    """Σ over the R sets of −log p(x_R | y), float64 (B, L): digits (B, L, ℓ), masked (B, L, G), revealed (R, B, L, G).

    Infinite where the network rules the truth out. ValueError for logits that are no logits.
    """
    size = subtokens.length // masked.shape[-1]
    y = np.where(np.repeat(masked, size, axis=-1), subtokens.mask_id, digits)
    charges = np.zeros(y.shape[:2])
    rows = np.flatnonzero(masked.any(axis=-1))
    if not len(rows):
        return charges
    logits = denoise(y, rows)
    if np.shape(logits) != (len(rows), subtokens.vocab_size):
        raise ValueError(f"logits of shape {np.shape(logits)}, not {(len(rows), subtokens.vocab_size)}")
    flat, truth, before = charges.reshape(-1), digits.reshape(-1, subtokens.length), y.reshape(-1, subtokens.length)
    sets = revealed.reshape(len(revealed), -1, revealed.shape[-1])
    width = max(1, _BLOCK // subtokens.vocab_size)
    for begin in range(0, len(rows), width):
        part = rows[begin : begin + width]
        weights = np.where(subtokens.compatible(before[part]), np.float64(logits[begin : begin + width]), -np.inf)
        top = weights.max(axis=-1, keepdims=True)
        if not np.isfinite(top).all():
            raise ValueError("logits that are not finite, or that leave a token no class")
        weights = np.exp(weights - top)
        total = weights.sum(axis=-1)
        for units in sets:
            chosen = np.flatnonzero(units[part].any(axis=-1))
            here = part[chosen]
            after = np.where(np.repeat(units[here], size, axis=-1), truth[here], before[here])
            share = np.where(subtokens.compatible(after), weights[chosen], 0).sum(axis=-1)
            with np.errstate(divide="ignore"):
                flat[here] += np.log(total[chosen]) - np.log(share)
    return charges
