"""Controls for numbers, by mouse and key, in a comma locale too."""

import pytest
from PySide6.QtCore import QLocale, QPoint, QPointF, Qt
from PySide6.QtGui import QKeySequence, QShortcut, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLineEdit, QPushButton, QStyle, QStyleOptionSlider, QWidget
from pytestqt.qtbot import QtBot

from studio.ui import theme
from studio.ui.widgets.numbers import MAX_SEED, NumberBox, NumberSlider, SeedBox

KEY = Qt.Key


@pytest.fixture
def german(qapp: object):
    before = QLocale()
    QLocale.setDefault(QLocale(QLocale.Language.German))
    yield
    QLocale.setDefault(before)


def beside(qtbot: QtBot, control: QWidget) -> QPushButton:
    """Show a control next to something else that can have the focus."""
    window = QWidget()
    qtbot.addWidget(window)
    layout = QHBoxLayout(window)
    layout.addWidget(control)
    other = QPushButton("Other")
    layout.addWidget(other)
    with qtbot.waitActive(window):
        window.show()
    other.setFocus()
    other.kept = window  # pyright: ignore[reportAttributeAccessIssue]
    return other


def heard(control) -> list:
    values: list = []
    control.changed.connect(values.append)
    return values


def test_slider_and_box_agree(qtbot: QtBot) -> None:
    control = NumberSlider("Temperature", 0, 2, step=0.1, decimals=2)
    _other = beside(qtbot, control)
    values = heard(control)
    control.set_value(1.25)
    assert values == [] and control.value() == 1.25 and control.spin.text() == "1.25"
    qtbot.keyClick(control.slider, KEY.Key_Right)
    assert values == [pytest.approx(1.3, abs=0.06)] and control.spin.value() == values[0]
    control.spin.setFocus()
    control.spin.selectAll()
    qtbot.keyClicks(control.spin, "0.5")
    assert control.value() == 0.5 and control.slider.value() == 5
    assert values[-1] == 0.5


def test_a_drag_of_the_handle_is_live(qtbot: QtBot) -> None:
    control = NumberSlider("Steps", 1, 101)
    control.resize(400, 30)
    _other = beside(qtbot, control)
    values = heard(control)
    option = QStyleOptionSlider()
    control.slider.initStyleOption(option)
    handle = control.slider.style().subControlRect(
        QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, control.slider
    )
    qtbot.mousePress(control.slider, Qt.MouseButton.LeftButton, pos=handle.center())
    qtbot.mouseMove(control.slider, handle.center() + QPoint(20, 0))
    qtbot.mouseMove(control.slider, handle.center() + QPoint(60, 0))
    qtbot.mouseRelease(control.slider, Qt.MouseButton.LeftButton, pos=handle.center() + QPoint(60, 0))
    assert len(values) >= 2 and values == sorted(values) and all(isinstance(value, int) for value in values)


def test_every_step_can_be_reached_by_key_on_a_logarithmic_slider(qtbot: QtBot) -> None:
    control = NumberSlider("Steps", 1, 4096, log=True)
    _other = beside(qtbot, control)
    seen = [control.value()]
    for _ in range(20):
        qtbot.keyClick(control.slider, KEY.Key_Right)
        seen.append(control.value())
    assert seen == list(range(1, 22))
    for _ in range(20):
        qtbot.keyClick(control.slider, KEY.Key_Left)
    assert control.value() == 1
    qtbot.keyClick(control.slider, KEY.Key_End)
    assert control.value() == 4096
    for value in (1, 2, 7, 64, 1000, 4095):
        control.set_value(value)
        assert control.value() == value and control.spin.value() == value


def test_the_slider_is_logarithmic(qtbot: QtBot) -> None:
    control = NumberSlider("Steps", 1, 4096, log=True)
    qtbot.addWidget(control)
    control.set_value(64)
    assert control.slider.value() == 500


def test_bounds_move_the_value_in_silence(qtbot: QtBot) -> None:
    control = NumberSlider("Variations", 1, 64)
    qtbot.addWidget(control)
    values = heard(control)
    control.set_value(50)
    control.set_range(1, 8)
    assert control.value() == 8 and values == []
    control.set_value(99)
    assert control.value() == 8
    control.set_range(5, 5)
    assert control.value() == 5


def test_a_comma_locale_changes_nothing(qtbot: QtBot, german: None) -> None:
    control = NumberSlider("Temperature", 0, 2, step=0.05, decimals=2)
    _other = beside(qtbot, control)
    control.set_value(1.5)
    assert control.spin.text() == "1.50"
    control.spin.setFocus()
    for typed in ("0.75", "0,75"):
        control.spin.selectAll()
        qtbot.keyClicks(control.spin, typed)
        assert control.value() == 0.75, typed
    box = NumberBox("Learning rate", 1e-6, 1, 3e-4)
    qtbot.addWidget(box)
    assert box.text() == "0.0003"


