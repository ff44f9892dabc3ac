"""Names and signatures that other programs and the rest of the house count on (CONTRIBUTING.md, README.md)."""

import dataclasses
import importlib
import inspect
from pathlib import Path
from types import GeneratorType

import numpy as np
import pytest

from studio.prime.sampling import Frame, sample
from studio.prime.subtokens import Subtokens
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser

ROOT = Path(__file__).resolve().parent.parent


def test_sample():
    parameters = inspect.signature(sample).parameters
    assert list(parameters)[:3] == ["denoise", "subtokens", "y"]
    keywords = {name: p.default for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    assert list(keywords)[:2] == ["steps", "seeds"] and inspect.Parameter.empty not in list(keywords.values())[2:]
    wanted = {
        "schedule": "linear",
        "policy": "ancestral",
        "granularity": None,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "remask": 0.0,
    }
    assert {name: keywords[name] for name in wanted} == wanted
    fields = [field.name for field in dataclasses.fields(Frame)]
    assert fields[:6] == ["step", "steps", "calls", "y", "revealed", "confidence"]


def test_subtokens():
    digits = Subtokens(50257, 4)
    assert (digits.vocab_size, digits.length, digits.base, digits.mask_id) == (50257, 4, 15, 15)
    assert Subtokens(256, 8, base=2).base == 2
    tokens = np.array([[0, 1], [50256, 7]])
    assert digits.encode(tokens).shape == (2, 2, 4)
    assert (digits.decode(digits.encode(tokens)) == tokens).all()
    compatible = digits.compatible(np.full((2, 4), 15))
    assert compatible.shape == (2, 50257) and compatible.dtype == np.bool_
    for bad in ([15, 0, 0, 0], [14, 14, 14, 14]):
        with pytest.raises(ValueError, match="decode"):
            digits.decode(np.array(bad))


@pytest.mark.parametrize("name", ["emoji-32", "storybook"])
def test_a_shipped_model_as_a_program_uses_it(name: str):
    bundle = Bundle.open(ROOT / "models" / name)
    assert bundle.num_tokens == bundle.manifest.num_tokens
    digits = bundle.subtokens
    assert isinstance(digits, Subtokens) and digits.vocab_size == bundle.manifest.vocab_size
    assert [p.name for p in inspect.signature(OnnxDenoiser).parameters.values()][:2] == ["bundle", "device"]
    assert inspect.signature(OnnxDenoiser).parameters["device"].default == "auto"
    denoise = OnnxDenoiser(bundle, device="cpu")
    assert denoise.provider == "CPU"
    y = np.full((2, bundle.num_tokens, digits.length), digits.mask_id)
    logits = denoise(y, np.array([0, bundle.num_tokens]))
    assert logits.shape == (2, digits.vocab_size) and logits.dtype == np.float32
    frames = sample(denoise, digits, y[:1], steps=2, seeds=[0])
    assert isinstance(frames, GeneratorType)
    first = next(frames)
    assert (first.step, first.steps, first.y.shape, first.revealed.dtype) == (1, 2, y[:1].shape, np.bool_)
    *_, last = sample(denoise, digits, first.y, steps=1, seeds=[0])  # any frame is a valid start
    assert (last.y[first.y != digits.mask_id] == first.y[first.y != digits.mask_id]).all()


def test_doors():
    for name in ("studio.generation", "studio.cli", "studio.training.worker"):
        assert importlib.import_module(name)
    assert callable(importlib.import_module("studio.cli").main)
    assert callable(importlib.import_module("studio.training.worker").main)
