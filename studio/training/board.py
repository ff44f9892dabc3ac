"""TensorBoard event files beside a run; the run goes on without them where they cannot be written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

_NAMES = {
    "loss": "train/loss_bits",
    "gradient_norm": "train/gradient_norm",
    "learning_rate": "train/learning_rate",
    "samples_per_second": "speed/samples_per_second",
    "memory": "speed/memory_bytes",
    "held_out": "valid/masked_cross_entropy_bits",
    "bound": "valid/likelihood_bound_bits_per_token",
}


class Board:
    def __init__(self, folder: Path, report: Callable[[dict[str, Any]], None]):
        self._report = report
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder / "tensorboard"), flush_secs=30)
        except (ImportError, OSError) as error:
            self._give_up(error)

    def add(self, step: int, event: dict[str, Any]) -> None:
        """Every figure of an event that has a place."""
        for key, name in _NAMES.items():
            if self._writer is not None and isinstance(event.get(key), int | float):
                try:
                    self._writer.add_scalar(name, event[key], step)
                except OSError as error:  # its thread died of a full disk
                    self._give_up(error)

    def close(self) -> None:
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._writer = None
        self._report({"event": "log", "level": "warning", "message": f"No TensorBoard files are written: {error}."})
