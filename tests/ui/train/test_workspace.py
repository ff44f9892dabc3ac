"""The train workspace as its user meets it, in the window, with a stand-in for the training process."""

import asyncio
import json
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QWidget

from studio.errors import StudioError
from studio.training.client import Run
from studio.training.presets import new_model
from studio.training.recipe import load_recipe, recipe_toml
from studio.training.run_folder import (
    CHECKPOINT,
    COMMAND_FILE,
    EVENTS,
    RECIPE,
    Checkpoint,
    Lock,
    is_running,
    write_checkpoints,
)
from studio.ui import tasks
from studio.ui.context import Studio
from studio.ui.lane import Lane
from studio.ui.rail import Place
from studio.ui.train import watching, workspace
from studio.ui.train.at_work import end_words
from studio.ui.train.charts import Charts, marks
from studio.ui.train.leaving import LeavingDialog
from studio.ui.train.watching import Series
from studio.ui.train.workspace import TrainWorkspace
from studio.ui.window import Window
from tests.helpers import fake_worker

Test = Callable[[Window, TrainWorkspace], Coroutine[Any, Any, None]]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(12):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{index:02}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def with_train(qapp: QApplication, qrun: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`with_train(test)` runs a coroutine with a window that shows the train workspace."""
    monkeypatch.setenv("STUDIO_TRAIN_PYTHON", str(fake_worker(tmp_path)))

    async def run(test: Test) -> None:
        studio = Studio(qapp, Lane("cpu"))
        tasks.report_to(studio.notices)
        studio.models.load()
        window = Window(studio)
        window.show()
        await window.bring_back()
        window.bring_to_front("train")
        train = window.workspace_named("train")
        assert isinstance(train, TrainWorkspace)
        try:
            await test(window, train)
        finally:
            if train.watch.active:
                await train.watch.stop()
            await window.close_down()
            tasks.report_to(None)
            studio.close_down()

    return lambda test: qrun(run(test), timeout=60)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.005)


def start(window: Window, train: TrainWorkspace, name: str) -> None:
    train.form.set_name(name)
    window.studio.actions["train.start"].trigger()


async def read(train: TrainWorkspace, path: Path) -> None:
    train.open_data(path)
    await until(lambda: train.source.dataset is not None and not train.source.reading)


def test_from_data_to_a_model(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        actions = window.studio.actions
        assert train.open_paths([pictures])
        await until(lambda: train.source.dataset is not None and not train.source.reading)
        assert train.data_panel.summary.text() == "12 pictures · 1 unreadable"
        assert train.data_panel.problems.count() == 1
        start(window, train, "steady")
        await until(lambda: train.watch.series["loss"].count > 3)
        assert train.stack.currentWidget() is train.run_panel
        assert train.status()["model"] == "Run steady"
        assert not actions["train.resume"].isVisible()
        await until(lambda: train.run_panel.film.slider.isVisible() and bool(train.run_panel.film._previews))
        actions["train.save"].trigger()
        await until(lambda: train.run_panel.checkpoints.count() > 0)
        lane, bundle = window.studio.lane, window.studio.models.all()[0]
        loaded = await asyncio.wrap_future(lane.submit(lane.load, bundle))
        loaded.seconds = {1: deque([1000.0])}  # beside the training
        actions["train.stop"].trigger()
        await until(lambda: train.watch.state == "stopped")
        await until(lambda: (lane.call_seconds(bundle, 1) or 1000) < 100)
        assert actions["train.resume"].isVisible() and not actions["train.stop"].isVisible()
        made: list[tuple[str, str]] = []
        train.made.connect(lambda name, modality: made.append((name, modality)))
        train.run_panel.take.setFocus()
        train.run_panel.take.click()
        await until(lambda: train.run_panel._making)
        assert train.run_panel.checkpoints.hasFocus()
        await until(lambda: bool(made))
        assert made == [("steady", "image")]
        assert window.studio.models.get("steady") is not None
        assert any("installed" in notice.text for notice in window.studio.notices.at("train"))

    with_train(test)


def test_data_that_are_none_are_forgotten_with_the_next(with_train: Any, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.parquet").write_bytes(b"junk")
    (tmp_path / "cut.zip").write_bytes(b"junk")
    (tmp_path / "empty").mkdir()

    async def test(window: Window, train: TrainWorkspace) -> None:
        path, summary = train.data_panel.path, train.data_panel.summary
        for name, problem in (("cut.zip", "no readable archive"), ("empty", "neither"), ("junk.parquet", "Parquet")):
            train.open_data(tmp_path / name)
            await until(lambda: path.whole() == str(tmp_path / name) and problem in summary.text())  # noqa: B023
            assert train.source.dataset is None and not window.studio.notices.at("train")
        await read(train, pictures)
        assert path.whole() == str(pictures) and summary.text().startswith("12 pictures")
        assert not window.studio.notices.at("train")

    with_train(test)


def test_two_runs_of_one_name_make_models_of_two_titles(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        titles = []
        for folder in ("short", "short-2"):
            start(window, train, "short")
            await until(lambda: train.watch.name == folder and train.watch.state == "done")  # noqa: B023
            titles.append(load_recipe(train.runs_folder / folder / RECIPE).title)
        assert len(set(titles)) == 2 and titles[1].startswith("short-2"), titles

    with_train(test)


def test_what_is_left_out_stands_first_and_is_named_once(with_train: Any, pictures: Path, tmp_path: Path) -> None:
    (pictures / "sub").mkdir()
    for name in ("03.png", "sub/06 1.png"):
        Image.new("RGB", (9, 9), "red").save(pictures / name)
    table = tmp_path / "tales.jsonl"
    table.write_text('{"id": 1, "text": "  "}\n{"id": 2}\n{"id": 3, "text": "once"}\n{"id": 4, "text": "upon"}\n')

    async def test(window: Window, train: TrainWorkspace) -> None:
        problems = train.data_panel.problems
        await read(train, pictures)
        assert [problems.item(row).text() for row in range(problems.count())] == [
            "broken.png is not a picture in a known format: use PNG, JPEG, WEBP, BMP, GIF.",
            "03.png: 9 × 9 pixels are enlarged",
            "sub/06 1.png: 9 × 9 pixels are enlarged",
            "sub/06 1.png: the same content as 03.png",
        ]
        train.open_data(table)
        await until(lambda: train.source.path == table and not train.source.reading)
        assert [problems.item(row).text() for row in range(problems.count())] == [
            "tales.jsonl, line 2, has no text in the column 'text'.",
            "tales.jsonl 1: nothing but white space",
        ]

    with_train(test)


def test_train_says_what_it_reads(with_train: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.xyz").write_bytes(b"")

    async def test(window: Window, train: TrainWorkspace) -> None:
        window.open_paths([tmp_path / "broken.xyz"])
        (notice,) = window.studio.notices.at("window")
        assert all(kind in notice.text for kind in ("broken.xyz", "zip", ".npz", ".csv", ".jsonl", ".parquet"))
        asked = list[str]()
        for name in ("open", "open-folder"):
            window.studio.actions[f"train.{name}"].triggered.disconnect()
            window.studio.actions[f"train.{name}"].triggered.connect(lambda _, name=name: asked.append(name))
        empty = train.data_panel.empty
        assert empty.button.isVisible() and empty.second.isVisible()
        empty.button.click()
        empty.second.click()
        assert asked == ["open-folder", "open"]

    with_train(test)


def test_all_wrong_fields_are_marked_at_once(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        form = train.form
        wrong = {"training.steps": "0", "training.batch": "1000000000", "training.learning_rate": "nan"}
        for name, text in wrong.items():
            form.fields[name].control.setText(text)  # type: ignore[attr-defined]
        form._edited()
        marked = {name for name, field in form.fields.items() if field.control.property("invalid")}  # type: ignore[attr-defined]
        assert marked == wrong.keys()

    with_train(test)


def test_the_first_wrong_field_is_focused_and_said(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        form = train.form
        window.studio.actions["train.start"].trigger()
        await asyncio.sleep(0.05)
        assert "The data must be opened" in form.message.text()
        await read(train, pictures)
        for name, text in (("training.warmup", "soon"), ("training.checkpoint_minutes", "-1")):
            form.fields[name].control.setText(text)  # type: ignore[attr-defined]
        form._edited()
        window.studio.actions["train.start"].trigger()
        await asyncio.sleep(0.05)
        warmup = form.fields["training.warmup"].control
        assert form.message.text() == "Warm-up must be a whole number, not 'soon'."
        assert warmup.property("invalid") and warmup.isVisible()
        assert QApplication.focusWidget() is warmup
        assert not train.watch.active
        form.fields["training.warmup"].reset()
        window.studio.actions["train.start"].trigger()
        await asyncio.sleep(0.05)
        assert form.message.text().startswith("Save every (min) must lie between")

    with_train(test)


def test_the_data_that_were_asked_for_last_are_the_ones_that_come(
    with_train: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, look = threading.Event(), workspace.kind_of

    def kind_of(path: Path) -> str:
        assert path != tmp_path / "slow" or go_on.wait(10)
        return look(path)

    async def test(window: Window, train: TrainWorkspace) -> None:
        shutil.copytree(pictures, tmp_path / "slow")
        monkeypatch.setattr(workspace, "kind_of", kind_of)
        slow = asyncio.ensure_future(train._open_data(tmp_path / "slow", "crop", ""))
        await asyncio.sleep(0)
        await read(train, pictures)
        go_on.set()
        await slow
        assert train.source.path == pictures and train.source.dataset is not None

    with_train(test)


def test_another_size_reads_the_data_anew(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        train.form.begin_with("new:tiny")
        side = train.form.shape["side"].control
        side.set_value(16)  # type: ignore[attr-defined]
        side.changed.emit(16)  # type: ignore[attr-defined]
        await until(lambda: train.source.grid == (16, 16) and not train.source.reading)
        assert train.source.dataset is not None
        assert train.source.dataset.pixels.shape == (12, 16, 16, 3)
        assert train.form.recipe() is not None
        train.data_panel.fit.set_value("pad")
        train.data_panel.fit.changed.emit("pad")
        await until(lambda: train.source.fit == "pad" and not train.source.reading)
        assert train.source.dataset.table["fit"] == "pad"

    with_train(test)


def test_a_size_that_is_chosen_while_data_are_read_is_read_next(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        train.form.begin_with("new:tiny")
        train.open_data(pictures)
        await until(lambda: train.source.reading)
        side = train.form.shape["side"].control
        side.set_value(64)  # type: ignore[attr-defined]
        side.changed.emit(64)  # type: ignore[attr-defined]
        assert train.source.reading and train.source.grid == (32, 32)
        await until(lambda: train.source.grid == (64, 64) and not train.source.reading)
        assert train.form.recipe() is not None

    with_train(test)


def test_the_column_of_a_table_is_chosen(with_train: Any, tmp_path: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        table = tmp_path / "tales.csv"
        table.write_text("id,title,story\n" + "".join(f"{i},t{i},once upon a time {i}\n" for i in range(9)))
        await read(train, table)
        panel = train.data_panel
        assert panel.column.isVisible() and not panel.fit.isVisible()
        assert train.source.dataset is not None and train.source.dataset.text(2) == "t2\n"
        assert train.form.plan.modality == "text"
        line, box, asked = panel.column_line, panel.column, list[str]()
        panel.column_chosen.connect(asked.append)
        assert line.placeholderText() == "Column: title" and line.text() == ""
        assert "“title” is read; there are id, title, story" in box.toolTip()
        assert [box.itemText(index) for index in range(box.count())] == ["id", "title", "story"]
        box.setCurrentIndex(2)
        box.textActivated.emit("story")  # chosen in the list
        line.editingFinished.emit()  # the keys go elsewhere
        await until(lambda: train.source.column == "story" and not train.source.reading)
        assert train.source.dataset.text(2) == "once upon a time 2\n" and line.text() == "story"
        line.setText("nothing")
        line.editingFinished.emit()
        await until(lambda: train.source.column == "nothing" and not train.source.reading)
        assert "choose one of id, title, story" in panel.summary.text() and line.text() == "nothing"
        assert box.count() == 3
        line.setText("")
        line.editingFinished.emit()
        await until(lambda: train.source.column == "" and not train.source.reading)
        assert train.source.dataset is not None and train.source.dataset.text(2) == "t2\n"
        assert asked == ["story", "nothing", ""]

    with_train(test)


@pytest.mark.parametrize("kind", ["texts", "pictures", "in front"])
def test_data_that_are_removed_under_the_window_are_said_to_be_gone(
    kind: str, with_train: Any, pictures: Path, tmp_path: Path
) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        (tmp_path / "tale.txt").write_text("once upon a time\n" * 900)
        await read(train, pictures if kind == "pictures" else tmp_path / "tale.txt")
        start(window, train, "steady")
        await until(lambda: train.watch.state == "running")
        await train.watch.stop()
        await until(lambda: train.watch.state == "stopped")
        assert train.source.dataset is not None
        if kind == "in front":
            train.show_side("data")
            train.data_panel.browser.pick(0)
        shutil.rmtree(train.source.dataset.folder)
        if kind == "in front":
            train.data_panel.browser.viewport().update()
        else:
            train.show_side("data")
        await until(lambda: train.source.dataset is None)
        assert train.data_panel.summary.text().endswith("is gone from the disk: open the data again.")
        assert train.form.recipe() is None and "The data must be opened" in train.form.message.text()
        window.studio.actions["train.resume"].trigger()
        await until(lambda: bool(window.studio.notices.at("train")))
        notice = window.studio.notices.at("train")[-1].text
        assert "“steady” learns from are gone from the disk" in notice and "open them again, then resume it" in notice
        assert train.watch.state == "stopped"

    with_train(test)


@pytest.mark.parametrize("kind", ["texts", "pictures"])
@pytest.mark.parametrize("file", ["content.bin", "content.idx"])
def test_data_that_are_cut_short_under_the_window_do_not_end_it(
    kind: str, file: str, with_train: Any, pictures: Path, tmp_path: Path
) -> None:
    """Read through a map, they would: by SIGBUS."""

    async def test(window: Window, train: TrainWorkspace) -> None:
        (tmp_path / "tale.txt").write_text("once upon a time\n" * 900)
        await read(train, pictures if kind == "pictures" else tmp_path / "tale.txt")
        browser = train.data_panel.browser
        assert train.source.dataset is not None
        browser.grab()
        browser._pixmaps.clear()
        os.truncate(train.source.dataset.folder / file, 0)
        browser.grab()
        if file == "content.bin":  # pictures need no other
            await until(lambda: train.source.dataset is None)
            assert train.data_panel.summary.text().endswith("is gone from the disk: open the data again.")

    with_train(test)


def test_memory_and_time_are_told_before_the_start(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        window.studio.actions["train.estimate"].trigger()
        await until(lambda: "M parameters" in train.form.estimate.text())
        assert train.form.estimate.text().startswith("2.5 M parameters, up to 3.2 GB. 0.50 s a step")
        assert "5 min" in train.form.estimate.text()
        train.form.set_name("other")
        assert not train.form.estimate.text()  # it is of another run

    with_train(test)


def test_one_estimate_is_made_at_a_time_and_of_the_settings_as_they_are(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        estimate = window.studio.actions["train.estimate"]
        estimate.trigger()
        await until(lambda: not estimate.isEnabled())
        train.form.set_name("other")
        await until(estimate.isEnabled)
        assert train.form.estimate.text() == "The settings have changed meanwhile: estimate again."

    with_train(test)


def test_the_keys_stay_in_the_form_while_it_is_measured(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        form, focused = train.form, list[QWidget | None]()
        window.studio.actions["train.estimate"].changed.connect(lambda: focused.append(QApplication.focusWidget()))
        form.measure.setFocus()
        form.measure.click()
        await until(lambda: "M parameters" in form.estimate.text() and form.measure.hasFocus())
        assert all(widget is not None and (widget is form or form.isAncestorOf(widget)) for widget in focused)

    with_train(test)


def test_shape_fit_and_column_come_back(with_train: Any, pictures: Path, tmp_path: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        form, empty = train.form, json.dumps(train.session())
        form.begin_with("new:small")
        for key, value in (("tokenizer", "rgb"), ("side", 64), ("length", 4)):
            form.shape[key].control.set_value(value)  # type: ignore[attr-defined]
            form.shape[key].control.changed.emit(value)  # type: ignore[attr-defined]
        form.set_values({"training.steps": 70})
        train.open_data(pictures, "pad")
        await until(lambda: train.source.dataset is not None and not train.source.reading)
        of_pictures = json.dumps(train.session())
        table = tmp_path / "tales.csv"
        table.write_text("title,story\n" + "".join(f"t{i},once upon a time {i}\n" for i in range(9)))
        train.open_data(table, column="story")
        await until(lambda: train.source.path == table and not train.source.reading)
        form.shape["context"].control.set_value(128)  # type: ignore[attr-defined]
        form.shape["context"].control.changed.emit(128)  # type: ignore[attr-defined]
        form.set_values({"training.steps": 80})
        of_texts = json.dumps(train.session())
        for stored in (of_pictures, of_texts, of_pictures):
            train.source.path = train.source.dataset = None  # as at a start
            train.source.changed.emit()
            train.restore(json.loads(empty))
            train.restore(json.loads(stored))
            await until(lambda: train.source.dataset is not None and not train.source.reading)
            assert json.dumps(train.session()) == stored
            assert form.recipe() is not None

    with_train(test)


def test_values_that_fit_no_more_are_not_restored(with_train: Any) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        train.form.begin_with("new:tiny")
        values = {"tokens.granularities": [1, 5], "training.steps": 70, "data.train": "x", "name": "y"}
        shape = {"tokenizer": [], "side": "wide", "length": None}
        train.restore({"start": "gone-model", "shape": shape, "values": values, "fit": 3, "column": []})
        assert train.form.plan.values == {"training.steps": 70} and set(train.form._check()) == {"data.train"}
        assert train.form.grid() == (32, 32)

    with_train(test)


def test_what_was_typed_stays_when_the_model_is_replaced_or_removed(with_train: Any, own_home: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        form, models = train.form, window.studio.models
        form.begin_with("emoji-32")
        form.set_values({"training.steps": 40, "training.learning_rate": 0.004, "tokens.granularities": [1, 8]})
        own, shipped = own_home / "studio" / "models" / "emoji-32", form.plan.bundle
        assert shipped is not None
        shutil.copytree(shipped, own)
        models.load()
        assert form.plan.bundle == own
        assert form.plan.values["training.steps"] == 40 and form.fields["training.steps"].control.text() == "40"  # type: ignore[attr-defined]
        assert form.plan.values["tokens.granularities"] == (1, 8)
        shutil.rmtree(own)
        models.load()
        assert form.plan.bundle == shipped and form.plan.values["training.learning_rate"] == 0.004
        form.set_values({"training.steps": "many"})  # and what does not fit is the default of the model
        shutil.copytree(shipped, own)
        models.load()
        assert "training.steps" not in form.plan.values and form.plan.values["training.learning_rate"] == 0.004

    with_train(test)


def test_a_failed_run_says_why_where_it_was_started(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        start(window, train, "fails")
        await until(lambda: train.watch.state == "failed")
        (notice,) = [n for n in window.studio.notices.at("train") if n.kind == "error"]
        assert notice.text == "The loss is no longer a number at step 3."
        folder = train.watch.folder
        assert folder is not None
        before = load_recipe(folder / RECIPE).training.learning_rate
        assert notice.on_action is not None
        notice.on_action()
        await until(lambda: any(n.kind == "info" for n in window.studio.notices.at("train")))
        await until(lambda: train.watch.state == "failed")
        assert load_recipe(folder / RECIPE).training.learning_rate == pytest.approx(before / 10)

    with_train(test)


@pytest.mark.parametrize("name", ["refused", "mute"])
def test_a_run_that_is_refused_before_it_begins_leaves_its_name_free(
    name: str, with_train: Any, pictures: Path
) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        start(window, train, "short")
        await until(lambda: train.watch.state == "done")
        for _ in range(2):
            start(window, train, name)
            await until(lambda: any(n.kind == "error" for n in window.studio.notices.at("train")))
            await until(lambda: train.watch.name == "short" and train.watch.state == "done")
            assert not (train.runs_folder / name).exists()
            assert train.stack.currentWidget() is train.data_panel
            assert train.run_panel.runs.value() == "short"
            (notice,) = [n for n in window.studio.notices.at("train") if n.kind == "error"]
            assert ("too short" if name == "refused" else "no torch here") in notice.text
            window.studio.notices.clear("train")

    with_train(test)


@pytest.mark.parametrize(
    ("first", "last", "most", "expected"),
    [(4, 90, 2, [50]), (4, 90, 5, [20, 40, 60, 80]), (7, 7, 2, [7]), (0, 1_000_000, 3, [0, 500_000, 1_000_000])],
)
def test_marks_below_a_plot(first: float, last: float, most: int, expected: list[float]) -> None:
    assert marks(first, last, most) == expected


def test_an_early_end_offers_the_best(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        start(window, train, "early")
        await until(lambda: train.watch.state == "done")
        assert train.watch.status_line().startswith("Ended early")
        (notice,) = window.studio.notices.at("train")
        assert "no better figure" in notice.text and notice.on_action is not None
        train.watch.follow(Run(train.runs_folder / "early"))
        assert window.studio.notices.at("train") == [notice]
        notice.on_action()
        await until(lambda: any("is installed" in n.text for n in window.studio.notices.at("train")))

    with_train(test)


def test_what_is_offered_for_a_run_goes_when_another_is_shown(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        start(window, train, "short")
        await until(lambda: train.watch.state == "done")
        start(window, train, "fails")
        await until(lambda: train.watch.state == "failed")
        (notice,) = window.studio.notices.at("train")
        assert notice.action == "Go on at a tenth of the rate"
        train._run_chosen("short")
        assert not window.studio.notices.at("train")

    with_train(test)


@pytest.mark.parametrize(("answer", "goes_on"), [("go on", True), ("stop", False), ("stay", True)])
def test_closing_asks_what_becomes_of_a_run(with_train: Any, pictures: Path, answer: str, goes_on: bool) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        start(window, train, "steady")
        await until(lambda: train.watch.series["loss"].count > 1)
        folder = train.watch.folder
        assert folder
        window.close()
        await until(lambda: any(isinstance(w, LeavingDialog) and w.isVisible() for w in QApplication.topLevelWidgets()))
        dialog = next(w for w in QApplication.topLevelWidgets() if isinstance(w, LeavingDialog) and w.isVisible())
        dialog.buttons[answer].click()
        if answer == "stay":
            await asyncio.sleep(0.1)
            assert not window.left.is_set()
        else:
            await asyncio.wait_for(window.left.wait(), 20)
        assert is_running(folder) == goes_on
        # The next window finds it.
        train.watch.follow(None)
        train.activated()
        assert train.watch.name == "steady"
        assert train.watch.active == goes_on or not goes_on

    with_train(test)


def test_who_stays_after_all_has_no_training_stopped(
    with_train: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        start(window, train, "steady")
        await until(lambda: train.watch.series["loss"].count > 1)

        async def stop(*_: Any) -> str:
            return "stop"

        stays: list[bool] = []

        async def stay() -> bool:
            stays.append(train.watch.state == "running")
            return False

        monkeypatch.setattr(workspace, "ask_leaving", stop)
        models = window.workspace_named("models")
        assert models is not None
        monkeypatch.setattr(models, "may_leave", stay)
        window.close()
        await until(lambda: bool(stays) and not window._closing)
        assert stays == [True] and train.watch.state == "running" and not window.left.is_set()
        monkeypatch.delattr(models, "may_leave")
        window.close()
        await until(window.left.is_set)
        assert train.watch.run is not None and not train.watch.run.running

    with_train(test)


def a_run(train: TrainWorkspace, name: str, *told: dict[str, Any]) -> Path:
    """The folder of a run that told these events."""
    folder = train.runs_folder / name
    folder.mkdir(parents=True)
    (folder / RECIPE).write_text(recipe_toml(new_model(name, "image", "tiny")))
    tell(folder, *told)
    return folder


def tell(folder: Path, *told: dict[str, Any]) -> None:
    with (folder / EVENTS).open("a") as file:
        file.write("".join(json.dumps(event) + "\n" for event in told))


BEGUN = {"event": "start", "step": 0, "steps": 40}
FINISHED = {"event": "end", "step": 40, "finished": True, "reason": "finished"}


def test_a_run_is_at_work_whichever_is_shown(with_train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        actions, notices = window.studio.actions, window.studio.notices
        a_run(train, "over", BEGUN, FINISHED)
        locks = {name: Lock(a_run(train, name, BEGUN)) for name in ("one", "two")}
        train.watch.follow(None)
        train.activated()
        assert train.watch.active and "new run" in train.form.aside.text()
        train._run_chosen("over")
        await until(lambda: train.watch.state == "done")
        words = train.run_panel.runs.words
        assert [words(name) for name in ("one", "two", "over")] == ["one · training", "two · training", "over"]
        (button,) = [place for place in window.rail.findChildren(Place) if place.text() == "Train"]
        assert button.goes_on == button.toolTip() and "“one”" in button.goes_on and "“two”" in button.accessibleName()
        for name in ("train.start", "train.resume"):
            actions[name].setEnabled(True)
            actions[name].trigger()
            await until(lambda: any("stop it before another run" in notice.text for notice in notices.at("train")))
            assert train.watch.beginning is None
            notices.clear("train")
        window.close()
        await answered(window, QDialog.DialogCode.Rejected, "are training. Shall they go on?")
        await until(lambda: not window._closing)

        async def stop(_: QWidget, names: list[str]) -> str:
            assert sorted(names) == ["one", "two"]
            return "stop"

        monkeypatch.setattr(workspace, "ask_leaving", stop)
        window.close()
        for lock in locks.values():
            await until((lock.folder / COMMAND_FILE).exists)  # it is asked to stop
            assert not window.left.is_set()
            lock.release()
        await until(window.left.is_set)

    with_train(test)


def test_a_run_whose_process_starts_is_at_work_already(with_train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        a_run(train, "over", BEGUN, FINISHED)
        a_run(train, "next", BEGUN, FINISHED)
        there = asyncio.Event()

        async def refused(*_: Any, **__: Any) -> Run:
            await there.wait()
            raise StudioError("The disk is full.")

        monkeypatch.setattr(watching.client, "start", refused)
        train.watch.follow(Run(train.runs_folder / "next"))
        window.studio.actions["train.resume"].trigger()
        await until(lambda: train.watch.beginning is not None)
        assert train.watch.state == "starting" and not window.studio.actions["train.delete"].isEnabled()
        train._run_chosen("over")
        with pytest.raises(StudioError, match="“next” is training"):
            await train.start()
        there.set()
        await until(lambda: bool(window.studio.notices.at("train")))
        assert not train.at_work.training()

    with_train(test)


def test_the_end_of_a_run_is_told_wherever_one_is_and_forgotten_with_it(with_train: Any) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        notices = window.studio.notices
        lost, done = a_run(train, "lost", BEGUN), a_run(train, "done", BEGUN)
        locks = {folder: Lock(folder) for folder in (lost, done)}
        train.at_work.look()
        train.watch.follow(Run(lost))
        locks[lost].release()
        await until(lambda: train.watch.state == "lost")
        train.at_work._look_again()
        assert [notice.kind for notice in notices.at("train")] == ["error"] and not notices.at("window")
        train._run_chosen("done")  # and what is told of the other would stand above this one
        assert not notices.at("train")
        window.bring_to_front("image")
        tell(done, FINISHED)
        locks[done].release()
        train.at_work._look_again()
        (notice,) = notices.at("window")
        assert notice.text == "The training of “done” is finished." and notice.on_action is not None
        assert not any(place.goes_on for place in window.rail.findChildren(Place))
        notice.on_action()
        assert window.workspace is train and train.run_panel.isVisible() and not notices.at("window")

    with_train(test)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"event": "end", "step": 9, "finished": False, "reason": "stop"}, None),
        ({"event": "end", "step": 9, "finished": False, "reason": "early"}, "it got no better"),
        ({"event": "end", "step": 9, "finished": False, "reason": "time"}, "its time was up"),
        ({"event": "error", "message": "The disk is full."}, "“run” broke off: The disk is full."),
        (BEGUN, "without a word"),
    ],
)
def test_how_a_run_ended_in_a_sentence(event: dict[str, Any], told: str | None, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    tell(tmp_path / "run", BEGUN, event)
    words = end_words(Run(tmp_path / "run"))
    assert words is None if told is None else words is not None and told in words[0]


def test_closing_asks_while_a_model_is_being_made(with_train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        folder = a_run(train, "over", BEGUN, FINISHED)
        train.watch.follow(Run(folder))
        there = asyncio.Event()

        async def make(*_: Any) -> Any:
            await there.wait()
            raise StudioError("It is broken off.")

        monkeypatch.setattr(workspace, "make_model", make)
        train._use_chosen(Checkpoint(CHECKPOINT, 40, None, 0.0))
        await until(lambda: train.run_panel._making)
        window.close()
        await answered(window, QDialog.DialogCode.Rejected, "“over” is being made into a model.")
        await until(lambda: not window._closing)
        assert not window.left.is_set()
        there.set()
        await until(lambda: not train.run_panel._making)
        window.close()
        await until(window.left.is_set)

    with_train(test)


def test_going_back_to_a_checkpoint(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        start(window, train, "steady")
        await until(lambda: train.watch.series["loss"].count > 2)
        window.studio.actions["train.save"].trigger()
        await until(lambda: train.run_panel.checkpoints.count() == 1)
        window.studio.actions["train.stop"].trigger()
        await until(lambda: train.watch.state == "stopped" and train.run_panel.checkpoints.count() == 2)
        assert not train.run_panel.back.isEnabled()
        train.run_panel.checkpoints.setCurrentRow(1)
        assert train.run_panel.back.isEnabled()
        train.run_panel.back.click()
        assert any("stands at step" in notice.text for notice in window.studio.notices.at("train"))

    with_train(test)


def test_the_best_is_marked_until_the_user_marks_another(with_train: Any, tmp_path: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        (tmp_path / "run" / "checkpoints").mkdir(parents=True)
        (tmp_path / "run" / EVENTS).write_text(json.dumps({"event": "end", "step": 40}) + "\n")
        train.watch.follow(Run(tmp_path / "run"))
        shown, panel = train.run_panel.checkpoints, train.run_panel

        def stands(*entries: Checkpoint) -> list[str]:
            for entry in entries:
                (tmp_path / "run" / entry.file).touch()
            write_checkpoints(tmp_path / "run", entries)
            panel.draw()
            words = [shown.item(row).text() for row in range(shown.count())]
            words[shown.currentRow()] = f"> {words[shown.currentRow()]}"
            return words

        best, first = "checkpoints/best.pt", Checkpoint(CHECKPOINT, 20, 3.0, 1.0)
        assert stands(replace(first, file=best, best=True), first) == ["> Step 20 · 3.000 · newest · best"]
        older = replace(first, file="checkpoints/20.pt")
        saved = Checkpoint(CHECKPOINT, 30, 3.0, 2.0)
        assert stands(older, replace(first, file=best, best=True), saved) == [
            "Step 30 · 3.000 · newest",
            "> Step 20 · 3.000 · best",
        ]
        copies = [older, replace(saved, file="checkpoints/30.pt")]
        found = Checkpoint(best, 40, 2.0, 3.0, best=True)  # and the last save writes it once more
        last = Checkpoint(CHECKPOINT, 40, 2.0, 4.0)
        ended = [*copies, found, replace(last, file="checkpoints/40.pt"), last]
        assert stands(*ended) == ["> Step 40 · 2.000 · newest · best", "Step 30 · 3.000", "Step 20 · 3.000"]
        shown.setCurrentRow(1)
        later = [Checkpoint(best, 50, 1.0, 5.0, best=True), Checkpoint(CHECKPOINT, 50, 1.0, 5.0)]
        assert stands(*copies, *later)[:2] == ["Step 50 · 1.000 · newest · best", "> Step 30 · 3.000"]
        again = [Checkpoint(best, 30, 0.5, 6.0, best=True), Checkpoint(CHECKPOINT, 30, 0.5, 6.0)]  # after a way back
        assert stands(*copies, *again)[:2] == ["Step 30 · 0.500 · newest · best", "> Step 30 · 3.000"]
        QTest.mouseClick(shown.viewport(), Qt.MouseButton.LeftButton, pos=shown.visualItemRect(shown.item(0)).center())
        kept = replace(again[1], file="checkpoints/30.pt")
        assert stands(kept, *later) == ["Step 50 · 1.000 · newest · best", "> Step 30 · 0.500"]

    with_train(test)


def test_a_finished_run_that_went_back_can_be_resumed(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        start(window, train, "short")
        resume, shown = window.studio.actions["train.resume"], train.run_panel.checkpoints
        await until(lambda: train.watch.state == "done" and shown.count() == 1)
        folder = train.watch.folder
        assert folder is not None
        last, before = Checkpoint("checkpoints/b.pt", 200, 1.0, 2.0), Checkpoint("checkpoints/a.pt", 100, 2.0, 1.0)
        for entry in (last, before):
            (folder / entry.file).touch()
        write_checkpoints(folder, [before, last, replace(last, file=CHECKPOINT)])
        train.watch._take({"event": "end", "step": 200, "finished": True})
        train.run_panel.draw()
        train.watch.state_changed.emit()
        assert not resume.isEnabled()
        assert [shown.item(row).text() for row in range(shown.count())] == [
            "Step 200 · 1.000 · newest",  # of which the other is a copy
            "Step 100 · 2.000",
        ]
        shown.setCurrentRow(1)
        assert train.watch.status_line().startswith("Finished")
        train.run_panel.back.click()
        assert resume.isEnabled()
        assert train.watch.status_line().startswith("Back at step 100 of ")
        assert shown.item(0).text() == "Step 100 · 2.000 · goes on here"
        assert train.run_panel.bar.value() == 100
        assert train.run_panel.figure.text().startswith("held-out bound 2.000 bits a token · ")
        train.watch._take({"event": "start", "step": 100, "steps": 200})
        assert train.watch.status_line() == "Training · getting ready"
        train.watch._take({"event": "end", "step": 200})
        train.run_panel.draw()
        assert train.run_panel.bar.value() == train.run_panel.bar.maximum() == 200  # though not one step was told

    with_train(test)


def test_who_goes_back_in_a_run_that_another_program_goes_on_with_is_told(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        start(window, train, "short")
        await until(lambda: train.watch.state == "done" and train.run_panel.checkpoints.count() == 1)
        folder = train.watch.folder
        assert folder is not None
        lock = Lock(folder)
        train._roll_back(Checkpoint("checkpoints/step-00000005.pt", 5, 1.25, 0.0))
        assert any("stop it before you go back" in notice.text for notice in window.studio.notices.at("train"))
        await train.resume()
        assert train.watch.live
        assert not any("stop it first" in notice.text for notice in window.studio.notices.at("train"))
        lock.release()
        await until(lambda: not train.watch.active)
        lock = Lock(folder)
        train.activated()
        assert train.watch.live
        await until(lambda: bool(train.watch.last))  # all that it has told is there
        lock.release()
        await until(lambda: not train.watch.active)

    with_train(test)


def test_the_log_is_that_of_the_run_that_is_shown(with_train: Any, tmp_path: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        for name, lines in (("first", ["one"]), ("second", ["two", "three"])):
            (tmp_path / name).mkdir()
            told = [{"event": "log", "message": line} for line in lines] + [{"event": "end", "step": 1}]
            (tmp_path / name / EVENTS).write_text("".join(json.dumps(event) + "\n" for event in told))
            train.watch.follow(Run(tmp_path / name))
            await until(lambda: train.watch.lines[-1:] == ["stopped at step 1"])
            train.run_panel.draw()
        assert train.run_panel.log.toPlainText() == "two\nthree\nstopped at step 1"

    with_train(test)


def test_a_bound_of_one_sample_has_no_error(with_train: Any) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        for error, told in ((0.25, "0.680 ± 0.250 bits"), (float("nan"), "0.680 bits"), (None, "0.680 bits")):
            train.watch.evaluation = {"bound": 0.68, "bound_error": error}
            assert told in train.run_panel._figure_line()

    with_train(test)


def test_a_million_points_are_drawn_as_a_few(qapp: QApplication, qtbot: Any) -> None:
    charts = Charts()
    qtbot.addWidget(charts)
    series = {name: Series() for name in ("held_out", "bound", "gradient_norm", "learning_rate", "samples_per_second")}
    series["loss"] = Series()
    for step in range(1_000_000):
        series["loss"].add(step, float(step % 7))
    charts.resize(800, 500)
    charts.show()
    charts.draw(series)
    assert 0 < charts.points("loss") <= 800
    assert charts.points("bound") == 0


def test_a_young_run_has_numbers_at_both_ends(qapp: QApplication, qtbot: Any) -> None:
    names = ("loss", "held_out", "bound", "gradient_norm", "learning_rate", "samples_per_second")
    series = {name: Series() for name in names}
    for step in (1, 2):
        series["loss"].add(step, 1.0 / step)
    charts = Charts()
    qtbot.addWidget(charts)
    charts.resize(500, 300)
    charts.show()
    charts.draw(series)
    charts.grab()  # which lays the plots out
    axis, image = charts.plots[0]._axes["bottom"], QImage(500, 300, QImage.Format.Format_RGB32)
    with QPainter(image) as painter:
        specs = axis.generateDrawSpecs(painter)
    assert specs is not None and [text for *_, text in specs[2]] == ["1", "2"]


@pytest.mark.parametrize(("width", "height"), [(260, 210), (800, 500)])
def test_numbers_and_titles_of_small_curves_can_be_read(qtbot: Any, width: int, height: int) -> None:
    names = ("loss", "held_out", "bound", "gradient_norm", "learning_rate", "samples_per_second")
    series = {name: Series() for name in names}
    for step in range(1, 8):
        for name in names:
            value = 2.7 + 0.15 * step if step < 7 else float("nan")
            series[name].add(step, value / 1000 if name == "learning_rate" else value)
    charts = Charts()
    qtbot.addWidget(charts)
    charts.resize(500, 300)
    charts.show()
    charts.draw(series)
    charts.resize(width, height)  # the numbers follow, though nothing new is drawn
    charts.grab()
    for plot in charts.plots:
        title, axis = plot._title, plot._axes["left"]
        assert title.fontMetrics().horizontalAdvance(title.text()) <= title.width() and title.whole()
        image = QImage(width, height, QImage.Format.Format_RGB32)
        with QPainter(image) as painter:
            specs = axis.generateDrawSpecs(painter)
        assert specs is not None
        rows = sorted((rect.top(), rect.bottom()) for rect, *_ in specs[2])
        assert rows and all(above[1] <= below[0] for above, below in pairwise(rows)), title.whole()


@pytest.mark.parametrize(("first", "last"), [(1, 41), (20, 40), (500, 1000), (1, 2500)])
@pytest.mark.parametrize("width", [230, 260, 320, 500, 900])
def test_numbers_below_curves_stand_apart(qtbot: Any, width: int, first: int, last: int) -> None:
    names = ("loss", "held_out", "bound", "gradient_norm", "learning_rate", "samples_per_second")
    series = {name: Series() for name in names}
    for step in (first, last):
        for name in names:
            series[name].add(step, 0.5 / step)
    charts = Charts()
    qtbot.addWidget(charts)
    charts.resize(width, 300)
    charts.show()
    charts.draw(series)
    charts.grab()
    for plot in charts.plots:
        image = QImage(width, 300, QImage.Format.Format_RGB32)
        with QPainter(image) as painter:
            specs = plot._axes["bottom"].generateDrawSpecs(painter)
        assert specs is not None and specs[2]
        columns = sorted((rect.left(), rect.right()) for rect, *_ in specs[2])
        assert all(before[1] + 4 <= behind[0] for before, behind in pairwise(columns)), plot._title.whole()


def test_thumbnails_are_found_under_the_pointer(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        browser = train.data_panel.browser
        QApplication.processEvents()
        QTest.mouseClick(browser.viewport(), Qt.MouseButton.LeftButton, pos=browser.cell(2).center())
        assert browser.index == 2
        assert train.data_panel.picked.whole() == "3  02.png"
        QTest.keyClick(browser, Qt.Key.Key_End)
        assert browser.index == 11
        assert browser.index_at(QPoint(2, 2)) == -1
        image = browser.grab().toImage()
        expected = train.source.dataset.pixels[0][0, 0]  # type: ignore[union-attr]
        spot = browser.cell(0).topLeft() + QPoint(1, 1)
        color = image.pixelColor(browser.viewport().mapTo(browser, spot))
        assert np.abs(np.array([color.red(), color.green(), color.blue()]) - expected.astype(int)).max() < 3

    with_train(test)


def test_everything_that_takes_the_focus_has_a_name(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        await read(train, pictures)
        for widget in [*train.findChildren(QWidget), *train.form.findChildren(QWidget)]:
            if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisible():
                text = getattr(widget, "text", lambda: "")()
                assert widget.accessibleName() or text, widget

    with_train(test)


def test_what_a_run_broke_off_for_is_no_news_once_it_is_resumed(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        actions = window.studio.actions
        await read(train, pictures)
        start(window, train, "steady")
        await until(lambda: train.watch.series["loss"].count > 3)
        actions["train.stop"].trigger()
        await until(lambda: train.watch.state == "stopped")
        assert train.watch.folder is not None and train.watch._task is not None
        await train.watch._task
        (train.watch.folder / CHECKPOINT).touch()
        with (train.watch.folder / EVENTS).open("a") as file:
            file.write(json.dumps({"event": "error", "message": "The disk is full.", "time": time.time()}) + "\n")
        actions["train.resume"].trigger()
        await until(lambda: any("The disk is full." in line for line in train.watch.lines))
        await until(lambda: train.watch.state == "running")
        assert not [notice for notice in window.studio.notices.at("train") if notice.kind == "error"]

    with_train(test)


def test_a_run_and_data_that_nothing_needs_can_go(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        actions = window.studio.actions
        await read(train, pictures)
        opened = train.source.dataset
        start(window, train, "steady")
        await until(lambda: train.watch.series["loss"].count > 3)
        assert not actions["train.delete"].isEnabled()
        actions["train.stop"].trigger()
        await until(lambda: train.watch.state == "stopped")
        folder = train.watch.folder
        assert folder is not None and opened is not None
        for answer in (QDialog.DialogCode.Rejected, QDialog.DialogCode.Accepted):
            assert folder.exists()
            actions["train.delete"].trigger()
            await answered(window, answer, "Delete the run “steady”?")
        await until(lambda: train.watch.state == "none")
        assert not folder.exists()
        # What is shown is needed; the same pictures cropped otherwise are another copy.
        train._fit_chosen("pad")
        await until(lambda: train.source.dataset is not None and train.source.dataset.folder != opened.folder)
        actions["train.tidy"].trigger()
        await answered(window, QDialog.DialogCode.Accepted, "Remove a copy of data")
        await until(lambda: not opened.folder.exists())
        assert train.source.dataset is not None and train.source.dataset.folder.exists()
        assert pictures.exists()

    with_train(test)


async def answered(window: Window, answer: QDialog.DialogCode, question: str) -> None:
    """Answer the question that is being asked once it is there."""

    def asked() -> list[QDialog]:
        return [box for box in window.findChildren(QDialog) if box.isVisible()]

    await until(lambda: bool(asked()))
    dialog = asked()[0]
    assert question in " ".join(label.text() for label in dialog.findChildren(QLabel))
    asyncio.get_running_loop().call_soon(dialog.done, answer)
    await until(lambda: not asked())


def test_no_button_moves_from_beneath_the_pointer_while_it_pauses(with_train: Any, pictures: Path) -> None:
    async def test(window: Window, train: TrainWorkspace) -> None:
        pause, *others = train.run_panel._buttons[:4]
        await read(train, pictures)
        start(window, train, "steady")
        await until(lambda: train.watch.state == "running")
        await asyncio.sleep(0.05)  # until they are laid out
        places = [button.mapTo(window, QPoint(0, 0)) for button in (pause, *others)]
        for name, state in (
            ("Pause the training", "paused"),
            ("Resume the training", "running"),
            ("Pause the training", "paused"),
            ("", "stopped"),
        ):
            if name:
                assert pause.accessibleName() == name
                pause.click()
            else:
                window.studio.actions["train.stop"].trigger()
            await until(lambda: train.watch.state == state)  # noqa: B023
            await asyncio.sleep(0.05)
            assert [button.mapTo(window, QPoint(0, 0)) for button in (pause, *others)] == places
            assert train.run_panel._buttons[4].isVisible() == (state == "stopped")

    with_train(test)


def test_the_keys_stay_where_they_were_when_what_can_be_done_changes(with_train: Any, pictures: Path) -> None:
    """Stop gives its place to Resume and that to Stop; a run at its end, which has neither, to the choice of runs."""

    async def test(window: Window, train: TrainWorkspace) -> None:
        buttons = {button.defaultAction().text(): button for button in train.run_panel._buttons}
        await read(train, pictures)
        start(window, train, "steady")
        await until(lambda: train.watch.state == "running")
        for pressed, state, then in (
            ("Stop the training", "stopped", "Resume"),
            ("Resume", "running", "Stop the training"),
        ):
            buttons[pressed].setFocus()
            assert buttons[pressed].hasFocus()
            buttons[pressed].click()
            await until(lambda: train.watch.state == state)  # noqa: B023
            assert buttons[then].hasFocus()
        await until(lambda: bool(train.watch.last))
        run = train.watch.run
        assert run is not None
        write_checkpoints(run.folder, [Checkpoint(CHECKPOINT, 200, None, 0.0)])
        train.watch._take({"event": "end", "step": 200, "finished": True})
        assert train.watch.state == "done" and not buttons["Resume"].isEnabled()
        focused = QApplication.focusWidget()
        assert focused is not None and train.run_panel.runs.isAncestorOf(focused)
        await run.stop(30)

    with_train(test)
