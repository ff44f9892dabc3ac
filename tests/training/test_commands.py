"""What `prime-studio train` tells in a shell."""

import dataclasses
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from studio import cli
from studio.errors import StudioError
from studio.training import export as export_module
from studio.training import trainer, worker
from studio.training.commands import _data_in, _ProgressLine
from studio.training.control import Diverged
from studio.training.networks import build_network
from studio.training.prepare import take_weights
from studio.training.presets import fine_tuning
from studio.training.recipe import DataSettings, Recipe, load_recipe, recipe_toml
from studio.training.run_folder import EventReader, is_foreign


def told(*events: dict, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    with _ProgressLine(console) as line:
        for event in events:
            line.show(event)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


STEP = {"event": "step", "step": 20, "steps": 600, "loss": 1.2345, "samples_per_second": 27.06, "seconds_left": 35.2}
EVALUATION = {"event": "evaluation", "step": 25, "held_out": 0.987654, "bound": 1.5, "best": True}


def test_the_held_out_figure_is_told_once_it_is_known():
    before, evaluation, after = told(STEP, EVALUATION, STEP)
    assert before == "step 20/600 · loss 1.234 · 27.1 samples/s · 35 s left"
    assert evaluation == "step 25: bound 1.500 bits a token, the best so far"
    assert after == "step 20/600 · loss 1.234, held out 0.988 · 27.1 samples/s · 35 s left"


def test_the_end_is_told_and_no_line_wraps():
    start = {"event": "start", "step": 0, "steps": 600, "parameters": 8_891_532, "samples": 123456}
    checkpoint = {"event": "checkpoint", "step": 600, "path": "/" + "long/" * 40, "best": False}
    end = {"event": "end", "step": 600, "samples": 9600, "finished": True, "reason": "finished"}
    lines = told(start, EVALUATION, STEP | {"seconds_left": 12345}, checkpoint, end)
    assert lines[-1] == "step 600: finished"
    assert len(lines) == 5 and all(len(line) <= 80 for line in lines)


def test_a_run_from_the_shell_can_be_followed_like_any_other(
    text_recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    recipe, folder = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_bytes(recipe_toml(text_recipe).encode())
    assert cli.main(["train", str(recipe), "-o", str(folder)]) == 0
    told = EventReader(folder).read()
    assert [told[0]["event"], told[-1]["event"]] == ["hello", "end"]
    assert {"start", "step", "checkpoint"} <= {event["event"] for event in told}
    # A second one is refused, and the first keeps what it told.
    assert cli.main(["train", str(recipe), "-o", str(folder)]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert EventReader(folder).read() == told


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_from_the_shell_that_is_stopped_keeps_a_checkpoint(
    number: signal.Signals, text_recipe: Recipe, tmp_path: Path
):
    recipe, folder = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_bytes(recipe_toml(text_recipe).encode())
    command = [sys.executable, "-m", "studio", "train", str(recipe), "-o", str(folder), "--steps", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if line.startswith("step "):
                process.send_signal(number)
                break
        process.communicate(timeout=60)
    assert process.returncode == 128 + number  # so that `train && export` does not go on
    end = EventReader(folder).read()[-1]
    assert (end["event"], end["reason"]) == ("end", "stop") and (folder / "checkpoint.pt").is_file()
    assert cli.main(["train", str(recipe), "-o", str(folder), "--steps", str(end["step"] + 1), "--resume"]) == 0


def test_a_folder_of_other_things_is_no_place_for_a_run(
    text_recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    recipe, folder = tmp_path / "recipe.toml", tmp_path / "data"
    recipe.write_bytes(recipe_toml(text_recipe).encode())
    folder.mkdir()
    (folder / "picture.png").touch()
    (folder / "recipe.toml").write_bytes(recipe.read_bytes())
    for start in (cli.main, lambda arguments: worker.main(arguments[1:])):
        before = {path: path.read_bytes() for path in folder.iterdir()}
        assert start(["train", str(recipe), "-o", str(folder)]) == 2
        said = capsys.readouterr()
        assert "holds other things than a run" in said.err + said.out
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
    for name in ("worker.lock", "events.jsonl"):  # a run was here: it was refused, or it is to be resumed
        (folder / name).touch()
        assert not is_foreign(folder)
        (folder / name).unlink()
    (folder / "picture.png").unlink()
    assert not is_foreign(folder) and not is_foreign(tmp_path / "new")


@pytest.mark.parametrize("error, diverged", [(Diverged("It is no number."), True), (StudioError("No data."), None)])
def test_a_run_from_the_shell_says_why_it_broke_off(
    error: StudioError, diverged: bool | None, text_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(trainer, "train", fails)
    recipe, folder = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_bytes(recipe_toml(text_recipe).encode())
    folder.mkdir()
    (folder / "recipe.toml").write_bytes(recipe.read_bytes())  # it had begun
    assert cli.main(["train", str(recipe), "-o", str(folder)]) == 2
    end = EventReader(folder).read()[-1]
    assert (end["event"], end["message"], end.get("diverged")) == ("error", str(error), diverged)


@pytest.mark.parametrize("run", ["run", "run/checkpoint.pt", "run/checkpoints/best.pt"])
def test_a_model_is_put_into_the_run_it_was_made_of(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for name in ("checkpoint.pt", "checkpoints/best.pt"):
        (tmp_path / "run" / name).touch()
    asked: list[Any] = []
    monkeypatch.setattr(export_module, "export", lambda *paths, **options: asked.extend(paths))
    assert cli.main(["export", str(tmp_path / run)]) == 0
    assert asked[1] == tmp_path / "run" / "run"


def test_the_data_of_a_recipe_in_another_folder(tmp_path: Path):
    for name in ("train.npz", "valid.npz"):
        (tmp_path / name).touch()
    both = DataSettings(train="../far/train.npz", valid="../far/valid.npz")
    found = _data_in(tmp_path, both)
    assert (found.train, found.valid) == (str(tmp_path / "train.npz"), str(tmp_path / "valid.npz"))
    alone = _data_in(tmp_path, DataSettings(train="../far/train.npz"))  # a share of it is held out, as it was
    assert (alone.train, alone.valid) == (str(tmp_path / "train.npz"), "")
    assert _data_in(tmp_path, DataSettings()).train == str(tmp_path)
    with pytest.raises(StudioError, match=r"There is no .*nowhere: check what --data names"):
        _data_in(tmp_path / "nowhere", DataSettings())
    (tmp_path / "valid.npz").unlink()
    with pytest.raises(StudioError, match=r"no valid\.npz in .*data\.valid names.*my-pictures\.toml"):
        _data_in(tmp_path, both)


@pytest.mark.parametrize("name, start", [("my-pictures", "emoji-32"), ("my-texts", "storybook")])
def test_the_recipes_for_data_of_ones_own_go_on_from_what_ships(name: str, start: str, monkeypatch: pytest.MonkeyPatch):
    root = Path(__file__).resolve().parents[2]
    monkeypatch.chdir(root)
    recipe = load_recipe(f"models/recipes/{name}.toml")
    proposed = fine_tuning(Path("models") / start, name)  # as the window has it
    assert (recipe.name, recipe.init, recipe.data.train) == (name, proposed.init, "")
    assert (recipe.tokens, recipe.notices) == (proposed.tokens, proposed.notices)
    assert dataclasses.replace(recipe.training, checkpoint_minutes=2.0) == proposed.training
    take_weights(Path(recipe.init), build_network(recipe.network_settings()))


def test_the_recipe_that_the_documentation_prints_is_there():
    root = Path(__file__).resolve().parents[2]
    recipe = (root / "models" / "recipes" / "my-pictures.toml").read_text("utf-8")
    assert f"```toml\n{recipe}```\n" in (root / "docs" / "training.md").read_text("utf-8")


@pytest.mark.parametrize("minutes", ["0", "-1", "nan"])
def test_no_time_is_no_time_to_train(minutes: str, capsys: pytest.CaptureFixture[str]):
    recipe = Path(__file__).resolve().parents[2] / "models" / "recipes" / "storybook.toml"
    assert cli.main(["train", str(recipe), "--max-minutes", minutes]) == 2
    assert "--max-minutes must be more than 0" in capsys.readouterr().err


def test_a_run_has_a_folder_whose_name_can_be_written_down(capsys: pytest.CaptureFixture[str]):
    recipe = Path(__file__).resolve().parents[2] / "models" / "recipes" / "storybook.toml"
    assert cli.main(["train", str(recipe), "-o", "b\udcff"]) == 2
    assert "needs a name in UTF-8" in capsys.readouterr().err
