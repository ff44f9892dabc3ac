"""Where the shipped icons, fonts and samples lie."""

from pathlib import Path


def assets_folder() -> Path:
    """`assets`: inside the package if it was installed, else the repository's."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_shipped" / "assets"
    return installed if installed.is_dir() else package.parent / "assets"
