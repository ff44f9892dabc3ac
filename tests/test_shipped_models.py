"""What the two models that ship promise."""

import importlib.util
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from studio.generation import finish, generate, picture_request, text_request, text_tokenizer
from studio.media.images import load_mask, load_picture
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "assets" / "samples"


@pytest.fixture(scope="module")
def emoji() -> Bundle:
    return Bundle.open(ROOT / "models" / "emoji-32")


@pytest.fixture(scope="module")
def storybook() -> Bundle:
    return Bundle.open(ROOT / "models" / "storybook")


def megabytes(bundle: Bundle) -> float:
    return sum(file.stat().st_size for file in bundle.path.iterdir()) / 1e6


def bits(bundle: Bundle, granularity: int) -> dict[str, float]:
    table = cast(dict[str, Any], bundle.manifest.evaluation["masked_cross_entropy"])
    return table[str(granularity)]


def test_emoji(emoji: Bundle):
    manifest = emoji.manifest
    assert megabytes(emoji) <= 20
    assert (manifest.vocab_size, manifest.base, manifest.length) == (256, 2, 8)
    assert manifest.granularities == (1, 2, 4, 8)
    assert manifest.tokenizer.kind == "palette"
    assert any("Noto Emoji, Copyright Google LLC, Apache License 2.0" in notice for notice in manifest.notices)
    assert set(bits(emoji, 8)) == {"0.25", "0.5", "0.75"}
    for share, bar in {"0.25": 2.4, "0.5": 2.1, "0.75": 1.9}.items():
        assert bits(emoji, 1)[share] <= bar


def test_storybook(storybook: Bundle):
    manifest = storybook.manifest
    assert megabytes(storybook) <= 12
    assert (manifest.vocab_size, manifest.base, manifest.length) == (4096, 2, 12)
    assert manifest.granularities == (1, 2, 3, 4, 6, 12)
    assert manifest.num_tokens == 256
    assert len(text_tokenizer(storybook).pieces) == 4096
    for granularity in manifest.granularities:
        assert set(bits(storybook, granularity)) == {"0.25", "0.5", "0.75"}
    accuracy = cast(float, manifest.evaluation["top1_accuracy_15_percent_masked"])
    assert accuracy > 0.1  # the most frequent piece alone is right in 5 of 100


def test_the_sample_hole_is_filled_alike_each_time_and_nothing_else_changes(emoji: Bundle):
    picture = load_picture(SAMPLES / "robot.png")
    mask = load_mask(SAMPLES / "robot-mask.png", picture.size)
    request = picture_request(emoji, picture.rgb, mask, steps=4, seeds=[3])
    denoise = OnnxDenoiser(emoji, "cpu")
    pictures = []
    for _ in range(2):
        *_, last = generate(request, emoji, denoise)
        filled = finish(request, emoji, last, picture=picture.rgb).pictures
        assert filled is not None
        pictures.append(filled[0])
    assert (pictures[0] == pictures[1]).all()
    assert (pictures[0][~mask] == picture.rgb[~mask]).all()


@pytest.mark.parametrize("granularity", [1, 12])
def test_a_gap_is_filled_and_the_rest_stays(storybook: Bundle, granularity: int):
    text = "“Oh dear,”\r\n said the café  [[5]] and went away.\t🙂"
    request = text_request(storybook, text, steps=5, granularity=granularity, seeds=[1, 2])
    *_, last = generate(request, storybook, OnnxDenoiser(storybook, "cpu"))
    before, after = text.split("[[5]]")
    for filled in finish(request, storybook, last).texts or []:
        assert filled.startswith(before)
        assert filled.endswith(after)
        assert len(filled) > len(before) + len(after)
    assert last.confidence is not None
    assert (~np.isnan(last.confidence)).sum() == 2 * 5  # five tokens were made in each of two samples


def test_the_page_of_the_models_says_what_their_manifests_say():
    """Red after a model was replaced: `python docs/models.py` makes the tables anew."""
    path = ROOT / "docs" / "models.py"
    spec = importlib.util.spec_from_file_location("models_page", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert module.page(text) == text
    for name in ("emoji-32", "storybook"):
        assert f"<!-- figures of {name} -->\n" in text
    # The tables follow the manifest, figure by figure.
    manifest = json.loads((ROOT / "models" / "emoji-32" / "manifest.json").read_bytes())
    assert module.figures(manifest) in text
    manifest["evaluation"]["masked_cross_entropy"]["1"]["0.25"] = 7.77
    assert module.figures(manifest) not in text and "| 7.77 |" in module.figures(manifest)
