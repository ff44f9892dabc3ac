"""The window as a whole: it opens, makes, is steered, saves what is open and leaves nothing behind."""

import asyncio
import base64
import gc
import json
import os
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRect, QSize, Qt, QTimer, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QIcon, QImage, QKeyEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPushButton,
    QSlider,
    QWidget,
)

from studio.errors import StudioError
from studio.evaluation import picture_surprise
from studio.generation import PackedArray
from studio.library import Item, Library
from studio.media.export import PARAMETERS_KEY, read_parameters, save_png
from studio.media.frames import WorkingFrame, crop
from studio.media.images import Picture, load_picture
from studio.runtime.bundle import Bundle
from studio.runtime.catalog import data_folder, user_models
from studio.runtime.denoiser import OnnxDenoiser
from studio.ui import dialogs, tasks
from studio.ui import window as window_module
from studio.ui.context import Studio
from studio.ui.gallery.reading import source_of
from studio.ui.image import commands, jobs, making, masking, opening, showing
from studio.ui.image import workspace as workspace_module
from studio.ui.image.edits import slices
from studio.ui.image.toolbar import PlanesButton
from studio.ui.image.workspace import NO_DIGITS, ImageWorkspace
from studio.ui.lane import Lane
from studio.ui.recent import RecentMenu
from studio.ui.session_files import SessionFiles
from studio.ui.tour import Tour
from studio.ui.widgets.icon_button import ActionButton
from studio.ui.window import Window
from tests.helpers import GRID, picture_bundle

BOTH = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction
Test = Callable[[Window], Coroutine[Any, Any, None]]


@pytest.fixture
def with_window(qapp: QApplication, qrun: Any) -> Callable[[Test], None]:
    """`with_window(test)` runs a coroutine with a window as `app.py` opens it, and closes it after that."""

    async def run(test: Test) -> None:
        studio = Studio(qapp, Lane("cpu"))
        tasks.report_to(studio.notices)
        studio.models.load()
        window = Window(studio)
        window.show()
        await window.bring_back()
        try:
            await test(window)
        finally:
            await window.close_down()
            tasks.report_to(None)
            studio.close_down()

    return lambda test: qrun(run(test), timeout=60)


def image_of(window: Window) -> ImageWorkspace:
    workspace = window.workspace_named("image")
    assert isinstance(workspace, ImageWorkspace)
    return workspace


def layers(image: ImageWorkspace) -> list[np.ndarray]:
    return [image.document.stored.copy(), image.document.mask_bits.copy(), image.document.pins.copy()]


