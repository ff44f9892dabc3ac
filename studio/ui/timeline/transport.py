"""What the buttons of the timeline and the inspector do to the run that is being looked at."""

from PySide6.QtCore import QObject

from studio.ui.playhead import Playhead
from studio.ui.runs import OVER, Run


class Transport(QObject):
    """Moves the playhead and steers its run. What does not apply at the moment does nothing."""

    def __init__(self, playhead: Playhead, parent: QObject | None = None):
        super().__init__(parent)
        self.playhead = playhead
        self._stepping: Run | None = None
        playhead.state_changed.connect(self._look)
        playhead.run_changed.connect(self._look)

    @property
    def state(self) -> str:
        """The run's state as buttons should show it: a single step is a part of the pause. "" without a run."""
        state, run = self.playhead.state, self._stepping
        single = run is not None and not run.catching_up
        return "paused" if single and state in ("waiting", "running") else state

    @property
    def live(self) -> bool:
        """Whether the run goes on by itself."""
        return self.state in ("waiting", "running")

    @property
    def paused(self) -> bool:
        return self.state == "paused"

    @property
    def busy(self) -> bool:
        """Whether there is a run that is not over."""
        return self.state not in ("", *OVER)

    def first(self) -> None:
        self.playhead.show(0)

    def last(self) -> None:
        self.playhead.follow()

    def show(self, index: int) -> None:
        """Look at a frame, and at what comes after it if it is the newest; the run itself is left alone."""
        if index >= self.playhead.last:
            self.playhead.follow()
        else:
            self.playhead.show(index)

    def back(self) -> None:
        """The frame before; a run that goes on is paused first."""
        self.pause()
        self.playhead.show(self.playhead.index - 1)

    def forward(self) -> None:
        """The next frame; at the end of a paused run it is made."""
        if self.playhead.index < self.playhead.last:
            self.show(self.playhead.index + 1)
        else:
            self.step()

    def play_or_rest(self) -> None:
        """What one button does: play the record from here, or let rest what is moving, the record or the run."""
        if self.playhead.playing:
            self.playhead.stop_playing()
        elif self.live:
            self.pause()
        else:
            self.playhead.play()

    def pause(self) -> None:
        """Let a run that goes on rest after the frame that is being made."""
        if self.playhead.run is not None and self.live:
            self.playhead.run.pause()
            self.playhead.watch()

    def step(self) -> None:
        """Make one more frame of a paused run and look at it."""
        if self.playhead.run is not None and self.paused:
            self._stepping = self.playhead.run
            self.playhead.follow()
            self.playhead.run.step()
            self.playhead.watch()

    def go_on(self) -> None:
        """Let a paused run go on from its newest frame, and follow it."""
        if self.playhead.run is not None and self.paused:
            self._stepping = None
            self.playhead.follow()
            self.playhead.run.resume()
            self.playhead.watch()

    def stop(self) -> None:
        """End the run before its next call."""
        if self.playhead.run is not None and self.busy:
            self._stepping = None
            self.playhead.stop_playing()
            self.playhead.run.stop()
            self.playhead.watch()

    def _look(self) -> None:
        if self.playhead.run is not self._stepping or self.playhead.state not in ("waiting", "running"):
            self._stepping = None
