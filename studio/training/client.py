"""The other end of a training process: start it, watch it, ask it, stop it, find it again. Neither torch nor Qt.

The worker is a process of its own session that writes its events to a file, so it goes on when the window closes or
dies, and whoever comes next finds it by the lock in the run's folder. One that was just started and one that was
found again are watched and asked in the same way.
"""

import asyncio
import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from studio.errors import StudioError
from studio.files import write_atomic
from studio.processes import child, environment
from studio.training import run_folder
from studio.training.recipe import Recipe, recipe_toml
from studio.training.run_folder import EventReader

POLL = 0.1  # seconds between two looks
_started: dict[int, subprocess.Popen[bytes]] = {}
"""Processes of ours: asked for their exit code now and then and at the end, so that none stays behind as a zombie."""


@atexit.register
def _let_go() -> None:
    for process in list(_started.values()):
        if process.poll() is not None:
            del _started[process.pid]


class Run:
    """A run's folder and the worker in it, if one is at work."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._reader = EventReader(folder)

    @property
    def running(self) -> bool:
        _let_go()
        return run_folder.is_running(self.folder)

    def ask(self, command: str) -> None:
        """pause, resume, sample, save or stop; StudioError where that cannot be written."""
        run_folder.ask(self.folder, command)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Everything that was told, from the beginning, and on as long as the worker lives.

        Where it died without a word, the last event is {"event": "lost", "message": …} with the end of its log.
        """
        last = ""
        while True:
            alive = self.running
            while events := self._reader.read(500):
                for event in events:
                    last = event["event"]
                    yield event
                await asyncio.sleep(0)  # others want the thread too
            if not alive:
                break
            await asyncio.sleep(POLL)
        if last not in ("end", "error"):
            yield self._lost()

    def ending(self) -> dict[str, Any]:
        """How a run that is not at work ended: its last event, or {"event": "lost", …} as `events` says."""
        event = run_folder.last_event(self.folder)
        return event if event.get("event") in ("end", "error") else self._lost()

    def last_step(self) -> int | None:
        entries = run_folder.checkpoints(self.folder)
        return entries[-1].step if entries else None

    def log_tail(self, lines: int = 20) -> str:
        """The end of what the worker wrote to its standard error."""
        try:
            with (self.folder / run_folder.LOG).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
                return "\n".join(file.read().decode("utf-8", errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def _lost(self) -> dict[str, Any]:
        step = self.last_step()
        stands = f"The checkpoint of step {step} stands: resume from it." if step is not None else "Start it again."
        message = f"The training process ended without a word (killed, or the machine went down). {stands}"
        return {"event": "lost", "message": message, "checkpoint_step": step}

    async def stop(self, patience: float = 30.0, hard: float = 10.0) -> str:
        """Ask, after `patience` seconds terminate, after `hard` more kill; "asked", "terminated" or "killed"."""
        with suppress(StudioError):
            self.ask("stop")
        if await self._gone(patience):
            return "asked"
        for number, word in ((signal.SIGTERM, "terminated"), (getattr(signal, "SIGKILL", signal.SIGTERM), "killed")):
            pid = run_folder.worker_pid(self.folder)
            if pid is None:
                return word
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
            if await self._gone(hard):
                return word
        raise StudioError(f"The training process in {self.folder} cannot be stopped: end it by hand.")

    async def _gone(self, seconds: float) -> bool:
        limit = time.monotonic() + seconds
        while self.running:
            if time.monotonic() > limit:
                return False
            await asyncio.sleep(POLL / 2)
        return True


async def start(recipe: Recipe, folder: Path, *, resume: bool = False, max_minutes: float | None = None) -> Run:
    """Start a worker in the folder and return once it has said hello or why not. StudioError in the latter case."""
    if run_folder.is_running(folder):
        raise StudioError(f"A run is at work in {folder}: stop it first.")
    if not resume and run_folder.has_checkpoint(folder):  # before its recipe and its events are overwritten
        raise StudioError(f"{folder} already holds a run: resume it, or choose another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / run_folder.RECIPE, recipe_toml(recipe).encode())
        if not resume:
            (folder / run_folder.EVENTS).unlink(missing_ok=True)
        log = (folder / run_folder.LOG).open("wb")
    except OSError as error:
        raise StudioError(f"Cannot write {folder}: {error.strerror}. Choose another place.") from error
    arguments = [str(folder / run_folder.RECIPE), "-o", str(folder), *(["--resume"] if resume else [])]
    if max_minutes is not None:
        arguments += ["--max-minutes", str(max_minutes)]
    reader = EventReader(folder)
    reader.skip()  # earlier parts of the run: hundreds of thousands of lines of a long one
    with log:
        try:
            process = subprocess.Popen(
                worker_command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                env=_environment(),
            )
        except OSError as error:
            raise _cannot_start(error) from error
    _started[process.pid] = process
    run = Run(folder)
    while process.poll() is None:
        if any(event["event"] in ("hello", "error") for event in reader.read()):
            return run
        await asyncio.sleep(POLL / 2)
    _started.pop(process.pid, None)
    if reader.read() or (folder / run_folder.EVENTS).exists():
        return run  # it ended, but not without a word
    raise StudioError(f"The training process could not start: {run.log_tail(1) or process.returncode}")


async def ask_worker(*arguments: str) -> dict[str, Any]:
    """Run a worker for one answer (--estimate, --export): its last event. StudioError with what it says went wrong."""
    last: dict[str, Any] = {}
    try:
        async with child(*worker_command(*arguments), env=_environment()) as process:
            assert process.stdout
            assert process.stderr
            errors = asyncio.ensure_future(process.stderr.read())
            async for line in process.stdout:
                last = run_folder.event_of(line) or last
            tail = (await errors).decode("utf-8", errors="replace").strip().splitlines()[-1:]
            await process.wait()
    except OSError as error:
        raise _cannot_start(error) from error
    if last.get("event") == "error":
        raise StudioError(last["message"])
    if process.returncode:
        raise StudioError(f"The training process failed: {' '.join(tail) or process.returncode}"[:400])
    return last


def _cannot_start(error: OSError) -> StudioError:
    """Mostly STUDIO_TRAIN_PYTHON names a Python that is gone."""
    python = worker_command()[0]
    remedy = "STUDIO_TRAIN_PYTHON must name a Python with the training extra, or be unset."
    return StudioError(f"The training process could not start, {python}: {error.strerror}. {remedy}")


def worker_command(*arguments: str) -> list[str]:
    """The command line of a worker. STUDIO_TRAIN_PYTHON names a Python with the training extra, else it is this one."""
    return [os.environ.get("STUDIO_TRAIN_PYTHON") or sys.executable, "-m", "studio.training.worker", *arguments]


def _environment() -> dict[str, str]:
    """The worker finds the same `studio` as this process, wherever it was started, and leaves a core to the window.

    A thread more than there are free cores is worse than one less: at every barrier all wait for the one that does
    not run. Measured on two busy cores: 4.1 s a step with two threads, 0.7 s with one.
    """
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) - 1)), "OMP_WAIT_POLICY": "passive"}
    return threads | environment(STUDIO_NICE="10")


def find_runs(runs: Path) -> list[Run]:
    """The runs below a folder, newest first; including those whose recipe is missing, so that they can be deleted."""
    found = []
    with suppress(OSError):
        for path in runs.iterdir():
            files = [path / name for name in (run_folder.RECIPE, run_folder.CHECKPOINT) if (path / name).is_file()]
            if files and not path.name.startswith("."):  # hidden: only measured
                with suppress(FileNotFoundError):  # it was deleted meanwhile
                    found.append((files[0].stat().st_mtime, path))
    return [Run(path) for _, path in sorted(found, reverse=True)]