def test_a_passing_wheel_changes_nothing(qtbot: QtBot) -> None:
    control = NumberSlider("Steps", 1, 100)
    _other = beside(qtbot, control)
    control.set_value(50)
    turn = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    for child in (control.slider, control.spin):
        QApplication.sendEvent(child, turn)
        assert control.value() == 50
    control.slider.setFocus()
    QApplication.sendEvent(control.slider, turn)
    assert control.value() != 50


def test_a_seed_has_64_bits(qtbot: QtBot) -> None:
    control = SeedBox("Seed", 7)
    other = beside(qtbot, control)
    values = heard(control)
    control.line.setFocus()
    control.line.selectAll()
    qtbot.keyClicks(control.line, str(MAX_SEED))
    assert control.value() == MAX_SEED == values[-1]
    for bad in (str(MAX_SEED + 1), "-1", "1.5", "1_0", "٣", "seed"):
        control.line.selectAll()
        qtbot.keyClicks(control.line, bad) if bad.isascii() else control.line.setText(bad)
        control.line.textEdited.emit(control.line.text())
        assert control.line.property("invalid") and "whole number" in control.line.toolTip(), bad
    assert control.value() >= 0
    kept = control.value()
    other.setFocus()
    assert control.line.text() == str(kept) and not control.line.property("invalid")


def test_a_valid_seed_counts_before_the_focus_leaves(qtbot: QtBot) -> None:
    """Ctrl+Return right after typing must run with what is seen."""
    control = SeedBox("Seed", 7)
    _other = beside(qtbot, control)
    control.line.setFocus()
    control.line.selectAll()
    qtbot.keyClicks(control.line, "42")
    assert control.value() == 42
    control.set_value(42)
    assert control.line.cursorPosition() == 2, "hearing its own value back does not disturb the typing"


def test_dice_and_lock(qtbot: QtBot) -> None:
    control = SeedBox("Seed", 7)
    _other = beside(qtbot, control)
    values, locks = heard(control), []
    control.lock_changed.connect(locks.append)
    rolled = set()
    for _ in range(5):
        qtbot.keyClick(control.dice, KEY.Key_Space)
        rolled.add(control.value())
    assert len(rolled) > 1 and values[-1] == control.value()
    qtbot.keyClick(control.lock, KEY.Key_Space)
    assert locks == [True] and control.lock.isChecked()
    control.set_locked(False)
    assert locks == [True] and not control.lock.isChecked()


def test_a_bad_value_is_seen(qtbot: QtBot) -> None:
    control = SeedBox("Seed", 7)
    _other = beside(qtbot, control)
    control.line.setFocus()
    qtbot.keyClicks(control.line, "x")
    edge = control.line.grab().toImage().pixelColor(0, control.line.height() // 2)
    assert edge.name() == theme.color("danger").name()
    assert "whole number" in control.line.accessibleDescription()


def test_a_typed_number(qtbot: QtBot) -> None:
    box = NumberBox("Learning rate", 1e-6, 1, 3e-4)
    other = beside(qtbot, box)
    values = heard(box)
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "1e-3")
    assert values[-1] == 1e-3
    box.selectAll()
    qtbot.keyClicks(box, "7")
    assert (box.value() == 1e-3 and "0.000001" in box.problem) or "1e-06" in box.problem
    qtbot.keyClick(box, KEY.Key_Escape)
    assert box.text() == "0.001"
    box.selectAll()
    qtbot.keyClicks(box, "nan")
    other.setFocus()
    assert box.value() == 1e-3


def test_a_whole_number_is_turned_by_keys(qtbot: QtBot) -> None:
    box = NumberBox("Variations", 1, 3, 2, integer=True)
    _other = beside(qtbot, box)
    values = heard(box)
    for _ in range(3):
        qtbot.keyClick(box, KEY.Key_Up)
    qtbot.keyClick(box, KEY.Key_Down)
    assert values == [3, 2]


@pytest.mark.parametrize("make", [lambda: SeedBox(), lambda: NumberSlider("Steps", 1, 9)])
def test_undo_is_the_windows_where_a_field_has_none_of_its_own(make, qtbot: QtBot) -> None:
    control = make()
    control.set_value(5)
    beside(qtbot, control)
    undone: list[int] = []
    QShortcut(QKeySequence.StandardKey.Undo, control.window(), lambda: undone.append(1))
    line = control.findChild(QLineEdit)
    line.setFocus()
    field = QApplication.focusWidget()
    assert field is not None
    QTest.keyClick(field, KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert len(undone) == 1
    line.selectAll()
    QTest.keyClick(field, KEY.Key_7)
    QTest.keyClick(field, KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert len(undone) == 1 and line.text() == "5", "what is typed is taken back first"
    QTest.keyClick(field, KEY.Key_End)  # until the next key Qt takes Ctrl for held down, also in the next test
