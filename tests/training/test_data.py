import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator

from studio.errors import StudioError
from studio.training.data import PictureData, TextData, batch_indices, read_pictures, read_text
from studio.training.wordtree import renumber, tree_order, usage_vectors


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(3):
        Image.new("RGBA", (8, 8), (index * 80, 10, 20, 255)).save(folder / f"{index}.png")
    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(folder / "wide.webp", lossless=True)
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_a_folder_a_zip_and_an_array_give_the_same(pictures: Path, tmp_path: Path):
    from_folder = read_pictures(pictures, 8, 8)
    assert from_folder.shape == (4, 8, 8, 3)
    assert (from_folder[3] == 255).all()  # transparent on white, cropped and reduced
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for entry in sorted(pictures.iterdir()):
            file.write(entry, entry.name)
    arrays = tmp_path / "pictures.npz"
    np.savez(arrays, images=from_folder)
    assert (read_pictures(archive, 8, 8) == from_folder).all()
    assert (read_pictures(arrays, 8, 8) == from_folder).all()


def test_bad_data_is_one_sentence(pictures: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "wrong.npz", images=np.zeros((2, 4, 4, 3), np.uint8))
    np.savez(tmp_path / "nothing.npz", other=np.zeros(3))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "half.png").write_bytes((pictures / "0.png").read_bytes()[:40])
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    expected = {"broken": "half.png", "broken.zip": "zip archive", "broken.npz": "images"}
    expected |= {"missing": "no data", "empty": "no pictures", "wrong.npz": "shape", "nothing.npz": "images"}
    for name, word in expected.items():
        with pytest.raises(StudioError, match=word):
            read_pictures(tmp_path / name, 8, 8)
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(StudioError, match="UTF-8"):
        read_text(tmp_path / "latin.txt")


@pytest.mark.parametrize("processes", [1, 2])
def test_no_sample_comes_twice_in_an_epoch(processes: int):
    for epoch in range(2):
        seen = torch.cat(
            [
                batch_indices(22, 4, epoch * 5 + step, 7, rank, processes)
                for step in range(5)
                for rank in range(processes)
            ]
        )
        assert len(seen) == 20
        assert len(seen.unique()) == 20
    assert batch_indices(3, 8, 0, 7).max() < 3


def test_augmentation_moves_pictures_but_makes_no_new_colours():
    tokens = torch.arange(64, dtype=torch.int16).view(1, 64)
    data = PictureData(tokens, (8, 8), 1, flip=True, shift=2)
    batch = data.batch(torch.zeros(40, dtype=torch.long), Generator().manual_seed(0)).view(40, 8, 8)
    middle = batch[:, 3:5, 3:5]
    assert len({tuple(m.flatten().tolist()) for m in middle}) > 10
    steps = batch.diff(dim=2)[:, 2:6, 2:5]
    assert set(steps.flatten().tolist()) == {1, -1}


def test_recolouring_permutes_the_channels():
    palette = torch.tensor([[r, g, b] for r in (0, 200) for g in (0, 200) for b in (0, 200)]).float()
    tokens = torch.tensor([[4]], dtype=torch.int16)  # pure red
    data = PictureData(tokens, (1, 1), 1, palette=palette, color_jitter=1.0)
    seen = set(data.batch(torch.zeros(60, dtype=torch.long), Generator().manual_seed(0)).flatten().tolist())
    assert seen == {1, 2, 4}


def test_text_windows_come_from_the_text():
    data = TextData(torch.arange(1000, dtype=torch.int32), 16)
    lengths = set()
    for seed in range(30):
        batch = data.batch(torch.arange(4), Generator().manual_seed(seed))
        assert (batch.diff(dim=1) == 1).all()
        lengths.add(batch.shape[1])
    assert lengths == {16, 8, 4}


def test_the_tree_puts_words_of_like_use_together():
    rng = np.random.default_rng(0)
    kinds = rng.permutation(64).reshape(8, 8)  # eight kinds of words, which follow each other in a fixed order
    sentences = np.stack([rng.choice(kind, 20000) for kind in kinds], axis=1)
    order = tree_order(usage_vectors(sentences.ravel(), 64))
    assert sorted(order.tolist()) == list(range(64))
    kind_of = np.argsort(kinds.ravel()) // 8
    neighbours_of_one_kind = (kind_of[order[1:]] == kind_of[order[:-1]]).mean()
    assert neighbours_of_one_kind > 0.7  # by chance: 0.11


def test_renumbering_keeps_every_text():
    from studio.media.texts import train_tokenizer

    lines = ["the cat sat on the mat\n", "a dog, a cat and a mat\n"] * 10
    tokenizer = train_tokenizer(lines, 270)
    order = np.random.default_rng(0).permutation(270)
    other = renumber(tokenizer, order)
    text = "the cat and the café\r\n 🙂"
    assert (order[other.encode(text).ids] == tokenizer.encode(text).ids).all()
    assert other.decode(other.encode(text).ids) == text
