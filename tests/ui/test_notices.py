"""Notices are shown where they belong, can be acted on by keyboard, and good news leaves on its own."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from studio.ui import notices as notices_module
from studio.ui import theme
from studio.ui.notices import MOST, WINDOW, NoticeBar, Notices, notices_over


@pytest.fixture
def notices(qapp: object) -> Notices:
    return Notices()


@pytest.fixture
def bar(qtbot: QtBot, notices: Notices) -> Iterator[NoticeBar]:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(600, 200)
    bar = NoticeBar(notices, "image")
    layout = QVBoxLayout(window)
    layout.addWidget(bar)
    layout.addStretch()
    window.show()
    yield bar


def button(bar: NoticeBar, name: str) -> QAbstractButton:
    buttons = [b for b in bar.findChildren(QAbstractButton) if b.isVisible()]
    return next(b for b in buttons if name in (b.text(), b.accessibleName()))


def texts(bar: NoticeBar) -> list[str]:
    return [label.text() for label in bar.findChildren(QLabel) if label.isVisibleTo(bar)]


def test_a_bar_shows_its_place_only(notices: Notices, bar: NoticeBar) -> None:
    assert not bar.isVisible()
    notices.show("Elsewhere.", place="text")
    assert not bar.isVisible()
    notices.show("The picture is too small.", "error", "image")
    assert bar.isVisible() and texts(bar) == ["The picture is too small."]
    notices.clear("image")
    assert not bar.isVisible()
    assert [notice.text for notice in notices.at("text")] == ["Elsewhere."]


def test_a_bar_that_comes_late_shows_what_is_there(notices: Notices, qtbot: QtBot) -> None:
    notices.show("First.", "warning", "image")
    bar = NoticeBar(notices, "image")
    qtbot.addWidget(bar)
    assert texts(bar) == ["First."]


def test_the_same_sentence_is_said_once_and_the_oldest_leaves(notices: Notices, bar: NoticeBar) -> None:
    for _ in range(3):
        notices.show("Again.", "warning", "image")
    assert texts(bar) == ["Again."]
    for i in range(MOST + 2):
        notices.show(f"Number {i}.", "warning", "image")
    assert texts(bar) == [f"Number {i}." for i in range(2, MOST + 2)]


def test_what_is_told_of_the_window_is_told_wherever_the_user_is(notices: Notices, qtbot: QtBot) -> None:
    bars = [NoticeBar(notices, place) for place in ("image", "text")]
    for bar in bars:
        qtbot.addWidget(bar)
    notice = notices.show("The disk is full.", "error", WINDOW)
    notices.show("Too small.", "error", "text")
    assert [texts(bar) for bar in bars] == [["The disk is full."], ["The disk is full.", "Too small."]]
    notices.dismiss(notice)
    assert [texts(bar) for bar in bars] == [[], ["Too small."]]


def test_a_notice_lies_over_the_view_and_moves_nothing(notices: Notices, qtbot: QtBot) -> None:
    window, view, stop = QWidget(), QWidget(), QPushButton("Stop")
    qtbot.addWidget(window)
    column = QVBoxLayout(window)
    column.addWidget(stop)
    column.addLayout(notices_over(view, bar := NoticeBar(notices, "train"), above=40), 1)
    window.resize(600, 400)
    window.show()
    before = stop.geometry(), view.geometry()
    notices.show("It failed. " * 30, "error", "train", action="Again")
    qtbot.waitUntil(lambda: bar.isVisible() and bar.height() > 60)  # of several lines
    assert (stop.geometry(), view.geometry()) == before
    assert bar.geometry().bottom() == view.geometry().bottom() - 40
    assert window.childAt(bar.geometry().center()) is not view


def test_details_on_demand(notices: Notices, bar: NoticeBar, qtbot: QtBot) -> None:
    notices.show("It failed.", "error", "image", "line one\nline two")
    details = bar.findChild(QPlainTextEdit)
    assert isinstance(details, QPlainTextEdit) and not details.isVisible()
    qtbot.mouseClick(button(bar, "Details"), Qt.MouseButton.LeftButton)
    assert details.isVisible() and details.toPlainText() == "line one\nline two"


def test_action_and_dismiss_by_keyboard(notices: Notices, bar: NoticeBar, qtbot: QtBot) -> None:
    done = []
    notices.show("Out of memory.", "error", "image", action="Try half", on_action=lambda: done.append(1))
    qtbot.keyClick(button(bar, "Try half"), Qt.Key.Key_Space)
    assert done == [1] and not bar.isVisible() and notices.at("image") == []
    notices.show("Out of memory.", "error", "image")
    qtbot.keyClick(button(bar, "Dismiss"), Qt.Key.Key_Space)
    assert notices.at("image") == []


@pytest.mark.parametrize("proxy", [True, False])
def test_the_keys_stay_at_the_place_when_a_notice_goes(
    notices: Notices, bar: NoticeBar, qtbot: QtBot, proxy: bool
) -> None:
    place = bar.window()
    first, canvas = QPushButton("First", place), QPushButton("Canvas", place)
    for widget in (first, canvas):
        widget.show()
    if proxy:
        place.setFocusProxy(canvas)
    qtbot.waitUntil(place.isActiveWindow)
    notices.show("Saved.", "info", "image", action="Look")
    button(bar, "Look").setFocus()
    qtbot.keyClick(button(bar, "Look"), Qt.Key.Key_Space)
    assert QApplication.focusWidget() is (canvas if proxy else place)
    # One that goes while the keys are elsewhere takes them from nobody.
    first.setFocus()
    notices.dismiss(notices.show("Saved.", "info", "image"))
    assert QApplication.focusWidget() is first


def test_only_good_news_leaves_on_its_own(
    notices: Notices, bar: NoticeBar, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices_module, "READING_TIME", 20)
    notices.show("Saved.", "success", "image")
    notices.show("It failed.", "error", "image")
    notices.show("There is an update.", "info", "image", action="Look")
    qtbot.waitUntil(lambda: len(notices.at("image")) == 2, timeout=2000)
    assert texts(bar) == ["It failed.", "There is an update."]


def test_good_news_is_read_before_it_leaves(
    notices: Notices, bar: NoticeBar, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices_module, "READING_TIME", 20)
    bar.window().hide()
    notices.show("Saved.", "success", "image")
    qtbot.wait(100)
    assert texts(bar) == ["Saved."]
    bar.window().show()
    qtbot.waitUntil(lambda: not notices.at("image"), timeout=2000)


@pytest.mark.parametrize("mode", ["dark", "light"])
@pytest.mark.parametrize(
    ("kind", "soft"),
    [("info", "info-soft"), ("warning", "warning-soft"), ("error", "danger-soft"), ("success", "success-soft")],
)
def test_kinds_differ_in_sign_and_colour(
    notices: Notices, bar: NoticeBar, mode: theme.Mode, kind: str, soft: str
) -> None:
    theme.current().set_mode(mode)
    notices.show("A sentence.", kind, "image")  # pyright: ignore[reportArgumentType]
    row = bar.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)[0]
    image = row.grab().toImage()
    assert image.pixelColor(image.width() // 2, 3).name() == theme.color(soft).name()
    assert row.accessibleName() == f"{kind.capitalize()}: A sentence."
    notices.clear("image")


def test_of_many_things_told_at_once_none_is_lost(notices: Notices, bar: NoticeBar) -> None:
    notices.show_all(["One was dropped."], "1 was dropped.", place="image")
    assert texts(bar) == ["One was dropped."]
    notices.show_all([f"{number} was dropped." for number in range(5)], "5 were dropped.", place="image")
    assert texts(bar) == ["One was dropped.", "5 were dropped."]
    assert notices.at("image")[-1].details.splitlines() == [f"{number} was dropped." for number in range(5)]
