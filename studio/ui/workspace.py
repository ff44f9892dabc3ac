"""What the window asks of a workspace."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMimeData, Signal
from PySide6.QtGui import QImage, QUndoStack
from PySide6.QtWidgets import QWidget

from studio.media.images import FORMATS

if TYPE_CHECKING:
    from studio.generation import GenerationRequest
    from studio.runtime.bundle import Bundle
    from studio.ui.context import Studio


class Workspace(QWidget):
    """One place of the rail. The window shows `self` in its centre, `inspector` right and `timeline` below."""

    name: str
    """In settings, sessions and action ids: "image", "text", "train", "gallery", "models"."""
    title: str
    icon: str
    opens = f"pictures ({', '.join(FORMATS)}), UTF-8 texts (.txt, .md), folders of pictures or models"
    """What can be opened where it is in front, for a refusal."""

    dirty = Signal()
    """What `session` gives has changed and should be saved soon."""
    status_changed = Signal()
    """What `status` gives, or `goes_on`, has changed."""

    request_opened = Signal(object, object)
    """An exact request and a dict of what belongs to it, for `open_request` of the workspace that made it."""
    paths_opened = Signal(list)
    """Files (list[Path]) that were pasted, for the first workspace that knows them, this one before others."""
    model_used = Signal(object)
    """A model (Bundle), for `use_model` of the workspace that makes with it."""

    def __init__(self, studio: "Studio"):
        super().__init__()
        self.studio = studio
        self.goes_on = ""
        """What works in the background, in a few words: the rail tells it wherever the user is."""
        self.inspector: QWidget | None = None
        self.timeline: QWidget | None = None
        self.undo_stack: QUndoStack | None = None

    def status(self) -> dict[str, str]:
        """For the status bar: "model", "provider", "reason", "call" (time a call), "queue"; missing is empty. And
        "subject", what is worked on, for the title of the window."""
        return {}

    def activated(self) -> None:
        """It came to the front."""

    def session(self) -> dict[str, Any]:
        """What brings it back: JSON values, NumPy arrays and bytes. Cheap: it runs on the main thread."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `session` gave, as far as it is valid."""

    def open_paths(self, paths: list[Path]) -> bool:
        """Open what was dropped or named on the command line; false if it is nothing for this workspace."""
        return False

    def open_image(self, image: QImage) -> bool:
        """Open a picture that is no file, such as one dragged out of a browser; false if it is nothing for it."""
        return False

    def open_request(self, request: "GenerationRequest", **source: Any) -> bool:
        """Bring an exact request back into the inspector; false if it is nothing for this workspace.

        source: what belongs to it, such as picture=uint8 (H, W, 3) or text=str.
        """
        return False

    async def may_leave(self) -> bool:
        """Whether the window may close; a workspace that has to ask does so here, and does nothing yet: another may
        be answered to stay."""
        return True

    async def leaving(self) -> None:
        """Nobody stays: do what was answered. StudioError keeps the window open."""

    def warn_of_another_version(self, request: "GenerationRequest") -> None:
        told = (
            f"This was made with a version of the model {request.model} that is not installed: the present one makes "
            "something else from the same settings."
        )
        if self.studio.models.get(request.model) is None:
            told = f"This was made with the model {request.model}, which is not installed: import it to make it again."
        self.studio.notices.show(told, kind="warning", place=self.name)

    def use_model(self, bundle: "Bundle") -> bool:
        """Take a model for what is made next; false if it is none for this workspace."""
        return False

    def close_down(self) -> None:
        """Stop timers and runs; the window is about to close."""


def files_of(data: QMimeData | None) -> list[Path]:
    """The files on this machine that were dropped, or copied in a file manager; an empty clipboard may give None."""
    return [] if data is None else [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