async def outside(work: Callable[[], None]) -> None:
    """Do what hands events out itself where no task is under way: from within one, another could not be woken."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: done.set_result(work()))
    await done


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)


async def finished(image: ImageWorkspace) -> None:
    await until(lambda: image.playhead.state in ("done", "stopped", "failed"))


def test_the_first_minute(with_window: Any) -> None:
    """A sample with a painted mask is there, and Generate fills it."""

    async def test(window: Window) -> None:
        image = image_of(window)
        assert window.workspace is image and not image.document.mask_bounds().isEmpty()
        before = image.canvas.grab().toImage()
        image.settings.set(steps=8)
        window.studio.actions["image.generate"].trigger()
        await until(lambda: image.playhead.run is not None)
        await finished(image)
        assert image.playhead.state == "done"
        assert image.canvas.grab().toImage() != before
        await until(lambda: window.studio.library is not None and window.studio.library.count() == 1)
        library = window.studio.library
        assert library is not None
        assert library.items(library.ids())[0].title == f"couple, seed {image.settings.get('seed')}"
        assert image.status()["provider"] == "CPU"

    with_window(test)


def test_pause_step_back_and_branch(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, act = image_of(window), window.studio.actions
        image.settings.set(steps=200, policy="even", seed_locked=True)
        act["image.generate"].trigger()
        await until(lambda: len(image.playhead.run.frames if image.playhead.run else []) > 4)
        act["image.pause"].trigger()
        await until(lambda: image.playhead.state == "paused" and not image.playhead.run.active)  # pyright: ignore
        count = len(image.playhead.run.frames)  # pyright: ignore
        act["image.step"].trigger()
        await until(lambda: image.playhead.index == count)
        act["image.back"].trigger()
        act["image.back"].trigger()
        first = image.playhead.run
        assert first is not None and image.playhead.index == count - 2
        image.settings.set(steps=5)
        act["image.branch"].trigger()
        await until(lambda: image.playhead.run is not first)
        await finished(image)
        branch = image.playhead.run
        assert branch is not None and branch.parent == (first.id, count - 2)
        known = first.frames[count - 2].y[0] != branch.bundle.subtokens.mask_id
        assert (branch.frames[-1].y[0][known] == first.frames[count - 2].y[0][known]).all()
        act["image.stop"].trigger()  # of what is looked at
        image.document.undo_stack.undo()
        assert image.playhead.run is first and image.playhead.state == "paused" and act["image.pause"].isEnabled()
        act["image.pause"].trigger()
        await until(lambda: image.playhead.last > count)
        act["image.stop"].trigger()
        await finished(image)

    with_window(test)


def test_a_paused_run_goes_on_at_the_next_start(with_window: Any) -> None:
    async def use(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=20, policy="even", seed=7, seed_locked=True)
        window.studio.actions["image.generate"].trigger()
        await until(lambda: len(image.playhead.run.frames if image.playhead.run else []) > 4)
        window.studio.actions["image.pause"].trigger()
        await until(lambda: image.playhead.state == "paused" and not image.playhead.run.active)  # pyright: ignore

    async def again(window: Window) -> None:
        image, library = image_of(window), window.studio.library
        run = image.playhead.run
        assert run is not None and image.playhead.state == "paused" and 4 < len(run.frames) < 21
        window.studio.actions["image.pause"].trigger()
        await finished(image)
        assert run.state == "done" and [kept.step for kept in run.frames] == list(range(21))
        await until(lambda: library is not None and library.count() == 1)
        window.studio.actions["image.generate"].trigger()
        await until(lambda: image.playhead.run is not run)
        await finished(image)
        assert (image.playhead.run.frames[-1].y == run.frames[-1].y).all()  # pyright: ignore[reportOptionalMemberAccess]

    with_window(use)
    with_window(again)


def test_what_is_open_comes_back(with_window: Any) -> None:
    kept: dict[str, Any] = {}

    async def use(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=6, temperature=0.7, variations=2)
        window.studio.actions["image.select-all"].trigger()
        window.studio.actions["image.generate"].trigger()
        await until(lambda: image.playhead.run is not None)
        await finished(image)
        image.look_at_variation(1)
        image.playhead.show(3)
        kept["y"] = [frame.y for frame in image.playhead.run.frames]  # pyright: ignore

    async def again(window: Window) -> None:
        image = image_of(window)
        assert image.document.mask.all() and image.settings.get("temperature") == 0.7
        run = image.playhead.run
        assert run is not None and run.state == "done" and image.playhead.index == 3
        assert image.making.variation == 1
        assert all((frame.y == y).all() for frame, y in zip(run.frames, kept["y"], strict=True))
        window.studio.actions["image.branch"].trigger()
        await until(lambda: image.playhead.run is not run)
        await finished(image)
        assert image.playhead.state == "done"

    with_window(use)
    with_window(again)


def test_the_timeline_comes_back_after_a_workspace_without_one(with_window: Any) -> None:
    kept: list[int] = []

    async def use(window: Window) -> None:
        window.down.setSizes([500, 210])
        kept.extend(window.down.sizes())
        window.studio.settings.set_ui("window", down=kept)  # as an earlier closing left it
        window.bring_to_front("train")

    async def again(window: Window) -> None:
        window.bring_to_front("image")
        assert kept[1] > 0 and window.down.sizes() == kept

    with_window(use)
    with_window(again)


def test_stored_sizes_that_no_screen_has_are_left_out(with_window: Any) -> None:
    async def test(window: Window) -> None:
        settings, before = window.studio.settings, window.across.sizes()
        settings.set("geometry", base64.b64encode(window.saveGeometry().data()).decode())
        for sizes in ([99_999_999_999, 320], [-1, 320], ["1", 2], [1]):
            settings.set_ui("window", across=sizes)
            window._restore_geometry()
            assert window.across.sizes() == before

    with_window(test)


def test_files_are_opened_and_bad_ones_told(with_window: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")

    async def test(window: Window) -> None:
        image, notices = image_of(window), window.studio.notices
        window.open_paths([bad])
        await until(lambda: bool(notices.at("image")))
        assert "bad.png" in notices.at("image")[0].text
        window.open_paths([tmp_path / "what.tif"])
        assert "what.tif cannot be opened here: choose pictures (PNG, JPEG," in notices.at("window")[0].text
        assert image.opening.title == "couple"
        window.bring_to_front("gallery")
        window.workspace.setFocus()
        good, data = tmp_path / "good.png", QMimeData()
        Image.new("RGB", (40, 30)).save(good)
        data.setUrls([QUrl.fromLocalFile(str(good))])
        drop = dropped(data)
        drop.setDropAction(Qt.DropAction.MoveAction)
        window.dropEvent(drop)
        assert drop.isAccepted() and drop.dropAction() == Qt.DropAction.CopyAction, "the file is not ours to take"
        await until(lambda: image.opening.title == "good")
        assert window.workspace is image and image.canvas.hasFocus()
        assert not notices.at("window") and not notices.at("image"), "what was told of the files before is over"

    with_window(test)


def entering(data: QMimeData) -> QDragEnterEvent:
    return QDragEnterEvent(QPoint(9, 9), BOTH, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)


def dropped(data: QMimeData) -> QDropEvent:
    return QDropEvent(QPointF(9, 9), BOTH, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)


def test_a_picture_without_a_file_is_dropped(with_window: Any) -> None:
    """As a browser drags one: the address of where it is from, and its pixels."""

    async def test(window: Window) -> None:
        image, notices = image_of(window), window.studio.notices
        window.bring_to_front("gallery")
        pixels, data = QImage(7, 5, QImage.Format.Format_ARGB32), QMimeData()
        pixels.fill(QColor(10, 20, 30, 40))
        data.setUrls([QUrl("https://example.org/picture.png")])
        window.dragEnterEvent(enter := entering(data))
        assert not enter.isAccepted(), "an address alone is nothing that can be opened"
        assert not window.drop_hint.isVisible()
        data.setImageData(pixels)
        window.dragEnterEvent(enter := entering(data))
        assert enter.isAccepted() and enter.dropAction() == Qt.DropAction.CopyAction
        assert window.drop_hint.isVisible()
        window.dragLeaveEvent(QDragLeaveEvent())
        assert not window.drop_hint.isVisible()
        window.dragEnterEvent(entering(data))
        window.dropEvent(dropped(data))
        assert not window.drop_hint.isVisible()
        assert window.workspace is image and image.document.size == (7, 5) and image.canvas.hasFocus()
        assert image.document.alpha is not None and (image.document.alpha == 40).all()
        assert (image.document.stored == (10, 20, 30)).all() and image.opening.title == "dropped picture"
        broken = QMimeData()
        broken.setData("image/png", b"no picture")
        window.dropEvent(dropped(broken))
        assert "cannot be read" in notices.at("image")[0].text and image.document.size == (7, 5)
        large = QMimeData()
        large.setImageData(QImage(8001, 8000, QImage.Format.Format_Mono))
        window.dropEvent(dropped(large))
        assert "64 million" in notices.at("image")[-1].text and image.document.size == (7, 5)

    with_window(test)


def test_the_pictures_under_the_pointer_leave_drops_to_the_window(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        for view in (image.canvas, image.wipes.view):
            assert not view.acceptDrops() and not view.viewport().acceptDrops()

    with_window(test)


def test_what_goes_on_is_ended_before_its_widgets_are(with_window: Any) -> None:
    told = []

    async def test(window: Window) -> None:
        async def work() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                told.append(window.status.isVisible())

        tasks.spawn(work())
        await asyncio.sleep(0)

    with_window(test)
    assert told == [False]


def test_pasting_from_an_empty_clipboard_says_so(with_window: Any) -> None:
    async def test(window: Window) -> None:
        QApplication.clipboard().clear()
        window.studio.actions["image.paste"].trigger()
        told = [notice.text for notice in window.studio.notices.at("image")]
        assert told == ["There is no picture on the clipboard: copy one first."]

    with_window(test)


def test_what_is_copied_is_what_is_pasted(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, act = image_of(window), window.studio.actions
        pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
        for alpha in (None, pixels[..., 3]):
            image.opening.picture(Picture(pixels[..., :3], alpha), "mine")
            act["image.copy"].trigger()
            image.opening.picture(Picture(np.zeros((9, 9, 3), dtype=np.uint8)), "black")
            act["image.paste"].trigger()
            assert (image.document.stored == pixels[..., :3]).all() and image.opening.title == "pasted picture"
            assert image.document.alpha is None if alpha is None else (image.document.alpha == alpha).all()

    with_window(test)


def test_a_file_that_was_copied_is_pasted(with_window: Any, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "copied.png")

    async def test(window: Window) -> None:
        image = image_of(window)
        QApplication.clipboard().setText("")  # Qt's own object: one made here would outlive Python on the clipboard
        QApplication.clipboard().mimeData().setUrls([QUrl.fromLocalFile(str(tmp_path / "copied.png"))])
        window.studio.actions["image.paste"].trigger()
        await until(lambda: image.opening.title == "copied")

    with_window(test)


def test_what_is_saved_again_keeps_its_name_until_another_thing_is_opened(
    with_window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    (tmp_path / "a.md").write_text("Once.")
    asked: list[tuple[str, Path | None]] = []

    async def answer(_: object, __: str, place: str, name: str, ___: object, folder: Path | None = None) -> Path:
        asked.append((name, folder))
        return tmp_path / "mine" / f"mine.{'png' if place == 'image' else 'txt'}"

    monkeypatch.setattr(dialogs, "ask_save", answer)

    async def save(window: Window, place: str) -> tuple[str, Path | None]:
        told = len(asked)
        window.studio.actions[f"{place}.save"].trigger()
        await until(lambda: len(asked) > told and not tasks.running())
        return asked[-1]

    async def test(window: Window) -> None:
        for place, first, end in (("image", "couple-filled", "png"), ("text", "fisherman", "txt")):
            window.bring_to_front(place)
            assert await save(window, place) == (f"{first}.{end}", None)
            assert await save(window, place) == (f"mine.{end}", tmp_path / "mine")
        image = image_of(window)
        await image.opening.file(tmp_path / "a.png")
        window.open_paths([tmp_path / "a.md"])
        await until(lambda: not tasks.running())
        assert await save(window, "text") == ("a.md", tmp_path)
        window.bring_to_front("image")
        assert await save(window, "image") == ("a-filled.png", tmp_path)

    async def again(window: Window) -> None:
        for place, end in (("text", "txt"), ("image", "png")):
            window.bring_to_front(place)
            assert await save(window, place) == (f"mine.{end}", tmp_path / "mine")

    with_window(test)
    with_window(again)


def test_no_two_buttons_of_a_workspace_look_alike(with_window: Any) -> None:
    async def test(window: Window) -> None:
        for place in ("image", "text"):
            window.bring_to_front(place)
            seen: dict[bytes, str] = {}
            for button in window.workspace.findChildren(ActionButton):
                image = button.defaultAction().icon().pixmap(24, 24, QIcon.Mode.Normal).toImage()
                name = button.defaultAction().text()
                assert seen.setdefault(bytes(image.constBits()), name) == name

    with_window(test)


def test_a_folder_is_opened_and_closed_again(with_window: Any, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 30)).save(tmp_path / name)

    async def test(window: Window) -> None:
        image, close = image_of(window), window.studio.actions["image.close-folder"]
        assert not close.isEnabled()
        window.open_paths([tmp_path])
        await until(lambda: image.opening.title == "a" and image.strip.isVisible() and close.isEnabled())
        image.strip.view.setFocus()
        close.trigger()
        assert not image.strip.isVisible() and not close.isEnabled() and image.canvas.hasFocus()
        assert image.opening.title == "a", "the picture stays"

    with_window(test)


def test_the_brush_keeps_its_size_on_the_screen(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        for side, size in ((320, 40), (1, 1), (320, 80)):  # on 32 pixels it has 4
            image.opening.picture(Picture(np.zeros((side, side, 3), dtype=np.uint8)), "square")
            assert image.tools.size == size
        image.canvas.setFocus()
        for key, steps in ((Qt.Key.Key_BracketRight, 1), (Qt.Key.Key_BracketLeft, 1), (Qt.Key.Key_BracketLeft, 40)):
            before = image.tools.size
            for _ in range(steps):
                QTest.keyClick(image.canvas, key)
            assert (image.tools.size > before) == (key == Qt.Key.Key_BracketRight)
        assert image.tools.size == 1

    with_window(test)


def test_a_passing_wheel_sets_nothing(with_window: Any) -> None:
    """Not in the panels, where it scrolls them, and not in the bars."""
    none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False

    async def test(window: Window) -> None:
        found: set[str] = set()
        for workspace in window.workspaces:
            window.bring_to_front(workspace.name)
            await asyncio.sleep(0.2)  # for what a workspace shows when it is first seen
            for widget in workspace.findChildren(QWidget):
                if not isinstance(widget, QAbstractSpinBox | QComboBox | QSlider) or not widget.isVisible():
                    continue
                before = widget.currentIndex() if isinstance(widget, QComboBox) else widget.property("value")
                for turn in (120, -120):
                    at = QPointF(widget.rect().center())
                    event = QWheelEvent(at, widget.mapToGlobal(at), QPoint(), QPoint(0, turn), *none)
                    QApplication.sendEvent(widget, event)
                    after = widget.currentIndex() if isinstance(widget, QComboBox) else widget.property("value")
                    assert after == before and not widget.hasFocus(), (workspace.name, widget.accessibleName())
                assert not widget.focusPolicy() & Qt.FocusPolicy.WheelFocus & ~Qt.FocusPolicy.StrongFocus
                found.add(workspace.name)
        assert found >= {"image", "text", "gallery"}

    with_window(test)


def test_of_several_pictures_the_one_that_is_taken_is_named(with_window: Any, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 30)).save(tmp_path / name)
    (tmp_path / "c.heic").write_bytes(b"no")

    async def test(window: Window) -> None:
        image = image_of(window)
        window.open_paths([tmp_path / "c.heic", tmp_path / "b.png", tmp_path / "a.png"])
        await until(lambda: image.opening.title == "b")
        notices = window.studio.notices
        await until(lambda: any("of 3 files b.png was taken" in notice.text for notice in notices.at("image")))

    with_window(test)


def test_a_saved_picture_brings_its_parameters_back(with_window: Any, tmp_path: Path) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=5, temperature=0.6, seed=77, seed_locked=True)
        await image.generate()
        await finished(image)
        made = image.shown_picture()
        save_png(tmp_path / "made.png", made.stored, image.parameters(), made.alpha)
        image.discard()
        image.settings.set(steps=30, temperature=1.0, seed=1)
        await image.opening.file(tmp_path / "made.png")
        assert image.settings.get("steps") == 5 and image.settings.seeds() == (77,)
        assert image.settings.get("temperature") == 0.6
        await image.generate()
        await finished(image)
        assert (image.shown_picture().rgb == made.rgb).all()

    with_window(test)


def test_pictures_are_opened_whatever_they_are_called_and_carry(with_window: Any, tmp_path: Path) -> None:
    async def test(window: Window) -> None:
        image, notices = image_of(window), window.studio.notices
        Image.new("RGB", (50, 40)).save(tmp_path / "web.png", "JPEG")
        await image.opening.file(tmp_path / "web.png")
        assert image.document.size == (50, 40) and not notices.at("image")
        text = PngInfo()
        text.add_text(PARAMETERS_KEY, '{"request": {"of": "a later version"}}')
        Image.new("RGB", (30, 20)).save(tmp_path / "later.png", pnginfo=text)
        await image.opening.file(tmp_path / "later.png")
        assert image.document.size == (30, 20) and "later.png is here as a picture" in notices.at("image")[0].text
        image.settings.set(steps=2, seed=77)
        masking.fill_rect(image.document, QRect(5, 5, 9, 9))
        await image.generate()
        await finished(image)
        made = image.shown_picture()
        save_png(tmp_path / "made.png", made.stored, image.parameters())
        (tmp_path / "made.png").rename(tmp_path / "made.jpg")
        image.settings.set(seed=1)
        await image.opening.file(tmp_path / "made.jpg")
        assert image.settings.get("seed") == 77

    with_window(test)


def test_undo_takes_back_what_an_opened_picture_brought(with_window: Any, tmp_path: Path) -> None:
    async def test(window: Window) -> None:
        image, undo = image_of(window), image_of(window).document.undo_stack
        image.settings.set(steps=5, temperature=0.6, seed=77, variations=2)
        await image.generate()
        await finished(image)
        made = image.shown_picture()
        save_png(tmp_path / "made.png", made.stored, image.parameters(), made.alpha)
        image.discard()
        picture = Picture(np.zeros((320, 320, 3), dtype=np.uint8))
        save_png(tmp_path / "black.png", picture.stored)
        await image.opening.file(tmp_path / "black.png")
        image.settings.set(steps=30, temperature=1.0, seed=1, seed_locked=False, variations=1)
        own, brush = image.settings.dump(), image.tools.size
        await image.opening.file(tmp_path / "made.png")
        brought = image.settings.dump()
        assert brought != own and image.opening.title == "made" and image.tools.size != brush
        undo.undo()
        assert image.settings.dump() == own, "the settings of the picture before"
        assert image.opening.title == "black" and image.tools.size == brush
        assert not window.studio.notices.at("image"), "what was told of the other picture is over"
        undo.redo()
        assert image.settings.dump() == brought and image.opening.title == "made"
        undo.undo()
        image.settings.set(steps=12)
        undo.undo()
        assert image.opening.title == "couple"
        assert image.settings.get("steps") == 12, "a picture that brought no settings takes none away"

    with_window(test)


def test_a_result_is_drawn_once(with_window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several things change with undo and redo, and drawing the result of a large picture takes its time."""

    async def test(window: Window) -> None:
        image, undo = image_of(window), image_of(window).document.undo_stack
        image.opening.picture(Picture(np.zeros((90, 70, 3), dtype=np.uint8)), "high")
        masking.fill_rect(image.document, QRect(10, 10, 20, 20))
        drawn: list[tuple[int, ...]] = []
        show = image.canvas.live.show_result
        monkeypatch.setattr(image.canvas.live, "show_result", lambda part: (drawn.append(part.shape), show(part)))
        image.settings.set(steps=2)
        await image.generate()
        await finished(image)
        await until(lambda: bool(drawn))
        rect = image.making.job.rect if image.making.job else QRect()
        undo.undo()
        undo.redo()
        image.playhead.show(1)
        image.playhead.show(2)
        assert drawn == 3 * [(rect.height(), rect.width(), 3)]

    with_window(test)


