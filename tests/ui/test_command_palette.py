"""The command palette, driven by keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QMainWindow, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot
from shiboken6 import delete

from studio.ui import theme
from studio.ui.actions import Actions
from studio.ui.command_palette import CommandPalette
from studio.ui.fuzzy import match
from studio.ui.settings import Settings

KEY = Qt.Key


class Bench:
    """A window with a field, some actions and the palette."""

    def __init__(self, qtbot: QtBot, settings: Settings) -> None:
        self.qtbot, self.ran = qtbot, []
        self.window = QMainWindow()
        qtbot.addWidget(self.window)
        middle = QWidget()
        self.field = QLineEdit()
        QVBoxLayout(middle).addWidget(self.field)
        self.window.setCentralWidget(middle)
        self.window.resize(900, 600)
        self.actions = Actions(settings, self.window)
        for id, title, shortcut, workspace in [
            ("image.generate", "Generate", "Ctrl+Return", "image"),
            ("image.stop", "Stop", "Ctrl+.", "image"),
            ("image.gif", "Export as GIF…", "", "image"),
            ("image.strip", "Export as a strip of frames…", "Ctrl+Shift+E", "image"),
            ("image.brush", "Brush", "B", "image"),
            ("text.gap", "Make a gap", "Ctrl+M", "text"),
            ("window.zoom", "Zoom in", "Ctrl++", None),
        ]:
            self.actions.add(id, title, self.runner(id), shortcut=shortcut, icon="play", workspace=workspace)
        self.actions.set_workspace("image")
        self.palette = CommandPalette(self.actions, settings, self.window, self.actions.set_workspace)
        with qtbot.waitActive(self.window):
            self.window.show()
        self.field.setFocus()

    def runner(self, id: str):
        return lambda: self.ran.append(id)

    def titles(self) -> list[str]:
        return [entry.title for entry in self.palette.found()]

    def press(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        self.qtbot.keyClick(self.palette.line, key, modifiers)


@pytest.fixture
def bench(qtbot: QtBot, settings: Settings) -> Bench:
    return Bench(qtbot, settings)


def test_letters_find_and_return_runs(bench: Bench, qtbot: QtBot) -> None:
    bench.palette.open()
    assert bench.palette.line.hasFocus()
    qtbot.keyClicks(bench.palette.line, "egif")
    assert bench.titles()[0] == "Export as GIF…"
    bench.press(KEY.Key_Return)
    assert bench.ran == ["image.gif"]
    assert not bench.palette.isVisible() and bench.field.hasFocus(), "the focus is back where it was"


def test_what_had_the_keys_may_be_gone(bench: Bench, qtbot: QtBot) -> None:
    """As a dialog's button is: an exception there would end the program while its window is hidden."""
    field = QLineEdit(bench.window)
    field.show()
    field.setFocus()
    bench.palette.open()
    delete(field)
    bench.window.hide()
    assert not bench.palette.isVisible()


def test_arrows_choose_and_go_round(bench: Bench) -> None:
    bench.palette.open()
    titles = bench.titles()
    bench.press(KEY.Key_Up)
    bench.press(KEY.Key_Down)
    bench.press(KEY.Key_Down)
    bench.press(KEY.Key_PageDown)
    bench.press(KEY.Key_PageUp)
    bench.press(KEY.Key_Down)
    bench.press(KEY.Key_Enter)
    assert bench.ran == [next(entry.id for entry in bench.actions if entry.title == titles[1])]


def test_escape_runs_nothing(bench: Bench) -> None:
    for close in (KEY.Key_Escape, KEY.Key_K):
        bench.palette.open()
        bench.press(close, Qt.KeyboardModifier.ControlModifier if close == KEY.Key_K else Qt.KeyboardModifier(0))
        assert not bench.palette.isVisible() and bench.ran == [] and bench.field.hasFocus()


def test_shortcuts_rest_while_it_is_open(bench: Bench, qtbot: QtBot) -> None:
    bench.palette.open()
    qtbot.keyClicks(bench.palette.line, "b")
    bench.press(KEY.Key_Period, Qt.KeyboardModifier.ControlModifier)
    assert bench.ran == [] and bench.palette.line.text() == "b"


def test_it_leaves_with_the_focus(bench: Bench) -> None:
    bench.palette.open()
    bench.field.setFocus()
    assert not bench.palette.isVisible() and bench.field.hasFocus()


def test_what_cannot_be_done_now_is_last_and_does_nothing(bench: Bench) -> None:
    bench.actions["image.generate"].setEnabled(False)
    bench.palette.open()
    assert bench.titles()[-1] == "Generate"
    bench.press(KEY.Key_Up)
    bench.press(KEY.Key_Return)
    assert bench.ran == [] and bench.palette.isVisible()


