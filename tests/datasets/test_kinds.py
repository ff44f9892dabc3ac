"""What a folder is taken for."""

from pathlib import Path

import pytest

from studio.datasets.kinds import kind_of
from studio.errors import StudioError


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["README.md", "labels.csv", "1.png", "2.png", "3.png"], "pictures"),
        (["1.png", "1.txt", "2.png", "2.txt"], "pictures"),
        (["cover.png", "1.txt", "2.txt"], "texts"),
        (["README.md", "LICENSE.txt", "train-images-idx3-ubyte"], "pictures"),
    ],
)
def test_what_there_is_more_of_counts(tmp_path: Path, names: list[str], kind: str) -> None:
    """In whatever order the disk tells the names."""
    for order, folder in ((names, tmp_path / "a"), (names[::-1], tmp_path / "b")):
        folder.mkdir()
        for name in order:
            (folder / name).touch()
        assert kind_of(folder) == kind


def test_a_folder_of_neither(tmp_path: Path) -> None:
    (tmp_path / "song.mp3").touch()
    with pytest.raises(StudioError, match="neither pictures nor texts"):
        kind_of(tmp_path)
