"""What a run shows of itself while it learns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from studio.training import previews
from studio.training.prepare import prepare
from studio.training.recipe import Recipe


def test_a_picture_with_nothing_given_is_not_made_by_confidence(
    picture_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[tuple[bool, str, int]] = []
    original = previews.sample

    def sample(denoise: Any, subtokens: Any, start: np.ndarray, **options: Any) -> Any:
        asked.append((bool((start == subtokens.mask_id).all()), options["policy"], len(start)))
        return original(denoise, subtokens, start, **options)

    monkeypatch.setattr(previews, "sample", sample)
    (tmp_path / previews.PREVIEWS).mkdir()
    prepared = prepare(picture_recipe, tmp_path)
    path = previews.Previews(picture_recipe, prepared, tmp_path).make(prepared.network, torch.device("cpu"), 3)
    some = [count for whole, policy, count in asked if not whole and policy == "confidence"]
    nothing = [count for whole, policy, count in asked if whole and policy == "even"]
    assert len(asked) == len(some) + len(nothing) == 2
    with Image.open(path) as sheet:  # a frame of one pixel around each, eight times enlarged
        assert sheet.size == (sum(some + nothing) * 10 * 8, 3 * 10 * 8)
