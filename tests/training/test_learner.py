"""One step of training: what it changes, what it draws, what a checkpoint brings back."""

import dataclasses
import io
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from studio.training import objective
from studio.training.learner import Learner
from studio.training.networks import build_network
from studio.training.optim import learning_rate
from studio.training.recipe import Recipe


def learner_of(recipe: Recipe, **training: Any) -> Learner:
    recipe = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, **training))
    torch.manual_seed(0)
    return Learner(Accelerator(cpu=True), recipe, build_network(recipe.network_settings()))


def tokens_of(recipe: Recipe, count: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(recipe.tokens.vocab_size, (count, recipe.num_tokens), generator=generator)


def weights(learner: Learner) -> Tensor:
    return torch.cat([parameter.detach().flatten().clone() for parameter in learner.raw.parameters()])


def averages(learner: Learner) -> Tensor:
    return torch.cat([average.flatten().clone() for average in learner.ema.shadow.values()])


def be_process(monkeypatch: pytest.MonkeyPatch, index: int, processes: int) -> None:
    monkeypatch.setattr(Accelerator, "process_index", property(lambda self: index))
    monkeypatch.setattr(Accelerator, "num_processes", property(lambda self: processes))
    monkeypatch.setattr(Accelerator, "is_main_process", property(lambda self: index == 0))


def test_a_step_changes_weights_and_averages(picture_recipe: Recipe):
    learner = learner_of(picture_recipe)
    before = weights(learner), averages(learner)
    taken = learner.learn(tokens_of(picture_recipe), step=3)
    assert taken.rate == learning_rate(3, learner.settings) != learning_rate(0, learner.settings)
    assert taken.loss > 0 and taken.norm > 0
    assert not torch.equal(weights(learner), before[0])
    assert not torch.equal(averages(learner), before[1])
    assert all(parameter.grad is None for parameter in learner.raw.parameters())


def test_gradients_are_clipped(picture_recipe: Recipe):
    """So much that nothing is left of them beside what the optimisers add to every divisor."""
    learner = learner_of(picture_recipe, clip=1e-30)
    before = weights(learner)
    learner.learn(tokens_of(picture_recipe), step=3)
    assert torch.allclose(weights(learner), before, atol=1e-12, rtol=0)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_the_recipe_says_what_is_hidden(modality: str, picture_recipe: Recipe, text_recipe: Recipe):
    recipe = picture_recipe if modality == "image" else text_recipe
    tokens = dataclasses.replace(recipe.tokens, granularities=(1, recipe.tokens.length), weights=(1.0, 0.0))
    recipe = dataclasses.replace(recipe, tokens=tokens)
    learner = learner_of(recipe, region_share=1.0, alpha_exponent=1e-9)
    y = learner.hide(tokens_of(recipe, 64))
    assert not (y == learner.mask_id).any()  # α is 1 at all times but 0
    y = learner_of(recipe, region_share=1.0, alpha_exponent=1e9).hide(tokens_of(recipe, 64))
    hidden = y == learner.mask_id
    share = hidden.all(-1).float().mean(-1)
    assert share.min() > 0 and share.min() < 0.5  # regions, as α is 0
    if modality == "image":
        height, width = recipe.tokens.grid
        region = hidden.all(-1).view(-1, height, width)
        rows, columns = region.any(2, keepdim=True), region.any(1, keepdim=True)
        assert (region == rows & columns).flatten(1).all(1).any()  # some are rectangles
    y = learner_of(recipe, region_share=0.0, alpha_exponent=1e9).hide(tokens_of(recipe, 64))
    assert (y == learner.mask_id).all()
    hidden = learner_of(recipe, region_share=0.0).hide(tokens_of(recipe, 64)) == learner.mask_id
    assert torch.equal(hidden.any(-1), hidden.all(-1))  # granularity 1 alone, by its weight: whole tokens


def test_the_tokens_of_a_pixel_are_hidden_together(picture_recipe: Recipe):
    rgb = dataclasses.replace(picture_recipe.tokens, tokenizer="rgb", granularities=(1,))
    recipe = dataclasses.replace(picture_recipe, tokens=rgb)
    y = learner_of(recipe, region_share=1.0, alpha_exponent=1e9).hide(tokens_of(recipe, 16))
    pixels = (y == rgb.base).all(-1).view(16, -1, 3)
    assert torch.equal(pixels.any(-1), pixels.all(-1)) and not pixels.all()


def test_a_checkpoint_goes_on_with_the_same_draws(picture_recipe: Recipe):
    """Dropout draws from torch's own generator."""
    recipe = dataclasses.replace(picture_recipe, network=dict(picture_recipe.network) | {"dropout": 0.3})
    tokens = tokens_of(recipe)
    learner = learner_of(recipe)
    learner.parts = 2
    learner.learn(tokens, 0)
    state = saved(learner)
    learner.learn(tokens, 1)
    other = learner_of(recipe)
    other.load_state_dict(state)
    assert other.parts == 2
    other.learn(tokens, 1)
    assert torch.equal(weights(learner), weights(other)) and torch.equal(averages(learner), averages(other))


def test_a_checkpoint_of_another_kind_of_device_goes_on_with_fresh_draws(picture_recipe: Recipe):
    state = saved(learner_of(picture_recipe)) | {"generator": torch.zeros(16, dtype=torch.uint8)}  # as CUDA has it
    tokens, drawn = tokens_of(picture_recipe), []
    for step in (1, 2):
        learner = learner_of(picture_recipe)
        learner.load_state_dict(state | {"step": step})
        drawn.append(learner.hide(tokens))
    assert not torch.equal(drawn[0], drawn[1])


def test_a_resumed_run_takes_the_settings_of_its_recipe(picture_recipe: Recipe):
    state = saved(learner_of(picture_recipe))
    learner = learner_of(picture_recipe, betas=(0.5, 0.6), weight_decay=0.25)
    assert learner.load_state_dict(state)
    (group,) = learner.optimizers.adamw.param_groups
    assert (group["betas"], group["weight_decay"]) == ((0.5, 0.6), 0.25)


def saved(learner: Learner) -> dict[str, Any]:
    """As a checkpoint on the disk: later steps do not change it."""
    buffer = io.BytesIO()
    torch.save({"step": 1, **learner.state_dict()}, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def test_every_process_draws_its_own(picture_recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    """And a resumed one new ones, since only those of the first are kept."""
    tokens, drawn = tokens_of(picture_recipe), []
    state = saved(learner_of(picture_recipe))
    for index in range(2):
        be_process(monkeypatch, index, 2)
        drawn.append(learner_of(picture_recipe).hide(tokens))
    for step in (1, 2):
        learner = learner_of(picture_recipe)
        learner.load_state_dict(state | {"step": step})
        drawn.append(learner.hide(tokens))
    assert all(not torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


def test_what_a_part_left_behind_is_forgotten(picture_recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    """Memory runs out in the second part of a batch: the gradients of the first must not count twice."""
    tokens, original, told = tokens_of(picture_recipe), objective.masked_cross_entropy, []
    whole = learner_of(picture_recipe)
    whole.parts = 4
    whole.learn(tokens, 0)
    passed: list[int] = []

    def hungry(network: Any, compatible: Any, part: Tensor, *rest: Any) -> Tensor:
        passed.append(len(part))
        if passed in ([4], [4, 2, 2]):
            raise RuntimeError("not enough memory")
        return original(network, compatible, part, *rest)

    monkeypatch.setattr(objective, "masked_cross_entropy", hungry)
    learner = learner_of(picture_recipe)
    learner.learn(tokens, 0, told.append)
    assert passed == [4, 2, 2, 1, 1, 1, 1] and told == [2, 4]
    assert torch.equal(weights(learner), weights(whole))
