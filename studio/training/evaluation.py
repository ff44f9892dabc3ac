"""Figures on held-out data: masked-token cross-entropy a granularity and share, accuracy of filling."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from studio.training.masks import mask_digits
from studio.training.networks.digits import Compatibility
from studio.training.objective import masked_cross_entropy


@torch.no_grad()
def cross_entropy_table(
    network: nn.Module,
    compatible: Compatibility,
    digits: Tensor,
    tokens: Tensor,
    mask_id: int,
    granularities: Sequence[int],
    known: Sequence[float] = (0.25, 0.5, 0.75),
    batch: int = 8,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Mean bits a token that has a masked digit: {granularity: {share known: bits}}.

    digits: (N, L, ℓ), tokens: (N, L). Every digit group is masked on its own; the masks are the same for
    every network (one fixed seed). The joint cross-entropy: comparable between runs, and a likelihood
    bound's integrand at granularity 1 only.
    """
    device = next(network.parameters()).device
    result: dict[str, dict[str, float]] = {}
    for granularity in granularities:
        row: dict[str, float] = {}
        for share in known:
            generator = Generator().manual_seed(seed)
            total, count = 0.0, 0
            for start in range(0, len(tokens), batch):
                part = digits[start : start + batch]
                each = len(part)
                masked = mask_digits(
                    (each, part.shape[1], part.shape[2]),
                    torch.full((each,), share),
                    torch.full((each,), granularity),
                    generator,
                )
                y = torch.where(masked, mask_id, part).to(device)
                losses = masked_cross_entropy(network, compatible, tokens[start : start + batch].to(device), y, mask_id)
                total += losses.double().sum().item()
                count += len(losses)
            row[f"{share:g}"] = round(total / max(1, count) / math.log(2), 4)
        result[str(granularity)] = row
    return result


@torch.no_grad()
def fill_accuracy(
    network: nn.Module, digits: Tensor, tokens: Tensor, mask_id: int, share: float = 0.15, batch: int = 8, seed: int = 0
) -> float:
    """Share of the whole tokens, `share` of all being masked, whose most probable class is the true one."""
    device = next(network.parameters()).device
    generator = Generator().manual_seed(seed)
    right, count = 0, 0
    for start in range(0, len(tokens), batch):
        part = digits[start : start + batch]
        masked = torch.rand(part.shape[:2], generator=generator) < share
        y = torch.where(masked[..., None], mask_id, part).to(device)
        rows = torch.nonzero(masked.flatten()).squeeze(-1)
        best = network(y, rows.to(device)).argmax(-1).cpu()
        right += int((best == tokens[start : start + batch].flatten()[rows]).sum())
        count += len(rows)
    return round(right / max(1, count), 4)
