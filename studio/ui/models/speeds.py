"""How fast models run here: measured on the lane, kept in the settings."""

import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.runtime.catalog import data_folder
from studio.training.client import find_runs
from studio.ui.settings import Settings

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle
    from studio.ui.lane import Lane

PLACE = "models"
_REPEATS = 5
_KEPT = 50


class Speeds:
    """What was measured, by model and device."""

    def __init__(self, settings: Settings, device: str):
        self._settings, self._device = settings, device

    def text(self, bundle: "Bundle") -> str:
        """The speed of a model in words, "" where it was not measured yet."""
        return speed_text(self._stored().get(self.key(bundle)))

    def lasts(self, bundle: "Bundle") -> bool:
        """Whether it was measured, and not beside a training."""
        found = self._stored().get(self.key(bundle))
        return bool(speed_text(found)) and not _beside(found)

    def keep(self, bundle: "Bundle", found: dict[str, object]) -> None:
        """Keep what `measure_speed` gave."""
        others = {key: value for key, value in self._stored().items() if key != self.key(bundle)}
        kept = dict(list(others.items())[1 - _KEPT :]) | {self.key(bundle): found}
        self._settings.set_ui(PLACE, speed=kept)

    def key(self, bundle: "Bundle") -> str:
        return f"{bundle.digest[:16]} {self._device}"

    def _stored(self) -> dict[str, Any]:
        stored = self._settings.ui(PLACE).get("speed")
        return stored if isinstance(stored, dict) else {}


def training() -> bool:
    """Whether a run is at work here, which takes the cores that a call needs."""
    return any(run.running for run in find_runs(data_folder() / "runs"))


def measure_speed(lane: "Lane", bundle: "Bundle") -> dict[str, object]:
    """Median milliseconds of a call with everything masked, of one sample and of eight; on the lane only."""
    loaded = lane.load(bundle)
    found: dict[str, object] = {"provider": loaded.provider, "when": time.time(), "training": training()}
    for batch in (1, 8):
        y = np.full((batch, bundle.num_tokens, bundle.subtokens.length), bundle.subtokens.mask_id)
        rows = np.arange(batch * bundle.num_tokens)
        loaded.denoise(y, rows)  # the first of a size finds its memory and its kernels
        times = []
        for _ in range(_REPEATS):
            started = time.perf_counter()
            loaded.denoise(y, rows)
            times.append(time.perf_counter() - started)
            if sum(times) > 2:  # a large model on a slow machine: what is known so far is enough
                break
        found[f"ms{batch}"] = round(1000 * median(times), 1)
        if sum(times) > 2:
            break
    return found


def speed_text(found: object) -> str:
    """What `measure_speed` gave, or was stored, in words; "" for anything else."""
    if not isinstance(found, dict) or not isinstance(found.get("ms1"), float):
        return ""
    text = f"{found['ms1']:.0f} ms a call on {str(found.get('provider', '?'))[:20]}"
    eight = found.get("ms8")
    text += f"; {eight:.0f} ms for eight at once" if isinstance(eight, float) else ""
    return f"{text}; measured beside a training" if _beside(found) else text


def _beside(found: object) -> bool:
    return isinstance(found, dict) and found.get("training") is True
