import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.errors import StudioError
from studio.prime.likelihood import Bound
from studio.training import objective, optim, trainer
from studio.training.control import Control
from studio.training.export import export
from studio.training.learner import Learner, Step
from studio.training.optim import learning_rate
from studio.training.recipe import Recipe, TrainingSettings, load_recipe, parse_recipe, recipe_table
from studio.training.run_folder import checkpoints
from studio.training.saving import load_checkpoint
from studio.training.trainer import train

ROOT = Path(__file__).parents[2]


def stop_at(step: int) -> dict[str, Any]:
    """Arguments of `train` that stop it after so many steps."""
    control = Control()

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == step:
            control.ask("stop")

    return {"control": control, "report": report}


def test_a_resumed_run_ends_with_the_same_weights(picture_recipe: Recipe, tmp_path: Path):
    whole = load_checkpoint(train(picture_recipe, tmp_path / "whole"))
    first = train(picture_recipe, tmp_path / "parts", **stop_at(2))
    assert load_checkpoint(first)["step"] == 2
    parts = load_checkpoint(train(picture_recipe, tmp_path / "parts", resume=True))
    assert parts["step"] == whole["step"] == 6
    for name, value in whole["model"].items():
        assert torch.equal(value, parts["model"][name]), name
    for name, value in whole["ema"]["shadow"].items():
        assert torch.equal(value, parts["ema"]["shadow"][name]), name


def test_resumed_with_another_optimizer_it_starts_afresh(picture_recipe: Recipe, tmp_path: Path):
    train(picture_recipe, tmp_path / "run", **stop_at(2))
    settings = dataclasses.replace(picture_recipe.training, optimizer="adamw")
    events: list[dict[str, Any]] = []
    recipe = dataclasses.replace(picture_recipe, training=settings)
    train(recipe, tmp_path / "run", resume=True, report=events.append)
    assert ["another optimiser" in event["message"] for event in events if event["event"] == "log"] == [True]
    assert events[-1]["finished"]


@pytest.mark.parametrize("changed", ["network", "tokens"])
def test_a_run_of_another_network_is_not_resumed(changed: str, picture_recipe: Recipe, tmp_path: Path):
    train(picture_recipe, tmp_path / "run", **stop_at(2))
    tokens = dataclasses.replace(picture_recipe.tokens, length=2, base=4, granularities=(1, 2))
    other = {
        "network": dataclasses.replace(picture_recipe, network=picture_recipe.network | {"widths": (32, 64)}),
        "tokens": dataclasses.replace(
            picture_recipe, tokens=tokens, network=picture_recipe.network | {"digit_width": 8}
        ),
    }[changed]
    before = (tmp_path / "run" / "recipe.toml").read_bytes()
    with pytest.raises(StudioError, match="another network"):
        train(other, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "recipe.toml").read_bytes() == before
    with pytest.raises(StudioError, match="another network"):
        export(tmp_path / "run" / "checkpoint.pt", tmp_path / "bundle", other)


def test_events_tell_the_story_and_the_loss_falls(text_recipe: Recipe, tmp_path: Path):
    settings = dataclasses.replace(text_recipe.training, steps=60, batch=32, learning_rate=5e-3, preview_every=99)
    recipe = dataclasses.replace(text_recipe, training=settings)
    events: list[dict] = []
    train(recipe, tmp_path / "run", report=events.append)
    story = [e["event"] for e in events if e["event"] not in ("step", "preparing")]
    assert story == ["start", "preview", "evaluation", "checkpoint", "preview", "checkpoint", "end"]
    losses = [e["loss"] for e in events if e["event"] == "step"]
    assert len(losses) == 60
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
    assert events[-1]["finished"]


