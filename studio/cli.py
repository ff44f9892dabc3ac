"""prime-studio: the command line. Each command is a module of studio.commands, imported when it is asked for."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from studio import __version__
from studio.errors import StudioError

COMMANDS = {
    "window": "open the studio",
    "inpaint": "fill a hole in a picture",
    "infill": "fill the gaps in a text",
    "sample": "make pictures or texts from nothing",
    "models": "list, inspect, verify, import, export and remove models",
    "train": "train a model from a recipe",
    "import": "turn a published MDM-Prime checkpoint into a model that the studio can use",
    "export": "turn a checkpoint into a model that the studio can use",
    "doctor": "say what runs here, what does not, and the remedy",
    "demo": "fill the shipped samples and write the results under out/",
    "bench": "measure what the program must reach",
    "evaluate": "measure the likelihood of held-out data, as bounds, or map what surprises the model",
    "quality": "fill held-out data, beside simple yardsticks, and write sheets to look at",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of the usage; exit code 2."""
        raise StudioError(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for what the user can mend, 130 when interrupted.

    `doctor` and `bench` return 1 when something they look at is broken.
    """
    # Without a command the window opens; without a display the demo is the shortest way to see the method at work.
    arguments = list(sys.argv[1:] if argv is None else argv) or ["window" if has_display() else "demo"]
    first = arguments[0]
    if first not in COMMANDS and (os.path.exists(first) or os.path.splitext(first)[1]):  # a picture or a text to open
        arguments.insert(0, "window")
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # it was closed by whoever started us (`>&-`): as if it were /dev/null
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without our characters shall show what it can
            stream.reconfigure(errors="replace")
    try:
        args = _parse(arguments)
        code = args.execute(args)
        sys.stdout.flush()
        return code or 0
    except StudioError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        print("prime-studio: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has gone (`| head`): nobody is left to tell. Python must not flush into it at exit.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except MemoryError:
        return _fail("Not enough memory: ask for fewer variations, or close other programs.")
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        return _fail(f"{error.strerror or error}{place}.")


def has_display() -> bool:
    """Whether a person would see a window; on Linux Qt would abort without a display."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="prime-studio", description="Masked diffusion with partial masking (MDM-Prime).")
    parser.add_argument("--version", action="version", version=f"prime-studio {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, help_line in COMMANDS.items():
        command = subparsers.add_parser(name, help=help_line, description=f"{help_line[0].upper()}{help_line[1:]}.")
        if name == chosen:  # only this one is filled in: its imports are paid for by those who use it
            module = import_module(f"studio.commands.{name}")
            module.add_arguments(command)
            command.set_defaults(execute=module.run)
    return parser.parse_args(arguments)


def _fail(message: str) -> int:
    print("prime-studio: " + " ".join(message.split()), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
