"""prime-studio: the command line. Each command is a module of studio.commands, imported when it is asked for."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

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


class _StandardError(io.TextIOWrapper):
    """What cannot be told, because a disk is full or nobody reads any more, must not cost what is being made."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for what the user can mend, 130 when interrupted (Ctrl+C), 143 when
    terminated (SIGTERM), 141 when the reader of stdout has gone.

    `doctor`, `bench` and `models verify` return 1 when something they look at is broken. `train` keeps a checkpoint
    before it ends with 130 or 143; 0 means that the run came to its end.
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
    if type(sys.stderr) is io.TextIOWrapper:
        sys.stderr = _StandardError(sys.stderr.buffer, sys.stderr.encoding, "replace", line_buffering=True)
    before = signal.getsignal(signal.SIGTERM)
    if arguments[0] not in ("window", "train"):  # which end in ways of their own
        signal.signal(signal.SIGTERM, _terminate)
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
    finally:
        signal.signal(signal.SIGTERM, before)


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


def _terminate(number: int, frame: Any) -> NoReturn:
    """Who is asked to end, as the window's Stop does, clears away what is half done; asked again, it still does."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _fail(message: str) -> int:
    print("prime-studio: " + " ".join(message.split()), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
