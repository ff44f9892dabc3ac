"""Questions to the user, to be awaited. The loop goes on: a nested `exec()` inside a coroutine would hang it."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QItemSelectionModel, QRegularExpression, Qt
from PySide6.QtGui import QRegularExpressionValidator
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QFileDialog,
    QFileSystemModel,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListView,
    QPushButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from studio.media.images import SUFFIXES
from studio.ui.settings import Settings
from studio.ui.widgets.icon_button import IconLabel

PICTURES = f"Pictures ({' '.join(f'*{suffix}' for suffix in SUFFIXES)})"
TEXTS = "Texts (*.txt *.md)"
NAME_BYTES = 200
"""File systems take 255 in all; endings and the name of the file that is being written want some."""
SELECT = QItemSelectionModel.SelectionFlag

_settings: Settings | None = None


def keep_folders_in(settings: Settings | None) -> None:
    """Where the folders that dialogs have used last are kept from now on."""
    global _settings
    _settings = settings


def resize(dialog: QDialog, width: int, height: int) -> None:
    """Make it that large, but no higher than its screen: its buttons must not lie below the edge."""
    dialog.resize(width, min(height, dialog.screen().availableSize().height() - 80))


async def finished(dialog: QDialog) -> bool:
    """Open the dialog and wait until it is closed; true if it was accepted. It is deleted afterwards."""
    answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def answered(result: int) -> None:
        if not answer.done():
            answer.set_result(result == QDialog.DialogCode.Accepted)

    dialog.finished.connect(answered)
    dialog.destroyed.connect(lambda: answered(0))  # with its parent
    dialog.open()
    try:
        return await answer
    except asyncio.CancelledError:
        if isValid(dialog):  # else it went with its parent
            dialog.reject()
        raise


async def close_all() -> None:
    """Close what is asked, the innermost first: Qt's own boxes in its file dialog have a loop each, which must end
    before their parent goes."""
    for _ in range(9):
        asked = QApplication.activeModalWidget()
        if asked is None:
            return
        asked.close()
        await asyncio.sleep(0.01)


async def ask_open(parent: QWidget, title: str, place: str, filters: Sequence[str] = ()) -> Path | None:
    """A file that is there, or None. The dialog begins in the folder that was used last at `place`."""
    return await _ask_path(parent, title, place, QFileDialog.FileMode.ExistingFile, filters)


async def ask_folder(parent: QWidget, title: str, place: str) -> Path | None:
    """A folder that is there, or None; it begins as `ask_open` does."""
    return await _ask_path(parent, title, place, QFileDialog.FileMode.Directory, ())


async def ask_save(
    parent: QWidget, title: str, place: str, name: str, filters: Sequence[str] = (), folder: Path | None = None
) -> Path | None:
    """Where to write, or None. `name` is offered; its suffix is added where the user gives none. It begins in `folder`,
    such as that of what is open, else as `ask_open` does."""
    return await _ask_path(parent, title, place, QFileDialog.FileMode.AnyFile, filters, folder, name)


async def _ask_path(
    parent: QWidget,
    title: str,
    place: str,
    mode: QFileDialog.FileMode,
    filters: Sequence[str],
    folder: Path | None = None,
    name: str | None = None,
) -> Path | None:
    last = _settings.values.folders.get(place) if _settings else None
    starts = [path for path in (folder, last and Path(last)) if path and path.is_dir()]
    dialog = QFileDialog(parent, title, str(starts[0] if starts else Path.home()))
    dialog.setFileMode(mode)
    if filters:
        dialog.setNameFilters([*filters, "All files (*)"])
    if name is not None:
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(Path(name).suffix.removeprefix("."))
        dialog.selectFile(_offered(name))
        dialog.filterSelected.connect(lambda chosen: _take_suffix(dialog, chosen))
    # Not so in a dialog of the system's own.
    if table := dialog.findChild(QTreeView, "treeView"):
        for column in range(1, table.header().count()):  # Qt leaves no room for the padding: sizes and dates are cut
            table.header().setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        dialog.resize(760, 480)
    if field := dialog.findChild(QLineEdit, "fileNameEdit"):
        field.textChanged.connect(lambda text: _select_no_folder_above(dialog, text))
        field.setValidator(QRegularExpressionValidator(QRegularExpression('[^"]*'), field))  # Qt splits names there
    # Read while it lives: it may be gone with its parent when the wait is over.
    chosen: list[Path] = []
    dialog.filesSelected.connect(lambda files: chosen.extend(Path(file) for file in files))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    if not await finished(dialog) or not chosen:
        return None
    if _settings is not None:
        _settings.use_folder(place, chosen[0] if mode == QFileDialog.FileMode.Directory else chosen[0].parent)
    return chosen[0]


def _offered(name: str) -> str:
    """The name, short enough for a file system, without what the dialog does not take."""
    path = Path(name.replace('"', "'"))
    return path.stem.encode()[:NAME_BYTES].decode(errors="ignore") + path.suffix


def _select_no_folder_above(dialog: QFileDialog, text: str) -> None:
    """Of a path that is typed Qt may keep a folder selected that it goes through, and enter that one in the end."""
    view = dialog.findChild(QListView, "listView")
    if view is None:
        return
    for row in view.selectionModel().selectedRows():
        if text.startswith(row.data(QFileSystemModel.Roles.FilePathRole) + "/"):
            view.selectionModel().select(row, SELECT.Deselect | SELECT.Rows)


def _take_suffix(dialog: QFileDialog, chosen: str) -> None:
    """Another kind of file was chosen: what is written goes by its name, so the name has to follow."""
    suffix = chosen.partition("(*.")[2].rstrip(")").split(" ")[0]
    if not suffix:
        return
    dialog.setDefaultSuffix(suffix)
    path = Path(dialog.selectedFiles()[0])
    if not path.is_dir():  # what it says where no name is given
        dialog.selectFile(path.with_suffix(f".{suffix}").name)


class _Question(QDialog):
    """A sentence, perhaps a field, and two buttons that say what they do, or one where `no` is empty."""

    def __init__(self, parent: QWidget | None, text: str, details: str, yes: str, no: str, danger: bool) -> None:
        super().__init__(parent)
        self.setWindowTitle("Prime Studio")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(400)
        self.setAccessibleName(text)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 16)
        layout.setSpacing(16)
        head = QHBoxLayout()
        head.setSpacing(16)
        if danger:
            head.addWidget(IconLabel("warning", 28, "warning"), 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(6)
        for sentence, role in ((text, "heading"), (details, "muted")):
            if sentence:
                label = QLabel(sentence)
                label.setProperty("role", role)
                label.setWordWrap(True)
                label.setTextFormat(Qt.TextFormat.PlainText)
                words.addWidget(label)
        head.addLayout(words, 1)
        layout.addLayout(head)
        self.words = words
        self.no = QPushButton(no)
        self.yes = QPushButton(yes)
        self.yes.setProperty("kind", "danger" if danger else "primary")
        self.no.clicked.connect(self.reject)
        self.yes.clicked.connect(self.accept)
        # Return does what cannot be regretted.
        (self.no if danger else self.yes).setDefault(True)
        (self.no if danger else self.yes).setFocus()
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch()
        buttons.addWidget(self.no)
        if not no:
            self.no.hide()
        buttons.addWidget(self.yes)
        layout.addLayout(buttons)
        self.buttons = buttons


async def confirm(
    parent: QWidget | None, text: str, yes: str = "OK", no: str = "Cancel", *, details: str = "", danger: bool = False
) -> bool:
    """Ask for one of two things; the buttons name them. With `danger`, Return does not do it."""
    return await finished(_Question(parent, text, details, yes, no, danger))


async def choose(
    parent: QWidget, text: str, answers: tuple[str, str, str], *, details: str = "", danger: bool = False
) -> str:
    """Ask for one of three things and return its button's words. The first is what `danger` is about; the last stands
    for a dialog that is closed too."""
    first, second, last = answers
    question = _Question(parent, text, details, first, last, danger)
    button, answer = QPushButton(second), first

    def take() -> None:
        nonlocal answer
        answer = second
        question.accept()

    button.clicked.connect(take)
    question.buttons.insertWidget(question.buttons.count() - 1, button)
    return answer if await finished(question) else last


async def tell(text: str) -> None:
    """Say why there is no window to say it in."""
    await finished(_Question(None, text, "", "Close", "", danger=False))


async def ask_text(
    parent: QWidget,
    title: str,
    text: str = "",
    *,
    yes: str = "OK",
    details: str = "",
    check: Callable[[str], str] | None = None,
) -> str | None:
    """Ask for a line of text, stripped and not empty. `check` says what is wrong with it, or ""."""
    question = _Question(parent, title, details, yes, "Cancel", danger=False)
    field = QLineEdit(text)
    field.setAccessibleName(title)
    field.selectAll()
    problem = QLabel()
    problem.setProperty("role", "danger")
    problem.setWordWrap(True)
    question.words.addWidget(field)
    question.words.addWidget(problem)
    answer = text.strip()

    def edited(now: str) -> None:
        nonlocal answer
        answer = now.strip()
        wrong = check(answer) if check and answer else ""
        problem.setText(wrong)
        question.yes.setEnabled(bool(answer) and not wrong)

    field.textChanged.connect(edited)
    edited(text)
    field.setFocus()
    return answer if await finished(question) else None
