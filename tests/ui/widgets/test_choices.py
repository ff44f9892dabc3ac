"""One of several, by mouse and by key."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QComboBox, QPushButton
from pytestqt.qtbot import QtBot

from studio.ui import theme
from studio.ui.widgets.choices import WIDEST, Check, Choice, StopsSlider

ORDERS = [("ancestral", "Ancestral"), ("confidence", "Confidence"), ("random", "Random")]
KEY = Qt.Key


def heard(control) -> list:
    values: list = []
    control.changed.connect(values.append)
    return values


@pytest.mark.parametrize("segmented", [True, False])
def test_a_choice_gives_values_not_words(qtbot: QtBot, segmented: bool) -> None:
    control = Choice("Order", ORDERS, segmented=segmented)
    qtbot.addWidget(control)
    control.show()
    values = heard(control)
    assert control.value() == "ancestral"
    control.set_value("random")
    assert control.value() == "random" and values == []
    if segmented:
        button = next(b for b in control.findChildren(QPushButton) if b.text() == "Confidence")
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    else:
        combo = control.findChild(QComboBox)
        assert isinstance(combo, QComboBox)
        qtbot.keyClick(combo, KEY.Key_Up)
    assert control.value() == "confidence" and values == ["confidence"]
    with pytest.raises(ValueError):
        control.set_value("sideways")


@pytest.mark.parametrize("segmented", [True, False])
def test_other_options_keep_the_value_if_they_can(qtbot: QtBot, segmented: bool) -> None:
    control = Choice("Model", [("a", "A"), ("b", "B")], segmented=segmented)
    qtbot.addWidget(control)
    values = heard(control)
    control.set_value("b")
    control.set_options([("b", "Better"), ("c", "C")])
    assert control.value() == "b"
    control.set_options([("d", "D")])
    assert control.value() == "d"
    control.set_options([])
    assert control.value() is None and values == []


def test_the_list_is_as_wide_as_its_longest_line(qtbot: QtBot) -> None:
    control = Choice(
        "Start from", [("a", "A"), ("b", "A line that is far longer than its narrow box")], segmented=False
    )
    qtbot.addWidget(control)
    control.setFixedWidth(90)
    control.show()
    combo = control.findChild(QComboBox)
    assert isinstance(combo, QComboBox)
    combo.showPopup()
    assert combo.view().viewport().width() >= combo.view().sizeHintForColumn(0) > 200
    combo.hidePopup()


def test_segments_are_walked_by_arrow_keys(qtbot: QtBot) -> None:
    control = Choice("Order", ORDERS)
    qtbot.addWidget(control)
    with qtbot.waitActive(control):
        control.show()
    values = heard(control)
    buttons = control.findChildren(QPushButton)
    control.setFocus()
    assert buttons[0].hasFocus()
    qtbot.keyClick(buttons[0], KEY.Key_Right)
    assert control.value() == "confidence" and buttons[1].hasFocus() and values == ["confidence"]


def test_a_segment_that_is_chosen_stands_out(qtbot: QtBot) -> None:
    control = Choice("Order", ORDERS)
    qtbot.addWidget(control)
    control.resize(300, 30)
    control.show()
    button = control.findChildren(QPushButton)[0]
    image = control.grab().toImage()
    there = button.mapTo(control, QPoint(12, 5))
    assert image.pixelColor(there).name() == theme.color("accent").name()
    assert [b.accessibleName() for b in control.findChildren(QPushButton)][1] == "Order: Confidence"


def test_stops_by_key_and_mouse(qtbot: QtBot) -> None:
    control = StopsSlider("Granularity", [1, 2, 4, 8])
    qtbot.addWidget(control)
    control.resize(300, 42)
    control.show()
    values = heard(control)
    assert control.value() == 8, "the last one unless told"
    control.set_value(2)
    assert values == []
    qtbot.keyClick(control, KEY.Key_Right)
    assert control.value() == 4
    qtbot.keyClick(control, KEY.Key_Home)
    assert control.value() == 1
    qtbot.mousePress(control, Qt.MouseButton.LeftButton, pos=QPoint(195, 12))
    assert control.value() == 4
    qtbot.mouseMove(control, QPoint(290, 12))
    qtbot.mouseRelease(control, Qt.MouseButton.LeftButton, pos=QPoint(290, 12))
    assert values[:3] == [4, 1, 4]
    assert control.accessibleDescription() == str(control.value())


def test_the_handle_is_drawn_at_its_stop(qtbot: QtBot) -> None:
    control = StopsSlider("Granularity", [1, 2, 4])
    qtbot.addWidget(control)
    control.resize(224, 42)
    control.show()
    for value, x in ((1, 12), (2, 112), (4, 212)):
        control.set_value(value)
        image = control.grab().toImage()
        assert image.pixelColor(x, 12).name() in (theme.color("control").name(), theme.color("focus").name())
        ring = {image.pixelColor(x + dx, 12).name() for dx in (-7, -6, 6, 7) if 0 <= x + dx < image.width()}
        assert ring & {theme.color("focus").name(), theme.color("text").name()}


def test_other_stops_keep_the_value_if_they_can(qtbot: QtBot) -> None:
    control = StopsSlider("Granularity", [1, 2, 3, 8])
    qtbot.addWidget(control)
    values = heard(control)
    control.set_value(3)
    control.set_stops([1, 3], ["one", "three"])
    assert control.value() == 3
    control.set_stops([1, 2])
    assert control.value() == 2
    control.set_stops([5])
    assert control.value() == 5 and not control.isEnabled() and values == []
    control.show()
    assert not control.grab().isNull()


def test_check(qtbot: QtBot) -> None:
    control = Check("Loop")
    qtbot.addWidget(control)
    control.show()
    values = heard(control)
    control.set_value(True)
    assert values == []
    qtbot.keyClick(control, KEY.Key_Space)
    assert values == [False] and control.value() is False


def test_an_open_list_is_as_wide_as_its_words_within_bounds(qtbot: QtBot) -> None:
    for words, widest in (("A title of a model that a field cuts off", WIDEST - 1), ("A title " * 40, WIDEST)):
        control = Choice("Model", [(1, "Short"), (2, words)], segmented=False)
        qtbot.addWidget(control)
        control.resize(160, 40)
        control.show()
        combo = control.findChild(QComboBox)
        assert isinstance(combo, QComboBox)
        combo.showPopup()
        assert 160 < combo.view().width() <= widest
        combo.hidePopup()
