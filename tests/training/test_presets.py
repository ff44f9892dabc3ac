from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.training.networks import build_network
from studio.training.presets import SIZES, divisors, fine_tuning, new_model
from studio.training.validation import problems

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize("modality", ["image", "text"])
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("length", [1, 2, 3, 4, 6, 8, 12])
def test_every_preset_is_a_network_that_can_be_built(modality: str, size: str, length: int):
    import torch

    recipe = new_model("mine", modality, size, length=length)
    assert problems(recipe) == []
    with torch.device("meta"):
        network = build_network(recipe.network_settings())
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    low, high = {"tiny": (0.4, 4), "small": (3, 15), "base": (25, 80)}[size]
    assert low < millions < high


def test_rgb_and_other_grids():
    recipe = new_model("mine", "image", "tiny", tokenizer="rgb", grid=(16, 24), length=2)
    assert problems(recipe) == []
    assert recipe.num_tokens == 16 * 24 * 3
    wrong = new_model("mine", "image", "tiny", grid=(30, 32))
    assert problems(wrong)[0][0] == "tokens.grid"


@pytest.mark.parametrize("name", ["emoji-32", "storybook"])
def test_the_shipped_models_can_be_fine_tuned(name: str):
    recipe = fine_tuning(MODELS / name, "mine")
    assert problems(recipe) == []
    assert recipe.init == str(MODELS / name)


def test_what_is_no_model_is_one_sentence(tmp_path: Path):
    (tmp_path / "manifest.json").write_text("{}")
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(StudioError, match="no model"):
            fine_tuning(path, "mine")
    with pytest.raises(StudioError, match="tiny, small, base"):
        new_model("mine", "image", "huge")


def test_granularities():
    assert divisors(12) == (1, 2, 3, 4, 6, 12)
