import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from studio.prime.subtokens import Subtokens
from studio.training.networks.digits import Compatibility, class_mean
from studio.training.objective import backward, masked_cross_entropy


@pytest.mark.parametrize(("vocab_size", "length", "base"), [(16, 4, 2), (5, 2, 3), (256, 2, 16)])
def test_compatibility_agrees_with_the_reference(vocab_size: int, length: int, base: int):
    rng = np.random.default_rng(0)
    y = rng.integers(0, base + 1, (50, length))
    expected = Subtokens(vocab_size, length, base).compatible(y)
    assert (Compatibility(vocab_size, length, base)(torch.from_numpy(y)).numpy() == expected).all()


def test_class_mean_of_a_known_and_of_an_open_token():
    table = torch.randn(16, 3)
    compatible = Compatibility(16, 4, 2)(torch.tensor([[1, 0, 1, 1], [2, 2, 2, 2]]))
    mean, openness = class_mean(compatible, table)
    assert torch.allclose(mean[0], table[11])
    assert torch.allclose(mean[1], table.mean(0), atol=1e-6)
    assert openness.flatten().tolist() == [0, 1]


class Uniform(nn.Module):
    def forward(self, y: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(rows), 16)


def test_an_indifferent_network_pays_for_the_compatible_classes_only():
    compatible = Compatibility(16, 4, 2)
    tokens = torch.tensor([[11, 3, 0]])
    y = torch.tensor([[[1, 0, 2, 2], [2, 2, 2, 2], [0, 0, 0, 0]]])
    losses = masked_cross_entropy(Uniform(), compatible, tokens, y, 2)
    assert losses.tolist() == pytest.approx([math.log(4), math.log(16)])


class OneOfTwo:
    """A process beside another one that has three times as many masked tokens."""

    num_processes = 2
    autocast = staticmethod(nullcontext)
    went_back: torch.Tensor | None = None

    def reduce(self, count: torch.Tensor, how: str) -> torch.Tensor:
        assert how == "mean"
        return (count + 3 * count) / 2

    def backward(self, loss: torch.Tensor) -> None:
        self.went_back = loss


def test_a_masked_token_weighs_the_same_on_every_process():
    """The mean over the processes of what each returns is the mean over all masked tokens."""
    compatible = Compatibility(16, 4, 2)
    tokens, y = torch.tensor([[11, 3, 0]]), torch.tensor([[[1, 0, 2, 2], [2, 2, 2, 2], [0, 0, 0, 0]]])
    process = OneOfTwo()
    loss = backward(process, Uniform(), compatible, tokens, y, 2, 1)
    assert loss.item() == pytest.approx((math.log(4) + math.log(16)) / 4)
    assert process.went_back is not None and process.went_back.item() == loss.item()
