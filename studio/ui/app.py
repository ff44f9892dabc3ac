"""From the command line to a window, and from its closing to the end of the process."""

import asyncio
import faulthandler
import gc
import locale
import logging
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, NoReturn

from studio.errors import StudioError
from studio.runtime.catalog import data_folder

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from studio.ui.context import Studio
    from studio.ui.lane import Lane
    from studio.ui.window import Window

LOG_BYTES = 1 << 20
log = logging.getLogger("studio")


@dataclass(frozen=True)
class StartOptions:
    """What the command line says of the window. safe: CPU, default settings, the session left alone."""

    paths: list[Path] = field(default_factory=list)
    device: str = "auto"
    safe: bool = False
    ready: "Callable[[Window], None] | None" = None
    """Called once the window is usable; for measurements."""


def start(options: StartOptions) -> int:
    """Show the window until it is closed; returns the exit code. StudioError where it cannot be shown."""
    folder = data_folder()
    crash = _start_logs(folder)
    # The network loads while Qt and the window come up: both take about as long.
    from studio.ui.lane import Lane

    lane = Lane("cpu" if options.safe else options.device)
    lane.submit(_warm, lane)

    os.environ["QT_API"] = "pyside6"
    from PySide6.QtCore import QtMsgType, qInstallMessageHandler
    from PySide6.QtWidgets import QApplication

    before: list[str] | None = []
    """What Qt says before there is an application."""

    def on_qt_message(kind: QtMsgType, context: object, message: str) -> None:
        if kind in (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg):
            return
        level = logging.ERROR if kind in (QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg) else logging.WARNING
        log.log(level, "Qt: %s", message)
        if before is not None:
            before.append(message.partition("\n")[0].rstrip("."))
            if kind == QtMsgType.QtFatalMsg:
                _give_up(before[0])

    qInstallMessageHandler(on_qt_message)
    application = QApplication(["prime-studio"])
    before = None
    # Qt takes the numbers of the user's language for all of C; files and shells are read with ours.
    locale.setlocale(locale.LC_NUMERIC, "C")
    application.setApplicationName("prime-studio")
    application.setApplicationDisplayName("Prime Studio")
    application.setDesktopFileName("io.github.primestudio.PrimeStudio")
    application.setQuitOnLastWindowClosed(False)

    import qasync

    from studio.ui.icons import app_icon

    application.setWindowIcon(app_icon())
    try:
        code = qasync.run(_live_or_tell(application, lane, options, crash))
    finally:
        came_back = lane.close()
        qInstallMessageHandler(None)
    if not came_back:
        log.warning("a network does not come back: the process ends without it")
        sys.stderr.flush()
        os._exit(code)  # Python would wait for its thread, unseen, for ever
    return code


