"""Tasks are kept until they end, and what they raise is told."""

import asyncio
import gc
import logging
from collections.abc import Iterator

import pytest

from studio.errors import StudioError
from studio.ui import tasks
from studio.ui.notices import Notices


@pytest.fixture
def notices(qapp: object) -> Iterator[Notices]:
    notices = Notices()
    tasks.report_to(notices)
    yield notices
    tasks.report_to(None)


async def fail(error: Exception) -> None:
    await asyncio.sleep(0)
    raise error


def test_a_studio_error_is_told_where_it_was_caused(qrun, notices: Notices) -> None:
    async def main() -> None:
        task = tasks.spawn(fail(StudioError("Choose a smaller picture.")), "image")
        await asyncio.wait([task])
        await asyncio.sleep(0)

    qrun(main())
    told = notices.at("image")
    assert [(notice.text, notice.kind) for notice in told] == [("Choose a smaller picture.", "error")]


def test_a_bug_is_told_and_logged_with_its_trace(qrun, notices: Notices, logged: list[logging.LogRecord]) -> None:
    async def main() -> None:
        await asyncio.wait([tasks.spawn(fail(ValueError("oops")), "text")])
        await asyncio.sleep(0)

    qrun(main())
    assert notices.at("text")[0].details == "ValueError: oops"
    assert logged.pop().exc_info and not logged


def test_without_a_window_it_is_logged(qrun, logged: list[logging.LogRecord]) -> None:
    async def main() -> None:
        await asyncio.wait([tasks.spawn(fail(StudioError("No such file.")), "image")])
        await asyncio.sleep(0)

    qrun(main())
    assert "No such file." in logged.pop().getMessage() and not logged


def test_a_task_that_nobody_holds_runs_to_its_end(qrun, notices: Notices) -> None:
    ended = []

    async def work() -> None:
        await asyncio.sleep(0.02)
        ended.append(1)

    async def main() -> None:
        tasks.spawn(work())
        gc.collect()
        assert len(tasks.running()) == 1
        await asyncio.sleep(0.1)

    qrun(main())
    assert ended == [1] and tasks.running() == []


def test_all_are_cancelled_in_the_end_and_that_is_no_failure(qrun, notices: Notices) -> None:
    cleaned = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(1)

    async def main() -> None:
        tasks.spawn(work())
        tasks.spawn(work())
        await asyncio.sleep(0)
        await tasks.cancel_all()

    qrun(main())
    assert cleaned == [1, 1] and tasks.running() == [] and notices.at("window") == []
