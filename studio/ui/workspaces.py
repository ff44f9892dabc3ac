"""The workspaces in the order of the rail."""

from studio.ui.context import Studio
from studio.ui.gallery.workspace import GalleryWorkspace
from studio.ui.image.workspace import ImageWorkspace
from studio.ui.models.workspace import ModelsWorkspace
from studio.ui.text.workspace import TextWorkspace
from studio.ui.train.workspace import TrainWorkspace
from studio.ui.workspace import Workspace


def make_workspaces(studio: Studio) -> list[Workspace]:
    """All of them, connected to each other where one hands something to another."""
    train = TrainWorkspace(studio)
    workspaces: list[Workspace] = [
        ImageWorkspace(studio),
        TextWorkspace(studio),
        train,
        GalleryWorkspace(studio),
        ModelsWorkspace(studio),
    ]

    def take(name: str) -> None:
        """A model that was just trained is the one to make with."""
        bundle = studio.models.get(name)
        if bundle is not None:
            any(workspace.use_model(bundle) for workspace in workspaces)

    train.made.connect(take)
    return workspaces
