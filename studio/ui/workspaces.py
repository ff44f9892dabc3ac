"""The workspaces in the order of the rail."""

from studio.ui.context import Studio
from studio.ui.image.workspace import ImageWorkspace
from studio.ui.workspace import Workspace


def make_workspaces(studio: Studio) -> list[Workspace]:
    """All of them, connected to each other where one hands something to another."""
    return [ImageWorkspace(studio)]
