"""The curves of a run, taken from its frames as they come."""

import time

import numpy as np
from numpy.typing import NDArray

from studio.ui.runs import Kept, Run

POINTS = 200
"""Most pairs of points of a curve that are drawn."""
BUDGET_S = 0.0015
"""Time that one look at the new frames may take; what is left waits for the next."""


class Curves:
    """Figures of every frame of a run, index 0 the start; `advance` takes in new frames, each looked at once.

    known: share of the sub-tokens to be made that are known. confidence: mean probability of the classes drawn so
    far, NaN before the first. revealed: digits that the step revealed. calls: of the network so far.
    """

    def __init__(self, run: Run):
        # Not the run itself: the panel keeps curves as long as their run lives, and must not be why it does.
        self._frames = run.frames
        self.count = 0
        start = run.frames[0]
        self._mask_id = run.bundle.subtokens.mask_id
        self._editable = start.y == self._mask_id
        self._total = max(1, int(self._editable.sum()))
        capacity = start.steps + 1
        self._known = np.full(capacity, np.nan, dtype=np.float32)
        self._confidence = np.full(capacity, np.nan, dtype=np.float32)
        self._revealed = np.zeros(capacity, dtype=np.int32)
        self._calls = np.zeros(capacity, dtype=np.int32)
        self._last: Kept | None = None

    @property
    def known(self) -> NDArray[np.float32]:
        return self._known[: self.count]

    @property
    def confidence(self) -> NDArray[np.float32]:
        return self._confidence[: self.count]

    @property
    def revealed(self) -> NDArray[np.int32]:
        return self._revealed[: self.count]

    @property
    def calls(self) -> NDArray[np.int32]:
        return self._calls[: self.count]

    def advance(self, budget: float = BUDGET_S) -> bool:
        """Take in new frames for `budget` seconds, at least one; true while there are more."""
        until = time.perf_counter() + budget
        frames = self._frames
        while self.count < len(frames):
            self._take(frames[self.count])
            if time.perf_counter() > until:
                break
        return self.count < len(frames)

    def _take(self, frame: Kept) -> None:
        i, last = self.count, self._last
        if last is not None and frame.y is last.y and frame.calls == last.calls:
            # An idle step: all is as it was.
            self._known[i], self._confidence[i] = self._known[i - 1], self._confidence[i - 1]
        else:
            self._known[i] = 1 - np.count_nonzero(frame.y == self._mask_id) / self._total
            self._revealed[i] = np.bitwise_count(frame.packed).sum()
            if frame.confidence is not None:
                drawn = frame.confidence[~np.isnan(frame.confidence)]
                self._confidence[i] = drawn.mean(dtype=np.float32) if drawn.size else np.nan
        self._calls[i] = frame.calls
        self._last = frame
        self.count = i + 1


def thinned(values: NDArray[np.generic], points: int = POINTS) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places and values to draw: all of them, or of each of `points` equal parts the least and the greatest.

    Peaks stay where they are however long the curve is. Values that are not finite are left out.
    """
    values = np.asarray(values, dtype=np.float64)
    places = np.flatnonzero(np.isfinite(values))
    if len(places) <= 2 * points:
        return places, values[places]
    finite = values[places]
    size = -(-len(places) // points)
    whole = len(places) // size * size
    keep = np.zeros(len(places), dtype=np.bool_)
    keep[[0, -1]] = True
    parts, rest = finite[:whole].reshape(-1, size), finite[whole:]
    starts = np.arange(len(parts)) * size
    keep[starts + parts.argmin(axis=1)] = keep[starts + parts.argmax(axis=1)] = True
    if rest.size:
        keep[whole + rest.argmin()] = keep[whole + rest.argmax()] = True
    return places[keep], finite[keep]
