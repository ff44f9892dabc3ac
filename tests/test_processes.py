import asyncio
import os
import sys
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from studio.processes import child, environment

SLEEPS = [sys.executable, "-c", "print('here', flush=True); import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)",
]


async def _here(process: Process) -> None:
    assert process.stdout is not None
    assert await process.stdout.readline()


def test_a_child_finds_this_studio_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/else", "", "/else"]))
    root = str(Path(__file__).resolve().parents[1])
    assert environment(MORE="1") == os.environ | {"PYTHONPATH": os.pathsep.join([root, "/else"]), "MORE": "1"}
    monkeypatch.chdir(tmp_path)

    async def where() -> str:
        async with child(sys.executable, "-c", "import studio; print(studio.__file__)") as process:
            out, _ = await process.communicate()
        return out.decode().strip()

    assert asyncio.run(where()) == str(Path(root) / "studio" / "__init__.py")


def test_no_child_outlives_its_block():
    children: list[Process] = []

    async def fail() -> None:
        async with child(*SLEEPS) as process:
            children.append(process)
            await _here(process)
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(fail())
    assert children[0].returncode == -9


@pytest.mark.parametrize("patience", [0, 20])
def test_a_child_is_ended_whose_pipe_is_full(patience: float):
    async def story() -> int | None:
        writes = "import sys\nwhile True: sys.stdout.write('x' * 999 + '\\n')"
        async with child(sys.executable, "-c", writes, patience=patience) as process:
            await _here(process)
            while not process.stdout._paused:  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
                await asyncio.sleep(0.01)
        return process.returncode

    assert asyncio.run(asyncio.wait_for(story(), 10)) == (-15 if patience else -9)


def test_a_child_is_ended_while_another_task_reads_it():
    said: list[asyncio.Task[bytes]] = []

    async def story() -> int | None:
        async with child(*SLEEPS) as process:
            assert process.stderr is not None
            said.append(asyncio.ensure_future(process.stderr.read()))
            await _here(process)
        assert await said[0] == b""
        return process.returncode

    assert asyncio.run(story()) == -9


def test_a_child_may_tell_a_long_line():
    async def story() -> bytes:
        async with child(sys.executable, "-c", "print('x' * 300_000)") as process:
            assert process.stdout is not None
            return await process.stdout.readline()

    assert len(asyncio.run(story())) == 300_001


def test_a_child_that_is_cancelled_while_it_starts_is_ended(monkeypatch: pytest.MonkeyPatch):
    children: list[Process] = []
    real = asyncio.create_subprocess_exec

    async def start(*command: str, **how: object) -> Process:
        children.append(await real(*command, **how))  # pyright: ignore[reportArgumentType]
        await asyncio.sleep(0.05)
        return children[-1]

    async def story() -> None:
        monkeypatch.setattr(asyncio, "create_subprocess_exec", start)

        async def block() -> None:
            async with child(*SLEEPS):
                pytest.fail("it was cancelled before")

        task = asyncio.ensure_future(block())
        while not children:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert children[0].returncode == -9

    asyncio.run(story())


@pytest.mark.parametrize(("command", "code"), [(SLEEPS, -15), (STUBBORN, -9)])
def test_with_patience_a_child_is_asked_first(command: list[str], code: int):
    async def story() -> int | None:
        async with child(*command, patience=0.2 if command is STUBBORN else 20) as process:
            await _here(process)
        return process.returncode

    assert asyncio.run(story()) == code
