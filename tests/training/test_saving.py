"""Checkpoints that are kept, found again and stood in for; runs that cannot go on say why and leave a good one."""

import dataclasses
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from studio.errors import StudioError
from studio.training import machine, objective, run_folder
from studio.training.control import Control
from studio.training.learner import Learner
from studio.training.prepare import prepare
from studio.training.recipe import Recipe, recipe_toml
from studio.training.saving import load_checkpoint, load_newest, save_checkpoint
from studio.training.trainer import train


def quick(recipe: Recipe, **settings: Any) -> Recipe:
    return dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, **settings))


def state_of(step: int) -> dict[str, Any]:
    """All that a checkpoint needs, with next to nothing in it."""
    draws = torch.get_rng_state()
    state = {"recipe": "{}", "device": "CPU", "model": {"weight": torch.full((3,), step)}, "ema": {}, "optimizers": []}
    return state | {"generator": draws, "torch_rng": draws, "step": step, "samples": 4 * step, "seconds": 0.5}


def test_a_few_are_kept_and_the_best_is_marked(tmp_path: Path):
    for step, figure, best in ((1, 3.0, True), (2, 2.0, True), (3, 2.5, False), (4, 2.6, False), (5, 2.7, False)):
        save_checkpoint(tmp_path, state_of(step), figure, best, keep=2)
    entries = run_folder.checkpoints(tmp_path)
    assert [(entry.step, entry.held_out, entry.best) for entry in entries] == [
        (2, 2.0, True),
        (4, 2.6, False),
        (5, 2.7, False),
        (5, 2.7, False),
    ]
    assert entries[-1].file == run_folder.CHECKPOINT
    assert load_checkpoint(tmp_path / entries[0].file)["step"] == 2
    assert sorted(file.name for file in (tmp_path / "checkpoints").iterdir()) == [
        "best.pt",
        "step-00000004.pt",
        "step-00000005.pt",
    ]
    run_folder.rollback(tmp_path, entries[0])
    assert load_newest(tmp_path)[0]["step"] == 2
    assert load_checkpoint(tmp_path / "checkpoints" / "step-00000005.pt")["step"] == 5  # another file, not the same


@pytest.mark.parametrize("command", [["studio", "train"], ["studio.training.worker"]])
def test_a_run_that_is_refused_leaves_nothing(command: list[str], picture_recipe: Recipe, tmp_path: Path):
    data = dataclasses.replace(picture_recipe.data, train=str(tmp_path / "nowhere"))
    (tmp_path / "recipe.toml").write_text(recipe_toml(dataclasses.replace(picture_recipe, data=data)))
    # In a process of its own: a worker reads its standard input to the end.
    arguments = [sys.executable, "-m", *command, str(tmp_path / "recipe.toml"), "-o", str(tmp_path / "run")]
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2 and "There is no data" in done.stdout + done.stderr
    assert not (tmp_path / "run").exists()


def test_an_older_one_stands_in_for_a_damaged_one(tmp_path: Path):
    for step in (1, 2):
        save_checkpoint(tmp_path, state_of(step), None, False, keep=2)
    for file in (run_folder.CHECKPOINT, "checkpoints/step-00000002.pt"):
        (tmp_path / file).unlink()
        (tmp_path / file).write_bytes(b"PK nothing")
    state, note = load_newest(tmp_path)
    assert state["step"] == 1
    assert note
    assert "step 1 stands in" in note
    with pytest.raises(StudioError, match="no checkpoint"):
        load_newest(tmp_path / "empty")


@pytest.mark.parametrize("content", [{"hello": 1}, [1], {**state_of(1), "step": "one"}])
def test_a_file_of_torch_that_is_no_checkpoint(content: Any, tmp_path: Path):
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(StudioError, match="not a checkpoint of a run"):
        load_checkpoint(tmp_path / "checkpoint.pt")


def test_rolling_back_and_going_on_gives_the_run_that_would_have_been(picture_recipe: Recipe, tmp_path: Path):
    recipe = quick(picture_recipe, checkpoint_minutes=0)
    whole = load_checkpoint(train(recipe, tmp_path / "run"))
    entry = next(entry for entry in run_folder.checkpoints(tmp_path / "run") if entry.step == 4)
    run_folder.rollback(tmp_path / "run", entry)
    again = load_checkpoint(train(recipe, tmp_path / "run", resume=True))
    assert again["step"] == whole["step"] == 6
    for name, value in whole["model"].items():
        assert torch.equal(value, again["model"][name]), name


