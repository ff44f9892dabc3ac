"""The training objective: joint cross-entropy of masked tokens, with carry-over.

Source: Chao et al. 2025, arXiv 2505.18495. A proper scoring rule, so its minimiser is the true
conditional; its integral over time is *not* a bound on the likelihood and is never reported as one.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from studio.training.masks import alphas, mask_digits, picture_regions, text_regions


@dataclass(frozen=True)
class Corruption:
    """How samples are hidden. `weights` are the relative frequencies of the granularities."""

    granularities: tuple[int, ...]
    weights: tuple[float, ...]
    alpha_exponent: float = 1.0
    region_share: float = 0.5
    grid: tuple[int, ...] = ()  # (height, width) of a picture, empty for text
    colors: int = 1  # tokens a pixel

    def __call__(self, digits: Tensor, mask_id: int, generator: Generator) -> Tensor:
        """Digits (B, L, ℓ), all known, to y (B, L, ℓ) with `mask_id` where hidden."""
        batch, tokens, length = digits.shape
        device = generator.device
        alpha = alphas(batch, self.alpha_exponent, generator)
        weights = torch.tensor(self.weights, dtype=torch.float32, device=device)
        choice = torch.multinomial(weights, batch, replacement=True, generator=generator)
        granularity = torch.tensor(self.granularities, device=device)[choice]
        masked = mask_digits((batch, tokens, length), alpha, granularity, generator)
        if self.grid:
            region = picture_regions(batch, self.grid[0], self.grid[1], generator)
            region = region.repeat_interleave(self.colors, dim=1)
        else:
            region = text_regions(batch, tokens, generator)
        everywhere = torch.rand((batch, 1), generator=generator, device=device) >= self.region_share
        return torch.where(masked & (region | everywhere)[..., None], mask_id, digits)


def backward(
    accelerator: Any, network: nn.Module, compatible: nn.Module, tokens: Tensor, y: Tensor, mask_id: int, parts: int
) -> Tensor:
    """Gradients of the mean loss over all masked tokens of all processes; returns this process's share.

    tokens: int64 (B, L). y: int64 (B, L, ℓ). parts: pieces of the batch that go through the network one after the
    other, where memory is short. The result is the same up to rounding. The share is scaled so that the mean over the
    processes is the mean loss, in nats.
    """
    count = (y == mask_id).any(-1).sum()
    if accelerator.num_processes > 1:  # gradients are averaged over processes, whatever each of them has masked
        count = accelerator.reduce(count.float(), "mean")
    losses = []
    for part_tokens, part_y in zip(tokens.tensor_split(parts), y.tensor_split(parts), strict=True):
        with accelerator.autocast():
            loss = masked_cross_entropy(network, compatible, part_tokens, part_y, mask_id).sum() / count.clamp(min=1)
        accelerator.backward(loss)
        losses.append(loss.detach())
    return torch.stack(losses).sum()


def masked_cross_entropy(network: nn.Module, compatible: nn.Module, tokens: Tensor, y: Tensor, mask_id: int) -> Tensor:
    """Negative log-probability, in nats, of the true class at every token with a masked digit: (n,) float32.

    tokens: int (B, L); y: int (B, L, ℓ). Classes that disagree with a known digit have probability 0.
    """
    rows = torch.nonzero((y == mask_id).any(-1).flatten()).squeeze(-1)
    logits = network(y, rows).float()
    allowed = compatible(y.flatten(0, 1)[rows])
    logits = logits.masked_fill(~allowed, float("-inf"))
    return F.cross_entropy(logits, tokens.flatten()[rows], reduction="none")
