"""The sizes of published networks, read off the shapes of their weights."""

import re
from typing import Any

from torch import Tensor

from studio.prime.subtokens import smallest_base

COLORS = 3


def picture_sizes(weights: dict[str, Tensor]) -> dict[str, Any]:
    """Settings of our U-Net but for its grid. ValueError, one clause, where the weights are none of its kind.

    Drops the mask class from the head, in place, where there is one (ℓ = 1).
    """
    rows, digit_width = _shape(weights, "pixel_embedding.embedding_table.weight", 2)
    (input_width,) = _shape(weights, "unet.input_blocks.1.0.in_layers.0.weight", 1)
    length, rest = divmod(input_width, COLORS * max(digit_width, 1))
    if rest or not length:
        # A super-token model embeds the pixel whole, as 2 digits and not as 3·ℓ.
        raise ValueError(
            f"its {input_width} input maps are not {COLORS} colours of digits {digit_width} wide: a super-token model, "
            "or none of MDM-Prime"
        )
    widths: list[int] = []
    blocks: list[int] = []
    attention: list[int] = []
    for index in range(1, _last(weights, r"unet\.input_blocks\.(\d+)\.") + 1):
        key = f"unet.input_blocks.{index}.0.in_layers.2.weight"
        if key not in weights or not widths:  # pooling has no weights
            widths.append(0)
            blocks.append(0)
        if key in weights:
            widths[-1] = _shape(weights, key, 4)[0]
            blocks[-1] += 1
        factor = 2 ** (len(widths) - 1)
        if f"unet.input_blocks.{index}.1.qkv.weight" in weights and factor not in attention:
            attention.append(factor)
    if 0 in widths or 0 in blocks:
        raise ValueError("its blocks are not laid out as in the published networks")
    head = _shape(weights, "unet.out.2.weight", 4)
    vocab_size = head[0] // COLORS
    if length == 1 and vocab_size == rows:
        vocab_size = rows - 1
        for name in ("unet.out.2.weight", "unet.out.2.bias"):
            value = weights[name]
            weights[name] = value.view(COLORS, rows, *value.shape[1:])[:, :-1].flatten(0, 1)
    _check_digits(rows - 1, length, vocab_size)
    if vocab_size != 256:
        raise ValueError(f"it has {vocab_size} classes a colour instead of 256")
    if rows - 1 != smallest_base(vocab_size, length):
        raise ValueError(f"its digits have {rows - 1} values: a super-token model, or none of MDM-Prime")
    return {
        "family": "unet",
        "colors": COLORS,
        "vocab_size": vocab_size,
        "length": length,
        "base": rows - 1,
        "digit_width": digit_width,
        "widths": widths,
        "blocks": blocks,
        "attention": attention,
        "dropout": 0.4,
        "head_kernel": head[-1],
    }


def text_sizes(weights: dict[str, Tensor]) -> dict[str, Any]:
    """Settings of our transformer but for context and heads. ValueError, one clause, for weights of another kind.

    Drops the mask class from the head, in place, where there is one (ℓ = 1).
    """
    rows, digit_width = _shape(weights, "vocab_embed.embedding", 2)
    (width,) = _shape(weights, "output_layer.norm_final.weight", 1)
    length, rest = divmod(width, max(digit_width, 1))
    if rest or not length:
        raise ValueError(f"its width of {width} does not hold digits {digit_width} wide")
    vocab_size = _shape(weights, "output_layer.linear.weight", 2)[0]
    if length == 1 and vocab_size == rows:
        vocab_size = rows - 1
        for name in ("output_layer.linear.weight", "output_layer.linear.bias"):
            weights[name] = weights[name][:-1]
    _check_digits(rows - 1, length, vocab_size)
    return {
        "family": "transformer",
        "vocab_size": vocab_size,
        "length": length,
        "base": rows - 1,
        "width": width,
        "blocks": _last(weights, r"blocks\.(\d+)\.") + 1,
        "cond_width": _shape(weights, "sigma_map.mlp.2.weight", 2)[0],
    }


def _shape(weights: dict[str, Tensor], name: str, dimensions: int) -> tuple[int, ...]:
    if name not in weights or weights[name].dim() != dimensions:
        raise ValueError(f"it has no weights {name} of {dimensions} dimensions; it is no published network")
    return tuple(weights[name].shape)


def _last(weights: dict[str, Tensor], pattern: str) -> int:
    """The highest index in the names that match."""
    found = [int(match[1]) for name in weights if (match := re.match(pattern, name)) and len(match[1]) < 4]
    return max(found, default=0)


def _check_digits(base: int, length: int, vocab_size: int) -> None:
    if base < 2 or vocab_size < 2 or length > 64 or not vocab_size <= base**length < 1 << 62:
        raise ValueError(f"{length} digits of {base} values do not write its {vocab_size} classes")
