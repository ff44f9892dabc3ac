"""A run as the window sees it: its state, figures, previews and checkpoints, from what its worker tells."""

import asyncio
import math
import shutil
import time
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from studio.errors import StudioError
from studio.training import client, run_folder
from studio.training.client import Run
from studio.training.recipe import Recipe
from studio.ui.tasks import spawn
from studio.ui.words import bytes_text

MOST_POINTS = 1 << 15
"""Points of a series that are kept; beyond that every two neighbours become one."""
MOST_LINES = 500

FIGURES = ("loss", "gradient_norm", "learning_rate", "samples_per_second", "held_out", "bound")


class Series:
    """A figure over steps, however many: bounded, and thinned evenly as it grows."""

    def __init__(self) -> None:
        self._data = np.empty((2, 1024))
        self.count = 0
        self._stride = 1  # points that come in for one that is kept
        self._sum = np.zeros(2)
        self._waiting = 0

    def add(self, step: int, value: float) -> None:
        if self.count == MOST_POINTS:
            self._halve()
        if self.count == self._data.shape[1]:
            self._data = np.concatenate([self._data, np.empty_like(self._data)], axis=1)
        self._sum += step, value
        self._waiting += 1
        if self._waiting >= self._stride:
            self._data[:, self.count] = self._sum / self._waiting
            self.count += 1
            self._sum[:], self._waiting = 0, 0

    def _halve(self) -> None:
        """Of every two neighbours their mean, so that what fluctuates keeps its middle."""
        pairs = self._data[:, : self.count].reshape(2, -1, 2)
        self.count //= 2
        self._data[:, : self.count] = pairs.mean(axis=2)
        self._stride *= 2

    def cut(self, step: int) -> None:
        """Forget what came after a step; the run went back to it."""
        self.count = int(np.searchsorted(self._data[0, : self.count], step, side="right"))
        self._sum[:], self._waiting = 0, 0

    @property
    def steps(self) -> NDArray[np.float64]:
        return self._data[0, : self.count]

    @property
    def values(self) -> NDArray[np.float64]:
        return self._data[1, : self.count]


