"""sample(): from a partly known state to a whole one, frame by frame."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.prime.policies import Drawn, policy_class, remask_rate
from studio.prime.schedules import alpha_grid
from studio.prime.subtokens import Subtokens

Denoiser = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]
"""(y int64 (B, L, ℓ), rows int64 (n,), indices into B·L) -> logits float32 (n, C)."""


@dataclass(frozen=True, eq=False)
class Frame:
    """The state after one step. The arrays are the frame's own.

    step: 1 … steps. calls: network calls so far. y: int64 (B, L, ℓ), a valid start of another `sample`.
    revealed: bool (B, L, ℓ), the digits revealed in this step. confidence: float32 (B, L), the probability that
    the network gave the class drawn when the token's digits were last revealed, NaN where nothing was drawn;
    None before the first draw.
    """

    step: int
    steps: int
    calls: int
    y: NDArray[np.int64]
    revealed: NDArray[np.bool_]
    confidence: NDArray[np.float32] | None


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
) -> Generator[Frame, None, None]:
    """Make what is masked in y (B, L, ℓ), one seed (0 … 2⁶⁴ − 1) a sample; yields exactly `steps` frames.

    Known digits come back unchanged. A step that reveals nothing calls no network. Granularity: groups a token,
    a divisor of ℓ, the digits of a group being revealed together; None is ℓ. Temperature 0 takes the most
    probable class. top_p 1 and top_k 0 keep all classes. remask (0 … 1): after each step but the last, that share of
    what `remask_rate` allows is masked again among the groups known before it, to be made anew.
    ValueError for a bad argument, at the call and not at the first frame.
    """
    # A copy: the caller's array stays as it is.
    y = np.array(y, dtype=np.int64)
    length, mask_id = subtokens.length, subtokens.mask_id
    if y.ndim != 3 or y.shape[2] != length or y.size == 0:
        raise ValueError(f"y must have the shape (batch, tokens, {length}), not {y.shape}")
    if y.min() < 0 or y.max() > mask_id:
        raise ValueError(f"digits must lie in 0 … {mask_id}")
    if not subtokens.nameable(y).all():
        raise ValueError("some given digits agree with no class")
    if len(seeds) != len(y):
        raise ValueError(f"{len(y)} samples need as many seeds, not {len(seeds)}")
    if not all(0 <= seed < 2**64 for seed in seeds):
        raise ValueError("seeds must lie in 0 … 2**64 - 1")
    groups = length if granularity is None else granularity
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

    alpha = alpha_grid(schedule, steps)
    editable = y == mask_id
    units = editable.reshape(*y.shape[:2], groups, -1).any(axis=-1)
    rngs = [np.random.Generator(np.random.Philox(int(seed))) for seed in seeds]
    policies = [policy_class(policy)(units[i], alpha, rng) for i, rng in enumerate(rngs)]

    def frames() -> Generator[Frame, None, None]:
        given = y[~editable]
        masked = units.copy()
        log_prob = np.full(y.shape[:2], np.nan, dtype=np.float32)
        calls = 0
        for step in range(1, steps + 1):
            known = units & ~masked
            candidates = np.stack([rule.candidates(step, left) for rule, left in zip(policies, masked, strict=True)])
            samples, tokens = np.nonzero(candidates.any(axis=-1))
            revealed = np.zeros_like(editable)

            if len(tokens):
                # Only the samples with work in this step are shown to the network, and only their candidates asked.
                active, local, counts = np.unique(samples, return_inverse=True, return_counts=True)
                logits = denoise(y[active], local * y.shape[1] + tokens)
                calls += 1
                classes, drawn_log_prob, entropy = draw(
                    logits,
                    subtokens,
                    y[samples, tokens],
                    np.concatenate([rngs[i].random(n) for i, n in zip(active, counts, strict=True)]),
                    temperature=temperature,
                    top_k=top_k,
                    top_p=top_p,
                    with_entropy=policies[0].needs_entropy,
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

            if remask and step < steps:
                rate = remask_rate(remask, alpha[step])
                for i, rule in enumerate(policies):
                    again = rule.remask(step, known[i], log_prob[i], rate)
                    masked[i] |= again
                    y[i][editable[i] & np.repeat(again, length // groups, axis=-1)] = mask_id

            if not np.array_equal(y[~editable], given):
                raise RuntimeError("a given digit was changed")
            yield Frame(step, steps, calls, y.copy(), revealed, np.exp(log_prob) if calls else None)

    return frames()


def draw(
    logits: NDArray[np.float32],
    subtokens: Subtokens,
    y: NDArray[np.int64],
    uniforms: NDArray[np.float64],
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    with_entropy: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64] | None]:
    """One class for each of n tokens: carry-over filter, temperature, top-k, top-p, inverse CDF.

    logits (n, C); y (n, ℓ), the tokens' digits; uniforms (n,) in [0, 1). Returns the classes (n,), their
    log-probabilities (n,) and the entropies (n,) or None; the last two as the network has them, filtered by
    carry-over alone. Classes that tie with the last one kept by top-k or top-p are kept as well.
    """
    if np.shape(logits) != (len(y), subtokens.vocab_size):
        raise ValueError(f"logits of shape {np.shape(logits)}, not {(len(y), subtokens.vocab_size)}")
    if (y == subtokens.mask_id).all():
        logits = np.array(logits, dtype=np.float32)
    else:
        logits = np.where(subtokens.compatible(y), logits, np.float32(-np.inf))
    top = logits.max(axis=-1, keepdims=True)
    if not np.isfinite(top).all():
        raise ValueError("logits that are not finite, or that leave a token no class")
    logits -= top
    weights = np.exp(logits)
    total = weights.sum(axis=-1)
    entropy = None
    if with_entropy:
        # H = log Z − E[logit]; a class of weight 0 counts nothing, whatever its logit.
        mean = np.einsum("nc,nc->n", weights, np.maximum(logits, -1e4)) / total
        entropy = np.maximum(np.log(total, dtype=np.float64) - mean, 0)

    # Dividing by less would leave the range of float32.
    if temperature < 1e-6:
        classes = logits.argmax(axis=-1)
    else:
        if temperature != 1:
            weights = np.exp(logits / np.float32(temperature))
        if 0 < top_k < subtokens.vocab_size:
            weights[weights < np.partition(weights, -top_k, axis=-1)[:, -top_k, None]] = 0
        classes, rest = _pick_class(weights, uniforms)
        if top_p < 1:
            # The class drawn is within the nucleus unless the classes above it hold the share already. Only then,
            # once in 1 / (1 − p) draws, the weights are sorted, and what is left of the uniform draws within it.
            drawn = np.take_along_axis(weights, classes[:, None], axis=-1)
            above = np.where(weights > drawn, weights, np.float32(0)).sum(axis=-1)
            outside = np.flatnonzero(above >= top_p * weights.sum(axis=-1))
            nucleus = weights[outside]
            nucleus[nucleus < _nucleus_edge(nucleus, top_p)] = 0
            classes[outside], _ = _pick_class(nucleus, rest[outside])
    return classes, np.take_along_axis(logits, classes[:, None], axis=-1)[:, 0] - np.log(total), entropy


def _nucleus_edge(weights: NDArray[np.float32], top_p: float) -> NDArray[np.float32]:
    """Weights (n, C) to (n, 1): the least weight among the fewest classes that hold the share top_p."""
    ordered = np.sort(weights, axis=-1)[:, ::-1]
    held = np.cumsum(ordered, axis=-1, dtype=np.float64)
    last = (held < top_p * held[:, -1:]).sum(axis=-1, keepdims=True)
    return np.take_along_axis(ordered, last, axis=-1)


def _pick_class(
    weights: NDArray[np.float32], uniforms: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`_pick` in two levels, block of classes and class within it: a tenth of the cost of one long sum."""
    classes = weights.shape[1]
    width = 1 << (classes.bit_length() // 2)
    block, rest = _pick(np.add.reduceat(weights, np.arange(0, classes, width), axis=-1), uniforms)
    columns = block[:, None] * width + np.arange(width)
    within = np.take_along_axis(weights, np.minimum(columns, classes - 1), axis=-1)
    within[columns >= classes] = 0
    place, rest = _pick(within, rest)
    return block * width + place, rest


def _pick(weights: NDArray[np.float32], uniforms: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Inverse CDF over weights (n, m): the places picked and what is left of each uniform, in [0, 1), within them."""
    cdf = np.cumsum(weights, axis=-1, dtype=np.float64)
    # Rounding must not carry a target to the end of the last bin, past which there is only weight 0.
    target = np.minimum(uniforms * cdf[:, -1], np.nextafter(cdf[:, -1], 0))
    place = (cdf <= target[:, None]).sum(axis=-1)
    row = np.arange(len(weights))
    above = cdf[row, place]
    below = np.where(place > 0, cdf[row, place - 1], 0)
    return place, (target - below) / (above - below)
