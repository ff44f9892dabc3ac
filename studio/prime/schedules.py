"""Schedules: the fraction α of sub-tokens that are known at time t, 0 (the state as given) to 1 (all known)."""

import math
import re

import numpy as np
from numpy.typing import NDArray

Number = float | NDArray[np.float64]
Triple = tuple[float, float, float]

NO_WARP: Triple = (1.0, 1.0, 0.0)

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


def is_schedule(name: str) -> bool:
    """Whether `alpha` knows a schedule of this name."""
    try:
        alpha(name, 0.5)
    except ValueError:
        return False
    return True


def inverse(name: str, a: Number) -> Number:
    """t(α), the exact inverse of `alpha`."""
    if name == "cosine":
        return 4 / np.pi * np.arcsin(np.sqrt(a / 2))
    return a ** (1 / _exponent(name))


def time_grid(steps: int, warp: Triple = NO_WARP) -> NDArray[np.float64]:
    """Ends of `steps` steps in time, from exactly 0 to exactly 1: float64 (steps + 1,).

    warp (a, p, c), a and p above 0: an end at t moves to 1 − a(1−t)^p + c, kept within 0 … 1. With a = 1 and c = 0,
    steps are shorter towards 1 where p > 1. ValueError for no steps and numbers that are no warp.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    times = np.arange(steps + 1) / steps
    if tuple(warp) != NO_WARP:
        a, p, c = warp
        if not (0 < a < math.inf and 0 < p < math.inf and math.isfinite(c)):
            raise ValueError(f"warp must be (a, p, c) with a and p above 0, not {tuple(warp)}")
        times = np.clip(1 - a * (1 - times) ** p + c, 0, 1)
        times[0], times[-1] = 0, 1
    return times


def alpha_grid(name: str, steps: int, warp: Triple = NO_WARP) -> NDArray[np.float64]:
    """α at the ends of the steps of `time_grid`: float64 (steps + 1,), from exactly 0 to exactly 1."""
    grid = np.asarray(alpha(name, time_grid(steps, warp)))
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