class TwoSeconds:
    """A stopwatch by which every step takes two seconds."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def __enter__(self) -> None:
        self.seconds += 2

    def __exit__(self, *_: object) -> None:
        pass


def test_what_is_told_of_a_step(picture_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Bits, pace and time left, over both sittings of a run."""
    nats: list[float] = []
    learn = Learner.learn

    def noted(self: Learner, *arguments: Any) -> Step:
        taken = learn(self, *arguments)
        nats.append(taken.loss.item())
        return taken

    monkeypatch.setattr(trainer, "Stopwatch", TwoSeconds)
    monkeypatch.setattr(Learner, "learn", noted)
    events: list[dict] = []
    train(picture_recipe, tmp_path / "run", report=events.append, max_minutes=4 / 60)
    assert events[-1]["reason"] == "time"
    assert [event["seconds_left"] for event in events if event["event"] == "step"] == [2, 0]
    train(picture_recipe, tmp_path / "run", report=events.append, resume=True)
    steps = [event for event in events if event["event"] == "step"]
    assert [event["step"] for event in steps] == [1, 2, 3, 4, 5, 6]
    assert [event["loss"] for event in steps] == pytest.approx([loss / math.log(2) for loss in nats])
    assert [event["seconds"] for event in steps] == [2, 4, 6, 8, 10, 12]
    assert [event["seconds_left"] for event in steps[2:]] == [6, 4, 2, 0]
    assert {event["samples_per_second"] for event in steps} == {picture_recipe.training.batch / 2}
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["seconds"] == 12


def test_the_step_where_it_stands_is_told_however_it_ends(
    picture_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trainer, "Stopwatch", TwoSeconds)
    recipe = dataclasses.replace(picture_recipe, training=dataclasses.replace(picture_recipe.training, report_every=99))
    events: list[dict] = []
    train(recipe, tmp_path / "run", report=events.append, max_minutes=4 / 60)
    assert [event["step"] for event in events if event["event"] == "step"] == [2]
    train(recipe, tmp_path / "run", report=events.append, resume=True)
    assert [event["step"] for event in events if event["event"] == "step"] == [2, 5, 6]  # 5: six seconds are enough


def test_a_checkpoint_has_the_figure_of_its_own_step(picture_recipe: Recipe, tmp_path: Path):
    settings = dataclasses.replace(picture_recipe.training, evaluate_every=2)
    recipe = dataclasses.replace(picture_recipe, training=settings)

    def measured() -> dict[int, bool]:
        return {entry.step: entry.held_out is not None for entry in checkpoints(tmp_path / "run")}

    checkpoint = train(recipe, tmp_path / "run", **stop_at(3))
    assert measured() == {2: True, 3: False}
    state = load_checkpoint(checkpoint)
    del state["evaluated"]  # as an earlier version wrote it
    torch.save(state, checkpoint)
    train(recipe, tmp_path / "run", resume=True, max_minutes=0)
    assert measured() == {2: True, 3: False}
    train(recipe, tmp_path / "run", resume=True)
    assert measured()[6]


