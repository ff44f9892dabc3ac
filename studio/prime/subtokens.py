"""Tokens as base-b digits, each of which can be masked on its own."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def smallest_base(vocab_size: int, length: int) -> int:
    """Smallest integer b with b**length >= vocab_size, found in integers.

    `ceil(vocab_size ** (1 / length))` is wrong for exact powers (32768, 5 gives 9, not 8).
    """
    base = max(2, round(vocab_size ** (1 / length)) - 1)
    while base**length < vocab_size:
        base += 1
    while base > 2 and (base - 1) ** length >= vocab_size:
        base -= 1
    return base


class Subtokens:
    """The bijection between tokens 0 … C−1 and ℓ digits in base b, most significant first.

    A digit takes the values 0 … b−1, or `mask_id` = b where it is not known. Where b**ℓ > C some codes
    name no class; they are never encoded, and decoding one is an error.
    """

    def __init__(self, vocab_size: int, length: int, base: int | None = None):
        if vocab_size < 2:
            raise ValueError(f"vocab_size must be at least 2, not {vocab_size}")
        if length < 1:
            raise ValueError(f"length must be at least 1, not {length}")
        self.vocab_size = vocab_size
        self.length = length
        self.base = smallest_base(vocab_size, length) if base is None else base
        if self.base < 2 or self.base**length < vocab_size:
            raise ValueError(f"base {self.base} cannot write {vocab_size} classes in {length} digits")
        if int(self.base) ** int(length) > 1 << 63:
            raise ValueError(f"{length} digits in base {self.base} are codes of more than 63 bits")
        self.mask_id = self.base
        self._place_values = self.base ** np.arange(length - 1, -1, -1, dtype=np.int64)
        self.digits = self.encode(np.arange(vocab_size))
        """(C, ℓ) int64: the digits of every class."""
        # _agrees[j, v]: the classes with digit v at place j, eight to a byte; all of them where v is the mask.
        # With one digit the table would be C × C, and comparing is all there is to do.
        if length > 1:
            agrees = self.digits.T[:, None, :] == np.arange(self.base + 1)[None, :, None]
            agrees[:, self.mask_id] = True
            self._agrees = np.packbits(agrees, axis=-1)

    def encode(self, tokens: ArrayLike) -> NDArray[np.int64]:
        """Tokens (...,) to digits (..., ℓ). ValueError for a token outside 0 … C−1, and for what is no whole number."""
        tokens = whole(tokens)
        if tokens.size and (tokens.min() < 0 or tokens.max() >= self.vocab_size):
            raise ValueError(f"tokens must lie in 0 … {self.vocab_size - 1}")
        return tokens[..., None] // self._place_values % self.base

    def decode(self, y: ArrayLike) -> NDArray[np.int64]:
        """Digits (..., ℓ) to tokens (...,). ValueError on a masked digit, a code that names no class, another shape."""
        y = self._digits(y)
        if y.size and (y.min() < 0 or y.max() >= self.base):
            raise ValueError("cannot decode: a digit is masked or out of range")
        tokens = y @ self._place_values
        if tokens.size and tokens.max() >= self.vocab_size:
            raise ValueError("cannot decode: a code names no class")
        return tokens

    def compatible(self, y: ArrayLike) -> NDArray[np.bool_]:
        """Digits (..., ℓ) to bool (..., C): the classes that agree with every known digit.

        ValueError for what is neither a digit nor the mask, and for another shape.
        """
        y = self._digits(y)
        if y.size and (y.min() < 0 or y.max() > self.mask_id):
            raise ValueError(f"digits must lie in 0 … {self.mask_id}")
        if self.length == 1:
            return (y == np.arange(self.vocab_size)) | (y == self.mask_id)
        bits = self._agrees[0, y[..., 0]]
        for place in range(1, self.length):
            bits &= self._agrees[place, y[..., place]]
        return np.unpackbits(bits, axis=-1, count=self.vocab_size).view(np.bool_)

    def nameable(self, y: ArrayLike) -> NDArray[np.bool_]:
        """Digits (..., ℓ) to bool (...,): whether any class at all agrees with the known digits.

        The smallest code that agrees has 0 for every masked digit, and codes below C are the ones with a name.
        """
        y = self._digits(y)
        return np.where(y == self.mask_id, 0, y) @ self._place_values < self.vocab_size

    def _digits(self, y: ArrayLike) -> NDArray[np.int64]:
        y = whole(y)
        if y.ndim == 0 or y.shape[-1] != self.length:
            raise ValueError(f"digits must have the shape (..., {self.length}), not {y.shape}")
        return y


def whole(numbers: ArrayLike) -> NDArray[np.int64]:
    """As int64. NumPy would cut 1.7 down to 1; an empty list has no kind of its own."""
    numbers = np.asarray(numbers)
    if numbers.dtype.kind not in "iu" and numbers.size:
        raise ValueError(f"whole numbers are needed, not {numbers.dtype}")
    return numbers.astype(np.int64, copy=False)
