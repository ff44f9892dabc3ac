"""What every test of the window stands on: one application in our theme and font, and police for what is left.

A test fails when it leaves a timer or an animation running, a window open or a task unfinished, when a slot raises,
when Qt warns, and when anything is logged as a warning or worse. Threads are watched by tests/conftest.py.
"""

import asyncio
import gc
import locale
import logging
import traceback
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import qasync
import shiboken6
from PySide6.QtCore import QAbstractAnimation, QCoreApplication, QEvent, QTimer
from PySide6.QtWidgets import QApplication

from studio.runtime.bundle import Bundle
from studio.ui import theme
from studio.ui.lane import Lane
from studio.ui.settings import Settings
from tests.helpers import picture_bundle

HERE = Path(__file__).parent

Runner = Callable[..., Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            item.add_marker(pytest.mark.qt_log_ignore("This plugin does not support", extend=True))


@pytest.fixture(scope="session")
def qapp(qapp: QApplication) -> QApplication:
    """The application as `app.py` makes it: our theme, our font, C numbers; nothing blinks."""
    locale.setlocale(locale.LC_NUMERIC, "C")
    qapp.setCursorFlashTime(0)
    qapp.setQuitOnLastWindowClosed(False)
    theme.install(qapp, "dark").dress()
    return qapp


@pytest.fixture(scope="module", autouse=True)
def little_to_collect() -> None:
    """What is there by now, such as a million objects of the libraries for training, is not looked through again each
    time that a test collects garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def dark(qapp: QApplication) -> None:
    """Every test begins in the dark."""
    if theme.current().mode != "dark":
        theme.current().set_mode("dark")


@pytest.fixture(autouse=True)
def nothing_left(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test that leaves a window, a timer or an animation; say where the latter was started."""
    started: list[tuple[weakref.ref[QTimer | QAbstractAnimation], str]] = []  # what nobody owns is gone by the end

    def watch(kind: type) -> None:
        start = kind.start

        def recorded(self: Any, *args: Any, **kwargs: Any) -> None:
            where = traceback.extract_stack(limit=2)[0]
            started.append((weakref.ref(self), f"{where.filename}:{where.lineno}"))
            start(self, *args, **kwargs)

        monkeypatch.setattr(kind, "start", recorded)

    watch(QTimer)
    watch(QAbstractAnimation)
    before = {id(widget) for widget in qapp.topLevelWidgets()}
    yield
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    problems = [
        f"window left open: {widget!r}"
        for widget in qapp.topLevelWidgets()
        if widget.isVisible() and id(widget) not in before
    ]
    for reference, where in started:
        thing = reference()
        if thing is None or not shiboken6.isValid(thing):
            continue
        running = thing.isActive() if isinstance(thing, QTimer) else thing.state() == thing.State.Running
        if running:
            problems.append(f"still running: {thing!r}, started at {where}")
            thing.stop()
    for widget in qapp.topLevelWidgets():
        if widget.isVisible() and id(widget) not in before:
            widget.close()
    if problems:
        pytest.fail("\n".join(sorted(set(problems))))


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[logging.LogRecord]]:
    """The warnings and errors logged so far; a test that expects some takes them out with `clear()`."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Keep(logging.WARNING)
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)
    if records:
        pytest.fail("logged: " + "\n".join(f"{record.name}: {record.getMessage()}" for record in records))


@pytest.fixture
def settings(qapp: QApplication, tmp_path: Path) -> Iterator[Settings]:
    """Settings in a folder of their own, saved in the end."""
    settings = Settings(tmp_path)
    yield settings
    settings.save()


@pytest.fixture
def qrun(qapp: QApplication) -> Runner:
    """`qrun(coroutine, timeout=10)` runs it on a loop inside Qt and returns its result; fails on tasks left running
    and on whatever the loop had to handle."""

    def run(coroutine: Coroutine[Any, Any, Any], timeout: float = 10) -> Any:
        errors: list[dict[str, Any]] = []
        loop = qasync.QEventLoop(qapp)
        asyncio.set_event_loop(loop)
        executor = ThreadPoolExecutor(2, thread_name_prefix="qrun")
        loop.set_default_executor(executor)
        loop.set_exception_handler(lambda _, context: errors.append(context))

        async def main() -> Any:
            async with asyncio.timeout(timeout):
                return await coroutine

        try:
            return loop.run_until_complete(main())
        finally:
            left = [task for task in asyncio.all_tasks(loop) if not task.done()]
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            gc.collect()  # a failed task that nobody awaited speaks when it is collected
            executor.shutdown(wait=True)
            loop.close()
            asyncio.set_event_loop(None)
            assert not errors, errors
            problem = f"tasks left running: {left}" if left else ""
            # The loop is a cycle with timers, even those of sleeps that were cancelled: it must go on this thread.
            del loop, left
            gc.collect()
            assert not problem, problem

    return run


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(picture_bundle(tmp_path))


@pytest.fixture
def lane() -> Iterator[Lane]:
    lane = Lane("cpu")
    yield lane
    lane.close()