def test_the_averaged_weights_are_evaluated(picture_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[dict[str, torch.Tensor]] = []
    table, bound = trainer.cross_entropy_table, trainer.held_out_bound

    def noted(measure: Any) -> Any:
        def measured(network: torch.nn.Module, *arguments: Any, **options: Any) -> Any:
            seen.append({name: weight.detach().clone() for name, weight in network.named_parameters()})
            return measure(network, *arguments, **options)

        return measured

    monkeypatch.setattr(trainer, "cross_entropy_table", noted(table))
    monkeypatch.setattr(trainer, "held_out_bound", noted(bound))
    state = load_checkpoint(train(picture_recipe, tmp_path / "run"))
    assert len(seen) == 2
    for name, average in state["ema"]["shadow"].items():
        assert all(torch.equal(weights[name], average) for weights in seen), name
        assert not torch.equal(state["model"][name], average), name


def test_small_gains_add_up_to_a_better_one(picture_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each is less than what counts, two of them are more: the run is neither stopped nor is its best lost."""
    figures = iter(3 * (1 - 0.9e-4) ** count for count in range(6))
    monkeypatch.setattr(
        trainer, "held_out_bound", lambda *_: Bound("scripted", 1, next(figures) * math.log(2), 0.0, 1, 1)
    )
    settings = dataclasses.replace(picture_recipe.training, evaluate_every=1, patience=2)
    events: list[dict] = []
    train(dataclasses.replace(picture_recipe, training=settings), tmp_path / "run", report=events.append)
    assert [event["best"] for event in events if event["event"] == "evaluation"] == [True, False] * 3
    assert events[-1]["finished"]


def test_a_stopwatch_counts_what_is_inside(monkeypatch: pytest.MonkeyPatch):
    now = iter(range(100, 200, 10))
    monkeypatch.setattr(trainer.time, "monotonic", lambda: next(now))
    watch = trainer.Stopwatch(5)
    with watch:  # from 100
        assert watch.seconds == 5 + 10
    assert watch.seconds == 5 + 20  # to 120
    with watch:  # from 130 to 140
        pass
    assert watch.seconds == 5 + 30


def test_what_stands_is_not_overwritten(picture_recipe: Recipe, tmp_path: Path):
    with pytest.raises(StudioError, match="no checkpoint"):
        train(picture_recipe, tmp_path / "run", resume=True)
    checkpoint = train(picture_recipe, tmp_path / "run", max_minutes=0)
    with pytest.raises(StudioError, match="--resume"):
        train(picture_recipe, tmp_path / "run")
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(StudioError, match="not a readable checkpoint"):
        train(picture_recipe, tmp_path / "run", resume=True)


def test_a_loss_that_is_no_number_stops_the_run(
    picture_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    train(picture_recipe, tmp_path / "run", max_minutes=0)
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    original = objective.masked_cross_entropy
    monkeypatch.setattr(objective, "masked_cross_entropy", lambda *a: original(*a) * float("nan"))
    with pytest.raises(StudioError, match=r"no longer a number .* resume from step 0, the last good checkpoint\."):
        train(picture_recipe, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before
    with pytest.raises(StudioError, match=r"lower the learning rate and start again\."):
        train(picture_recipe, tmp_path / "other")


def test_weights_that_are_no_numbers_are_not_kept(
    picture_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The loss of the step that broke them was still one."""
    original = optim.Optimizers.step

    def step(self: optim.Optimizers, number: int) -> float:
        rate = original(self, number)
        with torch.no_grad():
            next(group["params"][0] for group in self.adamw.param_groups).fill_(float("inf"))
        return rate

    monkeypatch.setattr(optim.Optimizers, "step", step)
    once = dataclasses.replace(picture_recipe, training=dataclasses.replace(picture_recipe.training, steps=1))
    with pytest.raises(StudioError, match="no longer a number at step 1"):
        train(once, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


@pytest.mark.parametrize("field", ["loss", "norm"])
def test_a_step_that_found_no_number_stops_the_run(
    field: str, picture_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Clipped by an infinite norm, the gradients are zero and the weights as sound as before."""
    learn = Learner.learn
    monkeypatch.setattr(
        Learner, "learn", lambda *arguments: learn(*arguments)._replace(**{field: torch.tensor(math.inf)})
    )
    with pytest.raises(StudioError, match="no longer a number at step 1"):
        train(picture_recipe, tmp_path / "run")


def test_learning_rate_rises_stays_and_falls():
    settings = TrainingSettings(steps=100, warmup=10, decay=0.2, learning_rate=1.0)
    rates = [learning_rate(step, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:81] == [1.0] * 72
    assert rates[99] == pytest.approx(0.05)


@pytest.mark.parametrize("name", ["emoji-32", "storybook"])
def test_the_shipped_recipes_are_valid(name: str):
    recipe = load_recipe(ROOT / "models" / "recipes" / f"{name}.toml")
    assert recipe.name == name
    assert parse_recipe(recipe_table(recipe)) == recipe


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"name": "x", "modality": "sound"}, "modality"),
        ({"name": "x", "modality": "image", "colour": 1}, "colour"),
        ({"modality": "image"}, "name"),
        ({"name": "x", "modality": "image", "training": {"speed": 2}}, "speed"),
        ({"name": "x", "modality": "image", "training": {"batch": 0}}, "batch"),
        ({"name": "x", "modality": "image", "tokens": {"granularities": [3]}}, "divide"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(table: dict, word: str):
    with pytest.raises(StudioError, match=word) as error:
        parse_recipe(table)
    assert "\n" not in str(error.value)
