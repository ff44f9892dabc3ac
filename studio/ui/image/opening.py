"""What comes onto the canvas: samples, files, folders, pasted pictures, and requests that were made before."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject

from studio.generation import GenerationRequest, PictureSource, read_request
from studio.generation.request import inside
from studio.media.export import read_parameters
from studio.media.frames import WorkingFrame
from studio.media.images import SUFFIXES, Picture, load_picture
from studio.shipped import shipped
from studio.ui.image import masking
from studio.ui.image.jobs import Job
from studio.ui.image.planes import ALL
from studio.ui.inspector.forecast import units_of_request
from studio.ui.runs import Run
from studio.ui.tasks import spawn

if TYPE_CHECKING:
    from studio.ui.image.workspace import ImageWorkspace


class Opening(QObject):
    """Opens things in the image workspace; `title` is the name of what is open, for the names of files."""

    def __init__(self, workspace: "ImageWorkspace"):
        super().__init__(workspace)
        self._of = workspace
        self.title = "picture"
        strip = workspace.strip
        strip.hide()
        strip.listed.connect(self._listed)
        strip.failed.connect(self._failed)
        strip.chosen.connect(self._chosen)

    def sample(self) -> None:
        """A picture with a mask that is painted already: pressing Generate shows the method at once."""
        samples, document = shipped("assets") / "samples", self._of.document
        document.load(load_picture(samples / "couple.png"))
        masking.import_mask(document, samples / "couple-mask.png")
        document.undo_stack.clear()
        self.title = "couple"

    def paths(self, paths: list[Path]) -> bool:
        """Open the first picture or folder of pictures among these; false if there is none."""
        pictures = [path for path in paths if path.suffix.lower() in SUFFIXES]
        folders = [path for path in paths if path.is_dir() and _may_hold_pictures(path)]
        if folders:
            self.folder(folders[0])
        elif pictures:
            spawn(self.file(pictures[0]), place=self._of.name)
        return bool(folders or pictures)

    async def file(self, path: Path) -> None:
        """Open a picture; one of ours brings its parameters back. StudioError where it is none."""
        picture, request = await asyncio.to_thread(_read, path)
        self._of.studio.notices.clear(self._of.name)  # of the picture before, or of a file that was none
        if request is None or not self.request(request, picture):
            self.picture(picture, path.stem)
        self.title = path.stem
        self._of.strip.mark(path)
        self._of.studio.settings.add_recent(self._of.name, path)

    def picture(self, picture: Picture, title: str) -> None:
        """Put a picture on the canvas, as an action that can be undone."""
        document = self._of.document
        if picture.size == document.size and not document.mask_bounds().isEmpty():
            self._put(picture, document.mask_bits, document.frame)
        else:
            self._put(picture)
        self.title = title

    def _put(self, picture: Picture, mask: NDArray[np.uint16] | None = None, frame: WorkingFrame | None = None) -> None:
        before, now, tools = max(self._of.document.size), max(picture.size), self._of.tools
        self._of.document.set_picture(picture, mask, frame)
        if now != before:
            # As large on the screen; but one pixel, the least there is, was not chosen large in a tiny picture.
            tools.set(size=min(round(tools.size * now / before), max(now // 4, 1)))

    def folder(self, path: Path) -> None:
        """Show the pictures of a folder as a strip and open the first one."""
        self._of.strip.open_folder(path)

    def request(self, request: GenerationRequest, picture: Picture | None) -> bool:
        """Bring back an exact request, and the picture that it fills if that is at hand; false for a text's."""
        if not isinstance(request.source, PictureSource):
            return False
        of, size = self._of, (request.source.width, request.source.height)
        if not isinstance(picture, Picture) or picture.size != size:
            picture = None
        bundle = of.studio.models.get(request.model)
        if bundle is None or bundle.digest != request.digest:
            of.studio.notices.show(
                f"This was made with a version of the model {request.model} that is not installed: the present one "
                "makes something else from the same settings.",
                kind="warning",
                place=of.name,
            )
        if bundle is not None and bundle.manifest.modality == "image":
            of.settings.set_bundle(bundle)  # first, for its grid bounds the frame
        if picture is not None:
            self._put(picture, _mask_bits(request.source), WorkingFrame(*request.source.frame))
        elif of.making.job is not None:
            of.making.clear()
        of.settings.load(request.model_dump() | {"seed": request.seeds[0], "variations": len(request.seeds)})
        of.settings.set(seed_locked=True)
        if bundle is not None and bundle.digest == request.digest:
            told = "Mask and settings are as they were: Generate makes the same again."
            if picture is not None and sum(units_of_request(request, bundle)) < of.making.units():  # a branch
                of.making.take_up(Job(Run.at_start(request, bundle), picture, picture.rgb), 0)
                told = "This went on from a frame of another run: Branch here makes it again from there."
            of.studio.notices.show(told, place=of.name)
        return True

    def _listed(self) -> None:
        self._of.strip.step(1)

    def _failed(self, text: str) -> None:
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


def _read(path: Path) -> tuple[Picture, GenerationRequest | None]:
    picture = load_picture(path)
    if path.suffix.lower() == ".png" and read_parameters(path) is not None:
        request = read_request(path)[0]
        source = request.source
        if not isinstance(source, PictureSource) or picture.size == (source.width, source.height):
            return picture, request
    return picture, None  # one that was cut or resized since is a picture like any other
