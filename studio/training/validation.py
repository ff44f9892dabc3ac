"""What is wrong with a recipe, field by field, before anything is started. Neither torch nor the data is needed."""

import dataclasses
import math
import re
import typing
from collections.abc import Iterator
from typing import Any

from studio.datasets.pictures import FITS
from studio.files import is_utf8
from studio.training.recipe import Recipe

Problem = tuple[str, str]
"""(field, such as "training.steps"; what must be mended: "must be … , not …")."""

_CHOICES: dict[str, tuple[Any, ...]] = {
    "modality": ("image", "text"),
    "data.fit": tuple(FITS),
    "tokens.tokenizer": ("palette", "rgb", "bpe"),
    "training.optimizer": ("adamw", "muon"),
    "training.schedule": ("linear", "cosine"),
    "training.precision": ("auto", "bf16", "no"),
    "training.device": ("auto", "cpu", "cuda"),
}
_RANGES: dict[str, tuple[float, float]] = {  # both ends are allowed
    "data.valid_share": (0.001, 0.9),
    "data.shift": (0, 64),
    "data.color_jitter": (0, 1),
    "tokens.vocab_size": (2, 1 << 20),
    "tokens.length": (1, 64),
    "tokens.base": (2, 1 << 20),
    "training.steps": (1, 100_000_000),
    "training.batch": (1, 65536),
    "training.learning_rate": (1e-9, 1),
    "training.warmup": (0, 10_000_000),
    "training.decay": (0, 1),
    "training.weight_decay": (0, 10),
    "training.clip": (1e-6, 1e6),
    "training.ema": (0, 0.999999),
    "training.seed": (0, 2**31 - 1),
    "training.region_share": (0, 1),
    "training.alpha_exponent": (0.1, 10),
    "training.report_every": (1, 100_000),
    "training.evaluate_every": (1, 10_000_000),
    "training.preview_every": (0, 10_000_000),
    "training.patience": (0, 10_000),
    "training.checkpoint_minutes": (0, 1440),
    "training.keep": (0, 1000),
}
_NAME = re.compile(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*")


def problems(recipe: Recipe) -> list[Problem]:
    """Every problem, in the order of the recipe's fields; of wrong types only, where there are any."""
    wrong_types = list(_types(recipe, ""))
    return wrong_types or [*_values(recipe, ""), *_agreement(recipe)]


def _types(node: Any, prefix: str) -> Iterator[Problem]:
    for field in dataclasses.fields(node):
        value, name = getattr(node, field.name), prefix + field.name
        kind: Any = field.type
        if dataclasses.is_dataclass(kind):
            yield from _types(value, name + ".")
        elif not _is(value, kind):
            words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
            yield name, f"must be {words.get(kind, 'a list or table as in the shipped recipes')}, not {value!r}"


def _is(value: Any, kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    if origin is tuple:
        inner = typing.get_args(kind)[0]
        return isinstance(value, tuple) and all(_is(entry, inner) for entry in value)
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin)


def _values(node: Any, prefix: str) -> Iterator[Problem]:
    for field in dataclasses.fields(node):
        value: Any = getattr(node, field.name)
        name = prefix + field.name
        if dataclasses.is_dataclass(value):
            yield from _values(value, name + ".")
        elif field.type is str and not is_utf8(value):
            yield name, f"must be UTF-8, as a recipe is, not {value!r}: give the file or folder another name"
        elif name == "name" and not (_NAME.fullmatch(value) and len(value) <= 64):
            yield name, f"must be letters and digits with . _ - between them, at most 64, not {value!r}"
        elif name in _CHOICES and value not in _CHOICES[name]:
            yield name, f"must be one of {', '.join(map(str, _CHOICES[name]))}, not {value!r}"
        elif name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
            low, high = _RANGES[name]
            yield name, f"must lie between {low:,g} and {high:,g}, not be {value:,g}"
        elif name in ("title", "licence", "data.name") and (len(value) > 200 or "\n" in value):
            yield name, "must be one line of at most 200 characters"


def _agreement(recipe: Recipe) -> Iterator[Problem]:
    """What the fields say of each other."""
    tokens, training = recipe.tokens, recipe.training
    kinds = {"image": ("palette", "rgb"), "text": ("bpe",)}.get(recipe.modality, ())
    if tokens.tokenizer in _CHOICES["tokens.tokenizer"] and kinds and tokens.tokenizer not in kinds:
        yield "tokens.tokenizer", f"must be {' or '.join(kinds)} for {recipe.modality}, not {tokens.tokenizer!r}"
    sides = 2 if recipe.modality == "image" else 1
    if len(tokens.grid) != sides or not all(1 <= side <= 4096 for side in tokens.grid):
        what = "height and width in pixels" if sides == 2 else "the context in tokens"
        yield "tokens.grid", f"must be {what}, each from 1 to 4096, not {list(tokens.grid)}"
    elif recipe.num_tokens > 1 << 16:
        yield "tokens.grid", f"gives {recipe.num_tokens:,} tokens, more than the 65,536 that a model can have"
    if tokens.tokenizer == "palette" and tokens.vocab_size & (tokens.vocab_size - 1):
        yield "tokens.vocab_size", f"must be a power of two for a palette, not {tokens.vocab_size}"
    if tokens.tokenizer == "rgb" and tokens.vocab_size != 256:
        yield "tokens.vocab_size", f"must be 256 for rgb, not {tokens.vocab_size}"
    if tokens.length >= 1 and tokens.base >= 2 and tokens.base**tokens.length < tokens.vocab_size:
        yield (
            "tokens.base",
            f"is too small: {tokens.length} digits of base {tokens.base} cannot write {tokens.vocab_size:,} classes",
        )
    if not tokens.granularities:
        yield "tokens.granularities", "must name at least one number"
    elif bad := [g for g in tokens.granularities if g < 1 or tokens.length % g]:
        yield "tokens.granularities", f"must divide the length {tokens.length}; {', '.join(map(str, bad))} do not"
    if tokens.weights and (len(tokens.weights) != len(tokens.granularities) or min(tokens.weights) <= 0):
        yield "tokens.weights", "must be one positive number for each granularity"
    if len(training.betas) != 2 or not all(0 <= beta < 1 for beta in training.betas):
        yield "training.betas", f"must be two numbers from 0 to below 1, not {list(training.betas)}"
    widths = recipe.network.get("widths", ())
    halvings = 1 << max(0, len(widths) - 1) if isinstance(widths, tuple | list) else 1
    if recipe.network.get("family") == "unet" and any(side % halvings for side in tokens.grid):
        yield "tokens.grid", f"must be multiples of {halvings} for this network, not {list(tokens.grid)}"
    if recipe.network and recipe.network.get("family") not in ("unet", "transformer"):
        yield "network.family", f"must be unet or transformer, not {recipe.network.get('family')!r}"
