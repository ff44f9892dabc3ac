"""Reveal policies: which masked sub-tokens now?

What is revealed at once is a unit: one group of digits of one token. The units of a sample form an array
(L, G), G groups a token, most significant first. A policy object belongs to one sample and draws from that
sample's generator alone, so what it decides does not depend on the rest of a batch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from studio.prime.schedules import Triple, alpha_grid

Units = NDArray[np.bool_]

RANKING_NOISE = 4.0
"""Scale at α = 0 of the Gumbel noise added to log-confidences before ranking; it fades linearly to 0 at α = 1.

With less, the commonest class, such as a white background, is revealed first and reinforces itself. MaskGIT
(arXiv 2202.04200) uses 4.5.
"""

NO_CORRECTOR: Triple = (0.0, 0.0, 0.0)

NEGLIGIBLE = 0.1
"""Total entropy, in nats, of the tokens of one step that is always allowed."""

FROM_NOTHING: dict[str, Any] = {
    "steps": 64,
    "schedule": "cosine",
    "policy": "even",
    "temperature": 1.0,
    "temperature_slope": (-0.3, 1.0),
    "remask": 0.3,
}
"""For pictures made from nothing by a model whose defaults are for filling; chosen by looking at them."""


def from_nothing(policy: str) -> dict[str, Any]:
    """Overrides of a picture model's defaults for unconditional generation; `policy` is that default.

    None for `ancestral`: the exact process makes from nothing as well as it fills.
    """
    return {} if policy == "ancestral" else FROM_NOTHING


@dataclass(frozen=True)
class Drawn:
    """What the network said about n tokens of a sample, in raster order.

    tokens: int (n,), places in 0 … L−1. log_prob: (n,), of the class drawn for each. entropy: (n,) in nats, of
    each token's class, or None where the policy has no use for it. Both are the network's own, before
    temperature, top-k and top-p.
    """

    tokens: NDArray[np.int64]
    log_prob: NDArray[np.float32]
    entropy: NDArray[np.float64] | None


class Policy:
    """The rule for one sample. units: bool (L, G), all that is to be made. alpha: the grid, float64 (T + 1,).

    hazard: with a corrector, its `corrector_hazard`. Only `ancestral` uses it: the other policies reveal by count, and
    so make up for re-masked units themselves.
    """

    needs_entropy = False

    def __init__(
        self, units: Units, alpha: NDArray[np.float64], rng: Generator, hazard: NDArray[np.float64] | None = None
    ):
        self.alpha = alpha
        self.hazard = hazard
        self.steps = len(alpha) - 1
        self.total = int(units.sum())
        self.rng = rng

    def candidates(self, step: int, masked: Units) -> Units:
        """The units that may be revealed in this step: the network is asked for their tokens."""
        raise NotImplementedError

    def choose(self, step: int, candidates: Units, drawn: Drawn) -> Units:
        """Those of the candidates that are revealed, now that the network has answered."""
        return candidates

    def remask(self, step: int, known: Units, log_prob: NDArray[np.float32], rate: float) -> Units:
        """Those of the known units that are masked again after this step, each with probability `rate`.

        log_prob: (L,), of the class drawn when each token was last revealed.
        """
        return known & (self.rng.random(known.shape) < rate)

    def count(self, step: int, masked: Units) -> int:
        """How many units to reveal when counts follow α: α_k·N known after step k.

        At least one per step, and one left for each remaining step, so that every step calls the network.
        """
        left = int(masked.sum())
        due = round(self.alpha[step] * self.total) - (self.total - left)
        return min(left, max(1, min(due, left - (self.steps - step))))


class Ancestral(Policy):
    """The published process, its plan drawn before the first call.

    A unit revealed with probability (α_k − α_{k−1}) / (1 − α_{k−1}) in each step k until it is, is revealed in
    step k with probability α_k − α_{k−1}: in the first step whose α reaches its one uniform.
    """

    def __init__(
        self, units: Units, alpha: NDArray[np.float64], rng: Generator, hazard: NDArray[np.float64] | None = None
    ):
        super().__init__(units, alpha, rng, hazard)
        self.when = self._plan(0, units.shape)

    def _plan(self, step: int, shape: int | tuple[int, ...]) -> NDArray[np.int64]:
        """For units masked after `step`, the step in which each is revealed."""
        uniform = 1 - self.rng.random(shape)  # in (0, 1]
        if self.hazard is None:
            level = self.alpha[step] + (1 - self.alpha[step]) * uniform
            return np.maximum(np.searchsorted(self.alpha, level), step + 1)
        return np.maximum(np.searchsorted(self.hazard, self.hazard[step] - np.log(uniform)), step + 1)

    def candidates(self, step: int, masked: Units) -> Units:
        return masked & (self.when == step)

    def remask(self, step: int, known: Units, log_prob: NDArray[np.float32], rate: float) -> Units:
        again = super().remask(step, known, log_prob, rate)
        self.when[again] = self._plan(step, int(again.sum()))
        return again


class Even(Policy):
    """The expected counts, rounded, at places drawn uniformly: exactly min(steps, units) calls."""

    def candidates(self, step: int, masked: Units) -> Units:
        places = self.rng.permutation(np.flatnonzero(masked))
        return _units_at(places[: self.count(step, masked)], masked.shape)


class Sequential(Policy):
    """The expected counts, rounded, in raster order."""

    def candidates(self, step: int, masked: Units) -> Units:
        return _units_at(np.flatnonzero(masked)[: self.count(step, masked)], masked.shape)


class Confidence(Policy):
    """The expected counts, rounded, at the tokens whose drawn class is most probable (MaskGIT).

    A token reveals its most significant masked group; a second one only after every masked token has revealed one.
    """

    def candidates(self, step: int, masked: Units) -> Units:
        return masked

    def choose(self, step: int, candidates: Units, drawn: Drawn) -> Units:
        rank = np.zeros(len(candidates), dtype=np.int64)
        rank[drawn.tokens] = _ranks(-self._blurred(step, drawn.log_prob))
        turn = np.cumsum(candidates, axis=1) * len(rank) + rank[:, None]
        return _least(turn, candidates, self.count(step, candidates))

    def remask(self, step: int, known: Units, log_prob: NDArray[np.float32], rate: float) -> Units:
        """As many as would be expected, whole tokens of the least confidence first."""
        number = int(known.sum() * rate + self.rng.random())
        groups = known.shape[1]
        turn = _ranks(self._blurred(step, log_prob))[:, None] * groups + np.arange(groups)[::-1]
        return _least(turn, known, number)

    def _blurred(self, step: int, log_prob: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-probabilities with Gumbel noise that fades as α → 1."""
        return log_prob + RANKING_NOISE * (1 - self.alpha[step]) * self.rng.gumbel(size=len(log_prob))


