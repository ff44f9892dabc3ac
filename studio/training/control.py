"""What a running training is asked to do, by lines on standard input or in the run's command file, or by a signal."""

import json
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from studio.errors import StudioError
from studio.training.run_folder import COMMAND_FILE, COMMANDS

LOOK_EVERY = 0.2  # seconds


class Diverged(StudioError):
    """The loss is no number any more. The same steps would end in the same way: a lower learning rate may help."""


class Control:
    """Commands that wait to be taken. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal asks from within whatever its thread is doing, `take` as well
        self._asked: set[str] = set()
        self._paused = False
        self.closed = threading.Event()

    def ask(self, command: str) -> bool:
        """Note a command; false for one that is not known."""
        if command not in COMMANDS:
            return False
        with self._lock:
            if command in ("pause", "resume"):
                self._paused = command == "pause"
            else:
                self._asked.add(command)
        return True

    def take(self) -> set[str]:
        """What was asked for since the last time: "sample", "save", and "pause" and "stop" for as long as they hold."""
        with self._lock:
            taken = self._asked | ({"pause"} if self._paused else set())
            self._asked &= {"stop"}
            return taken

    def listen(self, folder: Path, unknown: Callable[[str], None]) -> None:
        """Start to read commands, from standard input and from what is added to the folder's command file."""
        file = folder / COMMAND_FILE
        start = file.stat().st_size if file.exists() else 0
        for target, arguments in ((self._read_stdin, (unknown,)), (self._read_file, (file, start, unknown))):
            threading.Thread(target=target, args=arguments, daemon=True).start()

    def _read_stdin(self, unknown: Callable[[str], None]) -> None:
        with suppress(OSError, ValueError):  # closed, or nothing to be read from
            for line in sys.stdin or ():
                self._line(line, unknown)

    def _read_file(self, file: Path, offset: int, unknown: Callable[[str], None]) -> None:
        while not self.closed.wait(LOOK_EVERY):
            try:
                if file.stat().st_size == offset:
                    continue
                with file.open("rb") as opened:
                    opened.seek(offset)
                    data = opened.read()
            except OSError:
                continue
            whole = data[: data.rfind(b"\n") + 1]
            offset += len(whole)
            for line in whole.decode("utf-8", errors="replace").splitlines():
                self._line(line, unknown)

    def _line(self, line: str, unknown: Callable[[str], None]) -> None:
        line = line.strip()
        if not line:
            return
        command: object = line  # a bare word does for a person at a terminal
        if line.startswith("{"):
            try:
                command = json.loads(line).get("command")
            except ValueError:
                command = None
        if not isinstance(command, str) or not self.ask(command):
            unknown(line[:80])
