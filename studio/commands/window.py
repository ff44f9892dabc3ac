"""prime-studio window: the studio itself."""

import argparse
import os
from pathlib import Path

from studio import preflight
from studio.cli import has_display
from studio.errors import StudioError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", type=Path, metavar="FILE", help="pictures or texts to open")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the networks run")
    parser.add_argument(
        "--safe", action="store_true", help="on the CPU, with default settings, without what was open last time"
    )


def run(args: argparse.Namespace) -> int:
    if not has_display() and os.environ.get("QT_QPA_PLATFORM") != "offscreen":
        raise StudioError(
            "There is no display (DISPLAY and WAYLAND_DISPLAY are not set): start it on a desktop, or fill from the "
            "command line with prime-studio inpaint and infill."
        )
    for path in args.paths:
        if not path.exists():
            raise StudioError(f"There is no file {path}: check the name.")
    if problem := preflight.problem():  # else Qt ends the process, and says so in the log alone
        raise StudioError(problem)
    from studio.ui.app import StartOptions, start

    return start(StartOptions(paths=[path.absolute() for path in args.paths], device=args.device, safe=args.safe))