def test_a_large_result_is_drawn_beside_the_window_and_once(with_window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for to be seen, compared, copied and used; drawing it takes seconds where it is large."""
    monkeypatch.setattr(showing, "LARGE", 100)
    drawn: list[bool] = []
    real = jobs.parts_of

    def parts_of(*given: Any) -> np.ndarray:
        drawn.append(threading.current_thread() is threading.main_thread())
        return real(*given)

    monkeypatch.setattr(jobs, "parts_of", parts_of)

    async def test(window: Window) -> None:
        image = image_of(window)
        image.opening.picture(Picture(np.full((90, 70, 3), 120, dtype=np.uint8)), "high")
        masking.fill_rect(image.document, QRect(5, 5, 60, 60))
        image.settings.set(steps=2)
        await image.generate()
        await finished(image)
        job = image.making.job
        assert job is not None
        shown = image.canvas.item
        await until(lambda: shown.made is not None and shown.made._raster is not None)
        image.playhead.show(1)
        assert shown.made and shown.made._raster is None
        image.playhead.show(2)
        await until(lambda: shown.made is not None and shown.made._raster is not None)
        result = image.shown_picture()
        hole = job.source.part_mask()
        assert (shown.made.seen(job.rect)[hole] == result.stored[slices(job.rect)][hole]).all()
        image.commands["wipe"].trigger()
        image.commands["wipe"].trigger()
        image.commands["use"].trigger()
        assert (image.document.stored == result.stored).all()
        assert drawn == [False]

    with_window(test)


def test_the_variation_that_was_opened_is_the_one_shown(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, library = image_of(window), window.studio.library
        assert library is not None
        image.settings.set(steps=2, seed=40, variations=3)
        await image.generate()
        await finished(image)
        await until(lambda: len(library.ids()) == 3)
        item = next(item for item in library.items(library.ids()) if item.variation == 1)
        request, source = source_of(library, item)
        window.open_request(request, **source)
        assert image.opening.title == "couple", "a seed in the name would be one of another picture soon"
        await image.generate()
        await finished(image)
        assert image.making.variation == 1
        assert (image.shown_picture().rgb == load_picture(item.file).rgb).all()
        image.document.undo_stack.undo()
        window.open_request(request, **source)
        image.opening.picture(image.document.picture, "another")
        assert image.making.variation == 0

    with_window(test)


def test_redo_brings_the_start_of_a_branch_back(with_window: Any, tmp_path: Path) -> None:
    async def test(window: Window) -> None:
        image, undo = image_of(window), image_of(window).document.undo_stack
        image.settings.set(steps=6, seed=77, seed_locked=True)
        await image.generate()
        await finished(image)
        image.playhead.show(3)
        await image.branch()
        await finished(image)
        made = image.shown_picture()
        save_png(tmp_path / "made.png", made.stored, image.parameters(), made.alpha)
        before, steps = image.playhead.run, undo.count()
        await image.opening.file(tmp_path / "made.png")
        start = image.playhead.run
        assert start is not None and start is not before and undo.count() == steps + 1
        undo.undo()
        assert image.playhead.run is before
        undo.redo()
        assert image.playhead.run is start, "its start frame is on the canvas again"
        await image.branch()
        await finished(image)
        assert (image.shown_picture().rgb == made.rgb).all()

    with_window(test)


@pytest.mark.parametrize("changed", ["granularity", "given"])
def test_a_request_of_which_its_model_can_make_nothing_is_a_picture_alone(
    with_window: Any, tmp_path: Path, changed: str
) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=2)
        await image.generate()
        await finished(image)
        made, stored, before = image.shown_picture(), json.loads(image.parameters() or ""), image.settings.state()
        strange = {"granularity": 16, "given": PackedArray.pack(np.full((4, 4), 2)).model_dump(mode="json")}
        stored["request"][changed] = strange[changed]
        save_png(tmp_path / "strange.png", made.stored, json.dumps(stored), made.alpha)
        await image.opening.file(tmp_path / "strange.png")
        assert (image.document.stored == made.stored).all() and image.opening.title == "strange"
        assert image.settings.state() == before and image.making.job is None
        told = window.studio.notices.at("image")[-1]
        assert told.text.startswith("strange.png is here as a picture alone") and "emoji-32" in told.details

    with_window(test)


def test_a_branch_that_was_saved_is_made_again_from_where_it_began(with_window: Any, tmp_path: Path) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=6, seed=77, seed_locked=True)
        await image.generate()
        await finished(image)
        image.playhead.show(3)
        image.settings.set(seed=5)
        await image.branch()
        await finished(image)
        made = image.shown_picture()
        save_png(tmp_path / "made.png", made.stored, image.parameters(), made.alpha)
        image.settings.set(seed=9)
        await image.opening.file(tmp_path / "made.png")
        assert any("Branch here makes it again" in notice.text for notice in window.studio.notices.at("image"))
        await image.branch()
        await finished(image)
        assert (image.shown_picture().rgb == made.rgb).all()
        text = PngInfo()
        text.add_text(PARAMETERS_KEY, image.parameters() or "")
        Image.open(tmp_path / "made.png").resize((50, 50)).save(tmp_path / "small.png", pnginfo=text)
        await image.opening.file(tmp_path / "small.png")
        assert image.document.size == (50, 50) and image.playhead.run is None, "it is no longer what was made"

    with_window(test)


def test_a_question_before_leaving_that_fails_does_not_keep_the_window_open(
    with_window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(window: Window) -> None:
        async def may_leave() -> bool:
            raise StudioError("The run cannot be stopped.")

        monkeypatch.setattr(window.workspaces[0], "may_leave", may_leave)
        window.close()
        notices = window.studio.notices
        await until(lambda: any("cannot be stopped" in notice.text for notice in notices._notices))
        assert not window.left.is_set()
        monkeypatch.undo()
        window.close()
        await until(window.left.is_set)

    with_window(test)


def test_it_is_told_when_a_question_before_leaving_is_asked_and_answered(
    with_window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nothing is opened behind it."""

    async def test(window: Window) -> None:
        told: list[bool] = []
        window.asking.connect(told.append)

        async def may_leave() -> bool:
            assert told == [True]
            return False

        monkeypatch.setattr(window.workspaces[0], "may_leave", may_leave)
        window.close()
        await until(lambda: told == [True, False])
        monkeypatch.undo()
        window.close()
        await until(window.left.is_set)
        assert told == [True, False, True]

    with_window(test)


def test_a_session_that_cannot_be_saved_is_asked_about_before_leaving(with_window: Any, logged: Any) -> None:
    async def asked(window: Window) -> QDialog:
        window.close()
        await until(lambda: isinstance(QApplication.activeModalWidget(), QDialog))
        question = QApplication.activeModalWidget()
        assert isinstance(question, QDialog)
        assert question.accessibleName() == "What is open could not be saved; leave anyway?"
        assert any("Cannot write" in label.text() for label in question.findChildren(QLabel))
        return question

    def button(question: QDialog, text: str) -> QPushButton:
        return next(button for button in question.findChildren(QPushButton) if button.text() == text)

    async def test(window: Window) -> None:
        session, notices = data_folder() / "session", window.studio.notices
        await window.session.save_all()
        shutil.rmtree(session)
        session.touch()
        button(await asked(window), "Stay here").click()
        await until(lambda: not window._closing)
        assert not window.left.is_set() and "Your work cannot be saved" in notices.at("window")[-1].text
        session.unlink()
        window.close()
        await until(window.left.is_set)
        assert not notices.at("window")
        window.left.clear()
        window._closing = False
        shutil.rmtree(session)
        session.touch()
        button(await asked(window), "Leave").click()
        await until(window.left.is_set)

    with_window(test)
    assert ["was not saved" in record.getMessage() for record in logged] == [True]
    logged.clear()


def test_a_window_that_is_ended_while_it_asks_about_its_session_ends(with_window: Any, logged: Any) -> None:
    """As by SIGTERM."""

    async def test(window: Window) -> None:
        await window.session.save_all()
        shutil.rmtree(data_folder() / "session")
        (data_folder() / "session").touch()
        window.close()
        await until(lambda: QApplication.activeModalWidget() is not None)
        window.leave()

    with_window(test)
    assert ["was not saved" in record.getMessage() for record in logged] == [True]
    logged.clear()


def test_a_session_that_was_left_out_is_restored_by_its_button(
    with_window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def open_something(window: Window) -> None:
        masking.clear_mask(image_of(window).document)

    async def test(window: Window) -> None:
        image = image_of(window)
        (notice,) = window.studio.notices.at("window")
        assert "left out" in notice.text and not image.document.mask_bounds().isEmpty()
        answers = [False, True]

        async def confirm(*_: Any, **__: Any) -> bool:
            return answers.pop(0)

        monkeypatch.setattr(dialogs, "confirm", confirm)
        for left in (1, 0):
            assert not image.document.mask_bounds().isEmpty()
            next(each for each in window.findChildren(QPushButton) if each.text() == "Restore it now").click()
            await until(lambda left=left: len(answers) == left and bool(window.studio.notices.at("window")) == left)
        await until(lambda: image.document.mask_bounds().isEmpty())
        assert not window.studio.notices.at("window")

    with_window(open_something)
    SessionFiles(data_folder() / "session").begin_restoring()  # and there it was killed
    with_window(test)


def test_closing_waits_until_all_is_in_the_library(with_window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    add, kept = Library.add, list[int]()

    def slow(self: Library, result: Any, variation: int = 0, **more: Any) -> Item:
        time.sleep(0.1)
        item = add(self, result, variation, **more)
        kept.append(item.variation)
        return item

    monkeypatch.setattr(Library, "add", slow)

    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(variations=6, steps=2)
        await image.generate()
        await finished(image)
        await until(lambda: bool(kept))

    with_window(test)
    assert kept == [0, 1, 2, 3, 4, 5]


def test_a_branch_is_not_put_on_another_picture(with_window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    build = making.branch_request

    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.3)
        return build(*arguments, **options)

    monkeypatch.setattr(making, "branch_request", slow)

    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=4)
        await image.generate()
        await finished(image)
        image.opening.picture(Picture(np.zeros((40, 40, 3), dtype=np.uint8)), "other")
        masking.mask_whole(image.document)
        await image.generate()
        await finished(image)
        branched = asyncio.ensure_future(image.making.branch(1))
        await asyncio.sleep(0.05)
        image.document.undo_stack.setIndex(1)
        job = image.making.job
        assert await branched is None
        assert image.document.size != (40, 40) and image.making.job is job

    with_window(test)


def test_surprise_is_what_evaluate_finds(with_window: Any) -> None:
    picture_bundle(user_models())  # small, and in the place of the one that ships

    async def test(window: Window) -> None:
        image = image_of(window)
        window.studio.actions["image.surprise"].trigger()
        await until(lambda: image.surprise.bits is not None and bool(np.isfinite(image.surprise.bits).all()))
        bundle = image.making.bundle()
        nothing = np.zeros(image.document.stored.shape[:2], dtype=bool)
        frame = image.document.working_frame
        assert frame is not None
        square, _ = crop(image.document.picture.rgb, nothing, frame, GRID)
        expected = picture_surprise(bundle, OnnxDenoiser(bundle, "cpu"), square)
        assert image.surprise.bits is not None
        np.testing.assert_allclose(image.surprise.bits, expected, atol=1e-4)
        assert image.canvas.item.map is not None and image.commands["surprise"].isChecked()
        image.settings.set(steps=2)
        await image.generate()
        await finished(image)
        assert image.canvas.item.map is None and not image.commands["surprise"].isChecked()
        window.studio.actions["image.surprise"].trigger()
        await until(lambda: image.canvas.item.map is not None)
        image.surprise.clear()
        calls = image.surprise.show()
        task = asyncio.ensure_future(calls)
        await asyncio.sleep(0)  # its picture is being cut out
        image.surprise.clear()
        await task
        assert image.surprise.bits is None and image.canvas.item.map is None
        window.studio.actions["image.surprise"].trigger()
        await until(lambda: image.canvas.item.map is not None)
        window.studio.actions["image.picture"].trigger()  # which is chosen already, below the map
        assert image.canvas.item.map is None and image.canvas.overlay == "picture"
        assert image.commands["picture"].isChecked() and not image.commands["surprise"].isChecked()

    with_window(test)


def test_help_shows_the_tour_once(with_window: Any) -> None:
    picture_bundle(user_models())

    async def test(window: Window) -> None:
        for _ in range(2):
            window.studio.actions["window.tour"].trigger()
        (tour,) = window.findChildren(Tour)
        assert tour.isVisible() and not tour.isModal()
        tour.close()
        await until(lambda: not window.findChildren(Tour))

    with_window(test)


def test_a_mask_of_digits_that_the_model_has_not_is_said(with_window: Any) -> None:
    picture_bundle(user_models())

    async def test(window: Window) -> None:
        image = image_of(window)
        bits = np.zeros(image.document.mask_bits.shape, dtype=np.uint16)
        bits[2:5, 2:5] = 1 << 9  # painted for a model of ten digits
        masking.set_mask_bits(image.document, bits)
        await until(lambda: any(NO_DIGITS in label.text() for label in image.panel.findChildren(QLabel)))
        window.studio.actions["image.apply-planes"].trigger()
        await until(lambda: not any(NO_DIGITS in label.text() for label in image.panel.findChildren(QLabel)))
        assert image.making.units() > 0

    with_window(test)


def test_a_blank_canvas_has_settings_of_its_own(with_window: Any) -> None:
    """They are there before anything runs, so that the inspector tells what it will cost."""
    picture_bundle(user_models())

    async def test(window: Window) -> None:
        image, act = image_of(window), window.studio.actions
        act["image.select-all"].trigger()
        await until(lambda: image.settings.get("temperature_slope") == (-0.3, 1.0))
        assert image.settings.are_default() and image.settings.get("policy") == "even"
        await image.generate()
        await finished(image)
        image.restore(image.session())  # as the next start does
        assert image.settings.get("temperature_slope") == (-0.3, 1.0) and image.settings.are_default()
        image.discard()
        act["image.clear"].trigger()
        masking.fill_rect(image.document, QRect(0, 0, 3, 3))
        await image.generate()  # before the mask has settled
        assert image.settings.are_default() and image.settings.get("temperature_slope") != (-0.3, 1.0)
        await finished(image)
        image.discard()
        image.settings.set(policy="sequential")
        act["image.select-all"].trigger()
        await image.generate()
        assert image.settings.get("policy") == "sequential", "what the user chose stays"
        await finished(image)

    with_window(test)


def two_hundred(image: ImageWorkspace, rng: np.random.Generator) -> None:
    act, viewport = image.studio.actions, image.canvas.viewport()
    names = ("select-all", "invert", "clear", "grow", "shrink", "planes-low", "planes-all")
    tools = ("brush", "eraser", "rectangle", "lasso", "fill", "pin", "paint", "frame")
    for _ in range(200):
        if rng.random() < 0.3:
            act[f"image.{rng.choice(names)}"].trigger()
            continue
        act[f"image.tool-{rng.choice(tools)}"].trigger()
        to_view = image.canvas.viewportTransform()
        points = [to_view.map(QPoint(*map(int, rng.integers(0, 32, 2)))) for _ in range(3)]
        QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=points[0])
        QTest.mouseMove(viewport, points[1])
        QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=points[2])


