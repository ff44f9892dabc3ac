"""What a run says of data that it cannot learn from."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.datasets.collecting import collect_pictures
from studio.errors import StudioError
from studio.training.prepare import _split
from studio.training.recipe import parse_recipe


def test_the_data_are_called_as_their_user_knows_them(tmp_path: Path) -> None:
    pictures = tmp_path / "same"
    pictures.mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(pictures / f"{name}.png")
    dataset = collect_pictures(pictures, tmp_path / "copies" / "same-0123", (8, 8))
    table = {"name": "run", "modality": "image", "tokens": {"grid": [8, 8]}, "data": {"train": str(dataset.folder)}}
    with pytest.raises(StudioError, match="holds only one thing") as raised:
        _split(parse_recipe(table), tmp_path / "run", lambda event: None)
    assert str(raised.value).startswith(f"{pictures} holds")
