"""Where the models, assets and pages lie that came with the program."""

from pathlib import Path
from typing import Literal


def shipped(what: Literal["models", "assets", "docs"]) -> Path:
    """The folder of this name: inside the package if it was installed, else the repository's."""
    package = Path(__file__).resolve().parent
    installed = package / "_shipped" / what
    return installed if installed.is_dir() else package.parent / what
