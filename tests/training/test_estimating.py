from typing import Any

import pytest
import torch

from studio.errors import StudioError
from studio.training import estimating, objective
from studio.training.estimating import estimate
from studio.training.recipe import Recipe


def test_the_memory_is_that_of_a_long_run(picture_recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    """What lies there before the first step counts once, what steps take as often as it grows."""
    monkeypatch.setattr(estimating, "memory", lambda device: 300)
    monkeypatch.setattr(estimating, "peak_memory", lambda device: 500)
    told = estimate(picture_recipe)
    assert told["memory"] == 300 + 200 * estimating.GROWTH
    assert told["measured_steps"] >= 2 and told["parameters"] > 0


def test_a_peak_before_the_steps_is_the_memory(picture_recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(estimating, "memory", lambda device: 600)
    monkeypatch.setattr(estimating, "peak_memory", lambda device: 500)
    assert estimate(picture_recipe)["memory"] == 600


def test_where_memory_runs_out_the_parts_are_told(picture_recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    original, most = objective.masked_cross_entropy, 1

    def hungry(network: Any, compatible: Any, tokens: torch.Tensor, *rest: Any) -> torch.Tensor:
        if len(tokens) > most:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory")
        return original(network, compatible, tokens, *rest)

    monkeypatch.setattr(objective, "masked_cross_entropy", hungry)
    assert estimate(picture_recipe)["parts"] == picture_recipe.training.batch
    most = 0
    with pytest.raises(StudioError, match="single sample"):
        estimate(picture_recipe)
