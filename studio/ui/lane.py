"""The lane: the one thread that owns every network and makes every frame."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from studio.errors import OutOfMemory
from studio.generation import GenerationRequest
from studio.runtime.denoiser import asked_samples, in_parts
from studio.ui.runs import Run

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle
    from studio.runtime.denoiser import OnnxDenoiser

T = TypeVar("T")
KEPT_NETWORKS = 3
CALLS = 25
"""How many call durations are kept per batch size."""
LAST_CALL = 5.0
"""Seconds that a call which cannot be stopped may go on once the window is closed."""
log = logging.getLogger(__name__)


class Loaded:
    """A network on its device, with the time that its calls take, by the number of samples in them."""

    def __init__(self, denoise: "OnnxDenoiser"):
        self.denoise = denoise
        self.provider, self.reason = denoise.provider, denoise.reason
        self.seconds: dict[int, deque[float]] = {}
        self.most: int | None = None
        """Samples that fit into one call, once more of them did not."""

    def note(self, batch: int, seconds: float) -> None:
        self.seconds.setdefault(batch, deque(maxlen=CALLS)).append(seconds)

    def expected(self, batch: int) -> float | None:
        """Seconds a call of `batch` samples takes, from calls that were measured; None before the first."""
        seconds = self.seconds
        if not seconds:
            return None
        nearest = min(list(seconds), key=lambda size: abs(np.log(size / batch)))
        return median(list(seconds[nearest])) * batch / nearest

    def time(self, bundle: "Bundle") -> None:
        """Call it once, on the lane only; what was measured before counts no longer."""
        y = np.full((1, bundle.num_tokens, bundle.subtokens.length), bundle.subtokens.mask_id)
        started = time.perf_counter()
        self.denoise(y, np.arange(bundle.num_tokens))
        self.seconds = {1: deque([time.perf_counter() - started], maxlen=CALLS)}


class TimedDenoiser:
    """A loaded network for one run, which any thread may stop; notes how long its calls take.

    A batch that the device has no memory for is halved until it fits; OutOfMemory where a single sample does not.
    """

    def __init__(self, loaded: Loaded):
        self._loaded, self._denoise = loaded, loaded.denoise.stoppable()
        self.provider, self.stop = loaded.provider, self._denoise.stop

    def __call__(self, y: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.float32]:
        loaded = self._loaded
        y, rows = asked_samples(y, rows)  # so that those count that are computed
        while loaded.most is None or len(y) <= loaded.most or not len(rows):
            try:
                started = time.perf_counter()
                logits = self._denoise(y, rows)
                loaded.note(len(y), time.perf_counter() - started)
                return logits
            except OutOfMemory:
                if len(y) == 1:
                    raise
                loaded.most = len(y) // 2
                log.info("%d samples do not fit into memory: going on with %d at once", len(y), loaded.most)
        return in_parts(self, y, rows, loaded.most)


class Lane:
    """Work is done in the order in which it is handed in, on one thread; runs take turns, a frame each."""

    def __init__(self, device: str = "auto"):
        self.device = device
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="lane")
        self._networks: dict[tuple[str, str], Loaded] = {}
        self._runs: WeakSet[Run] = WeakSet()
        """A paused one lasts for as long as somebody may come back to it."""
        self._last: Future[None] | None = None

    def submit(self, work: Callable[..., T], *args: Any) -> Future[T]:
        """Do `work` on the lane. What it raises is in the future alone."""
        return self._executor.submit(work, *args)

    def load(self, bundle: "Bundle") -> Loaded:
        """The bundle's network, loaded and called once the first time; on the lane only. StudioError if it fails."""
        key = (bundle.digest, self.device)
        found = self._networks.pop(key, None)
        if found is None:
            from studio.runtime.denoiser import OnnxDenoiser

            found = Loaded(OnnxDenoiser(bundle, self.device))
            # The first call of a session is slow; after it the time of a call is known before anything is made.
            found.time(bundle)
            found.time(bundle)
        self._networks[key] = found
        while len(self._networks) > KEPT_NETWORKS:
            del self._networks[next(iter(self._networks))]
        return found

    def time_again(self, bundles: "Iterable[Bundle]") -> None:
        """The networks of these that are loaded have another speed now, such as after a training; on the lane only."""
        for bundle in bundles:
            if loaded := self.loaded(bundle):
                loaded.time(bundle)

    def network(self, bundle: "Bundle") -> TimedDenoiser:
        """The bundle's network for one run; on the lane only. StudioError if it cannot be loaded."""
        return TimedDenoiser(self.load(bundle))

    def loaded(self, bundle: "Bundle") -> Loaded | None:
        """The bundle's network if it is there already, from any thread."""
        return self._networks.get((bundle.digest, self.device))

    @property
    def latest(self) -> Loaded | None:
        """The network that was used last, from any thread; None before the first."""
        return next(reversed(list(self._networks.values())), None)

    def call_seconds(self, bundle: "Bundle", batch: int) -> float | None:
        """Seconds to expect of one call, from any thread; None until the network was called."""
        loaded = self.loaded(bundle)
        return None if loaded is None else loaded.expected(batch)

    def start(
        self, request: GenerationRequest, bundle: "Bundle", parent: tuple[str, int] | None = None, paused: bool = False
    ) -> Run:
        """Queue a run behind what is there; paused, it waits for `step` or `resume`."""
        run = Run(request, bundle, self.submit, self.network, parent)
        self._runs.add(run)
        run.pause() if paused else run.resume()
        return run

    def restore(self, find: "Callable[[str], Bundle | None]", record: dict[str, Any]) -> Run:
        """A run of an earlier session, as `Run.restored`."""
        run = Run.restored(find, record, self.submit, self.network)
        self._runs.add(run)
        return run

    def unfinished(self, bundle: "Bundle") -> bool:
        """Whether somebody may come back to a run of this model that has not come to its end, stopped or not."""
        return any(run.bundle.digest == bundle.digest and run.state != "done" for run in self._runs)

    @property
    def runs(self) -> list[Run]:
        """Those that are not over."""
        return [run for run in self._runs if not run.over]

    def close(self, patience: float = LAST_CALL) -> bool:
        """Stop every run and end the thread; nothing is called after that. False where, `patience` seconds later, the
        network still does not come back."""
        for run in self.runs:
            run.stop()
        if self._last is None:
            self._last = self._executor.submit(lambda: None)
            self._executor.shutdown(wait=False)
        if wait([self._last], patience).not_done:
            return False
        self._executor.shutdown(wait=True)
        self._networks.clear()
        return True
