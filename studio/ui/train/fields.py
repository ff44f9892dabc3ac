"""The fields of a run: their labels, help and sections, and the line that numbers are typed into."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit

from studio.ui.style import restyle


class Entry(QLineEdit):
    """A line for a number, a name or a list; it keeps what is typed, right or wrong, and `mark` says what is wrong."""

    changed = Signal(object)

    def __init__(self, name: str, read: Callable[[str], Any], show: Callable[[Any], str] = str) -> None:
        super().__init__()
        self._read, self._show = read, show
        self.setAccessibleName(name)
        self.textEdited.connect(self._edited)

    def value(self) -> Any:
        """What is typed as a value, or the text itself where it is none."""
        text = self.text().strip()
        try:
            return self._read(text)
        except ValueError:
            return text

    def set_value(self, value: Any) -> None:
        if value != self.value():
            self.setText(self._show(value))

    def mark(self, problem: str) -> None:
        restyle(self, "invalid", bool(problem))
        self.setAccessibleDescription(problem)

    def _edited(self) -> None:
        self.changed.emit(self.value())


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.replace(",", " ").split())


def share(text: str) -> float:
    return float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)


def short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


INTEGERS = {
    "training.steps": ("Steps", "How often the weights are changed."),
    "training.batch": ("Batch", "Samples a step; halved by itself where memory runs out."),
    "training.warmup": ("Warm-up", "Steps in which the learning rate rises."),
    "training.evaluate_every": ("Evaluate every", "Steps between two looks at held-out data."),
    "training.preview_every": ("Preview every", "Steps between two pictures of the filmstrip; 0 makes none."),
    "training.patience": ("Patience", "Evaluations without a better figure after which the run ends; 0 never."),
    "training.keep": ("Checkpoints kept", "Older ones beside the newest and the best."),
    "training.seed": ("Seed", "The same seed gives the same run."),
    "data.shift": ("Shift", "Pictures are moved by up to so many pixels."),
}
FLOATS = {
    "training.learning_rate": ("Learning rate", "How far a step goes."),
    "training.decay": ("Decay", "Last share of the steps in which the rate falls to zero."),
    "training.ema": ("Averaging", "How slowly the averaged weights follow, such as 0.999."),
    "training.region_share": ("Region masks", "Share of the samples that are masked inside a painted region only."),
    "training.checkpoint_minutes": ("Save every (min)", "Minutes between two checkpoints."),
    "data.valid_share": ("Held out", "Share of the data that is kept aside, by content, to measure on."),
    "data.color_jitter": ("Other colours", "Share of the pictures whose colour channels are exchanged."),
}
CHOICES: dict[str, tuple[str, str, list[tuple[Any, str]]]] = {
    "training.schedule": ("Schedule", "How the rate falls.", [("linear", "Linear"), ("cosine", "Cosine")]),
    "training.optimizer": ("Optimiser", "Muon learns in fewer steps.", [("muon", "Muon"), ("adamw", "AdamW")]),
    "training.precision": (
        "Precision",
        "bf16 is about twice as fast where the processor or GPU has units for it, far slower where not. Auto knows.",
        [("auto", "Auto"), ("bf16", "bf16"), ("no", "float32")],
    ),
    "training.device": (
        "Device",
        "Several GPUs are for the command line: accelerate launch.",
        [("auto", "Auto"), ("cpu", "CPU"), ("cuda", "CUDA")],
    ),
}
CHECKS = {
    "training.compile": ("Compile", "torch.compile: a slow start, then faster steps, where a compiler is at hand."),
    "data.flip": ("Mirror", "Half of the pictures are mirrored."),
}
SECTIONS: list[tuple[str, bool, tuple[str, ...]]] = [
    ("Run", True, ("training.steps", "training.batch", "training.learning_rate", "data.valid_share")),
    (
        "Masks and data",
        False,
        ("tokens.granularities", "training.region_share", "data.flip", "data.shift", "data.color_jitter"),
    ),
    (
        "Optimisation",
        False,
        ("training.warmup", "training.schedule", "training.decay", "training.ema", "training.optimizer"),
    ),
    ("Machine", False, ("training.precision", "training.device", "training.compile", "training.seed")),
    (
        "Looking and keeping",
        False,
        (
            *("training.evaluate_every", "training.preview_every", "training.patience"),
            *("training.checkpoint_minutes", "training.keep"),
        ),
    ),
]
PICTURES_ONLY = ("data.flip", "data.shift", "data.color_jitter")
