import dataclasses
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from studio.errors import StudioError
from studio.runtime import bundle
from studio.training.recipe import Recipe, load_recipe, parse_recipe, recipe_table, recipe_toml
from studio.training.validation import Defaults, is_name, problems
from tests.training.conftest import picture_table, text_table


def changed(recipe: Recipe, field: str, value: Any) -> Recipe:
    room, _, name = field.partition(".")
    if not name:
        return dataclasses.replace(recipe, **{room: value})
    return dataclasses.replace(recipe, **{room: dataclasses.replace(getattr(recipe, room), **{name: value})})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a/b"),
        ("name", ""),
        ("name", "aux"),
        ("modality", "sound"),
        ("title", "two\nlines"),
        ("data.train", "b\udcff.zip"),
        ("data.valid_share", 0.0),
        ("data.fit", "stretch"),
        ("data.shift", -1),
        ("data.flip", "yes"),
        ("tokens.tokenizer", "bpe"),
        ("tokens.grid", (32,)),
        ("tokens.grid", (0, 8)),
        ("tokens.grid", (512, 512)),
        ("tokens.vocab_size", 100),
        ("tokens.base", 1),
        ("tokens.granularities", ()),
        ("tokens.granularities", (3,)),
        ("tokens.weights", (1.0,)),
        ("tokens.weights", (1.0, 0.0, 1.0)),
        ("training.steps", 0),
        ("training.steps", 10.5),
        ("training.batch", True),
        ("training.learning_rate", 0),
        ("training.learning_rate", float("nan")),
        ("training.schedule", "steps"),
        ("training.decay", 1.5),
        ("training.betas", (0.9,)),
        ("training.optimizer", "sgd"),
        ("training.precision", "fp8"),
        ("training.device", "tpu"),
        ("training.ema", 1.0),
        ("training.patience", -1),
        ("training.keep", "many"),
        ("network", {"family": "mlp"}),
        ("title", "a\tb"),
        ("description", "a\tb"),
        ("notices", ("a", "b\r\n")),
        ("tokens.granularities", (4,) * 65),
        ("tokens.base", 1 << 18),
        ("tokens.length", 20),
    ],
)
def test_every_wrong_field_is_named(field: str, value: Any, tmp_path: Path):
    recipe = parse_recipe(picture_table(tmp_path))
    assert problems(recipe) == []
    first, sentence = problems(changed(recipe, field, value))[0]
    assert first == field or (field == "network" and first == "network.family")
    assert "\n" not in sentence


WRONG_DEFAULTS = [
    ("bogus key", 1),
    ("steps", 0),
    ("steps", "many"),
    ("steps", True),
    ("schedule", "poly0"),
    ("policy", "confidense"),
    ("granularity", 0),
    ("temperature", -1),
    ("temperature", 101.0),
    ("top_p", 0.0),
    ("top_p", 1.5),
    ("top_k", -1),
    ("remask", 1.1),
    ("draw", "twice"),
    ("temperature_slope", [0.5]),
    ("temperature_slope", [0.5, 0.0]),
    ("warp", [1.0, 1.0, 200.0]),
    ("corrector", [1.0, -1.0, 0.0]),
    ("corrector", 1.0),
]


@pytest.mark.parametrize(("name", "value"), WRONG_DEFAULTS)
def test_defaults_that_no_bundle_can_have_are_named(name: str, value: Any, tmp_path: Path):
    recipe = changed(parse_recipe(picture_table(tmp_path)), "defaults", {name: value})
    assert [field for field, _ in problems(recipe)] == [f"defaults.{name}"]
    with pytest.raises(ValidationError):
        bundle.Defaults.model_validate_json(json.dumps({name: value}))


@pytest.mark.parametrize(
    ("defaults", "field"),
    [
        ({"granularity": 3}, "granularity"),
        ({"top_k": 17}, "top_k"),
        ({"remask": 0.1, "corrector": [1, 0, 0]}, "remask"),
    ],
)
def test_defaults_fit_the_model(defaults: dict, field: str, tmp_path: Path):
    recipe = changed(parse_recipe(picture_table(tmp_path)), "defaults", defaults)
    assert [field for field, _ in problems(recipe)] == [f"defaults.{field}"]


