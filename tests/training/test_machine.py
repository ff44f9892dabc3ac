"""Which precision a run gets: the one that the machine has units for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from studio.errors import StudioError
from studio.training import trainer
from studio.training.machine import accelerator_for, computes_in_bf16, precision_name
from studio.training.recipe import Recipe, TrainingSettings

CPU = TrainingSettings(device="cpu")


def processor(monkeypatch: pytest.MonkeyPatch, **features: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)


@pytest.fixture(autouse=True)
def another_process() -> Iterator[None]:
    """Accelerate keeps the first precision that a process asks for."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


@pytest.mark.parametrize(
    ("features", "precision"),
    [
        ({"avx2": True}, "float32"),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, "float32"),
        ({"avx512_f": True, "avx512_bf16": True}, "bf16"),
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": True}, "bf16"),
        ({"neon": True, "bf16": True}, "bf16"),
    ],
)
def test_a_processor_trains_in_what_it_has_units_for(
    features: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch
):
    processor(monkeypatch, **features)
    assert precision_name(accelerator_for(CPU)) == precision


def test_an_older_pytorch_that_does_not_tell_trains_in_float32(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not computes_in_bf16("cpu")


@pytest.mark.parametrize(("asked", "precision"), [("bf16", "bf16"), ("no", "float32")])
def test_what_is_asked_for_is_done(asked: str, precision: str, monkeypatch: pytest.MonkeyPatch):
    processor(monkeypatch, avx512_bf16=precision == "float32")
    assert precision_name(accelerator_for(replace(CPU, precision=asked))) == precision


def test_an_old_gpu_trains_in_float32(monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: asked.append(including_emulation))
    assert not computes_in_bf16("cuda")
    assert asked == [False]  # emulated, it would be slower than float32


def test_a_missing_gpu_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StudioError, match="There is no CUDA device here"):
        accelerator_for(TrainingSettings(device="cuda"))


@pytest.mark.parametrize("asked", ["auto", "cpu"])
def test_a_mac_trains_on_its_processor(asked: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("accelerate.state.is_mps_available", lambda *args, **options: True)
    assert accelerator_for(TrainingSettings(device=asked)).device.type == "cpu"


@pytest.mark.parametrize("units", [False, True])
def test_slow_bf16_is_told(units: bool, text_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trainer, "computes_in_bf16", lambda device: units)
    settings = replace(text_recipe.training, precision="bf16", steps=1, device="cpu")
    events = []
    trainer.train(replace(text_recipe, training=settings), tmp_path / "run", report=events.append)
    warnings = [event["message"] for event in events if event["event"] == "log" and event["level"] == "warning"]
    assert len(warnings) == (0 if units else 1) and all("choose the precision auto" in told for told in warnings)
    assert next(event for event in events if event["event"] == "start")["precision"] == "bf16"
