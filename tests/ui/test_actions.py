"""The registry of actions: where they work, what they report, and whose shortcut it is."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from studio.errors import StudioError
from studio.ui import tasks
from studio.ui.actions import Actions, normal
from studio.ui.notices import Notices
from studio.ui.settings import Settings
from studio.ui.widgets.icon_button import ActionButton


@pytest.fixture
def actions(settings: Settings) -> Actions:
    return Actions(settings)


@pytest.fixture
def notices(qapp: object) -> Iterator[Notices]:
    notices = Notices()
    tasks.report_to(notices)
    yield notices
    tasks.report_to(None)


def nothing() -> None: ...


def test_keys_reach_the_handler_of_the_workspace_in_front(actions: Actions, qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    field = QLineEdit()
    QVBoxLayout(window).addWidget(field)
    actions.attach(window)
    done = []
    actions.add("image.go", "Generate", lambda: done.append("image"), shortcut="Ctrl+Return", workspace="image")
    actions.add("text.go", "Generate", lambda: done.append("text"), shortcut="Ctrl+Return", workspace="text")
    actions.add("window.help", "Help", lambda: done.append("help"), shortcut="F1")
    actions.add("image.brush", "Brush", lambda: done.append("brush"), shortcut="B", workspace="image")
    with qtbot.waitActive(window):
        window.show()
    field.setFocus()

    def press() -> list[str]:
        done.clear()
        qtbot.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
        qtbot.keyClick(field, Qt.Key.Key_F1)
        return done

    assert press() == ["help"]
    actions.set_workspace("image")
    assert press() == ["image", "help"]
    actions.set_workspace("text")
    assert press() == ["text", "help"]
    # A letter typed into a field is a letter.
    actions.set_workspace("image")
    done.clear()
    qtbot.keyClicks(field, "b")
    assert field.text() == "b" and done == []
    window.setFocus()
    qtbot.keyClick(window, Qt.Key.Key_B)
    assert done == ["brush"]


def test_what_cannot_be_done_stays_so_when_the_workspace_comes_back(actions: Actions) -> None:
    undo = actions.add("image.undo", "Undo", nothing, workspace="image")
    undo.setEnabled(False)
    actions.set_workspace("image")
    assert not undo.isEnabled()
    undo.setEnabled(True)
    assert undo.isEnabled()
    actions.set_workspace("text")
    assert not undo.isEnabled()
    actions.set_workspace("image")
    assert undo.isEnabled()


def test_of_a_group_one_is_checked(actions: Actions) -> None:
    actions.set_workspace("image")
    chosen = []
    brush = actions.add("image.brush", "Brush", lambda: chosen.append("brush"), workspace="image", group="tools")
    lasso = actions.add("image.lasso", "Lasso", lambda: chosen.append("lasso"), workspace="image", group="tools")
    grid = actions.add("image.grid", "Grid", lambda on: chosen.append(on), workspace="image", checkable=True)
    brush.trigger()
    lasso.trigger()
    grid.trigger()
    grid.trigger()
    assert chosen == ["brush", "lasso", True, False] and lasso.isChecked() and not brush.isChecked()


def test_what_a_handler_raises_is_told(
    actions: Actions, notices: Notices, qrun, logged: list[logging.LogRecord]
) -> None:
    def refuse() -> None:
        raise StudioError("Open a picture first.")

    async def later() -> None:
        await asyncio.sleep(0)
        raise StudioError("The disk is full.")

    actions.set_workspace("image")
    actions.add("image.a", "A", refuse, workspace="image")
    actions.add("b", "B", later)

    async def main() -> None:
        actions["b"].trigger()
        actions["image.a"].trigger()
        await asyncio.sleep(0.05)

    qrun(main())
    assert [notice.text for notice in notices.at("image")] == ["Open a picture first."]
    assert [notice.text for notice in notices.at("window")] == ["The disk is full."]
    actions.add("image.c", "C", nothing, workspace="image")
    actions["image.c"].trigger()
    assert not notices.at("image"), "who does something else has read it"
    assert [notice.text for notice in notices.at("window")] == ["The disk is full."]

    async def again() -> None:
        actions["image.a"].trigger()
        actions["b"].trigger()
        assert not notices.at("image"), "undo, and what else works everywhere, is something else too"
        assert not notices.at("window"), "it is tried again"
        await asyncio.sleep(0.05)

    qrun(again())
    assert [notice.text for notice in notices.at("window")] == ["The disk is full."]


def test_slips_of_the_pen_are_bugs(actions: Actions) -> None:
    actions.add("a", "A", nothing, shortcut="Ctrl+A", workspace="image")
    actions.add("same elsewhere", "B", nothing, shortcut="Ctrl+A", workspace="text")
    with pytest.raises(ValueError, match="there already"):
        actions.add("a", "A", nothing)
    with pytest.raises(ValueError, match="both"):
        actions.add("b", "B", nothing, shortcut="Ctrl+A")
    with pytest.raises(ValueError, match="no shortcut"):
        actions.add("c", "C", nothing, shortcut="Ctrl+Hello")


@pytest.mark.parametrize(("text", "same"), [("ctrl+shift+a", "Ctrl+Shift+A"), ("", ""), ("Ctrl+K, C", "Ctrl+K, C")])
def test_a_shortcut_has_one_spelling(qapp: object, text: str, same: str) -> None:
    assert normal(text) == same


def test_a_new_shortcut_is_kept_and_shown(actions: Actions, settings: Settings, tmp_path: Path) -> None:
    action = actions.add("a", "Generate", nothing, shortcut="Ctrl+Return", help="Fills the mask.")
    assert action.toolTip() == "Generate  (Ctrl+Return)\nFills the mask."
    actions.set_shortcut("a", "ctrl+g")
    assert action.shortcut() == QKeySequence("Ctrl+G") and "Ctrl+G" in action.toolTip()
    settings.save()
    again = Actions(Settings(tmp_path))
    again.add("a", "Generate", nothing, shortcut="Ctrl+Return")
    assert again.entry("a").shortcut == "Ctrl+G"
    actions.set_shortcut("a", "Ctrl+Return")
    assert settings.values.shortcuts == {}
    actions.set_shortcut("a", "")
    assert settings.values.shortcuts == {"a": ""} and action.toolTip().startswith("Generate\n")
    actions.reset_shortcuts()
    assert settings.values.shortcuts == {} and actions.entry("a").shortcut == "Ctrl+Return"


def test_a_conflict_is_refused_where_both_work(actions: Actions) -> None:
    actions.add("image.a", "Alpha", nothing, shortcut="Ctrl+1", workspace="image")
    actions.add("image.b", "Beta", nothing, workspace="image")
    actions.add("text.c", "Gamma", nothing, workspace="text")
    with pytest.raises(StudioError, match="Alpha"):
        actions.set_shortcut("image.b", "Ctrl+1")
    actions.set_shortcut("text.c", "Ctrl+1")
    assert actions.entry("text.c").shortcut == "Ctrl+1" and actions.entry("image.b").shortcut == ""


def test_stored_shortcuts_are_checked(settings: Settings) -> None:
    settings.set("shortcuts", {"a": "Ctrl+Hello", "b": "Ctrl+C", "c": "Ctrl+X", "gone": "Ctrl+G"})
    actions = Actions(settings)
    actions.add("a", "Alpha", nothing, shortcut="Ctrl+A")
    actions.add("b", "Beta", nothing, shortcut="Ctrl+B")
    actions.add("c", "Gamma", nothing, shortcut="Ctrl+C")
    actions.add("d", "Delta", nothing, shortcut="Ctrl+X")
    actions.check_shortcuts()
    now = {entry.id: entry.shortcut for entry in actions}
    assert now == {"a": "Ctrl+A", "b": "Ctrl+B", "c": "Ctrl+C", "d": "Ctrl+X"} or len(set(now.values())) == len(now)
    assert len(actions.dropped) >= 2 and "Ctrl+Hello" in actions.dropped[0]
    assert settings.values.shortcuts["gone"] == "Ctrl+G" and "a" not in settings.values.shortcuts
    again = Actions(settings)
    for entry in actions:
        again.add(entry.id, entry.title, nothing, shortcut=entry.default)
    again.check_shortcuts()
    assert again.dropped == [] and {entry.id: entry.shortcut for entry in again} == now


def test_a_button_follows_its_action(actions: Actions, qtbot: QtBot) -> None:
    done = []
    action = actions.add("go", "Generate", lambda: done.append(1), icon="play", shortcut="Ctrl+G")
    button = ActionButton(action)
    qtbot.addWidget(button)
    button.show()
    assert button.accessibleName() == "Generate" and "Ctrl+G" in button.toolTip()
    qtbot.keyClick(button, Qt.Key.Key_Space)
    action.setEnabled(False)
    assert done == [1] and not button.isEnabled()
