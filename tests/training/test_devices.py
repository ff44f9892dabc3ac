"""A step on a device that is not the CPU, as on a GPU: whatever is left behind on the CPU is an error.

PyTorch's device "meta" stands in for it. It knows shapes, types and devices, but no values: nothing is drawn here, and
what is masked is not counted.
"""

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from studio.training import learner, optim
from studio.training.data import PictureData
from studio.training.networks import build_network
from studio.training.recipe import Recipe

ELSEWHERE = torch.device("meta")


class Draws:
    """In the place of a generator of that device, which has none."""

    device = ELSEWHERE

    def manual_seed(self, seed: int) -> "Draws":
        return self


@pytest.fixture(autouse=True)
def without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def undrawn(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, generator=None, **kwargs: function(*args, **kwargs)

    for name in ("rand", "randint", "randperm", "multinomial"):
        monkeypatch.setattr(torch, name, undrawn(getattr(torch, name)))
    monkeypatch.setattr(
        torch, "nonzero", lambda mask: torch.zeros((max(1, mask.numel() // 2), 1), dtype=torch.long, device=mask.device)
    )
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)  # it does not know this device
    monkeypatch.setattr(learner, "Generator", lambda device: Draws())


def take_a_step(recipe: Recipe, optimizer: str) -> tuple[learner.Learner, learner.Step]:
    settings = dataclasses.replace(recipe.training, optimizer=optimizer)
    accelerator: Any = SimpleNamespace(
        device=ELSEWHERE,
        num_processes=1,
        process_index=0,
        prepare=lambda network: network,
        autocast=nullcontext,
        backward=lambda loss: loss.backward(),
    )
    learning = learner.Learner(
        accelerator, dataclasses.replace(recipe, training=settings), build_network(recipe.network_settings())
    )
    tokens = torch.randint(recipe.tokens.vocab_size, (4, recipe.num_tokens), device=ELSEWHERE)
    return learning, [learning.learn(tokens, step) for step in range(2)][-1]


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("kind", ["picture", "text"])
@pytest.mark.parametrize("units", [True, False])
def test_all_of_a_step_is_there(
    kind: str, optimizer: str, units: bool, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(optim, "computes_in_bf16", lambda device: units)
    learning, taken = take_a_step(request.getfixturevalue(f"{kind}_recipe"), optimizer)
    state = learning.optimizers.state_dict()
    tensors = [taken.loss, taken.norm, *learning.ema.shadow.values(), *learning.raw.parameters()]
    assert all(tensor.device == ELSEWHERE for tensor in tensors)
    assert all(parameter.grad is None for parameter in learning.raw.parameters())
    moved = [value for one in state for held in one["state"].values() for value in held.values() if value.dim()]
    assert moved and all(value.device == ELSEWHERE for value in moved)


def test_pictures_are_changed_there():
    tokens = np.zeros((6, 64), dtype=np.uint8)
    data = PictureData(
        tokens, np.arange(6), (8, 8), colors=1, palette=torch.zeros(16, 3), shift=1, flip=True, color_jitter=0.5
    )
    draws: Any = Draws()
    batch = data.batch(torch.arange(4), draws)
    assert (batch.device, batch.shape) == (ELSEWHERE, (4, 64))
