"""Everything the user can do, in one registry: menus, buttons, the command palette and the shortcuts all read it."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QWidget

from studio.errors import StudioError
from studio.ui.icons import icon as themed_icon
from studio.ui.notices import Notice
from studio.ui.settings import Settings
from studio.ui.tasks import report, spawn, take_back

Row = tuple[str, str, Callable[..., Any], str, str, str]
"""An action of a workspace: the last part of its id, title, handler, shortcut, icon, help."""


@dataclass(frozen=True, eq=False)
class Entry:
    """An action with what a QAction does not know of itself."""

    id: str
    action: QAction
    title: str
    default: str
    """Its shortcut as shipped, portable text; "" for none."""
    workspace: str | None
    """Where it works; None everywhere."""
    help: str

    @property
    def shortcut(self) -> str:
        """The shortcut it has now, portable text."""
        return self.action.shortcut().toString(QKeySequence.SequenceFormat.PortableText)


class Actions(QObject):
    """The registry. An action of a workspace is enabled only while that is in front; `action.setEnabled` still says
    whether it can be done there.

    `shortcut_changed` names the action. `dropped` holds a sentence for every stored shortcut that cannot be used.
    """

    shortcut_changed = Signal(str)

    def __init__(self, settings: Settings, window: QWidget | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._window = window
        self._workspace: str | None = None
        self._entries: dict[str, Entry] = {}
        self._groups: dict[tuple[str | None, str], QActionGroup] = {}
        self._refusals: dict[str, Notice | None] = {}
        """By place, why the last action could not be done."""
        self._failures: dict[str, Notice | None] = {}
        """By action, what came in between when it was done last."""
        self.dropped: list[str] = []
        self._unusable = set[str]()
        """Ids of stored shortcuts that cannot be used."""

    def add(
        self,
        id: str,
        title: str,
        handler: Callable[..., Any],
        *,
        shortcut: str = "",
        icon: str = "",
        workspace: str | None = None,
        checkable: bool = False,
        group: str = "",
        help: str = "",
    ) -> QAction:
        """Register something to do, under an id such as "image.generate".

        handler: called without arguments, or with the check state if `checkable`; a coroutine function is spawned. What
        it raises is reported at its workspace. Of the actions of one `group` one is checked. ValueError for an id or a
        shipped shortcut that is taken, or a shortcut that is none.
        """
        if id in self._entries:
            raise ValueError(f"the action {id} is there already")
        default = normal(shortcut)
        taken = self._holder(default, workspace, among="default")
        if taken:
            raise ValueError(f"{id} and {taken.id} cannot both have {default}")
        action = QAction(title, self)
        action.setObjectName(id)
        if icon:
            action.setIcon(themed_icon(icon))
        action.setCheckable(checkable or bool(group))
        self._group(workspace, group).addAction(action)

        def run(checked: bool) -> None:
            place = workspace or "window"
            for read in {place, self._workspace or place}:
                self.forget_refusal(read)  # whoever does something else has read it
            take_back(self._failures.pop(id, None))  # it is tried again
            try:
                result = handler(checked) if checkable else handler()
            except StudioError as error:
                self._refusals[place] = report(error, place)
                return
            if inspect.iscoroutine(result):
                spawn(result, place, partial(self._failures.__setitem__, id))

        action.triggered.connect(run)
        self._entries[id] = Entry(id, action, title, default, workspace, help)
        self._set_sequence(id, self._stored(id, default))
        if self._window is not None:
            self._window.addAction(action)
        return action

    def add_all(self, workspace: str, rows: Iterable[Row]) -> dict[str, QAction]:
        """Register what can be done in a workspace; the actions by the last parts of their ids."""
        return {row[0]: self.add_to(workspace, *row) for row in rows}

    def add_to(
        self,
        workspace: str,
        name: str,
        title: str,
        handler: Callable[..., Any],
        shortcut: str = "",
        icon: str = "",
        help: str = "",
        **more: Any,
    ) -> QAction:
        """Register one thing that can be done in a workspace; name: the last part of its id. more: as `add`."""
        return self.add(
            f"{workspace}.{name}",
            title,
            handler,
            shortcut=shortcut,
            icon=icon,
            workspace=workspace,
            help=help,
            **more,
        )

    def forget_refusal(self, place: str) -> None:
        """Take back why the last action could not be done there: what was in its way is over."""
        take_back(self._refusals.pop(place, None))

    def __getitem__(self, id: str) -> QAction:
        return self._entries[id].action

    def __contains__(self, id: str) -> bool:
        return id in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def entry(self, id: str) -> Entry:
        return self._entries[id]

    def attach(self, window: QWidget) -> None:
        """Let the shortcuts work in this window, those of later actions too."""
        self._window = window
        window.addActions([entry.action for entry in self])

    @property
    def workspace(self) -> str | None:
        return self._workspace

    def set_workspace(self, name: str | None) -> None:
        """This workspace is in front now."""
        self._workspace = name
        for (workspace, _), group in self._groups.items():
            group.setEnabled(workspace in (None, name))

    # --- shortcuts

    def set_shortcut(self, id: str, shortcut: str) -> None:
        """Give an action another shortcut, or none with "", and keep it. StudioError where another one has it."""
        shortcut = normal(shortcut)
        taken = self.conflict(id, shortcut)
        if taken:
            raise StudioError(f"{native(shortcut)} belongs to “{taken.title}”; choose another, or free it there first.")
        stored = {key: value for key, value in self._settings.values.shortcuts.items() if key != id}
        if shortcut != self._entries[id].default:
            stored[id] = shortcut
        self._settings.set("shortcuts", stored)
        self._set_sequence(id, shortcut)

    def reset_shortcuts(self) -> None:
        """All as shipped."""
        self._settings.set("shortcuts", {})
        for entry in self:
            self._set_sequence(entry.id, entry.default)

    def conflict(self, id: str, shortcut: str) -> Entry | None:
        """The other action that has this shortcut where this one works."""
        return self._holder(normal(shortcut), self._entries[id].workspace, but=id)

    def check_shortcuts(self) -> None:
        """Once all are added: of two that share a shortcut the one that the user changed goes back to its default. What
        was dropped is forgotten, and so not told at every start."""
        for entry in list(self):
            if entry.shortcut != entry.default and (other := self.conflict(entry.id, entry.shortcut)):
                self.dropped.append(
                    f"The stored shortcut {native(entry.shortcut)} of “{entry.title}” was dropped: "
                    f"it belongs to “{other.title}”."
                )
                free = self.conflict(entry.id, entry.default) is None
                self._set_sequence(entry.id, entry.default if free else "")
                self._unusable.add(entry.id)
        stored = {id: keys for id, keys in self._settings.values.shortcuts.items() if id not in self._unusable}
        without = {id: "" for id in self._unusable if self._entries[id].shortcut != self._entries[id].default}
        self._settings.set("shortcuts", stored | without)

    def _holder(self, shortcut: str, workspace: str | None, but: str = "", among: str = "shortcut") -> Entry | None:
        for entry in self if shortcut else ():
            meet = None in (workspace, entry.workspace) or workspace == entry.workspace
            if entry.id != but and meet and getattr(entry, among) == shortcut:
                return entry
        return None

    def _stored(self, id: str, default: str) -> str:
        stored = self._settings.values.shortcuts.get(id)
        if stored is None:
            return default
        try:
            return normal(stored)
        except ValueError:
            self.dropped.append(f"The stored shortcut {stored!r:.40} of {id} was dropped: it is none.")
            self._unusable.add(id)
            return default

    def _set_sequence(self, id: str, shortcut: str) -> None:
        entry = self._entries[id]
        entry.action.setShortcut(QKeySequence.fromString(shortcut, QKeySequence.SequenceFormat.PortableText))
        shown = f"{entry.title}  ({native(shortcut)})" if shortcut else entry.title
        entry.action.setToolTip(f"{shown}\n{entry.help}" if entry.help else shown)
        self.shortcut_changed.emit(id)

    def _group(self, workspace: str | None, name: str) -> QActionGroup:
        """Actions of one group; without a name all that stand alone, gathered to be enabled together."""
        if (workspace, name) not in self._groups:
            group = QActionGroup(self)
            if not name:
                group.setExclusionPolicy(QActionGroup.ExclusionPolicy.None_)
            group.setEnabled(workspace in (None, self._workspace))
            self._groups[workspace, name] = group
        return self._groups[workspace, name]


def normal(shortcut: str) -> str:
    """A shortcut in its one portable spelling. ValueError for text that names none."""
    sequence = QKeySequence.fromString(shortcut, QKeySequence.SequenceFormat.PortableText)
    text = sequence.toString(QKeySequence.SequenceFormat.PortableText)
    keys = [sequence[i].key() for i in range(sequence.count())]  # pyright: ignore[reportIndexIssue]
    unknown = any(key.value == 0 or key == Qt.Key.Key_unknown for key in keys)
    if unknown or bool(shortcut.strip()) != bool(text):
        raise ValueError(f"{shortcut!r} is no shortcut")
    return text


def native(shortcut: str) -> str:
    """A shortcut as this system writes it."""
    sequence = QKeySequence.fromString(shortcut, QKeySequence.SequenceFormat.PortableText)
    return sequence.toString(QKeySequence.SequenceFormat.NativeText)
