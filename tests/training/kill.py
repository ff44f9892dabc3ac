"""Twenty random kill -9 of a run: it ends with the weights of the run that was never killed, bit for bit.

    python tests/training/kill.py [ROUNDS] [SECONDS]

Slow, so that no test runs it; tests/training/test_worker.py kills once. SECONDS: the longest life of a worker.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from studio.training import run_folder
from studio.training.saving import load_checkpoint

STEPS = 400


def write_recipe(folder: Path) -> Path:
    """A tiny text run that saves after every step."""
    from studio.training.presets import new_model
    from studio.training.recipe import recipe_toml

    lines = [
        f"The {a} cat and the {b} dog met number {a * b} on the way to town {b - a}.\n"
        for a in range(60)
        for b in range(40)
    ]
    (folder / "text.txt").write_text("".join(lines))
    recipe = new_model("kill", "text", "tiny", grid=(16,), vocab_size=300, length=3)
    from dataclasses import replace

    settings = replace(recipe.training, steps=STEPS, batch=4, checkpoint_minutes=0, preview_every=0, keep=2)
    settings = replace(settings, evaluate_every=150, precision="no", report_every=1, device="cpu")
    network = recipe.network | {"width": 36, "blocks": 1, "heads": 2}
    data = replace(recipe.data, train=str(folder / "text.txt"))
    recipe = replace(recipe, training=settings, network=network, data=data)
    (folder / "recipe.toml").write_text(recipe_toml(recipe), encoding="utf-8")
    return folder / "recipe.toml"


def worker(recipe: Path, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "studio.training.worker", str(recipe), "-o", str(folder), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def main(rounds: int, seconds: float) -> int:
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipe = write_recipe(folder)
        if worker(recipe, folder / "whole").wait():
            raise SystemExit("the run that nobody kills failed")
        kills = 0
        while kills < rounds:
            resume = ["--resume"] if (folder / "killed" / run_folder.CHECKPOINT).exists() else []
            process = worker(recipe, folder / "killed", *resume)
            before = step_of(folder / "killed")
            limit = time.monotonic() + 60
            while step_of(folder / "killed") == before and process.poll() is None and time.monotonic() < limit:
                time.sleep(0.01)
            time.sleep(rng.random() * seconds)
            process.kill()
            if process.wait() != -9:
                break  # it was done before it was killed
            kills += 1
            print(f"kill {kills} after step {step_of(folder / 'killed')}", flush=True)
        if step_of(folder / "killed") < STEPS and worker(recipe, folder / "killed", "--resume").wait():
            raise SystemExit("the last part failed")
        wrong = differences(folder / "whole", folder / "killed")
        print(f"{kills} kills, {STEPS} steps: {'DIFFERENT: ' + ', '.join(wrong) if wrong else 'bit-identical'}")
        return 1 if wrong else 0


def differences(one: Path, other: Path) -> list[str]:
    """What two runs' newest checkpoints do not have in common, of the weights and their averages; both are finished."""
    first, second = (load_checkpoint(folder / run_folder.CHECKPOINT) for folder in (one, other))
    wrong = [f"it stands at step {state['step']}" for state in (first, second) if state["step"] != STEPS]
    for name, value in first["model"].items():
        if not torch.equal(value, second["model"][name]):
            wrong.append(f"weights {name}")
    for name, value in first["ema"]["shadow"].items():
        if not torch.equal(value, second["ema"]["shadow"][name]):
            wrong.append(f"averages {name}")
    return wrong


def step_of(folder: Path) -> int:
    entries = run_folder.checkpoints(folder)
    return entries[-1].step if entries else -1


if __name__ == "__main__":
    numbers = [float(argument) for argument in sys.argv[1:]]
    sys.exit(main(int(numbers[0]) if numbers else 20, numbers[1] if len(numbers) > 1 else 0.5))
