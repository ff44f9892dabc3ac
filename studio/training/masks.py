"""What is hidden from the network in training: digits, granularities, regions.

Masks should look like those a user will paint (docs: half of the samples are masked everywhere, the other
half inside a random region only). All draws come from one generator, on the device of the tokens.
"""

import math

import torch
from torch import Generator, Tensor


def alphas(count: int, exponent: float, generator: Generator) -> Tensor:
    """(count,) shares of known digits, α = t^exponent with low-variance t: one stratum a sample."""
    offset = torch.rand((), generator=generator, device=generator.device)
    t = (torch.arange(count, device=generator.device) + offset) / count % 1.0
    return t[torch.randperm(count, generator=generator, device=generator.device)] ** exponent


def mask_digits(shape: tuple[int, int, int], alpha: Tensor, granularity: Tensor, generator: Generator) -> Tensor:
    """Bool (B, L, ℓ), True where masked: each group of ℓ/granularity digits with probability 1 − α.

    alpha: (B,); granularity: int (B,), divisors of ℓ.
    """
    batch, tokens, length = shape
    uniforms = torch.rand(shape, generator=generator, device=generator.device)
    group_size = length // granularity
    first = torch.arange(length, device=generator.device) // group_size[:, None] * group_size[:, None]
    shared = uniforms.gather(-1, first[:, None, :].expand(batch, tokens, length))
    return shared >= alpha[:, None, None]


def picture_regions(batch: int, height: int, width: int, generator: Generator) -> Tensor:
    """Bool (B, height·width): a rectangle (up to the whole picture) or a few brush strokes each."""
    device = generator.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    size = torch.tensor([height, width], device=device, dtype=torch.float32)
    pixels = torch.stack(
        torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"), -1
    ).reshape(-1, 2)

    sides = (0.15 + 1.05 * uniform(batch, 1, 2)).clamp(max=1.0) * size
    corner = uniform(batch, 1, 2) * (size - sides)
    rectangle = ((pixels >= corner.floor()) & (pixels < (corner + sides).ceil())).all(-1)

    strokes, points = 2, 4
    steps = (uniform(batch, strokes, points, 2) - 0.5) * 0.9 * size
    steps[:, :, 0] = uniform(batch, strokes, 2) * size
    path = steps.cumsum(2)
    radius = (0.04 + 0.12 * uniform(batch, strokes, 1)) * min(height, width)
    start, end = path[:, :, :-1].flatten(1, 2)[:, :, None], path[:, :, 1:].flatten(1, 2)[:, :, None]
    along = ((pixels - start) * (end - start)).sum(-1) / ((end - start) ** 2).sum(-1).clamp(min=1e-6)
    distance = (pixels - start - along.clamp(0, 1)[..., None] * (end - start)).norm(dim=-1)
    brush = (distance.view(batch, strokes, points - 1, -1) <= radius[..., None]).flatten(1, 2).any(1)

    return torch.where(uniform(batch, 1) < 0.5, rectangle, brush)


def text_regions(batch: int, tokens: int, generator: Generator) -> Tensor:
    """Bool (B, L): one to four spans each, from one token to half of the text, short ones more often."""
    device, spans = generator.device, 4
    longest = math.log(max(2.0, tokens / 2))
    lengths = torch.exp(torch.rand((batch, spans), generator=generator, device=device) * longest).round()
    starts = (torch.rand((batch, spans), generator=generator, device=device) * (tokens - lengths + 1)).floor()
    used = torch.randint(1, spans + 1, (batch, 1), generator=generator, device=device)
    lengths = lengths * (torch.arange(spans, device=device) < used)
    place = torch.arange(tokens, device=device)[None, :, None]
    return ((place >= starts[:, None]) & (place < (starts + lengths)[:, None])).any(-1)