def test_a_recipe_allows_what_a_bundle_can_have():
    assert dataclasses.asdict(Defaults()) == bundle.Defaults().model_dump()
    texts = ("a", "a.b_c-d", "", "a..b", "-a", "a/b", "a\n", "é", "a" * 64, "a" * 65, "con", "COM1.x", "cons")
    field = TypeAdapter(bundle.Manifest.__annotations__["name"])
    assert [is_name(text) for text in texts] == [True, True] + [False] * 6 + [True] + [False] * 3 + [True]
    for text in texts:
        with nullcontext() if is_name(text) else pytest.raises(ValidationError):
            field.validate_python(text)


def test_a_palette_has_room_for_its_colors(tmp_path: Path):
    recipe = parse_recipe(picture_table(tmp_path))
    for width, wrong in ((0, []), (1, ["network.class_width"]), (2, ["network.class_width"]), (3, [])):
        narrow = changed(recipe, "network", {**recipe.network, "class_width": width})
        assert [field for field, _ in problems(narrow)] == wrong


def test_digits_that_cannot_write_all_classes(tmp_path: Path):
    recipe = parse_recipe(text_table(tmp_path))
    assert problems(changed(recipe, "tokens.vocab_size", 513))[0][0] == "tokens.base"


def test_limits_are_told_in_the_digits_that_are_typed(tmp_path: Path):
    recipe = parse_recipe(picture_table(tmp_path))
    for field, value, words in (
        ("training.steps", 10**9, "must lie between 1 and 100,000,000, not be 1,000,000,000"),
        ("training.learning_rate", 1.5, "must lie between 1e-09 and 1, not be 1.5"),
    ):
        assert problems(changed(recipe, field, value)) == [(field, words)]


def test_all_problems_are_told_in_the_order_of_the_fields(tmp_path: Path):
    recipe = parse_recipe(picture_table(tmp_path))
    for field, value in (("training.batch", 0), ("data.shift", 99), ("name", "?")):
        recipe = changed(recipe, field, value)
    assert [field for field, _ in problems(recipe)] == ["name", "data.shift", "training.batch"]


def test_a_wrong_type_hides_no_wrong_value(tmp_path: Path):
    recipe = parse_recipe(picture_table(tmp_path))
    for field, value in (("training.batch", 0), ("training.learning_rate", "fast"), ("data.shift", 99), ("name", 3)):
        recipe = changed(recipe, field, value)
    found = dict(problems(recipe))
    assert list(found) == ["name", "data.shift", "training.batch", "training.learning_rate"]
    assert found["training.learning_rate"] == "must be a number, not 'fast'" and "must lie" in found["training.batch"]


def test_a_recipe_that_lacks_something_says_what():
    with pytest.raises(StudioError, match="lacks modality: add"):
        parse_recipe({"name": "a"})
    with pytest.raises(StudioError, match="granularities must be a list of numbers, not 'two'"):
        parse_recipe({"name": "a", "modality": "image", "tokens": {"granularities": "two"}})


@pytest.mark.parametrize("table", [picture_table, text_table])
def test_a_recipe_survives_its_file(table: Any, tmp_path: Path):
    recipe = parse_recipe(table(tmp_path))
    recipe = dataclasses.replace(recipe, title='Ü "quoted" \\ 🙂', notices=("a\nb", "c"))
    recipe = dataclasses.replace(recipe, network=recipe.network | {'an odd "key"': {"a.b": 1}})
    recipe = changed(recipe, "data.column", "tab\t \x7f")
    (tmp_path / "r.toml").write_text(recipe_toml(recipe), encoding="utf-8")
    again = load_recipe(tmp_path / "r.toml")
    assert again == parse_recipe(recipe_table(recipe))
    assert recipe_toml(again) == recipe_toml(recipe)
