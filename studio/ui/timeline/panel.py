"""The timeline: every step of the run can be looked at again, and gone on from."""

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from PySide6.QtCore import QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QHideEvent, QPainter, QPaintEvent, QPen, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from studio.ui import theme
from studio.ui.runs import Run
from studio.ui.timeline.curves import Curves
from studio.ui.timeline.loading import load
from studio.ui.timeline.scrubber import Scrubber
from studio.ui.timeline.transport import Transport
from studio.ui.timeline.words import counter
from studio.ui.widgets.choices import Choice
from studio.ui.widgets.icon_button import IconButton, word_button

if TYPE_CHECKING:
    from studio.ui.timeline.chart import Chart

Exports = Sequence[tuple[str, str]]
"""Kinds for the signal `export`, each with the words of its menu entry."""

PICTURE_EXPORTS: Exports = (
    ("gif", "Animated GIF…"),
    ("webp", "Animated WebP…"),
    ("mp4", "MP4 video…"),
    ("strip", "Strip of frames (PNG)…"),
)
WARM_MS = 400
"""When the curves' library is loaded, after the panel is first seen: the window comes first."""
DRAW_S = 0.2
"""Curves and figures are told again at most this often while a run is going: every word that changes lays out a part
of the window anew, on a core that the network could use."""
NARROW = 620
EMPTY = "The steps of a run appear here: look at each again, play them, go on from any of them."
BRANCH_HELP = "Go on from this step with the settings of the inspector"


