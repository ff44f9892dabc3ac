"""The train workspace: data and runs in the centre, the settings of a run on the right."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout

from studio.datasets.kinds import kind_of
from studio.errors import StudioError
from studio.runtime.catalog import data_folder
from studio.training import run_folder
from studio.training.client import Run, find_runs
from studio.training.recipe import load_recipe
from studio.training.run_folder import RECIPE, Checkpoint
from studio.ui import dialogs
from studio.ui.icons import icon
from studio.ui.notices import NoticeBar, notices_over
from studio.ui.tasks import spawn
from studio.ui.train.at_work import AtWork, Ends, end_words
from studio.ui.train.commands import add_actions
from studio.ui.train.data_panel import DataPanel
from studio.ui.train.form import RunForm
from studio.ui.train.leaving import ask_leaving
from studio.ui.train.making import make_model, tell_made
from studio.ui.train.plan import free_folder, measured_words
from studio.ui.train.run_panel import RunPanel
from studio.ui.train.source import Source, sources_of
from studio.ui.train.storing import delete_run, remove_unused
from studio.ui.train.watching import Watch
from studio.ui.widgets.choices import Choice
from studio.ui.workspace import Workspace

if TYPE_CHECKING:
    from studio.ui.context import Studio

DATA, RUN = "data", "run"
FOOT = 40
"""Pixels of the last line of data and of run, with its controls."""
MEASURING = "Measuring a few steps…"


class TrainWorkspace(Workspace):
    """`made` tells name and modality of a model that was made of a run and is installed now."""

    name = "train"
    title = "Train"
    icon = "train"
    opens = (
        "a folder or zip of pictures, .npz, MNIST or CIFAR files, or texts (.txt, .md, .jsonl, .csv, .tsv, .parquet)"
    )

    made = Signal(str, str)

    def __init__(self, studio: "Studio"):
        super().__init__(studio)
        self.runs_folder = data_folder() / "runs"
        self.source = Source(data_folder() / "datasets", self)
        self.watch = Watch(self)
        self.watch.state_changed.connect(self._state_changed)  # before the panel, which shows what is allowed now
        self.watch.refused.connect(self._run_refused, Qt.ConnectionType.QueuedConnection)  # what tells it is over then
        self.at_work = AtWork(self.runs_folder, self.watch, self)
        self.at_work.changed.connect(self._list_runs)
        self.at_work.ended.connect(self._run_ended)
        self._ends = Ends(studio.notices)
        self._busy_with = ""
        self._asked = 0  # which data were asked for last
        self._stops: list[Run] = []  # when the window closes; what the user answered
        action = add_actions(self)
        self.data_panel = DataPanel(self.source, action["open"], action["open-folder"], action["tidy"])
        self.run_panel = RunPanel(self.watch, action)
        self.form = self.inspector = RunForm(studio.models, action["start"], action["estimate"])
        self.shown = Choice("What is shown", [(DATA, "Data"), (RUN, "Run")])
        self._lay_out()
        self.shown.changed.connect(self.show_side)
        self.data_panel.fit_chosen.connect(self._fit_chosen)
        self.data_panel.column_chosen.connect(self._column_chosen)
        self.source.changed.connect(self._source_changed)
        self.form.shape_changed.connect(self._shape_changed)
        self.form.shape_changed.connect(self.dirty)
        self.form.changed.connect(self.dirty)
        self.run_panel.drawn.connect(self.status_changed)
        self.run_panel.run_chosen.connect(self._run_chosen)
        self.run_panel.roll_back.connect(self._roll_back)
        self.run_panel.use.connect(self._use_chosen)
        self._state_changed()
        self.at_work.look()

    def _lay_out(self) -> None:
        self.stack = QStackedWidget()
        self.stack.addWidget(self.data_panel)
        self.stack.addWidget(self.run_panel)
        self.shown.setFixedWidth(200)
        row = QHBoxLayout()
        row.setContentsMargins(16, 8, 16, 0)
        row.addWidget(self.shown)
        row.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(row)
        column.addLayout(notices_over(self.stack, NoticeBar(self.studio.notices, self.name), FOOT), 1)

    # ---- the window

    def activated(self) -> None:
        """List the runs; the first time, find one that goes on and show it."""
        self.watch.rejoin()
        running = self.at_work.look()
        if self.watch.run is None and (runs := running or find_runs(self.runs_folder)):
            self.watch.follow(runs[0])
            if running:
                self.show_side(RUN)
        self._list_runs()
        self._ends.look_at(self.watch.folder, in_front=True)

    def status(self) -> dict[str, str]:
        return {
            "model": f"Run {self.watch.name}" if self.watch.name else "",
            "provider": str(self.watch.start.get("device", "")),
            "queue": self.watch.status_line(),
        }

    def open_paths(self, paths: list[Path]) -> bool:
        path = sources_of(paths)
        if path is None:
            return False
        self.open_data(path)
        return True

    def session(self) -> dict[str, Any]:
        source = self.source
        data = {"data": str(source.path or ""), "fit": source.fit, "column": source.column}
        return {**self.form.session(), **data, "shown": self.shown.value()}

    def restore(self, state: dict[str, Any]) -> None:
        self.form.restore(state)
        data, column = state.get("data"), state.get("column")
        if isinstance(data, str) and data and Path(data).exists():
            fit = "pad" if state.get("fit") == "pad" else "crop"
            self.open_data(Path(data), fit, column if isinstance(column, str) else "")
        if state.get("shown") in (DATA, RUN):
            self.show_side(state["shown"])

    async def may_leave(self) -> bool:
        """Ask what becomes of a model that is being made, and of every run that is at work; false stays."""
        if self._busy_with:
            question = f"“{self._busy_with}” is being made into a model. Close all the same?"
            details = "The model is not there then; the run and its checkpoints stay."
            if not await dialogs.confirm(self, question, yes="Close", no="Stay", details=details):
                return False
        runs = self.at_work.training()
        answer = await ask_leaving(self, [run.folder.name for run in runs]) if runs else "go on"
        self._stops = runs if answer == "stop" else []
        return answer != "stay"

    async def leaving(self) -> None:
        await self.at_work.stop(self._stops)

    def close_down(self) -> None:
        self.at_work.close()
        self.watch.close()
        self.source.close()
        self.run_panel.close_down()

    # ---- data

    async def ask_open(self) -> None:
        path = await dialogs.ask_open(self, "Open training data", self.name)
        if path is not None:
            self.open_data(path)

    async def ask_folder(self) -> None:
        path = await dialogs.ask_folder(self, "Open a folder of training data", self.name)
        if path is not None:
            self.open_data(path)

    def open_data(self, path: Path, fit: str = "crop", column: str = "") -> None:
        """Begin to read data; the panel shows how far it is."""
        self.studio.notices.clear(self.name)  # of the data before, or of a file that was none
        self.show_side(DATA)
        spawn(self._open_data(path, fit, column), self.name)

    async def _open_data(self, path: Path, fit: str, column: str) -> None:
        self._asked += 1
        turn, problem, kind = self._asked, "", ""
        try:
            kind = await asyncio.to_thread(kind_of, path)
        except StudioError as error:
            problem = str(error)
        if turn != self._asked:  # other data were asked for while these were looked at
            return
        if problem:
            return await self.source.refuse(path, problem)
        grid = (32, 32) if kind == "pictures" else None
        if grid is not None and self.form.plan.modality == "image":
            grid = self.form.grid() or grid
        await self.source.open(path, grid, fit, column)
        self.dirty.emit()

    def _fit_chosen(self, fit: str) -> None:
        if self.source.path is not None:
            spawn(self._open_data(self.source.path, fit, self.source.column), self.name)

    def _column_chosen(self, column: str) -> None:
        if self.source.path is not None:
            spawn(self._open_data(self.source.path, self.source.fit, column), self.name)

    def _source_changed(self) -> None:
        if not self.source.reading:
            self.form.set_dataset(self.source.dataset)
            self._shape_changed()  # another size may have been chosen while they were read

    def _shape_changed(self) -> None:
        """The model takes pictures of another size: read them anew."""
        grid = self.form.grid()
        source = self.source
        if source.path is not None and grid is not None and source.grid not in (None, grid) and not source.reading:
            spawn(self._open_data(source.path, source.fit, source.column), self.name)

    # ---- runs

    def show_side(self, side: str) -> None:
        self.shown.set_value(side)
        self.stack.setCurrentIndex(0 if side == DATA else 1)
        self._tell_aside()

    def _tell_aside(self) -> None:
        self.form.set_aside(self.watch.name if self.stack.currentIndex() or self.watch.active else "")

    def _list_runs(self) -> None:
        names = self.at_work.names
        self.run_panel.set_runs([run.folder.name for run in find_runs(self.runs_folder)], names)
        self.goes_on = f"{', '.join(f'“{name}”' for name in names)} at work" if names else ""
        self.status_changed.emit()

    def start(self) -> Coroutine[Any, Any, None]:
        """A new run of what the form says; the first wrong field is focused instead. StudioError while one goes on."""
        self.at_work.must_be_none()
        return self._begin()

    async def _begin(self) -> None:
        recipe = self.form.recipe()
        if recipe is None:
            return
        folder = free_folder(self.runs_folder, recipe.name)
        self.show_side(RUN)
        self.studio.notices.clear(self.name)
        await self.watch.begin(self.form.named(folder.name), folder)  # the title has the folder's number too
        self.at_work.look()
        self._list_runs()

    async def estimate(self) -> None:
        """Measure a few steps of what the form says and tell memory and time."""
        recipe = self.form.recipe()
        if recipe is None:
            return
        self.form.set_estimate(MEASURING)
        self.form.set_measuring(True)
        try:
            told = await measured_words(recipe, self.runs_folder / ".estimate")
        except BaseException:
            self.form.set_estimate("")
            raise
        finally:
            self.form.set_measuring(False)
        if self.form.estimate.text() != MEASURING:
            self.form.set_estimate("The settings have changed meanwhile: estimate again.")
            return
        self.form.set_estimate(told)

    def pause(self) -> None:
        self.watch.ask("resume" if self.watch.state == "paused" else "pause")

    async def resume(self) -> None:
        """Go on with the run that is shown: after a pause at once, else with a new worker."""
        folder = self.watch.folder
        if self.watch.state == "paused":
            self.watch.ask("resume")
        elif folder is not None and not self.watch.active and not self.watch.rejoin():
            recipe = await asyncio.to_thread(load_recipe, folder / RECIPE)
            self.at_work.must_be_none()
            self.studio.notices.clear(self.name)
            if self.watch.diverged:  # the same steps again would end in the same way
                rate = recipe.training.learning_rate / 10
                recipe = replace(recipe, training=replace(recipe.training, learning_rate=rate))
                self.studio.notices.show(f"The run goes on with a learning rate of {rate:g}.", "info", self.name)
            await self.watch.begin(recipe, folder, resume=run_folder.has_checkpoint(folder))
            self.at_work.look()

    async def delete(self) -> None:
        """Delete the run that is shown, after a question; the next one is shown instead."""
        folder = self.watch.folder
        if folder is None or self.watch.active or folder.name == self._busy_with:
            raise StudioError("The run is at work: stop it before you delete it.")
        if await delete_run(self, folder):
            self._show_next()

    def _show_next(self) -> None:
        """The run that was shown is gone."""
        runs = find_runs(self.runs_folder)
        self.watch.follow(runs[0] if runs else None)
        self._list_runs()

    def _run_refused(self) -> None:
        """Mostly for its data; why is told above them."""
        self._show_next()
        self.show_side(DATA)

    async def tidy(self) -> None:
        """Remove prepared data that nothing needs, after a question."""
        if done := await remove_unused(self, self.source.folder, self.runs_folder, self.source.opened):
            self.studio.notices.show(done, "success", self.name)

    def _run_chosen(self, name: str) -> None:
        if name and name != self.watch.name:
            self.watch.follow(Run(self.runs_folder / name))

    def _roll_back(self, entry: Checkpoint | None) -> None:
        if entry is not None and self.watch.folder is not None:
            try:
                run_folder.rollback(self.watch.folder, entry)
            except StudioError as error:  # another program went on with it, or the disk is full
                self.studio.notices.show(str(error), "error", self.name)
                return
            text = f"The run stands at step {entry.step:,} again; Resume goes on from there."
            self.studio.notices.show(text, "success", self.name)
            self.run_panel.draw()
            self.studio.actions["train.resume"].setEnabled(not self.watch.finished())

    def _state_changed(self) -> None:
        actions, state = self.studio.actions, self.watch.state
        active, held = self.watch.active, self.run_panel.held()
        self._ends.look_at(self.watch.folder, self.isVisible())
        self._tell_aside()
        actions["train.pause"].setEnabled(state in ("running", "paused"))
        actions["train.pause"].setText("Resume the training" if state == "paused" else "Pause the training")
        actions["train.pause"].setIcon(icon("play" if state == "paused" else "pause"))
        actions["train.resume"].setEnabled(self.watch.run is not None and not self.watch.finished())
        actions["train.resume"].setVisible(not active)
        for name in ("sample", "save"):
            actions[f"train.{name}"].setEnabled(state in ("running", "paused"))
        actions["train.stop"].setEnabled(active)
        actions["train.stop"].setVisible(active)
        actions["train.use"].setEnabled(self.watch.run is not None)
        actions["train.delete"].setEnabled(self.watch.run is not None and not active)
        self.run_panel.hold(held)
        if not active:
            actions.forget_refusal(self.name)  # that it was going on
        if not active and self.watch.live:  # what a call took beside it is no measure any more
            self.studio.lane.submit(self.studio.lane.time_again, self.studio.models.all())
        self._ends.tell_why(self.watch, self.name, actions["train.resume"].trigger, actions["train.use"].trigger)
        self.status_changed.emit()

    def _run_ended(self, run: Run) -> None:
        """Tell it wherever the user is, unless it is seen: hours go by until a run ends."""
        seen = self.isVisible() and run.folder == self.watch.folder
        if not seen and run.folder.exists() and (told := end_words(run)):
            self._ends.tell(run.folder, *told, offer=("Show the run", lambda: self._show_run(run.folder)))

    def _show_run(self, folder: Path) -> None:
        if folder != self.watch.folder and folder.exists():
            self.watch.follow(Run(folder))
        self.show_side(RUN)
        self.studio.actions["window.go-train"].trigger()

    # ---- from a run to a model

    async def use_best(self) -> None:
        entries = self.watch.checkpoints()
        if not entries:
            raise StudioError("There is no checkpoint yet: save one first.")
        await self.use_checkpoint(next((entry for entry in entries if entry.best), entries[-1]))

    def _use_chosen(self, entry: Checkpoint | None) -> None:
        if entry is not None:
            spawn(self.use_checkpoint(entry), self.name)

    async def use_checkpoint(self, entry: Checkpoint) -> None:
        """Make a bundle of a checkpoint, checked against its network and measured, and install it."""
        folder = self.watch.folder
        assert folder is not None
        if self._busy_with:
            raise StudioError(f"“{self._busy_with}” is being made into a model: wait until it is there.")
        self._busy_with = folder.name
        self.run_panel.set_making(True)
        notices = self.studio.notices
        told = f"Making a model of “{folder.name}”, step {entry.step:,}, and checking it…"
        note = notices.show(told, place=self.name)
        try:
            made = await make_model(self.studio.models, folder, entry)
        finally:
            self._busy_with = ""
            self.run_panel.set_making(False)
            notices.dismiss(note)
        self.made.emit(made.name, made.manifest.modality)
        tell_made(self.studio, made, self.name)
