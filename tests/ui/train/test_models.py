"""What the train workspace knows, without a window: series, the data, the plan of a run, a run that is watched."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtWidgets import QApplication

from studio.datasets.collecting import collect_pictures
from studio.datasets.kinds import kind_of
from studio.errors import StudioError
from studio.training.client import Run, ask_worker
from studio.training.presets import new_model
from studio.training.recipe import load_recipe, recipe_toml
from studio.training.validation import is_name
from studio.ui.train.plan import Plan, free_folder, starts
from studio.ui.train.source import Source, sources_of
from studio.ui.train.watching import MOST_POINTS, Series, Watch, duration
from tests.helpers import fake_worker, picture_bundle


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(12):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{index:02}.png")
    (folder / "copy.png").write_bytes((folder / "03.png").read_bytes())
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)


def test_a_series_of_a_million_points_stays_small_and_true():
    series = Series()
    for step in range(1_000_000):
        series.add(step, 1000 - step / 1000 + (step % 2))
    assert series.count <= MOST_POINTS
    assert (np.diff(series.steps) > 0).all()
    assert np.abs(series.values - (1000.5 - series.steps / 1000)).max() < 1.1
    assert series.steps[0] < 100
    assert series.steps[-1] > 999_900
    assert np.diff(series.steps).max() < 200  # evenly
    series.cut(500_000)
    assert series.steps[-1] <= 500_000
    assert series.steps[-1] > 499_900


@pytest.mark.parametrize(
    ("seconds", "words"), [(5.4, "5 s"), (200, "3 min"), (4000, "1 h 07 min"), (300_000, "3 days"), (-1, "0 s")]
)
def test_durations(seconds: float, words: str):
    assert duration(seconds) == words


def test_data_are_read_beside_the_window(qapp: QApplication, qrun: Any, pictures: Path, tmp_path: Path):
    source = Source(tmp_path / "datasets")
    told: list[bool] = []
    source.changed.connect(lambda: told.append(source.reading))

    async def story() -> None:
        await source.open(pictures, (8, 8))
        assert source.dataset is not None
        assert len(source.dataset) == 13
        assert source.summary() == "13 pictures · 1 unreadable · 1 duplicate"
        assert told[0] and not told[-1]
        await source.open(tmp_path / "nowhere", (8, 8))
        assert source.dataset is None
        assert "no data" in source.summary()

    qrun(story(), timeout=30)


def test_reading_can_be_broken_off(qapp: QApplication, qrun: Any, pictures: Path, tmp_path: Path):
    source = Source(tmp_path / "datasets")

    async def story() -> None:
        task = asyncio.ensure_future(source.open(pictures, (8, 8)))
        await until(lambda: source._process is not None)
        source.close()
        await task
        assert "broken off" in source.problem or source.dataset is not None

    qrun(story(), timeout=30)


@pytest.mark.parametrize("before", ["it starts", "it reads"])
def test_other_data_take_the_place_of_what_is_being_read(
    qapp: QApplication, qrun: Any, pictures: Path, tmp_path: Path, before: str
):
    source = Source(tmp_path / "datasets")
    problems: list[str] = []
    source.changed.connect(lambda: problems.append(source.problem))
    other = tmp_path / "other"
    other.mkdir()
    Image.new("L", (8, 8)).save(other / "one.png")

    async def story() -> None:
        first = asyncio.ensure_future(source.open(pictures, (8, 8)))
        if before == "it reads":
            await until(lambda: source._process is not None)
        else:
            await asyncio.sleep(0)
        await source.open(other, (8, 8))
        await first
        assert (source.path, source.reading, source.problem) == (other, False, "")
        assert source.dataset is not None and len(source.dataset) == 1
        assert not any(problems)

    qrun(story(), timeout=30)


def test_what_can_be_data(pictures: Path, tmp_path: Path):
    for name in ("", "a.txt", "b.MD", "c.npz", "train-images-idx3-ubyte", "data_batch_1"):
        assert sources_of([pictures / name]) == pictures / name
    assert sources_of([pictures / "00.png"]) is None
    assert sources_of([pictures, pictures]) is None
    assert kind_of(pictures) == "pictures"
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.md").write_text("x")
    assert kind_of(tmp_path / "texts") == "texts"
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudioError, match="neither"):
        kind_of(tmp_path / "empty")


def test_a_plan_becomes_a_recipe(pictures: Path, tmp_path: Path):
    dataset = collect_pictures(pictures, tmp_path / "set", (32, 32))
    plan = Plan(start="new:tiny", name="mine")
    assert plan.problems(None) == [("data.train", "must be opened first: choose what to learn from")]
    assert plan.problems(dataset) == []
    plan.values = {"training.steps": 50, "tokens.granularities": (2, 8), "data.valid_share": 0.2}
    recipe = plan.recipe(dataset)
    assert (recipe.training.steps, recipe.tokens.granularities, recipe.data.valid_share) == (50, (2, 8), 0.2)
    assert recipe.data.train == str(tmp_path / "set")
    assert recipe.data.name == "pictures: 13 pictures"
    assert recipe.defaults["granularity"] == 2
    plan.values = {"training.steps": "many", "training.batch": 0}
    assert [field for field, _ in plan.problems(dataset)] == ["training.steps", "training.batch"]
    plan.values = {"tokens.granularities": "a b"}
    assert plan.problems(dataset)[0][0] == "tokens.granularities"
    plan.shape = {"tokenizer": "rgb", "side": 16, "length": 3}
    plan.values = {}
    assert plan.recipe(None).num_tokens == 16 * 16 * 3
    assert [value for value, _ in starts([("a", "A")])] == ["a", "new:tiny", "new:small", "new:base"]
    assert free_folder(tmp_path, "pictures") == tmp_path / "pictures-2"


def test_a_run_is_not_called_as_a_model_that_is_there(tmp_path: Path, own_home: Path):
    """It would take its place: of one that shipped, or of one whose run is deleted."""
    picture_bundle(own_home / "studio" / "models", "mine")
    assert free_folder(tmp_path, "emoji-32") == tmp_path / "emoji-32-2"
    assert free_folder(tmp_path, "mine") == tmp_path / "mine-2"
    (tmp_path / "mine-2").mkdir()
    assert free_folder(tmp_path, "mine") == tmp_path / "mine-3"
    (tmp_path / ("a" * 64)).mkdir()
    assert is_name(free_folder(tmp_path, "a" * 64).name)


def test_a_pause_stands_at_its_step_though_the_last_ones_were_not_told(qapp: QApplication):
    watch = Watch()
    watch._take({"event": "step", "step": 13, "steps": 20, "samples_per_second": 1.0, "seconds_left": 7.0})
    watch._take({"event": "paused", "step": 14})
    assert watch.status_line().startswith("Paused · step 14 of 20")


def test_what_was_told_of_an_earlier_sitting_is_not_of_now(qapp: QApplication):
    watch = Watch()
    step = {"event": "step", "loss": 1.0, "steps": 60, "samples_per_second": 1.0, "seconds_left": 2.0}
    for event in ({"event": "hello"}, {"event": "start", "step": 0, "steps": 60}, step | {"step": 58}):
        watch._take(event)
    assert "step 58 of 60" in watch.status_line()
    watch._take({"event": "end", "step": 58})
    watch._set("running")
    for event in ({"event": "hello"}, {"event": "preparing", "what": "text to tokens"}):
        watch._take(event)
    assert watch.status_line() == "Training · Text to tokens"
    watch._take({"event": "start", "step": 58, "steps": 60})
    assert watch.status_line() == "Training · getting ready"
    watch._take(step | {"step": 59})
    assert "step 59 of 60" in watch.status_line()


@pytest.mark.parametrize(("finished", "reason"), [(True, "finished"), (False, "stop"), (False, "early")])
def test_a_run_that_is_resumed_is_at_work_before_it_says_so(qapp: QApplication, finished: bool, reason: str):
    watch = Watch()
    watch.live, watch._since = True, 10.0
    watch._set("starting")
    step = {"event": "step", "step": 20, "steps": 40, "samples_per_second": 1.0, "seconds_left": 20.0, "time": 2.0}
    end = {"event": "end", "step": 20, "finished": finished, "reason": reason}
    for event in ({"event": "start", "step": 0, "steps": 40, "time": 1.0}, step, end | {"time": 3.0}):
        watch._take(event)
    assert watch.active
    watch._take({"event": "hello", "time": 11.0})
    assert watch.state == "starting" and watch.status_line() == "Starting… · getting ready"
    watch._take(end | {"time": 12.0})
    assert not watch.active


def test_the_log_says_when_and_that_a_process_was_killed(qapp: QApplication):
    watch = Watch()
    noon = datetime(2026, 3, 4, 12, 0).timestamp()
    events = ({"event": "hello"}, {"event": "start", "step": 0, "steps": 9, "device": "CPU"}, {"event": "hello"})
    for minutes, event in enumerate((*events, {"event": "log", "message": "on"}, {"event": "end", "step": 9})):
        watch._take(event | {"time": noon + 60 * minutes})
    watch._take({"event": "hello", "time": noon + 24 * 3600})
    watch._take({"event": "log", "message": "a day later", "time": noon + 24 * 3600})
    watch._take({"event": "log", "message": "no year has it", "time": 1e200})
    assert watch.lines == [
        "2026-03-04",
        "12:01  0.0 M parameters on CPU",
        "12:02  the process had ended without a word",
        "12:03  on",
        "12:04  stopped at step 9",
        "2026-03-05",
        "12:00  a day later",
        "no year has it",
    ]
    assert watch.line_count == len(watch.lines)


def test_what_is_done_after_the_last_step_is_said(qapp: QApplication):
    watch = Watch()
    watch._set("running")
    watch._take({"event": "step", "step": 12, "steps": 12, "samples_per_second": 1.0, "seconds_left": 0.0})
    assert watch.status_line() == "Training · step 12 of 12 · measuring it and saving · 0 bytes"


def test_a_run_that_was_told_to_stop_is_stopping_whatever_it_tells_first(qapp: QApplication):
    watch = Watch()
    watch._set("stopping")
    for event in ({"event": "start", "step": 0, "steps": 60}, {"event": "paused", "step": 1}, {"event": "resumed"}):
        watch._take(event)
        assert watch.state == "stopping" and watch.status_line().startswith("Stopping…")
    watch._take({"event": "end", "step": 1})
    assert watch.state == "stopped"


def test_a_run_is_begun_watched_and_found_again(
    qapp: QApplication, qrun: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("STUDIO_TRAIN_PYTHON", str(fake_worker(tmp_path)))
    recipe = new_model("steady", "image", "tiny")

    async def story() -> None:
        watch = Watch()
        states: list[str] = []
        watch.state_changed.connect(lambda: states.append(watch.state))
        await watch.begin(recipe, tmp_path / "steady")
        await until(lambda: watch.series["loss"].count > 5)
        assert watch.active
        assert "of 200" in watch.status_line()
        assert watch.evaluation["bound"] > 0
        watch.ask("pause")
        await until(lambda: watch.state == "paused")
        watch.ask("sample")
        await until(lambda: len(watch.previews()) == 2)
        watch.close()  # the window goes; the run does not
        second = Watch()
        second.follow(Run(tmp_path / "steady"))
        await until(lambda: second.state == "paused")
        assert second.series["loss"].count == watch.series["loss"].count
        await second.stop()
        await until(lambda: second.state == "stopped")
        assert second.checkpoints()[-1].step == second.series["loss"].count
        assert list(dict.fromkeys(states))[:2] == ["starting", "running"]
        resumed: list[str] = []
        second.state_changed.connect(lambda: resumed.append(second.state))
        await second.begin(recipe, tmp_path / "steady", resume=True)
        await until(lambda: second.last.get("step", 0) > second.start.get("step", 0) > 0)
        assert "stopped" not in resumed  # which is told of its first part once more, and is no news
        await second.stop()
        await until(lambda: second.state == "stopped")
        assert (np.diff(second.series["loss"].steps) > 0).all()
        second.close()
        watch.close()

    qrun(story(), timeout=40)


def test_how_a_run_can_end(qapp: QApplication, qrun: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STUDIO_TRAIN_PYTHON", str(fake_worker(tmp_path)))
    recipe = new_model("steady", "image", "tiny")

    async def story() -> None:
        watch = Watch()
        for name, state, word in (("fails", "failed", "number"), ("dies", "lost", "without a word")):
            await watch.begin(recipe, tmp_path / name)
            await until(lambda state=state: watch.state == state)
            assert word in watch.message
            assert not watch.active
        await watch.begin(recipe, tmp_path / "short")
        await until(lambda: watch.state == "done")
        with pytest.raises(StudioError, match="no torch here"):
            await watch.begin(recipe, tmp_path / "mute")
        assert watch.state == "failed"
        watch.follow(None)
        assert watch.state == "none"

    qrun(story(), timeout=40)


def test_a_python_that_is_gone_is_said(qapp: QApplication, qrun: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STUDIO_TRAIN_PYTHON", str(tmp_path / "old" / "python"))

    async def story() -> None:
        watch = Watch()
        with pytest.raises(StudioError, match="STUDIO_TRAIN_PYTHON"):
            await watch.begin(new_model("steady", "image", "tiny"), tmp_path / "run")
        assert watch.state == "failed" and not (tmp_path / "run").exists()
        with pytest.raises(StudioError, match="STUDIO_TRAIN_PYTHON"):
            await ask_worker("--estimate")

    qrun(story())


@pytest.mark.parametrize("fault", [OSError(24, "Too many open files"), ValueError("no JSON")])
def test_reading_ends_however_it_fails(
    qapp: QApplication, qrun: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
):
    source = Source(tmp_path / "datasets")

    def fail(*_: object, **__: object) -> None:
        raise fault

    async def story() -> None:
        with suppress(ValueError):
            await source.open(pictures, (8, 8))
        assert not source.reading and source.dataset is None
        assert source.problem.startswith("Reading pictures")

    monkeypatch.setattr("studio.ui.train.source.child", fail)
    qrun(story())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is always UTF-8")
def test_data_whose_name_is_no_utf_8_can_be_learned_from(qapp: QApplication, qrun: Any, tmp_path: Path):
    folder = tmp_path / os.fsdecode(b"b\xff\xfed\n")
    folder.mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "a.png")
    source = Source(tmp_path / "datasets")

    async def story() -> None:
        await source.open(folder, (8, 8))

    qrun(story())
    assert source.dataset is not None, source.problem
    recipe = Plan(start="new:tiny", name="mine").recipe(source.dataset)
    (tmp_path / "recipe.toml").write_bytes(recipe_toml(recipe).encode())
    assert load_recipe(tmp_path / "recipe.toml").data == recipe.data
