"""Recipes to begin with: a bundle to be fine-tuned, or a new model of one of three sizes. Without torch."""

import json
import math
from pathlib import Path
from typing import Any

from studio.errors import StudioError
from studio.prime.subtokens import smallest_base
from studio.runtime.format import MANIFEST
from studio.training.recipe import DataSettings, Recipe, TokenSettings, TrainingSettings

SIZES = {
    "tiny": "learns in minutes on two cores; rough",
    "small": "as the shipped models; hours on two cores",
    "base": "wants a GPU",
}

_UNETS: dict[str, dict[str, Any]] = {
    "tiny": {"widths": (32, 64, 96), "blocks": (1, 1, 1), "attention": (4,), "head_channels": 32},
    "small": {"widths": (64, 128, 192), "blocks": (1, 2, 2), "attention": (4,), "head_channels": 32},
    "base": {"widths": (128, 256, 384), "blocks": (2, 3, 3), "attention": (2, 4), "head_channels": 64},
}
_TRANSFORMERS = {"tiny": (144, 3, 4), "small": (264, 5, 6), "base": (528, 10, 8)}  # width, blocks, heads
_TRAINING: dict[str, dict[str, Any]] = {
    "tiny": {"steps": 3000, "batch": 16, "learning_rate": 2e-3},
    "small": {"steps": 6000, "batch": 16, "learning_rate": 1e-3},
    "base": {"steps": 100_000, "batch": 128, "learning_rate": 5e-4},
}


def fine_tuning(bundle: Path, name: str) -> Recipe:
    """A recipe that goes on from a bundle's weights, with its tokenizer, sizes and sampler defaults.

    StudioError where the folder is no bundle or holds no weights to go on from.
    """
    try:
        manifest = json.loads((bundle / MANIFEST).read_bytes())
        tokens = TokenSettings(
            tokenizer=manifest["tokenizer"]["kind"],
            grid=tuple(manifest["grid"]),
            vocab_size=manifest["vocab_size"],
            length=manifest["length"],
            base=manifest["base"],
            granularities=tuple(manifest["granularities"]),
        )
        network = manifest.get("network") or {}
        if not network.get("family") or not (bundle / "weights.safetensors").is_file():
            raise StudioError(f"{manifest.get('title', bundle.name)} holds no weights to go on from: choose another.")
        schedule = str(manifest.get("schedule", "linear"))
        exponent = float(schedule.removeprefix("poly")) if schedule.startswith("poly") else 1.0
        return Recipe(
            name=name,
            modality=manifest["modality"],
            title=f"{name}, from {manifest['title']}"[:200],
            description=f"Fine-tuned from {manifest['name']}.",
            licence=manifest["licence"],
            notices=tuple(manifest.get("notices", ())),
            init=str(bundle),
            tokens=tokens,
            training=TrainingSettings(
                steps=600,
                batch=16 if manifest["modality"] == "image" else 8,
                learning_rate=3e-4,
                optimizer="muon",
                warmup=20,
                decay=0.5,
                ema=0.99,
                alpha_exponent=exponent,
                evaluate_every=100,
                preview_every=100,
                checkpoint_minutes=2.0,
            ),
            network={key: tuple(value) if isinstance(value, list) else value for key, value in network.items()},
            defaults=dict(manifest.get("defaults", {})),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudioError(f"{bundle.name} is no model that can be fine-tuned: choose another one.") from error


def new_model(
    name: str,
    modality: str,
    size: str,
    *,
    tokenizer: str = "",
    grid: tuple[int, ...] = (),
    vocab_size: int = 0,
    length: int = 0,
    data: DataSettings | None = None,
) -> Recipe:
    """A recipe for a model from nothing; what is left out is as in the shipped models. StudioError for a bad size."""
    if size not in SIZES:
        raise StudioError(f"A size is one of {', '.join(SIZES)}, not {size!r}.")
    picture = modality == "image"
    tokenizer = tokenizer or ("palette" if picture else "bpe")
    grid = grid or ((32, 32) if picture else (256,))
    vocab_size = vocab_size or (256 if picture else 4096)
    length = length or (8 if picture else 12)
    tokens = TokenSettings(
        tokenizer=tokenizer,
        grid=grid,
        vocab_size=vocab_size,
        length=length,
        base=smallest_base(vocab_size, length),
        granularities=divisors(length),
        weights=tuple(4.0 if granularity == 1 else 1.0 for granularity in divisors(length)),
    )
    settings = dict(_TRAINING[size])
    if not picture:  # a text has more tokens in a sample, and more classes
        settings["batch"] = max(8, settings["batch"] // 2)
    training = TrainingSettings(optimizer="muon", ema=0.998, decay=0.3, **settings)
    augmented = {"flip": True, "shift": 2} if picture else {}
    defaults: dict[str, Any] = {"steps": 32, "granularity": 1}
    if picture:
        defaults |= {"schedule": "cosine", "policy": "even", "remask": 0.3}
        defaults |= {"temperature": 0.9, "temperature_slope": [-0.5, 1.0]}
    else:
        defaults |= {"schedule": "linear", "policy": "even", "temperature": 0.8, "top_p": 0.8}
    return Recipe(
        name=name,
        modality=modality,
        title=name.replace("-", " ").replace("_", " "),
        data=data or DataSettings(**augmented),
        tokens=tokens,
        training=training,
        network=_unet(size, length) if picture else _transformer(size, length),
        defaults=defaults,
    )


def _unet(size: str, length: int) -> dict[str, Any]:
    # The input's width, ℓ·digit_width + class_width + 1, must be a multiple of 32.
    sizes = {"digit_width": 32 // math.gcd(32, length), "class_width": 31, "head_kernel": 1}
    return {"family": "unet", **_UNETS[size], **sizes}


def _transformer(size: str, length: int) -> dict[str, Any]:
    width, blocks, heads = _TRANSFORMERS[size]
    step = math.lcm(length, 2 * heads)
    sizes = {"width": math.ceil(width / step) * step, "blocks": blocks, "heads": heads}
    return {"family": "transformer", **sizes, "cond_width": 4, "tied": True}


def divisors(length: int) -> tuple[int, ...]:
    """The granularities that ℓ allows."""
    return tuple(number for number in range(1, length + 1) if length % number == 0)
