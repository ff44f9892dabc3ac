"""What a run shall be, between the form and the recipe: a base, and what the user changed of it. No widgets."""

import dataclasses
from pathlib import Path
from typing import Any

from studio.datasets.store import Dataset
from studio.files import write_atomic
from studio.media.gapped import valid
from studio.runtime.catalog import free_name
from studio.training.client import ask_worker
from studio.training.presets import SIZES, divisors, fine_tuning, new_model
from studio.training.recipe import Recipe, recipe_toml
from studio.training.run_folder import RECIPE
from studio.training.validation import Problem, problems
from studio.ui.train.watching import duration
from studio.ui.words import bytes_text, count

NEW = "new:"


@dataclasses.dataclass
class Plan:
    """start: the name of a bundle, or "new:" and a size. values: field → what the form holds, right or wrong."""

    start: str = ""
    bundle: Path | None = None
    modality: str = "image"
    name: str = "my-model"
    shape: dict[str, Any] = dataclasses.field(default_factory=dict)  # of a new model: tokenizer, side, length, …
    values: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def new(self) -> bool:
        return self.start.startswith(NEW)

    def base(self) -> Recipe:
        """The recipe before anything was changed. StudioError where the bundle cannot be fine-tuned."""
        if not self.new:
            assert self.bundle is not None
            return fine_tuning(self.bundle, self.name)
        size = self.start.removeprefix(NEW)
        shape = self.shape
        if self.modality == "image":
            side = shape.get("side", 32)
            tokenizer = shape.get("tokenizer", "palette")
            options = {"tokenizer": tokenizer, "grid": (side, side), "length": shape.get("length", 8)}
        else:
            options = {"grid": (shape.get("context", 256),), "vocab_size": shape.get("vocab_size", 4096)}
            options |= {"length": shape.get("length", 12)}
        return new_model(self.name, self.modality, size, **options)

    def recipe(self, dataset: Dataset | None) -> Recipe:
        """The base with what the form holds, and the dataset as its data."""
        recipe = self.base()
        rooms: dict[str, dict[str, Any]] = {"data": {}, "training": {}, "tokens": {}}
        for field, value in self.values.items():
            room, _, name = field.partition(".")
            rooms[room][name] = value
        if "granularities" in rooms["tokens"]:
            rooms["tokens"]["weights"] = ()
        data = dataclasses.replace(recipe.data, **rooms["data"])
        if dataset is not None:
            what = "pictures" if dataset.kind == "pictures" else "texts"
            # Names may hold anything, line ends too.
            source = " ".join(valid(Path(dataset.table["source"]).name).split())
            name = f"{source}: {len(dataset):,} {what}"
            data = dataclasses.replace(data, train=str(dataset.folder), name=name[:200])
        defaults = dict(recipe.defaults)
        granularities = rooms["tokens"].get("granularities", recipe.tokens.granularities)
        if isinstance(granularities, tuple) and granularities and defaults.get("granularity") not in granularities:
            defaults["granularity"] = granularities[0]
        return dataclasses.replace(
            recipe,
            data=data,
            tokens=dataclasses.replace(recipe.tokens, **rooms["tokens"]),
            training=dataclasses.replace(recipe.training, **rooms["training"]),
            defaults=defaults,
        )

    def problems(self, dataset: Dataset | None) -> list[Problem]:
        """All that is wrong, in the order of the form; the data last."""
        found = problems(self.recipe(dataset))
        if dataset is None:
            found.append(("data.train", "must be opened first: choose what to learn from"))
        return found


def starts(bundles: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Choices of what to begin with: (value, words), bundles as (name, title) first."""
    choices = [(name, f"Fine-tune {title}") for name, title in bundles]
    return choices + [(NEW + size, f"New, {size}: {words}") for size, words in SIZES.items()]


async def measured_words(recipe: Recipe, folder: Path) -> str:
    """What a worker measures of a few steps, in two sentences. folder: for what it needs meanwhile."""
    write_atomic(folder / RECIPE, recipe_toml(recipe).encode())
    told = await ask_worker(str(folder / RECIPE), "-o", str(folder), "--estimate")
    parts = f" in {told['parts']} parts" if told["parts"] > 1 else ""
    return (
        f"{told['parameters'] / 1e6:.1f} M parameters, up to {bytes_text(told['memory'])}. "
        f"{told['seconds_per_step']:.2f} s a step of {count(told['batch'], 'sample')}{parts} on {told['device']} "
        f"in {told['precision']}: about {duration(told['seconds'])} for {told['steps']:,} steps."
    )


def lengths(modality: str, tokenizer: str) -> tuple[int, ...]:
    """ℓ that are worth offering for a new model."""
    if modality == "text":
        return divisors(12)
    return (1, 2, 4, 8) if tokenizer == "palette" else (1, 2, 3, 4, 8)


def free_folder(runs: Path, name: str) -> Path:
    """A folder for a run of this name that is not taken: name, name-2, …

    Nor by a model that is there before the run has made its own, which would take its place.
    """
    return runs / free_name(name, runs)
