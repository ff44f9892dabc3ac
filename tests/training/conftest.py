"""A tiny picture run and a tiny text run that every training test can use."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.training.recipe import Recipe, parse_recipe


def picture_table(folder: Path) -> dict[str, Any]:
    return {
        "name": "tiny-pictures",
        "modality": "image",
        "data": {"train": str(folder / "train"), "valid": str(folder / "valid"), "flip": True, "shift": 1},
        "tokens": {
            "tokenizer": "palette",
            "grid": [8, 8],
            "vocab_size": 16,
            "length": 4,
            "base": 2,
            "granularities": [1, 2, 4],
        },
        "network": {
            "family": "unet",
            "widths": [32, 32],
            "blocks": [1, 1],
            "attention": [2],
            "head_channels": 16,
            "digit_width": 4,
            "class_width": 15,
            "head_kernel": 1,
        },
        "training": {
            "steps": 6,
            "batch": 4,
            "warmup": 2,
            "optimizer": "muon",
            "precision": "no",
            "report_every": 1,
            "evaluate_every": 100,
            "preview_every": 0,
        },
        "defaults": {"steps": 4},
    }


def text_table(folder: Path) -> dict[str, Any]:
    return {
        "name": "tiny-text",
        "modality": "text",
        "data": {"train": str(folder / "train.txt.gz"), "valid": str(folder / "train.txt.gz")},
        "tokens": {
            "tokenizer": "bpe",
            "grid": [16],
            "vocab_size": 512,
            "length": 9,
            "base": 2,
            "granularities": [1, 3, 9],
        },
        "network": {
            "family": "transformer",
            "width": 36,
            "blocks": 1,
            "heads": 2,
            "cond_width": 4,
            "tied": True,
        },
        "training": {"steps": 4, "batch": 4, "warmup": 2, "precision": "no", "report_every": 1, "preview_every": 0},
        "defaults": {"steps": 4},
    }


@pytest.fixture
def picture_recipe(tmp_path: Path) -> Recipe:
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("valid", 3)):
        folder = tmp_path / part
        folder.mkdir()
        for index in range(count):
            picture = np.full((8, 8, 3), 255, np.uint8)
            picture[2:6, 1 : 2 + index % 5] = rng.integers(0, 256, 3)
            picture[index % 8] = rng.integers(0, 256, (8, 3))
            Image.fromarray(picture).save(folder / f"{index}.png")
    return parse_recipe(picture_table(tmp_path))


@pytest.fixture
def text_recipe(tmp_path: Path) -> Recipe:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghij"), rng.integers(2, 9))) for _ in range(400)]
    lines = [" ".join(rng.choice(words, 12)) + ".\n" for _ in range(200)]
    (tmp_path / "train.txt.gz").write_bytes(gzip.compress("".join(lines).encode()))
    return parse_recipe(text_table(tmp_path))
