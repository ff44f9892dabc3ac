"""Checkpoints as the authors of MDM-Prime publish them: the fixtures, and small ones made on the spot."""

import argparse
import gzip
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.prime.subtokens import smallest_base
from studio.training.networks import Network, build_network

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures" / "official"
needs_fixtures = pytest.mark.skipif(not FIXTURES.exists(), reason="the published-format fixtures are not at hand")


def unpacked(name: str, folder: Path) -> Path:
    """A fixture, unpacked into `folder`."""
    path = folder / name
    path.write_bytes(gzip.decompress((FIXTURES / f"{name}.gz").read_bytes()))
    return path


def network(family: str, length: int, **settings: Any) -> Network:
    """A tiny network with random weights everywhere."""
    sizes: dict[str, Any] = (
        {
            "height": 32,
            "width": 32,
            "colors": 3,
            "vocab_size": 256,
            "base": smallest_base(256, length),
            "digit_width": 32 // (length & -length),  # so that the input is a multiple of 32 wide
            "widths": [32, 64],
            "blocks": [1, 1],
        }
        if family == "unet"
        else {
            "context": 16,
            "vocab_size": 300,
            "base": 300 if length == 1 else 18,
            "width": 16,
            "blocks": 1,
            "heads": 2,
        }
    )
    torch.manual_seed(0)
    made = build_network({"family": family, "length": length, **sizes, **settings}).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made


def with_mask_class(name: str, weights: torch.Tensor, head: str, colors: int) -> torch.Tensor:
    """The head of a model of one digit a token, which has a class for the mask as well, here a large one."""
    if not name.startswith(head):
        return weights
    split = weights.view(colors, -1, *weights.shape[1:])
    return torch.cat([split, torch.full_like(split[:, :1], 9.0)], dim=1).flatten(0, 1)


def picture_state(made: Network, args: dict[str, Any] | None = None) -> dict[str, Any]:
    """The content of a .pth whose averaged weights are those of `made` and whose last ones are zero."""
    ema = {name: parameter.detach().clone() for name, parameter in made.named_parameters()}
    if made.config.length == 1:
        ema = {name: with_mask_class(name, value, "unet.out.2.", 3) for name, value in ema.items()}
    model: dict[str, Any] = {"num_updates": torch.tensor(20)}
    model |= {f"model.{name}": torch.zeros_like(value) for name, value in ema.items()}
    model |= {f"shadow_params.{i}": value for i, value in enumerate(ema.values())}
    content: dict[str, Any] = {"model": model, "epoch": 3}
    return content if args is None else content | {"args": argparse.Namespace(**args)}


def text_state(made: Network) -> dict[str, Any]:
    """The content of a .ckpt without its settings; the last weights are zero."""
    ema = {name: parameter.detach().clone() for name, parameter in made.named_parameters()}
    if made.config.length == 1:
        ema = {name: with_mask_class(name, value, "output_layer.linear.", 1) for name, value in ema.items()}
    raw = {f"backbone.{name}": torch.zeros_like(value) for name, value in ema.items()}
    return {"state_dict": raw, "ema": {"decay": 0.9999, "shadow_params": list(ema.values())}, "global_step": 7}


def save(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path
