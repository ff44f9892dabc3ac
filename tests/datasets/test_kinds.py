"""What a folder is taken for."""

import os
from pathlib import Path

import pytest

from studio.datasets.collecting import collect_pictures, collect_texts
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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["a.png", "a.txt", "a.parquet", "a-idx3-ubyte", "data_batch_1", "train"])
def test_a_pipe_is_not_waited_for(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    pipe = folder / name
    os.mkfifo(pipe)
    for read in (
        kind_of,
        lambda path: collect_pictures(path, tmp_path / "set", (8, 8)),
        lambda path: collect_texts(path, tmp_path / "set"),
    ):
        with pytest.raises(StudioError, match="neither a file nor a folder"):
            read(pipe)
    with pytest.raises(StudioError, match="none were found"):
        collect_pictures(folder, tmp_path / "set", (8, 8))
    (folder / "b.txt").touch()
    (folder / "c.txt").touch()
    kind_of(folder)
