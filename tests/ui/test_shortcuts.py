"""The editor of shortcuts, driven by keys."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from studio.ui.actions import Actions
from studio.ui.settings import Settings
from studio.ui.shortcuts import ID, ShortcutsDialog

KEY, CTRL = Qt.Key, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def actions(settings: Settings) -> Actions:
    actions = Actions(settings)
    actions.add("image.brush", "Brush", print, shortcut="B", workspace="image")
    actions.add("image.lasso", "Lasso", print, shortcut="L", workspace="image")
    actions.add("text.gap", "Make a gap", print, shortcut="Ctrl+M", workspace="text")
    actions.add("palette", "Search an action", print, shortcut="Ctrl+K")
    return actions


@pytest.fixture
def dialog(actions: Actions, qtbot: QtBot):
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    dialog = ShortcutsDialog(actions, window)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    with qtbot.waitActive(dialog):
        dialog.open()
    yield dialog
    dialog.close()


def choose(dialog: ShortcutsDialog, qtbot: QtBot, title: str) -> None:
    """Find an action and get ready to press its keys."""
    dialog.search.setFocus()
    dialog.search.clear()
    qtbot.keyClicks(dialog.search, title)
    qtbot.keyClick(dialog.search, KEY.Key_Down)
    assert dialog.tree.hasFocus()
    qtbot.keyClick(dialog.tree, KEY.Key_Return)
    assert dialog.recorder.hasFocus()


def listed(dialog: ShortcutsDialog) -> dict[str, str]:
    items = [dialog.tree.topLevelItem(i) for i in range(dialog.tree.topLevelItemCount())]
    return {item.text(0): item.text(1) for item in items if item and item.data(0, ID)}


def test_everything_is_listed_and_found(dialog: ShortcutsDialog, qtbot: QtBot) -> None:
    everything = {"Search an action": "Ctrl+K", "Brush": "B", "Lasso": "L", "Make a gap": "Ctrl+M"}
    assert listed(dialog) == everything
    qtbot.keyClicks(dialog.search, "gap")
    assert listed(dialog) == {"Make a gap": "Ctrl+M"}
    dialog.search.setText("ctrl+k")
    assert listed(dialog) == {"Search an action": "Ctrl+K"}, "by its keys too"
    dialog.search.setText("nothing like it")
    assert listed(dialog) == {} and not dialog.recorder.isEnabled()


def test_new_keys_are_taken_at_once(dialog: ShortcutsDialog, qtbot: QtBot, actions: Actions) -> None:
    choose(dialog, qtbot, "Brush")
    qtbot.keyClick(dialog.recorder, KEY.Key_Control, CTRL)
    qtbot.keyClick(dialog.recorder, KEY.Key_P, CTRL)
    assert actions.entry("image.brush").shortcut == "Ctrl+P"
    assert listed(dialog)["Brush"] == "Ctrl+P" and "Ctrl+P" in dialog.message.text()
    assert dialog.tree.hasFocus() and dialog.reset.isEnabled()
    qtbot.mouseClick(dialog.reset, Qt.MouseButton.LeftButton)
    assert actions.entry("image.brush").shortcut == "B" and not dialog.reset.isEnabled()


def test_a_conflict_is_told_and_can_be_taken(dialog: ShortcutsDialog, qtbot: QtBot, actions: Actions) -> None:
    choose(dialog, qtbot, "Brush")
    qtbot.keyClick(dialog.recorder, KEY.Key_L)
    assert "Lasso" in dialog.message.text() and actions.entry("image.brush").shortcut == "B"
    assert dialog.take.hasFocus()
    qtbot.keyClick(dialog.take, KEY.Key_Space)
    assert (actions.entry("image.brush").shortcut, actions.entry("image.lasso").shortcut) == ("L", "")


def test_what_works_elsewhere_only_is_no_conflict(dialog: ShortcutsDialog, qtbot: QtBot, actions: Actions) -> None:
    choose(dialog, qtbot, "gap")
    qtbot.keyClick(dialog.recorder, KEY.Key_B)
    assert actions.entry("text.gap").shortcut == "B"
    choose(dialog, qtbot, "gap")
    qtbot.keyClick(dialog.recorder, KEY.Key_K, CTRL)
    assert "Search an action" in dialog.message.text() and actions.entry("text.gap").shortcut == "B"


def test_none_leave_and_tab(dialog: ShortcutsDialog, qtbot: QtBot, actions: Actions) -> None:
    choose(dialog, qtbot, "Brush")
    qtbot.keyClick(dialog.recorder, KEY.Key_Escape)
    assert dialog.isVisible() and dialog.tree.hasFocus() and actions.entry("image.brush").shortcut == "B"
    choose(dialog, qtbot, "Brush")
    qtbot.keyClick(dialog.recorder, KEY.Key_Tab)
    assert not dialog.recorder.hasFocus() and actions.entry("image.brush").shortcut == "B"
    choose(dialog, qtbot, "Brush")
    qtbot.keyClick(dialog.recorder, KEY.Key_Backspace)
    assert actions.entry("image.brush").shortcut == ""
    qtbot.mouseClick(dialog.reset_all, Qt.MouseButton.LeftButton)
    assert actions.entry("image.brush").shortcut == "B" and listed(dialog)["Brush"] == "B"


def test_what_is_changed_is_stored(dialog: ShortcutsDialog, qtbot: QtBot, actions: Actions, settings: Settings) -> None:
    choose(dialog, qtbot, "Lasso")
    qtbot.keyClick(dialog.recorder, KEY.Key_F5)
    assert settings.values.shortcuts == {"image.lasso": "F5"}
