"""How long the main thread is away: gaps between the beats of a quick timer."""

import time
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer

BEAT_MS = 2


def _queued() -> float:
    """Seconds that this thread, the main one, has been waiting for a core; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class StallProbe(QObject):
    """Between `begin` and `end` it notes every gap; a beat of two milliseconds is the shortest that it sees."""

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self.gaps: list[float] = []
        self.own: list[float] = []
        """The gaps without the time in which the thread was ready and others had the cores."""
        self._last = self._queued = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)

    def begin(self) -> None:
        self.gaps.clear()
        self.own.clear()
        self._last, self._queued = time.perf_counter(), _queued()
        self._timer.start()

    def end(self) -> None:
        self._timer.stop()
        self._beat()

    def _beat(self) -> None:
        now, queued = time.perf_counter(), _queued()
        self.gaps.append(now - self._last)
        self.own.append(max(0.0, now - self._last - (queued - self._queued)))
        self._last, self._queued = now, queued

    def milliseconds(self, share: float, gaps: list[float] | None = None) -> float:
        """The gap that this share of all gaps does not exceed, weighed by time: the longest of every hundred moments
        for 0.99, not of every hundred beats, of which an idle loop makes ever more."""
        ordered = sorted(self.gaps if gaps is None else gaps)
        total, passed = sum(ordered), 0.0
        for gap in ordered:
            passed += gap
            if passed >= share * total:
                return 1000 * gap
        return 1000 * ordered[-1]

    @property
    def longest(self) -> float:
        return 1000 * max(self.gaps)
