"""The other end of the worker, with a stand-in that speaks as it does; nothing here needs torch."""

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.errors import StudioError
from studio.training import run_folder
from studio.training.client import Run, ask_worker, find_runs, start
from studio.training.presets import new_model
from tests.helpers import fake_worker

RECIPE = new_model("steady", "image", "tiny")


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_TRAIN_PYTHON", str(fake_worker(tmp_path)))


async def collect(run: Run, until: str = "") -> list[dict[str, Any]]:
    events = []
    async with asyncio.timeout(20):
        async for event in run.events():
            events.append(event)
            if event["event"] == until:
                break
    return events


def test_a_run_is_watched_asked_and_stopped(tmp_path: Path):
    async def story() -> None:
        run = await start(RECIPE, tmp_path / "steady")
        assert run.running
        assert [e["event"] for e in await collect(run, "step")] == ["hello", "start", "preview", "step"]
        run.ask("pause")
        assert (await collect(run, "paused"))[-1]["event"] == "paused"
        run.ask("save")
        assert (await collect(run, "checkpoint"))[-1]["event"] == "checkpoint"
        run.ask("resume")
        await collect(run, "resumed")
        with pytest.raises(StudioError, match="at work"):
            await start(RECIPE, tmp_path / "steady")
        assert await run.stop() == "asked"
        assert (await collect(run))[-1]["event"] == "end"
        assert not run.running

    asyncio.run(story())


def test_a_run_that_outlives_its_starter_is_found_again(tmp_path: Path):
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from studio.training.client import start; from studio.training.presets import new_model\n"
        "asyncio.run(start(new_model('steady', 'image', 'tiny'), Path(sys.argv[1]))); import os; os._exit(9)"
    )
    folder = tmp_path / "runs" / "steady"
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 9

    async def story() -> None:
        (found,) = find_runs(tmp_path / "runs")
        assert found.folder == folder
        assert found.running
        first = await collect(found, "step")
        assert first[0]["event"] == "hello"
        assert await found.stop() == "asked"
        assert (await collect(found))[-1]["event"] == "end"

    asyncio.run(story())


def test_one_that_does_not_hear_is_killed(tmp_path: Path):
    async def story() -> None:
        run = await start(RECIPE, tmp_path / "deaf")
        assert await run.stop(patience=0.3, hard=0.3) == "killed"
        assert (await collect(run))[-1]["event"] == "lost"

    asyncio.run(story())


def test_every_end_is_told(tmp_path: Path):
    async def story() -> None:
        events = await collect(await start(RECIPE, tmp_path / "fails"))
        assert {key: value for key, value in events[-1].items() if key != "time"} == {
            "event": "error",
            "message": "The loss is no longer a number at step 3.",
            "diverged": True,
        }
        events = await collect(await start(RECIPE, tmp_path / "dies"))
        assert events[-1]["event"] == "lost"
        assert "without a word" in events[-1]["message"]
        with pytest.raises(StudioError, match="no torch here"):
            await start(RECIPE, tmp_path / "mute")
        (tmp_path / "file").write_text("")
        with pytest.raises(StudioError, match="Cannot write"):
            await start(RECIPE, tmp_path / "file" / "run")

    asyncio.run(story())


def test_a_resumed_run_goes_on_in_the_same_file(tmp_path: Path):
    async def story() -> None:
        run = await start(RECIPE, tmp_path / "short")
        before = await collect(run)
        assert before[-1]["event"] == "end"
        again = await start(RECIPE, tmp_path / "short", resume=True)
        events = await collect(again)
        assert events[: len(before)] == before
        assert events[len(before)]["event"] == "hello"
        assert events[len(before) + 1]["step"] == 5
        assert run_folder.previews(tmp_path / "short")[0][0] == 0

    asyncio.run(story())


def test_what_a_long_run_told_before_is_not_read_to_resume_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, lines = tmp_path / "short", []
    folder.mkdir()
    (folder / run_folder.EVENTS).write_text('{"event": "hello", "old": true}\n' * 3000)
    real = run_folder.event_of
    monkeypatch.setattr(run_folder, "event_of", lambda line: lines.append(line) or real(line))
    asyncio.run(start(RECIPE, folder, resume=True))
    assert lines and not any(b"old" in line for line in lines)


def test_a_run_is_not_begun_in_the_place_of_another(tmp_path: Path):
    async def story() -> None:
        await collect(await start(RECIPE, tmp_path / "short"))
        before = {path: path.read_bytes() for path in (tmp_path / "short").iterdir() if path.is_file()}
        with pytest.raises(StudioError, match="already holds a run: resume it, or choose another folder"):
            await start(replace(RECIPE, name="another"), tmp_path / "short")
        assert {path: path.read_bytes() for path in (tmp_path / "short").iterdir() if path.is_file()} == before

    asyncio.run(story())


def test_one_answer(tmp_path: Path):
    (tmp_path / "recipe.toml").write_text("")
    told = asyncio.run(ask_worker("recipe.toml", "-o", str(tmp_path), "--estimate"))
    assert told["parameters"] == 2_500_000
    (tmp_path / "recipe.toml").write_text("fails")
    with pytest.raises(StudioError, match="does not fit"):
        asyncio.run(ask_worker("recipe.toml", "-o", str(tmp_path), "--estimate"))


def test_the_real_worker_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("STUDIO_TRAIN_PYTHON")
    wrong = new_model("?", "image", "tiny")

    async def story() -> Run:
        run = await start(wrong, tmp_path / "run")
        events = await collect(run)
        assert events[-1]["event"] == "error"
        assert "name" in events[-1]["message"]
        return run

    run = asyncio.run(story())
    # It may still be ending when its last word has been read; who looks at the run then takes it away.
    limit = time.monotonic() + 10
    while run.running or [pid for pid in os.listdir("/proc") if pid.isdigit() and _is_zombie(pid)]:
        assert time.monotonic() < limit, "the worker stays behind as a zombie"
        time.sleep(0.05)


def _is_zombie(pid: str) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] == "Z" and fields[1] == str(os.getpid())
