"""The rail: the workspaces, one under the other."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QToolButton, QVBoxLayout

from studio.ui import theme
from studio.ui.icons import icon
from studio.ui.workspace import Workspace

ICON = 22


class Place(QToolButton):
    """The button of a workspace; a dot beside its sign says that something goes on there."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._title, self.goes_on = workspace.title, ""
        self.setText(self._title)
        self.tell("")

    def tell(self, goes_on: str) -> None:
        self.goes_on = goes_on
        self.setAccessibleName(f"{self._title} workspace{f', {goes_on}' if goes_on else ''}")
        self.setToolTip(goes_on)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.goes_on:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("focus"))
            painter.drawEllipse(QPointF(self.width() / 2 + ICON / 2 + 6, 12), 4, 4)
            painter.end()


class Rail(QFrame):
    """A button a workspace; Alt and its number chooses one, as the window's actions say."""

    chosen = Signal(str)

    def __init__(self, workspaces: Sequence[Workspace]):
        super().__init__()
        self.setProperty("surface", "raised")
        self.setFixedWidth(76)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, Place] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 10, 6, 10)
        column.setSpacing(6)
        for workspace in workspaces:
            button = Place(workspace)
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setIconSize(QSize(ICON, ICON))
            button.setFixedSize(64, 56)
            button.setIcon(icon(workspace.icon))
            self._group.addButton(button)
            self._buttons[workspace.name] = button
            column.addWidget(button)
        column.addStretch(1)
        self._group.buttonClicked.connect(self._clicked)

    def mark(self, name: str) -> None:
        """Show which one is in front."""
        self._buttons[name].setChecked(True)

    def tell(self, name: str, goes_on: str) -> None:
        """Say what goes on in a workspace, whichever is in front; "" is nothing."""
        if self._buttons[name].goes_on != goes_on:
            self._buttons[name].tell(goes_on)

    def _clicked(self, button: QToolButton) -> None:
        self.chosen.emit(next(name for name, other in self._buttons.items() if other is button))
