import dataclasses
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.cli import main
from studio.training import worker
from studio.training.recipe import Recipe, recipe_table
from studio.training.run_folder import EVENTS, EventReader, checkpoints, is_running
from studio.training.saving import load_checkpoint
from studio.training.sitting import Teller


def toml(table: dict[str, Any], prefix: str = "") -> str:
    """Enough of TOML for a recipe."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in plain.items())
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    return text + "".join(f"[{prefix}{key}]\n{toml(value, f'{prefix}{key}.')}" for key, value in tables.items())


def start(recipe: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "studio.training.worker", str(recipe), "-o", str(folder), *more]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", ["line", "signal"])
def test_a_worker_that_is_asked_to_stop_leaves_a_checkpoint(how: str, text_recipe: Recipe, tmp_path: Path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(toml(recipe_table(text_recipe)))
    with start(recipe, tmp_path / "run", "--steps", "100000") as worker:
        assert worker.stdin
        assert worker.stdout
        events = []
        for line in worker.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "step" and events[-1]["step"] == 3:
                if how == "signal":
                    worker.terminate()
                else:
                    worker.stdin.write("stop\n")
                    worker.stdin.flush()
        assert worker.wait(60) == 0
    assert events[0]["event"] == "hello"
    assert [event["event"] for event in events[-2:]] == ["checkpoint", "end"]
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] == events[-1]["step"] < 100000


def test_a_worker_that_is_killed_goes_on_to_the_same_weights(text_recipe: Recipe, tmp_path: Path):
    settings = dataclasses.replace(text_recipe.training, steps=12, checkpoint_minutes=0)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(toml(recipe_table(dataclasses.replace(text_recipe, training=settings))))
    with start(recipe, tmp_path / "whole") as worker:
        worker.communicate(timeout=120)
    with start(recipe, tmp_path / "killed") as worker:
        assert worker.stdout
        for line in worker.stdout:
            if json.loads(line)["event"] == "checkpoint" and json.loads(line)["step"] >= 4:
                worker.kill()
                break
        worker.communicate(timeout=60)
    assert worker.returncode == -9
    assert not is_running(tmp_path / "killed")
    assert 4 <= checkpoints(tmp_path / "killed")[-1].step < 12
    with start(recipe, tmp_path / "killed", "--resume") as worker:
        worker.communicate(timeout=120)
    whole, killed = (load_checkpoint(tmp_path / part / "checkpoint.pt") for part in ("whole", "killed"))
    assert whole["step"] == killed["step"] == 12
    for name, value in whole["model"].items():
        assert torch.equal(value, killed["model"][name]), name


def test_a_worker_whose_reader_is_gone_goes_on(text_recipe: Recipe, tmp_path: Path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(toml(recipe_table(text_recipe)))
    with start(recipe, tmp_path / "run") as worker:
        assert worker.stdout
        worker.stdout.readline()
        worker.stdout.close()
        assert worker.wait(120) == 0
    events = [json.loads(line)["event"] for line in (tmp_path / "run" / EVENTS).read_text().splitlines()]
    assert events[0] == "hello"
    assert events[-1] == "end"
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


def test_what_the_user_can_mend_is_an_event(tmp_path: Path):
    with start(tmp_path / "missing.toml", tmp_path / "run") as worker:
        output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 2
    event = json.loads(output)
    assert event["event"] == "error"
    assert "missing.toml" in event["message"]


def test_without_torch_it_says_what_to_install(tmp_path: Path, text_recipe: Recipe):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(toml(recipe_table(text_recipe)))
    code = "import sys; sys.modules['torch'] = None; from studio.training import worker; sys.exit(worker.main())"
    command = [sys.executable, "-c", code, str(recipe), "-o", str(tmp_path / "run")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    event = json.loads(result.stdout.splitlines()[-1])
    assert event["event"] == "error"
    assert "PyTorch" in event["message"]
    assert not result.stderr


def test_a_package_that_is_too_old_keeps_its_words(
    tmp_path: Path, text_recipe: Recipe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(toml(recipe_table(text_recipe)))

    def too_old(*args: object, **options: object) -> None:
        import_module("onnxscript.no_such_part")

    monkeypatch.setattr(worker, "_work", too_old)
    # The module that is imported by its name: another test may have had it imported anew.
    monkeypatch.setattr(import_module("studio.training.commands"), "sit", too_old)
    assert worker.main([str(recipe), "-o", str(tmp_path / "run")]) == 1
    assert "No module named 'onnxscript.no_such_part'" in json.loads(capsys.readouterr().out)["message"]
    with pytest.raises(ModuleNotFoundError, match=r"onnxscript\.no_such_part"):
        main(["train", str(recipe), "-o", str(tmp_path / "run")])


def test_what_a_worker_tells_after_a_line_that_was_cut_short_is_a_line(tmp_path: Path):
    (tmp_path / EVENTS).write_text('{"event": "log"}\n{"event": "st')
    teller = Teller(lambda event: None)
    teller.record(tmp_path, fresh=False)
    teller.tell({"event": "hello"})
    teller.close()
    assert [event["event"] for event in EventReader(tmp_path).read()] == ["log", "hello"]


def test_an_export_that_fails_is_no_end_of_the_run(text_recipe: Recipe, tmp_path: Path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(toml(recipe_table(text_recipe)))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / EVENTS).write_text('{"event": "end", "step": 3}\n')
    with start(recipe, tmp_path / "run", "--export", str(tmp_path / "bundle")) as worker:
        output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 2
    assert json.loads(output)["event"] == "error"
    assert [event["event"] for event in EventReader(tmp_path / "run").read()] == ["end"]
