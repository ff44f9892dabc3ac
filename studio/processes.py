"""Processes of our own beside this one: what they find, and that none outlives who waits for it."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path


def environment(**more: str) -> dict[str, str]:
    """This process's own, and the same `studio` on the path wherever it was started; `more` on top."""
    root = str(Path(__file__).resolve().parents[1])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), **more}


@asynccontextmanager
async def child(
    *command: str, env: Mapping[str, str] | None = None, stderr: int = PIPE, patience: float = 0
) -> AsyncIterator[Process]:
    """A process with its standard output piped, and its standard error unless said otherwise.

    If the block is left, or cancelled, before it has ended, it is asked to end and `patience` seconds later made to.
    """
    # Shielded: one that is half started would be left running.
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=stderr, env=env or environment())
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _end(await starting, patience)
        raise
    try:
        yield process
    finally:
        await _end(process, patience)


async def _end(process: Process, patience: float) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        if patience:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), patience)
        if process.returncode is None:
            process.kill()
    await process.wait()