class Watch(QObject):
    """Follows one run, whoever started it.

    state: "none", "starting", "running", "paused", "stopping", "done", "stopped", "failed" or "lost". `told` fires for
    every batch of events, `state_changed` with the state, `refused` when a new run ended before it could begin: its
    folder is gone then, and its name is free.
    """

    told = Signal()
    state_changed = Signal()
    previewed = Signal()
    refused = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run: Run | None = None
        self.beginning: Run | None = None  # its process starts: no lock tells of it yet, whatever is looked at
        self._task: asyncio.Task[None] | None = None
        self._clear()

    def _clear(self) -> None:
        self.state, self.message = "none", ""
        self.live = False  # it was at work while this looked: its end is news
        self.diverged = False  # it failed because the loss was no number
        self.early = False  # it ended before its last step: it got no better
        self._new = False  # its folder is of this sitting
        self._counts = False  # its worker has begun to take steps, and what is told of them is of now
        self._unended = False  # its worker has said hello, and not yet how it ended
        self._day: date | None = None  # of the last line of the log
        self._since = 0.0
        self.series = {name: Series() for name in FIGURES}
        self.last: dict[str, Any] = {}
        self.start: dict[str, Any] = {}
        self.evaluation: dict[str, Any] = {}
        self.lines: list[str] = []
        self.line_count = 0

    @property
    def active(self) -> bool:
        """A process is at work."""
        return self.state in ("starting", "running", "paused", "stopping")

    @property
    def folder(self) -> Path | None:
        return self.run.folder if self.run else None

    @property
    def name(self) -> str:
        return self.run.folder.name if self.run else ""

    def follow(self, run: Run | None, since: float | None = None) -> None:
        """Look at this run from its beginning, and on as it goes. since: when its worker started, if it just did."""
        self.close()
        self._clear()
        self._since = time.time() if since is None else since
        self.run = run
        if run is not None:
            self.live = run.running
            if not self.live:
                with suppress(StudioError):  # nothing can be written there
                    run_folder.mend(run.folder)
            self._set(("running" if since is None else "starting") if self.live else "stopped")
            self._task = spawn(self._listen(run), "train")
        self.told.emit()
        self.state_changed.emit()
        self.previewed.emit()

    def rejoin(self) -> bool:
        """Follow the run again if another program went on with it; whether one did."""
        if self.run is None or self.active or not self.run.running:
            return False
        self.follow(Run(self.run.folder))
        return True

    async def begin(self, recipe: Recipe, folder: Path, resume: bool = False) -> None:
        """Start a worker and follow it. StudioError where it cannot start, or has nothing to learn from any more."""
        kept = folder / "data" / "train"  # of a run from the shell, which reads its source once
        if recipe.data.train and not Path(recipe.data.train).exists() and not kept.exists():
            which = f" ({recipe.data.name})" if recipe.data.name else ""
            raise StudioError(
                f"The data that “{folder.name}” learns from are gone from the disk{which}: open them again, then "
                f"{'resume' if resume else 'start'} it."
            )
        new = not folder.exists()
        self.close()
        self._clear()
        since = time.time()
        self.run = Run(folder)
        self.beginning = self.run
        self._set("starting")
        self.told.emit()
        self.previewed.emit()
        try:
            run = await client.start(recipe, folder, resume=resume)
        except StudioError as error:
            self._set("failed", str(error))
            self._new = new
            self._leave_nothing(folder)
            raise
        finally:
            self.beginning = None
        self.follow(run, since)
        self.live, self._new = True, new

    def ask(self, command: str) -> None:
        """Hand a command to the worker; "stop" shows at once."""
        if self.run is not None and self.active:
            self.run.ask(command)
            self._note(f"asked: {command}")

    async def stop(self, patience: float = 30.0) -> None:
        """Ask, terminate, kill, until the worker is gone."""
        if self.beginning is not None and self.active:
            self._set("stopping")
            await self.begun()
        if self.run is not None and self.active:
            self._set("stopping")
            how = await self.run.stop(patience)
            if how != "asked":
                self._note(f"the worker did not answer and was {how}")

    async def begun(self) -> None:
        """Wait for a worker that starts: before its hello it hears nothing."""
        while self.beginning is not None:
            await asyncio.sleep(0.05)

    def close(self) -> None:
        """Stop looking; the run goes on."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _listen(self, run: Run) -> None:
        behind = 0
        async for event in run.events():
            self._take(event)
            behind += 1
            if behind % 200 == 0:  # an old run's history is many lines: let the window breathe
                self.told.emit()
                await asyncio.sleep(0)
            else:  # whoever draws does so a few times a second, however often this fires
                self.told.emit()
        if self.active:
            self._set("done" if self.last.get("step") == self.start.get("steps") else "stopped")
        self.told.emit()
        self._leave_nothing(run.folder)

    def _leave_nothing(self, folder: Path) -> None:
        """Of a new run that was refused before it began; why is told already."""
        if self._new and self.state == "failed" and not self.start and not (folder / run_folder.CHECKPOINT).exists():
            shutil.rmtree(folder, ignore_errors=True)
            self.refused.emit()

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        # Of one that is at work the ends of parts that were resumed since are told once more: they are no news.
        of_now = not self.live or event.get("time", self._since) >= self._since
        if kind == "hello":
            if self._unended:
                self._note("the process had ended without a word", event)
            self._counts, self._unended, self.message = False, True, ""
            if self.live:
                self._at_work("starting")
        elif kind in ("step", "evaluation"):
            step = int(event.get("step", 0))
            for name in FIGURES:
                value = event.get(name)
                if isinstance(value, int | float):
                    self.series[name].add(step, float(value))
            if kind == "step":
                self.last, self._counts = event, True
            else:
                self.evaluation = event
                best = ", the best so far" if event.get("best") else ""
                self._note(f"step {step}: held-out bound {event.get('bound', 0):.4f} bits a token{best}", event)
        elif kind == "start":
            for series in self.series.values():
                series.cut(int(event.get("step", 0)))
            self.start, self.message = event, ""
            self._note(network_line(event), event)
            self.diverged = self.early = False
            begins = event.get("step", 0)  # what came after it no longer counts
            self.last = {} if self.last.get("step", 0) > begins else self.last
            self.evaluation = {} if self.evaluation.get("step", 0) > begins else self.evaluation
            self._at_work("running")
        elif kind == "preparing":
            part = (
                f" ({event['done']:,}" + (f" of {event['of']:,})" if "of" in event else ")") if "done" in event else ""
            )
            self.message = f"{event.get('what', '')}{part}".capitalize()
        elif kind in ("paused", "resumed"):
            self._stand_at(event)
            self._note(f"{kind} at step {event.get('step')}", event)
            self._at_work("paused" if kind == "paused" else "running")
        elif kind == "preview":
            self.previewed.emit()
        elif kind == "checkpoint":
            self._note(f"checkpoint at step {event.get('step')}{', the best' if event.get('best') else ''}", event)
        elif kind == "log":
            self._note(str(event.get("message", "")), event)
        elif kind == "end":
            self._stand_at(event)
            words = {"finished": "finished", "early": "ended early: no better figure", "time": "its time is up"}
            self._note(f"{words.get(str(event.get('reason')), 'stopped')} at step {event.get('step')}", event)
            self._unended, self.early = False, event.get("reason") == "early"
            if of_now:
                self._set("done" if event.get("finished") or self.early else "stopped")
        elif kind in ("error", "lost"):
            self._note(str(event.get("message", "")), event)
            self._unended, self.diverged = False, event.get("diverged") is True
            if of_now:
                self._set("failed" if kind == "error" else "lost", str(event.get("message", "")))

    def _stand_at(self, event: dict[str, Any]) -> None:
        """Take over the step that the run has reached: the last ones need not have been told."""
        if self.last:
            self.last = self.last | {"step": event.get("step", self.last["step"])}
        else:
            self.start = self.start | {"step": event.get("step", 0)}

    def _at_work(self, state: str) -> None:
        """It goes on or rests; one that was told to stop may tell of that first, and stops all the same."""
        if self.state != "stopping":
            self._set(state)

    def _set(self, state: str, message: str = "") -> None:
        before, self.state, self.message = self.state, state, message
        if state != before:
            self.state_changed.emit()

    def _note(self, line: str, event: dict[str, Any] | None = None) -> None:
        """Add to the log, with the time of the event, or of now; a new day is a line of its own."""
        when = time.time() if event is None else event.get("time")
        lines = [line]
        with suppress(OverflowError, OSError, ValueError):  # it may be a stranger's, or from before there were times
            if when is not None:
                at = datetime.fromtimestamp(when)
                lines = [f"{at:%H:%M}  {line}"]
                if at.date() != self._day:
                    self._day = at.date()
                    lines.insert(0, f"{at:%Y-%m-%d}")
        self.lines += lines
        self.line_count += len(lines)
        del self.lines[:-MOST_LINES]

    # ---- what lies in the folder

    def previews(self) -> list[tuple[int, Path]]:
        return run_folder.previews(self.folder) if self.folder else []

    def checkpoints(self) -> list[run_folder.Checkpoint]:
        return run_folder.checkpoints(self.folder) if self.folder else []

    def finished(self) -> bool:
        """It has made all its steps, and was not taken back to an older checkpoint since."""
        return self.state == "done" and self._stands_at() == self.start.get("steps")

    def back(self) -> run_folder.Checkpoint | None:
        """The older checkpoint that the run was taken back to, until it goes on from there."""
        if not self.last or self.state not in ("done", "stopped"):
            return None
        entries = self.checkpoints()
        return entries[-1] if entries and entries[-1].step < self.last["step"] else None

    def _stands_at(self) -> int | None:
        """The step from which the run would go on: that of its newest checkpoint."""
        entries = self.checkpoints()
        return entries[-1].step if entries else self.last.get("step")

    def status_line(self) -> str:
        """State, step, figures and time left, in one line."""
        if self.state == "none":
            return ""
        words = {
            "done": "Ended early" if self.early else "Finished",
            "failed": "Failed",
            "lost": "Broke off",
            "stopping": "Stopping…",
        }
        words |= {"starting": "Starting…", "paused": "Paused", "stopped": "Stopped", "running": "Training"}
        if back := self.back():
            return f"Back at step {back.step:,} of {self.last['steps']:,}"
        parts = [words[self.state]]
        if self.state in ("starting", "running") and not (self.last and self._counts):
            parts.append(self.message or "getting ready")
        elif self.last:
            parts.append(f"step {self.last['step']:,} of {self.last['steps']:,}")
            if self.state == "running" and self.last["step"] >= self.last["steps"]:
                parts.append("measuring it and saving")
            elif self.state == "running":
                parts.append(f"{self.last['samples_per_second']:.1f} samples/s")
                parts.append(f"{duration(self.last['seconds_left'])} left")
            parts.append(bytes_text(self.last.get("memory", 0)))
        return " · ".join(parts)


def network_line(start: dict[str, Any]) -> str:
    """Size of the network, device and precision, from the event `start`."""
    precision = f" in {start['precision']}" if "precision" in start else ""  # not told by older runs
    return f"{start.get('parameters', 0) / 1e6:.1f} M parameters on {start.get('device')}{precision}"


def duration(seconds: float) -> str:
    """As people say it."""
    if not math.isfinite(seconds):
        return "an unknown time"
    seconds = max(0, round(seconds))
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} days"
