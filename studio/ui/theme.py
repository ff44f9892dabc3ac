"""Dark and light: named colours, applied as a palette on Fusion and one small style sheet.

Qt's own colour scheme switch does nothing on several platforms, so both palettes are ours. Text keeps a contrast of
4.5:1 and outlines of 3:1 (WCAG) on every background it may stand on; tests/ui/test_theme.py measures it.
"""

from typing import Literal, get_args

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from studio.ui.fonts import font, load_fonts
from studio.ui.style import style_sheet

Mode = Literal["system", "dark", "light"]
MODES: tuple[Mode, ...] = get_args(Mode)

DARK = {
    "canvas": "#101116",
    "surface": "#17181e",
    "raised": "#1e2027",
    "control": "#272a32",
    "hover": "#2f333d",
    "pressed": "#21242b",
    "border": "#30343d",  # separates, and need not be seen
    "outline": "#78808f",  # says where a control is
    "text": "#e8e9ee",
    "muted": "#a4abb9",
    "disabled": "#767d8c",
    "accent": "#7263e8",  # fills; white stands on it
    "accent-hover": "#8071f2",
    "on-accent": "#ffffff",
    "link": "#aba1ff",  # the accent as text or line
    "selection": "#3a3668",
    "focus": "#9d92ff",
    "danger": "#ff8a8a",
    "warning": "#f2c14e",
    "success": "#6fd08c",
    "info": "#7cc0ff",
    "danger-soft": "#3a2227",
    "warning-soft": "#352d1c",
    "success-soft": "#1d3025",
    "info-soft": "#1c2b3a",
    "overlay": "#ff4f8b",  # the mask on a picture
    "pin": "#ffd166",
    "curve-1": "#9d92ff",
    "curve-2": "#ffae5c",
    "curve-3": "#5fd3c4",
    "curve-4": "#ff86b3",
}

LIGHT = {
    "canvas": "#e4e6ec",
    "surface": "#f3f4f7",
    "raised": "#fbfbfd",
    "control": "#ffffff",
    "hover": "#edeff4",
    "pressed": "#e2e5eb",
    "border": "#d9dce4",
    "outline": "#767e8d",
    "text": "#1a1c22",
    "muted": "#535a68",
    "disabled": "#8b919e",
    "accent": "#5b49d6",
    "accent-hover": "#6a59e2",
    "on-accent": "#ffffff",
    "link": "#4a39c0",
    "selection": "#dcd8fb",
    "focus": "#5b49d6",
    "danger": "#b3202c",
    "warning": "#7d5600",
    "success": "#176b34",
    "info": "#0f5a9c",
    "danger-soft": "#fbe6e7",
    "warning-soft": "#faf0d7",
    "success-soft": "#e0f3e6",
    "info-soft": "#e2eefa",
    "overlay": "#e0246c",
    "pin": "#b07900",
    "curve-1": "#5b49d6",
    "curve-2": "#b45309",
    "curve-3": "#0b7a70",
    "curve-4": "#b8276b",
}


class Theme(QObject):
    """The colours in use; made once by `install`, reached by `current`.

    `changed` fires after the application has its new palette and style sheet.
    """

    changed = Signal()

    def __init__(self, app: QApplication, mode: Mode = "system") -> None:
        super().__init__(app)
        self._app = app
        self._mode: Mode = mode
        self._dark = True
        self._dressed = bool(app.styleSheet())
        load_fonts()
        app.setStyle(QStyleFactory.create("Fusion"))
        app.setFont(font())
        app.styleHints().colorSchemeChanged.connect(self._system_changed)
        self.set_mode(mode)

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def dark(self) -> bool:
        return self._dark

    def set_mode(self, mode: Mode) -> None:
        """Switch at once, window open or not."""
        self._mode = mode
        hints = self._app.styleHints()
        # Asked of Qt too, for what the system draws: title bar and file dialogs.
        if mode == "system":
            hints.unsetColorScheme()
        else:
            hints.setColorScheme(Qt.ColorScheme.Dark if mode == "dark" else Qt.ColorScheme.Light)
        self._apply()

    def _system_changed(self) -> None:
        if self._mode == "system":
            self._apply()

    def _apply(self) -> None:
        # A system that does not say counts as dark, as pictures are best judged.
        system_light = self._app.styleHints().colorScheme() == Qt.ColorScheme.Light
        self._dark = not system_light if self._mode == "system" else self._mode == "dark"
        self._app.setPalette(self._palette())
        if self._dressed:
            self._app.setStyleSheet(style_sheet(self._colors))
        self.changed.emit()

    def dress(self) -> None:
        """Put the style sheet on, for good; called when the widgets that begin are made.

        Under a style sheet Qt styles a widget anew, with all that it contains, each time it is put into another: half
        the time that making the window took. It must not be taken off again for that: of widgets that were measured
        but never shown Qt would not see the end, and the next change of it would crash.
        """
        self._dressed = True
        self._app.setStyleSheet(style_sheet(self._colors))

    @property
    def _colors(self) -> dict[str, str]:
        return DARK if self._dark else LIGHT

    def color(self, role: str) -> QColor:
        """The colour of a role, such as "accent"; KeyError for a role there is not."""
        return QColor(self._colors[role])

    def _palette(self) -> QPalette:
        role = QPalette.ColorRole
        names = {
            role.Window: "surface",
            role.WindowText: "text",
            role.Base: "control",
            role.AlternateBase: "raised",
            role.Text: "text",
            role.PlaceholderText: "muted",
            role.Button: "control",
            role.ButtonText: "text",
            role.BrightText: "danger",
            role.ToolTipBase: "raised",
            role.ToolTipText: "text",
            role.Highlight: "accent",
            role.HighlightedText: "on-accent",
            role.Accent: "accent",
            role.Link: "link",
            role.LinkVisited: "link",
            role.Light: "hover",
            role.Midlight: "hover",
            role.Mid: "border",
            role.Dark: "outline",
            role.Shadow: "canvas",
        }
        palette = QPalette()
        for target, name in names.items():
            palette.setColor(target, self.color(name))
        for target in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
            palette.setColor(QPalette.ColorGroup.Disabled, target, self.color("disabled"))
        palette.setColor(QPalette.ColorGroup.Disabled, role.Highlight, self.color("border"))
        return palette


_current: Theme | None = None


def install(app: QApplication, mode: Mode = "system") -> Theme:
    """Give the application its fonts, style and colours; call it once, before the first widget.

    The style sheet follows with `Theme.dress`.
    """
    global _current
    _current = Theme(app, mode)
    return _current


def current() -> Theme:
    """The theme that `install` made. RuntimeError before that."""
    if _current is None:
        raise RuntimeError("install(app) comes before the first widget")
    return _current


def color(role: str) -> QColor:
    """The colour of a role in the theme in use."""
    return current().color(role)
