"""Rows with their way back to the default, sections that fold, columns that never grow too wide."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QLabel, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from studio.ui.widgets.choices import Check, Choice, StopsSlider
from studio.ui.widgets.icon_button import IconButton
from studio.ui.widgets.layout import Column, ElidedLabel, Field, Section
from studio.ui.widgets.numbers import NumberBox, NumberSlider, SeedBox
from studio.ui.widgets.states import Busy, EmptyState, Spinner


def test_a_field_shows_the_way_back(qtbot: QtBot) -> None:
    control = NumberSlider("Steps", 1, 100)
    field = Field("Steps", control, "More steps, better pictures.", default=32)
    qtbot.addWidget(field)
    field.show()
    reset = field.findChild(IconButton)
    assert isinstance(reset, IconButton)
    values = []
    control.changed.connect(values.append)
    field.set_value(32)
    assert not reset.isVisible()
    qtbot.keyClick(control.slider, Qt.Key.Key_Right)
    assert reset.isVisible() and reset.accessibleName() == "Reset Steps to 32"
    qtbot.keyClick(reset, Qt.Key.Key_Space)
    assert control.value() == 32 and values == [33, 32] and not reset.isVisible()
    field.set_default(16)
    assert reset.isVisible()


def test_a_field_tells_its_help_to_all(qtbot: QtBot) -> None:
    field = Field("Temperature", NumberSlider("Temperature", 0, 2, decimals=2), "Higher is wilder.", default=1.0)
    qtbot.addWidget(field)
    words = "Higher is wilder.\nDefault: 1"
    assert field.toolTip() == field.whatsThis() == field.control.toolTip() == words
    focus = field.control.focusProxy()
    assert focus is not None and focus.accessibleDescription() == words


def test_a_field_stays_where_it_is_when_the_reset_appears(qtbot: QtBot) -> None:
    field = Field("Loop", Check("Loop"), default=False)
    qtbot.addWidget(field)
    field.show()
    before = field.sizeHint()
    field.set_value(True)
    assert field.sizeHint() == before


def test_a_section_folds_by_key(qtbot: QtBot) -> None:
    section = Section("Sampler")
    qtbot.addWidget(section)
    inner = QLabel("inside")
    section.add(inner)
    section.show()
    told = []
    section.toggled.connect(told.append)
    header = section.findChild(QToolButton)
    assert isinstance(header, QToolButton) and inner.isVisible()
    qtbot.keyClick(header, Qt.Key.Key_Space)
    assert not inner.isVisible() and told == [False] and header.accessibleDescription() == "collapsed"
    section.set_expanded(True)
    assert inner.isVisible() and header.isChecked()


@pytest.mark.parametrize("lines", [3, 40])
def test_what_a_section_unfolds_comes_into_view(qtbot: QtBot, lines: int) -> None:
    column, section = Column("Inspector"), Section("More", expanded=False)
    qtbot.addWidget(column)
    column.add(QLabel("above\n" * 12))
    column.add(section)
    section.add(QLabel("inside\n" * lines))
    column.resize(300, 240)
    column.show()
    header = section.findChild(QToolButton)
    assert isinstance(header, QToolButton) and column.verticalScrollBar().value() == 0
    qtbot.mouseClick(header, Qt.MouseButton.LeftButton)

    def seen() -> None:
        top = header.mapTo(column.viewport(), QPoint()).y()
        bottom = section.mapTo(column.viewport(), QPoint(0, section.height())).y()
        assert top == 0 if section.height() > 240 else 0 < top < bottom <= 240

    qtbot.waitUntil(seen)


def test_a_column_is_never_wider_than_its_room(qtbot: QtBot) -> None:
    column = Column("Inspector")
    qtbot.addWidget(column)
    column.add(QLabel("a word without any end " * 20))
    column.add(NumberSlider("Steps", 1, 100))
    column.resize(300, 200)
    column.show()
    inside = column.widget()
    assert inside is not None and inside.width() <= 300
    column.resize(240, 200)
    assert inside.width() <= 240


def test_a_long_path_is_shortened_and_told_whole(qtbot: QtBot) -> None:
    label = ElidedLabel("/home/someone/pictures/a very long name of a picture.png")
    qtbot.addWidget(label)
    label.resize(120, 20)
    label.show()
    assert "…" in label.text() and label.toolTip() == label.whole() == label.accessibleName()
    label.resize(1000, 20)
    assert label.text() == label.whole() and label.toolTip() == ""


def test_an_empty_place_says_how_to_begin(qtbot: QtBot) -> None:
    begun = []
    place = EmptyState("image", "No picture yet", "Open one or drop it here.", "Open", lambda: begun.append(1))
    qtbot.addWidget(place)
    place.resize(600, 400)
    place.show()
    qtbot.keyClick(place.button, Qt.Key.Key_Space)
    assert begun == [1] and not place.second.isVisible()
    assert place.title.height() >= place.title.heightForWidth(place.title.width()), "nothing is cut off"


def test_a_spinner_turns_only_while_it_is_seen(qtbot: QtBot) -> None:
    spinner = Spinner("Loading")
    qtbot.addWidget(spinner)
    assert not spinner._timer.isActive()
    spinner.show()
    before = spinner.grab().toImage()
    qtbot.waitUntil(lambda: spinner.grab().toImage() != before, timeout=2000)
    spinner.hide()
    assert not spinner._timer.isActive()


def test_busy_can_be_stopped(qtbot: QtBot) -> None:
    stopped = []
    busy = Busy("Loading emoji-32…", lambda: stopped.append(1))
    qtbot.addWidget(busy)
    busy.show()
    stop = busy.findChild(QPushButton)
    assert isinstance(stop, QPushButton)
    qtbot.keyClick(stop, Qt.Key.Key_Space)
    assert stopped == [1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: IconButton("brush", "Brush"),
        lambda: NumberSlider("Steps", 1, 9),
        lambda: NumberBox("Rate", 0, 1, 0.5),
        lambda: SeedBox(),
        lambda: Choice("Order", [("a", "A"), ("b", "B")]),
        lambda: Choice("Order", [("a", "A"), ("b", "B")], segmented=False),
        lambda: StopsSlider("Granularity", [1, 2]),
        lambda: Check("Loop"),
        lambda: Section("Sampler"),
        lambda: Field("Steps", NumberSlider("Steps", 1, 9), default=1),
        lambda: EmptyState("image", "Nothing", "Open one.", "Open"),
        lambda: Busy("Loading", lambda: None),
    ],
)
def test_everything_that_takes_the_focus_has_a_name(qtbot: QtBot, make) -> None:
    widget = make()
    qtbot.addWidget(widget)
    widget.show()
    for child in [widget, *widget.findChildren(QWidget)]:
        if child.focusPolicy() & Qt.FocusPolicy.TabFocus and child.focusProxy() is None:
            face = QAccessible.queryAccessibleInterface(child)
            assert face is not None and face.text(QAccessible.Text.Name), repr(child)
