"""The tools at the side of the canvas, whatever room there is."""

import pytest
from PySide6.QtWidgets import QSlider, QToolButton
from pytestqt.qtbot import QtBot

from studio.ui.actions import Actions
from studio.ui.image.toolbar import LOW, LOWEST, TALL, ToolStrip
from studio.ui.image.tools import ToolSettings
from studio.ui.settings import Settings


@pytest.mark.parametrize("height", [LOWEST, LOW - 1, LOW, LOW + 52, LOW + 100, TALL - 1, TALL, 900])
def test_no_tool_covers_another(height: int, qtbot: QtBot) -> None:
    settings = ToolSettings()
    strip = ToolStrip(Actions(Settings()), settings)
    qtbot.addWidget(strip)
    strip.resize(strip.width(), height)
    strip.show()
    strip.layout().activate()  # pyright: ignore[reportOptionalMemberAccess]
    seen = [widget for kind in (QToolButton, QSlider) for widget in strip.findChildren(kind) if widget.isVisible()]
    assert len(seen) >= 11 and (height < LOW + 52 or any(isinstance(widget, QSlider) for widget in seen))
    for one in seen:
        assert strip.rect().contains(one.geometry())
        assert not any(one.geometry().intersects(other.geometry()) for other in seen if other is not one)
        assert one.height() >= (28 if isinstance(one, QToolButton) else 20)
    strip.resize(strip.width(), 900)  # and back to one column
    strip.layout().activate()  # pyright: ignore[reportOptionalMemberAccess]
    assert len({widget.geometry().center().x() for widget in strip.findChildren(QToolButton)}) == 1
