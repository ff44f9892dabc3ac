"""What is wrong with a recipe, field by field, before anything is started. Neither torch nor the data is needed."""

import dataclasses
import math
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from studio.datasets.pictures import FITS
from studio.errors import digits
from studio.files import is_plain_name, is_utf8
from studio.prime.drawing import DRAWS
from studio.prime.policies import NO_CORRECTOR, POLICIES
from studio.prime.schedules import NO_WARP, Triple, is_schedule
from studio.runtime.format import MAX_PIXEL_DIGITS, MAX_TABLE
from studio.training.recipe import Recipe

Problem = tuple[str, str]
"""(field, such as "training.steps"; what must be mended: "must be … , not …")."""


@dataclass(frozen=True)
class Defaults:
    """The recipe's defaults, which become the manifest's. `studio.runtime.bundle` has them in pydantic."""

    steps: int = 32
    schedule: str = "cosine"
    policy: str = "ancestral"
    granularity: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    remask: float = 0.0
    draw: str = "joint"
    temperature_slope: tuple[float, float] = (0.0, 1.0)
    warp: Triple = NO_WARP
    corrector: Triple = NO_CORRECTOR


_CHOICES: dict[str, tuple[Any, ...]] = {
    "modality": ("image", "text"),
    "data.fit": tuple(FITS),
    "tokens.tokenizer": ("palette", "rgb", "bpe"),
    "training.optimizer": ("adamw", "muon"),
    "training.schedule": ("linear", "cosine"),
    "training.precision": ("auto", "bf16", "no"),
    "training.device": ("auto", "cpu", "cuda"),
    "defaults.policy": POLICIES,
    "defaults.draw": DRAWS,
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
    "defaults.steps": (1, 100_000),
    "defaults.temperature": (0, 100),
    "defaults.top_p": (1e-9, 1),
    "defaults.top_k": (0, 1 << 20),
    "defaults.remask": (0, 1),
}
_LISTS: dict[str, tuple[tuple[float, float], ...]] = {
    "training.betas": ((0, 0.999999), (0, 0.999999)),
    "defaults.temperature_slope": ((-100, 100), (1e-9, 100)),
    "defaults.warp": ((1e-9, 100), (1e-9, 100), (-100, 100)),
    "defaults.corrector": ((0, 1000), (0, 1000), (0, 1000)),
}
_NAME = re.compile(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*")


def problems(recipe: Recipe) -> list[Problem]:
    """Every problem, in the order of the recipe's fields; what fields say of each other only where each is right in
    its type."""
    if wrong_types := dict(_types(recipe, "")):
        return list(_values(recipe, "", wrong_types))
    names = [field.name for field in dataclasses.fields(Defaults)]
    if unknown := [name for name in recipe.defaults if name not in names]:
        return [
            (f"defaults.{name}", f"is not known: leave it out, or use one of {', '.join(names)}") for name in unknown
        ]
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in recipe.defaults.items()}
    defaults = Defaults(**given)
    return list(_types(defaults, "defaults.")) or [
        *_values(recipe, "", {}),
        *_values(defaults, "defaults.", {}),
        *_agreement(recipe),
        *_agreement_of(defaults, recipe),
    ]


def is_name(text: str) -> bool:
    """Whether a model can have this name."""
    return _NAME.fullmatch(text) is not None and len(text) <= 64 and is_plain_name(text)


def _types(node: Any, prefix: str) -> Iterator[Problem]:
    for field in dataclasses.fields(node):
        value, name = getattr(node, field.name), prefix + field.name
        kind: Any = field.type
        if dataclasses.is_dataclass(kind):
            yield from _types(value, name + ".")
        elif not _is(value, kind):
            words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
            numbers = typing.get_origin(kind) is tuple and typing.get_args(kind)[0] in (int, float)
            series = "a list of numbers" if numbers else "a list or table as in the shipped recipes"
            yield name, f"must be {words.get(kind, series)}, not {value!r}"


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


