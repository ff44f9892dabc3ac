"""The window's own actions, and the menu bar that shows them with those of the workspace in front."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl
from PySide6.QtGui import QAction, QDesktopServices
from PySide6.QtWidgets import QMenu

from studio import __version__
from studio.ui.command_palette import CommandPalette
from studio.ui.recent import RecentMenu
from studio.ui.shortcuts import ShortcutsDialog
from studio.ui.theme import MODES, Mode

if TYPE_CHECKING:
    from studio.ui.window import Window

MENUS: dict[str, tuple[str, ...]] = {
    "&File": (
        *("*import", "*import-folder", "*new", "*open", "recent", "*open-folder", "*close-folder", "*paste", "-"),
        *("*save", "*copy", "*export", "*export-plain", "*export-grid", "*export-table"),
        *("*import-mask", "*export-mask", "*tidy", "-", "close"),
    ),
    "&Edit": (
        *("undo", "redo", "-", "*find", "*select-all", "*invert", "*clear", "*grow", "*shrink"),
        *("*mask-transparent", "*auto-frame"),
        *("-", "*planes-all", "*planes-high", "*planes-low", "*apply-planes"),
        *("*gap", "*insert-gap", "*shorter", "*longer", "*give-back", "*remove-gap", "*previous-gap", "*next-gap"),
        *("-", "*words", "*pin-word"),
        *("*star", "*rename", "*restore", "*delete", "*remove", "-", "shortcuts"),
    ),
    "&Tools": (
        *("*tool-brush", "*tool-eraser", "*tool-rectangle", "*tool-lasso", "*tool-fill", "-"),
        *("*tool-frame", "*tool-hand", "-", "*tool-pin", "*tool-paint", "*tool-picker"),
        *("-", "*larger", "*smaller"),
    ),
    "&Make": (
        *("*generate", "*start", "*estimate", "*stop", "*pause", "*resume", "*step", "*back", "*sample", "-"),
        *("*branch", "*redo-rest", "*compare", "*verify", "*verify-all", "*measure"),
        *("-", "*previous", "*next", "*accept", "*use", "*discard"),
    ),
    "&View": (
        *("palette", "-", "go-image", "go-text", "go-train", "go-gallery", "go-models", "-"),
        *("*zoom-in", "*zoom-out", "*zoom-fit", "*zoom-one", "*marks", "-"),
        *("*picture", "*states", "*confidence", "*difference", "*surprise", "*windows", "*wipe", "-"),
        *(f"theme-{mode}" for mode in MODES),
    ),
    "&Help": ("tour", "log", "about"),
}
"""Action ids; "*" stands for the workspace in front. What it does not have is left out; "recent" is a menu."""


def add_actions(window: "Window") -> None:
    """Register what the window itself can do."""
    studio, actions = window.studio, window.studio.actions
    actions.attach(window)
    undo, redo = studio.undo, studio.undo
    for id, title, signal, text, slot, shortcut in (
        ("undo", "Undo", undo.canUndoChanged, undo.undoTextChanged, undo.undo, "Ctrl+Z"),
        ("redo", "Redo", redo.canRedoChanged, redo.redoTextChanged, redo.redo, "Ctrl+Shift+Z"),
    ):
        action = actions.add(f"window.{id}", title, slot, shortcut=shortcut, icon=id)
        action.setEnabled(False)
        signal.connect(action.setEnabled)
        text.connect(_naming(action, title))
    for number, workspace in enumerate(window.workspaces, start=1):
        actions.add(
            f"window.go-{workspace.name}",
            f"Go to {workspace.title}",
            _bringing(window, workspace.name),
            shortcut=f"Alt+{number}",
            icon=workspace.icon,
        )
    palette = CommandPalette(actions, studio.settings, window, window.bring_to_front)
    actions.add("window.palette", "Command palette…", palette.open, shortcut="Ctrl+K", icon="search")
    actions.add(
        "window.shortcuts", "Keyboard shortcuts…", lambda: ShortcutsDialog(actions, window).open(), icon="keyboard"
    )
    for mode, title, name in zip(
        MODES, ("Theme of the system", "Dark theme", "Light theme"), ("monitor", "moon", "sun"), strict=True
    ):
        action = actions.add(f"window.theme-{mode}", title, _theming(window, mode), icon=name, group="theme")
        action.setChecked(studio.theme.mode == mode)
    actions.add("window.close", "Close", window.close, shortcut="Ctrl+Q")
    actions.add("window.tour", "A tour of the studio", lambda: _show_tour(window), shortcut="F1", icon="info")
    actions.add("window.log", "Show the log file", _show_log)
    actions.add("window.about", "About Prime Studio", lambda: _about(window))


def fill(window: "Window") -> None:
    """Show the menus of the workspace in front. They are made once and kept: Qt would keep those that are made anew
    each time as well, and to delete one while it is open is to ask for a crash."""
    bar, name = window.menuBar(), window.workspace.name
    for action in bar.actions():  # not clear(), after which Python takes the actions for deleted
        bar.removeAction(action)
    if name not in window.menus:
        window.menus[name] = _menus_of(window, name)
    for menu in window.menus[name]:
        bar.addMenu(menu)


def _menus_of(window: "Window", workspace: str) -> list[QMenu]:
    bar, actions, made = window.menuBar(), window.studio.actions, list[QMenu]()
    for title, entries in MENUS.items():
        menu = QMenu(title, bar)
        for entry in entries:
            owner, name = (workspace, entry[1:]) if entry.startswith("*") else ("window", entry)
            if entry == "-":
                menu.addSeparator()
            elif entry == "recent" and f"{workspace}.open" in actions:
                menu.addMenu(RecentMenu(window, workspace, menu))
            elif f"{owner}.{name}" in actions:
                menu.addAction(actions[f"{owner}.{name}"])
        if any(not action.isSeparator() for action in menu.actions()):
            made.append(menu)
    return made


def _naming(action: QAction, title: str) -> Callable[[str], None]:
    def name(text: str) -> None:
        action.setText(f"{title} {text[:1].lower()}{text[1:]}" if text else title)

    return name


def _bringing(window: "Window", name: str) -> Callable[[], None]:
    return lambda: window.bring_to_front(name)


def _theming(window: "Window", mode: Mode) -> Callable[[], None]:
    return lambda: window.studio.settings.set("theme", mode)


def _show_tour(window: "Window") -> None:
    from studio.ui.tour import Tour

    tour = window.findChild(Tour) or Tour(window)
    tour.show()
    tour.raise_()
    tour.activateWindow()


def _show_log() -> None:
    from studio.ui.app import log_file

    QDesktopServices.openUrl(QUrl.fromLocalFile(str(log_file())))


def _about(window: "Window") -> None:
    window.studio.notices.show(
        f"Prime Studio {__version__}: masked diffusion with partial masking (MDM-Prime, arXiv 2505.18495). "
        "Apache-2.0; what the models were trained on stands in Models.",
    )
