"""What comes onto the canvas: samples, files, folders, pasted pictures, and requests that were made before."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject
from PySide6.QtGui import QImage

from studio.errors import StudioError
from studio.files import is_utf8
from studio.generation import GenerationRequest, PictureSource, check, picture_tokenizer, read_request
from studio.generation.request import inside
from studio.media.export import read_parameters
from studio.media.frames import WorkingFrame
from studio.media.gapped import valid
from studio.media.images import MAX_PIXELS, SUFFIXES, Picture, load_picture
from studio.shipped import shipped
from studio.ui.image import masking
from studio.ui.image.jobs import Job
from studio.ui.image.planes import ALL, groups_in
from studio.ui.image.raster import picture_of
from studio.ui.inspector.forecast import units_of_request
from studio.ui.runs import Run
from studio.ui.tasks import spawn

PNG = b"\x89PNG\r\n\x1a\n"

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle
    from studio.ui.image.workspace import ImageWorkspace
    from studio.ui.sampling_settings import State


class Opening(QObject):
    """Opens things in the image workspace; `title` is the name of what is open, for the names of files, and
    `saved` where it was saved to last."""

    def __init__(self, workspace: "ImageWorkspace"):
        super().__init__(workspace)
        self._of = workspace
        self.title = "picture"
        self._path: Path | None = None
        self.saved: Path | None = None
        self._returning = False  # whether the folder that is listed was open before
        self._turn = 0  # counts what was asked for: a file that is read later than what came after it is dropped
        strip = workspace.strip
        strip.hide()
        strip.listed.connect(self._listed)
        strip.failed.connect(self._failed)
        strip.chosen.connect(self._chosen)
        workspace.document.reopened.connect(self._return)

    def sample(self) -> None:
        """A picture with a mask that is painted already: pressing Generate shows the method at once."""
        samples, document = shipped("assets") / "samples", self._of.document
        document.load(load_picture(samples / "couple.png"))
        masking.import_mask(document, samples / "couple-mask.png")
        document.undo_stack.clear()
        self.title = "couple"

    def blank(self) -> None:
        """A white picture as large as the model's, all of it masked: Generate makes one from nothing."""
        grid = self._of.document.grid
        self._of.studio.notices.clear(self._of.name)  # of the picture before
        white = Picture(np.full((grid, grid, 3), 255, dtype=np.uint8))
        mask = np.full((grid, grid), ALL, dtype=np.uint16)
        self._put(white, "picture", None, mask=mask, text="New picture")

    def paths(self, paths: list[Path]) -> bool:
        """Open the first picture or folder of pictures among these; false if there is none."""
        pictures = [path for path in paths if path.suffix.lower() in SUFFIXES]
        folders = [path for path in paths if path.is_dir() and _may_hold_pictures(path)]
        if folders:
            self.folder(folders[0])
        elif pictures:
            spawn(self.file(pictures[0], len(paths)), place=self._of.name)
        return bool(folders or pictures)

    async def file(self, path: Path, among: int = 1) -> None:
        """Open a picture, one of so many; one of ours brings its parameters back. StudioError where it is none."""
        self._turn += 1
        turn = self._turn
        picture, request, variation, problem = await asyncio.to_thread(_read, path)
        if turn != self._turn:
            return
        self._of.studio.notices.clear(self._of.name)  # of the picture before, or of a file that was none
        title = valid(path.stem)
        if request is None or not self.request(request, picture, title, variation, path):
            self.picture(picture, title, path)
        if picture.lost:
            self._of.studio.notices.show(picture.lost, kind="warning", place=self._of.name)
        if problem:
            self._tell_alone(path.name, problem)
        if among > 1:
            told = f"One picture is open at a time: of {among} files {path.name} was taken."
            self._of.studio.notices.show(f"{told} Open their folder to see all.", place=self._of.name)
        self._of.studio.settings.add_recent(self._of.name, path)

    def _tell_alone(self, name: str, problem: str) -> None:
        told = f"{name} is here as a picture alone: what it was made with cannot be read."
        self._of.studio.notices.show(told, kind="warning", place=self._of.name, details=problem)

    def picture(self, picture: Picture, title: str, path: Path | None = None) -> None:
        """Put a picture on the canvas, as an action that can be undone."""
        document = self._of.document
        if picture.size == document.size and not document.mask_bounds().isEmpty():
            self._put(picture, title, path, mask=document.mask_bits, frame=document.frame)
        else:
            self._put(picture, title, path)

    def image(self, image: QImage, title: str) -> None:
        """Put a picture that is no file, pasted or dropped, on the canvas. StudioError if it is too large or none."""
        if image.isNull():
            raise StudioError("What was dropped cannot be read as a picture: save it as a file and drop that.")
        if image.width() * image.height() > MAX_PIXELS:
            raise StudioError(f"This picture has more than {MAX_PIXELS // 1_000_000} million pixels: reduce it first.")
        self._of.studio.notices.clear(self._of.name)  # of the picture before
        self.picture(picture_of(image), title)

    def _put(
        self, picture: Picture, title: str, path: Path | None, before: "State | None" = None, **layers: Any
    ) -> None:
        """layers: as `ImageDocument.set_picture`; before: as `SamplingSettings.since`."""
        of = self._of
        self._turn += 1
        old, new = {"title": self.title, "path": self._path}, {"title": title, "path": path}
        was, now = max(of.document.size), max(picture.size)
        if now != was:
            # As large on the screen; but one pixel, the least there is, was not chosen large in a tiny picture.
            old["size"], new["size"] = of.tools.size, min(round(of.tools.size * now / was), max(now // 4, 1))
        if changed := of.settings.since(before):
            old["settings"], new["settings"] = changed
        of.document.set_picture(picture, beside=(old, new), **layers)
        of.making.variation = 0  # of what is made next
        self._take(new)

    def _take(self, beside: dict[str, Any]) -> None:
        """Have what goes with the picture that is open now: its name, and what else its opening had changed."""
        of = self._of
        self.title, self._path, self.saved = beside["title"], beside["path"], None
        of.strip.mark(self._path)
        if "size" in beside:
            of.tools.set(size=beside["size"])
        if "settings" in beside:
            of.settings.come_back(beside["settings"], of.studio.models.get)
        of.dirty.emit()

    def _return(self, beside: dict[str, Any]) -> None:
        self._of.studio.notices.clear(self._of.name)  # of the picture that is no longer open
        self._take(beside)

    def folder(self, path: Path) -> None:
        """Show the pictures of a folder as a strip and open the first one."""
        self._returning = False
        self._of.strip.open_folder(path)

    @property
    def name_to_save(self) -> str:
        return self.saved.name if self.saved else f"{self.title}-filled.png"

    @property
    def folder_to_save(self) -> Path | None:
        """Where it was saved to, or came from."""
        file = self.saved or self._path
        return file.parent if file else None

    @property
    def beside(self) -> dict[str, str]:
        """The folder that is shown as a strip, the file that is open and where it was saved, for `bring_back`."""
        paths = self._of.strip.paths
        folder = str(paths[0].parent) if paths else ""
        beside = {"folder": folder, "file": str(self._path or ""), "saved": str(self.saved or "")}
        # A name that is no text cannot be stored, and must not keep everything else from being stored.
        return {name: path if is_utf8(path) else "" for name, path in beside.items()}

    def bring_back(self, folder: str, file: str, saved: str) -> None:
        """Show a folder again as it was. What is on the canvas stays; of a folder that is gone nothing is told."""
        self._path, self.saved = (Path(path) if path else None for path in (file, saved))
        if folder:
            self._returning = True
            self._of.strip.open_folder(Path(folder))

    def request(
        self,
        request: GenerationRequest,
        picture: object,
        title: str,
        variation: int,
        path: Path | None = None,
        made: object = None,
    ) -> bool:
        """Bring back an exact request, and the picture that it fills if that is at hand; false for a text's.

        variation: the one of its samples that was asked for. made: what it made, to be shown where it cannot be made
        again."""
        source = request.source
        if not isinstance(source, PictureSource):
            return False
        of, before = self._of, self._of.settings.state()
        bundle = of.studio.models.get(request.model)
        same = bundle is not None and bundle.digest == request.digest
        try:
            if same and bundle is not None:
                check(request, bundle)
        except StudioError as error:  # a stranger's request, of which the model can make nothing
            alone = picture if made is None else made
            if isinstance(alone, Picture):
                self.picture(alone, title, path)
            self._tell_alone(path.name if path else title, str(error))
            return True
        picture = picture if same or made is None else made
        if not isinstance(picture, Picture) or picture.size != (source.width, source.height):
            picture = None
        if not same:
            of.warn_of_another_version(request)
        if bundle is not None and bundle.manifest.modality == "image":
            of.settings.set_bundle(bundle)  # first, for its grid bounds the frame
            of.settings.set_nothing_given(bool((request.given.unpack() == bundle.subtokens.mask_id).all()))
        lost = of.settings.take(request)
        if lost and same:
            of.studio.notices.show(lost, kind="warning", place=of.name)
        told = "Mask and settings are as they were: Generate makes the same again." if same and not lost else ""
        if picture is not None:
            mask, frame, start = _mask_bits(source), WorkingFrame(*source.frame), None
            if bundle is not None and same and _went_on(request, bundle, mask, frame):
                start = Job(Run.at_start(request, bundle), picture, picture.rgb)
                told = "This went on from a frame of another run: Branch here makes it again from there."
            self._put(picture, title, path, before, mask=mask, frame=frame, place=start and start.run.id)
            of.making.variation = variation
            if start is not None:
                of.making.take_up(start, variation)
        elif of.making.job is not None:
            of.making.clear()
        if told:
            of.studio.notices.show(told, place=of.name)
        return True

    def _listed(self) -> None:
        self._of.commands.refresh()
        self._of.dirty.emit()
        if self._returning:
            self._of.strip.mark(self._path)
        else:
            self._of.strip.step(1)

    def _failed(self, text: str) -> None:
        if not self._returning:
            self._of.studio.notices.show(text, kind="error", place=self._of.name)

    def _chosen(self, path: Path) -> None:
        spawn(self.file(path), place=self._of.name)


def _may_hold_pictures(folder: Path) -> bool:
    try:
        return any(path.suffix.lower() in SUFFIXES for path in folder.iterdir())
    except OSError:
        return True  # opening it says why it cannot be read


def _mask_bits(source: PictureSource) -> NDArray[np.uint16]:
    """What was masked, as `ImageDocument.mask_bits`: uint16 (H, W)."""
    bits = np.where(source.full_mask(), np.uint16(ALL), np.uint16(0))
    if source.plane_bits is not None:
        frame = inside(WorkingFrame(*source.frame), source.width, source.height)
        bits[frame] &= source.plane_bits.unpack().astype(np.uint16)
    elif source.planes is not None:
        bits &= np.uint16(sum(1 << place for place in source.planes))
    return bits


def _went_on(request: GenerationRequest, bundle: "Bundle", mask: NDArray[np.uint16], frame: WorkingFrame) -> bool:
    """Whether it began with less to make than is masked, as a branch does."""
    length, groups, cells = bundle.subtokens.length, request.granularity, picture_tokenizer(bundle).height
    units = groups_in(mask, frame, cells, length, groups) * (bundle.num_tokens // cells**2)
    return sum(units_of_request(request, bundle)) < units


def _read(path: Path) -> tuple[Picture, GenerationRequest | None, int, str]:
    """A picture, the request that it carries if it is one of ours, which sample it is, and what is wrong with that."""
    picture = load_picture(path)
    try:
        with path.open("rb") as file:
            png = file.read(len(PNG)) == PNG  # what the web saves under that name may be a JPEG
        if not png or read_parameters(path) is None:
            return picture, None, 0, ""
        request, variation, _ = read_request(path)
    except StudioError as error:
        return picture, None, 0, str(error)
    source = request.source
    if isinstance(source, PictureSource) and picture.size != (source.width, source.height):
        return picture, None, 0, ""  # one that was cut or resized since is a picture like any other
    return picture, request, variation, ""
