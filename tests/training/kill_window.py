"""Random kill -9 of the window, of its worker and of both at once, twenty of each: nothing is lost.

    python -m tests.training.kill_window [KILLS OF EACH KIND] [SECONDS]

A real window, offscreen, in a data folder of its own trains one run after the other, finds the one again that goes on
and resumes the one that broke off. What is checked: a worker whose window was killed is the one that the next window
finds; every run ends with the weights of a run that nobody killed, bit for bit; at the end the window closes by itself
and leaves no process, no lock and no half-written file. SECONDS: the longest life of a window or worker. Slow, so that
no test runs it.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from studio.training import run_folder
from studio.training.client import find_runs
from tests.training.kill import STEPS, differences, worker, write_recipe

KINDS = ("window", "worker", "both")


# ---- the window, a process of its own


def attend(recipe: Path) -> int:
    """The window, with somebody at it who starts runs one after the other and resumes what broke off."""
    from studio.training.recipe import load_recipe
    from studio.ui.app import StartOptions, start
    from studio.ui.tasks import spawn
    from studio.ui.train.workspace import TrainWorkspace
    from studio.ui.window import Window

    async def sit(window: Window) -> None:
        window.bring_to_front("train")
        train = window.workspace_named("train")
        assert isinstance(train, TrainWorkspace)
        while True:
            watch = train.watch
            print(json.dumps({"state": watch.state, "run": watch.name, "message": watch.message}), flush=True)
            if watch.state == "none" or (watch.state == "done" and not (recipe.parent / "enough").exists()):
                number = len(find_runs(train.runs_folder)) + 1
                await watch.begin(load_recipe(recipe), train.runs_folder / f"run-{number:03}")
            elif watch.state in ("lost", "failed"):
                await train.resume()
            elif watch.state == "done":
                window.leave()
                return
            await asyncio.sleep(0.05)

    def ready(window: Window) -> None:
        spawn(sit(window))

    return start(StartOptions(device="cpu", ready=ready))


# ---- whoever kills


class Opened:
    """A window's process and the state that it told last."""

    def __init__(self, home: Path, recipe: Path):
        environment = os.environ | {"PRIME_STUDIO_HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}
        command = [sys.executable, "-m", "tests.training.kill_window", "attend", str(recipe)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.told: dict[str, Any] = {}
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.told = json.loads(line)

    def wait_for(self, *states: str, seconds: float = 60) -> None:
        limit = time.monotonic() + seconds
        while self.told.get("state") not in states:
            if time.monotonic() > limit or self.process.poll() is not None:
                raise SystemExit(f"waited for {states}, the window says {self.told}")
            time.sleep(0.01)

    def gone(self) -> None:
        self.process.wait()
        self._reader.join()


def newest(home: Path) -> Path | None:
    runs = sorted((home / "runs").glob("run-*")) if (home / "runs").is_dir() else []
    return runs[-1] if runs else None


def kill(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def main(kills: int, seconds: float) -> int:
    rng = random.Random(0)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home, recipe = folder / "home", write_recipe(folder)
        if worker(recipe, folder / "whole").wait():
            raise SystemExit("the run that nobody kills failed")
        window = Opened(home, recipe)
        while min(counts[kind] for kind in KINDS) < kills:
            kind = rng.choice([kind for kind in KINDS if counts[kind] < kills])
            if kind == "worker":
                window.wait_for("running")
            time.sleep(rng.random() * seconds)
            run = newest(home)
            pid = run_folder.worker_pid(run) if run else None
            if kind == "worker" and not kill(pid):
                continue  # between two workers
            if kind != "worker":
                if kind == "both":
                    kill(pid)
                window.process.kill()
                window.gone()
                window = Opened(home, recipe)
                if kind == "window" and run and pid:
                    window.wait_for("running", "done", "starting")
                    after, went_on = newest(home), run_folder.worker_pid(run)
                    if after == run and went_on not in (pid, None):
                        raise SystemExit(f"another worker ({went_on}) took the place of {pid}, which was not killed")
            counts[kind] += 1
            step = run_folder.checkpoints(run)[-1:] if run else []
            print(f"{kind} {counts[kind]}: {run.name if run else 'no run'}, step {step and step[0].step}", flush=True)
        (folder / "enough").touch()
        if (code := window.process.wait(300)) != 0:
            raise SystemExit(f"the window ended with {code}")
        window.gone()
        return _look(folder, home, counts)


def _look(folder: Path, home: Path, counts: Counter[str]) -> int:
    """What is there at the end."""
    wrong = []
    runs = sorted((home / "runs").iterdir())
    for run in runs:
        wrong += [f"{run.name}: {what}" for what in differences(folder / "whole", run)]
        listed = {entry.file for entry in run_folder.checkpoints(run)}
        files = [file.relative_to(run) for file in run.rglob("*") if file.is_file()]
        wrong += [f"{run.name}: left {file}" for file in files if file.name.startswith(".")]
        wrong += [f"{run.name}: unlisted {file}" for file in files if file.suffix == ".pt" and str(file) not in listed]
        if run_folder.is_running(run):
            wrong.append(f"{run.name}: still locked")
        steps = [json.loads(line)["event"] for line in (run / run_folder.EVENTS).read_text().splitlines()]
        if steps[-1] != "end":
            wrong.append(f"{run.name}: its last event is {steps[-1]}")
    if (home / "studio.lock").exists():
        wrong.append("the window's lock is still there")
    limit = time.monotonic() + 30  # the last worker has told its end and takes its leave
    while _processes(home) and time.monotonic() < limit:
        time.sleep(0.1)
    wrong += [f"process {pid} is still there" for pid in _processes(home)]
    print(f"{dict(counts)} kills, {len(runs)} runs of {STEPS} steps: {wrong or 'bit-identical, nothing left behind'}")
    return 1 if wrong else 0


def _processes(home: Path) -> list[int]:
    """Processes whose data folder this is."""
    found, mark = [], f"PRIME_STUDIO_HOME={home}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["attend"]:
        sys.exit(attend(Path(sys.argv[2])))
    numbers = [float(argument) for argument in sys.argv[1:]]
    sys.exit(main(int(numbers[0]) if numbers else 20, numbers[1] if len(numbers) > 1 else 5.0))
