"""What can be done in the image workspace: every action with its shortcut, in one place."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QAction, QGuiApplication

from studio.errors import StudioError
from studio.media.export import save_png
from studio.media.images import load_mask
from studio.ui import dialogs
from studio.ui.image import masking
from studio.ui.image.exporting import export_run
from studio.ui.image.raster import image_of
from studio.ui.widgets.focus import leave_focus
from studio.ui.workspace import files_of

if TYPE_CHECKING:
    from studio.ui.image.workspace import ImageWorkspace

OVERLAYS = (
    ("picture", "Picture", "eye", "The picture as it comes into focus."),
    ("states", "Sub-token states", "states", "How many digits of each pixel are known."),
    ("confidence", "Confidence", "confidence", "How sure the network was of what it drew."),
    ("difference", "Difference", "difference", "What differs from the original."),
)
PLANES = (
    ("all", "Mask all digits", "Strokes mask whole pixels."),
    ("high", "Mask the high digits", "Keep the detail, redraw the rough colours."),
    ("low", "Mask the low digits", "Keep the composition, redraw the detail."),
)
EXPORTS = ["WebP animation (*.webp)", "GIF animation (*.gif)", "MP4 video (*.mp4)", "Strip of frames (*.png)"]


class Commands:
    """Registers the actions; `refresh` says which can be done now."""

    def __init__(self, workspace: "ImageWorkspace"):
        self._of = workspace
        self._actions: dict[str, QAction] = {}
        of, document, canvas = workspace, workspace.document, workspace.canvas
        add = self._add
        add("new", "New picture", lambda: of.opening.blank(), "Ctrl+N", "", "All of it masked: made from nothing.")
        add("open", "Open picture…", self._open, "Ctrl+O", "open")
        add("open-folder", "Open folder of pictures…", self._open_folder, "Ctrl+Shift+O", "folder")
        add("close-folder", "Close the folder", self._close_folder, help="Take the strip of its pictures away.")
        add("paste", "Paste picture", self._paste, "Ctrl+V", "paste")
        add(
            "save",
            "Save picture…",
            self._save,
            "Ctrl+S",
            "save",
            "The picture as you see it, with its parameters inside.",
        )
        add("copy", "Copy picture", self._copy, "Ctrl+C", "copy")
        add("export", "Export time-lapse…", self._export, "Ctrl+E", "film", "The run as WebP, GIF, MP4 or a strip.")
        add("import-mask", "Import mask…", self._import_mask, "", "import", "White is filled.")
        add("export-mask", "Export mask…", self._export_mask, "", "export")

        add("select-all", "Mask everything", lambda: masking.mask_whole(document), "Ctrl+A", "whole")
        add("invert", "Invert mask", lambda: masking.invert_mask(document), "Ctrl+I", "invert")
        add("clear", "Clear mask", lambda: masking.clear_mask(document), "Ctrl+D", "clear")
        add("grow", "Grow mask", lambda: masking.grow_mask(document, 1), "Ctrl+]", "grow")
        add("shrink", "Shrink mask", lambda: masking.grow_mask(document, -1), "Ctrl+[", "shrink")
        add("mask-transparent", "Mask what is transparent", lambda: masking.mask_transparent(document), "", "layers")
        add("auto-frame", "Let the frame follow the mask", lambda: document.set_frame(None), "", "frame")
        for name, title, text in PLANES:
            add(f"planes-{name}", title, self._planes(name), help=text, group="planes")
        self["planes-all"].setChecked(True)
        add(
            "apply-planes",
            "Give the mask these digits",
            lambda: masking.apply_planes(document),
            help="All that is masked already, not the next strokes only.",
        )

        add(
            "generate",
            "Generate",
            of.generate,
            "Ctrl+Return",
            "play",
            "Fill what is masked, or go on from a touched frame.",
        )
        add("stop", "Stop", of.stop, "Ctrl+.", "stop", "Before the next call of the network.")
        add("pause", "Pause or go on", of.pause, "Ctrl+P", "pause")
        add("step", "Step", of.transport.forward, ".", "step", "One frame on; at the end of a paused run, make one.")
        add("back", "Step back", of.transport.back, ",", "step-back", "One frame back; a run that goes on is paused.")
        add("branch", "Branch here", of.branch, "Ctrl+B", "branch", "Go on from this frame with the present settings.")
        add("redo-rest", "Redo what is not pinned", of.redo_rest, "Ctrl+Shift+B", "refresh")
        add("compare", "Compare ℓ", of.compare, "Ctrl+L", "compare", "The same hole and seed at every granularity.")
        add("use", "Use as the picture", of.use_as_original, "Ctrl+U", "accept", "What was made becomes the original.")
        add(
            "discard",
            "Back to the original",
            of.discard,
            "Ctrl+Backspace",
            "close",
            "Take what was made from the canvas.",
        )
        add("next", "Next variation", lambda: of.look_at_variation(1), "PgDown", "chevron-right")
        add("previous", "Previous variation", lambda: of.look_at_variation(-1), "PgUp", "chevron-left")
        add(
            "wipe",
            "Compare with the original",
            of.wipe,
            "\\",
            "wipe",
            "A slider between before and after.",
            checkable=True,
        )

        add("larger", "Larger brush", lambda: of.tools.resize(1), "]", "", "Ctrl and the wheel do the same.")
        add("smaller", "Smaller brush", lambda: of.tools.resize(-1), "[")

        add("zoom-in", "Zoom in", lambda: of.view.zoom_in(), "Ctrl++", "zoom-in")
        add("zoom-out", "Zoom out", lambda: of.view.zoom_out(), "Ctrl+-", "zoom-out")
        add("zoom-fit", "Fit in view", lambda: of.view.fit(), "Ctrl+0", "zoom-fit")
        add("zoom-one", "Actual size", lambda: of.view.actual_size(), "Ctrl+1", "original")
        add(
            "marks",
            "Show mask, frame and grid",
            canvas.set_marks_shown,
            "Ctrl+H",
            "grid",
            "Without them the picture stands alone, until the next stroke.",
            checkable=True,
        )
        self["marks"].setChecked(True)
        for changed in (document.mask_changed, document.pins_changed, document.state_edits_changed):
            changed.connect(self._show_marks)
        document.frame_changed.connect(self._show_marks)
        document.replaced.connect(self._show_marks)
        for number, (name, title, icon, text) in enumerate(OVERLAYS, start=1):
            add(name, title, self._overlay(name), str(number), icon, text, group="overlay")
        self["picture"].setChecked(True)
        add("surprise", "Surprise", of.show_surprise, "5", "surprise", "Where the model finds it odd.", checkable=True)
        canvas.overlay_changed.connect(lambda name: self[name].setChecked(True))
        of.making.ended.connect(lambda: of.studio.actions.forget_refusal(of.name))

    def __getitem__(self, name: str) -> QAction:
        return self._actions[name]

    def _add(self, name: str, *what: Any, **more: Any) -> None:
        self._actions[name] = self._of.studio.actions.add_to("image", name, *what, **more)

    def refresh(self) -> None:
        """Enable what can be done now."""
        of = self._of
        making, transport = of.making, of.transport
        problem = making.branch_problem()
        of.track.set_branch_problem(problem)
        made, masked = making.job is not None, not of.document.mask_bounds().isEmpty()
        for name, can in {
            "generate": (masked or making.pending) and of.settings.bundle is not None,
            "compare": masked and len(of.settings.granularities) > 1,
            "stop": transport.busy or of.surprise.on,
            "pause": transport.live or transport.paused,
            "step": made,
            "back": made and (transport.live or of.playhead.index > 0),
            "branch": made and not problem,
            "redo-rest": made and bool(of.document.pins.any()),
            "close-folder": bool(of.strip.paths),
            "use": made,
            "discard": made,
            "export": made,
            "wipe": made or of.wiping,
            "next": of.variations > 1,
            "previous": of.variations > 1,
            **dict.fromkeys(("invert", "clear", "grow", "shrink", "apply-planes", "export-mask"), masked),
        }.items():
            self[name].setEnabled(bool(can))

    # ---- handlers that ask

    def _overlay(self, name: str) -> Callable[[], None]:
        def look() -> None:
            self._of.surprise.clear()  # it would lie over what was asked for
            self._of.canvas.set_overlay(name)

        return look

    def _show_marks(self) -> None:
        """Nobody draws what cannot be seen."""
        if not self["marks"].isChecked():
            self["marks"].trigger()

    def _planes(self, name: str) -> Callable[[], object]:
        return lambda: self._of.document.set_planes(name)

    async def _open(self) -> None:
        path = await dialogs.ask_open(self._of, "Open picture", self._of.name, [dialogs.PICTURES])
        if path is not None:
            await self._of.opening.file(path)

    async def _open_folder(self) -> None:
        path = await dialogs.ask_folder(self._of, "Open a folder of pictures", self._of.name)
        if path is not None:
            self._of.opening.folder(path)

    def _close_folder(self) -> None:
        leave_focus(self._of.strip, self._of)
        self._of.strip.close_folder()
        self._of.dirty.emit()
        self.refresh()

    def _paste(self) -> None:
        if self._of.opening.paths(files_of(QGuiApplication.clipboard().mimeData())):
            return
        image = QGuiApplication.clipboard().image()
        if image.isNull():
            raise StudioError("There is no picture on the clipboard: copy one first.")
        self._of.opening.image(image, "pasted picture")

    def _copy(self) -> None:
        QGuiApplication.clipboard().setImage(image_of(self._of.shown_picture()))

    async def _ask_save(self, title: str, name: str, filters: list[str]) -> Path | None:
        return await dialogs.ask_save(self._of, title, self._of.name, name, filters, self._of.opening.folder_to_save)

    async def _save(self) -> None:
        of = self._of
        job, following = of.making.job, of.playhead.following
        picture, parameters, lacking = of.shown_picture(), of.parameters(), self._lacking()
        path = await self._ask_save("Save picture", of.opening.name_to_save, ["PNG (*.png)"])
        if path is not None:
            if job is not None and of.making.job is job and following:  # it has gone on behind the dialog, to be seen
                picture, parameters, lacking = of.shown_picture(), of.parameters(), self._lacking()
            await asyncio.to_thread(save_png, path, picture.stored, parameters, picture.alpha)
            of.opening.saved = path
            of.studio.settings.add_recent(of.name, path)
            of.studio.notices.show(f"Saved as {path.name}{lacking}.", kind="success", place=of.name)

    def _lacking(self) -> str:
        """Why a picture that is saved now will not have in it what it was made with, "" where it will."""
        of, kept = self._of, self._of.playhead.frame
        if kept is None or of.parameters() is not None:
            return ""
        at = "" if of.playhead.index == of.playhead.last else f" as it is at step {kept.step} of {kept.steps}"
        return f"{at}: what it was made with goes into finished pictures only, without paint"

    async def _export(self, kind: str = "") -> None:
        of = self._of
        job, variation = of.making.job, of.making.variation
        if job is None:
            return
        filters = [text for text in EXPORTS if not kind or f"*.{kind}" in text]
        suffix = kind or "webp"
        path = await self._ask_save("Export the run", f"{of.opening.title}-run.{suffix}", filters)
        if path is not None:
            of.studio.notices.clear(of.name)  # such as of an export before
            writing = of.studio.notices.show(f"Writing {path.name}…", place=of.name, lasting=True)
            try:
                await asyncio.to_thread(export_run, path, job, variation)
            finally:
                of.studio.notices.dismiss(writing)
            of.studio.notices.show(f"Exported as {path.name}.", kind="success", place=of.name)

    async def export_as(self, kind: str) -> None:
        """From the timeline: "gif", "webp", "mp4" or "strip"."""
        await self._export("png" if kind == "strip" else kind)

    async def _import_mask(self) -> None:
        path = await dialogs.ask_open(self._of, "Import mask", self._of.name, [dialogs.PICTURES])
        if path is not None:
            self._of.studio.notices.clear(self._of.name)  # of a mask before that was none
            document, picture = self._of.document, self._of.document.picture
            mask = await asyncio.to_thread(load_mask, path, document.size)
            if picture is not document.picture:
                raise StudioError("The picture has changed in the meantime: import the mask again.")
            masking.set_mask(document, mask, "Import mask")

    async def _export_mask(self) -> None:
        name = f"{self._of.opening.title}-mask.png"
        path = await self._ask_save("Export mask", name, ["PNG (*.png)"])
        if path is not None:
            await asyncio.to_thread(masking.export_mask, self._of.document.mask, path)
