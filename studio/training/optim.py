"""Optimisers, their learning-rate schedule and the moving average of the weights."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from studio.training.machine import computes_in_bf16
from studio.training.recipe import TrainingSettings

# What looks a row up or ends in logits is no hidden matrix; Muon's whitening would hurt it.
_NOT_HIDDEN = ("embed", "out.2", "output_layer", "sigma_map", "adaLN", "emb_layers", "class_")


class Muon(Optimizer):
    """Muon (Jordan et al. 2024) for hidden weights of any shape, each seen as a matrix (out, everything else).

    The update, its momentum and its size are those of torch.optim.Muon with adjust_lr_fn="match_rms_adamw". That one
    takes matrices only, and is fifty times slower on a CPU that has no units for bf16.
    """

    def __init__(self, weights: list[nn.Parameter], settings: TrainingSettings):
        defaults = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay, "momentum": 0.95}
        super().__init__(weights, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                average = state["momentum_buffer"].view_as(weight)  # a matrix in older checkpoints
                average.lerp_(weight.grad, 1 - momentum)
                matrix = weight.grad.lerp(average, momentum).flatten(1)
                size = 0.2 * math.sqrt(max(matrix.shape))
                weight.mul_(1 - rate * group["weight_decay"])
                weight.add_(orthogonalize(matrix).reshape(weight.shape), alpha=-rate * size)


_QUINTIC = (3.4445, -4.7750, 2.0315)  # steepest at zero; leaves singular values between about 0.7 and 1.2
_ROUNDS = 5


def orthogonalize(matrix: Tensor) -> Tensor:
    """The matrix (m, n) with all of its singular values brought near to 1, by Newton-Schulz rounds X <- p(XXᵀ) X.

    On a device with units for bf16 they are done in it, as torch.optim.Muon does on every device.
    """
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.norm().clamp(min=1e-7)
    wide = _rounds(wide.bfloat16()) if computes_in_bf16(matrix.device.type) else _rounds_on_gram(wide.float())
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide


def _rounds(wide: Tensor) -> Tensor:
    a, b, c = _QUINTIC
    for _ in range(_ROUNDS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide


def _rounds_on_gram(wide: Tensor) -> Tensor:
    """The same rounds on the Gram matrix XXᵀ alone, their product applied once: for a convolution, nine times as wide
    as high, two fifths of the work. In float32 it is as exact, for all that matters; in bf16 it would not be stable.
    """
    a, b, c = _QUINTIC
    gram, factors = wide @ wide.T, []
    for _ in range(_ROUNDS):
        if factors:
            gram = factors[-1] @ gram @ factors[-1]
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        factors.append(factor)
    return torch.linalg.multi_dot([*reversed(factors), wide])


class Optimizers:
    """AdamW for everything, or for what is left when the hidden matrices go to Muon; one learning rate."""

    def __init__(self, network: nn.Module, settings: TrainingSettings):
        self.settings = settings
        hidden, rest = [], []
        for name, parameter in network.named_parameters():
            is_hidden = parameter.dim() >= 2 and not any(part in name for part in _NOT_HIDDEN)
            (hidden if is_hidden and settings.optimizer == "muon" else rest).append(parameter)
        self.adamw = torch.optim.AdamW(
            rest, lr=settings.learning_rate, betas=settings.betas, weight_decay=settings.weight_decay
        )
        self.muon = Muon(hidden, settings) if hidden else None

    def _all(self) -> list[Optimizer]:
        return [self.adamw] if self.muon is None else [self.adamw, self.muon]

    def step(self, step: int) -> float:
        """Update the weights from their gradients and clear these. Returns the learning rate used."""
        rate = learning_rate(step, self.settings)
        for optimizer in self._all():
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        self.clear()
        return rate

    def clear(self) -> None:
        """Forget the gradients."""
        for optimizer in self._all():
            optimizer.zero_grad()

    def state_dict(self) -> list[dict]:
        return [optimizer.state_dict() for optimizer in self._all()]

    def load_state_dict(self, states: list[dict]) -> bool:
        """Go on from a checkpoint's averages, at the recipe's settings; False, and afresh, for another optimiser's."""
        own = self.state_dict()
        if _weights(own) != _weights(states):
            return False
        for optimizer, mine, state in zip(self._all(), own, states, strict=True):
            optimizer.load_state_dict({"state": state["state"], "param_groups": mine["param_groups"]})
        return True


def _weights(states: list[dict]) -> list[list[list[int]]]:
    """Which weights each optimiser has, by their numbers."""
    return [[group["params"] for group in state["param_groups"]] for state in states]


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """Linear rise, constant, then a fall to zero at the last step, linear or as half a cosine wave."""
    rise = (step + 1) / max(1, settings.warmup)
    fall = min(1.0, max(0.0, (settings.steps - step) / max(1.0, settings.decay * settings.steps)))
    if settings.schedule == "cosine":
        fall = (1 - math.cos(math.pi * fall)) / 2
    return settings.learning_rate * min(1.0, rise, fall)


class MovingAverage:
    """Exponential moving average of the weights in float32, warmed up so that early steps do not linger."""

    def __init__(self, network: nn.Module, decay: float):
        self.decay = decay
        self.updates = 0
        self.shadow = {name: p.detach().float().clone() for name, p in network.named_parameters()}

    def update(self, network: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            weights = [p.detach().float() for p in network.parameters()]
            averages = list(self.shadow.values())
            torch._foreach_lerp_(averages, weights, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]

    def copy_to(self, network: nn.Module) -> None:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(self.shadow[name])

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[nn.Module]:
        """The network, to be evaluated, with the averaged weights; afterwards it is as it was."""
        weights = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
        self.copy_to(network)
        network.eval()
        try:
            yield network
        finally:
            network.train()
            with torch.no_grad():
                for name, parameter in network.named_parameters():
                    parameter.copy_(weights[name])

    def state_dict(self) -> dict:
        return {"updates": self.updates, "shadow": self.shadow}

    def load_state_dict(self, state: dict) -> None:
        self.updates = state["updates"]
        for name, value in state["shadow"].items():
            self.shadow[name].copy_(value)