def _is_read_at_stderr() -> bool:
    """Whether what is written there is for somebody: in a terminal, or for a program that started this one and must not
    be kept waiting by a box. A desktop gives it to its log, a socket, or to nobody."""
    try:
        kind = os.fstat(sys.stderr.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # there is none
        return False
    return sys.stderr.isatty() or stat.S_ISFIFO(kind) or stat.S_ISREG(kind)


def _give_up(why: str) -> NoReturn:
    """Qt finds no display and is about to end the process, without a word and as if it had crashed."""
    print(
        f"prime-studio: The window cannot be shown ({why}): check DISPLAY, or fill from the command line with "
        "prime-studio inpaint and infill.",
        file=sys.stderr,
        flush=True,
    )
    os._exit(2)


def _warm(lane: "Lane") -> None:
    """Load the default picture model on the lane; what is wrong with it is said when it is used."""
    from studio.runtime.catalog import default_bundle

    with suppress(StudioError):
        lane.load(default_bundle("image"))


async def _live_or_tell(application: "QApplication", lane: "Lane", options: StartOptions, crash: "_CrashLog") -> int:
    """Who started it by an icon has no terminal to read: why it cannot go on is in a box too."""
    from studio.ui import dialogs

    try:
        return await _live(application, lane, options, crash)
    except Exception as error:
        text = str(error)
        if not isinstance(error, StudioError):
            log.error("the window ended", exc_info=error)
            text = f"Something went wrong inside Prime Studio; the log file {log_file()} tells what."
        if not _is_read_at_stderr() and application.platformName() not in ("offscreen", "minimal"):
            await dialogs.tell(text)
        raise


async def _live(application: "QApplication", lane: "Lane", options: StartOptions, crash: "_CrashLog") -> int:
    from studio.ui import tasks
    from studio.ui.context import Studio
    from studio.ui.instance import Instance
    from studio.ui.window import Window

    loop = asyncio.get_running_loop()
    instance = Instance(data_folder())
    heard = signal.signal(signal.SIGINT, signal.SIG_DFL)  # asyncio's is not heard while another window is waited for
    if not instance.claim(options.paths):
        print("prime-studio: it is running already; what you named is opened there.", file=sys.stderr)
        return 0
    signal.signal(signal.SIGINT, heard)
    studio = Studio(application, lane, safe=options.safe)
    tasks.report_to(studio.notices)
    studio.models.load()
    window = Window(studio)
    _catch_bugs(studio, loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not on Windows; there the window's own close is the way.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, window.leave)
    instance.opened.connect(window.open_from_outside)
    window.asking.connect(instance.hold)
    window.show()
    await window.bring_back(fresh=options.safe)
    if crash.last:
        again = "; what was open is here again" if window.session.came_back else ""
        studio.notices.show(f"Prime Studio ended unexpectedly last time{again}.", kind="warning", details=crash.last)
    if options.paths:
        window.open_paths(options.paths)
    instance.answer()  # not before: what was open would take the place of what others want opened
    # What is here now stays: going through all of it again, as the collector does now and then, takes 0.1 s.
    gc.freeze()
    if options.ready:
        options.ready(window)
    try:
        await window.left.wait()
    finally:
        instance.hang_up()
        await window.close_down()
        tasks.report_to(None)
        studio.close_down()
        instance.release()
    crash.clear()
    return 0


def _catch_bugs(studio: "Studio", loop: asyncio.AbstractEventLoop) -> None:
    """A bug is logged with its traceback and told; the window stays."""

    def tell(error: BaseException | None, text: str) -> None:
        if isinstance(error, StudioError):
            studio.notices.show(str(error), kind="error")
            return
        log.error("%s", text, exc_info=error)
        details = f"{type(error).__name__}: {error}" if error else text
        studio.notices.show(
            f"Something went wrong inside Prime Studio; the log file {log_file()} tells what.",
            kind="error",
            details=details,
        )

    def on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        tell(error, "unhandled exception")
        sys.__excepthook__(kind, error, trace)

    def on_thread_exception(what: threading.ExceptHookArgs) -> None:
        # Widgets belong to the main thread.
        loop.call_soon_threadsafe(tell, what.exc_value, f"in thread {what.thread}")

    sys.excepthook = on_exception
    threading.excepthook = on_thread_exception
    loop.set_exception_handler(lambda _, what: tell(what.get("exception"), str(what.get("message"))))


def log_file() -> Path:
    return data_folder() / "logs" / "studio.log"


@dataclass
class _CrashLog:
    """The stacks of a crash that Python cannot catch, written as it happens and read at the next start."""

    path: Path
    file: IO[str] | None
    last: str

    def clear(self) -> None:
        faulthandler.disable()
        if self.file is not None:
            self.file.close()
        with suppress(OSError):
            self.path.unlink()


def _start_logs(folder: Path) -> _CrashLog:
    """Log to a file of bounded size. A full disk or a read-only home must not keep the window from starting."""
    path = folder / "logs" / "crash.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        last = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        file = path.open("w", encoding="utf-8")
        handler = RotatingFileHandler(log_file(), maxBytes=LOG_BYTES, backupCount=2, encoding="utf-8", delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    except OSError as error:
        log.addHandler(logging.NullHandler())  # or Python would say on its own that there is none
        print(f"prime-studio: no log is kept in {path.parent}: {error.strerror}.", file=sys.stderr)
        return _CrashLog(path, None, "")
    faulthandler.enable(file)
    log.info("start, process %d, %s", os.getpid(), time.strftime("%Y-%m-%d"))
    return _CrashLog(path, file, last[-10_000:])
