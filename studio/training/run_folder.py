"""The folder of a training run: what lies in it, and how another program looks at it. No torch.

recipe.toml        what is run
checkpoint.pt      the newest checkpoint; checkpoints/ holds older ones and the best, checkpoints.json lists them
events.jsonl       everything that the worker told, one JSON object a line
commands.jsonl     what it is asked to do, likewise; it reads what is added while it works
worker.lock        locked while a worker is at work here; its process number is inside
worker.log         what went to its standard error
previews/          STEP.png or STEP.txt
tensorboard/       event files
data/, palette.json, tokenizer.json   the data and tokenizer, made ready once
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from studio.errors import StudioError
from studio.files import atomic_path, write_atomic

PROTOCOL = 1
"""Version of the events and commands; see docs/training.md."""
COMMANDS = ("pause", "resume", "sample", "save", "stop")

RECIPE = "recipe.toml"
CHECKPOINT = "checkpoint.pt"
CHECKPOINTS = "checkpoints"
TABLE = "checkpoints.json"
EVENTS = "events.jsonl"
COMMAND_FILE = "commands.jsonl"
LOCK = "worker.lock"
LOG = "worker.log"
PREVIEWS = "previews"
BEST = f"{CHECKPOINTS}/best.pt"
_FILE = re.compile(rf"({CHECKPOINTS}/)?[A-Za-z0-9][\w.-]*\.pt", re.ASCII)
"""What a checkpoint in the list may be called: nothing outside of the folder."""
_WRITTEN = ("checkpoint", "checkpoints", "recipe", "palette", "tokenizer")
"""Stems of the files that are written beside their place first."""
_NEEDED = {
    "start": ("step", "steps"),
    "step": ("step", "steps", "loss", "samples_per_second", "seconds_left"),
    "evaluation": ("step", "bound"),
    "checkpoint": ("step",),
    "end": ("step",),
}
_COUNTS = ("step", "steps", "samples", "parameters", "memory", "done", "of")
_FIGURES = ("loss", "gradient_norm", "learning_rate", "samples_per_second", "seconds_left", "held_out", "time")
_FIGURES += ("bound", "bound_error")
_MOST_LINE = 1 << 20


@dataclass(frozen=True)
class Checkpoint:
    """One entry of the list. held_out: bits a token of the valid figure, None where it was not measured of this step;
    earlier versions put the last one there that was measured."""

    file: str  # relative to the run's folder
    step: int
    held_out: float | None
    when: float  # seconds since 1970
    best: bool = False


def checkpoints(folder: Path) -> list[Checkpoint]:
    """The checkpoints of a run that are there, oldest first; the newest is always among them."""
    return [entry for entry in _listed(folder) or [] if (folder / entry.file).is_file()]


def _listed(folder: Path) -> list[Checkpoint] | None:
    """What the list says; None where there is none, or it is damaged. It may be a stranger's."""
    try:
        entries = [Checkpoint(**entry) for entry in json.loads((folder / TABLE).read_bytes())]
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    sound = all(
        isinstance(entry.file, str)
        and _FILE.fullmatch(entry.file)
        and _is_count(entry.step)
        and (entry.held_out is None or _is_figure(entry.held_out))
        and _is_figure(entry.when)
        and isinstance(entry.best, bool)
        for entry in entries
    )
    return entries if sound else None


def mend(folder: Path) -> None:
    """Write the list of checkpoints anew where it cannot be read, from what the run told."""
    if _listed(folder) is not None:
        return
    found: dict[str, Checkpoint] = {}
    measured, reader = (-1, None), EventReader(folder)
    while events := reader.read():
        for event in events:
            if event["event"] == "evaluation":
                measured = event["step"], event["bound"]
            elif event["event"] == "checkpoint":
                figure = measured[1] if event["step"] == measured[0] else None
                kept = [BEST] if event.get("best") is True else []
                for file in (*kept, f"{CHECKPOINTS}/step-{event['step']:08}.pt", CHECKPOINT):  # the newest is the last
                    found.pop(file, None)
                    found[file] = Checkpoint(file, event["step"], figure, event.get("time", 0.0), file == BEST)
    if entries := [entry for entry in found.values() if (folder / entry.file).is_file()]:
        write_checkpoints(folder, entries)