def test_an_action_of_another_workspace_brings_it_to_the_front(bench: Bench, qtbot: QtBot) -> None:
    bench.palette.open()
    qtbot.keyClicks(bench.palette.line, "gap")
    bench.press(KEY.Key_Return)
    assert bench.ran == ["text.gap"] and bench.actions.workspace == "text"


def test_the_name_of_a_place_goes_there(bench: Bench, qtbot: QtBot) -> None:
    bench.actions.add("window.image", "Go to Image", bench.runner("window.image"))
    bench.palette.open()
    qtbot.keyClicks(bench.palette.line, "image")
    assert bench.titles()[0] == "Go to Image" and "Brush" in bench.titles()


def test_what_is_off_here_is_not_done_elsewhere_unawares(bench: Bench, qtbot: QtBot) -> None:
    bench.actions.add("text.stop", "Stop", bench.runner("text.stop"), workspace="text")
    bench.actions["image.stop"].setEnabled(False)
    bench.palette.open()
    qtbot.keyClicks(bench.palette.line, "stop")
    assert [entry.id for entry in bench.palette.found()] == ["image.stop", "text.stop"]
    bench.press(KEY.Key_Return)
    assert bench.ran == [] and bench.actions.workspace == "image"
    qtbot.keyClicks(bench.palette.line, " text")
    bench.press(KEY.Key_Return)
    assert bench.ran == ["text.stop"] and bench.actions.workspace == "text"


def test_what_was_used_last_is_on_top(bench: Bench, qtbot: QtBot, settings: Settings) -> None:
    for letters in ("strip", "zoom"):
        bench.palette.open()
        qtbot.keyClicks(bench.palette.line, letters)
        bench.press(KEY.Key_Return)
    bench.palette.open()
    assert bench.titles()[:2] == ["Zoom in", "Export as a strip of frames…"]
    settings.set_ui("palette", recent={"damaged": 1})
    bench.palette.open()
    assert len(bench.titles()) == 7


def test_a_click_runs(bench: Bench, qtbot: QtBot) -> None:
    bench.palette.open()
    view = bench.palette.list
    third = view.visualRect(view.model().index(2, 0)).center()
    expected = bench.palette.found()[2].id
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=third)
    assert bench.ran == [expected]


def test_nothing_found_is_said(bench: Bench, qtbot: QtBot) -> None:
    bench.palette.open()
    qtbot.keyClicks(bench.palette.line, "qqq")
    assert bench.titles() == [] and bench.palette.nothing.isVisible()
    bench.press(KEY.Key_Return)
    bench.press(KEY.Key_Down)
    assert bench.ran == []


def test_it_stays_in_the_middle_and_inside(bench: Bench) -> None:
    bench.palette.open()
    for width, height in ((1200, 800), (500, 400), (360, 240)):
        bench.window.resize(width, height)
        place = bench.palette.geometry()
        assert bench.window.rect().contains(place), (width, height, place)
        assert abs(place.center().x() - bench.window.rect().center().x()) <= 1


@pytest.mark.parametrize("mode", ["dark", "light"])
def test_the_chosen_row_is_seen(bench: Bench, mode: theme.Mode) -> None:
    theme.current().set_mode(mode)
    bench.palette.open()
    image, top = bench.palette.grab().toImage(), bench.palette.list.y()
    assert image.pixelColor(image.width() // 2, top + 6).name() == theme.color("selection").name()
    assert image.pixelColor(image.width() // 2, top + 42).name() == theme.color("raised").name()


def test_word_starts_win() -> None:
    def best(query: str, *texts: str) -> str:
        return max((found[0], text) for text in texts if (found := match(query, text)))[1]

    assert best("eg", "Export as GIF", "Regenerate") == "Export as GIF"
    assert best("step", "Stop everything, please", "Single step") == "Single step"
    assert best("gen", "Generate", "Regenerate", "Go on ten") == "Generate"
    assert match("gif export", "Export as GIF") is not None
    assert match("xyz", "Export as GIF") is None
    assert match("", "anything") is not None


@given(st.text(max_size=30), st.text(max_size=8))
def test_places_are_those_of_the_letters(text: str, query: str) -> None:
    found = match(query, text)
    if found is not None:
        places = found[1]
        assert list(places) == sorted(set(places)) and all(0 <= place < len(text) for place in places)
        assert {text[place].casefold() for place in places} <= set(query.casefold())
