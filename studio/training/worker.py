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
import traceback
from pathlib import Path
from typing import Any

from studio.errors import TO_TRAIN, StudioError
from studio.training.control import Control
from studio.training.sitting import Teller, sit

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
    output = _Output()
    teller = Teller(output.say if int(os.environ.get("RANK", "0")) == 0 else None)
    # An answer that fails is no end of the run that was asked about.
    folder = Path(args.output) if args.output and not (args.estimate or args.export) else None
    try:
        return _work(args, teller)
    except StudioError as error:
        teller.tell_failure(error, folder)
        return 2
    except Exception as error:  # a bug, or a device that is gone: the window must hear of it, the log keeps it all
        if isinstance(error, ModuleNotFoundError) and error.name in EXTRA:
            teller.tell_failure(f"Training needs PyTorch, which is not installed: {TO_TRAIN}, and start again.", folder)
            return 2
        traceback.print_exc()
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        teller.tell_failure(f"The training broke off ({text}). Resume from the last good checkpoint.", folder)
        return 1
    finally:
        teller.close()
        output.close()


def _work(args: argparse.Namespace, teller: Teller) -> int:
    from studio.training.commands import recipe_from

    recipe, folder = recipe_from(args)
    if args.estimate:
        from studio.training.estimating import estimate

        teller.tell({"event": "estimate", **estimate(recipe, teller.tell)})
        return 0
    if args.export:
        from studio.training.export import export
        from studio.training.run_folder import CHECKPOINT

        made = export(folder / (args.checkpoint or CHECKPOINT), args.export, name=args.export.name)
        teller.tell({"event": "exported", "path": str(made)})
        return 0

    control = Control()
    signal.signal(signal.SIGTERM, lambda number, frame: control.ask("stop"))
    if (nice := os.environ.get("STUDIO_NICE")) and hasattr(os, "nice"):
        os.nice(int(nice))  # the window that started it stays responsive
    sit(recipe, folder, teller, control, resume=args.resume, max_minutes=args.max_minutes)
    return 0


class _Output:
    """Standard output, one JSON object a line. A reader that is gone does not break the run."""

    def __init__(self) -> None:
        self._open = True

    def say(self, event: dict[str, Any]) -> None:
        if self._open:
            try:
                sys.stdout.write(json.dumps(event) + "\n")
                sys.stdout.flush()
            except (OSError, ValueError):
                self._open = False

    def close(self) -> None:
        if not self._open:  # Python must not flush into a pipe without a reader at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    sys.exit(main())
