"""Processes of our own beside this one: what they find, and that none outlives who waits for it."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

LONGEST_LINE = 1 << 20
"""Bytes of a line that a child may tell."""


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
        asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=stderr, env=env or environment(), limit=LONGEST_LINE
        )
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
    over = asyncio.ensure_future(_over(process))
    with suppress(ProcessLookupError):
        if patience:
            process.terminate()
            await asyncio.wait([over], timeout=patience)
        if process.returncode is None:
            process.kill()
    await over


async def _over(process: Process) -> None:
    """Until it has ended. `wait` returns when its pipes are closed, which one that is full and not read never is."""
    await asyncio.gather(*(_drain(stream) for stream in (process.stdout, process.stderr) if stream))
    await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    with suppress(RuntimeError):  # another task reads it to its end
        while await stream.read(LONGEST_LINE):
            pass