def write_checkpoints(folder: Path, entries: Iterable[Checkpoint]) -> None:
    """Replace the table of a run's checkpoints, whole or not at all. StudioError where it cannot be written."""
    write_atomic(folder / TABLE, json.dumps([asdict(entry) for entry in entries], indent=1).encode())


def rollback(folder: Path, entry: Checkpoint) -> None:
    """Make an older checkpoint the one that the run goes on from. StudioError while a worker is at work."""
    if is_running(folder):
        raise StudioError("The run is at work: stop it before you go back to an older checkpoint.")
    if not (folder / entry.file).is_file():
        raise StudioError(f"The checkpoint of step {entry.step} is gone: choose another one.")
    copy(folder, entry.file, CHECKPOINT)
    others = [other for other in checkpoints(folder) if other.file != CHECKPOINT]
    write_checkpoints(folder, [*others, replace(entry, file=CHECKPOINT, best=False)])


def copy(folder: Path, file: str, name: str) -> None:
    """A file of the folder under a second name, without its bytes again where the disk can do that."""
    (folder / name).parent.mkdir(exist_ok=True)
    with atomic_path(folder / name) as temporary:
        try:
            temporary.unlink()
            os.link(folder / file, temporary)
        except OSError:
            shutil.copyfile(folder / file, temporary)


def run_of(checkpoint: Path) -> Path:
    """The folder of the run that a checkpoint lies in."""
    return checkpoint.parent.parent if checkpoint.parent.name == CHECKPOINTS else checkpoint.parent


def has_checkpoint(folder: Path) -> bool:
    """Whether there is something to go on from; a worker that was killed may not have listed it yet."""
    return (folder / CHECKPOINT).is_file() or bool(checkpoints(folder))


def previews(folder: Path) -> list[tuple[int, Path]]:
    """(step, file) of every preview, oldest first."""
    found = []
    with suppress(OSError):
        for file in (folder / PREVIEWS).iterdir():
            if file.stem.isdigit() and file.suffix in (".png", ".txt"):
                found.append((int(file.stem), file))
    return sorted(found)


def is_foreign(folder: Path) -> bool:
    """Whether the folder holds other things and no run was ever at work in it."""
    try:
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except OSError:  # it is not there yet, or it is no folder that can be used
        return False
    begun = {LOCK, EVENTS, TABLE, CHECKPOINT}
    return not names & begun and not names <= {RECIPE, LOG, COMMAND_FILE}  # these are put there for a worker


class Lock:
    """Held by the worker in a run's folder for as long as it lives; the system lets go of it however it dies.

    Who takes it clears away what a worker that was killed left half done.
    """

    def __init__(self, folder: Path):
        """StudioError where another worker is at work there, or nothing can be written."""
        self.folder = folder
        try:
            self._empty = not folder.exists() or {path.name for path in folder.iterdir()} <= {LOCK}
            folder.mkdir(parents=True, exist_ok=True)
            self.file = (folder / LOCK).open("a+b")
        except OSError as error:
            raise StudioError(
                f"Cannot write to {folder}: {error.strerror}. Choose another folder for the run."
            ) from error
        if not _lock_soon(self.file):
            self.file.close()
            raise StudioError(f"A run is at work in {folder}: stop it first, or choose another folder.")
        self.file.truncate(0)
        self.file.write(json.dumps({"pid": os.getpid(), "started": time.time()}).encode())
        self.file.flush()
        mend(folder)
        _tidy(folder)

    def release(self) -> None:
        self.file.close()

    def refused(self) -> None:
        """Leave nothing of a run that was refused before it began; what was in the folder before stays."""
        if self._empty and not (self.folder / RECIPE).exists():
            shutil.rmtree(self.folder, ignore_errors=True)


