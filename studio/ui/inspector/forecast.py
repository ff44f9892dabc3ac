"""What a run will cost, told before it runs: calls, the idle steps that it is spared, seconds on this device."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.generation import GenerationRequest
from studio.generation.request import TextSource
from studio.prime.policies import NO_CORRECTOR, corrector_hazard, corrector_rates, expected_calls, remask_rate
from studio.prime.schedules import NO_WARP, Triple, alpha_grid, time_grid

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle
    from studio.ui.lane import Lane
    from studio.ui.runs import Run
    from studio.ui.sampling_settings import SamplingSettings

Units = tuple[int, ...]
"""Units of one sample that are to be made, one number for each window that the network is shown on its own."""

TRUST = 0.5
"""Weight of the latest run when it corrects the time that is expected."""


@dataclass(frozen=True)
class Forecast:
    """calls: of the network, or with `at_most` the most that are possible. idle: steps in which the published sampler
    would call the network and reveal nothing, expected for each sample. published: calls that it spends on a sample.
    shown: how often a sample is shown to the network. seconds: None where no call was measured yet."""

    calls: float
    at_most: bool
    idle: float
    published: int
    shown: float
    seconds: float | None


def units_of(given: NDArray[np.integer], mask_id: int, granularity: int, windows: Sequence[int] = ()) -> Units:
    """The units to be made in the start state of a sample, (L, ℓ); windows: tokens of each, all in one if empty."""
    units = (given == mask_id).reshape(len(given), granularity, -1).any(axis=-1).sum(axis=-1)
    return tuple(int(part.sum()) for part in np.split(units, np.cumsum(windows or [len(given)])[:-1]))


def units_of_request(request: GenerationRequest, bundle: "Bundle") -> Units:
    windows = request.source.windows if isinstance(request.source, TextSource) else ()
    return units_of(request.given.unpack(), bundle.subtokens.mask_id, request.granularity, windows)


@dataclass(frozen=True)
class Sampling:
    """Those of the sampling options that calls depend on."""

    policy: str
    steps: int
    schedule: str = "linear"
    remask: float = 0.0
    warp: Triple = NO_WARP
    corrector: Triple = NO_CORRECTOR

    @classmethod
    def of(cls, request: GenerationRequest) -> "Sampling":
        return cls(**{field.name: getattr(request, field.name) for field in fields(cls)})


def forecast(sampling: Sampling, units: Units, batch: int) -> Forecast | None:
    """Calls from theory, without seconds; None where nothing is to be made."""
    busy = [number for number in units if number]
    if not busy:
        return None
    policy, steps, total = sampling.policy, sampling.steps, sum(busy)
    at_most = False
    if policy == "ancestral":
        quiet = 1 - reveal_probabilities(sampling)
        calls = sum(float((1 - quiet ** (number * batch)).sum()) for number in busy)
        shown = sum(float((1 - quiet**number).sum()) for number in busy) * batch
    else:
        # A masked unit is left for every later step, so there are as many calls as steps; what is masked again can
        # take up the steps for which there were too few. Which windows still have work is known only as it goes.
        again = sampling.remask > 0 or sampling.corrector[0] > 0
        most = steps if again else expected_calls(policy, steps, total, sampling.schedule)
        at_most = policy == "entropy" or len(busy) > 1 or (again and total < steps)
        calls = float(most * len(busy))
        shown = calls * batch
    # The published sampler has the corrector, but not `remask`.
    published = 1 - reveal_probabilities(replace(sampling, remask=0.0))
    idle = sum(float((published**number).sum()) for number in busy)
    return Forecast(calls, at_most, idle, steps * len(busy), shown, None)


def calls_of(request: GenerationRequest, bundle: "Bundle") -> float:
    """Calls that a request takes, or at most takes, from theory; at least 1."""
    found = forecast(Sampling.of(request), units_of_request(request, bundle), len(request.seeds))
    return max(found.calls, 1.0) if found else 1.0


def reveal_probabilities(sampling: Sampling) -> NDArray[np.float64]:
    """The probability with which `ancestral` reveals a unit in each step, float64 (steps,); units are independent.

    α_k − α_{k−1} where nothing is masked again. Else a unit is a chain of two states: masked, it is revealed with a
    share that for `remask` is (α_k − α_{k−1}) / (1 − α_{k−1}); known before a step, it may be masked again in it.
    """
    steps, remask = sampling.steps, sampling.remask
    alpha = alpha_grid(sampling.schedule, steps, sampling.warp)
    if sampling.corrector[0]:
        rates = corrector_rates(sampling.corrector, time_grid(steps, sampling.warp), alpha)
        shares = 1 - np.exp(-np.diff(corrector_hazard(rates, alpha)))
    elif remask:
        rates = [remask_rate(remask, float(a)) for a in alpha]
        # A grid that is at 1 too early leaves nothing to a later step but what is masked again.
        shares = np.ones(steps)
        np.divide(np.diff(alpha), 1 - alpha[:-1], out=shares, where=alpha[:-1] < 1)
    else:
        return np.diff(alpha)
    revealed = np.empty(steps)
    masked = 1.0
    for k in range(steps):
        revealed[k] = masked * shares[k]
        masked += (1 - masked) * rates[k + 1] - revealed[k]
    return revealed


class Forecaster:
    """Forecasts for this device, from calls that were measured and corrected by runs that came to their end."""

    def __init__(self, lane: "Lane"):
        self._lane = lane
        self._factors: dict[tuple[str, str], float] = {}

    def of(self, settings: "SamplingSettings", units: Units) -> Forecast | None:
        """What a run with these settings will cost; None without a model or with nothing to be made."""
        if settings.bundle is None:
            return None
        options: dict[str, Any] = {**settings.options()}
        sampling = Sampling(**{field.name: options[field.name] for field in fields(Sampling)})
        return self._of(settings.bundle, sampling, units, settings.get("variations"))

    def of_request(self, request: GenerationRequest, bundle: "Bundle") -> Forecast | None:
        return self._of(bundle, Sampling.of(request), units_of_request(request, bundle), len(request.seeds))

    def learn(self, run: "Run") -> None:
        """Take in how long a run took that came to its end here; others tell nothing."""
        expected = self.of_request(run.request, run.bundle)
        if run.state != "done" or not run.made_here or expected is None or not expected.seconds:
            return
        key = (run.bundle.digest, run.request.policy)
        factor = self._factors.get(key, 1.0)
        latest = factor * run.frames[-1].seconds / expected.seconds
        self._factors[key] = latest if key not in self._factors else TRUST * latest + (1 - TRUST) * factor

    def _of(self, bundle: "Bundle", sampling: Sampling, units: Units, batch: int) -> Forecast | None:
        found = forecast(sampling, units, batch)
        if found is None:
            return None
        # Only the samples with work in a step are shown to the network.
        together = max(1, round(found.shown / found.calls))
        call = self._lane.call_seconds(bundle, together)
        if call is None:
            return found
        factor = self._factors.get((bundle.digest, sampling.policy), 1.0)
        return replace(found, seconds=found.shown * call / together * factor)
