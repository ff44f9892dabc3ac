"""What the networks see of a partly known token."""

import math

import torch
from torch import Tensor, nn

from studio.prime.subtokens import Subtokens


class Compatibility(nn.Module):
    """Which classes agree with the known digits, as two matrix products.

    A class is compatible when as many of its digits match as are known at all, so the products of the
    one-hot state with the one-hot digit table count the matches. Exports to plain ONNX operators.
    """

    def __init__(self, vocab_size: int, length: int, base: int):
        super().__init__()
        digits = torch.from_numpy(Subtokens(vocab_size, length, base).digits)
        one_hot = nn.functional.one_hot(digits, base).reshape(vocab_size, length * base)
        self.register_buffer("table", one_hot.T.float().contiguous(), persistent=False)
        self.register_buffer("values", torch.arange(base), persistent=False)
        self.table: Tensor
        self.values: Tensor

    def forward(self, y: Tensor) -> Tensor:
        """Digits (..., ℓ), masked ones being `base`, to bool (..., C)."""
        known = (y[..., None] == self.values).flatten(-2)
        matches = known.to(self.table.dtype) @ self.table
        return matches == known.sum(-1, keepdim=True)


def class_mean(compatible: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the compatible classes' embeddings, and how open the token still is.

    compatible: bool (..., C); embedding: (C, D). Returns the means (..., D) and the logarithm of the
    number of compatible classes relative to that of all, (..., 1), from 0 (known) to 1 (all masked).
    """
    weights = compatible.to(embedding.dtype)
    count = weights.sum(-1, keepdim=True).clamp(min=1)
    openness = count.log() / math.log(embedding.shape[0])
    return (weights @ embedding) / count, openness


class DigitEmbedding(nn.Module):
    """One table of b+1 rows for all digits; the ℓ vectors of a token are concatenated.

    (B, L, ℓ) to (B, L, ℓ·width).
    """

    def __init__(self, base: int, width: int):
        super().__init__()
        self.embedding_table = nn.Embedding(base + 1, width)

    def forward(self, y: Tensor) -> Tensor:
        return self.embedding_table(y).flatten(-2)
