"""sample(): from a partly known state to a whole one, frame by frame."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.prime.drawing import DRAWS, draw_classes
from studio.prime.policies import NO_CORRECTOR, Drawn, corrector_hazard, corrector_rates, policy_class, remask_rate
from studio.prime.schedules import NO_WARP, Triple, alpha_grid, time_grid
from studio.prime.subtokens import Subtokens, whole

Denoiser = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]
"""(y int64 (B, L, ℓ), rows int64 (n,), indices into B·L) -> logits float32 (n, C)."""


@dataclass(frozen=True, eq=False)
class Frame:
    """The state after one step. The arrays are the frame's own.

    step: 1 … steps. calls: network calls so far. y: int64 (B, L, ℓ), a valid start of another `sample`.
    revealed: bool (B, L, ℓ), the digits revealed in this step. confidence: float32 (B, L), the probability that
    the network gave the class drawn when the token's digits were last revealed, NaN where nothing was drawn;
    None before the first draw. likeliest: int64 (B, L), of a token that is partly known the class that the network
    found most probable among those that agree with its digits, when it last revealed one; −1 elsewhere.
    """

    step: int
    steps: int
    calls: int
    y: NDArray[np.int64]
    revealed: NDArray[np.bool_]
    confidence: NDArray[np.float32] | None
    likeliest: NDArray[np.int64] | None = None


def sample(
    denoise: Denoiser,
    subtokens: Subtokens,
    y: ArrayLike,
    *,
    steps: int,
    seeds: Sequence[int],
    schedule: str = "linear",
    policy: str = "ancestral",
    granularity: int | None = None,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    remask: float = 0.0,
    draw: str = "joint",
    temperature_slope: tuple[float, float] = (0.0, 1.0),
    warp: Triple = NO_WARP,
    corrector: Triple = NO_CORRECTOR,
) -> Generator[Frame, None, None]:
    """Make what is masked in y (B, L, ℓ); yields exactly `steps` frames.

    Known digits come back unchanged. The network is not called in a step that reveals nothing. ValueError for a bad
    argument, at the call and not at the first frame.

    seeds: 0 … 2⁶⁴ − 1, one per sample.
    granularity: groups per token, a divisor of ℓ; the digits of a group are revealed together. None is ℓ.
    temperature: 0 takes the most probable class.
    top_p, top_k: 1 and 0 keep all classes.
    remask: 0 … 1; after each step but the last, that share of what `remask_rate` allows is masked again among the
        groups known before it, to be made anew.

    As in the published picture samplers, t being the time at which a step begins, warped:
    draw: "marginal" takes each revealed group from its own marginal, "joint" a token's groups together.
    temperature_slope (a, n): a·tⁿ is added to the temperature, never below 0.
    warp (a, p, c): the steps end at times 1 − a(1−t)^p + c.
    corrector (c, p, q): in place of `remask`; what is known is masked again at c·t^p·(1−t)^q times the rate at which
        α grows over α, and as much more is revealed.
    """
    # A copy: the caller's array stays as it is.
    y = whole(y).copy()
    length, mask_id = subtokens.length, subtokens.mask_id
    if y.ndim != 3 or y.shape[2] != length or y.size == 0:
        raise ValueError(f"y must have the shape (batch, tokens, {length}), not {y.shape}")
    if y.min() < 0 or y.max() > mask_id:
        raise ValueError(f"digits must lie in 0 … {mask_id}")
    if not subtokens.nameable(y).all():
        raise ValueError("some given digits agree with no class")
    if len(seeds) != len(y):
        raise ValueError(f"{len(y)} samples need as many seeds, not {len(seeds)}")
    groups = length if granularity is None else granularity
    for number in (steps, groups, top_k, *seeds):
        if not isinstance(number, int | np.integer):
            raise ValueError(f"steps, granularity, top_k and seeds are whole numbers, not {number!r}")
    if not all(0 <= seed < 2**64 for seed in seeds):
        raise ValueError("seeds must lie in 0 … 2**64 - 1")
    if groups < 1 or length % groups:
        raise ValueError(f"granularity must divide {length}, not be {granularity}")
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature must be 0 or more, not {temperature}")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p must lie above 0 and at most at 1, not {top_p}")
    if top_k < 0:
        raise ValueError(f"top_k must be 0 or more, not {top_k}")
    if not 0 <= remask <= 1:
        raise ValueError(f"remask must lie in 0 … 1, not {remask}")
    if draw not in DRAWS:
        raise ValueError(f"unknown draw {draw!r}: use one of {', '.join(DRAWS)}")
    slope, power = temperature_slope
    if not (np.isfinite(slope) and 0 < power < np.inf):
        raise ValueError(f"temperature_slope must be a number and a power above 0, not {temperature_slope}")
    if remask and corrector[0]:
        raise ValueError("remask and corrector are two ways to mask again: give one of them")

    times, alpha = time_grid(steps, warp), alpha_grid(schedule, steps, warp)
    temperatures = np.maximum(temperature + slope * times**power, 0)
    if corrector[0]:
        rates = corrector_rates(corrector, times, alpha)
        hazard = corrector_hazard(rates, alpha)
    else:
        rates = [0.0] + [remask_rate(remask, known) for known in alpha[1:]]
        hazard = None
    editable = y == mask_id
    units = editable.reshape(*y.shape[:2], groups, -1).any(axis=-1)
    rngs = [np.random.Generator(np.random.Philox(int(seed))) for seed in seeds]
    policies = [policy_class(policy)(units[i], alpha, rng, hazard) for i, rng in enumerate(rngs)]

    def frames() -> Generator[Frame, None, None]:
        given = y[~editable]
        masked = units.copy()
        log_prob = np.full(y.shape[:2], np.nan, dtype=np.float32)
        likeliest = np.full(y.shape[:2], -1)
        calls = 0
        for step in range(1, steps + 1):
            known = units & ~masked
            candidates = np.stack([rule.candidates(step, left) for rule, left in zip(policies, masked, strict=True)])
            samples, tokens = np.nonzero(candidates.any(axis=-1))
            revealed = np.zeros_like(editable)

            if len(tokens):
                active, counts = np.unique(samples, return_counts=True)
                # A copy: what the network was shown stays as it was.
                logits = denoise(y.copy(), samples * y.shape[1] + tokens)
                calls += 1
                wanted = candidates[samples, tokens] if draw == "marginal" else None
                shape = () if wanted is None else (groups + 1,)
                classes, drawn_log_prob, entropy = draw_classes(
                    logits,
                    subtokens,
                    y[samples, tokens],
                    np.concatenate([rngs[i].random((n, *shape)) for i, n in zip(active, counts, strict=True)]),
                    temperature=float(temperatures[step - 1]),
                    top_k=top_k,
                    top_p=top_p,
                    with_entropy=policies[0].needs_entropy,
                    wanted=wanted,
                )
                ends = np.cumsum(counts)
                for i, start, end in zip(active, ends - counts, ends, strict=True):
                    part = slice(start, end)
                    drawn = Drawn(tokens[part], drawn_log_prob[part], None if entropy is None else entropy[part])
                    now = policies[i].choose(step, candidates[i], drawn)
                    masked[i] &= ~now
                    revealed[i] = editable[i] & np.repeat(now, length // groups, axis=-1)
                # Only the digits that are revealed are copied; the others will be drawn again, given more context.
                copied = revealed[samples, tokens]
                y[samples, tokens] = np.where(copied, subtokens.digits[classes], y[samples, tokens])
                fresh = copied.any(axis=-1)
                log_prob[samples[fresh], tokens[fresh]] = drawn_log_prob[fresh]
                if groups > 1:
                    likeliest[samples[fresh], tokens[fresh]] = _likeliest(
                        logits[fresh], subtokens, y[samples[fresh], tokens[fresh]]
                    )

            if rates[step] and step < steps:
                for i, rule in enumerate(policies):
                    again = rule.remask(step, known[i], log_prob[i], rates[step])
                    masked[i] |= again
                    y[i][editable[i] & np.repeat(again, length // groups, axis=-1)] = mask_id

            if not np.array_equal(y[~editable], given):
                raise RuntimeError("a given digit was changed")
            partly = (y == mask_id).any(axis=-1) & (y != mask_id).any(axis=-1)
            yield Frame(
                step,
                steps,
                calls,
                y.copy(),
                revealed,
                np.exp(log_prob) if calls else None,
                np.where(partly, likeliest, -1),
            )

    return frames()


def _likeliest(logits: NDArray[np.float32], subtokens: Subtokens, y: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most probable class (n,) that agrees with the digits of y (n, ℓ); logits (n, C)."""
    return np.where(subtokens.compatible(y), logits, np.float32(-np.inf)).argmax(axis=-1)
