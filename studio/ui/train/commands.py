"""What can be done in the train workspace, as actions of the window."""

from typing import TYPE_CHECKING

from PySide6.QtGui import QAction

from studio.ui.actions import Row

if TYPE_CHECKING:
    from studio.ui.train.workspace import TrainWorkspace

PLACE = "train"


def add_actions(workspace: "TrainWorkspace") -> dict[str, QAction]:
    """What can be done, by the last part of its id."""
    rows: tuple[Row, ...] = (
        ("open", "Open data…", workspace.ask_open, "Ctrl+O", "open", "An archive, a table or a text."),
        ("open-folder", "Open a folder…", workspace.ask_folder, "Ctrl+Shift+O", "folder", "Of pictures or texts."),
        ("start", "Start training", workspace.start, "Ctrl+Return", "play", "A new run, in the background."),
        ("estimate", "Estimate", workspace.estimate, "", "speed", "Memory and time, from a few real steps."),
        ("pause", "Pause or resume", workspace.pause, "Ctrl+P", "pause", "With a checkpoint; it goes on there."),
        ("resume", "Resume", workspace.resume, "", "play", "Go on from the newest checkpoint."),
        ("sample", "Make a preview now", lambda: workspace.watch.ask("sample"), "", "film", ""),
        ("save", "Save a checkpoint now", lambda: workspace.watch.ask("save"), "Ctrl+S", "save", ""),
        ("stop", "Stop the training", workspace.watch.stop, "Ctrl+.", "stop", "With a checkpoint."),
        ("use", "Use in studio", workspace.use_best, "", "accept", "Make a model of the best checkpoint and load it."),
        ("delete", "Delete the run…", workspace.delete, "", "trash", "With its checkpoints; it asks first."),
        (
            "tidy",
            "Remove unused data…",
            workspace.tidy,
            "",
            "trash",
            "Copies of data that no run needs; it asks first.",
        ),
    )
    return workspace.studio.actions.add_all(PLACE, rows)
