"""Batches of tokens, from memory or from files that are mapped into it, in an order that a checkpoint can take up."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import permutations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor


@dataclass
class PictureData:
    """Pictures as tokens (N, L), of which those at `places` are learned from, with augmentation on the fly.

    A colour change is a table of C entries a sample, since the tokens are palette colours (or values).
    """

    tokens: NDArray[np.unsignedinteger]  # (N, L), in memory or mapped
    places: NDArray[np.int64]  # (N',)
    grid: tuple[int, int]
    colors: int  # tokens a pixel
    palette: Tensor | None = None  # float32 (C, 3)
    shift: int = 0
    flip: bool = False
    color_jitter: float = 0.0  # share of samples whose colours are turned

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: Tensor, generator: Generator) -> Tensor:
        """int64 (B, L) on the generator's device."""
        device = generator.device
        height, width = self.grid
        rows = self.tokens[self.places[indices.numpy()]].astype(np.int64)
        tokens = torch.from_numpy(rows).to(device, non_blocking=True).view(-1, height, width, self.colors)
        count = len(tokens)
        rows = torch.arange(height, device=device).expand(count, -1)
        columns = torch.arange(width, device=device).expand(count, -1)
        if self.flip:
            flipped = torch.rand((count, 1), generator=generator, device=device) < 0.5
            columns = torch.where(flipped, width - 1 - columns, columns)
        if self.shift:
            moves = torch.randint(-self.shift, self.shift + 1, (2, count, 1), generator=generator, device=device)
            rows = (rows + moves[0]).clamp(0, height - 1)
            columns = (columns + moves[1]).clamp(0, width - 1)
        samples = torch.arange(count, device=device)[:, None, None]
        tokens = tokens[samples, rows[:, :, None], columns[:, None, :]]
        if self.color_jitter and self.palette is not None:
            tokens = self._recolor(tokens, generator)
        return tokens.flatten(1)

    def _recolor(self, tokens: Tensor, generator: Generator) -> Tensor:
        """Permute the colour channels of a share of the samples, through the nearest palette colours."""
        device = generator.device
        chosen = torch.rand(len(tokens), generator=generator, device=device) < self.color_jitter
        order = torch.rand((len(tokens), 3), generator=generator, device=device).argsort(-1)
        order = torch.where(chosen[:, None], order, torch.arange(3, device=device))
        which = 2 * order[:, 0] + (order[:, 1] > order[:, 2])  # as itertools counts them
        return self._turned.to(device)[which].gather(1, tokens.flatten(1)).view(tokens.shape)

    @cached_property
    def _turned(self) -> Tensor:
        """int64 (6, C): the palette colour nearest to each, its channels in each order."""
        assert self.palette is not None
        palette = self.palette.cpu()
        lengths = (palette**2).sum(-1)
        return torch.stack(
            [
                torch.cat([(lengths - 2 * part[:, order] @ palette.T).argmin(-1) for part in palette.split(1024)])
                for order in map(list, permutations(range(3)))
            ]
        )


@dataclass
class TextData:
    """One long run of tokens, cut at random places into windows of the context."""

    tokens: NDArray[np.integer]  # (N,), in memory or mapped
    context: int

    def __len__(self) -> int:
        return max(1, (len(self.tokens) - 1) // self.context)

    def batch(self, indices: Tensor, generator: Generator) -> Tensor:
        """int64 (B', L) on the generator's device.

        Every window starts at a random place in its part of the text. A quarter of the batches hold
        shorter texts (a half or a quarter of the context), as users write them.
        """
        device = generator.device
        offset = torch.randint(self.context, (len(indices),), generator=generator, device=device)
        starts = np.minimum(indices.numpy() * self.context + offset.cpu().numpy(), len(self.tokens) - self.context)
        rows = self.tokens[starts[:, None] + np.arange(self.context)].astype(np.int64)
        windows = torch.from_numpy(rows).to(device, non_blocking=True)
        kind = int(torch.randint(8, (), generator=generator, device=device))
        pieces = {0: 2, 1: 4}.get(kind, 1)
        length = max(1, self.context // pieces)  # what is left over of a context that is no multiple is left out
        return windows[:, : length * pieces].reshape(-1, length)


@lru_cache(maxsize=1)  # of ten million samples it takes longer than a step
def epoch_order(count: int, epoch: int, seed: int) -> Tensor:
    """The order in which the samples of an epoch come, int64 (count,): the same on every process and after a resume."""
    return torch.randperm(count, generator=Generator().manual_seed(seed * 1_000_003 + epoch))


def batch_indices(count: int, batch: int, step: int, seed: int, rank: int = 0, processes: int = 1) -> Tensor:
    """Sample indices of one process at one step, int64 (batch / processes,); no sample comes twice in an epoch.

    `batch` is that of all processes together. The last, incomplete batch of an epoch is left out, except
    where there are fewer samples than a batch holds: then they are repeated.
    """
    batches = max(1, count // batch)
    order = epoch_order(count, step // batches, seed)
    place = step % batches * batch + torch.arange(batch)[rank::processes]
    return order[place % count]
