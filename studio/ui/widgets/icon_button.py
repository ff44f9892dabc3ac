"""Small buttons with an icon, and icons that stand alone."""

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QAction, QPainter, QPaintEvent
from PySide6.QtWidgets import QPushButton, QToolButton, QWidget

from studio.ui.icons import icon, paint_icon


class IconButton(QToolButton):
    """A button with an icon only; its name is its tooltip and what a screen reader says."""

    def __init__(
        self, icon_name: str, name: str, *, checkable: bool = False, role: str = "text", size: int = 18
    ) -> None:
        super().__init__()
        self.setIcon(icon(icon_name, role))
        self.setIconSize(QSize(size, size))
        self.setFixedSize(size + 10, size + 10)
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setCheckable(checkable)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def set_icon(self, icon_name: str, role: str = "text") -> None:
        self.setIcon(icon(icon_name, role))

    def set_name(self, name: str) -> None:
        """What it does now, for one that changes, such as play and pause."""
        self.setAccessibleName(name)
        self.setToolTip(name)


def word_button(icon_name: str, text: str, help: str) -> QPushButton:
    """A button with an icon and a word; the help is its tooltip."""
    button = QPushButton(icon(icon_name), text)
    button.setAccessibleName(text)
    button.setToolTip(help)
    return button


class ActionButton(QToolButton):
    """A button for an action of the registry: its icon, tooltip, state and shortcut are those of the action."""

    def __init__(self, action: QAction, *, text: bool = False) -> None:
        super().__init__()
        self.setDefaultAction(action)
        self.setIconSize(QSize(18, 18))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        action.changed.connect(self._name)  # to pause, then to resume
        self._name()
        if text:
            self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        else:
            self.setFixedSize(28, 28)

    def _name(self) -> None:
        self.setAccessibleName(self.defaultAction().text())


class IconLabel(QWidget):
    """An icon that is only looked at; what it means is said by the text beside it."""

    def __init__(self, icon_name: str, size: int = 18, role: str = "text") -> None:
        super().__init__()
        self._name, self._size, self._role = icon_name, size, role
        self.setFixedSize(size, size)

    def set_icon(self, icon_name: str, role: str = "text") -> None:
        self._name, self._role = icon_name, role
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        paint_icon(painter, self._name, QPoint(0, 0), self._size, self._role)
        painter.end()
