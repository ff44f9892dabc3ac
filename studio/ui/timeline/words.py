"""Figures of a run in words."""

from studio.ui.runs import Kept
from studio.ui.words import count, duration


def counter(frame: Kept) -> str:
    """Where a frame stands: step, calls and seconds so far."""
    spent = f"{count(frame.calls, 'call')} · {duration(frame.seconds)}"
    return f"Step {frame.step} of {frame.steps} · {spent}" if frame.step else f"Start · {count(frame.steps, 'step')}"
