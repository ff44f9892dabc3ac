"""The text workspace: the document, its editor and what is filled in, put together."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout

from studio.errors import StudioError
from studio.generation import GenerationRequest, TextSource, text_plan, text_tokenizer
from studio.media.gapped import LONGEST_GAP, GappedText
from studio.media.textplan import parse_gaps
from studio.media.texts import load_text
from studio.shipped import shipped
from studio.ui import history
from studio.ui.inspector.panel import InspectorPanel
from studio.ui.notices import NoticeBar, notices_over
from studio.ui.playhead import Playhead
from studio.ui.sampling_settings import SamplingSettings
from studio.ui.status import making_status
from studio.ui.tasks import report, spawn
from studio.ui.text.cards import Cards
from studio.ui.text.commands import EXPORTS, Commands
from studio.ui.text.document import NO_MODEL, TextDocument
from studio.ui.text.editor import TextEditor
from studio.ui.text.filling import Filling
from studio.ui.text.finding import FindBar
from studio.ui.text.gap_tools import GapTools
from studio.ui.text.jobs import Job
from studio.ui.text.judging import Judging
from studio.ui.text.keeping import restore_session, session_of
from studio.ui.text.opening import Opening
from studio.ui.timeline.panel import TimelinePanel
from studio.ui.timeline.transport import Transport
from studio.ui.widgets.icon_button import ActionButton
from studio.ui.widgets.layout import bar
from studio.ui.widgets.numbers import CountBox
from studio.ui.workspace import Workspace

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle
    from studio.ui.context import Studio

SUFFIXES = {".txt", ".md", ".text"}
SETTLE_MS = 150
"""After the last edit, before windows and forecast are made anew."""
WIDE = 640
"""Above that there is room for words beside the tools."""
WIDEST = 890
"""Above that there is room for whole sentences as well."""
SIGNS, TURNING = 460, 72
"""What the tools take without words, and those that turn from draft to draft."""


class TextWorkspace(Workspace):
    name = "text"
    title = "Text"
    icon = "text"

    def __init__(self, studio: "Studio"):
        super().__init__(studio)
        self._groups: list[list[int]] = []
        self.document = TextDocument(self)
        self._files: WeakKeyDictionary[GappedText, Path] = WeakKeyDictionary()
        self.settings, self.playhead = SamplingSettings(self), Playhead(self)
        self.filling = Filling(studio, self.document, self.settings, self.playhead, self)
        self.transport = Transport(self.playhead, self)
        self.opening = Opening(self)
        self.editor = TextEditor(self.document)
        self.editor.looks, self.editor.settled = self.filling.look, self.filling.settled
        self.judging = Judging(studio, self.document, self.editor.judged, self)
        self.cards = Cards(self.filling)
        self.gap_tools, self.finding = GapTools(self), FindBar(self.editor)
        self.undo_stack = self.document.undo_stack
        self.commands = Commands(self)
        self.track = self.timeline = timeline = TimelinePanel(
            self.transport, [(kind, title) for kind, title, _ in EXPORTS]
        )
        self.inspector = inspector = InspectorPanel(studio, self.settings, self.name, self.transport)
        self._steer = inspector
        inspector.generate.connect(self.commands["generate"].trigger)
        inspector.stop.connect(self.filling.stop)
        inspector.pause.connect(self.transport.pause)
        inspector.resume.connect(self.transport.go_on)
        inspector.step.connect(self.transport.step)
        inspector.compare.connect(self.commands["compare"].trigger)
        timeline.branch.connect(self._branch_at)
        timeline.export.connect(self._export_as)
        self._lay_out()
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settle.timeout.connect(self._settled)
        self._connect()
        self.settings.set_bundle(studio.models.default("text"))
        self._open_sample()

    def _lay_out(self) -> None:
        self._length = CountBox(1, 999)
        self._length.setValue(6)
        self._length.setMinimumWidth(58)
        self._length.lineEdit().setTextMargins(6, 0, 0, 0)  # a style sheet gives the line in a spin box no padding
        self._length.setAccessibleName("Length of a new gap in tokens")
        self._length.setToolTip("Length of a new gap in tokens; a word has one or two")
        self._told = QLabel()
        self._told.setProperty("role", "muted")
        self._stop_judging = QPushButton("Stop judging")
        self._stop_judging.setProperty("kind", "quiet")
        self._stop_judging.clicked.connect(self.judging.stop)
        self._stop_judging.hide()
        # First of all: Tab comes to a focus proxy where the workspace is, and would pass over the tools before it.
        self.editor.setParent(self)
        of = self.studio.actions.__getitem__

        def button(name: str, text: bool = False) -> ActionButton:
            return ActionButton(of(f"text.{name}"), text=text)

        self._turning = [button(name) for name in ("previous", "next")]
        make, accept = self._worded = [button(name, text=True) for name in ("gap", "use")]
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(
            bar(
                *(button(name) for name in ("open", "save")),
                12,
                make,
                button("insert-gap"),
                self._length,
                *(button(name) for name in ("shorter", "longer", "give-back")),
                12,
                *(button(name) for name in ("confidence", "windows", "surprise")),
                self._stop_judging,
                None,
                self._told,
                8,
                *self._turning,
                8,
                accept,
            )
        )
        column.addWidget(self.finding)
        notices = NoticeBar(self.studio.notices, self.name)
        column.addLayout(notices_over(self.editor, notices, covered=self.editor.keep_free), 1)
        column.addWidget(self.cards)
        self.setFocusProxy(self.editor)

    def _connect(self) -> None:
        document, filling, editor = self.document, self.filling, self.editor
        changes = (document.edited, document.reworked, document.reset)
        for signal in (*changes, self.settings.changed, self.playhead.state_changed):
            signal.connect(self._touched)
        document.reset.connect(filling.come_back)
        document.reset.connect(self._refresh)
        document.reopened.connect(lambda state: self.settings.come_back(state, self.studio.models.get))
        self.settings.changed.connect(self._take_model)
        filling.changed.connect(self._show_frame)
        filling.listed.connect(self._refresh)
        filling.ended.connect(self._ended)
        self.playhead.state_changed.connect(self._refresh)
        self.playhead.lasting.connect(self.dirty)
        self.cards.chosen.connect(filling.look_at)
        editor.caret_changed.connect(self.commands.refresh)
        self.judging.grown.connect(editor.forget_marks)
        self.judging.told.connect(self._show_judging)

    @property
    def file(self) -> Path | None:
        """Where the open text was read from, or saved to; undo that leads back to a text leads back to its file."""
        return self._files.get(self.document.text)

    @file.setter
    def file(self, path: Path | None) -> None:
        if path is not None:
            self._files[self.document.text] = path
            self.dirty.emit()

    def activated(self) -> None:
        """The writer can go on at once; the network is loaded meanwhile."""
        self.editor.setFocus()
        bundle, lane = self.settings.bundle, self.studio.lane
        if bundle is not None and lane.loaded(bundle) is None:
            spawn(self._load(bundle), place=self.name)

    async def _load(self, bundle: "Bundle") -> None:
        await asyncio.wrap_future(self.studio.lane.submit(self.studio.lane.network, bundle))
        self.status_changed.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        wide = self.width() > WIDE
        self._length.setSuffix(" tokens" if wide else "")
        self._fit_words()
        self._told.setVisible(wide)

    def _fit_words(self) -> None:
        """Words stand on the buttons where all of them have room; drafts are chosen below as well."""
        for turn in self._turning:
            turn.setVisible(turn.isEnabled() and self.width() > SIGNS + TURNING)
        words = sum(button.fontMetrics().horizontalAdvance(button.text()) for button in self._worded)
        turning = TURNING if self._turning[0].isEnabled() else 0
        beside, alone = Qt.ToolButtonStyle.ToolButtonTextBesideIcon, Qt.ToolButtonStyle.ToolButtonIconOnly
        for button in self._worded:
            button.setToolButtonStyle(beside if self.width() > SIGNS + turning + words else alone)

    # ---- opening

    def _open_sample(self) -> None:
        """A text with gaps in it: pressing Generate shows the method at once."""
        parts = parse_gaps(load_text(shipped("assets") / "samples" / "fisherman.txt"))
        self.document.load(GappedText.of(parts), "fisherman")

    def open_paths(self, paths: list[Path]) -> bool:
        texts = [path for path in paths if path.suffix.lower() in SUFFIXES]
        if texts:
            spawn(self.opening.file(texts[0], len(paths)), place=self.name)
        return bool(texts)

    def open_request(self, request: GenerationRequest, **source: Any) -> bool:
        if not isinstance(request.source, TextSource):
            return False
        self.opening.request(request, source)
        return True

    def use_model(self, bundle: "Bundle") -> bool:
        if bundle.manifest.modality != "text":
            return False
        self.settings.change_bundle(bundle)
        return True

    @property
    def gap_length(self) -> int:
        return self._length.value()

    @gap_length.setter
    def gap_length(self, length: int) -> None:
        self._length.setValue(length)

    # ---- making

    async def generate(self) -> None:
        self.studio.notices.clear(self.name)
        await self.filling.generate()

    async def compare(self) -> None:
        self.studio.notices.clear(self.name)
        await self.filling.compare()

    async def branch(self, index: int | None = None) -> None:
        self.studio.notices.clear(self.name)
        await self.filling.branch(index)

    async def redo_rest(self) -> None:
        """Make all in filled gaps again that is not pinned."""
        await self.filling.generate()

    def _branch_at(self, index: int) -> None:
        spawn(self.branch(index), place=self.name)

    def _export_as(self, kind: str) -> None:
        spawn(self.commands.export_as(kind), place=self.name)

    def pause(self) -> None:
        if self.transport.live:
            self.transport.pause()
        else:
            self.transport.go_on()

    def look_at_draft(self, by: int) -> None:
        job = self.filling.job
        if job is not None:
            self.filling.look_at(job, (self.filling.draft + by) % self.filling.drafts)

    def _ended(self, job: Job) -> None:
        if job.run.error is not None:
            report(job.run.error, self.name)
        spawn(history.keep(self.studio.library, job.run), place=self.name)
        self.dirty.emit()

    # ---- what is shown

    def show_confidence(self, on: bool) -> None:
        self.editor.confidence_shown = on
        self.editor.forget_marks()
        self.dirty.emit()

    def show_windows(self, on: bool) -> None:
        self.editor.windows_shown = on
        self.editor.forget_marks()
        self._settle.start()

    def show_surprise(self, on: bool) -> None:
        """Judge what is selected, or the whole text from what is in sight on, and tint it."""
        self.editor.judged_shown = on
        self.editor.forget_marks()
        if not on:
            self.judging.stop()
            return
        start, stop = self.editor.selection()
        if self.settings.bundle is None:
            raise StudioError(NO_MODEL)
        what = (start, stop) if stop > start else (0, len(self.document.text))
        spawn(self.judging.judge(self.settings.bundle, *what, begin=self.editor.top()), place=self.name)

    def _show_judging(self, told: str, short: str) -> None:
        self._stop_judging.setVisible(bool(told))
        self._stop_judging.setText(told if self.width() > WIDEST else short)
        self._stop_judging.setToolTip(told)
        self._stop_judging.setAccessibleName(told)

    def _show_frame(self) -> None:
        job = self.filling.job
        self.editor.refresh(job.made if job else None)
        self.commands.refresh()

    def _touched(self, *_: object) -> None:
        self._settle.start()
        self.dirty.emit()

    def _take_model(self) -> None:
        bundle = self.settings.bundle
        if bundle is not None:
            self.document.set_model(text_tokenizer(bundle), bundle.num_tokens)
        else:
            self.document.set_model(None, LONGEST_GAP)

    def _settled(self) -> None:
        spawn(self._lay_windows(), place=self.name)
        if self.editor.judged_shown and self.settings.bundle is not None:
            spawn(self.judging.judge_gaps(self.settings.bundle), place=self.name)

    async def _lay_windows(self) -> None:
        """Which part of the text the model sees with each gap; said where gaps do not see each other."""
        bundle, text, revision = self.settings.bundle, self.document.text, self.document.revision
        extents: list[tuple[int, int]] = []
        groups: list[list[int]] = []
        if bundle is not None and text.gaps and not self.filling.problem():
            parts, numbers = text.parts, iter(range(len(text.gaps)))
            plan = await asyncio.to_thread(text_plan, bundle, parts)
            extents = [window.extent for window in plan.windows]
            groups = [[next(numbers) for _ in window.gaps] for window in plan.windows]
        if revision != self.document.revision:
            return
        self.editor.extents, self._groups = extents, groups
        self._refresh()
        several = len(extents) > 1
        self._told.setText(f"{len(extents)} windows, filled apart" if several else "")
        self._told.setToolTip(
            "The gaps lie further apart than the model sees at once, so each group of them is filled on its own. "
            "Alt+W shows what it sees."
            if several
            else ""
        )
        self.editor.forget_marks()

    def _refresh(self) -> None:
        self._steer.set_units(self._units)
        self._steer.set_problem(self.filling.problem())
        self.commands.refresh()
        self._fit_words()
        self.status_changed.emit()

    def _units(self, granularity: int) -> tuple[int, ...]:
        """What the next run makes, by window of the network where these are known already."""
        tokens = self.filling.tokens_to_make()
        if sum(len(group) for group in self._groups) != len(tokens):
            return (sum(tokens) * granularity,)
        return tuple(granularity * sum(tokens[gap] for gap in group) for group in self._groups)

    def status(self) -> dict[str, str]:
        subject = self.file.name if self.file else self.document.title
        return making_status(self.studio.lane, self.settings.bundle, self.playhead.state, subject)

    # ---- session

    def session(self) -> dict[str, Any]:
        return session_of(self)

    def restore(self, state: dict[str, Any]) -> None:
        restore_session(self, state)

    def close_down(self) -> None:
        self._settle.stop()
        self.judging.stop()
        self.filling.stop()
        self.cards.close_down()
        self.playhead.close_down()
