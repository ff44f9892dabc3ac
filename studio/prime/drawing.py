"""The draw: from logits to one class for each token."""

import numpy as np
from numpy.typing import NDArray

from studio.prime.subtokens import Subtokens

DRAWS = ("joint", "marginal")
"""A token's digits together, or each revealed group of them from its own marginal."""


def draw_classes(
    logits: NDArray[np.float32],
    subtokens: Subtokens,
    y: NDArray[np.int64],
    uniforms: NDArray[np.float64],
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    with_entropy: bool = False,
    wanted: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64] | None]:
    """One class for each of n tokens: carry-over filter, temperature, top-k, top-p, inverse CDF.

    logits (n, C); y (n, ℓ), the tokens' digits; uniforms (n,) in [0, 1), for the joint draw of all digits. With
    `wanted`, bool (n, G), those groups of digits are drawn each from its own marginal and the remaining digits
    conditioned on them, with uniforms (n, G + 1). Returns the classes (n,), their log-probabilities (n,) and the
    entropies (n,) or None; the last two as the network has them, filtered by carry-over alone. Classes that tie with
    the last one kept by top-k or top-p are kept as well.
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
        if wanted is None:
            classes = _pick_in_nucleus(weights, uniforms, top_p)
        else:
            if top_p < 1:
                weights[weights < _nucleus_edge(weights, top_p)] = 0
            classes = _pick_groups(weights, subtokens, y, wanted, uniforms)
    return classes, np.take_along_axis(logits, classes[:, None], axis=-1)[:, 0] - np.log(total), entropy


def _pick_in_nucleus(weights: NDArray[np.float32], uniforms: NDArray[np.float64], top_p: float) -> NDArray[np.int64]:
    """Weights (n, C) to classes (n,): inverse CDF within the fewest classes that hold the share top_p."""
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
    return classes


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


def _pick_groups(
    weights: NDArray[np.float32],
    subtokens: Subtokens,
    y: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    uniforms: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Weights (n, C) to classes (n,): each wanted group of digits, bool (n, G), from its own marginal, the rest of the
    token given them. uniforms (n, G + 1).

    The wanted ones are drawn independently, the most significant first. Where b**ℓ > C, values that leave no class
    compatible with what is known and drawn already are excluded; if none is left, or all weight is lost, the draw is
    uniform over the compatible classes.
    """
    groups = wanted.shape[1]
    base, length, width = subtokens.base, subtokens.length, subtokens.length // groups
    places = base ** np.arange(length - 1, -1, -1, dtype=np.int64)
    values = np.arange(base**width)
    state = y.copy()
    for group in range(groups):
        rows = np.flatnonzero(wanted[:, group])
        here = slice(group * width, (group + 1) * width)
        others = np.where(state[rows] == subtokens.mask_id, 0, state[rows])
        others[:, here] = 0
        below = base ** (length - (group + 1) * width)
        named = (others @ places)[:, None] + values * below < subtokens.vocab_size
        marginal = np.where(named, _marginal(weights[rows], base, length, width, group), 0)
        empty = np.flatnonzero(~marginal.any(axis=-1))
        if len(empty):
            alike = subtokens.compatible(state[rows[empty]]).astype(np.float32)
            marginal[empty] = _marginal(alike, base, length, width, group)
        value, _ = _pick_class(marginal, uniforms[rows, group])
        state[rows, here] = value[:, None] // places[-width:] % base
    named = subtokens.compatible(state)
    rest = np.where(named, weights, np.float32(0))
    rest = np.where(rest.any(axis=-1, keepdims=True), rest, named.astype(np.float32))
    return _pick_class(rest, uniforms[:, groups])[0]


def _marginal(weights: NDArray[np.float32], base: int, length: int, width: int, group: int) -> NDArray[np.float32]:
    """Weights (n, C) summed by the value of one group of digits: (n, base ** width)."""
    codes = np.zeros((len(weights), base**length), dtype=weights.dtype)
    codes[:, : weights.shape[1]] = weights
    return codes.reshape(
        len(weights), base ** (group * width), base**width, base ** (length - (group + 1) * width)
    ).sum(axis=(1, 3))
