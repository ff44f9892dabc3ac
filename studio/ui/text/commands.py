"""What can be done in the text workspace: every action with its shortcut, in one place."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QAction

from studio.errors import StudioError
from studio.generation import story_of
from studio.media.export import check_suffix, save_text
from studio.media.story import STORY_SUFFIXES, save_story
from studio.ui import dialogs

if TYPE_CHECKING:
    from studio.ui.text.workspace import TextWorkspace

EXPORTS = (
    ("txt", "Text…", "Text (*.txt)"),
    ("md", "Markdown, fills marked…", "Markdown (*.md)"),
    ("html", "HTML time-lapse…", "HTML page (*.html)"),
    ("json", "JSON with every step…", "JSON (*.json)"),
)
SAVE = "The text as it reads; an empty gap as a mark such as [[6]], which is a gap again when the file is opened."
ACCEPT = "What is filled in, as it is shown, becomes text; what is not settled yet stays a gap."


class Commands:
    """Registers the actions; `refresh` says which can be done now."""

    def __init__(self, workspace: "TextWorkspace"):
        self._of = workspace
        self._actions: dict[str, QAction] = {}
        of, editor = workspace, workspace.editor
        tools = workspace.gap_tools
        add = self._add
        add("new", "New text", self._new, "Ctrl+N")
        add("open", "Open text…", self._open, "Ctrl+O", "open")
        add("save", "Save text…", self._save, "Ctrl+S", "save", SAVE)
        add("export", "Export the run…", self._export, "Ctrl+E", "export", "Text, Markdown, HTML time-lapse or JSON.")

        add("find", "Find…", workspace.finding.open_bar, "Ctrl+F", "search", "Words in the text.")

        add("gap", "Make a gap", tools.make_gap, "Ctrl+M", "gap", "Turn what is selected into a gap, or insert one.")
        add("insert-gap", "Insert a gap", tools.insert_gap, "Ctrl+Shift+M", "plus", "An empty gap at the caret.")
        add("longer", "Lengthen gap", lambda: tools.resize_gap(1), "Alt+Up", "gap-longer", "By one token.")
        add("shorter", "Shorten gap", lambda: tools.resize_gap(-1), "Alt+Down", "gap-shorter", "By one token.")
        add("give-back", "Put the words back", tools.give_back, "Ctrl+Shift+D", "undo", "What the gap was made from.")
        add("remove-gap", "Remove gap", tools.remove_gap, "", "trash")
        add("next-gap", "Next gap", lambda: tools.go_to_gap(1), "F3", "chevron-right")
        add("previous-gap", "Previous gap", lambda: tools.go_to_gap(-1), "Shift+F3", "chevron-left")
        add("accept", "Accept this gap", tools.accept, "Ctrl+Shift+Return", "check", ACCEPT)
        add("use", "Accept all", tools.accept_all, "Ctrl+U", "accept", ACCEPT)
        add("words", "Other words…", tools.ask_at_caret, "Ctrl+Space", "more", "What else could stand at the caret.")
        add(
            "pin-word",
            "Pin or unpin word",
            tools.pin_at_caret,
            "Ctrl+Shift+P",
            "pin",
            "Keep it when the rest is redone.",
        )

        add("generate", "Generate", of.generate, "Ctrl+Return", "play", "Fill the empty gaps, or all of them again.")
        add("stop", "Stop", of.filling.stop, "Ctrl+.", "stop", "Before the next call of the network.")
        add("pause", "Pause or go on", of.pause, "Ctrl+P", "pause")
        add(
            "step", "Step", of.transport.forward, "Alt+.", "step", "One frame on; at the end of a paused run, make one."
        )
        add("back", "Step back", of.transport.back, "Alt+,", "step-back", "One frame back; a run that goes on pauses.")
        add("branch", "Branch here", of.branch, "Ctrl+B", "branch", "Go on from this frame with the present settings.")
        add("redo-rest", "Redo what is not pinned", of.redo_rest, "Ctrl+Shift+B", "refresh")
        add("compare", "Compare ℓ", of.compare, "Ctrl+L", "compare", "The same gaps and seed at every granularity.")
        add("discard", "Let go of the run", of.filling.clear, "", "close", "What is in the text stays.")
        add("next", "Next draft", lambda: of.look_at_draft(1), "Ctrl+PgDown", "chevron-right")
        add("previous", "Previous draft", lambda: of.look_at_draft(-1), "Ctrl+PgUp", "chevron-left")

        add("confidence", "Confidence", of.show_confidence, "Alt+C", "confidence",
            "Tint and underline what the model was not sure of.", checkable=True)  # fmt: skip
        add("windows", "Windows", of.show_windows, "Alt+W", "frame",
            "What the model sees at once, beside the text.", checkable=True)  # fmt: skip
        add("surprise", "Surprise", of.show_surprise, "Alt+S", "surprise",
            "How odd the model finds each word given all others: a tint from 2 bits on, full at 14.",
            checkable=True)  # fmt: skip
        self["confidence"].setChecked(editor.confidence_shown)

    def __getitem__(self, name: str) -> QAction:
        return self._actions[name]

    def _add(self, name: str, *what: Any, **more: Any) -> None:
        self._actions[name] = self._of.studio.actions.add_to("text", name, *what, **more)

    def refresh(self) -> None:
        """Enable what can be done now."""
        of = self._of
        gaps, gap = of.document.text.gaps, of.editor.gap_at_caret()
        job, transport = of.filling.job, of.transport
        made, here = job is not None, job is not None and of.filling.at_home(job)
        problem = of.filling.branch_problem()
        of.track.set_branch_problem(problem)
        filled = any(one.fill is not None for one in gaps)
        states = {one.id: {token.state for token in of.editor.look(one).tokens} for one in gaps}
        settled = {one for one, found in states.items() if "settled" in found}
        part = any(len(states[one]) > 1 for one in settled)
        self["use"].setText("Accept what is settled" if part else "Accept all")
        for name, can in {
            "generate": not of.filling.problem() and of.settings.bundle is not None,
            "compare": bool(gaps) and len(of.settings.granularities) > 1,
            "stop": transport.busy,
            "pause": transport.live or transport.paused,
            "step": made,
            "back": made and of.playhead.index > 0,
            "branch": here and not problem,
            "redo-rest": filled,
            "use": bool(settled),
            "accept": gap is not None and gap.id in settled,
            "pin-word": bool(settled),
            "words": bool(gaps),
            "discard": made,
            "export": made,
            **dict.fromkeys(("next", "previous"), here and of.filling.drafts > 1),
            **dict.fromkeys(("longer", "shorter", "remove-gap"), gap is not None),
            "give-back": gap is not None and bool(gap.was),
            **dict.fromkeys(("next-gap", "previous-gap"), bool(gaps)),
        }.items():
            self[name].setEnabled(bool(can))

    # ---- handlers

    def _new(self) -> None:
        self._of.opening.empty()

    async def _open(self) -> None:
        path = await dialogs.ask_open(self._of, "Open text", self._of.name, [dialogs.TEXTS])
        if path is not None:
            await self._of.opening.file(path)

    async def _ask_save(self, title: str, name: str, filters: list[str]) -> Path | None:
        of = self._of
        return await dialogs.ask_save(of, title, of.name, name, filters, of.file.parent if of.file else None)

    async def _save(self) -> None:
        of = self._of
        text = of.filling.as_shown().marked
        path = await self._ask_save(
            "Save text", of.file.name if of.file else f"{of.document.title}.txt", [dialogs.TEXTS]
        )
        if path is not None:
            saved = of.document.text
            await asyncio.to_thread(save_text, path, text)
            of.studio.settings.add_recent(of.name, path)
            if of.document.text is saved:
                of.file = path
                of.document.undo_stack.setClean()
            of.studio.notices.show(f"Saved as {path.name}.", kind="success", place=of.name)

    async def _export(self) -> None:
        await self.export_as("html")

    async def export_as(self, kind: str) -> None:
        """Every step of the run that is looked at, as "txt", "md", "html" or "json"."""
        of, job = self._of, self._of.filling.job
        if job is None:
            raise StudioError("There is no run to export: generate first.")
        filters = [pattern for name, _, pattern in EXPORTS if name == kind]
        filters += [pattern for name, _, pattern in EXPORTS if name != kind]
        path = await self._ask_save("Export the run", f"{of.document.title}.{kind}", filters)
        if path is None:
            return
        check_suffix(path, STORY_SUFFIXES)

        def write() -> None:
            save_story(path, story_of(job.run.request, job.run.bundle, list(job.run.frames)))

        await asyncio.to_thread(write)
        of.studio.notices.show(f"Exported as {path.name}.", kind="success", place=of.name)
