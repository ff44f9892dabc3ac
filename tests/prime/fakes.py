"""Networks without a network."""

import numpy as np
from numpy.typing import NDArray


class TableDenoiser:
    """The same logits for a token whatever is known; keeps what it was asked. logits: (L, C)."""

    def __init__(self, logits: NDArray):
        self.logits = np.asarray(logits, dtype=np.float32)
        self.asked: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []

    def __call__(self, y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        assert y.dtype == np.int64 and rows.dtype == np.int64
        assert len(rows) and (np.diff(rows) > 0).all() and rows[0] >= 0 and rows[-1] < y.shape[0] * y.shape[1]
        self.asked.append((y.copy(), rows.copy()))
        return self.logits[rows % len(self.logits)]


def random_denoiser(num_tokens: int, vocab_size: int, seed: int = 0, scale: float = 2.0) -> TableDenoiser:
    return TableDenoiser(np.random.default_rng(seed).normal(size=(num_tokens, vocab_size)) * scale)


def state_denoiser(vocab_size: int, seed: int = 0):
    """Logits that depend on the token and on all that is known in its sample, in whole numbers: on nothing else."""
    table = np.random.default_rng(seed).normal(size=(101, vocab_size)).astype(np.float32) * 2

    def denoise(y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        samples, tokens = np.divmod(rows, y.shape[1])
        places = np.arange(1, y[0].size + 1)
        return table[((y.reshape(len(y), -1) * places).sum(axis=1)[samples] + 7 * tokens) % 101]

    return denoise