def _tidy(folder: Path) -> None:
    """Remove what a killed worker left half done: files that were not whole yet, and copies that are on no list."""
    listed = {entry.file for entry in checkpoints(folder)}
    left = [file for stem in _WRITTEN for file in folder.glob(f".{stem}.*")]
    left += (folder / PREVIEWS).glob(".*")
    for file in (folder / CHECKPOINTS).glob("*.pt"):
        # Without a list nothing is known of the copies: they stay.
        if file.name.startswith(".") or (listed and f"{CHECKPOINTS}/{file.name}" not in listed):
            left.append(file)
    for file in left:
        with suppress(OSError):
            file.unlink()


def is_running(folder: Path) -> bool:
    """Whether a worker is at work in the folder."""
    try:
        with (folder / LOCK).open("r+b") as file:
            return not _try_lock(file)
    except OSError:
        return False


def worker_pid(folder: Path) -> int | None:
    """The process number of the worker that is at work, else None."""
    if not is_running(folder):
        return None
    try:
        return int(json.loads((folder / LOCK).read_bytes())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def ask(folder: Path, command: str) -> None:
    """Ask the worker for one of COMMANDS; it looks several times a second."""
    if command not in COMMANDS:
        raise ValueError(f"no command {command!r}")
    line = json.dumps({"command": command, "protocol": PROTOCOL}) + "\n"
    try:
        with (folder / COMMAND_FILE).open("a", encoding="utf-8") as file:
            file.write(line)
    except OSError as error:
        raise StudioError(f"Cannot ask the run in {folder}: {error.strerror}.") from error


class EventReader:
    """Reads what a run told, from the beginning and then what is new; a half-written line waits for its end."""

    def __init__(self, folder: Path):
        self.path = folder / EVENTS
        self.offset = 0

    def skip(self) -> None:
        """Leave out what has been told so far."""
        with suppress(OSError):  # nothing yet
            self.offset = self.path.stat().st_size

    def read(self, limit: int = 2000) -> list[dict[str, Any]]:
        """At most `limit` events that have not been read; a damaged line is left out."""
        events: list[dict[str, Any]] = []
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self.offset:
                    self.offset = 0  # a new run in the same folder
                file.seek(self.offset)
                while len(events) < limit and (line := file.readline(_MOST_LINE)):
                    if not line.endswith(b"\n") and len(line) < _MOST_LINE:
                        break
                    self.offset += len(line)
                    if event := event_of(line):
                        events.append(event)
        except OSError:
            pass  # nothing told yet
        return events


def last_event(folder: Path) -> dict[str, Any]:
    """The last event that a run told; empty where it told none."""
    lines: list[bytes] = []
    with suppress(OSError), (folder / EVENTS).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - (1 << 16)))
        lines = file.read().splitlines()
    return next((event for line in reversed(lines) if (event := event_of(line))), {})


def event_of(line: bytes) -> dict[str, Any] | None:
    """What a line tells; None where it is damaged, or its figures are none."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    whole = all(event.get(name) is not None for name in _NEEDED.get(event["event"], ()))
    counts = all(_is_count(event[name]) for name in _COUNTS if name in event)
    figures = all(_is_figure(event[name]) for name in _FIGURES if event.get(name) is not None)
    return event if whole and counts and figures else None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _is_figure(value: object) -> bool:
    """Whether this is a number that a float can hold; one that was not measured is NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) >= 1e300


def _lock_soon(file: IO[bytes]) -> bool:
    """Lock it even where `is_running` has it, which lets go at once."""
    for _ in range(20):
        if _try_lock(file):
            return True
        time.sleep(0.01)
    return False


def _try_lock(file: IO[bytes]) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(1 << 30)  # a byte beyond the content, which stays readable
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
