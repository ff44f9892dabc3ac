"""A known distribution over a few tokens, its exact conditionals as a network, and the law of the sampler by
enumeration of its Markov chain. Written from the mathematics, without a line of the sampler."""

from collections.abc import Sequence
from functools import cache
from itertools import product
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from studio.prime.subtokens import Subtokens

State = tuple[int, ...]
TOKENS = 3


class World:
    """A random joint distribution over three tokens of two digits.

    joint: (C, C, C). `denoise` answers with log p(token = c | all that is known), for any number of worlds side
    by side: L = 3·K tokens are K independent worlds.
    """

    def __init__(self, vocab_size: int, seed: int):
        rng = np.random.default_rng(seed)
        self.subtokens = Subtokens(vocab_size, 2)
        # Far from independent, and nothing impossible.
        self.joint = rng.dirichlet(np.full(vocab_size**TOKENS, 0.2)).reshape((vocab_size,) * TOKENS) + 1e-4
        self.joint /= self.joint.sum()
        base = self.subtokens.base
        # Written out once more, so that a fault in Subtokens cannot hide here.
        self.codes = [(c // base, c % base) for c in range(vocab_size)]
        self.radix = (base + 1) ** np.arange(2 * TOKENS)[::-1]
        self.table = np.full(((base + 1) ** (2 * TOKENS), TOKENS, vocab_size), np.nan, dtype=np.float32)
        for state in product(range(base + 1), repeat=2 * TOKENS):
            if all(self.named(state, token) for token in range(TOKENS)):
                self.table[self.index(state)] = np.log(np.maximum(self.conditionals(state), 1e-30))
        self.calls: list[int] = []

    def named(self, state: State, token: int) -> list[int]:
        """The classes of a token that agree with its known digits."""
        digits = state[2 * token : 2 * token + 2]
        mask = self.subtokens.mask_id
        return [
            c for c, code in enumerate(self.codes) if all(d in (mask, e) for d, e in zip(digits, code, strict=True))
        ]

    def index(self, state: State) -> int:
        return int(np.dot(state, self.radix))

    @cache  # noqa: B019  (a few worlds, for the length of a test run)
    def conditionals(self, state: State) -> NDArray[np.float64]:
        """(3, C): the marginal of each token given every known digit of all three."""
        agrees = np.zeros((TOKENS, len(self.codes)))
        for token in range(TOKENS):
            agrees[token, self.named(state, token)] = 1
        posterior = np.einsum("abc,a,b,c->abc", self.joint, *agrees)
        posterior /= posterior.sum()
        return np.stack([posterior.sum((1, 2)), posterior.sum((0, 2)), posterior.sum((0, 1))])

    def denoise(self, y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        self.calls.append(len(rows))
        states = y.reshape(-1, 2 * TOKENS) @ self.radix
        return self.table[states[rows // TOKENS], rows % TOKENS]

    def data_law(self, start: State) -> NDArray[np.float64]:
        """(C, C, C): the joint distribution given the known digits of `start`."""
        law = np.zeros_like(self.joint)
        for tokens in product(*(self.named(start, token) for token in range(TOKENS))):
            law[tokens] = self.joint[tokens]
        return law / law.sum()

    def chain_law(
        self,
        start: State,
        alpha: NDArray[np.float64],
        granularity: int,
        remask: float = 0.0,
        *,
        marginal: bool = False,
        corrector: tuple[float, float, float] | None = None,
        powers: Sequence[float] | None = None,
    ) -> NDArray[np.float64]:
        """(C, C, C): the law of what `ancestral` makes of `start` on the grid alpha.

        In every step each masked unit is revealed with the hazard (α_k − α_{k−1}) / (1 − α_{k−1}), the digits of
        one token jointly, those of different tokens independently; each unit that was known before is masked
        again with probability remask · min(1, (1 − α_k) / α_k), not so in the last step.

        marginal: each unit is drawn from its own marginal, but never so that a code has no name. corrector (c, p, q),
        on equal steps in time: each known unit is masked again with probability c·t^p·(1−t)^q times (α_k − α_{k−1}) /
        α_{k−1}, at most (1 − α_k) / α_{k−1} and 1, and each masked one revealed so often that α_k stays the share of
        known ones. powers: 1 / temperature for each step.
        """
        steps = len(alpha) - 1
        law = np.array([])
        states: dict[State, int] = {}
        for k in range(1, steps + 1):
            power = 1.0 if powers is None else powers[k - 1]
            arrows, states = self._arrows(start, granularity, remask > 0 or corrector is not None, marginal, power)
            source, target, weight, revealed, stayed, remasked, kept = arrows
            if k == 1:
                law = np.zeros(len(states))
                law[states[start]] = 1
            hazard = (alpha[k] - alpha[k - 1]) / (1 - alpha[k - 1])
            rate = remask * min(1.0, (1 - alpha[k]) / alpha[k]) if k < steps else 0.0
            if corrector is not None and k > 1:
                c, p, q = corrector
                t = (k - 1) / steps
                rate = c * t**p * (1 - t) ** q * (alpha[k] - alpha[k - 1]) / alpha[k - 1]
                rate = min(rate, (1 - alpha[k]) / alpha[k - 1], 1.0)
                hazard = (alpha[k] - (1 - rate) * alpha[k - 1]) / (1 - alpha[k - 1])
            chance = hazard**revealed * (1 - hazard) ** stayed * rate**remasked * (1 - rate) ** kept
            law = np.bincount(target, law[source] * weight * chance, minlength=len(states))
        result = np.zeros_like(self.joint)
        for state, place in states.items():
            if self.subtokens.mask_id in state:
                assert law[place] < 1e-12
            else:
                result[tuple(self.codes.index((state[i], state[i + 1])) for i in (0, 2, 4))] = law[place]
        return result

    @cache  # noqa: B019
    def _arrows(
        self, start: State, granularity: int, remask: bool, marginal: bool, power: float
    ) -> tuple[list[NDArray], dict[State, int]]:
        """Every transition between the states reachable from `start`: source, target, probability of the digits,
        and how many units were revealed, stayed masked, were masked again and stayed known."""
        mask = self.subtokens.mask_id
        places = [i for i, digit in enumerate(start) if digit == mask]
        size = 2 // granularity
        units = sorted({tuple(i for i in places if i // size == place // size) for place in places})
        states = {start: 0}
        todo, arrows = [start], []
        while todo:
            state = todo.pop()
            masked = [unit for unit in units if state[unit[0]] == mask]
            known = [unit for unit in units if state[unit[0]] != mask]
            for choice in product((False, True), repeat=len(masked)):
                shown = [i for unit, now in zip(masked, choice, strict=True) if now for i in unit]
                for again in product((False, True), repeat=len(known)) if remask else [(False,) * len(known)]:
                    hidden = [i for unit, now in zip(known, again, strict=True) if now for i in unit]
                    counts = (sum(choice), len(masked) - sum(choice), sum(again), len(known) - sum(again))
                    for digits, probability in self._outcomes(
                        state, tuple(shown), marginal and granularity == 2, power
                    ):
                        reached = list(digits)
                        for i in hidden:
                            reached[i] = mask
                        target = tuple(reached)
                        if target not in states:
                            states[target] = len(states)
                            todo.append(target)
                        arrows.append((states[state], states[target], probability, *counts))
        return [np.array(column) for column in zip(*arrows, strict=True)], states

    @cache  # noqa: B019
    def _outcomes(
        self, state: State, shown: tuple[int, ...], marginal: bool, power: float
    ) -> list[tuple[State, float]]:
        """What the digits `shown` can become, each token drawn from its own conditional to a power."""
        outcomes: dict[State, float] = {state: 1.0}
        for token in range(TOKENS):
            here = [i for i in shown if i // 2 == token]
            if not here:
                continue
            conditional = self.conditionals(state)[token] ** power
            conditional = conditional / conditional.sum()
            if marginal and len(here) == 2:
                conditional = self._digit_by_digit(conditional)
            following: dict[State, float] = {}
            for reached, probability in outcomes.items():
                for c in self.named(state, token):
                    digits = list(reached)
                    for i in here:
                        digits[i] = self.codes[c][i % 2]
                    target = tuple(digits)
                    following[target] = following.get(target, 0.0) + probability * float(conditional[c])
            outcomes = following
        return list(outcomes.items())

    def _digit_by_digit(self, law: NDArray[np.float64]) -> NDArray[np.float64]:
        """(C,): the first digit from its marginal, then the second from its own, but never to a code without a name."""
        first, second = (
            {
                d: sum(law[c] for c, code in enumerate(self.codes) if code[place] == d)
                for d in range(self.subtokens.base)
            }
            for place in (0, 1)
        )
        result = np.zeros_like(law)
        for c, (high, low) in enumerate(self.codes):
            named = sum(second[other] for head, other in self.codes if head == high)
            result[c] = first[high] * second[low] / named if named else 0.0
        return result


def chi_square(counts: NDArray[np.int64], law: NDArray[np.float64]) -> float:
    """The p-value of counts under a law; cells that expect fewer than 5 are pooled.

    Nothing may be counted where the law says never. The tail of χ² is Wilson and Hilferty's approximation.
    """
    assert counts[law == 0].sum() == 0
    expected = law.ravel() * counts.sum()
    small = expected < 5
    seen = np.append(counts.ravel()[~small], counts.ravel()[small].sum())
    due = np.append(expected[~small], expected[small].sum())
    seen, due = seen[due > 0], due[due > 0]
    freedom = len(due) - 1
    if freedom == 0:
        return 1.0
    ratio = ((seen - due) ** 2 / due).sum() / freedom
    return erfc((ratio ** (1 / 3) - (1 - 2 / (9 * freedom))) / sqrt(4 / (9 * freedom))) / 2


def total_variation(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    return float(np.abs(p - q).sum() / 2)