def test_two_hundred_actions_undone_lead_back(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, act = image_of(window), window.studio.actions
        rng = np.random.default_rng(3)
        before = layers(image)
        await outside(lambda: two_hundred(image, rng))
        after = layers(image)
        while image.document.undo_stack.canUndo():
            act["window.undo"].trigger()
        assert all((a == b).all() for a, b in zip(before, layers(image), strict=True))
        while image.document.undo_stack.canRedo():
            act["window.redo"].trigger()
        assert all((a == b).all() for a, b in zip(after, layers(image), strict=True))

    with_window(test)


def test_return_in_a_field_gives_the_keys_back_to_the_canvas(with_window: Any) -> None:
    async def test(window: Window) -> None:
        inspector = window.workspace.inspector
        assert inspector is not None
        fields = [field for field in inspector.findChildren(QAbstractSpinBox) if field.isVisible()]
        fields += [field for field in inspector.findChildren(QLineEdit) if field.objectName() != "qt_spinbox_lineedit"]
        assert len(fields) > 2
        for field in fields:
            field.setFocus()
            assert window.focusWidget() is field
            event = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier, "\r")
            QApplication.sendEvent(field, event)
            assert window.focusWidget() is image_of(window).canvas, field.accessibleName()

    with_window(test)


def test_every_action_stands_in_the_menus(with_window: Any) -> None:
    async def test(window: Window) -> None:
        for workspace in window.workspaces:
            window.bring_to_front(workspace.name)
            menus = [entry.menu() for entry in window.menuBar().actions()]
            shown = {action for menu in menus if isinstance(menu, QMenu) for action in menu.actions()}
            here = [entry for entry in window.studio.actions if entry.workspace in (None, workspace.name)]
            assert not [entry.id for entry in here if entry.action not in shown]

    with_window(test)


