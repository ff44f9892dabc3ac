"""Figures on held-out data: masked-token cross-entropy a granularity and share, accuracy of filling."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from studio.prime.likelihood import Bound, marginal_bound
from studio.prime.sampling import Denoiser
from studio.prime.subtokens import Subtokens
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
            generator = Generator().manual_seed(0)
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


def held_out_bound(
    network: nn.Module, subtokens: Subtokens, tokens: Tensor, granularity: int, samples: int = 64
) -> Bound:
    """An upper bound on −log p of held-out tokens (N, L), of at most `samples` of them, spread evenly.

    The masks are the same whenever it is measured, so that a difference is one of the weights.
    """
    device = next(network.parameters()).device
    spread = np.linspace(0, len(tokens) - 1, min(len(tokens), samples)).astype(int)
    denoise = numpy_denoiser(network, device)
    return marginal_bound(denoise, subtokens, tokens.numpy()[spread], granularity=granularity)


def numpy_denoiser(network: nn.Module, device: torch.device) -> Denoiser:
    """A network as `studio.prime` takes it."""

    @torch.no_grad()
    def denoise(y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return network(torch.from_numpy(y).to(device), torch.from_numpy(rows).to(device)).float().cpu().numpy()

    return denoise


@torch.no_grad()
def fill_accuracy(network: nn.Module, digits: Tensor, tokens: Tensor, mask_id: int, batch: int = 8) -> float:
    """Share of the whole tokens, 15 % of all being masked, whose most probable class is the true one. digits: int64
    (N, L, ℓ) of the tokens, int64 (N, L)."""
    device = next(network.parameters()).device
    generator = Generator().manual_seed(0)
    right, count = 0, 0
    for start in range(0, len(tokens), batch):
        part = digits[start : start + batch]
        masked = torch.rand(part.shape[:2], generator=generator) < 0.15
        y = torch.where(masked[..., None], mask_id, part).to(device)
        rows = torch.nonzero(masked.flatten()).squeeze(-1)
        best = network(y, rows.to(device)).argmax(-1).cpu()
        right += int((best == tokens[start : start + batch].flatten()[rows]).sum())
        count += len(rows)
    return round(right / max(1, count), 4)
