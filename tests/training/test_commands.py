"""What `prime-studio train` tells in a shell."""

import io

from rich.console import Console

from studio.training.commands import _ProgressLine


def told(*events: dict, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    with _ProgressLine(console, None) as line:
        for event in events:
            line.show(event)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


STEP = {"event": "step", "step": 20, "steps": 600, "loss": 1.2345, "samples_per_second": 27.06, "seconds_left": 35.2}
EVALUATION = {"event": "evaluation", "step": 25, "held_out": 0.987654, "bound": 1.5, "best": True}


def test_the_held_out_figure_is_told_once_it_is_known():
    before, evaluation, after = told(STEP, EVALUATION, STEP)
    assert before == "step 20/600 · loss 1.234 · 27.1 samples/s · 35 s left"
    assert evaluation == "step 25: bound 1.500 bits a token, the best so far"
    assert after == "step 20/600 · loss 1.234, held out 0.988 · 27.1 samples/s · 35 s left"


def test_the_end_is_told_and_no_line_wraps():
    start = {"event": "start", "step": 0, "steps": 600, "parameters": 8_891_532, "samples": 123456}
    checkpoint = {"event": "checkpoint", "step": 600, "path": "/" + "long/" * 40, "best": False}
    end = {"event": "end", "step": 600, "samples": 9600, "finished": True, "reason": "finished"}
    lines = told(start, EVALUATION, STEP | {"seconds_left": 12345}, checkpoint, end)
    assert lines[-1] == "step 600: finished"
    assert len(lines) == 5 and all(len(line) <= 80 for line in lines)
