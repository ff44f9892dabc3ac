"""Which runs are at work, whichever is shown, and how the end of one is told wherever the user is."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from studio.errors import StudioError
from studio.training.client import Run, find_runs
from studio.ui.notices import WINDOW, Kind, Notice, Notices
from studio.ui.train.watching import Watch

LOOK_MS = 1000
"""Between two looks while one is at work; else nobody looks."""


class AtWork(QObject):
    """The runs of a folder that are at work. `changed` where they are others, `ended` tells the one that is over."""

    changed = Signal()
    ended = Signal(object)

    def __init__(self, folder: Path, watch: Watch, parent: QObject) -> None:
        super().__init__(parent)
        self._folder, self._watch = folder, watch
        self._runs: dict[str, Run] = {}
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self._look_again)

    @property
    def names(self) -> list[str]:
        """Those of the last look."""
        return list(self._runs)

    def look(self) -> list[Run]:
        """All that are at work now, also those that another program began."""
        self._take(find_runs(self._folder))
        return list(self._runs.values())

    def training(self) -> list[Run]:
        """As `look`, with one whose process only starts; of the one that is shown its watch knows sooner than its
        lock."""
        watch = self._watch
        runs = {run.folder: run for run in self.look() if run.folder != watch.folder}
        for run in (watch.beginning, watch.run if watch.active else None):
            if run is not None:
                runs[run.folder] = run
        return list(runs.values())

    def must_be_none(self) -> None:
        """StudioError while one is at work: a second would take its time and its memory."""
        if runs := self.training():
            raise StudioError(f"“{runs[0].folder.name}” is training: stop it before another run begins.")

    async def stop(self, runs: Sequence[Run]) -> None:
        """Stop these, with a checkpoint of each."""
        await self._watch.begun()
        shown = self._watch.folder
        await asyncio.gather(*(self._watch.stop() if run.folder == shown else run.stop() for run in runs))

    def close(self) -> None:
        self._timer.stop()

    def _look_again(self) -> None:
        self._take(list(self._runs.values()))

    def _take(self, runs: list[Run]) -> None:
        before, self._runs = self._runs, {run.folder.name: run for run in runs if run.running}
        if self._runs and not self._timer.isActive():
            self._timer.start()
        elif not self._runs:
            self._timer.stop()
        if before.keys() != self._runs.keys():
            self.changed.emit()
        for name, run in before.items():
            if name not in self._runs:
                self.ended.emit(run)


class Ends:
    """What is told of the ends of runs, for as long as it is of use."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._told: list[tuple[Path, Notice]] = []

    def tell(
        self,
        folder: Path,
        words: str,
        kind: Kind,
        place: str = WINDOW,
        details: str = "",
        offer: tuple[str, Callable[[], object]] | None = None,
    ) -> None:
        """offer: what can be done, in words and as a function."""
        action, do = offer or ("", None)
        self._told.append((folder, self._notices.show(words, kind, place, details, action=action, on_action=do)))

    def tell_why(self, watch: Watch, place: str, resume: Callable[[], None], use: Callable[[], None]) -> None:
        """At its place, why the run that is shown has ended before its last step, and what can be done with it."""
        if watch.run is None or not watch.live:
            return
        folder, log = watch.run.folder, watch.run.log_tail() if watch.state in ("failed", "lost") else ""
        if watch.state == "failed" and not watch.start:  # its folder goes, and another run is shown below why
            self._notices.show(watch.message, "error", place, log)
        elif watch.state in ("failed", "lost") and watch.message:
            again = ("Go on at a tenth of the rate", resume) if watch.diverged else None
            self.tell(folder, watch.message, "error", place, log, again)
        elif watch.state == "done" and watch.early:
            best = next((entry.step for entry in watch.checkpoints() if entry.best), 0)
            words = f"The run ended early: no better figure since step {best:,}, whose checkpoint is the best."
            self.tell(folder, words, "info", place, offer=("Use it in studio", use))

    def look_at(self, shown: Path | None, in_front: bool) -> None:
        """Take back what its place says of runs that are not shown there, and, once it is in front, what the window
        says of the one that is."""
        kept = []
        for folder, notice in self._told:
            if (folder != shown) if notice.place != WINDOW else ((in_front and folder == shown) or not folder.exists()):
                self._notices.dismiss(notice)
            else:
                kept.append((folder, notice))
        self._told = kept


def end_words(run: Run) -> tuple[str, Kind] | None:
    """How a run ended, in a sentence; None where its user stopped it."""
    event, name = run.ending(), run.folder.name
    if event["event"] != "end":
        return f"“{name}” broke off: {event.get('message', '')}", "error"
    if event.get("finished"):
        return f"The training of “{name}” is finished.", "success"
    if event.get("reason") == "early":
        return f"The training of “{name}” ended early: it got no better.", "info"
    return (f"The training of “{name}” ended: its time was up.", "info") if event.get("reason") == "time" else None
