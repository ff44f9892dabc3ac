"""Both themes can be read, and change while the window is open."""

import re

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QColor, QFontInfo, QFontMetrics, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QCheckBox, QLabel, QMenu, QPushButton, QSlider, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from studio.ui import theme
from studio.ui.fonts import MONO, SANS, font
from studio.ui.icons import icon
from studio.ui.style import SHEET
from studio.ui.theme import DARK, LIGHT

BACKGROUNDS = ("canvas", "surface", "raised", "control", "hover", "pressed")
"""From the deepest, behind a picture, up to a control under the pointer."""
THEMES = {"dark": DARK, "light": LIGHT}
both = pytest.mark.parametrize("mode", ["dark", "light"])


def luminance(colour: QColor) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = (colour.redF(), colour.greenF(), colour.blueF())
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str | QColor, second: str | QColor) -> float:
    light, dark = sorted((luminance(QColor(first)), luminance(QColor(second))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_is_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@both
def test_text_and_outlines_stand_out(mode: str) -> None:
    colors = THEMES[mode]
    softs = [f"{kind}-soft" for kind in ("danger", "warning", "success", "info")]
    for background in BACKGROUNDS:
        for text in ("text", "muted", "link"):
            assert contrast(colors[text], colors[background]) >= 4.5, (text, background)
        for line in ("outline", "focus", "danger", "warning", "success", "info", "curve-1", "curve-2", "curve-3"):
            assert contrast(colors[line], colors[background]) >= 3, (line, background)
    for background in [*softs, "selection"]:
        assert contrast(colors["text"], colors[background]) >= 4.5, background
        assert contrast(colors["muted"], colors[background]) >= 4.5, background
    for kind in ("danger", "warning", "success", "info"):
        assert contrast(colors[kind], colors[f"{kind}-soft"]) >= 4.5, kind
        assert contrast(colors[kind], colors["raised"]) >= 4.5, kind
    assert contrast(colors["on-accent"], colors["accent"]) >= 4.5
    assert contrast(colors["accent"], colors["surface"]) >= 3
    assert contrast(colors["link"], colors["selection"]) >= 4.5


def test_both_themes_name_the_same_roles() -> None:
    assert DARK.keys() == LIGHT.keys()
    assert set(re.findall(r"@([a-z][a-z0-9-]*)", SHEET)) - {"assets"} <= DARK.keys()


@both
def test_the_palette_is_readable_too(qapp: QApplication, mode: theme.Mode) -> None:
    theme.current().set_mode(mode)
    palette = qapp.palette()
    role = QPalette.ColorRole
    for text, background in [
        (role.WindowText, role.Window),
        (role.Text, role.Base),
        (role.Text, role.AlternateBase),
        (role.ButtonText, role.Button),
        (role.HighlightedText, role.Highlight),
        (role.PlaceholderText, role.Base),
        (role.ToolTipText, role.ToolTipBase),
        (role.Link, role.Window),
    ]:
        assert contrast(palette.color(text), palette.color(background)) >= 4.5, (text, background)


def test_a_switch_is_seen_at_once(qtbot: QtBot) -> None:
    widget = QWidget()
    qtbot.addWidget(widget)
    QVBoxLayout(widget).addWidget(QPushButton("Generate"))
    widget.show()
    seen = []
    for mode in ("dark", "light", "dark"):
        theme.current().set_mode(mode)
        seen.append(widget.grab().toImage().pixelColor(2, 2).name())
    assert seen == [DARK["surface"], LIGHT["surface"], DARK["surface"]]


def test_changed_comes_after_the_palette(qapp: QApplication) -> None:
    theme.current().set_mode("light")
    seen = []

    def note() -> None:
        seen.append((theme.color("text").name(), qapp.palette().text().color().name()))

    theme.current().changed.connect(note)
    theme.current().set_mode("dark")
    theme.current().changed.disconnect(note)
    assert seen == [(DARK["text"], DARK["text"])]


def test_system_mode_follows_the_system(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hints:
        scheme = Qt.ColorScheme.Light

        def colorScheme(self) -> Qt.ColorScheme:
            return self.scheme

        def setColorScheme(self, scheme: Qt.ColorScheme) -> None: ...

        def unsetColorScheme(self) -> None: ...

    monkeypatch.setattr(qapp, "styleHints", Hints)
    used = theme.current()
    used.set_mode("system")
    assert not used.dark
    for scheme, dark in [(Qt.ColorScheme.Dark, True), (Qt.ColorScheme.Light, False), (Qt.ColorScheme.Unknown, True)]:
        monkeypatch.setattr(Hints, "scheme", scheme)
        QGuiApplication.styleHints().colorSchemeChanged.emit(scheme)
        assert used.dark is dark
    used.set_mode("dark")
    QGuiApplication.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Light)
    assert used.dark


def test_an_unknown_role_is_a_bug() -> None:
    with pytest.raises(KeyError):
        theme.color("colour")


def test_the_shipped_fonts_are_used(qapp: QApplication) -> None:
    assert QFontInfo(qapp.font()).family() == SANS
    assert QFontInfo(font(mono=True)).family() == MONO
    regular, bold, mono = (QFontMetrics(f) for f in (font(), font(bold=True), font(mono=True)))
    assert regular.horizontalAdvance("WWW") > 2 * regular.horizontalAdvance("iii") > 0
    assert bold.horizontalAdvance("Generate") > regular.horizontalAdvance("Generate")
    assert mono.horizontalAdvance("WWW") == mono.horizontalAdvance("iii")


@both
def test_controls_are_seen(qtbot: QtBot, mode: theme.Mode) -> None:
    """An empty check box, its mark, and a slider, measured on rendered pixels."""
    theme.current().set_mode(mode)
    surface = QColor(THEMES[mode]["surface"])
    box, slider = QCheckBox("Loop"), QSlider(Qt.Orientation.Horizontal)
    other = QLabel("Focus stays here")
    widget = QWidget()
    qtbot.addWidget(widget)
    layout = QVBoxLayout(widget)
    for child in (other, box, slider):
        child.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout.addWidget(child)
    widget.show()

    def strongest(child: QWidget, size: QSize) -> float:
        image = child.grab().toImage()
        ratio = image.devicePixelRatio()
        area = [
            image.pixelColor(x, y)
            for x in range(int(min(size.width() * ratio, image.width())))
            for y in range(int(min(size.height() * ratio, image.height())))
        ]
        return max(contrast(colour, surface) for colour in area if colour.alpha() == 255)

    assert strongest(box, QSize(18, 40)) >= 3
    assert strongest(slider, QSize(400, 40)) >= 3
    empty = box.grab().toImage()
    box.setChecked(True)
    marked = box.grab().toImage()
    assert empty != marked
    side = range(18)
    white = sum(marked.pixelColor(x, y).lightness() > 230 for x in side for y in range(marked.height()))
    assert white > 8, "the mark is drawn"


@both
def test_what_is_chosen_in_a_menu_is_told_by_more_than_colour(qtbot: QtBot, mode: theme.Mode) -> None:
    """The sign of an action that is on has a frame, which is seen without colours."""
    theme.current().set_mode(mode)
    menu = QMenu()
    qtbot.addWidget(menu)
    rows = []
    for on in (False, True):
        action = menu.addAction(icon("eye"), "Picture")
        action.setCheckable(True)
        action.setChecked(on)
        rows.append(action)
    menu.ensurePolished()
    menu.resize(menu.sizeHint())
    image = menu.grab().toImage()

    def seen(row: QAction) -> int:
        area = menu.actionGeometry(row)
        places = [(x, y) for x in range(area.left(), area.left() + 36) for y in range(area.top(), area.bottom())]
        return sum(contrast(image.pixelColor(*place), THEMES[mode]["raised"]) >= 3 for place in places)

    off, on = (seen(row) for row in rows)
    assert off > 20 and on > off + 50
