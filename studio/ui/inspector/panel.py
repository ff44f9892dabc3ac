"""The inspector: the options of the next run, what it will cost, and the buttons that start and steer it."""

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QIcon, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from studio.errors import shown
from studio.ui.fonts import font
from studio.ui.icons import icon
from studio.ui.inspector import words
from studio.ui.inspector.forecast import Forecast, Forecaster, Units
from studio.ui.inspector.options import Options
from studio.ui.inspector.presets import PresetRow
from studio.ui.inspector.run_state import RunState
from studio.ui.sampling_settings import SamplingSettings
from studio.ui.timeline.transport import Transport
from studio.ui.widgets.choices import Choice
from studio.ui.widgets.icon_button import IconLabel, word_button
from studio.ui.widgets.layout import Column, Field

if TYPE_CHECKING:
    from studio.ui.context import Studio

MEASURING_MS = 300
"""How often the expected time is looked at anew: until the first call was measured, and while a run tells more."""
LEAST_WIDTH = 300


class InspectorPanel(QWidget):
    """Sets the settings of a workspace and tells what they cost; the workspace does what the signals ask for.

    place: the workspace's name, where notices are shown; "text" has the models for texts, others those for pictures.
    """

    generate = Signal()
    stop = Signal()
    pause = Signal()
    resume = Signal()
    step = Signal()
    compare = Signal()
    """Run the same at each granularity."""

    def __init__(self, studio: "Studio", settings: SamplingSettings, place: str, transport: Transport):
        super().__init__()
        self.studio, self.settings = studio, settings
        self.transport, self.playhead = transport, transport.playhead
        self.forecaster = Forecaster(studio.lane)
        self._modality = "text" if place == "text" else "image"
        self._units: Units | Callable[[int], Units] = ()
        self._problem = ""
        self._learnt: str | None = None
        self.setAccessibleName("Inspector")
        self.setMinimumWidth(LEAST_WIDTH)
        self._build(place)
        self._measuring = QTimer(self, interval=MEASURING_MS)
        self._measuring.timeout.connect(self.refresh)
        settings.changed.connect(self._settings_changed)
        studio.models.changed.connect(self._list_models)
        self.playhead.state_changed.connect(self._show_state)
        self.playhead.run_changed.connect(self._show_state)
        self._list_models()
        self._show_state()

    # ---- what it is told

    def set_units(self, units: Units | Callable[[int], Units]) -> None:
        """What is to be made: units of one sample, by window of the network, or a function of the granularity."""
        self._units = units
        self.refresh()

    def set_problem(self, text: str) -> None:
        """Why nothing can be made now, in one sentence, or "" where it can."""
        self._problem = text
        self.refresh()

    def set_goal(self, text: str, help: str) -> None:
        """What the button that begins a run says and tells."""
        if self.generate_button.text() != text:
            self.generate_button.setText(text)
            self.generate_button.setAccessibleName(text)
            self.generate_button.setToolTip(help)

    def forecast(self) -> Forecast | None:
        """What a run with the present settings will cost."""
        units = self._units(self.settings.get("granularity")) if callable(self._units) else self._units
        return self.forecaster.of(self.settings, units)

    def refresh(self) -> None:
        """Tell anew what a run will cost and whether it can be made."""
        bundle = self.settings.bundle
        forecast = self.forecast()
        loaded = self.studio.lane.loaded(bundle) if bundle else None
        provider = loaded.provider if loaded else ""
        cost, idle = words.forecast_words(forecast, provider)
        self.cost.setText(cost)
        self.idle.setText(idle)
        problem = self._problem if bundle else f"No model for {self._modality}s is installed; import one under Models."
        self.problem.setText(problem)
        self._warning.setVisible(bool(problem))
        self.generate_button.setEnabled(not problem)
        self.state.set_loading(loaded is None)
        measuring = self.transport.live or (forecast is not None and forecast.seconds is None)
        if not (measuring and self.isVisible()):
            self._measuring.stop()
        elif not self._measuring.isActive():
            self._measuring.start()

    # ---- what it is made of

    def _build(self, place: str) -> None:
        self.model = Choice("Model", segmented=False)
        self.model.changed.connect(self._choose_model)
        self._model_field = Field("Model", self.model, words.HELP["model"])
        self.presets = PresetRow(self.studio, self.settings, place, self._modality)
        self.options = Options(self.settings, self.studio.settings, place)
        self.options.compare.connect(self.compare)
        column = Column("Options")
        column.add(self._model_field)
        column.add(Field("Preset", self.presets, "Settings under a name, to be used again and handed on."))
        column.add(self.options)

        foot = QFrame()
        foot.setProperty("surface", "raised")
        below = QVBoxLayout(foot)
        below.setContentsMargins(16, 12, 16, 12)
        below.setSpacing(8)
        below.addLayout(self._build_forecast())
        below.addWidget(self._build_warning())
        self.state = RunState(self.transport)
        below.addWidget(self.state)
        below.addLayout(self._build_buttons())
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(column, 1)
        whole.addWidget(foot)

    def _build_forecast(self) -> QVBoxLayout:
        self.cost, self.idle = QLabel(), QLabel()
        self.cost.setProperty("role", "heading")
        self.cost.setAccessibleName("What a run will cost")
        self.idle.setProperty("role", "muted")
        self.idle.setFont(font(12))
        self.idle.setAccessibleName("Idle steps")
        column = QVBoxLayout()
        column.setSpacing(2)
        for label in (self.cost, self.idle):
            label.setWordWrap(True)
            label.setToolTip(words.FORECAST_HELP)
            column.addWidget(label)
        return column

    def _build_warning(self) -> QWidget:
        self._warning = QWidget()
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setAccessibleName("What is missing")
        row = QHBoxLayout(self._warning)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(IconLabel("warning", 16, "warning"), 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.problem, 1)
        return self._warning

    def _build_buttons(self) -> QStackedLayout:
        self.generate_button = word_button("play", "Generate", "Make the results")
        self.generate_button.clicked.connect(self.generate)
        self.generate_button.setProperty("kind", "primary")
        self.generate_button.setIcon(icon("play", "on-accent"))
        self.pause_button = word_button("pause", "Pause", "")
        self.step_button = word_button("step", "Step", "Make one more step and rest again")
        self.stop_button = word_button("stop", "Stop", "End the run before the next call of the network")
        self.pause_button.clicked.connect(self._pause_or_resume)
        self.step_button.clicked.connect(self.step)
        self.stop_button.clicked.connect(self.stop)
        self._steering = QWidget()
        row = QHBoxLayout(self._steering)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for button in (self.pause_button, self.step_button, self.stop_button):
            # As wide as their share of the room, whatever they say.
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            row.addWidget(button, 1)
        self._buttons = QStackedLayout()
        self._buttons.addWidget(self.generate_button)
        self._buttons.addWidget(self._steering)
        return self._buttons

    # ---- models

    def _list_models(self) -> None:
        bundles = self.studio.models.of(self._modality)
        self.model.set_options([(bundle.name, bundle.manifest.title) for bundle in bundles])
        self.model.setEnabled(bool(bundles))
        now = self.settings.bundle
        there = next((bundle for bundle in bundles if now is not None and bundle.name == now.name), None)
        if now is None or there is None:
            self.settings.change_bundle(self.studio.models.default(self._modality))
        elif there.digest != now.digest:  # another took its place, or the one that shipped is back
            self.settings.set_bundle(there, keep=True)
        self._settings_changed()

    def _choose_model(self, name: str) -> None:
        bundle = self.studio.models.get(name)
        if bundle is not None and bundle is not self.settings.bundle:
            self.settings.change_bundle(bundle)

    # ---- what it shows

    def _settings_changed(self) -> None:
        bundle = self.settings.bundle
        if bundle is not None and bundle in self.studio.models.of(self._modality):
            self.model.set_value(bundle.name)
            told = escape(shown(bundle.manifest.description, 300))  # a stranger's words are no markup
            self.model.setToolTip(f"<p>{told}</p>" if told else words.HELP["model"])
        self.refresh()

    def _show_state(self) -> None:
        transport, run = self.transport, self.playhead.run
        if run is not None and run.state == "done" and run.id != self._learnt:
            self._learnt = run.id
            self.forecaster.learn(run)
        focus = self.focusWidget()
        held = focus is self.generate_button or self._steering.isAncestorOf(focus)
        paused, stopping = transport.paused, transport.state == "stopping"
        self.pause_button.setText("Go on" if paused else "Pause")
        self.pause_button.setIcon(icon("play" if paused else "pause"))
        self.pause_button.setAccessibleName(self.pause_button.text())
        self.pause_button.setToolTip(
            "Let the run go on from its newest step" if paused else "Let the run rest after the present step"
        )
        self.step_button.setEnabled(paused)
        # The longer word takes the room of the sign.
        self.stop_button.setText("Stopping" if stopping else "Stop")
        self.stop_button.setIcon(QIcon() if stopping else icon("stop"))
        before = self._buttons.currentWidget()
        self._buttons.setCurrentWidget(self._steering if transport.busy else self.generate_button)
        if held and self._buttons.currentWidget() is not before:
            # The keyboard goes on where it was.
            (self.pause_button if transport.busy else self.generate_button).setFocus()
        self.refresh()

    def _pause_or_resume(self) -> None:
        (self.resume if self.transport.paused else self.pause).emit()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._measuring.stop()

    def sizeHint(self) -> QSize:
        return QSize(320, 640)
