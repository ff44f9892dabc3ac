"""The image workspace: the document, its canvas and what is made in it, put together."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QImage, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.errors import StudioError
from studio.generation import GenerationRequest, parameters_of
from studio.media.images import Picture
from studio.ui import history
from studio.ui.image.canvas import Canvas
from studio.ui.image.commands import OVERLAYS, Commands
from studio.ui.image.document import ImageDocument
from studio.ui.image.jobs import LARGE, Job
from studio.ui.image.keeping import Copies, restore_session, session_of
from studio.ui.image.making import Making
from studio.ui.image.opening import Opening
from studio.ui.image.showing import Showing
from studio.ui.image.side_by_side import SideBySide, Wipe
from studio.ui.image.strip import FilmStrip
from studio.ui.image.surprise import Surprise
from studio.ui.image.toolbar import PlanesButton, ToolStrip
from studio.ui.image.tools import ToolSettings
from studio.ui.image.view import PictureView
from studio.ui.inspector.panel import InspectorPanel
from studio.ui.memory import give_back
from studio.ui.notices import NoticeBar
from studio.ui.playhead import Playhead
from studio.ui.sampling_settings import SamplingSettings
from studio.ui.status import making_status
from studio.ui.tasks import report, spawn
from studio.ui.timeline.panel import TimelinePanel
from studio.ui.timeline.transport import Transport
from studio.ui.widgets.icon_button import ActionButton
from studio.ui.widgets.layout import bar
from studio.ui.workspace import Workspace

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle
    from studio.ui.context import Studio

WIDE = 760
"""Above that there is room for words between the buttons."""
NARROW = 580
"""Below that there is none at all."""
LOW = 430
"""Height below which results are shown half as large."""
UNTOUCHED = "Generate", "Fill what is masked"
TOUCHED = "Go on from here", "Make again what you marked in this frame, and what is open in it"
NOTHING = "Nothing is masked yet: paint over what is to be filled."
NO_DIGITS = "This model has none of the digits that are masked: choose Edit, Give the mask these digits, or mask anew."
SETTLE_MS = 60
"""After the last stroke, before the forecast is made anew."""
REST_MS = 3000
"""After the last change of a large picture, before memory is given back."""


class PictureTransport(Transport):
    """To go on with a paused frame that was touched is to branch from it."""

    def __init__(self, making: Making, playhead: Playhead, parent: "ImageWorkspace"):
        super().__init__(playhead, parent)
        self._making = making

    def go_on(self) -> None:
        if self._making.pending:
            spawn(self._making.branch(), place=ImageWorkspace.name)
        else:
            super().go_on()


class ImageWorkspace(Workspace):
    name = "image"
    title = "Image"
    icon = "image"

    def __init__(self, studio: "Studio"):
        super().__init__(studio)
        self.document, self.tools = ImageDocument(self), ToolSettings(self)
        self.copies = Copies(self.document)
        self.settings, self.playhead = SamplingSettings(self), Playhead(self)
        self.making = Making(studio, self.document, self.settings, self.playhead)
        self.transport = PictureTransport(self.making, self.playhead, self)
        self.canvas = Canvas(self.document, self.tools)
        self.showing = Showing(self.canvas, self.making, self.playhead)
        self.undo_stack = self.document.undo_stack
        self.commands = Commands(self)
        self.inspector = inspector = InspectorPanel(studio, self.settings, self.name, self.transport)
        inspector.generate.connect(self.commands["generate"].trigger)
        inspector.stop.connect(self.stop)
        inspector.pause.connect(self.transport.pause)
        inspector.resume.connect(self.transport.go_on)
        inspector.step.connect(self.transport.step)
        inspector.compare.connect(self.commands["compare"].trigger)
        self.panel = inspector
        self.track = self.timeline = timeline = TimelinePanel(self.transport)
        timeline.branch.connect(self._branch_at)
        timeline.export.connect(self._export_as)
        self.side_by_side, self.wipes, self.strip = SideBySide(self), Wipe(self), FilmStrip()
        self.opening, self.surprise = Opening(self), Surprise(self)
        self._lay_out()
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settle.timeout.connect(self._settled)
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(lambda: spawn(asyncio.to_thread(give_back), place=self.name))
        self._connect()
        self.settings.set_bundle(studio.models.default("image"))
        self.opening.sample()

    def _lay_out(self) -> None:
        # First of all: Tab comes to a focus proxy where the workspace is, and would pass over the tools before it.
        middle = QWidget(self)
        self.canvas.setParent(middle)
        action = self.studio.actions.__getitem__
        overlays = [ActionButton(action(f"image.{name}")) for name in (*(name for name, *_ in OVERLAYS), "surprise")]
        self._zoom, self._pixel, self._which = QLabel(), QLabel(), QLabel()
        for label in (self._zoom, self._pixel, self._which):
            label.setProperty("role", "mono")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        buttons = {name: ActionButton(action(f"image.{name}")) for name in ("open", "save", "select-all", "invert")}
        buttons |= {name: ActionButton(action(f"image.{name}")) for name in ("clear", "wipe", "use", "discard")}
        buttons |= {name: ActionButton(action(f"image.{name}")) for name in ("previous", "next", "zoom-fit")}
        self._turning = (buttons["previous"], self._which, buttons["next"])
        column.addWidget(
            bar(
                *(buttons[name] for name in ("open", "save")),
                12,
                *(buttons[name] for name in ("select-all", "invert", "clear")),
                PlanesButton(self.studio.actions, self.document),
                12,
                *overlays,
                None,
                self._pixel,
                8,
                *self._turning,
                *(buttons[name] for name in ("wipe", "use", "discard")),
                12,
                self._zoom,
                buttons["zoom-fit"],
            )
        )
        row = QHBoxLayout(middle)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(ToolStrip(self.studio.actions, self.tools))
        # Under the canvas alone: in a low window the tools need their height.
        stage, seen = QGridLayout(), QVBoxLayout()
        seen.addLayout(stage, 1)
        seen.addWidget(self.side_by_side)
        seen.addWidget(self.strip)
        row.addLayout(seen, 1)
        for view in (self.canvas, self.wipes.view):
            stage.addWidget(view, 0, 0)
        # Over the canvas, not above it: what is told must not move what is worked on.
        stage.addWidget(NoticeBar(self.studio.notices, self.name), 0, 0, Qt.AlignmentFlag.AlignTop)
        self.setFocusProxy(self.canvas)
        column.addWidget(middle, 1)

    def _connect(self) -> None:
        document, playhead, making = self.document, self.playhead, self.making
        document.edited.connect(self._edited)
        document.frame_changed.connect(self._settle.start)
        document.replaced.connect(self._settle.start)
        document.replaced.connect(self._rest.start)
        for signal in (document.edited, document.planes_changed, self.settings.changed):
            signal.connect(self.dirty)
        for signal in (playhead.state_changed, playhead.lasting):
            signal.connect(self.dirty)
        self.settings.changed.connect(self._settings_changed)
        playhead.state_changed.connect(self._refresh)
        playhead.frame_changed.connect(self._frame_changed)
        making.changed.connect(self._refresh)
        making.ended.connect(self._ended)
        for signal in (self.canvas.zoom_changed, self.wipes.view.zoom_changed, self.wipes.turned):
            signal.connect(self._show_zoom)
        self.canvas.pointed.connect(self._show_pixel)
        self.surprise.changed.connect(self._show_odd)
        for signal in (document.picture_changed, document.replaced, making.changed, playhead.frame_changed):
            signal.connect(self.surprise.clear)
        self._show_zoom()

    def activated(self) -> None:
        self.view.setFocus()

    # ---- opening

    def open_paths(self, paths: list[Path]) -> bool:
        return self.opening.paths(paths)

    def open_image(self, image: QImage) -> bool:
        try:
            self.opening.image(image, "dropped picture")
        except StudioError as error:
            report(error, self.name)
        return True

    def open_request(self, request: GenerationRequest, **source: Any) -> bool:
        variation = int(source.get("variation", 0))
        # As `history` named what was made of it; what is made now gets its seed anew.
        title = str(source.get("title") or "picture").removesuffix(f", seed {request.seeds[variation]}")
        return self.opening.request(request, source.get("picture"), title, variation, made=source.get("result"))

    def use_model(self, bundle: "Bundle") -> bool:
        if bundle.manifest.modality != "image":
            return False
        self.settings.change_bundle(bundle)
        return True

    # ---- making

    async def generate(self) -> None:
        self.studio.notices.clear(self.name)
        self.note_given()
        await self.making.generate()

    def stop(self) -> None:
        self.making.stop()
        self.surprise.clear()
        self.playhead.watch()

    def pause(self) -> None:
        """Pause a run that goes on; let a paused one go on."""
        if self.transport.live:
            self.transport.pause()
        else:
            self.transport.go_on()

    async def branch(self, index: int | None = None) -> None:
        self.studio.notices.clear(self.name)
        await self.making.branch(index)

    def _branch_at(self, index: int) -> None:
        spawn(self.branch(index), place=self.name)

    def _export_as(self, kind: str) -> None:
        spawn(self.commands.export_as(kind), place=self.name)

    async def redo_rest(self) -> None:
        self.studio.notices.clear(self.name)
        await self.making.redo_rest()

    async def compare(self) -> None:
        self.studio.notices.clear(self.name)
        await self.making.compare()

    def use_as_original(self) -> None:
        self.making.use_as_original()

    def discard(self) -> None:
        self.making.clear()

    @property
    def variations(self) -> int:
        job = self.making.job
        return len(job.run.request.seeds) if job else 0

    def look_at_variation(self, by: int) -> None:
        job = self.making.job
        if job is not None:
            self.making.look_at(job, (self.making.variation + by) % self.variations)

    def show_surprise(self, on: bool) -> None:
        """A map of what the model did not expect, each pixel judged by all others."""
        if on:
            spawn(self.surprise.show(), place=self.name)
        else:
            self.surprise.clear()

    @property
    def wiping(self) -> bool:
        return self.wipes.on

    def wipe(self, on: bool) -> None:
        """A slider between the original and what was made."""
        if on:
            self.side_by_side.wipe(-1, self.making.variation, ("Original", "Made"))
        else:
            self.wipes.close()

    @property
    def view(self) -> PictureView:
        """What the picture is looked at in."""
        return self.wipes.view if self.wiping else self.canvas

    def shown_picture(self) -> Picture:
        """What is on the canvas, as it would be saved."""
        return self.making.finished() or self.document.picture

    def parameters(self) -> str | None:
        """The request of what is on the canvas, for the PNG; None where that alone would not make it."""
        job, painted = self.making.job, self.document.state_edits[1]
        if job is None or painted or job.run.state != "done" or self.playhead.index != self.playhead.last:
            return None
        return json.dumps(parameters_of(job.run.request, self.making.variation, job.run.provider))

    def _ended(self, job: Job) -> None:
        self._rest_if_large()
        if job.run.error is not None:
            report(job.run.error, self.name)
        spawn(history.keep(self.studio.library, job.run, job.picture, self.opening.title), place=self.name)
        self.dirty.emit()

    # ---- what is shown

    def note_given(self) -> None:
        """Tell the settings whether anything of the picture is given, for that has other defaults."""
        if not self.making.pending:
            self.settings.set_nothing_given(self.making.all_is_open())

    def _edited(self) -> None:
        """What follows from a stroke is found out when it rests; but who masks and presses the keys to generate at once
        is not to be passed over."""
        self.commands["generate"].setEnabled(self.settings.bundle is not None)
        self._settle.start()
        self._rest_if_large()

    def _rest_if_large(self) -> None:
        width, height = self.document.size
        if width * height > LARGE:
            self._rest.start()

    def _settled(self) -> None:
        self.note_given()
        units = self.making.units()
        self.panel.set_units((units,) if units else ())
        other = self.settings.bundle is not None and not self.document.mask_bounds().isEmpty()
        nothing = NO_DIGITS if other else NOTHING
        self.panel.set_problem(self.making.branch_problem() if self.making.pending else "" if units else nothing)
        self._refresh()

    def _settings_changed(self) -> None:
        self._settle.start()
        self.status_changed.emit()

    def _frame_changed(self) -> None:
        if not (self.transport.live and self.playhead.following):  # else nothing but the picture is another
            self._refresh()
            if self.making.pending:  # from another frame there may be no going on
                self._settle.start()

    def _refresh(self) -> None:
        self.commands.refresh()
        self.panel.set_goal(*(TOUCHED if self.making.pending else UNTOUCHED))
        self._which.setText(f"{self.making.variation + 1} of {self.variations}")
        self._fit_words()
        self.status_changed.emit()

    def _fit_words(self) -> None:
        """Without room for all, the results below the canvas tell which is shown, and what is asked for comes first."""
        wide = self.width() > WIDE
        for widget in self._turning:
            widget.setVisible(wide and self.variations > 1)
        self._pixel.setVisible(wide or self.surprise.on)
        self._zoom.setVisible(wide or (self.width() > NARROW and not self.surprise.on))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_words()
        self.side_by_side.set_low(self.height() < LOW)

    def _show_zoom(self) -> None:
        self._zoom.setText(f"{100 * self.view.zoom:.0f} %")

    def _show_pixel(self, at: Any) -> None:
        odd = self.surprise.words(None if at is None else (at.x(), at.y()))
        self._pixel.setText("  ".join(text for text in (odd, "" if at is None else f"{at.x()}, {at.y()}") if text))

    def _show_odd(self) -> None:
        self.commands["surprise"].setChecked(self.surprise.on)
        self._fit_words()
        self._show_pixel(None)

    def status(self) -> dict[str, str]:
        subject = self.opening.title
        return making_status(self.studio.lane, self.settings.bundle, self.playhead.state, subject)

    # ---- session

    def session(self) -> dict[str, Any]:
        return session_of(self)

    def restore(self, state: dict[str, Any]) -> None:
        restore_session(self, state)

    def close_down(self) -> None:
        self._settle.stop()
        self._rest.stop()
        self.surprise.clear()
        self.side_by_side.close_down()
        self.wipes.close_down()
        self.strip.close_down()
        self.making.close_down()
        self.playhead.close_down()
