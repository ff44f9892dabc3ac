"""How a run fares, in one place and one look for each of its states; for every workspace that makes something."""

import math
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from studio.errors import StudioError
from studio.ui.inspector.forecast import calls_of
from studio.ui.runs import Run
from studio.ui.style import restyle
from studio.ui.tasks import BUG
from studio.ui.timeline.transport import Transport
from studio.ui.widgets.icon_button import IconLabel
from studio.ui.widgets.states import Spinner
from studio.ui.words import count, duration

ICON = 16
AGAIN_MS = 200
"""Between two looks at a run that goes on."""
LONG = 2.0
"""Seconds left from which on they are told."""


@dataclass(frozen=True)
class Look:
    """icon: "" for a spinner. share: of the calls made, 0 … 1, or None where there is no bar."""

    icon: str
    role: str
    text: str
    share: float | None = None


def look_of(run: Run | None, state: str, loading: bool = False, calls: float = math.inf) -> Look:
    """How a run in this state looks. loading: its network is not there yet. calls: that it takes at most; with little
    to be made many steps go by without one, and take no time."""
    if run is None:
        return Look("info", "muted", "Nothing made yet")
    frame = run.frames[-1]
    share = min(max(frame.step / frame.steps, frame.calls / calls), 1.0)
    step = f"step {frame.step} of {frame.steps}"
    match state:
        case "waiting":
            return Look("", "", "Loading the network…" if loading else "Waiting for its turn…", share)
        case "running" if loading and not frame.step:
            return Look("", "", "Loading the network…", share)
        case "running" if run.catching_up:
            return Look("", "", f"Making {count(frame.step, 'step')} again to go on from there…", share)
        case "running":
            left = frame.seconds * (1 - share) / share if share else 0
            more = f" · {duration(left)} left" if left > LONG else ""
            return Look("", "", f"{step.capitalize()}{more}", share)
        case "paused":
            return Look(
                "pause", "warning", f"Paused at {step}" if frame.step else "Paused before the first step", share
            )
        case "stopping":
            return Look("", "", "Stopping…", share)
        case "stopped":
            return Look("stop", "muted", f"Stopped at {step}", share)
        case "failed":
            return Look("error", "danger", str(run.error) if isinstance(run.error, StudioError) else BUG)
        case _:
            return Look("success", "success", f"Done · {count(frame.calls, 'call')} · {duration(frame.seconds)}", 1.0)


class RunState(QWidget):
    """Icon or spinner, a sentence, and a bar of the steps made."""

    def __init__(self, transport: Transport):
        super().__init__()
        self._transport = transport
        self._loading = False
        self._calls = math.inf
        self.setAccessibleName("State of the run")
        self._icon, self._spinner = IconLabel("info", ICON, "muted"), Spinner("Running", ICON)
        self._sign = QStackedLayout()
        self._sign.addWidget(self._icon)
        self._sign.addWidget(self._spinner)
        sign = QWidget()
        sign.setLayout(self._sign)
        sign.setFixedSize(ICON, ICON)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.bar.setAccessibleName("Steps made")
        kept = self.bar.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(kept)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.text, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(row)
        column.addWidget(self.bar)
        column.addStretch(1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        playhead = transport.playhead
        playhead.run_changed.connect(self._take_run)
        playhead.state_changed.connect(self.refresh)
        self._later = QTimer(self, singleShot=True, interval=AGAIN_MS)
        self._later.timeout.connect(self.refresh)
        playhead.grown.connect(self._soon)
        self._take_run()

    def set_loading(self, loading: bool) -> None:
        """Whether the network of the run is still to be loaded."""
        if loading != self._loading:
            self._loading = loading
            self.refresh()

    def _soon(self) -> None:
        if not self._transport.live:
            self.refresh()
        elif not self._later.isActive():
            self._later.start()

    def _take_run(self) -> None:
        run = self._transport.playhead.run
        self._calls = calls_of(run.request, run.bundle) if run is not None else math.inf
        self.refresh()

    def refresh(self) -> None:
        self._later.stop()
        look = look_of(self._transport.playhead.run, self._transport.state, self._loading, self._calls)
        self._sign.setCurrentWidget(self._icon if look.icon else self._spinner)
        if look.icon:
            self._icon.set_icon(look.icon, look.role)
        if look.text != self.text.text():
            self.text.setText(look.text)
            self.setAccessibleDescription(look.text)
        role = "danger" if look.role == "danger" else "" if look.share is not None else "muted"
        restyle(self.text, "role", role)
        self.bar.setVisible(look.share is not None)
        self.bar.setValue(round(1000 * (look.share or 0)))
