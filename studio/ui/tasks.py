"""Coroutines that run beside the window: kept until they end, and never failing in silence."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from studio.errors import OutOfMemory, StudioError
from studio.ui.notices import Notice, Notices

T = TypeVar("T")
log = logging.getLogger(__name__)

BUG = "Something went wrong inside the program; the log has the details."

_running: set[asyncio.Task[Any]] = set()
_notices: Notices | None = None


def report_to(notices: Notices | None) -> None:
    """Where failures are shown from now on."""
    global _notices
    _notices = notices


def report(error: BaseException, place: str = "window") -> Notice | None:
    """Show a failure at its place. A StudioError is for the user; anything else is a bug and logged with its trace."""
    if isinstance(error, MemoryError):
        error = OutOfMemory("Not enough memory for that: ask for fewer variations, or close other programs.")
    if not isinstance(error, StudioError):
        log.error("bug at %s", place, exc_info=error)
    if _notices is None:
        if isinstance(error, StudioError):
            log.error("%s: %s", place, error)
        return None
    if isinstance(error, StudioError):
        return _notices.show(str(error), "error", place)
    return _notices.show(BUG, "error", place, details=f"{type(error).__name__}: {error}")


def take_back(notice: Notice | None) -> None:
    """What was reported is past."""
    if _notices is not None and notice is not None:
        _notices.dismiss(notice)


def spawn(
    coroutine: Coroutine[Any, Any, T],
    place: str = "window",
    on_failure: Callable[[Notice | None], object] | None = None,
) -> asyncio.Task[T]:
    """Start a coroutine and keep it. Its failure is reported at `place`; being cancelled is no failure.

    on_failure: called with what was shown of it.
    """
    task = asyncio.ensure_future(coroutine)
    task.set_name(f"{place}: {coroutine.__qualname__}")
    _running.add(task)

    def done(task: asyncio.Task[T]) -> None:
        _running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            notice = report(error, place)
            if on_failure is not None:
                on_failure(notice)

    task.add_done_callback(done)
    return task


def running() -> list[asyncio.Task[Any]]:
    """What was spawned and has not ended."""
    return list(_running)


async def cancel_all() -> None:
    """Cancel what is left and wait for it; the window calls it on its way out."""
    left = [task for task in _running if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
