"""What an inspector stands on: the parts of the studio that it uses, around a tiny model."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from studio.runtime.bundle import Bundle
from studio.ui.catalog import Models
from studio.ui.inspector.panel import InspectorPanel
from studio.ui.lane import Lane
from studio.ui.notices import Notices
from studio.ui.playhead import Playhead
from studio.ui.sampling_settings import SamplingSettings
from studio.ui.settings import Settings
from studio.ui.timeline.transport import Transport


@pytest.fixture
def studio(qapp: object, tmp_path: Path, bundle: Bundle, lane: Lane) -> Iterator[Any]:
    models = Models()
    models._take([(bundle.path, bundle)])
    settings = Settings(tmp_path / "settings")
    yield SimpleNamespace(lane=lane, models=models, settings=settings, notices=Notices())
    settings._timer.stop()


@pytest.fixture
def panel(studio: Any, qtbot: QtBot) -> Iterator[InspectorPanel]:
    panel = InspectorPanel(studio, SamplingSettings(), "image", Transport(Playhead()))
    qtbot.addWidget(panel)
    panel.resize(320, 900)
    panel.show()
    yield panel
    panel.playhead.close_down()