class TimelinePanel(QWidget):
    """Scrubber, buttons and curves for the run of a playhead.

    branch: go on from the frame of this index with the settings of the inspector. export: make a file of this kind.
    """

    branch = Signal(int)
    export = Signal(str)

    def __init__(self, transport: Transport, exports: Exports = PICTURE_EXPORTS):
        super().__init__()
        self.transport, self.playhead = transport, transport.playhead
        self.chart: Chart | None = None
        self._kept: WeakKeyDictionary[Run, Curves] = WeakKeyDictionary()
        self._curves: Curves | None = None
        self._loading = load()
        self._drawn = 0.0
        self._branch_problem = ""
        self.setAccessibleName("Timeline")
        self._build(exports)
        self._later = QTimer(self, singleShot=True)
        self._later.timeout.connect(self._draw)
        self._warm = QTimer(self)
        self._warm.timeout.connect(self._load_chart)
        self.playhead.run_changed.connect(self._show_run)
        self.playhead.grown.connect(self._grow)
        self.playhead.frame_changed.connect(self._show_frame)
        self.playhead.state_changed.connect(self._show_state)
        self._show_run()

    def set_branch_problem(self, text: str) -> None:
        """Why there is no going on from the frame shown, in one sentence, or "" where there is."""
        self._branch_problem = text
        self.to_branch.setEnabled(self.playhead.run is not None and not text)
        self.to_branch.setToolTip(text or BRANCH_HELP)

    # ---- what it is made of

    def _build(self, exports: Exports) -> None:
        self.to_first = IconButton("first", "First step")
        self.to_back = IconButton("step-back", "Step back; a run that goes on is paused")
        self.to_play = IconButton("play", "Play")
        self.to_forward = IconButton("step", "Step forward; at the end of a paused run one more step is made")
        self.to_last = IconButton("last", "Newest step")
        for button, do in (
            (self.to_first, self.transport.first),
            (self.to_back, self.transport.back),
            (self.to_play, self.transport.play_or_rest),
            (self.to_forward, self.transport.forward),
            (self.to_last, self.transport.last),
        ):
            button.clicked.connect(do)
        self.counter = _Counter()
        self.counter.setAccessibleName("Where the frame shown stands")
        self.go_on = word_button("play", "Go on", "Let the run go on from its newest step")
        self.go_on.clicked.connect(self.transport.go_on)
        self.to_branch = word_button("branch", "Branch here", BRANCH_HELP)
        self.to_branch.clicked.connect(self._branch)
        self.to_export = word_button("export", "Export", "Make a file of the steps of this run")
        self._menu = QMenu(self.to_export)
        for kind, title in exports:
            self._menu.addAction(title).setData(kind)
        self._menu.triggered.connect(self._export)
        self.to_export.setMenu(self._menu)

        bar = QHBoxLayout()
        bar.setSpacing(2)
        for button in (self.to_first, self.to_back, self.to_play, self.to_forward, self.to_last):
            bar.addWidget(button)
        bar.addSpacing(12)
        bar.addWidget(self.counter, 1)
        for button in (self.go_on, self.to_branch, self.to_export):
            bar.addSpacing(6)
            bar.addWidget(button)

        self.scrubber = Scrubber()
        self.scrubber.valueChanged.connect(self.transport.show)
        self.scrubber.back.connect(self.transport.back)
        self.scrubber.forward.connect(self.transport.forward)
        self.scrubber.play.connect(self.transport.play_or_rest)

        self._empty = QLabel()
        self._empty.setProperty("role", "muted")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._stage = QStackedLayout()
        self._stage.addWidget(self._empty)

        track = QVBoxLayout()
        track.setSpacing(2)
        track.addLayout(self._stage, 1)
        track.addWidget(self.scrubber)
        middle = QHBoxLayout()
        middle.setSpacing(12)
        self.legend = self._legend()
        middle.addWidget(self.legend)
        middle.addLayout(track, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(12, 8, 12, 8)
        whole.setSpacing(6)
        whole.addLayout(bar)
        whole.addLayout(middle, 1)

    def _legend(self) -> QWidget:
        """The curves by name and line, with their values at the frame shown."""
        self.known, self.other = QLabel(), QLabel()
        self.second = Choice(
            "Second curve", (("confidence", "Confidence"), ("revealed", "Digits per step")), segmented=False
        )
        self.second.set_option_help("confidence", "Mean probability of what was drawn so far, as the network gave it")
        self.second.set_option_help("revealed", "Digits revealed in each step; the top is the most of any step")
        self.second.changed.connect(self._choose)
        known = QLabel("Known")
        known.setToolTip("Share of the digits to be made that are known")
        legend = QWidget()
        legend.setFixedWidth(214)
        column = QVBoxLayout(legend)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for line, name, value in (
            (_Line("curve-1"), known, self.known),
            (_Line("curve-2", Qt.PenStyle.DashLine), self.second, self.other),
        ):
            value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            value.setFixedWidth(42)
            row = QHBoxLayout()
            row.setSpacing(6)
            row.addWidget(line)
            row.addWidget(name, 1)
            row.addWidget(value)
            column.addLayout(row)
        column.addStretch(1)
        self.known.setAccessibleName("Share known")
        self.other.setAccessibleName("Second curve at this step")
        return legend

    # ---- the library of the curves, loaded beside the window

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.chart is None:
            self._warm.start(WARM_MS)
        self._draw()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.close_down()

    def _load_chart(self) -> None:
        """Go on loading, and when that is done make the chart."""
        self._warm.setInterval(20)
        if next(self._loading, "done") != "done":
            return
        self._warm.stop()
        from studio.ui.timeline.chart import Chart

        self.chart = Chart()
        self.chart.scrubbed.connect(self.transport.show)
        self._stage.addWidget(self.chart)
        self._show_run()

    # ---- what it shows

    def _show_run(self) -> None:
        run = self.playhead.run
        self._later.stop()
        self._curves = None
        if run is not None:
            self._curves = self._kept.get(run) or self._kept.setdefault(run, Curves(run))
        if self.chart is not None:
            self.chart.set_steps(run.request.steps if run else 1)
            self._stage.setCurrentWidget(self.chart if run else self._empty)
        self._empty.setText(EMPTY if run is None else "")  # its curves come in a moment
        self.scrubber.set_steps(run.request.steps if run else 1)
        for widget in (self.scrubber, self.legend):
            widget.setVisible(run is not None)
        self.to_export.setEnabled(run is not None)
        self.set_branch_problem(self._branch_problem)
        self._reach()
        self._draw()
        self._show_state()

    def _grow(self) -> None:
        """The run has more frames: let them be reached and read at once, and their curves be drawn before long."""
        self._reach()
        if self._curves is not None:
            self._curves.advance()
        wait = DRAW_S - (time.monotonic() - self._drawn)
        if wait <= 0:
            self._draw()
        elif not self._later.isActive():
            self._later.start(math.ceil(1000 * wait))

    def _draw(self) -> None:
        if self._curves is not None and self._curves.advance():
            self._later.start(round(1000 * DRAW_S))
        self._drawn = time.monotonic()
        if self.chart is not None:
            self.chart.draw(self._curves)
        self._tell_frame()

    def _reach(self) -> None:
        with QSignalBlocker(self.scrubber):
            self.scrubber.setMaximum(self.playhead.last)
        self.scrubber.update()

    def _show_frame(self) -> None:
        if not (self.transport.live and self.playhead.following):  # else the next drawing does it
            self._tell_frame()

    def _tell_frame(self) -> None:
        frame, index = self.playhead.frame, self.playhead.index
        self._reach()
        with QSignalBlocker(self.scrubber):
            self.scrubber.setValue(index)
        if self.chart is not None:
            self.chart.set_position(index)
        self.counter.tell(counter(frame) + self._origin() if frame else "")
        self.scrubber.setAccessibleDescription(self.counter.toolTip())
        self._show_values()
        self._enable()

    def _origin(self) -> str:
        parent = self.playhead.run.parent if self.playhead.run else None
        return f" · branched at step {parent[1]}" if parent else ""

    def _show_values(self) -> None:
        """What the curves say at the frame shown; nothing where they are not so far yet."""
        curves, index = self._curves, self.playhead.index
        known = other = ""
        if curves is not None and index < curves.count:
            known = f"{100 * curves.known[index]:.0f} %"
            confidence = curves.confidence[index]
            if self.second.value() == "revealed":
                other = f"{curves.revealed[index]:d}"
            elif not np.isnan(confidence):
                other = f"{confidence:.2f}"
        self.known.setText(known)
        self.other.setText(other)

    def _show_state(self) -> None:
        resting = not (self.transport.live or self.playhead.playing)
        self.to_play.set_icon("play" if resting else "pause")
        self.to_play.set_name("Play the steps" if resting else "Pause")
        self.go_on.setVisible(self.transport.paused)
        self._tell_frame()

    def _enable(self) -> None:
        index, last = self.playhead.index, self.playhead.last
        some = self.playhead.run is not None and last > 0
        self.to_first.setEnabled(index > 0)
        self.to_back.setEnabled(index > 0)
        self.to_play.setEnabled(some or self.transport.live)
        self.to_forward.setEnabled(index < last or self.transport.paused)
        self.to_last.setEnabled(index < last or (self.transport.busy and not self.playhead.following))

    def _branch(self) -> None:
        self.branch.emit(self.playhead.index)

    def _export(self, action: QAction) -> None:
        self.export.emit(action.data())

    def _choose(self, name: str) -> None:
        if self.chart is not None:
            self.chart.set_second(name, self._curves)
        self._show_values()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrow = self.width() < NARROW
        self.to_branch.setText("" if narrow else "Branch here")
        self.to_export.setText("" if narrow else "Export")

    def sizeHint(self) -> QSize:
        return QSize(720, 180)

    def close_down(self) -> None:
        """Stop what is timed; nobody looks at it."""
        self._later.stop()
        self._warm.stop()


class _Counter(QLabel):
    """Figures, as many as there is room for: none is cut off."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(100)

    def tell(self, text: str) -> None:
        self._whole = text
        self.setToolTip(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        parts = self._whole.split(" · ")
        while len(parts) > 1 and self.fontMetrics().horizontalAdvance(" · ".join(parts)) > self.width():
            parts.pop()
        self.setText(" · ".join(parts))


class _Line(QWidget):
    """A piece of a curve, for the legend."""

    def __init__(self, role: str, style: Qt.PenStyle = Qt.PenStyle.SolidLine):
        super().__init__()
        self._role, self._style = role, style
        self.setFixedSize(18, 12)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(QPen(theme.color(self._role), 2, self._style))
        painter.drawLine(0, 6, 18, 6)
        painter.end()
