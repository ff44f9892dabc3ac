"""One sitting of a run: its folder is locked, what it tells is kept there, and what it is asked for is heard."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from studio import __version__
from studio.errors import StudioError
from studio.training.control import Control, Diverged
from studio.training.recipe import Recipe
from studio.training.run_folder import EVENTS, PROTOCOL, Lock, checkpoints, has_checkpoint, is_foreign, is_running


class Teller:
    """Tells events to `say`, and keeps them in the run's folder. None as `say`: another process speaks for this one."""

    def __init__(self, say: Callable[[dict[str, Any]], None] | None):
        self._say = say
        self._folder: Path | None = None
        self._file: IO[str] | None = None

    @property
    def quiet(self) -> bool:
        return self._say is None

    def record(self, folder: Path, fresh: bool) -> None:
        """From now on keep the events in the folder as well; a new run begins a new file."""
        if not self.quiet:
            self._folder, path = folder, folder / EVENTS
            cut_short = not fresh and not _ends_with_a_line(path)
            self._file = path.open("w" if fresh else "a", encoding="utf-8")
            if cut_short:  # what comes next is a line of its own
                self._file.write("\n")

    def tell(self, event: dict[str, Any]) -> None:
        if self._say is None:
            return
        event = {**event, "time": round(time.time(), 3)}
        self._say(event)
        if self._file is not None:
            with suppress(OSError):  # the disk is full: the next checkpoint will say so
                self._file.write(json.dumps(event) + "\n")
                self._file.flush()

    def tell_failure(self, failure: StudioError | str, output: Path | None = None) -> None:
        """The last event of a run that broke off, with the step of the newest checkpoint, if there is one.

        output: the folder that hears of it even if it failed before it could begin.
        """
        folder = self._folder or output
        if self._file is None and folder and folder.is_dir() and not is_running(folder) and not is_foreign(folder):
            with suppress(OSError):
                self.record(folder, fresh=False)
        entries = checkpoints(folder) if folder else []
        step = entries[-1].step if entries else None
        more = {"diverged": True} if isinstance(failure, Diverged) else {}
        self.tell({"event": "error", "message": str(failure), "checkpoint_step": step, **more})

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()


def _ends_with_a_line(path: Path) -> bool:
    """False where a kill or a full disk cut the last line short."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 1))
            return file.read() in (b"", b"\n")
    except OSError:
        return True


def sit(
    recipe: Recipe, folder: Path, teller: Teller, control: Control, *, resume: bool, max_minutes: float | None
) -> Path:
    """Train in the folder until the run, the time or `control` ends it; returns the checkpoint, as `trainer.train`."""
    if not teller.quiet and is_foreign(folder):
        raise StudioError(f"{folder} holds other things than a run: choose a new folder for the run.")
    lock = None if teller.quiet else Lock(folder)
    try:
        if resume or not has_checkpoint(folder):  # or it is refused, and what the run there told stays as it is
            teller.record(folder, fresh=not resume)
        teller.tell({"event": "hello", "protocol": PROTOCOL, "version": __version__, "pid": os.getpid()})

        def unknown(line: str) -> None:
            teller.tell({"event": "log", "level": "warning", "message": f"No such command: {line}"})

        if not teller.quiet:
            control.listen(folder, unknown)
        from studio.training.trainer import train  # only now: a second goes by, and the window waits for the hello

        return train(recipe, folder, resume=resume, max_minutes=max_minutes, report=teller.tell, control=control)
    except (StudioError, ModuleNotFoundError):
        if lock:
            lock.refused()
        raise
    finally:
        control.closed.set()
        if lock:
            lock.release()