class Entropy(Policy):
    """Whole tokens, least entropy first, while their sum is within the step's share of all that is left.

    Tokens revealed together can be as wrong as the sum of their entropies (EB-sampler, arXiv 2505.24857), so a
    sum that is NEGLIGIBLE is always allowed: where the network is sure, few calls are needed.
    """

    needs_entropy = True

    def candidates(self, step: int, masked: Units) -> Units:
        return masked

    def choose(self, step: int, candidates: Units, drawn: Drawn) -> Units:
        assert drawn.entropy is not None
        order = np.argsort(drawn.entropy, kind="stable")
        spent = np.cumsum(drawn.entropy[order])
        share = 1.0
        if step < self.steps and self.alpha[step] < 1:
            share = (self.alpha[step] - self.alpha[step - 1]) / (1 - self.alpha[step - 1])
        # The tolerance is for equal entropies, whose share should be a whole number of them.
        bound = max(spent[-1] * share * (1 + 1e-6), NEGLIGIBLE)
        chosen = order[: max(1, int(np.searchsorted(spent, bound, side="right")))]
        revealed = np.zeros_like(candidates)
        revealed[drawn.tokens[chosen]] = True
        return revealed & candidates


_POLICIES: dict[str, type[Policy]] = {
    "ancestral": Ancestral,
    "even": Even,
    "confidence": Confidence,
    "entropy": Entropy,
    "sequential": Sequential,
}

