"""Muon: what it does to the weights is what torch.optim.Muon does, but without its rounding."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from studio.training import optim
from studio.training.optim import Muon, orthogonalize
from studio.training.recipe import TrainingSettings


@pytest.fixture(autouse=True, params=[False, True], ids=["float32", "bf16"])
def units(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the device has units for bf16."""
    monkeypatch.setattr(optim, "computes_in_bf16", lambda device: request.param)
    return request.param


def textbook(matrix: Tensor) -> Tensor:
    """Jordan's five rounds as he writes them, in float64."""
    wide = matrix.double() / matrix.double().norm()
    wide = wide.T if matrix.shape[0] > matrix.shape[1] else wide
    for _ in range(5):
        gram = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * gram + 2.0315 * gram @ gram) @ wide
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide


def fading(rows: int, columns: int) -> Tensor:
    """Singular values from 1 down to 1e-8."""
    u, values, v = torch.linalg.svd(torch.randn(rows, columns), full_matrices=False)
    return (u * torch.logspace(0, -8, len(values))) @ v


def of_rank_two(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, 2) @ torch.randn(2, columns)


def faint(rows: int, columns: int) -> Tensor:
    return 1e-12 * torch.randn(rows, columns)


@pytest.mark.parametrize("shape", [(24, 24), (16, 144), (96, 24), (1, 9)])
@pytest.mark.parametrize("make", [torch.randn, fading, of_rank_two, faint])
def test_the_rounds_are_those_of_the_textbook(make: Callable[[int, int], Tensor], shape: tuple[int, int], units: bool):
    torch.manual_seed(0)
    matrix = make(*shape)
    found, right = orthogonalize(matrix).float(), textbook(matrix)
    assert found.shape == matrix.shape
    if make is torch.randn or (matrix.norm() > 1e-7 and not units):  # bf16 makes directions of what it rounds
        assert (found - right).norm() < (0.03 if units else 1e-3) * right.norm()
    assert torch.linalg.matrix_norm(found, 2) < 1.25


def test_no_gradient_at_all_leaves_zeros():
    assert torch.equal(orthogonalize(torch.zeros(4, 9)), torch.zeros(4, 9))


def test_steps_are_those_of_pytorch():
    torch.manual_seed(0)
    start, gradients = torch.randn(32, 96), torch.randn(3, 32, 96)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    muon = Muon([ours], TrainingSettings(learning_rate=0.02, weight_decay=0.1))
    stock = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        muon.step()
        stock.step()
    moved = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.02 * moved  # after five rounds in bf16 1 % is rounding


def test_a_convolution_is_a_matrix_in_any_memory_format():
    torch.manual_seed(0)
    start, gradients = torch.randn(8, 6, 3, 3), torch.randn(2, 8, 6, 3, 3)
    results = []
    for layout in (torch.contiguous_format, torch.channels_last, None):
        shape = (8, 54) if layout is None else start.shape
        weight = nn.Parameter(start.clone().reshape(shape))
        if layout:
            weight.data = weight.data.contiguous(memory_format=layout)
        muon = Muon([weight], TrainingSettings())
        for gradient in gradients:
            weight.grad = gradient.reshape(shape).clone()
            muon.step()
        results.append(weight.detach().reshape(start.shape))
    torch.testing.assert_close(results[1], results[0])
    torch.testing.assert_close(results[2], results[0])


@pytest.mark.parametrize("old", [False, True])
def test_its_momentum_is_kept_in_a_checkpoint(old: bool):
    weights = [nn.Parameter(torch.ones(4, 2, 3, 3)) for _ in range(2)]
    first, second = (Muon([weight], TrainingSettings()) for weight in weights)
    torch.manual_seed(0)
    gradients = torch.randn(2, 4, 2, 3, 3)
    for weight in weights:
        weight.grad = gradients[0].clone()
    first.step()
    second.step()
    again = Muon([weights[1]], TrainingSettings())
    kept = second.state_dict()
    if old:  # as torch.optim.Muon kept it, of a view of the weight
        kept["state"][0]["momentum_buffer"] = kept["state"][0]["momentum_buffer"].flatten(1)
    again.load_state_dict(kept)
    for weight in weights:
        weight.grad = gradients[1].clone()
    first.step()
    again.step()
    assert torch.equal(weights[0], weights[1])
