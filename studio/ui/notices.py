"""What the window has to tell: shown beside what caused it, never in a box that stops the work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from studio.ui.fonts import font
from studio.ui.icons import icon
from studio.ui.widgets.focus import leave_focus
from studio.ui.widgets.icon_button import IconButton, IconLabel

Kind = Literal["info", "warning", "error", "success"]
ROLES = {"info": "info", "warning": "warning", "error": "danger", "success": "success"}
WINDOW = "window"
"""The place of what is told wherever the user is."""
READING_TIME = 8000
"""Milliseconds in sight after which good news without a question leave on their own."""
MOST = 3
"""Notices at one place; the oldest leaves."""


@dataclass(frozen=True, eq=False)
class Notice:
    """One sentence for the user; `details` are shown on demand, the action is a button."""

    text: str
    kind: Kind = "info"
    place: str = WINDOW
    details: str = ""
    action: str = ""
    on_action: Callable[[], object] | None = None
    lasting: bool = False
    """Whoever shows it puts it away, such as at the end of what it tells of."""

    @property
    def leaves(self) -> bool:
        """It needs no answer."""
        return self.kind in ("info", "success") and not (self.action or self.details or self.lasting)


class Notices(QObject):
    """What is told now, by place: the name of a workspace, or WINDOW."""

    shown = Signal(object)
    dismissed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._notices: list[Notice] = []

    def show(
        self,
        text: str,
        kind: Kind = "info",
        place: str = WINDOW,
        details: str = "",
        *,
        action: str = "",
        on_action: Callable[[], object] | None = None,
        lasting: bool = False,
    ) -> Notice:
        """Tell something; the same sentence at the same place replaces the one before."""
        notice = Notice(text, kind, place, details, action, on_action, lasting)
        for old in self.at(place):
            if old.text == text:
                self.dismiss(old)
        for old in self.at(place)[: -MOST + 1]:
            self.dismiss(old)
        self._notices.append(notice)
        self.shown.emit(notice)
        return notice

    def show_all(self, texts: Sequence[str], heading: str, kind: Kind = "warning", place: str = WINDOW) -> None:
        """Tell one thing as it is, several under a heading with all of them as details: a place shows a few at once."""
        if len(texts) == 1:
            self.show(texts[0], kind, place)
        elif texts:
            self.show(heading, kind, place, details="\n".join(texts))

    def dismiss(self, notice: Notice) -> None:
        if notice in self._notices:
            self._notices.remove(notice)
            self.dismissed.emit(notice)

    def clear(self, place: str) -> None:
        """Take back what a place has told, such as when a new run begins."""
        for notice in self.at(place):
            self.dismiss(notice)

    def at(self, place: str) -> list[Notice]:
        """What a place tells now, oldest first."""
        return [notice for notice in self._notices if notice.place == place]


class NoticeBar(QWidget):
    """Shows the notices of one place and of the window. It lies over a view: what is told moves nothing.

    covers: so many pixels at the foot of the view cannot be seen.
    """

    covers = Signal(int)

    def __init__(self, notices: Notices, place: str) -> None:
        super().__init__()
        self._notices, self._place = notices, place
        self._rows: dict[Notice, _Row] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(8, 8, 8, 8)
        self._layout.setSpacing(4)
        self.setVisible(False)
        notices.shown.connect(self._add)
        notices.dismissed.connect(self._remove)
        for notice in [*notices.at(WINDOW), *notices.at(place)]:
            self._add(notice)

    def _add(self, notice: Notice) -> None:
        if notice.place not in (self._place, WINDOW):
            return
        row = _Row(notice, self)
        row.dismiss.connect(self._notices.dismiss)
        self._rows[notice] = row
        self._layout.addWidget(row)
        row.show()
        self.setVisible(True)
        if row.isVisible():
            QAccessible.updateAccessibility(QAccessibleEvent(row, QAccessible.Event.Alert))

    def _remove(self, notice: Notice) -> None:
        row = self._rows.pop(notice, None)
        if row is None:
            return
        self._layout.removeWidget(row)
        leave_focus(row, self.parentWidget() or self)
        row.hide()
        row.deleteLater()
        self.setVisible(bool(self._rows))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.isVisible():
            self.covers.emit(self.height())

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.covers.emit(self.height())

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.covers.emit(0)


def notices_over(
    view: QWidget, bar: NoticeBar, above: int = 0, covered: Callable[[int], None] | None = None
) -> QGridLayout:
    """A view with a bar at its foot, `above` so many pixels that stay free; covered: told how many of the view's are
    not, so that its last line can be scrolled above the bar."""
    if covered is not None:
        bar.covers.connect(covered)
    stage, foot = QGridLayout(), QVBoxLayout()
    foot.setContentsMargins(0, 0, 0, above)
    foot.addWidget(bar)
    stage.addWidget(view, 0, 0)
    stage.addLayout(foot, 0, 0, Qt.AlignmentFlag.AlignBottom)
    return stage


class _Row(QFrame):
    """One notice: sign, sentence, details, action, and a way to be rid of it."""

    dismiss = Signal(object)

    def __init__(self, notice: Notice, parent: QWidget) -> None:
        super().__init__(parent)
        self._notice = notice
        self.setProperty("notice", notice.kind)
        self.setAccessibleName(f"{notice.kind.capitalize()}: {notice.text}")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 6, 6, 6)
        layout.setSpacing(6)
        line = QHBoxLayout()
        line.setSpacing(8)
        layout.addLayout(line)
        line.addWidget(IconLabel(notice.kind, 18, ROLES[notice.kind]))
        text = QLabel(notice.text)
        text.setWordWrap(True)
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        line.addWidget(text, 1)
        if notice.details:
            line.addWidget(self._details_button(layout))
        if notice.action:
            button = QPushButton(notice.action)
            button.clicked.connect(self._act)
            line.addWidget(button)
        close = IconButton("close", "Dismiss", size=16)
        close.clicked.connect(self._dismiss)
        line.addWidget(close)
        self._reading = QTimer(self, interval=READING_TIME)
        self._reading.timeout.connect(self._leave)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._notice.leaves:
            self._reading.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._reading.stop()

    def _leave(self) -> None:
        if not self.underMouse():  # else a click on it would fall on what it covers
            self._dismiss()

    def _details_button(self, layout: QVBoxLayout) -> QPushButton:
        details = QPlainTextEdit(self._notice.details)
        details.setReadOnly(True)
        details.setFont(font(12, mono=True))
        details.setAccessibleName("Details")
        details.setFixedHeight(min(160, 24 + 17 * (self._notice.details.count("\n") + 1)))
        details.setVisible(False)
        layout.addWidget(details)
        button = QPushButton(icon("chevron-down"), "Details")
        button.setIconSize(QSize(14, 14))
        button.setProperty("kind", "quiet")
        button.setCheckable(True)
        button.toggled.connect(details.setVisible)
        return button

    def _act(self) -> None:
        self._dismiss()
        if self._notice.on_action:
            self._notice.on_action()

    def _dismiss(self) -> None:
        self.dismiss.emit(self._notice)