def test_a_disk_that_is_full_stops_the_run_and_keeps_the_last_good_one(picture_recipe: Recipe, tmp_path: Path):
    checkpoint = train(picture_recipe, tmp_path / "run", max_minutes=0)
    before = checkpoint.read_bytes()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 15, limits[1]))
        with pytest.raises(StudioError, match="Free some space"):
            train(picture_recipe, tmp_path / "run", resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert checkpoint.read_bytes() == before
    assert load_checkpoint(checkpoint)["step"] == 0


def test_data_that_are_gone_stop_the_run_with_a_checkpoint(picture_recipe: Recipe, tmp_path: Path):
    import shutil

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == 2:
            shutil.rmtree(tmp_path / "run" / "data")

    with pytest.raises(StudioError, match="are gone"):
        train(picture_recipe, tmp_path / "run", report=report)
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] == 2


def test_memory_that_runs_out_halves_what_goes_through_at_once(
    picture_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe = quick(picture_recipe)
    original = objective.masked_cross_entropy
    most = 1

    def hungry(network: Any, compatible: Any, tokens: torch.Tensor, *rest: Any) -> torch.Tensor:
        if len(tokens) > most:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory")
        return original(network, compatible, tokens, *rest)

    monkeypatch.setattr(objective, "masked_cross_entropy", hungry)
    events: list[dict[str, Any]] = []
    parts = load_checkpoint(train(recipe, tmp_path / "parts", report=events.append))
    assert [event["parts"] for event in events if event["event"] == "log"] == [2, 4]
    assert parts["parts"] == 4
    assert parts["step"] == 6
    most = 0
    with pytest.raises(StudioError, match="single sample"):
        train(recipe, tmp_path / "none")
    assert not machine.is_out_of_memory(RuntimeError("shape mismatch"))


def test_parts_of_a_batch_give_the_gradients_of_the_whole(text_recipe: Recipe, tmp_path: Path):
    prepared = prepare(text_recipe, tmp_path / "run")
    learner = Learner(Accelerator(cpu=True), text_recipe, prepared.network)
    tokens = torch.randint(text_recipe.tokens.vocab_size, (6, 16), generator=learner.generator)
    y = learner.hide(tokens)
    y[0] = learner.digits[tokens[0]]  # nothing to learn in this one
    results = []
    for parts in (1, 4, 6):
        learner.raw.zero_grad()
        loss = objective.backward(
            learner.accelerator, learner.network, learner.compatible, tokens, y, learner.mask_id, parts
        )
        results.append((loss, [p.grad.clone() for p in learner.raw.parameters() if p.grad is not None]))
    for loss, gradients in results[1:]:
        assert torch.allclose(loss, results[0][0], rtol=1e-5)
        for got, expected in zip(gradients, results[0][1], strict=True):
            assert torch.allclose(got, expected, rtol=1e-3, atol=1e-6)


def test_a_run_that_gets_no_better_ends_early(picture_recipe: Recipe, tmp_path: Path):
    recipe = quick(picture_recipe, steps=50, learning_rate=1e-9, warmup=0, evaluate_every=1, patience=2)
    events: list[dict[str, Any]] = []
    train(recipe, tmp_path / "run", report=events.append)
    assert events[-1]["reason"] == "early"
    assert not events[-1]["finished"]
    assert events[-1]["step"] < 50
    ended = events[-1]["step"]
    train(recipe, tmp_path / "run", resume=True, report=events.append)
    assert events[-1]["reason"] == "early"
    assert events[-1]["step"] >= ended + 2  # as patient as before


def test_pause_holds_and_the_rest_goes_on(picture_recipe: Recipe, tmp_path: Path):
    recipe = quick(picture_recipe, preview_every=3, evaluate_every=2)
    whole = load_checkpoint(train(picture_recipe, tmp_path / "whole"))
    control, events = Control(), []

    def report(event: dict[str, Any]) -> None:
        events.append(event["event"])
        if event["event"] == "step" and event["step"] == 2:
            for command in ("pause", "save", "sample"):
                control.ask(command)
        if event["event"] == "paused":
            control.ask("resume")

    parts = load_checkpoint(train(recipe, tmp_path / "parts", report=report, control=control))
    assert events.index("paused") < events.index("resumed")
    assert (tmp_path / "parts" / "previews" / "00000002.png").is_file()
    for name, value in whole["model"].items():  # looking at it changes nothing
        assert torch.equal(value, parts["model"][name]), name