def test_surprise_that_cannot_be_made_is_off(with_window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        monkeypatch.setattr(window.studio.lane, "load", broken(StudioError("it is damaged.")))
        for bundle in (image.making.bundle(), None):
            image.settings.set_bundle(bundle)
            image.commands["surprise"].trigger()
            await until(lambda: bool(window.studio.notices.at("image")) and not tasks.running())
            assert not image.surprise.on and not image.commands["surprise"].isChecked()
            assert not image.commands["stop"].isEnabled()
            window.studio.notices.clear("image")

    with_window(test)


def test_of_two_files_the_one_that_was_asked_for_last_stays(
    with_window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("slow", "quick"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    done, read = threading.Event(), opening._read

    def reading(path: Path) -> Any:
        assert path.stem == "quick" or done.wait(20)
        return read(path)

    async def test(window: Window) -> None:
        image = image_of(window)
        monkeypatch.setattr(opening, "_read", reading)
        image.strip.chosen.emit(tmp_path / "slow.png")
        image.strip.chosen.emit(tmp_path / "quick.png")
        await until(lambda: image.opening.title == "quick")
        done.set()
        await until(lambda: not tasks.running())
        assert image.opening.title == "quick" and image.document.undo_stack.count() == 1

    with_window(test)


def test_masks_are_read_and_written_beside_the_window(
    with_window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(*_: Any) -> Path:
        return tmp_path / "mask.png"

    monkeypatch.setattr(dialogs, "ask_open", answer)
    monkeypatch.setattr(dialogs, "ask_save", answer)
    done, load = threading.Event(), commands.load_mask

    def loading(*given: Any) -> Any:
        assert done.wait(20)
        return load(*given)

    async def test(window: Window) -> None:
        image = image_of(window)
        mask = image.document.mask
        image.commands["export-mask"].trigger()
        await until(lambda: not tasks.running())
        masking.invert_mask(image.document)
        image.commands["import-mask"].trigger()
        await until(lambda: not tasks.running())
        assert (image.document.mask == mask).all() and image.document.undo_stack.undoText() == "Import mask"
        monkeypatch.setattr(commands, "load_mask", loading)
        image.commands["import-mask"].trigger()
        await asyncio.sleep(0.05)  # the window goes on meanwhile
        image.document.set_picture(Picture(image.document.stored.copy()))
        done.set()
        await until(lambda: not tasks.running())
        assert "has changed" in window.studio.notices.at("image")[-1].text
        assert image.document.undo_stack.undoText() != "Import mask"

    with_window(test)


def test_the_menus_of_a_workspace_are_made_once(with_window: Any) -> None:
    async def test(window: Window) -> None:
        def menus() -> list[QMenu]:
            return window.menuBar().findChildren(QMenu, options=Qt.FindChildOption.FindDirectChildrenOnly)

        def go_round() -> None:
            for name in ("text", "train", "gallery", "models", "image"):
                window.bring_to_front(name)

        go_round()
        shown = window.menuBar().actions()
        made = len(menus())
        view = next(action.menu() for action in shown if action.text() == "&View")
        assert isinstance(view, QMenu)
        view.popup(QPoint(0, 0))
        go_round()
        assert view.isVisible() and len(menus()) == made and window.menuBar().actions() == shown
        view.close()

    with_window(test)


def test_a_new_picture_is_made_from_nothing(with_window: Any, tmp_path: Path) -> None:
    picture_bundle(user_models())

    async def test(window: Window) -> None:
        image, act = image_of(window), window.studio.actions
        was = image.document.stored.copy()
        await image.generate()
        await finished(image)
        act["image.new"].trigger()
        assert image.document.size == (GRID, GRID) and image.document.mask.all() and image.making.all_is_open()
        assert image.making.job is None and image.opening.title == "picture"
        assert image.document.undo_stack.undoText() == "New picture"
        await image.generate()
        await finished(image)
        assert image.shown_picture().rgb.std() > 0
        image.document.undo_stack.undo()
        image.document.undo_stack.undo()
        assert (image.document.stored == was).all() and image.opening.title == "couple" and image.making.job

    with_window(test)


def test_what_was_opened_last_is_in_the_menu(with_window: Any, tmp_path: Path) -> None:
    for name in ("one & two.png", "three.png"):
        Image.fromarray(np.full((8, 8, 3), 90, dtype=np.uint8)).save(tmp_path / name)

    async def test(window: Window) -> None:
        image = image_of(window)
        file = next(menu for menu in window.menus["image"] if menu.title() == "&File")
        recent = next(menu for menu in file.findChildren(RecentMenu))
        file.aboutToShow.emit()
        assert not recent.isEnabled()
        for name in ("one & two.png", "three.png"):
            await image.opening.file(tmp_path / name)
        file.aboutToShow.emit()
        recent.aboutToShow.emit()
        texts = [action.text() for action in recent.actions()]
        assert recent.isEnabled() and texts[0].endswith("three.png") and texts[1].endswith("one && two.png")
        window.bring_to_front("text")
        recent.actions()[1].trigger()
        await until(lambda: image.opening.title == "one & two")
        assert window.workspace is image
        await until(lambda: window.windowTitle() == "one & two")
        (tmp_path / "three.png").unlink()
        recent.aboutToShow.emit()
        recent.actions()[1].trigger()
        await until(lambda: bool(window.studio.notices.at("image")))
        (gone,) = window.studio.notices.at("image")
        assert "three.png is no longer there" in gone.text and gone.on_action is not None
        gone.on_action()
        recent.aboutToShow.emit()
        assert "one && two.png" in recent.actions()[0].text() and len(recent.actions()) == 3
        recent.actions()[-1].trigger()
        file.aboutToShow.emit()
        assert not recent.isEnabled()

    with_window(test)


def test_the_picture_stands_alone_until_the_next_stroke(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, marks = image_of(window), window.studio.actions["image.marks"]
        before = image.canvas.grab().toImage()
        marks.trigger()
        assert image.canvas.grab().toImage() != before and not marks.isChecked()
        image.settings.set(steps=8)
        window.studio.actions["image.generate"].trigger()
        await until(lambda: image.playhead.run is not None)
        await finished(image)
        assert not marks.isChecked()  # making is no stroke
        masking.invert_mask(image.document)
        assert marks.isChecked() and image.canvas.frame_mark.isVisible()
        marks.trigger()
        image.document.set_frame(WorkingFrame(0, 0, 32))
        assert marks.isChecked(), "nor drags an unseen frame"

    with_window(test)


def test_the_keys_go_to_the_canvas_when_it_comes_to_the_front(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        for name in ("gallery", "models", "text"):
            next(button for button in image.findChildren(PlanesButton)).setFocus()
            window.bring_to_front(name)
            window.bring_to_front("image")
            assert window.focusWidget() is image.canvas, f"not to a button, after {name}"

    with_window(test)


def test_every_control_has_a_name(with_window: Any) -> None:
    async def test(window: Window) -> None:
        nameless = []
        for widget in window.findChildren(QWidget):
            if not widget.isVisible() or widget.focusPolicy() == Qt.FocusPolicy.NoFocus:
                continue
            if isinstance(widget.parent(), QAbstractScrollArea):  # its viewport, named by itself
                continue
            name = widget.accessibleName() or getattr(widget, "text", lambda: "")()
            if not name and not widget.objectName().startswith("qt_"):
                nameless.append(f"{type(widget).__name__} in {type(widget.parent()).__name__}")
        assert nameless == []

    with_window(test)


def broken(error: Exception) -> Callable[[Any], Any]:
    def network(_: Any) -> Any:
        raise error

    return network


@pytest.mark.parametrize("error", [StudioError("The model is gone; import it again."), MemoryError(), KeyError("y")])
def test_a_run_that_fails_says_so_where_it_was_started(with_window: Any, logged: Any, error: Exception) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        window.studio.lane.network = broken(error)  # pyright: ignore[reportAttributeAccessIssue]
        await image.generate()
        await finished(image)
        told = [notice.text for notice in window.studio.notices.at("image")]
        assert image.playhead.state == "failed" and len(told) == 1
        assert ("memory" in told[0]) == isinstance(error, MemoryError)
        assert bool(logged) == isinstance(error, KeyError)
        logged.clear()

    with_window(test)


def test_what_was_painted_into_a_frame_stays_in_sight(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, act = image_of(window), window.studio.actions
        image.settings.set(steps=60, policy="even")
        await image.generate()
        await until(lambda: image.playhead.index > 4)
        act["image.pause"].trigger()
        await until(lambda: image.playhead.state == "paused")
        image.tools.set(tool="paint", size=3, color=QColor(1, 2, 3))
        spot = QPoint(24, 16)
        masking.fill_rect(image.document, QRect(spot, spot), "color", (1, 2, 3))
        first = image.playhead.run
        act["image.pause"].trigger()
        await until(lambda: image.playhead.run is not first and image.playhead.index > 2)
        act["image.pause"].trigger()
        image.canvas.set_overlay("picture")
        at = image.canvas.viewportTransform().map(QPointF(24.5, 16.5)).toPoint()
        seen = image.canvas.viewport().grab().toImage().pixelColor(at)
        assert max(seen.red(), seen.green(), seen.blue()) < 12  # the grid of the frame is drawn over it

    with_window(test)


def test_a_comparison_shows_the_place_and_the_frame_that_are_looked_at(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, act = image_of(window), window.studio.actions
        image.opening.picture(Picture(np.zeros((300, 400, 3), dtype=np.uint8)), "large")
        masking.fill_rect(image.document, QRect(200, 100, 40, 40))
        image.settings.set(steps=4)
        await image.generate()
        await finished(image)
        image.canvas.set_zoom(6)
        image.canvas.centerOn(220, 120)
        act["image.wipe"].trigger()
        view = image.wipes.view
        middle = view.to_picture(QPointF(view.viewport().rect().center()))
        assert view.zoom == 6 and abs(middle.x() - 220) < 2 and abs(middle.y() - 120) < 2
        act["image.zoom-in"].trigger()
        assert view.zoom == 8 and image.canvas.zoom == 6 and image._zoom.text() == "800 %"
        shown, before = [], view.set_pictures
        view.set_pictures = lambda *pictures: (shown.append(pictures[1]), before(*pictures))  # type: ignore
        image.playhead.show(2)
        await until(lambda: bool(shown))
        job = image.making.job
        assert job is not None and (shown[-1] == job.whole(job.run.frames[2], 0)).all()
        act["image.wipe"].trigger()
        assert image._zoom.text() == "600 %"

    with_window(test)


def test_results_beside_each_other_are_whole_and_kept(with_window: Any) -> None:
    """Even those that were never on the canvas, and made while something else was looked at."""

    async def test(window: Window) -> None:
        image, library = image_of(window), window.studio.library
        assert library is not None
        image.settings.set(steps=6)
        await image.compare()
        window.bring_to_front("gallery")
        jobs = image.making.comparison
        await until(lambda: all(job.run.over for job in jobs))
        await until(lambda: len(library.ids()) == len(jobs) > 2)
        window.bring_to_front("image")
        tiles = image.side_by_side.comparison.view.tiles.tiles
        await until(lambda: all(tile.detail.startswith("6 calls") for tile in tiles))
        image.making.look_at(jobs[1])
        image.restore(image.session())  # as the next start does
        again = image.making.comparison
        assert [job.run.request for job in again] == [job.run.request for job in jobs]
        assert image.making.job is again[1] and image.side_by_side.comparison.isVisible()
        image.making._look()
        await asyncio.sleep(0.05)
        assert len(library.ids()) == len(jobs), "what an earlier session has kept is not kept again"

    with_window(test)


def test_a_new_run_ends_the_comparison_with_the_old(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, act = image_of(window), window.studio.actions
        image.settings.set(steps=3)
        await image.generate()
        await finished(image)
        act["image.wipe"].trigger()
        assert image.wiping and not image.canvas.isVisible()
        await image.generate()
        assert not image.wiping and image.canvas.isVisible() and not act["image.wipe"].isChecked()
        await finished(image)

    with_window(test)


def test_a_request_brings_its_digit_planes_back(with_window: Any, tmp_path: Path) -> None:
    async def test(window: Window) -> None:
        image, act = image_of(window), window.studio.actions
        act["image.planes-low"].trigger()
        act["image.apply-planes"].trigger()
        bits = image.document.mask_bits.copy()
        image.settings.set(steps=3)
        await image.generate()
        await finished(image)
        made = image.shown_picture()
        save_png(tmp_path / "made.png", made.stored, image.parameters(), made.alpha)
        act["image.planes-all"].trigger()
        run, steps = image.playhead.run, image.document.undo_stack.count()
        await image.opening.file(tmp_path / "made.png")
        assert image.document.undo_stack.count() == steps + 1 and image.playhead.run is None
        image.document.undo_stack.undo()
        assert image.playhead.run is run, "one step takes the picture back, with what was made of the one before"
        image.document.undo_stack.redo()
        whole = (1 << image.document.digits) - 1
        assert (image.document.mask_bits & whole == bits & whole).all() and bits.any()

    with_window(test)


def test_the_end_closes_what_is_asked_first(with_window: Any) -> None:
    """As at the end of the desktop's session: a box of Qt's file dialog has a loop of its own."""

    async def test(window: Window) -> None:
        tasks.spawn(dialogs.ask_open(window, "Open", "image"))
        await until(lambda: QApplication.activeModalWidget() is not None)
        dialog, answered = QApplication.activeModalWidget(), []
        QTimer.singleShot(0, lambda: answered.append(QMessageBox.warning(dialog, "Open", "There is no such file.")))
        await until(lambda: isinstance(QApplication.activeModalWidget(), QMessageBox))
        await dialogs.close_all()
        assert answered and QApplication.activeModalWidget() is None

    with_window(test)


def test_runs_are_forgotten(with_window: Any) -> None:
    """What was made lies in the library; the window keeps the last few runs only."""

    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=1)
        made = []
        for _ in range(20):
            await image.generate()
            await finished(image)
            made.append(weakref.ref(image.playhead.run))
        await until(lambda: not [task for task in tasks.running() if "keep" in task.get_name()])
        gc.collect()
        assert sum(run() is not None for run in made) <= 13

    with_window(test)


def test_a_touched_frame_can_be_made_again_without_a_mask(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, act = image_of(window), window.studio.actions
        image.settings.set(steps=4, granularity=2)
        await image.generate()
        await finished(image)
        image.document.editing_state = False
        masking.clear_mask(image.document)
        image.document.editing_state = True
        await until(lambda: not act["image.generate"].isEnabled())
        masking.fill_rect(image.document, QRect(20, 20, 3, 2))
        await until(act["image.generate"].isEnabled)
        await until(lambda: image.panel.forecast() is not None)
        assert image.making.units() == 3 * 2 * 2
        assert image.panel.generate_button.text() == "Go on from here"
        image.document.undo_stack.undo()
        await until(lambda: image.panel.generate_button.text() == "Generate")

    with_window(test)


def test_results_that_go_give_the_keys_to_the_canvas(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=2, variations=2)
        window.studio.actions["image.generate"].trigger()
        await until(lambda: image.playhead.run is not None)
        await finished(image)
        view = image.side_by_side.variations.view
        await until(view.isVisible)
        view.setFocus()
        window.studio.actions["image.discard"].trigger()
        await until(lambda: not view.isVisible())
        assert window.focusWidget() is image.canvas

    with_window(test)


@pytest.mark.parametrize("forward", [True, False])
def test_tab_comes_to_every_control_and_round_again(with_window: Any, forward: bool) -> None:
    async def test(window: Window) -> None:
        for workspace in window.workspaces:
            window.bring_to_front(workspace.name)
            await asyncio.sleep(0)
            # Of buttons that exclude each other one has the keys, and the arrows go on from there.
            controls = {
                control
                for control in window.findChildren(QWidget)
                if control.isVisible() and control.isEnabled() and control.window() is window
                if not isinstance(control, QAbstractButton) or control.group() is None
                if control.focusPolicy() & Qt.FocusPolicy.TabFocus and control.focusProxy() is None
            }
            came_to = set()
            next(button for button in window.rail.findChildren(QAbstractButton) if button.isChecked()).setFocus()
            while (control := window.focusWidget()) not in came_to:
                came_to.add(control)
                assert window.focusNextPrevChild(forward)
            missed = [control.accessibleName() or type(control).__name__ for control in controls - came_to]
            assert not missed, f"in {workspace.title}"
            assert len(controls) > 5, f"in {workspace.title}"

    with_window(test)


def test_where_networks_run_is_on_screen_whatever_is_looked_at(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, labels = image_of(window), window.status._labels
        image.settings.set(steps=200, policy="even")
        await image.generate()
        await until(lambda: image.playhead.index > 0)
        for name in ("train", "gallery", "models"):
            window.bring_to_front(name)
            assert labels["provider"].text() == "CPU" and labels["provider"].isVisible(), name
            assert labels["queue"].text() == "running", name
        image.transport.stop()
        await finished(image)
        await until(lambda: not labels["queue"].isVisible())  # without anything being pressed

    with_window(test)


def test_of_every_stored_value_that_is_dropped_it_is_said(with_window: Any) -> None:
    values = {"theme": "purple", "geometry": 12, "zzz": 1, "shortcuts": {"image.generate": "Ctrl+A", "text.gap": 5}}
    data_folder().mkdir(parents=True)
    (data_folder() / "settings.json").write_text(json.dumps(values))

    async def test(window: Window) -> None:
        (notice,) = window.studio.notices.at("window")
        assert notice.text.startswith("5 stored settings") and len(notice.details.splitlines()) == 5

    with_window(test)


def test_a_folder_of_pictures_is_still_beside_the_picture_at_the_next_start(with_window: Any, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Image.new("RGB", (20, 10), "navy").save(tmp_path / f"{name}.png")

    async def test(window: Window) -> None:
        image = image_of(window)
        image.open_paths([tmp_path])
        await until(lambda: image.opening.title == "a")
        image.strip.step(1)
        await until(lambda: image.opening.title == "b")
        masking.fill_rect(image.document, QRect(1, 1, 3, 3))
        state = image.session()
        window.studio.actions["image.close-folder"].trigger()
        assert not image.strip.isVisible()
        image.restore(state)  # as the next start does
        await until(image.strip.isVisible)
        assert len(image.strip.paths) == 3 and image.strip.view.current == 1 and image.opening.title == "b"
        assert not image.document.mask_bounds().isEmpty(), "it is not opened anew"
        image.opening._path = Path(os.fsdecode(b"\xff.png"))
        assert image.session()["beside"] == {"folder": str(tmp_path), "file": "", "saved": ""}, (
            "what cannot be stored is left out"
        )
        shutil.rmtree(tmp_path)
        window.studio.actions["image.close-folder"].trigger()
        image.restore(state)
        await asyncio.sleep(0.2)
        assert not image.strip.isVisible() and not window.studio.notices.at("image") and image.opening.title == "b"

    with_window(test)


def test_it_fits_on_a_small_screen_that_is_scaled(with_window: Any) -> None:
    """1366 × 768 at 125 % without bar and title leaves 540; nothing that starts a run is cut off there."""

    async def test(window: Window) -> None:
        window.resize(1092, 540)
        await asyncio.sleep(0.05)
        assert window.height() == 540
        for workspace, name in (("image", "Generate"), ("text", "Generate"), ("train", "Start training")):
            window.bring_to_front(workspace)
            await asyncio.sleep(0)
            (button,) = (b for b in window.findChildren(QPushButton) if b.isVisible() and b.text() == name)
            inside = QRect(button.mapTo(window, QPoint(0, 0)), button.size())
            assert window.rect().contains(inside) and button.height() >= 26, workspace

    with_window(test)


def test_results_are_seen_whole_in_a_low_window(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=2)
        await image.compare()
        await until(lambda: all(job.run.over for job in image.making.comparison))
        strip = image.side_by_side.comparison
        for width, height in ((880, 480), (1024, 600), (1440, 900)):
            window.resize(width, height)
            await asyncio.sleep(0.1)
            view = strip.view
            first = view.visualRect(view.model().index(0, 0))
            assert view.viewport().rect().contains(first), (height, first)
            place = QRect(strip.mapTo(image, QPoint(0, 0)), strip.size())
            assert image.rect().contains(place) and strip.rect().contains(view.geometry()), height
            assert image.canvas.height() >= 90

    with_window(test)


def test_the_window_is_no_larger_than_a_small_screen(with_window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = SimpleNamespace(availableSize=lambda: QSize(720, 450))
    monkeypatch.setattr(window_module, "QGuiApplication", SimpleNamespace(primaryScreen=lambda: screen))

    async def test(window: Window) -> None:
        assert (window.minimumWidth(), window.minimumHeight()) == (720, 420)

    with_window(test)


def test_a_picture_saved_on_the_way_says_that_it_brings_no_settings(
    with_window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def chosen(*_: Any) -> Path:
        return tmp_path / "a.png"

    monkeypatch.setattr(dialogs, "ask_save", chosen)

    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=3)
        await image.generate()
        await finished(image)
        image.playhead.show(2)
        for told, index in (("as it is at step 2 of 3: what it was made with", 2), ("Saved as a.png.", 3)):
            image.playhead.show(index)
            image.commands["save"].trigger()
            await until(lambda told=told: any(told in notice.text for notice in window.studio.notices.at("image")))

    with_window(test)


def test_a_run_that_ends_behind_the_dialog_is_saved_as_it_is_seen(
    with_window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)

        async def chosen(*_: Any) -> Path:
            await finished(image)
            return tmp_path / "a.png"

        monkeypatch.setattr(dialogs, "ask_save", chosen)
        image.settings.set(steps=12)
        await image.generate()
        image.commands["save"].trigger()
        await until(lambda: (tmp_path / "a.png").exists())
        assert (load_picture(tmp_path / "a.png").stored == image.shown_picture().stored).all()
        assert read_parameters(tmp_path / "a.png") is not None

    with_window(test)


def test_the_variation_that_was_looked_at_is_exported(
    with_window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[int] = []
    monkeypatch.setattr(commands, "export_run", lambda path, job, variation: exported.append(variation))

    async def test(window: Window) -> None:
        image = image_of(window)

        async def chosen(*_: Any) -> Path:
            image.making.variation = 0  # behind the dialog
            return tmp_path / "a.gif"

        monkeypatch.setattr(dialogs, "ask_save", chosen)
        image.settings.set(steps=2, variations=2)
        await image.generate()
        await finished(image)
        image.making.variation = 1
        await image.commands.export_as("gif")
        assert exported == [1]

    with_window(test)


def test_who_masks_and_generates_at_once_is_not_passed_over(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=2)
        image.commands["clear"].trigger()
        await until(lambda: not image.commands["generate"].isEnabled())
        image.commands["select-all"].trigger()
        image.commands["generate"].trigger()
        await finished(image)

    with_window(test)


def test_what_was_too_early_is_taken_back_at_the_end_of_the_run(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=30)
        await image.generate()
        await until(lambda: image.playhead.index > 1)
        image.commands["use"].trigger()
        assert "not finished" in window.studio.notices.at("image")[0].text
        await finished(image)
        await until(lambda: not window.studio.notices.at("image"))

    with_window(test)


def test_memory_is_given_back_after_large_pictures(with_window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_module, "REST_MS", 10)
    monkeypatch.setattr(workspace_module, "LARGE", 5000)
    given: list[threading.Thread] = []
    monkeypatch.setattr(workspace_module, "give_back", lambda: given.append(threading.current_thread()))

    async def test(window: Window) -> None:
        document = image_of(window).document
        await asyncio.sleep(0.1)
        given.clear()
        masking.fill_rect(document, QRect(0, 0, 4, 4))
        await asyncio.sleep(0.1)
        assert not given, "strokes on small pictures leave nothing"
        image_of(window).opening.picture(Picture(np.zeros((80, 70, 3), dtype=np.uint8)), "large")
        await until(lambda: len(given) == 1)
        masking.fill_rect(document, QRect(0, 0, 4, 4))
        await until(lambda: len(given) == 2)
        assert threading.main_thread() not in given

    with_window(test)


def test_no_words_are_cut_at_the_smallest_size(with_window: Any) -> None:
    async def test(window: Window) -> None:
        window.resize(880, 480)
        for workspace in window.workspaces:
            window.bring_to_front(workspace.name)
            await asyncio.sleep(0.3)
            cut = []
            for words in [*window.findChildren(QLabel), *window.findChildren(QPushButton)]:
                right = words.mapTo(window, words.rect().bottomRight()).x()
                wraps = isinstance(words, QLabel) and words.wordWrap()
                if words.isVisible() and words.text() and not wraps:
                    fits = words.width() >= min(words.minimumSizeHint().width(), words.sizeHint().width())
                    if not fits or right >= window.width():
                        cut.append(words.text())
            assert not cut, workspace.title

    with_window(test)


def test_a_seed_that_a_picture_brought_goes_with_it(with_window: Any, tmp_path: Path) -> None:
    async def test(window: Window) -> None:
        image, settings = image_of(window), image_of(window).settings
        settings.set(steps=1, seed=77)
        await image.generate()
        await finished(image)
        save_png(tmp_path / "made.png", image.shown_picture().stored, image.parameters())
        await image.opening.file(tmp_path / "made.png")
        assert settings.get("seed_locked") and settings.get("seed") == 77
        image.opening.blank()
        assert not settings.get("seed_locked")
        image.document.undo_stack.undo()
        assert settings.get("seed_locked")
        image.opening.blank()
        image.panel.options._lock(True)  # by the user
        await image.opening.file(tmp_path / "made.png")
        image.opening.blank()
        assert settings.get("seed_locked")

    with_window(test)


def test_the_slider_shows_the_next_variation(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, act = image_of(window), window.studio.actions
        image.settings.set(steps=1, variations=3)
        await image.generate()
        await finished(image)
        act["image.wipe"].trigger()
        act["image.next"].trigger()
        assert image.wiping and image.making.variation == 1
        assert image.wipes.view.captions == ("Original", "Variation 2")
        image.side_by_side._wipe_variations(0, 1)
        act["image.next"].trigger()
        assert image.wiping and image.wipes.view.captions == ("Variation 1", "Variation 3")
        act["image.discard"].trigger()
        assert not image.wiping

    with_window(test)


def test_what_a_model_made_that_is_gone_is_shown(with_window: Any) -> None:
    async def test(window: Window) -> None:
        image, library, notices = image_of(window), window.studio.library, window.studio.notices
        assert library is not None
        image.settings.set(steps=1)
        await image.generate()
        await finished(image)
        await until(lambda: library.count() == 1)
        (item,) = library.items(library.ids())
        request, source = source_of(library, item)
        window.open_request(request, **source)
        assert (image.document.stored == source["picture"].stored).all()
        window.open_request(request.model_copy(update={"model": "gone"}), **source)
        assert (image.document.stored == source["result"].stored).all()
        assert "the model gone, which is not installed" in notices.at("image")[-1].text

    with_window(test)


def test_marks_that_another_model_cannot_go_on_from_offer_what_can_be_done(with_window: Any, tmp_path: Path) -> None:
    async def test(window: Window) -> None:
        image = image_of(window)
        image.settings.set(steps=1)
        await image.generate()
        await finished(image)
        masking.fill_rect(image.document, image.document.mask_bounds())
        image.settings.set_bundle(Bundle.open(picture_bundle(tmp_path)))
        image._settled()
        assert image.making.pending and not image.commands["branch"].isEnabled()
        assert not image.panel.generate_button.isEnabled()
        assert image.panel.problem.text().endswith("undo your marks to generate anew.")
        image.document.undo_stack.undo()
        image._settled()
        assert image.panel.generate_button.isEnabled()

    with_window(test)


def test_a_time_lapse_tells_that_it_is_being_written(
    with_window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(window: Window) -> None:
        image, notices, told = image_of(window), window.studio.notices, list[list[str]]()
        image.settings.set(steps=1)
        await image.generate()
        await finished(image)

        async def ask_save(*_: Any) -> Path:
            return tmp_path / "run.gif"

        def write(*_: Any) -> None:
            told.append([notice.text for notice in notices.at("image") if not notice.leaves])

        monkeypatch.setattr(image.commands, "_ask_save", ask_save)
        monkeypatch.setattr(commands, "export_run", write)
        for _ in range(2):
            await image.commands._export()
            assert [notice.text for notice in notices.at("image")] == ["Exported as run.gif."]
        assert told == [["Writing run.gif…"]] * 2

    with_window(test)
