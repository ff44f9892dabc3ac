"""What `bench` measures; the bars themselves belong to the models that ship and to no test."""

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from studio import cli
from studio.commands import bench
from studio.errors import StudioError
from studio.figures import Figure
from studio.generation import free_request
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser
from tests.helpers import picture_bundle, text_bundle


def test_a_figure_says_plainly_when_its_bar_is_missed() -> None:
    assert "NOT REACHED" in Figure("share", 10.1, 10, "%").line()
    assert "NOT" not in Figure("share", 10, 10, "%").line()


def test_the_clock_times_run_and_leaves_the_rest() -> None:
    def run(seconds: float) -> str:
        time.sleep(seconds)
        return "logits"

    session: Any = SimpleNamespace(run=run, get_providers=lambda: ["CPU"])
    clock = bench.SessionClock(session)
    assert clock.run(0.05) == "logits" and clock.get_providers() == ["CPU"]
    assert clock.calls == 1 and 0.05 <= clock.seconds < 1


def test_share_outside_counts_everything_but_the_session(tmp_path: Path) -> None:
    bundle = Bundle.open(picture_bundle(tmp_path))
    denoise = OnnxDenoiser(bundle, "cpu")
    session = denoise._session

    def slow(*args: Any) -> Any:
        time.sleep(0.03)
        return session.run(*args)

    request = free_request(bundle, [0], steps=4)
    fast_share = bench.share_outside(request, bundle, denoise, 2)
    denoise._session = SimpleNamespace(run=slow)
    assert bench.share_outside(request, bundle, denoise, 2) < 0.5 < fast_share < 1
    assert isinstance(denoise._session, SimpleNamespace)


def test_calls_of_ancestral_steps_never_pass_the_number_of_tokens() -> None:
    figure = bench.call_figure(3)
    assert figure.reached and figure.value <= 64


def test_imports() -> None:
    assert bench.import_figure().reached


def test_a_command_is_measured() -> None:
    seconds, processor, peak = bench._measured([sys.executable, "-c", "import time; time.sleep(0.2)"])
    assert seconds > 0.2 and processor < seconds and (peak == 0 or peak > 1 << 20)
    with pytest.raises(StudioError, match="exit code 3"):
        bench._measured([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_command(own_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = own_home / "studio" / "models"
    picture_bundle(models)
    text_bundle(models)
    # A table for a network takes no time, so the shares outside it miss their bars: exit code 1.
    assert cli.main(["bench", "--json", "--repeats", "1"]) == 1
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert len(figures) == (6 if os.name == "posix" else 5)
    assert all(np.isfinite(figure["value"]) for figure in figures)
