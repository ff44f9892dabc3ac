"""The status bar: model, provider and why, time a call, queue, memory."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QLabel, QStatusBar

from studio.ui.context import Studio
from studio.ui.lane import Lane
from studio.ui.words import bytes_text
from studio.ui.workspace import Workspace

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle

MEMORY_MS = 2000
"""Nobody tells of memory, nor of a run that goes on behind the workspace in front."""
MODEL_WIDTH = 280
"""Pixels of a model's title, which is a stranger's; the window would grow with it."""


class StatusBar(QStatusBar):
    """What the workspace in front says, where networks run in any case, and how much memory the program takes."""

    def __init__(self, studio: Studio):
        super().__init__()
        self._studio = studio
        self._workspace: Workspace | None = None
        self._labels: dict[str, QLabel] = {}
        self.setSizeGripEnabled(False)
        for name, title in (
            ("model", "Model"),
            ("provider", "Where the network runs"),
            ("call", "Time of one call of the network"),
            ("queue", "What the network is doing"),
        ):
            self._labels[name] = self._label(title)
            self.addWidget(self._labels[name])
        self._memory = self._label("Memory that Prime Studio takes")
        self.addPermanentWidget(self._memory)
        self._timer = QTimer(self)
        self._timer.setInterval(MEMORY_MS)
        self._timer.timeout.connect(self._tell_memory)
        self._timer.timeout.connect(self._tell)
        self._timer.start()
        self._tell_memory()

    def _label(self, title: str) -> QLabel:
        label = QLabel()
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setProperty("role", "muted")
        label.setAccessibleName(title)
        label.setToolTip(title)
        label.setContentsMargins(8, 0, 8, 0)
        return label

    def look_at(self, workspace: Workspace) -> None:
        if self._workspace is not None:
            self._workspace.status_changed.disconnect(self._tell)
        self._workspace = workspace
        workspace.status_changed.connect(self._tell)
        self._tell()

    def _tell(self) -> None:
        said = self._workspace.status() if self._workspace else {}
        status = {**_at_large(self._studio.lane), **{name: text for name, text in said.items() if text}}
        for name, label in self._labels.items():
            text = status.get(name, "")
            if name == "model":
                text = label.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, MODEL_WIDTH)
            label.setText(text)
            label.setVisible(bool(status.get(name)))
        reason = status.get("reason", "")
        self._labels["provider"].setToolTip(f"Where the network runs: {reason}" if reason else "Where the network runs")

    def _tell_memory(self) -> None:
        used = memory_bytes()
        self._memory.setText("" if used is None else bytes_text(used))

    def close_down(self) -> None:
        self._timer.stop()


def _at_large(lane: Lane) -> dict[str, str]:
    """What is so whatever is looked at: where networks run, and whether one makes something."""
    loaded = lane.latest
    where = {"provider": loaded.provider, "reason": loaded.reason or ""} if loaded else {}
    return {**where, "queue": "running" if any(run.active for run in lane.runs) else ""}


def making_status(lane: Lane, bundle: "Bundle | None", state: str, subject: str) -> dict[str, str]:
    """What a workspace that makes things has to say (`Workspace.status`); state: of the run that is looked at."""
    if bundle is None:
        return {"model": "no model", "subject": subject}
    loaded, seconds = lane.loaded(bundle), lane.call_seconds(bundle, 1)
    return {
        "model": bundle.name,
        "subject": subject,
        "provider": loaded.provider if loaded else "not loaded yet",
        "reason": (loaded.reason or "") if loaded else "",
        "call": f"{1000 * seconds:.0f} ms a call" if seconds else "",
        "queue": state or "idle",
    }


def memory_bytes() -> int | None:
    """Memory of this process that is in RAM; None where the system does not tell cheaply."""
    if sys.platform != "linux":
        return None
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
