"""Real runs of a tiny model, and a gate to hold them at a call."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from studio.errors import Stopped
from studio.generation import GenerationRequest, picture_request
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser
from studio.ui.lane import Lane
from studio.ui.runs import Run
from tests.helpers import GRID


def a_request(bundle: Bundle, **options: Any) -> GenerationRequest:
    picture = np.random.default_rng(0).integers(0, 256, (GRID, GRID, 3), dtype=np.uint8)
    mask = np.zeros((GRID, GRID), dtype=bool)
    mask[2:7, 1:6] = True
    return picture_request(bundle, picture, mask, seeds=options.pop("seeds", (3, 4)), **options)


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "it did not come about"
        time.sleep(0.002)


class Gate:
    """A network that waits to be let through, call by call."""

    provider, reason = "CPU", None

    def __init__(self, network: Any):
        self.network, self.calls = network, 0
        self.open, self.stopped = threading.Semaphore(0), False

    def __call__(self, y: Any, rows: Any) -> Any:
        self.calls += 1
        self.open.acquire()
        if self.stopped:
            raise Stopped
        return self.network(y, rows)

    def stop(self) -> None:
        self.stopped = True
        self.open.release()


def gated(bundle: Bundle, lane: Lane, request: GenerationRequest) -> tuple[Gate, Run]:
    """A run held at every call; when the lane is closed it is let go, so that a test that fails does not hang."""
    gate = Gate(OnnxDenoiser(bundle, "cpu"))
    run = Run(request, bundle, lane.submit, lambda _: gate)
    lane._runs.add(run)  # as `start` does
    return gate, run
