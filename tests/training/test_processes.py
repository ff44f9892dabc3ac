"""`accelerate launch` with two processes on a CPU: the same run as one process, in half the pieces.

--multi_gpu stands for "several processes": with --cpu accelerate wants MPI. The recipe's device keeps them on the CPU.
"""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from studio.training.recipe import Recipe, recipe_toml
from studio.training.run_folder import EVENTS
from studio.training.saving import load_checkpoint

ROOT = Path(__file__).parents[2]


def launch(processes: int, recipe: Path, folder: Path, notes: Path) -> subprocess.CompletedProcess[str]:
    notes.mkdir()
    script = str(ROOT / "tests" / "training" / "two_processes.py")
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1"]
    launcher += [
        "--num_processes",
        str(processes),
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        "0",
    ]
    command = [*launcher, script, str(recipe), "-o", str(folder)] if processes > 1 else [sys.executable, script]
    command = command if processes > 1 else [*command, str(recipe), "-o", str(folder)]
    environment = os.environ | {"NOTES": str(notes), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)


def losses(folder: Path) -> np.ndarray:
    events = [json.loads(line) for line in (folder / EVENTS).read_text().splitlines()]
    return np.array([event["loss"] for event in events if event["event"] == "step"])


def seen(notes: Path) -> dict[int, list[int]]:
    """step → what all processes together looked at."""
    steps: dict[int, list[int]] = {}
    for file in notes.iterdir():
        for line in file.read_text().splitlines():
            step, *indices = map(int, line.split())
            steps.setdefault(step, []).extend(indices)
    return steps


def test_two_processes_learn_as_one(text_recipe: Recipe, tmp_path: Path):
    settings = dataclasses.replace(text_recipe.training, steps=60, batch=16, learning_rate=5e-3, device="cpu")
    recipe = dataclasses.replace(text_recipe, training=settings)
    (tmp_path / "recipe.toml").write_text(recipe_toml(recipe), encoding="utf-8")
    for processes in (1, 2):
        folder, notes = tmp_path / f"run-{processes}", tmp_path / f"notes-{processes}"
        result = launch(processes, tmp_path / "recipe.toml", folder, notes)
        assert result.returncode == 0, result.stderr[-2000:]
        assert len(list(notes.iterdir())) == processes

    one, two = seen(tmp_path / "notes-1"), seen(tmp_path / "notes-2")
    assert len(one) == len(two) == 60
    for step in one:  # the same samples in the same step, each of them once
        assert sorted(one[step]) == sorted(two[step])
        assert len(set(two[step])) == 16
    start = json.loads((tmp_path / "run-2" / EVENTS).read_text().splitlines()[-1])
    assert start["event"] == "end"
    batches = _samples(tmp_path / "run-2") // 16
    epoch = [index for step in range(batches) for index in two[step]]
    assert len(epoch) == len(set(epoch))  # none twice in an epoch

    curves = [losses(tmp_path / f"run-{processes}") for processes in (1, 2)]
    assert len(curves[0]) == len(curves[1]) == 60
    # The masks are drawn anew in every process, so the curves agree within their noise only.
    for part in (slice(0, 20), slice(20, 40), slice(40, 60)):
        a, b = curves[0][part], curves[1][part]
        noise = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
        assert abs(a.mean() - b.mean()) < 4 * noise, (part, a.mean(), b.mean(), noise)
    assert curves[1][40:].mean() < 0.97 * curves[1][:10].mean()
    assert load_checkpoint(tmp_path / "run-2" / "checkpoint.pt")["step"] == 60


def _samples(folder: Path) -> int:
    events = [json.loads(line) for line in (folder / EVENTS).read_text().splitlines()]
    return next(event["samples"] for event in events if event["event"] == "start")


@pytest.mark.parametrize("processes", [2])
def test_a_stop_reaches_all_processes(text_recipe: Recipe, tmp_path: Path, processes: int):
    recipe = dataclasses.replace(
        text_recipe, training=dataclasses.replace(text_recipe.training, steps=100_000, batch=4, device="cpu")
    )
    (tmp_path / "recipe.toml").write_text(recipe_toml(recipe), encoding="utf-8")
    folder = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_machines",
        "1",
        "--num_processes",
    ]
    command += [
        str(processes),
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        "0",
        "-m",
        "studio.training.worker",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    complaints = tmp_path / "complaints.txt"
    with (
        complaints.open("w") as stderr,
        subprocess.Popen(
            [*command, str(tmp_path / "recipe.toml"), "-o", str(folder)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environment,
        ) as process,
    ):
        assert process.stdout
        for line in process.stdout:
            if line.startswith("{") and json.loads(line)["event"] == "step":
                from studio.training.run_folder import ask

                ask(folder, "stop")
                break
        rest = process.stdout.read()
        assert process.wait(120) == 0, complaints.read_text()
    assert '"reason": "stop"' in rest, complaints.read_text()
