"""A training process that speaks JSON lines; docs/training.md describes them (protocol 1).

`python -m studio.training.worker RECIPE.toml` trains (also under `accelerate launch -m`). Events go to standard output
and to events.jsonl in the run's folder; commands come from standard input and from commands.jsonl there. SIGTERM
stops the run with a checkpoint. `--estimate` measures a few steps instead of training, `--export BUNDLE` makes a
bundle of the run. The exit code is 0, 2 for what the user can mend, 1 for anything else.
"""

import argparse
import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from studio import __version__
from studio.errors import StudioError
from studio.training.control import Control, Diverged
from studio.training.run_folder import EVENTS, PROTOCOL, Lock, checkpoints, is_running

EXTRA = {"torch", "accelerate", "onnx", "onnxscript", "safetensors"}


def main(arguments: list[str] | None = None) -> int:
    from studio.training.commands import add_train_arguments

    parser = argparse.ArgumentParser(prog="studio.training.worker", description=__doc__)
    add_train_arguments(parser)
    parser.add_argument("--estimate", action="store_true", help="measure memory and time of a few steps, then end")
    parser.add_argument("--export", metavar="BUNDLE", type=Path, help="make a bundle of the run, then end")
    parser.add_argument("--checkpoint", help="the one to export, such as checkpoints/best.pt")
    args = parser.parse_args(arguments)
    # Of several processes the first one speaks.
    teller = Teller(quiet=int(os.environ.get("RANK", "0")) > 0)
    try:
        return _work(args, teller)
    except StudioError as error:
        teller.tell_failure(str(error), args.output, **({"diverged": True} if isinstance(error, Diverged) else {}))
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        message = "Training needs PyTorch, which is not installed: type ./run train --help once, "
        teller.tell_failure(f"{message}or pip install 'prime-studio[train]', and start again.", args.output)
        return 2
    except Exception as error:  # a bug, or a device that is gone: the window must hear of it, the log keeps it all
        traceback.print_exc()
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        teller.tell_failure(f"The training broke off ({text}). Resume from the last good checkpoint.", args.output)
        return 1
    finally:
        teller.close()


def _work(args: argparse.Namespace, teller: "Teller") -> int:
    from studio.training.commands import recipe_from

    recipe, folder = recipe_from(args)
    args.output = str(folder)
    if args.estimate:
        from studio.training.estimating import estimate

        teller.tell({"event": "estimate", **estimate(recipe, folder, report=teller.tell)})
        return 0
    if args.export:
        from studio.training.export import export
        from studio.training.run_folder import CHECKPOINT

        made = export(folder / (args.checkpoint or CHECKPOINT), args.export, name=args.export.name)
        teller.tell({"event": "exported", "path": str(made)})
        return 0

    lock = None if teller.quiet else Lock(folder)
    teller.record(folder, fresh=not args.resume)
    control = Control()
    signal.signal(signal.SIGTERM, lambda number, frame: control.ask("stop"))
    if (nice := os.environ.get("STUDIO_NICE")) and hasattr(os, "nice"):
        os.nice(int(nice))  # the window that started it stays responsive
    teller.tell({"event": "hello", "protocol": PROTOCOL, "version": __version__, "pid": os.getpid()})

    def unknown(line: str) -> None:
        teller.tell({"event": "log", "level": "warning", "message": f"No such command: {line}"})

    if not teller.quiet:
        control.listen(folder, unknown)
    try:
        from studio.training.trainer import train

        train(recipe, folder, resume=args.resume, max_minutes=args.max_minutes, report=teller.tell, control=control)
    except StudioError:
        if lock:
            lock.refused()
        raise
    finally:
        control.closed.set()
        if lock:
            lock.release()
    return 0


class Teller:
    """Writes events to standard output and to the run's file. Neither can break the run: its reader may be gone."""

    def __init__(self, quiet: bool):
        self.quiet = quiet
        self._stdout = True
        self._file: IO[str] | None = None

    def record(self, folder: Path, fresh: bool) -> None:
        """From now on keep the events in the folder as well; a new run begins a new file."""
        if not self.quiet:
            path = folder / EVENTS
            cut_short = not fresh and not _ends_with_a_line(path)
            self._file = path.open("w" if fresh else "a", encoding="utf-8")
            if cut_short:  # what comes next is a line of its own
                self._file.write("\n")

    def tell(self, event: dict[str, Any]) -> None:
        if self.quiet:
            return
        line = json.dumps({**event, "time": round(time.time(), 3)}) + "\n"
        if self._stdout:
            try:
                sys.stdout.write(line)
                sys.stdout.flush()
            except (OSError, ValueError):
                self._stdout = False
        if self._file is not None:
            with suppress(OSError):  # the disk is full: the next checkpoint will say so
                self._file.write(line)
                self._file.flush()

    def tell_failure(self, message: str, output: str | None, **more: Any) -> None:
        """The last event of a run that broke off, with the step of the newest checkpoint, if there is one."""
        folder = Path(output) if output else None
        if folder and folder.is_dir() and self._file is None and not is_running(folder):
            self.record(folder, fresh=False)  # it failed before it could begin
        entries = checkpoints(folder) if folder else []
        step = entries[-1].step if entries else None
        self.tell({"event": "error", "message": message, "checkpoint_step": step, **more})

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        if not self._stdout:  # Python must not flush into a pipe without a reader at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _ends_with_a_line(path: Path) -> bool:
    """False where a kill or a full disk cut the last line short."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 1))
            return file.read() in (b"", b"\n")
    except OSError:
        return True


if __name__ == "__main__":
    sys.exit(main())
