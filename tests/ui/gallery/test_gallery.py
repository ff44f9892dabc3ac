"""The Gallery workspace: what it shows, finds, and does with what is selected."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QAccessible, QColor, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from studio.errors import StudioError
from studio.generation import TextSource
from studio.library import Filter, Item, Library, Parent, given_pieces
from studio.media.images import Picture, load_picture
from studio.ui import dialogs
from studio.ui.gallery import reading
from studio.ui.gallery.cell import CELL, ago
from studio.ui.gallery.grid import GridView
from studio.ui.gallery.model import ITEM, GalleryModel
from studio.ui.gallery.words import made_spans
from studio.ui.gallery.workspace import GalleryWorkspace
from tests.test_library import fill, picture_result, text_result
from tests.ui.keeping import FakeStudio, settled, until


@pytest.fixture
def studio(qapp: object, tmp_path: Path) -> Iterator[FakeStudio]:
    studio = FakeStudio(tmp_path, Library(tmp_path / "library"))
    yield studio
    studio.close()


@pytest.fixture
def library(studio: FakeStudio) -> Library:
    assert studio.library is not None
    return studio.library


@pytest.fixture
def items(library: Library) -> list[Item]:
    """Oldest first: picture 0 and 1 of a run, a text, a picture branched from the run."""
    original = Picture(np.full((12, 12, 3), 200, dtype=np.uint8))
    made = [library.add(picture_result(), index, picture=original, title=f"cat {index}", run="r") for index in (0, 1)]
    made.append(library.add(text_result("Once a king ruled.", "Once [[2]] ruled."), tags=["tale"]))
    made.append(library.add(picture_result((9,)), 0, picture=original, parent=Parent(run="r", frame=2)))
    return made


@pytest.fixture
def gallery(studio: FakeStudio, qtbot: Any) -> Iterator[GalleryWorkspace]:
    any_studio: Any = studio
    gallery = GalleryWorkspace(any_studio)
    qtbot.addWidget(gallery)
    qtbot.addWidget(gallery.inspector)
    gallery.resize(900, 700)
    studio.actions.attach(gallery)
    studio.actions.set_workspace("gallery")
    gallery.show()
    yield gallery
    gallery.close_down()


def titles(gallery: GalleryWorkspace) -> list[str]:
    rows = range(gallery.model.rowCount())
    return [gallery.model.index(row).data(ITEM).title for row in rows]


async def choose(gallery: GalleryWorkspace, row: int) -> None:
    gallery.grid.setCurrentIndex(gallery.model.index(row))
    await until(lambda: gallery.details.shown and gallery.selected == [gallery.details.shown.item.key])


class TestShowing:
    def test_items_come_and_are_described(self, gallery: GalleryWorkspace, items: list[Item], qrun: Any) -> None:
        async def main() -> None:
            gallery.activated()
            await until(lambda: gallery.model.rowCount() == 4)
            await until(lambda: gallery.model.entry(0))
            assert titles(gallery) == ["emoji-32, seed 9", "Once a king ruled.", "cat 1", "cat 0"]
            assert gallery.bar.count.text() == "4 items"
            await choose(gallery, 0)
            shown = gallery.details.shown
            assert shown and shown.image and shown.image.size() == QSize(12, 12)
            assert [item.title for item, _ in shown.parents] == ["cat 0", "cat 1"]
            await choose(gallery, 1)
            assert gallery.details.text.toPlainText() == "Once a king ruled."
            assert gallery.details.open.text() == "Open in Text"
            await choose(gallery, 3)
            assert gallery.details.shown and len(gallery.details.shown.children) == 1
            gallery.details.asked_for.emit(items[3].id)
            await until(lambda: gallery.details.shown and gallery.details.shown.item.id == items[3].id)
            await settled()

        qrun(main())

    def test_who_comes_back_sees_the_newest(
        self, gallery: GalleryWorkspace, items: list[Item], library: Library, qrun: Any
    ) -> None:
        async def main() -> None:
            gallery.activated()
            await until(lambda: gallery.selected == [items[-1].key])
            gallery.hide()
            newer = library.add(text_result("And they lived.", "And [[2]]."))
            await until(lambda: gallery.model.rowCount() == 5 and gallery.selected == [newer.key])
            gallery.show()
            await choose(gallery, 2)  # what the user has chosen stays so
            chosen = gallery.selected
            gallery.hide()
            library.add(text_result("Happily.", "[[2]]."))
            await until(lambda: gallery.model.rowCount() == 6)
            assert gallery.selected == chosen
            await settled()

        qrun(main())

    def test_a_scroll_bar_leaves_the_picture_as_high_as_it_was(
        self, gallery: GalleryWorkspace, items: list[Item], qrun: Any
    ) -> None:
        """Else the bar comes and goes without end where it is just needed, and Qt crashes."""

        async def main() -> None:
            gallery.activated()
            await until(lambda: gallery.model.rowCount() == 4)
            await choose(gallery, 3)
            gallery.details.show()
            heights, bars = set(), set()
            for height in range(900, 300, -20):
                gallery.details.resize(320, height)
                await asyncio.sleep(0.01)
                heights.add(gallery.details.preview.height())
                bars.add(gallery.details.verticalScrollBar().isVisible())
            assert len(heights) == 1 and bars == {True, False}
            gallery.details.resize(420, 600)
            await until(lambda: gallery.details.preview.height() > max(heights) + 80)
            await settled()

        qrun(main())

    def test_pixels_of_a_cell(self, gallery: GalleryWorkspace, items: list[Item], qrun: Any) -> None:
        """The picture is drawn with whole screen pixels: squares of one colour, 13 pixels wide."""

        async def main() -> None:
            gallery.activated()
            await until(lambda: gallery.model.rowCount() == 4 and gallery.model.entry(0))
            await settled()
            image = gallery.grid.viewport().grab().toImage()
            rect = gallery.grid.visualRect(gallery.model.index(0))
            wanted = load_picture(items[3].file).stored
            left, top = rect.left() + 2 + 8 + 2, rect.top() + 2 + 8 + 2
            for y, x in ((0, 1), (5, 5), (11, 3), (7, 11)):
                for inner in (1, 11):
                    pixel = image.pixelColor(left + x * 13 + inner, top + y * 13 + inner)
                    assert [pixel.red(), pixel.green(), pixel.blue()] == wanted[y, x].tolist()

        qrun(main())

    def test_what_is_made_while_it_is_open_comes_in_front(
        self, gallery: GalleryWorkspace, items: list[Item], library: Library, qrun: Any
    ) -> None:
        async def main() -> None:
            gallery.activated()
            await until(lambda: gallery.model.rowCount() == 4)
            await choose(gallery, 1)
            key = gallery.selected
            new = await asyncio.to_thread(library.add, picture_result((5,)), title="new")
            await until(lambda: gallery.model.rowCount() == 5)
            assert gallery.model.keys[0] == new.key and gallery.selected == key
            await settled()

        qrun(main())

    def test_filters_and_empty_states(self, gallery: GalleryWorkspace, items: list[Item], qrun: Any) -> None:
        async def main() -> None:
            gallery.activated()
            await until(lambda: gallery.model.rowCount() == 4)
            gallery.bar.search.setText("king")
            await until(lambda: gallery.model.rowCount() == 1)
            gallery.bar.search.setText("nobody")
            await until(lambda: gallery.stack.currentWidget() is gallery.empty)
            assert gallery.empty.heading.text() == "Nothing fits."
            gallery.empty.button.click()
            await until(lambda: gallery.model.rowCount() == 4)
            await until(lambda: gallery.bar.tag.count() == 2)
            gallery.bar.tag.setCurrentIndex(1)
            await until(lambda: gallery.model.rowCount() == 1)
            gallery.bar.clear()
            gallery.bar.starred.setChecked(True)
            await until(lambda: gallery.stack.currentWidget() is gallery.empty)
            gallery.bar.clear()
            gallery.bar.kind.setCurrentIndex(1)
            await until(lambda: gallery.model.rowCount() == 3)
            await settled()

        qrun(main())

    def test_nothing_made_yet(self, gallery: GalleryWorkspace, qrun: Any) -> None:
        async def main() -> None:
            gallery.activated()
            await until(lambda: gallery.empty.heading.text())
            await settled()

        qrun(main())
        assert gallery.empty.heading.text() == "Nothing is here." and not gallery.empty.button.isVisible()

    def test_without_a_library(self, qapp: object, qtbot: Any, tmp_path: Path) -> None:
        studio: Any = FakeStudio(tmp_path)
        gallery = GalleryWorkspace(studio)
        qtbot.addWidget(gallery)
        qtbot.addWidget(gallery.inspector)
        studio.actions.set_workspace("gallery")
        gallery.activated()
        assert not [entry.id for entry in studio.actions if entry.action.isEnabled()]
        gallery.restore({"item": "x", "filter": {}})
        assert "cannot be opened" in gallery.empty.heading.text() and gallery.session()["item"] is None
        gallery.close_down()
        studio.close()

    def test_a_null_image_is_not_drawn(self, gallery: GalleryWorkspace) -> None:
        preview = gallery.details.preview
        preview.resize(80, 80)
        for image in (QImage(8, 8, QImage.Format.Format_RGB32), QImage()):
            image.fill(Qt.GlobalColor.red)
            preview.set_image(image)
            shown = preview.grab().toImage()
            assert (shown.pixelColor(shown.rect().center()) == QColor(255, 0, 0)) == (not image.isNull())

    def test_every_control_has_a_name(self, gallery: GalleryWorkspace, items: list[Item], qrun: Any) -> None:
        async def main() -> None:
            gallery.activated()
            await until(lambda: gallery.model.rowCount() == 4)
            await choose(gallery, 1)
            await settled()

        qrun(main())
        nameless = []
        for root in (gallery, gallery.details):
            for widget in root.findChildren(QWidget):
                if widget.isVisibleTo(root) and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
                    interface = QAccessible.queryAccessibleInterface(widget)
                    if not interface.text(QAccessible.Text.Name):
                        nameless.append(f"{type(widget).__name__} {widget.objectName()}")
        assert nameless == []


class TestDoing:
    @pytest.fixture(autouse=True)
    def ready(self, gallery: GalleryWorkspace, items: list[Item]) -> None: ...

    def run(self, gallery: GalleryWorkspace, qrun: Any, steps: Any) -> None:
        async def main() -> None:
            gallery.activated()
            await until(lambda: gallery.model.rowCount() == 4 and gallery.model.entry(0))
            await steps()
            await settled()

        qrun(main(), timeout=20)

    def test_delete_and_undo(self, gallery: GalleryWorkspace, studio: FakeStudio, library: Library, qrun: Any) -> None:
        async def steps() -> None:
            await choose(gallery, 1)
            before = library.ids()
            gallery.grid.setFocus()
            QTest.keyClick(gallery.grid, Qt.Key.Key_Delete)
            await until(lambda: studio.told("gallery"))
            assert len(library.ids()) == 3 and gallery.model.rowCount() == 3
            assert gallery.grid.currentIndex().row() == 1
            (notice,) = studio.notices.at("gallery")
            assert notice.action == "Undo" and notice.on_action
            notice.on_action()
            await until(lambda: gallery.model.rowCount() == 4)
            assert library.ids() == before
            await choose(gallery, 1)
            gallery.details.star.setFocus()
            gallery._actions["delete"].trigger()
            await until(lambda: len(library.ids()) == 3)
            assert gallery.grid.hasFocus()

        self.run(gallery, qrun, steps)

    def test_no_grid_of_texts_is_asked_for(
        self,
        gallery: GalleryWorkspace,
        studio: FakeStudio,
        library: Library,
        qrun: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async def ask(*_: object) -> None:
            raise AssertionError("it is asked where to")

        monkeypatch.setattr(dialogs, "ask_save", ask)

        async def steps() -> None:
            texts = [row for row in range(4) if gallery.model.index(row).data(ITEM).kind == "text"]
            await choose(gallery, texts[0])
            with pytest.raises(StudioError, match="made of pictures"):
                await gallery.export_selected("grid")

        self.run(gallery, qrun, steps)

    def test_everything_done_has_a_way_back(
        self, gallery: GalleryWorkspace, library: Library, studio: FakeStudio, qrun: Any
    ) -> None:
        def state() -> list[Any]:
            items = library.items(library.ids())
            return [(item.id, item.title, item.star, item.tags) for item in items]

        async def steps() -> None:
            stack = gallery.undo_stack
            assert stack is not None
            await asyncio.to_thread(library.star, library.ids()[:1])
            before = state()
            gallery.grid.selectAll()
            gallery._actions["star"].trigger()  # those that have none
            await until(lambda: stack.count() == 1)
            await choose(gallery, 0)
            await until(lambda: gallery.details.shown and gallery.details.shown.item.key == gallery.selected[0])
            gallery.details.renamed.emit("A better name")
            await until(lambda: stack.count() == 2)
            gallery.details.tagged.emit(["new"], [])
            await until(lambda: stack.count() == 3)
            gallery._actions["delete"].trigger()
            await until(lambda: studio.told("gallery"))
            after = state()
            assert len(after) == 3 and [stack.text(at) for at in range(4)] == ["star", "rename", "tags", "delete"]
            stack.undo()
            assert not studio.told("gallery"), "what is undone is not offered to be undone"
            await until(lambda: len(state()) == 4)
            for _ in range(3):  # faster than the library
                stack.undo()
            await until(lambda: state() == before)
            for _ in range(4):
                stack.redo()
            await until(lambda: state() == after)

        self.run(gallery, qrun, steps)

    def test_the_deleted_ones_can_be_seen_restored_and_purged(
        self, gallery: GalleryWorkspace, library: Library, qrun: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        async def confirm(parent: object, text: str, **_: object) -> bool:
            asked.append(text)
            return len(asked) > 1

        monkeypatch.setattr(dialogs, "confirm", confirm)

        async def steps() -> None:
            await asyncio.to_thread(library.delete, library.ids()[:2])
            gallery.bar.deleted.setChecked(True)
            await until(lambda: gallery.model.rowCount() == 2 and gallery.model.entry(0))
            await choose(gallery, 0)
            assert gallery.details.restore.isVisibleTo(gallery.details) and not gallery._actions["open"].isEnabled()
            gallery.details.restore.click()
            await until(lambda: gallery.model.rowCount() == 1)
            await choose(gallery, 0)
            gallery._actions["delete"].trigger()
            await until(lambda: asked)
            await asyncio.sleep(0.1)
            assert library.count(Filter(deleted=True)) == 1
            gallery._actions["delete"].trigger()
            await until(lambda: library.count(Filter(deleted=True)) == 0)
            assert gallery.undo_stack is not None and gallery.undo_stack.count() == 0
            await until(lambda: gallery.empty.heading.text() == "Nothing is deleted.")

        self.run(gallery, qrun, steps)

    def test_star_rename_and_tags(self, gallery: GalleryWorkspace, library: Library, qrun: Any) -> None:
        async def steps() -> None:
            await choose(gallery, 2)
            key = gallery.selected[0]
            gallery.details.star.click()
            await until(lambda: library.items([key])[0].star)
            await until(lambda: gallery.details.shown and gallery.details.shown.item.star)
            gallery.details.tag_field.setText("b, a")
            QTest.keyClick(gallery.details.tag_field, Qt.Key.Key_Return)
            await until(lambda: gallery.details.shown and gallery.details.shown.item.tags == ("a", "b"))
            gallery.details.title.setText("A better name")
            gallery.details.title.editingFinished.emit()
            await until(lambda: library.items([key])[0].title == "A better name")
            await until(lambda: gallery.model.index(2).data(ITEM).title == "A better name")

        self.run(gallery, qrun, steps)

    def test_what_changes_in_a_narrowed_view_is_described_anew(
        self, gallery: GalleryWorkspace, library: Library, qrun: Any
    ) -> None:
        async def steps() -> None:
            details, stack = gallery.details, gallery.undo_stack
            assert stack is not None
            gallery.bar.search.setText("cat")
            await until(lambda: gallery.model.rowCount() == 2)
            await settled()
            await choose(gallery, 1)
            key = gallery.selected[0]
            for count, tag in enumerate(("first", "second"), start=1):
                details.tag_field.setText(tag)
                QTest.keyClick(details.tag_field, Qt.Key.Key_Return)
                await until(lambda count=count: details.shown and len(details.shown.item.tags) == count)
            assert library.items([key])[0].tags == ("first", "second")
            details.title.setFocus()
            details.title.selectAll()
            QTest.keyClicks(details.title, "cat renamed")
            QTest.keyClick(details.title, Qt.Key.Key_Return)
            await until(lambda: details.shown and details.shown.item.title == "cat renamed")
            stack.undo()
            await until(lambda: details.shown and details.shown.item.title == "cat 0")
            details.title.editingFinished.emit()  # the focus leaves the field
            await settled()
            assert details.title.text() == "cat 0" == library.items([key])[0].title

        self.run(gallery, qrun, steps)

    def test_tags_are_added_to_what_the_library_has(
        self, gallery: GalleryWorkspace, library: Library, qrun: Any
    ) -> None:
        async def steps() -> None:
            stack = gallery.undo_stack
            assert stack is not None
            await choose(gallery, 0)
            key = gallery.selected[0]
            for tag in ("first", "second"):  # faster than the pane is told
                gallery.details.tagged.emit([tag], [])
            await until(lambda: stack.count() == 2)
            assert library.items([key])[0].tags == ("first", "second")
            stack.undo()
            await until(lambda: library.items([key])[0].tags == ("first",))
            await settled()

        self.run(gallery, qrun, steps)

    def test_what_is_deleted_is_filtered_by_what_it_has(
        self, gallery: GalleryWorkspace, library: Library, qrun: Any
    ) -> None:
        def tags() -> list[str]:
            return [gallery.bar.tag.itemData(row) for row in range(1, gallery.bar.tag.count())]

        async def steps() -> None:
            await until(lambda: tags() == ["tale"])
            gallery.grid.selectAll()
            await until(lambda: len(gallery.selected) == 4)
            gallery._actions["delete"].trigger()
            await until(lambda: gallery.model.rowCount() == 0 and not tags())
            gallery.bar.deleted.click()
            await until(lambda: gallery.model.rowCount() == 4 and tags() == ["tale"])
            gallery.bar.tag.setCurrentIndex(1)
            gallery.bar.tag.activated.emit(1)
            await until(lambda: gallery.model.rowCount() == 1)
            gallery.bar.deleted.click()
            await until(lambda: not tags())
            await settled()

        self.run(gallery, qrun, steps)

    def test_several_get_a_tag_at_once(self, gallery: GalleryWorkspace, library: Library, qrun: Any) -> None:
        async def steps() -> None:
            stack, field = gallery.undo_stack, gallery.details.many_field
            assert stack is not None
            await until(lambda: gallery.model.rowCount() == 4)
            gallery.grid.selectAll()
            await until(lambda: gallery.details.many.isVisibleTo(gallery.details) and len(gallery.selected) == 4)
            before = {item.key: item.tags for item in library.items(gallery.selected)}
            field.setText("new, tale")
            QTest.keyClick(field, Qt.Key.Key_Return)
            await until(lambda: stack.count() == 1)
            assert all({"new", "tale"} <= set(item.tags) for item in library.items(list(before))) and not field.text()
            assert len(gallery.selected) == 4
            stack.undo()
            await until(lambda: {item.key: item.tags for item in library.items(list(before))} == before)
            await settled()

        self.run(gallery, qrun, steps)

    def test_open_gives_the_exact_request(
        self, gallery: GalleryWorkspace, library: Library, items: list[Item], qrun: Any
    ) -> None:
        got: list[Any] = []
        gallery.request_opened.connect(lambda request, source: got.append((request, source)))

        async def steps() -> None:
            await choose(gallery, 2)
            gallery.grid.setFocus()
            QTest.keyClick(gallery.grid, Qt.Key.Key_Return)
            await until(lambda: got)
            request, source = got.pop()
            assert request == library.request(items[1].key) and source["variation"] == 1
            assert (source["picture"].stored == 200).all() and source["item"] == items[1].id
            assert (source["result"].rgb == load_picture(items[1].file).rgb).all()
            rect = gallery.grid.visualRect(gallery.model.index(1))
            QTest.mouseClick(gallery.grid.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
            await until(lambda: gallery.selected == [items[2].key])
            QTest.mouseDClick(gallery.grid.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
            await until(lambda: got)
            assert got[0][1]["text"] == "Once a king ruled."

        self.run(gallery, qrun, steps)

    def test_what_was_opened_last_is_what_comes(
        self, gallery: GalleryWorkspace, items: list[Item], qrun: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        got, go_on, read = [], threading.Event(), reading.source_of
        gallery.request_opened.connect(lambda request, source: got.append(source["item"]))

        def source_of(library: Library, item: Item) -> Any:
            assert item.id != items[1].id or go_on.wait(10)
            return read(library, item)

        monkeypatch.setattr(reading, "source_of", source_of)

        async def steps() -> None:
            await choose(gallery, 2)
            slow = asyncio.ensure_future(gallery.open_selected())
            await asyncio.sleep(0.05)
            await choose(gallery, 1)
            await gallery.open_selected()
            go_on.set()
            await slow
            assert got == [items[2].id]

        self.run(gallery, qrun, steps)

    def test_a_text_file_goes_back_where_it_was_made(
        self, gallery: GalleryWorkspace, items: list[Item], library: Library, qtbot: Any, tmp_path: Path
    ) -> None:
        with qtbot.waitSignal(gallery.request_opened) as got:
            assert gallery.open_paths([items[2].file])
        assert got.args[0] == library.request(items[2].key) and got.args[1]["text"] == "Once a king ruled."
        (tmp_path / "other.json").write_text('{"a": 1}')
        (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
        for path in (items[0].file, tmp_path / "other.json", tmp_path / "binary.json", tmp_path / "none.json"):
            assert not gallery.open_paths([path])

    def test_copy(self, gallery: GalleryWorkspace, items: list[Item], qrun: Any) -> None:
        async def steps() -> None:
            clipboard = QGuiApplication.clipboard()
            await choose(gallery, 1)
            await gallery.copy_selected()
            assert clipboard.text() == "Once a king ruled."
            await choose(gallery, 3)
            await gallery.copy_selected()
            assert clipboard.image().size() == QSize(12, 12)
            gallery.grid.selectAll()
            await gallery.copy_selected()
            assert clipboard.text() == "Once a king ruled."

        self.run(gallery, qrun, steps)

    @pytest.mark.parametrize("how", ["metadata", "plain", "grid", "table"])
    def test_export(
        self,
        gallery: GalleryWorkspace,
        studio: FakeStudio,
        qrun: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        how: str,
    ) -> None:
        async def target(*_: object, **__: object) -> Path:
            return tmp_path / ("sheet.png" if how == "grid" else "out")

        monkeypatch.setattr(dialogs, "ask_folder", target)
        monkeypatch.setattr(dialogs, "ask_save", target)

        async def steps() -> None:
            gallery.grid.selectAll()
            await until(lambda: gallery.details.many.isVisibleTo(gallery.details))
            name = "export" if how == "metadata" else f"export-{how}"
            gallery.details.many_buttons[name].click()
            await until(lambda: studio.told("gallery"))
            assert studio.told("gallery")[0].startswith("Written: ")
            count = {"metadata": 4, "plain": 4, "table": 5, "grid": 0}[how]
            assert len(list((tmp_path / "out").glob("*"))) == count
            assert (tmp_path / "sheet.png").exists() == (how == "grid")

        self.run(gallery, qrun, steps)

    def test_a_file_that_is_gone_is_said(self, gallery: GalleryWorkspace, items: list[Item], qrun: Any) -> None:
        async def steps() -> None:
            items[0].file.unlink()
            await choose(gallery, 1)
            await choose(gallery, 3)
            details = gallery.details
            assert details.shown is not None and details.shown.item.key == items[0].key
            assert details.title.text() == items[0].title and "is gone or damaged" in details.problem.text()
            assert details.problem.isVisibleTo(details) and not details.preview.isVisibleTo(details)
            await choose(gallery, 1)
            assert not details.problem.isVisibleTo(details)

        self.run(gallery, qrun, steps)

    def test_a_line_of_pixels_is_shown(self, gallery: GalleryWorkspace, items: list[Item], qrun: Any) -> None:
        async def steps() -> None:
            Image.new("RGB", (1, 5000), "red").save(items[0].file)
            await choose(gallery, 3)
            details = gallery.details
            assert details.shown is not None and details.shown.image is not None
            assert (details.shown.image.width(), details.shown.image.height()) == (1, 1280)

        self.run(gallery, qrun, steps)

    def test_transparency_is_shown_on_white(self, gallery: GalleryWorkspace) -> None:
        image = QImage(4, 4, QImage.Format.Format_ARGB32)
        image.fill(Qt.GlobalColor.transparent)
        preview = gallery.details.preview
        preview.set_image(image)
        shown = preview.grab().toImage()
        assert shown.pixelColor(shown.width() // 2, shown.height() // 2).getRgb() == (255, 255, 255, 255)

    def test_the_session(self, gallery: GalleryWorkspace, items: list[Item], qrun: Any) -> None:
        async def steps() -> None:
            gallery.bar.kind.setCurrentIndex(1)
            await until(lambda: gallery.model.rowCount() == 3)
            await choose(gallery, 1)
            state = gallery.session()
            gallery.bar.clear()
            gallery.grid.clearSelection()
            await until(lambda: gallery.model.rowCount() == 4)
            for wrong in ({}, {"filter": 3, "item": []}, {"filter": {"text": 1, "kind": [2]}, "item": "unknown"}):
                gallery.restore(wrong)
            await settled()
            gallery.restore(state)
            gallery.activated()
            shown = gallery.details
            await until(lambda: gallery.model.rowCount() == 3 and shown.shown and shown.shown.item.id == state["item"])
            assert state["item"] == items[1].id

        self.run(gallery, qrun, steps)


def test_a_hundred_thousand_do_not_stall(gallery: GalleryWorkspace, library: Library, qrun: Any) -> None:
    fill(library, 100_000)

    def timed(call: Callable[[], object]) -> float:
        started = time.perf_counter()
        call()
        gallery.grid.viewport().grab()
        return 1000 * (time.perf_counter() - started)

    async def main() -> None:
        gallery.activated()
        await until(lambda: gallery.model.rowCount() == 100_000)
        await settled()
        keys, bar = gallery.model.keys, gallery.grid.verticalScrollBar()
        found = {
            "insert": timed(lambda: gallery.model.take([keys[0] + 1, *keys])),
            "reset": timed(lambda: gallery.model.take(keys[::2])),
            "all": timed(lambda: gallery.model.take(keys)),
            "scroll": timed(lambda: bar.setValue(bar.maximum() // 2)),
            "resize": timed(lambda: gallery.resize(1100, 700)),
            "select all": timed(gallery.grid.selectAll),
            "clear": timed(gallery.grid.clearSelection),
        }
        print({name: round(milliseconds, 1) for name, milliseconds in found.items()})
        assert max(found.values()) < 2000  # ms; no more than some 20 each: what grew with the square would take minutes
        await settled()
        row = gallery.grid.indexAt(QPoint(100, 300)).row()
        assert row > 10_000 and gallery.model.entry(row)

    qrun(main(), timeout=30)


def test_many_are_dragged_and_stay_selected_at_once(gallery: GalleryWorkspace, library: Library, qrun: Any) -> None:
    fill(library, 3000)
    keys = library.ids()

    async def main() -> None:
        gallery.activated()
        await until(lambda: gallery.model.rowCount() == 3000)
        await settled()
        gallery.grid.selectAll()
        dragged = gallery.model.mimeData(gallery.grid.selectionModel().selectedIndexes())
        assert {Path(url.toLocalFile()) for url in dragged.urls()} == {item.file for item in library.items(keys)}
        asked: list[object] = []
        gallery.grid.selectionModel().selectionChanged.connect(lambda *_: asked.append(1))
        left = [key for key in keys if key % 3]
        gallery._show(left)
        assert gallery.selected == left and len(asked) < 5
        await settled()

    qrun(main(), timeout=30)


class TestGrid:
    @pytest.fixture
    def grid(self, qtbot: Any, library: Library) -> GridView:
        fill(library, 100)
        grid = GridView(CELL)
        qtbot.addWidget(grid)
        model = GalleryModel(library, grid)
        grid.setModel(model)
        model.take(library.ids())
        grid.resize(4 * CELL.width() + 40, 600)
        return grid

    @pytest.mark.parametrize(
        ("keys", "row"),
        [
            ([Qt.Key.Key_Right], 1),
            ([Qt.Key.Key_Left], 0),
            ([Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Up], 4),
            ([Qt.Key.Key_Up], 0),
            ([Qt.Key.Key_End], 99),
            ([Qt.Key.Key_End, Qt.Key.Key_Home], 0),
            ([Qt.Key.Key_PageDown], 8),
            ([Qt.Key.Key_PageDown, Qt.Key.Key_PageUp], 0),
            ([Qt.Key.Key_End, Qt.Key.Key_Right, Qt.Key.Key_Down], 99),
        ],
    )
    def test_keys(self, grid: GridView, keys: list[Qt.Key], row: int, qrun: Any) -> None:
        async def main() -> None:
            grid.show()
            grid.setCurrentIndex(grid.model().index(0, 0))
            grid.setFocus()
            for key in keys:
                QTest.keyClick(grid, key)
            assert grid.currentIndex().row() == row
            assert grid.viewport().rect().contains(grid.visualRect(grid.currentIndex()).center())
            await settled()

        qrun(main())

    def test_places(self, grid: GridView, qrun: Any) -> None:
        async def main() -> None:
            grid.show()
            assert grid.columns == 4
            for value in (0, 137, grid.verticalScrollBar().maximum()):
                grid.verticalScrollBar().setValue(value)
                for row in range(100):
                    centre = grid._rect(row).center()
                    if grid.viewport().rect().contains(centre):
                        assert grid.indexAt(centre).row() == row
            assert not grid.indexAt(QPoint(2, 2)).isValid()
            await settled()

        qrun(main())

    def test_shift_and_control(self, grid: GridView, qrun: Any) -> None:
        def rows() -> list[int]:
            return sorted(index.row() for index in grid.selectionModel().selectedIndexes())

        async def main() -> None:
            grid.show()
            viewport, left, modifier = grid.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier
            at = [grid._rect(row).center() for row in range(8)]
            QTest.mouseClick(viewport, left, pos=at[1])
            QTest.mouseClick(viewport, left, modifier.ShiftModifier, pos=at[6])
            assert rows() == [1, 2, 3, 4, 5, 6]
            QTest.mouseClick(viewport, left, modifier.ControlModifier, pos=at[3])
            assert rows() == [1, 2, 4, 5, 6]
            QTest.mouseClick(viewport, left, pos=at[0])
            QTest.keyClick(grid, Qt.Key.Key_Down, modifier.ShiftModifier)
            assert rows() == [0, 1, 2, 3, 4]
            await settled()

        qrun(main())


def test_when() -> None:
    now = time.mktime((2026, 5, 4, 12, 0, 0, 0, 0, -1))
    times = [(2026, 5, 4, 9, 5), (2026, 5, 3, 23, 0), (2026, 2, 1, 1, 1), (2025, 12, 31, 1, 1)]
    said = [ago(time.mktime((*when, 0, 0, 0, -1)), now) for when in times]
    assert said == ["09:05", "yesterday 23:00", "1 Feb", "31 Dec 2025"]


@pytest.mark.parametrize(
    ("written", "text", "made"),
    [
        ("Once [[2]] ruled.", "Once a king ruled.", ["a king"]),
        ("[[1]]x[[2]]", "abxcd", ["ab", "cd"]),
        ("[[1]]", "all", ["all"]),
        ("none", "none", []),
        ("a [[1]] b", "other", []),
        ("🎈 [[1]]!", "🎈 up!", ["up"]),
        (("[[7]] was", 3, "."), "[[7]] was gone.", [" gone"]),
        ((2, "x", "y", 4), "abxycd", ["ab", "cd"]),
    ],
)
def test_what_was_made_is_told_apart(written: Any, text: str, made: list[str]) -> None:
    if isinstance(written, str):
        source = TextSource(text=written, windows=(4,))
    else:
        source = TextSource(text="", windows=(4,), parts=written)
    spans = made_spans(given_pieces(source), text)
    assert [text[start:end] for start, end in spans] == made
