"""The image workspace in the session: picture, mask, settings and the last run."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject
from PySide6.QtGui import QColor

from studio.errors import StudioError
from studio.media.frames import WorkingFrame
from studio.media.images import MAX_PIXELS, Picture
from studio.ui.image import masking
from studio.ui.image.document import ImageDocument
from studio.ui.image.jobs import Job

if TYPE_CHECKING:
    from studio.ui.image.workspace import ImageWorkspace


LAYERS = ("mask", "pins", "erased", "painted")


class Copies(QObject):
    """The layers of a document as read-only copies, each made anew only after it has changed: a large picture's take
    longer than a window may rest."""

    def __init__(self, document: ImageDocument):
        super().__init__(document)
        self._document = document
        self._kept: dict[str, NDArray | None] = {}
        for signal, names in (
            (document.mask_changed, ("mask",)),
            (document.pins_changed, ("pins",)),
            (document.state_edits_changed, ("erased", "painted")),
            (document.replaced, LAYERS),
        ):
            signal.connect(partial(self._forget, names))

    def _forget(self, names: tuple[str, ...], *_: object) -> None:
        for name in names:
            self._kept.pop(name, None)

    def of(self, name: str) -> NDArray | None:
        """One of `LAYERS`; None where it is blank."""
        if name not in self._kept:
            layer: NDArray = self._document.mask_bits if name == "mask" else getattr(self._document, name)
            copy = layer.copy() if layer.any() else None
            if copy is not None:
                copy.setflags(write=False)
            self._kept[name] = copy
        return self._kept[name]


def session_of(workspace: "ImageWorkspace") -> dict[str, Any]:
    """What `restore_session` takes. Pictures and frames are read-only arrays, which are not copied again."""
    document, making, settings = workspace.document, workspace.making, workspace.settings
    picture, job = document.picture, making.job
    frame = document.frame
    state: dict[str, Any] = {
        "title": workspace.opening.title,
        "beside": workspace.opening.beside,
        "stored": picture.stored,
        "alpha": picture.alpha,
        "mask": workspace.copies.of("mask"),
        "frame": None if frame is None else [frame.x, frame.y, frame.size],
        "planes": document.planes,
        "tools": workspace.tools.dump(),
        "overlay": workspace.canvas.overlay,
        "model": settings.bundle.name if settings.bundle else None,
        "settings": settings.dump(),
    }
    if job is not None and all(other.run.recordable for other in (job, *making.comparison)):
        state["run"] = {
            "stored": job.picture.stored,
            "alpha": job.picture.alpha,
            "variation": making.variation,
            "index": workspace.playhead.index,
            "comparison": [None if other is job else _state_of(other) for other in making.comparison],
            **_state_of(job),
        }
        state |= {name: workspace.copies.of(name) for name in LAYERS[1:]}
    return state


def _state_of(job: Job) -> dict[str, Any]:
    """What `_job` takes, but for the picture."""
    return {"repainted": job.repainted, **job.run.record()}


def restore_session(workspace: "ImageWorkspace", state: dict[str, Any]) -> None:
    """Take up what `session_of` gave. StudioError where it is not to be used; then nothing has changed, but that the
    run may be missing."""
    document = workspace.document
    try:
        picture = _picture(state)
        blank = np.zeros(picture.stored.shape[:2], dtype=np.uint16)
        mask = blank if state["mask"] is None else np.asarray(state["mask"])
        if mask.shape != picture.stored.shape[:2] or mask.dtype != np.uint16:
            raise ValueError("the mask does not fit the picture")
        frame = None if state["frame"] is None else WorkingFrame(*(int(number) for number in state["frame"]))
        bundle = workspace.studio.models.default("image", str(state["model"]))
        settings, tools = dict(state["settings"]), dict(state["tools"])
        title, chosen = str(state["title"])[:200], str(state["planes"])
        beside = {name: str(dict(state.get("beside", {})).get(name, "")) for name in ("folder", "file", "saved")}
    except (KeyError, TypeError, ValueError) as error:
        raise StudioError(f"the stored picture is damaged ({error}).") from error
    document.load(picture)
    masking.set_mask_bits(document, mask)
    document.set_frame(frame)
    document.undo_stack.clear()
    workspace.settings.set_bundle(bundle)
    workspace.note_given()
    workspace.settings.load(settings)
    with suppress(StudioError):  # of a model with more digits
        document.set_planes(chosen)
    workspace.opening.title = title
    workspace.opening.bring_back(**beside)
    color = QColor(str(tools.pop("color", "")))
    workspace.tools.set(color=color, **{name: tools[name] for name in ("tool", "size", "tolerance") if name in tools})
    workspace.canvas.set_overlay(str(state.get("overlay", "picture")))
    if isinstance(state.get("run"), dict):
        _restore_run(workspace, state)


def _restore_run(workspace: "ImageWorkspace", state: dict[str, Any]) -> None:
    stored, document = state["run"], workspace.document
    try:
        picture = _picture(stored)
        rgb = picture.rgb
        job = _job(workspace, stored, picture, rgb)
        beside = stored.get("comparison", [])
        comparison = [job if other is None else _job(workspace, other, picture, rgb) for other in beside]
        variation, index = int(stored["variation"]), int(stored["index"])
        layers = {name: np.asarray(state[name]) for name in LAYERS[1:] if state[name] is not None}
    except (KeyError, TypeError, ValueError, AssertionError, StudioError) as error:
        raise StudioError(f"the last run is lost ({str(error).rstrip('.')}); picture and mask are here.") from error
    workspace.making.take_up(job, variation, comparison)
    workspace.playhead.show(index)
    for name, layer in layers.items():
        present = getattr(document, name)
        if layer.shape == present.shape and layer.dtype == present.dtype:
            present[:] = layer
    document.pins_changed.emit(document.bounds)
    document.state_edits_changed.emit(document.bounds)


def _job(workspace: "ImageWorkspace", stored: dict[str, Any], picture: Picture, rgb: NDArray[np.uint8]) -> Job:
    """What `_state_of` gave. KeyError, TypeError, ValueError, AssertionError or StudioError where it is damaged."""
    run, repainted = workspace.studio.lane.restore(workspace.studio.models.get, stored), stored["repainted"]
    job = Job(run, picture, rgb, None if repainted is None else np.asarray(repainted, dtype=bool))
    if picture.size != (job.source.width, job.source.height):
        raise ValueError("the picture does not fit the request")
    return job


def _picture(state: dict[str, Any]) -> Picture:
    stored, alpha = np.asarray(state["stored"]), state["alpha"]
    if (
        stored.dtype != np.uint8
        or stored.ndim != 3
        or stored.shape[2] != 3
        or not 0 < stored[..., 0].size <= MAX_PIXELS
    ):
        raise ValueError("the picture is none")
    if alpha is not None and (alpha.dtype != np.uint8 or alpha.shape != stored.shape[:2]):
        raise ValueError("its opacity is none")
    return Picture(stored, alpha)
