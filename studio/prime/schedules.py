"""Schedules: the fraction α of sub-tokens that are known at time t, 0 (the state as given) to 1 (all known)."""

import math
import re

import numpy as np
from numpy.typing import NDArray

Number = float | NDArray[np.float64]

SCHEDULES = ("linear", "cosine", "poly2", "poly3")
"""The names for menus. Any "polyN" with a positive number N, such as "poly1.5", is a schedule too."""


def alpha(name: str, t: Number) -> Number:
    """α(t): "linear" t, "cosine" 1 − cos(πt/2) (few are revealed at first), "polyN" t^N.

    t in 0 … 1, a number or an array. ValueError for an unknown name.
    """
    if name == "cosine":
        # 1 − cos x = 2 sin²(x/2), without the cancellation near 0.
        return 2 * np.sin(np.pi / 4 * t) ** 2
    return t ** _exponent(name)


def inverse(name: str, a: Number) -> Number:
    """t(α), the exact inverse of `alpha`."""
    if name == "cosine":
        return 4 / np.pi * np.arcsin(np.sqrt(a / 2))
    return a ** (1 / _exponent(name))


def alpha_grid(name: str, steps: int) -> NDArray[np.float64]:
    """α at the ends of `steps` equal steps in time: float64 (steps + 1,), from exactly 0 to exactly 1."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    grid = np.asarray(alpha(name, np.arange(steps + 1) / steps))
    grid[-1] = 1.0
    return grid


def _exponent(name: str) -> float:
    """The exponent of a power of t. ValueError for a name that is no schedule."""
    if name == "linear":
        return 1.0
    match = re.fullmatch(r"poly(\d+(?:\.\d+)?)", name)
    exponent = float(match[1]) if match else 0.0
    if exponent <= 0 or not math.isfinite(exponent):
        raise ValueError(f"unknown schedule {name!r}: use linear, cosine or polyN, N a positive number")
    return exponent
