"""What can be done in the Models workspace, as actions of the window."""

from typing import TYPE_CHECKING

from PySide6.QtGui import QAction

from studio.ui.actions import Row

if TYPE_CHECKING:
    from studio.ui.models.workspace import ModelsWorkspace

PLACE = "models"


def add_actions(workspace: "ModelsWorkspace") -> dict[str, QAction]:
    """What can be done, by the last part of its id."""
    rows: tuple[Row, ...] = (
        ("use", "Use this model", workspace.use, "", "play", ""),
        (
            "import",
            "Import…",
            workspace.import_file,
            "Ctrl+O",
            "import",
            "A .primebundle, or a published .pth or .ckpt",
        ),
        ("import-folder", "Import a folder…", workspace.import_folder, "", "folder", "A folder with a manifest.json"),
        ("export", "Export…", workspace.export, "Ctrl+E", "export", "As one .primebundle file"),
        ("verify", "Verify", workspace.verify, "", "verify", "Every file, and a run of the network"),
        ("verify-all", "Verify all", workspace.verify_all, "", "verify", "Every file, and a run of each network"),
        ("measure", "Measure the speed here", workspace.measure, "", "speed", ""),
        ("rename", "Rename…", workspace.rename, "F2", "rename", ""),
        ("remove", "Remove…", workspace.remove, "Del", "trash", "What came with the program stays"),
    )
    return workspace.studio.actions.add_all(PLACE, rows)