POLICIES = tuple(_POLICIES)


def policy_class(name: str) -> type[Policy]:
    """The policy of this name. ValueError if there is none."""
    if name not in _POLICIES:
        raise ValueError(f"unknown policy {name!r}: use one of {', '.join(POLICIES)}")
    return _POLICIES[name]


def remask_rate(remask: float, alpha: float) -> float:
    """Probability with which a known unit is masked again at α: remask · σ_max, σ_max = min(1, (1 − α) / α).

    σ_max is the largest rate that keeps the share of known units (ReMDM "rescale", arXiv 2503.00307).
    """
    return remask * (1.0 if alpha <= 0.5 else (1 - alpha) / alpha)


def corrector_rates(corrector: Triple, times: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability r_k with which a unit known before step k is masked again in it: float64 (T + 1,).

    The backward half of the corrector of discrete flow matching (Gat et al. 2024, arXiv 2407.15595): what is known
    is masked at β(t)·α′/α, β(t) = c·t^p·(1−t)^q, so β·(α_k − α_{k−1}) / α_{k−1} in a step; at most all of it, and
    not more than leaves α_k within reach, (1 − α_k) / α_{k−1}. ValueError for numbers that are no corrector.
    """
    c, p, q = corrector
    if not (0 <= c < np.inf and 0 <= p < np.inf and 0 <= q < np.inf):
        raise ValueError(f"corrector must be (c, p, q), none below 0, not {tuple(corrector)}")
    known = np.where(alpha[:-1] > 0, alpha[:-1], np.inf)  # where nothing is known, nothing is masked
    strength = c * times[:-1] ** p * (1 - times[:-1]) ** q
    return np.concatenate([[0.0], np.minimum(np.minimum(strength * np.diff(alpha), 1 - alpha[1:]) / known, 1)])


def corrector_hazard(rates: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """−log of the probability that a unit masked at first is so after each step too: float64 (T + 1,), ∞ at the end.

    With r_k of what is known masked again, the share q_k of what is masked that must be revealed in step k for α_k to
    be known after it solves α_k = (1 − r_k) α_{k−1} + q_k (1 − α_{k−1}): the forward half of the corrector.
    """
    left = 1 - alpha[:-1]
    lacking = alpha[1:] - (1 - rates[1:]) * alpha[:-1]
    shares = np.divide(lacking, left, out=np.ones_like(left), where=left > 0)
    # A share of 1 would be an infinite hazard, behind which no later step could be told from another.
    hazard = np.cumsum(-np.log1p(-np.clip(shares, 0, 1 - 2**-53)))
    hazard[-1] = np.inf
    return np.concatenate([[0.0], hazard])


def idle_steps(steps: int, units: int, schedule: str = "linear") -> float:
    """Expected number of steps in which `ancestral` reveals none of `units`: Σ_k (1 − (α_k − α_{k−1}))^units."""
    return float(np.sum((1 - np.diff(alpha_grid(schedule, steps))) ** units))


def expected_calls(policy: str, steps: int, units: int, schedule: str = "linear") -> float:
    """Network calls to expect for one sample without remasking; of `entropy`, which reveals whole tokens, a bound.

    units: (token, group) pairs to be made. For `ancestral` a batch counts as one sample with all its units.
    """
    policy_class(policy)
    if policy == "ancestral":
        return steps - idle_steps(steps, units, schedule)
    return float(min(steps, units))


def _units_at(places: NDArray[np.int64], shape: tuple[int, ...]) -> Units:
    """Units (L, G) that are true at these places in raster order."""
    units = np.zeros(shape, dtype=np.bool_)
    units.flat[places] = True
    return units


def _ranks(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The place of each value among all in ascending order."""
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[np.argsort(values)] = np.arange(len(values))
    return ranks


def _least(turn: NDArray[np.int64], among: Units, number: int) -> Units:
    """The `number` units with the least turns, which all differ, among those that are true."""
    if number == 0:
        return np.zeros_like(among)
    return among & (turn <= np.partition(turn[among], number - 1)[number - 1])
