"""Dialogs are awaited while the loop goes on; none is modal by `exec`, and nobody makes boxes of their own."""

import ast
import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QDialog, QFileDialog, QLineEdit, QPushButton, QTreeView, QWidget
from pytestqt.qtbot import QtBot

from studio.ui import dialogs
from studio.ui.dialogs import ask_folder, ask_open, ask_save, ask_text, confirm
from studio.ui.settings import Settings

UI = Path(dialogs.__file__).parent


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    return window


async def shown(kind: type[QDialog]) -> QDialog:
    """The dialog, as soon as it is open."""
    while True:
        for widget in QApplication.topLevelWidgets():
            if isinstance(widget, kind) and widget.isVisible():
                return widget
        await asyncio.sleep(0.01)


async def answer(question, act: Callable[[QDialog], object], kind: type[QDialog] = QDialog):
    """Ask, and act on the dialog when it is there."""
    task = asyncio.ensure_future(question)
    act(await shown(kind))
    return await asyncio.wait_for(task, 5)


def press(text: str) -> Callable[[QDialog], None]:
    def act(dialog: QDialog) -> None:
        next(button for button in dialog.findChildren(QPushButton) if button.text() == text).click()

    return act


def choose(*paths: Path) -> Callable[[QDialog], None]:
    def act(dialog: QDialog) -> None:
        assert isinstance(dialog, QFileDialog)
        field = dialog.findChild(QLineEdit, "fileNameEdit")
        assert isinstance(field, QLineEdit)
        field.setText(" ".join(f'"{path}"' for path in paths))
        dialog.accept()

    return act


def test_confirm_gives_what_was_pressed(qrun, window: QWidget) -> None:
    for pressed in ("Delete", "Keep"):
        result = qrun(answer(confirm(window, "Delete three results?", "Delete", "Keep", danger=True), press(pressed)))
        assert result is (pressed == "Delete")


def test_one_of_three_is_chosen(qrun, window: QWidget) -> None:
    answers = ("Replace it", "Keep both", "Keep it")
    for pressed in answers:
        question = dialogs.choose(window, "It is there.", answers, danger=True)
        assert qrun(answer(question, press(pressed))) == pressed
    for close in (QDialog.reject, lambda dialog: QTest.keyClick(dialog, Qt.Key.Key_Return)):
        question = dialogs.choose(window, "It is there.", answers, danger=True)
        assert qrun(answer(question, close)) == "Keep it"


def test_the_name_follows_the_kind_of_file(qrun, window: QWidget, tmp_path: Path) -> None:
    def act(dialog: QDialog) -> None:
        assert isinstance(dialog, QFileDialog)
        kinds = dialog.findChild(QComboBox, "fileTypeCombo")
        assert isinstance(kinds, QComboBox)
        kinds.setCurrentIndex(1)
        kinds.activated.emit(1)
        dialog.accept()

    filters = ["WebP animation (*.webp)", "GIF animation (*.gif)", "Text (*.txt *.md)"]
    path = qrun(answer(ask_save(window, "Export", "image", "v1.2-run.webp", filters, tmp_path), act, QFileDialog))
    assert path == tmp_path / "v1.2-run.gif"


def test_what_is_offered_can_be_saved(qrun, window: QWidget, tmp_path: Path) -> None:
    """Qt takes what is in quotes for several names, and nothing at all where a name is too long."""
    seen: list[str] = []

    def act(dialog: QDialog) -> None:
        assert isinstance(dialog, QFileDialog)
        field = dialog.findChild(QLineEdit, "fileNameEdit")
        assert isinstance(field, QLineEdit)
        seen.append(field.text())
        QTest.keyClicks(field, '"')
        assert field.text() == seen[-1]
        dialog.accept()

    for name in (f"{'é' * 130}-filled.png", f"{'x' * 251}-run.png", "a'quo\"te-filled.png"):
        path = qrun(answer(ask_save(window, "Save", "image", name, ["PNG (*.png)"], tmp_path), act, QFileDialog))
        assert path == tmp_path / seen[-1] and path.suffix == ".png" and len(path.name.encode()) < 240
    assert seen[-1] == "a'quo'te-filled.png"


def test_the_loop_goes_on_meanwhile(qrun, window: QWidget) -> None:
    async def main() -> int:
        beats = 0
        task = asyncio.ensure_future(confirm(window, "Go on?", "Go", "Stay"))
        dialog = await shown(QDialog)
        for _ in range(5):
            await asyncio.sleep(0.01)
            beats += 1
        press("Go")(dialog)
        assert await task
        return beats

    assert qrun(main()) == 5


@pytest.mark.parametrize(("danger", "done"), [(False, True), (True, False)])
def test_return_never_does_what_is_dangerous(qrun, qtbot: QtBot, window: QWidget, danger: bool, done: bool) -> None:
    def enter(dialog: QDialog) -> None:
        qtbot.keyClick(dialog, Qt.Key.Key_Return)

    assert qrun(answer(confirm(window, "Sure?", "Do", danger=danger), enter)) is done


def test_escape_is_no(qrun, qtbot: QtBot, window: QWidget) -> None:
    def escape(dialog: QDialog) -> None:
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)

    assert qrun(answer(confirm(window, "Sure?"), escape)) is False
    assert qrun(answer(ask_text(window, "Name"), escape)) is None


def test_cancelling_the_task_closes_the_dialog(qrun, window: QWidget) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(confirm(window, "Sure?"))
        dialog = await shown(QDialog)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled() and not shiboken6.isValid(dialog)

    qrun(main())


