"""The tools at the side of the canvas, and the bar above it."""

from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPixmap, QResizeEvent
from PySide6.QtWidgets import QColorDialog, QFrame, QGridLayout, QLabel, QMenu, QToolButton

from studio.ui.icons import icon
from studio.ui.image.document import ImageDocument
from studio.ui.image.tools import MAX_SIZE, ToolSettings
from studio.ui.widgets.numbers import CalmSlider

if TYPE_CHECKING:
    from studio.ui.actions import Actions

TOOLS = (
    ("brush", "Brush", "brush", "B"),
    ("eraser", "Eraser", "eraser", "E"),
    ("rectangle", "Rectangle", "rectangle", "R"),
    ("lasso", "Lasso", "lasso", "L"),
    ("fill", "Fill by colour", "fill", "F"),
    ("", "", "", ""),
    ("frame", "Working frame", "frame", "W"),
    ("hand", "Move the view", "hand", "H"),
    ("", "", "", ""),
    ("pin", "Pin", "pin", "P"),
    ("paint", "Paint", "paint", "C"),
    ("picker", "Pick a colour", "picker", "I"),
)
HELP = {
    "brush": "Paint over what is to be filled; the right button takes it back. On a made frame: make again.",
    "eraser": "Take from the mask.",
    "rectangle": "Mask a rectangle; Shift keeps it square.",
    "lasso": "Mask what you draw around.",
    "fill": "Mask neighbouring pixels of like colour.",
    "frame": "Move or resize the square that the model works on; the right button lets it follow the mask.",
    "hand": "Drag the picture; Space or the middle button do so with any tool.",
    "pin": "Mark what shall stay when the rest is made again.",
    "paint": "Paint with the colour into the picture, or into a made frame to go on from it.",
    "picker": "Take a colour from the picture.",
}
STEPS = 1000
TALL, LOW, LOWEST = 500, 248, 200
"""Heights that take all the tools in one column, in two without the slider, and in three without gaps."""


class ToolStrip(QFrame):
    """One button a tool, the brush size and the colour."""

    def __init__(self, actions: "Actions", settings: ToolSettings):
        super().__init__()
        self._settings = settings
        self.setProperty("surface", "raised")
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(6, 8, 6, 8)
        self._grid.setSpacing(2)
        self._columns = 0
        self._actions = {}
        self._groups: list[list[QToolButton]] = [[]]
        for name, title, picture, key in TOOLS:
            if not name:
                self._groups.append([])
                continue
            action = actions.add(
                f"image.tool-{name}",
                title,
                self._choosing(name),
                shortcut=key,
                icon=picture,
                workspace="image",
                group="tool",
                help=HELP[name],
            )
            self._actions[name] = action
            button = QToolButton()
            button.setDefaultAction(action)
            button.setAccessibleName(title)
            button.setFixedSize(36, 32)
            self._groups[-1].append(button)
        self._color = QToolButton()
        self._color.setFixedSize(36, 32)
        self._color.setAccessibleName("Colour to paint with")
        self._color.setToolTip("Colour to paint with")
        self._color.clicked.connect(self._ask_color)
        self._groups[-1].append(self._color)
        self._size = CalmSlider(Qt.Orientation.Vertical)
        self._size.setRange(0, STEPS)
        self._size.setAccessibleName("Brush size")
        self._size.setToolTip("Brush size: [ and ], or Ctrl and the wheel")
        self._size.valueChanged.connect(self._slid)
        self._number = QLabel()
        self._number.setProperty("role", "mono")
        self._number.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.setMinimumHeight(LOWEST)
        self._arrange()
        settings.changed.connect(self._show)
        self._show()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        """One column of tools, or two or three where there is no room for fewer; the slider lies, then goes."""
        upright = self.height() >= LOW + 90
        self._size.setOrientation(Qt.Orientation.Vertical if upright else Qt.Orientation.Horizontal)
        self._size.setMinimumSize(*(24, 60) if upright else (60, 24))
        for widget in (self._size, self._number):
            widget.setVisible(self.height() >= LOW + 52)
        columns = 1 if self.height() >= TALL else 2 if self.height() >= LOW else 3
        if columns == self._columns:
            return
        self._columns = columns
        self.setFixedWidth(12 + 36 * columns + 2 * (columns - 1))
        for row in range(self._grid.rowCount()):
            self._grid.setRowMinimumHeight(row, 0)
            self._grid.setRowStretch(row, 0)
        row = 0
        for group in self._groups if columns < 3 else [[*chain(*self._groups)]]:
            for place, button in enumerate(group):
                self._grid.addWidget(button, row + place // columns, place % columns)
            row += -(-len(group) // columns)
            self._grid.setRowMinimumHeight(row, 6 if columns < 3 else 0)
            row += 1
        self._grid.addWidget(self._size, row, 0, 1, columns, Qt.AlignmentFlag.AlignHCenter)
        self._grid.addWidget(self._number, row + 1, 0, 1, columns)
        self._grid.setRowStretch(row, 1)

    def _choosing(self, name: str) -> Callable[[], object]:
        return lambda: self._settings.set(tool=name)

    def _show(self) -> None:
        self._actions[self._settings.tool].setChecked(True)
        self._number.setText(str(self._settings.size))
        with QSignalBlocker(self._size):
            self._size.setValue(round(STEPS * ((self._settings.size - 1) / (MAX_SIZE - 1)) ** (1 / 3)))
        swatch = QPixmap(20, 14)
        swatch.fill(self._settings.color)
        self._color.setIcon(QIcon(swatch))

    def _slid(self, value: int) -> None:
        self._settings.set(size=1 + round((MAX_SIZE - 1) * (value / STEPS) ** 3))

    def _ask_color(self) -> None:
        dialog = QColorDialog(self._settings.color, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(self._take_color)
        dialog.open()

    def _take_color(self, color: QColor) -> None:
        self._settings.set(color=color, tool="paint")


class PlanesButton(QToolButton):
    """Which digits of a pixel strokes mask; it says so itself where that is not all of them."""

    def __init__(self, actions: "Actions", document: ImageDocument):
        super().__init__()
        self._document = document
        self.setIcon(icon("layers"))
        self.setIconSize(QSize(18, 18))
        self.setFixedHeight(28)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self)
        self._actions = {name: actions[f"image.planes-{name}"] for name in ("all", "high", "low")}
        menu.addActions(list(self._actions.values()))
        menu.addSeparator()
        menu.addAction(actions["image.apply-planes"])
        self.setMenu(menu)
        document.planes_changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        chosen = self._document.planes
        if chosen in self._actions:
            self._actions[chosen].setChecked(True)
        told = {"all": "all digits", "high": "the high digits", "low": "the low digits"}.get(chosen, f"digits {chosen}")
        self.setText(chosen)
        beside, alone = Qt.ToolButtonStyle.ToolButtonTextBesideIcon, Qt.ToolButtonStyle.ToolButtonIconOnly
        self.setToolButtonStyle(alone if chosen == "all" else beside)
        self.setToolTip(f"Strokes mask {told} of a pixel")
        self.setAccessibleName(f"Digits that strokes mask: {told}")
