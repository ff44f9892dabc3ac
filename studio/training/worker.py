"""A training process that speaks JSON lines: one event a line on standard output.

`python -m studio.training.worker RECIPE.toml` (or `accelerate launch -m …`); the window and other programs
read its events. The line "stop" on standard input, or SIGTERM, ends the run with a checkpoint.
"""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from studio.errors import StudioError
from studio.training.commands import add_train_arguments, recipe_from
from studio.training.trainer import train


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="studio.training.worker", description=__doc__)
    add_train_arguments(parser)
    args = parser.parse_args(arguments)
    stop = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            if line.strip() == "stop":
                stop.set()

    threading.Thread(target=listen, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())

    def report(event: dict) -> None:
        print(json.dumps(event), flush=True)

    try:
        recipe, folder = recipe_from(args)
        train(recipe, Path(folder), resume=args.resume, max_minutes=args.max_minutes, report=report, stop=stop.is_set)
    except StudioError as error:
        report({"event": "error", "message": str(error)})
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