def test_a_dialog_that_goes_with_its_window_is_no(qrun, qtbot: QtBot) -> None:
    window = QWidget()
    window.show()

    def destroy(dialog: QDialog) -> None:
        window.close()
        window.deleteLater()

    assert qrun(answer(confirm(window, "Sure?"), destroy)) is False


def test_text_is_checked_as_it_is_typed(qrun, window: QWidget) -> None:
    def taken(text: str) -> str:
        return "There is such a preset." if text == "calm" else ""

    def typed(dialog: QDialog) -> None:
        field = dialog.findChild(QLineEdit)
        ok = next(button for button in dialog.findChildren(QPushButton) if button.text() == "Save")
        assert isinstance(field, QLineEdit)
        assert not ok.isEnabled(), "calm is taken"
        field.setText("   ")
        assert not ok.isEnabled()
        field.setText(" calmer ")
        assert ok.isEnabled()
        ok.click()

    question = ask_text(window, "Name of the preset", "calm", yes="Save", check=taken)
    assert qrun(answer(question, typed)) == "calmer"


def test_files(qrun, window: QWidget, tmp_path: Path) -> None:
    first = tmp_path / "a.png"
    first.write_bytes(b"")
    filters = [dialogs.PICTURES]

    def run(question, act: Callable[[QDialog], object]):
        return qrun(answer(question, act, QFileDialog))

    assert run(ask_open(window, "Open", "image", filters), choose(first)) == first
    assert run(ask_open(window, "Open", "image", filters), lambda d: d.reject()) is None
    assert run(ask_folder(window, "Folder", "image"), choose(tmp_path)) == tmp_path
    assert (
        run(ask_save(window, "Save", "image", "c.png", filters, tmp_path), choose(tmp_path / "d")) == tmp_path / "d.png"
    )
    assert (
        run(ask_save(window, "Save", "image", "c.png", filters, tmp_path), lambda d: d.accept()) == tmp_path / "c.png"
    )


@pytest.fixture
def settings(qapp: object, tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(tmp_path)
    dialogs.keep_folders_in(settings)
    yield settings
    dialogs.keep_folders_in(None)
    settings.save()


def test_each_place_begins_where_it_was_last(qrun, window: QWidget, settings: Settings, tmp_path: Path) -> None:
    for place in ("image", "text", "beside"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.png").write_bytes(b"")
    seen = []

    def look(dialog: QDialog) -> None:
        assert isinstance(dialog, QFileDialog)
        seen.append(Path(dialog.directory().path()))
        dialog.reject()

    qrun(answer(ask_open(window, "Open", "image"), choose(tmp_path / "image" / "a.png"), QFileDialog))
    settings.add_recent("text", tmp_path / "text" / "a.txt")  # such as one that was dropped
    settings.save()
    dialogs.keep_folders_in(Settings(tmp_path, settings))  # as the next start reads them
    for question in (
        ask_open(window, "Open", "image"),
        ask_folder(window, "Open", "text"),
        ask_save(window, "Save", "image", "a.png", (), tmp_path / "beside"),
        ask_save(window, "Save", "image", "a.png", (), tmp_path / "gone"),
        ask_open(window, "Open", "models"),
    ):
        qrun(answer(question, look, QFileDialog))
    assert seen == [tmp_path / place for place in ("image", "text", "beside", "image")] + [Path.home()]


def test_nobody_else_stops_the_loop() -> None:
    """`exec` of a dialog or menu nests an event loop inside a coroutine, which hangs another one for ever."""
    found = []
    for path in sorted(UI.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                owner = ast.unparse(node.func.value)
                static = owner.endswith(("QFileDialog", "QMessageBox", "QInputDialog", "QColorDialog", "QFontDialog"))
                if name in ("exec", "exec_") or (static and name[0].islower()):
                    found.append(f"{path.name}:{node.lineno} {owner}.{name}")
            elif isinstance(node, ast.Name) and node.id in ("QMessageBox", "QInputDialog"):
                found.append(f"{path.name}:{node.lineno} {node.id}")
    assert found == []


def test_a_path_can_be_typed(qrun, window: QWidget, settings: Settings, tmp_path: Path) -> None:
    """Qt may keep a folder selected that the path goes through, and go there instead of opening the file."""
    path = tmp_path / "a.png"
    path.write_bytes(b"")
    settings.use_folder("image", tmp_path)

    async def main() -> Path | None:
        asked = asyncio.ensure_future(ask_open(window, "Open", "image"))
        dialog = await shown(QFileDialog)
        await asyncio.sleep(0.2)  # the folder is listed
        field = dialog.findChild(QLineEdit, "fileNameEdit")
        assert isinstance(field, QLineEdit)
        field.clearFocus()  # so it is always kept
        for text in (str(tmp_path), str(path)):
            field.setText(text)
        dialog.accept()
        return await asyncio.wait_for(asked, 5)

    assert qrun(main(), timeout=20) == path


def test_sizes_and_dates_of_files_are_not_cut(qrun, window: QWidget, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bytes(100_000))
    settings.use_folder("image", tmp_path)

    async def main() -> None:
        asked = asyncio.ensure_future(ask_open(window, "Open", "image"))
        dialog = await shown(QFileDialog)
        table = dialog.findChild(QTreeView, "treeView")
        assert isinstance(table, QTreeView)
        await asyncio.sleep(0.2)  # the folder is listed
        file = table.model().index(0, 0, table.rootIndex())
        assert file.data() == "a.png"
        for column in (1, 2, 3):
            needed = table.sizeHintForIndex(file.siblingAtColumn(column)).width()
            assert table.columnWidth(column) >= needed > 20, table.model().headerData(column, Qt.Orientation.Horizontal)
        dialog.reject()
        await asked

    qrun(main())
