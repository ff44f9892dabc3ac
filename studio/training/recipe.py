"""A recipe: everything a training run depends on, read from a TOML file."""

import dataclasses
import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.errors import StudioError


@dataclass(frozen=True)
class DataSettings:
    train: str = ""  # file, folder or dataset; relative paths count from the folder the program is started in
    valid: str = ""  # held-out data; if empty, a share of the training data that is held out by content
    valid_share: float = 0.05
    column: str = ""  # of a table; the first that fits if empty
    fit: str = "crop"  # how pictures of another shape are fitted: "crop" or "pad"
    name: str = ""  # what the data is, for the manifest
    flip: bool = False  # mirror half of the pictures
    shift: int = 0  # move pictures by up to so many pixels
    color_jitter: float = 0.0  # share of pictures whose colour channels are permuted


@dataclass(frozen=True)
class TokenSettings:
    tokenizer: str = "palette"  # "palette", "rgb" or "bpe"
    grid: tuple[int, ...] = (32, 32)  # (height, width), or (context,)
    vocab_size: int = 256
    length: int = 8  # ℓ, sub-tokens a token
    base: int = 2
    granularities: tuple[int, ...] = (1,)
    weights: tuple[float, ...] = ()  # how often each granularity is trained; equal if empty


@dataclass(frozen=True)
class TrainingSettings:
    steps: int = 10000
    batch: int = 32  # samples a step, over all processes together
    learning_rate: float = 1e-3
    warmup: int = 200  # steps of linear rise
    schedule: str = "linear"  # how the rate falls: "linear" or "cosine"
    decay: float = 0.2  # last share of the steps, in which the rate falls to zero
    optimizer: str = "adamw"  # "adamw", or "muon" for the hidden matrices and AdamW for the rest
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0  # largest norm of the gradient
    ema: float = 0.999
    precision: str = "auto"  # "bf16", "no" (float32) or "auto": bf16 where the device has units for it
    compile: bool = False
    device: str = "auto"  # "auto", "cpu" or "cuda"; `accelerate launch` takes more than one
    seed: int = 0
    region_share: float = 0.5  # samples that are masked inside a region only
    alpha_exponent: float = 1.0  # α = t**exponent, t uniform
    report_every: int = 20  # steps
    evaluate_every: int = 500  # steps
    preview_every: int = 500  # steps; 0 makes none
    patience: int = 0  # evaluations without a better figure after which the run stops; 0 goes on to the end
    checkpoint_minutes: float = 5.0
    keep: int = 3  # checkpoints, beside the newest and the best


@dataclass(frozen=True)
class Recipe:
    name: str
    modality: str  # "image" or "text"
    title: str = ""
    description: str = ""
    licence: str = "Apache-2.0"
    notices: tuple[str, ...] = ()
    init: str = ""  # folder of the bundle whose weights and tokenizer the run starts from
    data: DataSettings = field(default_factory=DataSettings)
    tokens: TokenSettings = field(default_factory=TokenSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    network: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)  # of the sampler, for the manifest

    @property
    def colors(self) -> int:
        """Tokens a pixel."""
        return 3 if self.tokens.tokenizer == "rgb" else 1

    @property
    def num_tokens(self) -> int:
        if self.modality == "text":
            return self.tokens.grid[0]
        return self.tokens.grid[0] * self.tokens.grid[1] * self.colors

    def network_settings(self) -> dict[str, Any]:
        """The [network] table with the sizes that follow from the tokens filled in."""
        tokens = self.tokens
        sizes: dict[str, Any] = {"vocab_size": tokens.vocab_size, "length": tokens.length, "base": tokens.base}
        if self.modality == "image":
            sizes |= {"height": tokens.grid[0], "width": tokens.grid[1], "colors": self.colors}
        else:
            sizes |= {"context": tokens.grid[0]}
        return sizes | self.network


def parse_recipe(table: dict[str, Any]) -> Recipe:
    """A recipe from nested dicts; StudioError names the first key or value that does not belong."""
    recipe = _build(Recipe, table, "recipe")
    check_recipe(recipe)
    return recipe


def load_recipe(path: str | Path) -> Recipe:
    """The recipe in a TOML file, checked. StudioError for a file that cannot be read, and for a wrong recipe."""
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise StudioError(f"Cannot read the recipe {path}: {error.strerror}. Put it there, or name another.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudioError(f"The recipe {path} is not valid TOML: {error}.") from error
    return parse_recipe(table)


def recipe_table(recipe: Recipe) -> dict[str, Any]:
    """The inverse of `parse_recipe`: plain dicts and lists."""
    return dataclasses.asdict(recipe)


def recipe_toml(recipe: Recipe) -> str:
    """The recipe as the text of a TOML file."""

    def write(table: dict[str, Any], prefix: str) -> str:
        # What JSON writes for strings, numbers, truth values and lists of them, TOML reads.
        plain = [
            f"{_toml_key(key)} = {json.dumps(value, ensure_ascii=False)}"
            for key, value in table.items()
            if not isinstance(value, dict)
        ]
        inner = [(_toml_key(key), value) for key, value in table.items() if isinstance(value, dict)]
        tables = [f"\n[{prefix}{key}]\n" + write(value, f"{prefix}{key}.") for key, value in inner]
        return "".join(f"{line}\n" for line in plain) + "".join(tables)

    return write(recipe_table(recipe), "").replace("\x7f", "\\u007f")


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _build(kind: type, table: dict[str, Any], where: str) -> Any:
    fields = {entry.name: entry for entry in dataclasses.fields(kind)}
    if unknown := set(table) - set(fields):
        raise StudioError(f"Unknown key in the {where}: {', '.join(sorted(unknown))}.")
    values = {}
    for name, value in table.items():
        if dataclasses.is_dataclass(fields[name].type):
            if not isinstance(value, dict):
                raise StudioError(f"The {where} needs a table [{name}], not a value.")
            value = _build(fields[name].type, value, f"recipe's [{name}]")  # type: ignore[arg-type]
        elif isinstance(value, list):
            value = tuple(value)
        values[name] = value
    needed = [name for name, entry in fields.items() if entry.default is entry.default_factory is dataclasses.MISSING]
    if missing := [name for name in needed if name not in values]:
        raise StudioError(f"The {where} lacks {', '.join(missing)}: add what is missing, as in the shipped recipes.")
    return kind(**values)


def check_recipe(recipe: Recipe) -> None:
    """StudioError with the first problem of a recipe, if there is one."""
    from studio.training.validation import problems

    for field_name, sentence in problems(recipe):
        raise StudioError(f"The recipe's {field_name} {sentence}.")
