"""Every icon draws, in the colour of the theme, at every scale."""

import gc
import os
import subprocess
import sys

import pytest
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QIcon, QImage, QPainter
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from studio.ui import icons, theme

NEEDED = (
    "image text train gallery models play pause step step-back stop branch brush eraser rectangle lasso fill "
    "frame hand pin paint picker invert clear whole grow shrink zoom-in zoom-out zoom-fit undo redo open save "
    "export import copy paste dice lock unlock compare grid layers eye states confidence difference original star "
    "star-filled tag search trash rename info warning error success close plus minus check chevron-up chevron-down "
    "chevron-left chevron-right settings keyboard sun moon monitor gap accept first last loop film verify "
    "speed folder refresh more "
)


def drawn(icon: QIcon, mode: QIcon.Mode = QIcon.Mode.Normal, state: QIcon.State = QIcon.State.Off) -> QImage:
    return icon.pixmap(QSize(24, 24), 1.0, mode, state).toImage().convertToFormat(QImage.Format.Format_ARGB32)


def colours(image: QImage) -> set[str]:
    """The colours of the fully opaque pixels."""
    points = [(x, y) for x in range(image.width()) for y in range(image.height())]
    return {image.pixelColor(x, y).name() for x, y in points if image.pixelColor(x, y).alpha() == 255}


def test_none_is_missing() -> None:
    assert set(NEEDED.split()) <= set(icons.names())


@pytest.mark.parametrize("name", icons.names())
def test_it_draws_inside_its_square(name: str) -> None:
    image = icons.draw(name, QSize(96, 96), theme.color("text")).toImage()
    inked = [(x, y) for x in range(96) for y in range(96) if image.pixelColor(x, y).alpha()]
    assert len(inked) > 96, "something is drawn"
    edge = [(x, y) for x, y in inked if {x, y} & {0, 95}]
    assert not edge, "nothing is cut off"


def test_all_differ() -> None:
    seen: dict[bytes, str] = {}
    for name in icons.names():
        image = icons.draw(name, QSize(24, 24), theme.color("text")).toImage()
        assert seen.setdefault(bytes(image.constBits()), name) == name


def test_the_colour_is_that_of_the_theme() -> None:
    icon = icons.icon("brush")
    for mode in ("dark", "light", "dark"):
        theme.current().set_mode(mode)
        assert theme.color("text").name() in colours(drawn(icon))
        assert theme.color("disabled").name() in colours(drawn(icon, QIcon.Mode.Disabled))
        assert theme.color("link").name() in colours(drawn(icon, state=QIcon.State.On))
        assert theme.color("danger").name() in colours(drawn(icons.icon("trash", "danger")))


def test_a_button_shows_the_switch(qtbot: QtBot) -> None:
    button = QToolButton()
    button.setIcon(icons.icon("stop"))
    button.setIconSize(QSize(24, 24))
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    qtbot.addWidget(button)
    button.show()
    for mode in ("dark", "light"):
        theme.current().set_mode(mode)
        assert theme.color("text").name() in colours(button.grab().toImage())


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0, 3.0])
def test_it_is_crisp_at_every_scale(ratio: float) -> None:
    icon = icons.icon("plus")
    pixmap = icon.pixmap(QSize(24, 24), ratio)
    assert pixmap.size() == QSize(24, 24) * ratio and pixmap.devicePixelRatio() == ratio
    assert pixmap.toImage() == icons.draw("plus", QSize(24, 24) * ratio, theme.color("text")).toImage()
    target = QImage(QSize(24, 24) * ratio, QImage.Format.Format_ARGB32_Premultiplied)
    target.setDevicePixelRatio(ratio)
    target.fill(Qt.GlobalColor.transparent)
    painter = QPainter(target)
    icon.paint(painter, QRect(0, 0, 24, 24))
    painter.end()
    assert target == pixmap.toImage().convertToFormat(target.format())


SCALED = """
import sys
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication
from studio.ui import icons, theme
from studio.ui.widgets.icon_button import IconButton
app = QApplication(sys.argv)
theme.install(app, "dark")
ratio = app.devicePixelRatio()
button = IconButton("plus", "Add")
button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
button.show()
seen = button.grab().toImage()
assert seen.devicePixelRatio() == ratio == float(sys.argv[1]), (ratio, sys.argv)
assert seen.size() == QSize(28, 28) * ratio
# Drawn at this scale and not stretched: the strokes are as sharp as the drawing's own.
inked = sorted(seen.pixelColor(x, y).lightness() for x in range(seen.width()) for y in range(seen.height()))
ideal = icons.draw("plus", QSize(18, 18), theme.color("text"), ratio).toImage()
full = sum(ideal.pixelColor(x, y).alpha() > 250 for x in range(ideal.width()) for y in range(ideal.height()))
bright = sum(value > 220 for value in inked)
assert bright >= 0.9 * full > 0, (bright, full)
"""


@pytest.mark.parametrize("scale", ["1", "1.5", "2", "3"])
def test_buttons_are_crisp_on_every_screen(scale: str) -> None:
    command = [sys.executable, "-c", SCALED, scale]
    result = subprocess.run(
        command, env=os.environ | {"QT_SCALE_FACTOR": scale}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_engines_outlive_their_makers() -> None:
    """Qt owns the engine and copies it where it likes."""
    kept = [QIcon(icons.icon(name)) for name in icons.names() for _ in range(5)]
    gc.collect()
    for icon in kept:
        icon.addPixmap(icon.pixmap(8, 8))  # detaches: clones the engine
        assert not icon.pixmap(16, 16).isNull()
    del kept
    gc.collect()


def test_a_slip_of_the_pen_is_seen_at_once() -> None:
    with pytest.raises(KeyError, match="brsh"):
        icons.icon("brsh")


def test_the_program_has_its_own() -> None:
    assert not icons.app_icon().pixmap(64, 64).isNull()
