"""What a run says of data that it cannot learn from."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.datasets.collecting import collect_pictures
from studio.errors import StudioError
from studio.media.texts import train_tokenizer
from studio.training.prepare import _encoded, _split
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


def test_the_column_of_a_table_that_is_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "tales.csv").write_text("id,body\n" + "".join(f"{i},once {i}\n" for i in range(40)))
    table = {"name": "run", "modality": "text", "data": {"train": str(tmp_path / "tales.csv")}}
    table["tokens"] = {"tokenizer": "bpe", "grid": [64], "vocab_size": 300, "length": 3, "base": 7}
    told: list[str] = []
    _split(parse_recipe(table), tmp_path / "run", lambda event: told.append(event.get("message", "")))
    assert "Of the train data the column “body” is read; there are id, body." in told


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\r", "\x85", "\u2028"])
def test_texts_become_the_tokens_that_they_are_when_they_are_filled(end: str) -> None:
    text = f"one {end}two {end}{end}three\n\nfour{end}\n"
    tokenizer = train_tokenizer([text] * 20, 268)
    assert np.concatenate(list(_encoded(tokenizer, [text]))).tolist() == tokenizer.encode(text).ids