def _values(node: Any, prefix: str, wrong_types: dict[str, str]) -> Iterator[Problem]:
    for field in dataclasses.fields(node):
        value: Any = getattr(node, field.name)
        name = prefix + field.name
        if name in wrong_types:
            yield name, wrong_types[name]
        elif dataclasses.is_dataclass(value):
            yield from _values(value, name + ".", wrong_types)
        elif field.type is str and not is_utf8(value):
            yield name, f"must be UTF-8, as a recipe is, not {value!r}: give the file or folder another name"
        elif name == "name" and not is_name(value):
            yield name, f"must be letters a to z and digits with . _ - between them, at most 64, not {value!r}"
        elif name in _CHOICES and value not in _CHOICES[name]:
            yield name, f"must be one of {', '.join(map(str, _CHOICES[name]))}, not {value!r}"
        elif name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
            low, high = _RANGES[name]
            yield name, f"must lie between {digits(low)} and {digits(high)}, not be {digits(value)}"
        elif name in _LISTS and not _within(value, _LISTS[name]):
            wanted = ", ".join(f"{low:g} to {high:g}" for low, high in _LISTS[name])
            yield name, f"must be {len(_LISTS[name])} numbers, {wanted}, not {list(value)}"
        elif name in ("title", "licence", "data.name") and (len(value) > 200 or "\n" in value):
            yield name, "must be one line of at most 200 characters"
        elif name in ("title", "licence", "description") and not _is_prose(value):
            yield name, "must be at most 100,000 characters without tabs or other control characters"
        elif name == "notices" and not (len(value) <= 1000 and all(_is_prose(notice) for notice in value)):
            yield name, "must be at most 1000 texts without tabs or other control characters"
        elif name == "defaults.schedule" and not (len(value) <= 32 and is_schedule(value)):
            yield name, f"must be linear, cosine or polyN, N a positive number, not {value!r}"


def _within(values: tuple[float, ...], ranges: tuple[tuple[float, float], ...]) -> bool:
    return len(values) == len(ranges) and all(
        low <= value <= high for value, (low, high) in zip(values, ranges, strict=True)
    )


def _is_prose(text: str) -> bool:
    """Whether a manifest takes it."""
    return len(text) <= 100_000 and text.replace("\n", "").isprintable()


def _agreement(recipe: Recipe) -> Iterator[Problem]:
    """What the fields say of each other."""
    tokens = recipe.tokens
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
    elif tokens.base**tokens.length >= 1 << 62 or (
        tokens.length > 1 and (tokens.base + 1) * tokens.length * tokens.vocab_size > MAX_TABLE
    ):
        yield "tokens.base", "is too large for so many digits and classes: choose a smaller one"
    if recipe.modality == "image" and tokens.length > MAX_PIXEL_DIGITS:
        yield "tokens.length", f"must be at most {MAX_PIXEL_DIGITS} for pictures, not {tokens.length}"
    if not 1 <= len(tokens.granularities) <= 64:
        yield "tokens.granularities", "must name from 1 to 64 numbers"
    elif bad := [g for g in tokens.granularities if g < 1 or tokens.length % g]:
        yield "tokens.granularities", f"must divide the length {tokens.length}; {', '.join(map(str, bad))} do not"
    if tokens.weights and (len(tokens.weights) != len(tokens.granularities) or min(tokens.weights) <= 0):
        yield "tokens.weights", "must be one positive number for each granularity"
    widths = recipe.network.get("widths", ())
    halvings = 1 << max(0, len(widths) - 1) if isinstance(widths, tuple | list) else 1
    if recipe.network.get("family") == "unet" and any(side % halvings for side in tokens.grid):
        yield "tokens.grid", f"must be multiples of {halvings} for this network, not {list(tokens.grid)}"
    if tokens.tokenizer == "palette" and recipe.network.get("class_width") in (1, 2):
        given = recipe.network["class_width"]
        yield "network.class_width", f"must be 0, or at least 3 for the colours of a palette, not {given}"
    if recipe.network and recipe.network.get("family") not in ("unet", "transformer"):
        yield "network.family", f"must be unet or transformer, not {recipe.network.get('family')!r}"


def _agreement_of(defaults: Defaults, recipe: Recipe) -> Iterator[Problem]:
    granularities = recipe.tokens.granularities
    if granularities and defaults.granularity not in granularities:
        among = ", ".join(map(str, granularities))
        yield "defaults.granularity", f"must be among the tokens' granularities {among}, not {defaults.granularity}"
    if defaults.top_k > recipe.tokens.vocab_size:
        yield "defaults.top_k", f"must be at most the {recipe.tokens.vocab_size:,} classes, not {defaults.top_k:,}"
    if defaults.remask and defaults.corrector[0]:
        yield "defaults.remask", "must be 0 beside a corrector, which masks again as well"
