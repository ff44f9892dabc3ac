"""How surprising each token of the text is, kept by place and moved along with edits; of what was filled in, by gap.
Without Qt."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.media.gapped import Edit, size


class Judged:
    """Judged tokens in order: first place, place behind, bits."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.starts: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.stops: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.bits: NDArray[np.float64] = np.empty(0)
        self._inside: dict[int, tuple[str, dict[tuple[int, int], float]]] = {}

    def __len__(self) -> int:
        return len(self.bits)

    def add(self, tokens: Sequence[tuple[int, int, float]]) -> None:
        """Put tokens behind, or in the place of, those that are there. What has no place of its own joins the token
        before it, as the pieces of one character do."""
        merged: list[list[float]] = []
        for start, stop, bits in tokens:
            if stop <= start:
                if merged:
                    merged[-1][2] += bits
                elif len(self.bits):
                    self.bits[-1] += bits
                continue
            merged.append([start, stop, bits])
        if not merged:
            return
        first, last = merged[0][0], merged[-1][1]
        keep = (self.stops <= first) | (self.starts >= last)
        new = np.array(merged)
        starts = np.concatenate([self.starts[keep], new[:, 0].astype(np.int64)])
        order = np.argsort(starts, kind="stable")
        self.starts = starts[order]
        self.stops = np.concatenate([self.stops[keep], new[:, 1].astype(np.int64)])[order]
        self.bits = np.concatenate([self.bits[keep], new[:, 2]])[order]

    def add_inside(self, gap_id: int, text: str, start: int, stop: int, bits: float) -> None:
        """Of a gap that is filled with `text`, what its characters from `start` to `stop` have."""
        if gap_id not in self._inside or self._inside[gap_id][0] != text:
            self._inside[gap_id] = (text, {})
        self._inside[gap_id][1][start, stop] = bits

    def inside(self, gap_id: int, text: str) -> list[tuple[int, int, float]] | None:
        """Characters and bits within a gap that is filled with `text`; None where that was not judged."""
        found = self._inside.get(gap_id)
        if found is None or found[0] != text:
            return None
        return [(start, stop, bits) for (start, stop), bits in found[1].items()]

    def follow(self, edit: Edit) -> None:
        """Tokens that an edit touches go; those behind it move."""
        if not len(self.bits):
            return
        stop = edit.start + size(edit.removed)
        keep = (self.stops <= edit.start) | (self.starts >= stop)
        shift = size(edit.added) - size(edit.removed)
        behind = self.starts[keep] >= stop
        self.starts = self.starts[keep] + shift * behind
        self.stops = self.stops[keep] + shift * behind
        self.bits = self.bits[keep]

    def between(self, start: int, stop: int) -> list[tuple[int, int, float]]:
        """Those that begin in a range of places."""
        low, high = np.searchsorted(self.starts, [start, stop])
        return list(
            zip(
                self.starts[low:high].tolist(), self.stops[low:high].tolist(), self.bits[low:high].tolist(), strict=True
            )
        )
