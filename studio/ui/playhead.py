"""Which frame of which run is being looked at."""

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from studio.ui.runs import Kept, Run

TICK_MS = 22
KEEP_S = 10.0
"""After how long what a run has made is worth keeping, lest a crash take it; a long run's a little less often."""
PLAY_SECONDS = 3.0
"""How long playing a whole record takes at speed 1, within the bounds below."""
PLAY_MS = (30, 250)


class Playhead(QObject):
    """The frame that is shown: the newest while it follows, any other when scrubbed.

    It looks at the run at the pace of the display and shows the latest frame; none is queued.
    """

    run_changed = Signal()
    frame_changed = Signal()
    """Another frame is shown."""
    grown = Signal()
    """The run has more frames than before."""
    lasting = Signal()
    """A run that goes on has made so much more that it should be kept."""
    state_changed = Signal()
    """The run's state, or whether the record is being played, is another."""

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._run: Run | None = None
        self._index, self._seen, self._state = 0, 0, ""
        self._following = True
        self._keep_at = KEEP_S
        self._watch = QTimer(self)
        self._watch.setTimerType(Qt.TimerType.PreciseTimer)
        self._watch.setInterval(TICK_MS)
        self._watch.timeout.connect(self._look)
        self._play = QTimer(self)
        self._play.timeout.connect(self._play_on)

    @property
    def run(self) -> Run | None:
        return self._run

    @property
    def index(self) -> int:
        """Index of the frame that is shown, 0 the start state."""
        return self._index

    @property
    def last(self) -> int:
        """Index of the newest frame, as last looked at."""
        return max(0, self._seen - 1)

    @property
    def following(self) -> bool:
        return self._following

    @property
    def playing(self) -> bool:
        return self._play.isActive()

    @property
    def frame(self) -> Kept | None:
        return self._run.frames[self._index] if self._run else None

    @property
    def state(self) -> str:
        """The run's state as last looked at; "" without a run."""
        return self._state

    def set_run(self, run: Run | None) -> None:
        """Look at another run, at its newest frame."""
        self.stop_playing()
        self._run, self._following, self._keep_at = run, True, KEEP_S
        self._seen = len(run.frames) if run else 0
        self._index = self.last
        self._state = run.state if run else ""
        self.run_changed.emit()
        self.frame_changed.emit()
        self.state_changed.emit()
        self.watch()

    def watch(self) -> None:
        """Look at the run until it is idle; to be called after it was told to do something."""
        if self._run is None:
            self._watch.stop()
            return
        self._watch.start()
        self._look()

    def show(self, index: int) -> None:
        """Show this frame, within what there is; the newest one is followed only on `follow`."""
        self.stop_playing()
        self._go(index)

    def follow(self) -> None:
        self.stop_playing()
        self._following = True
        self._set_index(self.last)

    def play(self) -> None:
        """Play the record from the frame shown, from the start if that is the last one."""
        if self._run is None or self.last == 0:
            return
        if self._index >= self.last:
            self._go(0)
        self._following = False
        self._play.start(min(max(round(1000 * PLAY_SECONDS / self.last), PLAY_MS[0]), PLAY_MS[1]))
        self.state_changed.emit()

    def stop_playing(self) -> None:
        if self._play.isActive():
            self._play.stop()
            self.state_changed.emit()

    def close_down(self) -> None:
        self._watch.stop()
        self._play.stop()
        self._run = None

    def _go(self, index: int) -> None:
        self._following = False
        self._set_index(min(max(index, 0), self.last))

    def _play_on(self) -> None:
        if self._index >= self.last:
            self.stop_playing()
        else:
            self._set_index(self._index + 1)

    def _set_index(self, index: int) -> None:
        if index != self._index:
            self._index = index
            self.frame_changed.emit()

    def _look(self) -> None:
        run = self._run
        if run is None:
            return
        # The state first: what ends a run comes after its last frame, so none is missed.
        active, state, seen = run.active, run.state, len(run.frames)
        grown, self._seen = seen != self._seen, seen
        if grown:
            self.grown.emit()
            if run.frames[-1].seconds >= self._keep_at:
                self._keep_at = run.frames[-1].seconds * 1.25 + KEEP_S
                self.lasting.emit()
            if self._following:
                self._set_index(self.last)
        if state != self._state:
            self._state = state
            self.state_changed.emit()
        if not active and run is self._run:
            self._watch.stop()
