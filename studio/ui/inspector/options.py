"""The controls of the inspector, each bound to one of the settings."""

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLayout, QPushButton, QVBoxLayout, QWidget

from studio.prime.policies import POLICIES
from studio.ui.fonts import font
from studio.ui.icons import icon
from studio.ui.inspector import words
from studio.ui.inspector.schedule_preview import SchedulePreview
from studio.ui.sampling_settings import MAX_STEPS, MAX_VARIATIONS, SamplingSettings
from studio.ui.settings import Settings
from studio.ui.widgets.choices import Choice, StopsSlider
from studio.ui.widgets.layout import Field, Section
from studio.ui.widgets.numbers import NumberBox, NumberSlider, SeedBox

FOLDED = ("top_p", "top_k", "schedule", "remask")
"""Under "More"; its heading tells when one of them is not at its default."""
HOTTEST = 2.0
MOST_CLASSES = 1_000_000


class Options(QWidget):
    """Granularity, steps, order, temperature, variations and seed; the rest folded under "More".

    compare: the user asks for a run at each granularity.
    """

    compare = Signal()

    def __init__(self, settings: SamplingSettings, stored: Settings, place: str):
        super().__init__()
        self._settings, self._stored, self._place = settings, stored, f"{place}.inspector"
        self.granularity = StopsSlider("ℓ, parts of a token")
        self.seed = SeedBox("Seed")
        several = "Drafts" if place == "text" else "Variations"
        self.controls: dict[str, Any] = {
            "granularity": self.granularity,
            "steps": NumberSlider("Steps", 1, MAX_STEPS, log=True),
            "policy": Choice("Order", [(name, words.policy_name(name)) for name in words.POLICIES], segmented=False),
            "temperature": NumberSlider("Temperature", 0, HOTTEST, step=0.05, decimals=2),
            "variations": NumberSlider(several, 1, MAX_VARIATIONS, log=True),
            "seed": self.seed,
            "top_p": NumberSlider("Top-p", 0.01, 1, step=0.01, decimals=2),
            "top_k": NumberBox("Top-k", 0, MOST_CLASSES, 0, integer=True),
            "schedule": Choice("Schedule", segmented=False),
            "remask": NumberSlider("Remasking", 0, 1, step=0.05, decimals=2),
        }
        labels = {"granularity": "ℓ (granularity)", "policy": "Order", "top_p": "Top-p", "top_k": "Top-k"}
        labels |= {"remask": "Remasking", "variations": several}
        self.fields = {
            name: Field(labels.get(name, name.capitalize()), control, words.HELP[name], inline=name == "top_k")
            for name, control in self.controls.items()
        }
        for name, control in self.controls.items():
            control.changed.connect(self._setter(name))
        self.seed.lock_changed.connect(self._lock)
        for policy in POLICIES:
            self.controls["policy"].set_option_help(policy, words.POLICIES[policy][1])
        self._lay_out()
        settings.changed.connect(self.refresh)
        self.refresh()

    def _lay_out(self) -> None:
        self.preview = SchedulePreview()
        self.policy_help = _help()
        self.compare_button = QPushButton(icon("compare"), "Compare ℓ")
        self.compare_button.setAccessibleName("Compare ℓ")
        self.compare_button.setToolTip("Make the same with the same seed at each ℓ, side by side")
        self.compare_button.clicked.connect(self.compare)
        self.granularity_help = _help("1: a token at once · more: rough first, then finer")
        beside = QHBoxLayout()
        beside.setSpacing(8)
        beside.addWidget(self.granularity_help, 1)
        beside.addWidget(self.compare_button, 0, Qt.AlignmentFlag.AlignTop)
        self.more = Section("More", expanded=bool(self._stored.ui(self._place).get("more", False)))
        self.more.toggled.connect(self._remember)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)
        below: dict[str, QWidget | QLayout] = {
            "granularity": beside,
            "policy": self.policy_help,
            "schedule": self.preview,
        }
        for name, field in self.fields.items():
            what = field if name not in below else _together(field, below[name])
            if name in FOLDED:
                self.more.add(what)
            else:
                column.addWidget(what)
        column.addWidget(self.more)

    def refresh(self) -> None:
        """Show what the settings are now."""
        settings = self._settings
        defaults = {"variations": 1} | settings.defaults()
        self.granularity.set_stops(settings.granularities)
        self.controls["schedule"].set_options([(name, words.schedule_name(name)) for name in settings.schedules])
        # A stored value may lie beyond what the slider offers; it is shown as it is.
        hottest = max(HOTTEST, settings.get("temperature"), defaults.get("temperature", 0.0))
        self.controls["temperature"].set_range(0, hottest)
        for name, field in self.fields.items():
            self.controls[name].set_value(settings.get(name))
            if name in defaults:
                field.set_default(defaults[name])
        self.seed.set_locked(settings.get("seed_locked"))
        self.compare_button.setEnabled(len(settings.granularities) > 1)
        self.policy_help.setText(words.POLICIES[settings.get("policy")][1])
        self.preview.set_schedule(settings.get("schedule"))
        changed = sum(settings.get(name) != defaults.get(name, settings.get(name)) for name in FOLDED)
        self.more.set_title(f"More ({changed} changed)" if changed else "More")

    def _setter(self, name: str) -> Any:
        def put(value: Any) -> None:
            self._settings.set(**{name: value})
            self.refresh()

        return put

    def _lock(self, locked: bool) -> None:
        self._settings.set(seed_locked=locked, seed_brought=False)

    def _remember(self, expanded: bool) -> None:
        self._stored.set_ui(self._place, more=expanded)


def _together(field: Field, what: QWidget | QLayout) -> QWidget:
    """A field with what belongs to it close below."""
    both = QWidget()
    column = QVBoxLayout(both)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(4)
    column.addWidget(field)
    if isinstance(what, QLayout):
        column.addLayout(what)
    else:
        column.addWidget(what)
    return both


def _help(text: str = "") -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "muted")
    label.setFont(font(12))
    label.setWordWrap(True)
    return label
