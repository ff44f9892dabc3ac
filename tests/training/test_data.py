import itertools

import numpy as np
import pytest
import torch
from torch import Generator

from studio.training.data import PictureData, TextData, batch_indices
from studio.training.wordtree import renumber, tree_order, usage_vectors


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


def test_every_epoch_has_an_order_of_its_own():
    orders = [torch.cat([batch_indices(20, 4, epoch * 5 + step, 7) for step in range(5)]) for epoch in range(3)]
    assert all(sorted(order.tolist()) == list(range(20)) for order in orders)
    assert not torch.equal(orders[0], orders[1]) and not torch.equal(orders[1], orders[2])
    assert not torch.equal(orders[0], torch.cat([batch_indices(20, 4, step, 8) for step in range(5)]))


def test_a_shift_repeats_the_edge_and_goes_no_further():
    tokens = np.arange(64, dtype=np.uint8).reshape(1, 64)
    data = PictureData(tokens, np.arange(1), (8, 8), 1, shift=2)
    seen = set()
    for picture in data.batch(torch.zeros(400, dtype=torch.long), Generator().manual_seed(0)).view(400, 8, 8):
        rows = (torch.arange(8) + int(picture[3, 3]) // 8 - 3).clamp(0, 7)
        columns = (torch.arange(8) + int(picture[3, 3]) % 8 - 3).clamp(0, 7)
        assert torch.equal(picture, 8 * rows[:, None] + columns)
        seen.add((int(rows[3]) - 3, int(columns[3]) - 3))
    assert seen == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_a_share_of_the_pictures_is_recoloured():
    palette = torch.tensor([[255.0, 0, 0], [0, 255, 0], [0, 0, 255]])
    data = PictureData(np.zeros((1, 1), dtype=np.uint8), np.arange(1), (1, 1), 1, palette=palette, color_jitter=0.3)
    batch = data.batch(torch.zeros(2000, dtype=torch.long), Generator().manual_seed(0))
    assert (batch != 0).float().mean().item() == pytest.approx(0.3 * 2 / 3, abs=0.04)  # a third of the orders keep red


def test_augmentation_moves_pictures_but_makes_no_new_colours():
    tokens = np.arange(64, dtype=np.uint8).reshape(1, 64)
    data = PictureData(tokens, np.arange(1), (8, 8), 1, flip=True, shift=2)
    batch = data.batch(torch.zeros(40, dtype=torch.long), Generator().manual_seed(0)).view(40, 8, 8)
    middle = batch[:, 3:5, 3:5]
    assert len({tuple(m.flatten().tolist()) for m in middle}) > 10
    steps = batch.diff(dim=2)[:, 2:6, 2:5]
    assert set(steps.flatten().tolist()) == {1, -1}


def test_recolouring_permutes_the_channels():
    palette = torch.tensor([[r, g, b] for r in (0, 200) for g in (0, 200) for b in (0, 200)]).float()
    tokens = np.array([[4]], dtype=np.uint8)  # pure red
    data = PictureData(tokens, np.arange(1), (1, 1), 1, palette=palette, color_jitter=1.0)
    seen = set(data.batch(torch.zeros(60, dtype=torch.long), Generator().manual_seed(0)).flatten().tolist())
    assert seen == {1, 2, 4}


def test_recolouring_takes_the_nearest_colour_of_the_palette():
    """The table of all six orders is made once, in parts: a batch of 16 with one of 4096 colours took seconds."""
    rng = np.random.default_rng(0)
    palette = torch.from_numpy(rng.integers(0, 256, (1500, 3))).float()
    tokens = rng.integers(0, 1500, (1, 400))
    data = PictureData(tokens.astype(np.uint16), np.arange(1), (20, 20), 1, palette=palette, color_jitter=1.0)
    batch = data.batch(torch.zeros(60, dtype=torch.long), Generator().manual_seed(0))
    nearest = {
        tuple(torch.cdist(palette[tokens[0]][:, list(order)], palette).argmin(-1).tolist())
        for order in itertools.permutations(range(3))
    }
    assert len(nearest) == 6 and {tuple(row) for row in batch.tolist()} == nearest
    assert data._turned is data._turned and data._turned.shape == (6, 1500)


def test_text_windows_come_from_the_text():
    data = TextData(np.arange(1000, dtype=np.uint16), 16)
    lengths = set()
    for seed in range(30):
        batch = data.batch(torch.arange(4), Generator().manual_seed(seed))
        assert (batch.diff(dim=1) == 1).all()
        lengths.add(batch.shape[1])
    assert lengths == {16, 8, 4}


@pytest.mark.parametrize(("context", "lengths"), [(250, {250, 125, 62}), (3, {3, 1})])
def test_a_context_of_any_length_is_cut_into_shorter_texts(context: int, lengths: set[int]):
    data = TextData(np.arange(1000, dtype=np.uint16), context)
    batches = [data.batch(torch.arange(2), Generator().manual_seed(seed)) for seed in range(30)]
    assert all((batch.diff(dim=1) == 1).all() for batch in batches)
    assert {batch.shape[1] for batch in batches} == lengths


def test_a_text_is_as_many_samples_as_windows_fit():
    """Each with room to start anywhere in its part; three of four batches are of whole windows."""
    assert [len(TextData(np.arange(count), 16)) for count in (8, 17, 32, 33, 1000)] == [1, 1, 1, 2, 62]
    data = TextData(np.arange(33, dtype=np.uint16), 16)
    starts, whole = set(), 0
    for seed in range(400):
        batch = data.batch(torch.arange(2), Generator().manual_seed(seed))
        if batch.shape[1] == 16:
            whole += 1
            starts |= {(0, int(batch[0, 0])), (1, int(batch[1, 0]))}
    assert starts == {(0, start) for start in range(16)} | {(1, start) for start in range(16, 18)}
    assert whole / 400 == pytest.approx(0.75, abs=0.06)


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
