"""Optimisers, their learning-rate schedule and the moving average of the weights."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from studio.training.recipe import TrainingSettings

# What looks a row up or ends in logits is no hidden matrix; Muon's whitening would hurt it.
_NOT_HIDDEN = ("embed", "out.2", "output_layer", "sigma_map", "adaLN", "emb_layers", "class_")


class FlatMuon:
    """Muon (Jordan et al. 2024) for convolutions too: they are seen as matrices (out, everything else).

    torch.optim.Muon takes matrices only. The views share memory with the weights.
    """

    def __init__(self, weights: list[nn.Parameter], settings: TrainingSettings):
        self.weights = weights
        self.views = [nn.Parameter(_as_matrix(weight.detach())) for weight in weights]
        self.optimizer = torch.optim.Muon(
            self.views,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )

    def step(self) -> None:
        for weight, view in zip(self.weights, self.views, strict=True):
            view.grad = None if weight.grad is None else _as_matrix(weight.grad)
        self.optimizer.step()


def _as_matrix(weight: Tensor) -> Tensor:
    """(out, everything else), sharing memory for contiguous and for channels-last convolutions."""
    if weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        weight = weight.permute(0, 2, 3, 1)
    return weight.flatten(1)


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
        self.muon = FlatMuon(hidden, settings) if hidden else None

    def _all(self) -> list[Optimizer]:
        return [self.adamw] if self.muon is None else [self.adamw, self.muon.optimizer]

    def step(self, step: int) -> float:
        """Update the weights from their gradients and clear these. Returns the learning rate used."""
        rate = learning_rate(step, self.settings)
        for optimizer in self._all():
            for group in optimizer.param_groups:
                group["lr"] = rate
        self.adamw.step()
        if self.muon is not None:
            self.muon.step()
        self.clear()
        return rate

    def clear(self) -> None:
        """Forget the gradients."""
        self.adamw.zero_grad()
        for weight in self.muon.weights if self.muon is not None else ():
            weight.grad = None

    def state_dict(self) -> list[dict]:
        return [optimizer.state_dict() for optimizer in self._all()]

    def load_state_dict(self, states: list[dict]) -> None:
        for optimizer, state in zip(self._all(), states, strict=True):
            optimizer.load_state_dict(state)


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
