"""The workspaces in the order of the rail."""

from studio.ui.context import Studio
from studio.ui.image.workspace import ImageWorkspace
from studio.ui.train.workspace import TrainWorkspace
from studio.ui.workspace import Workspace


def make_workspaces(studio: Studio) -> list[Workspace]:
    """All of them, connected to each other where one hands something to another."""
    image, train = ImageWorkspace(studio), TrainWorkspace(studio)

    def take(name: str, modality: str) -> None:
        """A model that was just trained is the one to make with."""
        bundle = studio.models.get(name)
        if bundle is not None and modality == "image":
            image.settings.set_bundle(bundle)

    train.made.connect(take)
    return [image, train]
