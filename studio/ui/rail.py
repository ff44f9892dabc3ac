"""The rail: the workspaces, one under the other."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QToolButton, QVBoxLayout

from studio.ui.icons import icon
from studio.ui.workspace import Workspace

ICON = 22


class Rail(QFrame):
    """A button a workspace; Alt and its number chooses one, as the window's actions say."""

    chosen = Signal(str)

    def __init__(self, workspaces: Sequence[Workspace]):
        super().__init__()
        self.setProperty("surface", "raised")
        self.setFixedWidth(76)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 10, 6, 10)
        column.setSpacing(6)
        for workspace in workspaces:
            button = QToolButton()
            button.setText(workspace.title)
            button.setAccessibleName(f"{workspace.title} workspace")
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

    def _clicked(self, button: QToolButton) -> None:
        self.chosen.emit(next(name for name, other in self._buttons.items() if other is button))
