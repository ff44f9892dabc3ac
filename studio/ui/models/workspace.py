"""The Models workspace: what is installed, and bringing models in, out and away."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout

from studio.errors import NoTokenizer, StudioError
from studio.runtime.bundle import MANIFEST, Bundle
from studio.runtime.catalog import (
    SUFFIX,
    AlreadyThere,
    export_bundle,
    import_bundle,
    is_shipped,
    remove_bundle,
    rename_bundle,
    replaces_shipped,
    verify_bundle,
)
from studio.ui import dialogs
from studio.ui.models import jobs
from studio.ui.models.clash import ask_which
from studio.ui.models.commands import PLACE, add_actions
from studio.ui.models.details import Details
from studio.ui.models.listing import Card, ModelList
from studio.ui.models.speeds import Speeds, measure_speed, training
from studio.ui.notices import Notice, NoticeBar, notices_over
from studio.ui.tasks import spawn, take_back
from studio.ui.words import count
from studio.ui.workspace import Workspace

if TYPE_CHECKING:
    from studio.ui.context import Studio

FILES = f"Models and checkpoints (*{SUFFIX} {' '.join('*' + suffix for suffix in jobs.CHECKPOINTS)})"


class ModelsWorkspace(Workspace):
    """Installed models."""

    name = PLACE
    title = "Models"
    icon = "models"

    def __init__(self, studio: "Studio"):
        super().__init__(studio)
        self._actions = add_actions(self)
        self._job: asyncio.Task[None] | None = None
        self._busy: Notice | None = None
        self._doing = ""
        self.speeds = Speeds(studio.settings, studio.lane.device)
        self._measuring, self._filling = "", False
        self.list = ModelList()
        self.details = Details(self._actions, self.list)
        self.inspector = self.details
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._bar())
        column.addLayout(notices_over(self.list, NoticeBar(studio.notices, PLACE), covered=self.list.keep_free), 1)
        column.addWidget(self._job_line())
        hint = QLabel("A .primebundle file, or a published MDM-Prime checkpoint, can also be dropped here.")
        hint.setProperty("role", "muted")
        hint.setWordWrap(True)
        hint.setContentsMargins(16, 8, 16, 12)
        column.addWidget(hint)
        self.list.selectionModel().currentChanged.connect(self._on_chosen)
        self.list.activated.connect(self._actions["use"].trigger)
        studio.models.changed.connect(self._show)
        self._show()

    def _bar(self) -> QHBoxLayout:
        bar = QHBoxLayout()
        bar.setContentsMargins(16, 12, 16, 8)
        bar.setSpacing(8)
        self.count = QLabel()
        self.count.setProperty("role", "muted")
        bar.addWidget(self.count)
        bar.addStretch()
        for name, words, kind in (
            *(("verify-all", "Verify all", ""), ("import-folder", "Import a folder…", "")),
            ("import", "Import…", "primary"),
        ):
            button = QPushButton(words)
            button.setProperty("kind", kind)
            button.setToolTip(self._actions[name].toolTip())
            button.clicked.connect(self._actions[name].trigger)
            bar.addWidget(button)
        return bar

    def _job_line(self) -> QFrame:
        """What is going on, while it is."""
        self.job_line = QFrame()
        self.job_line.setProperty("surface", "raised")
        line = QHBoxLayout(self.job_line)
        line.setContentsMargins(16, 8, 16, 8)
        line.setSpacing(12)
        self.job_words = QLabel()
        self.job_words.setAccessibleName("What is going on")
        bar = QProgressBar()
        bar.setRange(0, 0)
        bar.setTextVisible(False)
        bar.setFixedWidth(120)
        self.stop = QPushButton("Stop")
        self.stop.clicked.connect(self._stop_job)
        for widget, stretch in ((bar, 0), (self.job_words, 1), (self.stop, 0)):
            line.addWidget(widget, stretch)
        self.job_line.hide()
        return self.job_line

    # -- showing

    def _show(self) -> None:
        models = self.studio.models
        cards = [Card(bundle, bundle.name) for bundle in [*models.of("image"), *models.of("text")]]
        cards += [Card(error, path.name) for path, error in models.broken]
        self._filling = True  # the list passes through other models while it is filled
        self.list.show_cards(cards)
        self._filling = False
        self.count.setText(f"{count(len(cards), 'model')} installed")
        self._on_chosen()

    def _on_chosen(self, *_: object) -> None:
        if self._filling:
            return
        card, bundle = self.list.card, self.bundle
        for name in ("use", "export", "verify", "measure", "rename", "remove"):
            self._actions[name].setEnabled(bundle is not None)
        if bundle is not None and is_shipped(bundle):
            self._actions["rename"].setEnabled(False)
            self._actions["remove"].setEnabled(False)
        elif bundle is None and card is not None:
            self._actions["remove"].setEnabled(True)
        self._describe()
        self.status_changed.emit()
        self.dirty.emit()
        if bundle is not None and self.isVisible():
            self._measure_unasked(bundle)

    def _describe(self) -> None:
        card, bundle = self.list.card, self.bundle
        measuring = bundle is not None and self._measuring == bundle.digest
        self.details.show_card(card, self.speeds.text(bundle) if bundle else "", measuring)

    def activated(self) -> None:
        spawn(self.studio.models.reload(), PLACE)
        self.list.setFocus()

    def status(self) -> dict[str, str]:
        card = self.list.card
        return {"model": card.title} if card else {}

    # -- coming in

    async def import_file(self) -> None:
        """Ask for a model or a published checkpoint and install it."""
        path = await dialogs.ask_open(self, "Import a model or a published checkpoint", PLACE, [FILES])
        if path is not None:
            self._import(path)

    async def import_folder(self) -> None:
        path = await dialogs.ask_folder(self, "Import a model folder", PLACE)
        if path is not None:
            self._import(path)

    def _import(self, path: Path, **options: Any) -> None:
        checkpoint = path.suffix.lower() in jobs.CHECKPOINTS
        work = self._convert(path, **options) if checkpoint else self._install(path)
        self._start(f"Importing {path.name}", work, can_stop=checkpoint)

    async def _install(self, path: Path, **options: Any) -> None:
        try:
            bundle = await asyncio.to_thread(import_bundle, path, **options)
        except AlreadyThere as error:
            if error.same:
                self.list.choose(error.name)
                self.studio.notices.show(str(error), "info", PLACE)
            elif instead := await ask_which(self, error):
                await self._install(path, **instead)
            return
        await self._installed(bundle.name)

    async def _convert(self, path: Path, **options: Any) -> None:
        try:
            name = await jobs.convert_checkpoint(path, self._say, **options)
        except AlreadyThere as error:
            if instead := await ask_which(self, error):
                await self._convert(path, **options | instead)
            return
        except NoTokenizer as error:
            self._ask_for_tokenizer(error, path, options)
            return
        await self._installed(name)

    def _ask_for_tokenizer(self, error: NoTokenizer, path: Path, options: dict[str, Any]) -> None:
        async def choose() -> None:
            file = await dialogs.ask_open(self, "The tokenizer of this model", PLACE, ["tokenizer.json (*.json)"])
            if file is not None:
                self._import(path, **options | {"tokenizer": file})  # who may be replaced was asked once

        sentence = str(error).replace("add --tokenizer FILE", "choose it here")
        self.studio.notices.show(
            sentence, "error", PLACE, action="Choose it…", on_action=lambda: spawn(choose(), PLACE)
        )

    async def _installed(self, name: str) -> None:
        await self.studio.models.reload()
        self.list.choose(name)
        self.studio.notices.show(f"{name} is installed.", "success", PLACE)

    # -- what can be done with one

    @property
    def bundle(self) -> Bundle | None:
        card = self.list.card
        return card.bundle if card else None

    def use(self) -> None:
        if self.bundle is not None:
            self.model_used.emit(self.bundle)

    async def export(self) -> None:
        bundle = self.bundle
        if bundle is None:
            return
        name, kinds = f"{bundle.name}{SUFFIX}", [f"Models (*{SUFFIX})"]
        target = await dialogs.ask_save(self, "Export the model", PLACE, name, kinds)
        if target is not None:
            self._start(f"Exporting {bundle.name}", self._export(bundle, target))

    async def _export(self, bundle: Bundle, target: Path) -> None:
        await asyncio.to_thread(export_bundle, bundle, target)
        self.studio.notices.show(f"Written: {target}", "success", PLACE)

    def verify(self) -> None:
        if self.bundle is not None:
            self._start(f"Verifying {self.bundle.name}", self._verify([self.bundle.path]))

    def verify_all(self) -> None:
        models = self.studio.models
        paths = [bundle.path for bundle in models.all()] + [path for path, _ in models.broken]
        self._start("Verifying all models", self._verify(paths))

    async def _verify(self, paths: list[Path]) -> None:
        """Every file against its checksum, and a run of the network, on the lane as all runs are."""
        problems = []
        for path in paths:
            self._say(f"Verifying {path.name}")
            try:
                await asyncio.wrap_future(self.studio.lane.submit(verify_bundle, path))
            except StudioError as error:
                problems.append(str(error))
        heading = f"{len(problems)} of {len(paths)} models are not as they should be."
        self.studio.notices.show_all(problems, heading, "error", PLACE)
        if not problems:
            which = (
                f"{paths[0].name}: whole, and runs." if len(paths) == 1 else f"All {len(paths)} models: whole, and run."
            )
            self.studio.notices.show(which, "success", PLACE)

    async def rename(self) -> None:
        bundle = self.bundle
        if bundle is None or is_shipped(bundle):
            return
        same = "pixels" if bundle.manifest.modality == "image" else "words"
        details = f"The model counts as another one then: what it made before cannot be made again to the same {same}."
        title = await dialogs.ask_text(
            self, "New title of the model", bundle.manifest.title, yes="Rename", details=details
        )
        if title is not None and title != bundle.manifest.title:
            try:
                renamed = await asyncio.to_thread(rename_bundle, bundle, title)
            finally:
                await self.studio.models.reload()
            self.list.choose(renamed.name)

    async def remove(self) -> None:
        card = self.list.card
        if card is None or (card.bundle is not None and is_shipped(card.bundle)):
            return
        folder = card.bundle.path.name if card.bundle else card.name
        details = "Its files are deleted. What it made stays in the gallery, but cannot be made again without it."
        if card.bundle is not None and self.studio.lane.unfinished(card.bundle):
            details += " An unfinished run that uses it, in Image or Text, is lost at the next start."
        if replaces_shipped(folder):
            details += " The model of this name that came with the program takes its place."
        titles = [bundle.manifest.title for bundle in self.studio.models.all()]
        which = f"{card.title} ({folder})" if titles.count(card.title) > 1 else card.title
        if await dialogs.confirm(self, f"Remove {which}?", yes="Remove", no="Keep", details=details, danger=True):
            self.studio.notices.clear(PLACE)  # such as that it was damaged
            try:
                await asyncio.to_thread(remove_bundle, folder)
            finally:
                await self.studio.models.reload()

    # -- speed

    def measure(self) -> None:
        if self.bundle is not None:
            spawn(self._measure(self.bundle), PLACE)

    def _measure_unasked(self, bundle: Bundle) -> None:
        """Once for each model, while the lane and the cores have nothing better to do."""

        def wanted() -> bool:
            busy = self._measuring or any(run.active for run in self.studio.lane.runs)
            return self.bundle is bundle and not self.speeds.lasts(bundle) and not busy

        async def measure() -> None:
            if not await asyncio.to_thread(training) and wanted():
                await self._measure(bundle)

        if wanted():
            spawn(measure(), PLACE)

    async def _measure(self, bundle: Bundle) -> None:
        if self._measuring:
            return
        self._measuring = bundle.digest
        self._describe()
        try:
            found = await asyncio.wrap_future(self.studio.lane.submit(measure_speed, self.studio.lane, bundle))
            self.speeds.keep(bundle, found)
        finally:
            self._measuring = ""
            self._describe()

    # -- one job at a time

    def _start(self, words: str, work: Coroutine[Any, Any, None], *, can_stop: bool = False) -> None:
        if self._job is not None:
            work.close()
            stop = " or stop it" if self.stop.isVisibleTo(self.job_line) else ""
            busy = f"{self._doing} is still going on: wait until it is done{stop}."
            self._busy = self.studio.notices.show(busy, "error", PLACE)
            return
        self.studio.notices.clear(PLACE)  # what an earlier job told
        self._doing = words
        self.stop.setVisible(can_stop)

        async def run() -> None:
            self._say(words)
            self.job_line.show()
            try:
                await work
            finally:
                self._job = None  # first: what is awaited here may be stopped too
                self.job_line.hide()
                take_back(self._busy)
                await self.studio.models.reload()  # whatever came of it: a model may be damaged

        self._job = spawn(run(), PLACE)

    def _say(self, words: str) -> None:
        self.job_words.setText(f"{words[:1].upper()}{words[1:200]}…")

    def _stop_job(self) -> None:
        if self._job is not None and not self._job.cancelling():  # a second click would break off its clearing away
            self._job.cancel()

    # -- as a workspace

    def open_paths(self, paths: list[Path]) -> bool:
        """A model or a checkpoint that is dropped is imported."""
        path = paths[0] if len(paths) == 1 else None
        if path is None or not (path.suffix.lower() in (SUFFIX, *jobs.CHECKPOINTS) or (path / MANIFEST).is_file()):
            return False
        self._import(path)
        return True

    def focusInEvent(self, event: QFocusEvent) -> None:
        """What had the keys is gone. No focus proxy, which would take half of the window out of the ring of Tab."""
        self.list.setFocus()

    def session(self) -> dict[str, Any]:
        card = self.list.card
        return {"model": card.name if card else None}

    def restore(self, state: dict[str, Any]) -> None:
        if isinstance(state.get("model"), str):
            self.list.choose(state["model"])

    async def may_leave(self) -> bool:
        if self._job is None:
            return True
        question = "A model is being imported, written or checked. Close all the same?"
        return await dialogs.confirm(self, question, yes="Close", no="Stay")

    def close_down(self) -> None:
        self._stop_job()
