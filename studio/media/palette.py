"""Palettes whose colour codes are paths in a binary tree: each further digit halves what a colour can be."""

import numpy as np
from numpy.typing import NDArray

_LUMINANCE = np.array([0.299, 0.587, 0.114])


def build_palette(pixels: NDArray[np.uint8], depth: int) -> NDArray[np.uint8]:
    """Split a colour cloud along its principal axis `depth` times.

    pixels: (N, 3) uint8. Returns (2**depth, 3) uint8; row c is the mean of the pixels in the leaf whose path
    from the root, most significant bit first, is c. The brighter half of every split gets bit 1. In the splits
    frequent colours weigh by the square root of their count, so that a white background does not eat the palette.
    """
    colors, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    groups = [(colors.astype(np.float64), np.sqrt(counts.astype(np.float64)))]
    for _ in range(depth):
        groups = [half for group in groups for half in _split(*group)]
    # By the counts themselves: the leaf of white is white, not the middle between it and its rare neighbours.
    means = np.stack([np.average(points, axis=0, weights=weights**2) for points, weights in groups])
    return np.clip(np.rint(means), 0, 255).astype(np.uint8)


def _split(
    points: NDArray[np.float64], weights: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Two halves, darker first, cut where the squared error of the two means is smallest."""
    if len(points) == 1:
        return [(points, weights)] * 2
    mean = np.average(points, axis=0, weights=weights)
    centred = points - mean
    axis = np.linalg.eigh((centred * weights[:, None]).T @ centred)[1][:, -1]
    if axis @ _LUMINANCE < 0:
        axis = -axis
    order = np.argsort(centred @ axis, kind="stable")
    points, weights = points[order], weights[order]
    mass = np.cumsum(weights)[:-1]
    first = np.cumsum(points * weights[:, None], axis=0)
    total = first[-1]
    first = first[:-1]
    # Between-group variance; its maximum is the cut with the least squared error within the halves.
    gain = (first**2).sum(1) / mass + ((total - first) ** 2).sum(1) / (weights.sum() - mass)
    cut = int(np.argmax(gain)) + 1
    return [(points[:cut], weights[:cut]), (points[cut:], weights[cut:])]


def nearest(palette: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Index of the nearest palette colour (squared distance in RGB): (..., 3) uint8 to (...,) int64."""
    colors = palette.astype(np.float32)
    flat = pixels.reshape(-1, 3)
    result = np.empty(len(flat), dtype=np.int64)
    for start in range(0, len(flat), 1 << 16):
        block = flat[start : start + (1 << 16)].astype(np.float32)
        result[start : start + len(block)] = np.argmin((colors**2).sum(1) - 2 * block @ colors.T, axis=1)
    return result.reshape(pixels.shape[:-1])
