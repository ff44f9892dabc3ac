"""The networks hold the published weights and compute what the published networks compute."""

import argparse
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.errors import StudioError
from studio.training.networks import build_network, network_settings
from studio.training.networks.attention import WRITTEN_OUT_TOKENS, attend

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures" / "official"
needs_fixtures = pytest.mark.skipif(not FIXTURES.exists(), reason="the published-format fixtures are not at hand")


def load_average(network: torch.nn.Module, shadow: list[torch.Tensor]) -> None:
    parameters = list(network.parameters())
    assert [p.shape for p in parameters] == [s.shape for s in shadow]
    with torch.no_grad():
        for parameter, value in zip(parameters, shadow, strict=True):
            parameter.copy_(value)


@needs_fixtures
def test_published_picture_network():
    data = gzip.decompress((FIXTURES / "image_l2.pth.gz").read_bytes())
    with torch.serialization.safe_globals([argparse.Namespace]):
        state = torch.load(io.BytesIO(data), weights_only=True)["model"]
    network = build_network(
        {
            "family": "unet",
            "height": 32,
            "width": 32,
            "colors": 3,
            "vocab_size": 256,
            "length": 2,
            "base": 16,
            "digit_width": 16,
            "widths": [96, 128],
            "blocks": [1, 1],
        }
    ).eval()
    names = {name.removeprefix("model.") for name in state if name.startswith("model.")}
    assert {name for name, _ in network.named_parameters()} == names
    load_average(network, [state[f"shadow_params.{i}"] for i in range(len(names))])
    expected = np.load(FIXTURES / "image_l2.npz")
    y = torch.from_numpy(expected["y"]).long()  # (B, 3·ℓ, 32, 32), channel = colour·ℓ + digit
    y = y.view(len(y), 3, 2, 32, 32).permute(0, 3, 4, 1, 2).reshape(len(y), 3072, 2)
    with torch.no_grad():
        logits = network(y, torch.arange(len(y) * 3072)).view(len(y), 32, 32, 3, 256).permute(0, 3, 1, 2, 4)
    assert np.abs(logits[:, :, :8, :8].numpy() - expected["logits"]).max() < 2e-4
    assert np.abs(logits.mean((2, 3)).numpy() - expected["logits_mean"]).max() < 2e-4


@needs_fixtures
@pytest.mark.parametrize(("name", "length", "base"), [("text_l2", 2, 32), ("text_l4", 4, 6)])
def test_published_text_network(name: str, length: int, base: int, monkeypatch: pytest.MonkeyPatch):
    data = gzip.decompress((FIXTURES / f"{name}.ckpt.gz").read_bytes())
    state = tensors_only(data)
    network = build_network(
        {
            "family": "transformer",
            "context": 32,
            "vocab_size": 1000,
            "length": length,
            "base": base,
            "width": 64,
            "blocks": 2,
            "heads": 2,
            "cond_width": 32,
        }
    ).eval()
    names = {key.removeprefix("backbone.") for key in state["state_dict"]}
    assert {key for key, _ in network.named_parameters()} == names - {"rotary_emb.inv_freq"}
    load_average(network, state["ema"]["shadow_params"])
    expected = np.load(FIXTURES / f"{name}.npz")
    y = torch.from_numpy(expected["y"]).long().view(2, 32, length)
    with torch.no_grad():
        logits = network(y, torch.arange(64)).view(2, 32, 1000)
    assert np.abs(logits[:, :8].numpy() - expected["logits"]).max() < 2e-4
    assert np.abs(logits.mean(1).numpy() - expected["logits_mean"]).max() < 2e-4


def tensors_only(data: bytes) -> dict[str, Any]:
    """The checkpoint with every foreign class replaced by an inert one, for the fixtures only."""
    import pickle
    import types

    class Inert:
        def __init__(self, *args: Any, **kwargs: Any):
            pass

        def __setstate__(self, state: Any) -> None:
            pass

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if module.split(".")[0] in ("torch", "collections"):
                return super().find_class(module, name)
            return type(name, (Inert,), {})

    reader = types.SimpleNamespace(Unpickler=Reader, load=pickle.load, __name__="reader")
    return torch.load(io.BytesIO(data), weights_only=False, pickle_module=reader)


@pytest.mark.parametrize("tokens", [64, WRITTEN_OUT_TOKENS + 1])
def test_attention_of_a_cpu_in_bf16_is_that_in_float32(tokens: int):
    torch.manual_seed(0)
    exact = [torch.randn((1, 2, tokens, 44), requires_grad=True) for _ in range(3)]
    short = [tensor.detach().bfloat16().requires_grad_() for tensor in exact]
    expected, got = attend(*exact), attend(*short)
    assert got.dtype == torch.bfloat16
    direction = torch.randn_like(expected)
    expected.backward(direction)
    got.backward(direction.bfloat16())
    pairs = [(got, expected), *((a.grad, b.grad) for a, b in zip(short, exact, strict=True))]
    for value, reference in pairs:
        assert value is not None
        assert reference is not None
        assert (value.float() - reference).norm() < 0.02 * reference.norm()


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("head_kernel", [1, 3])
def test_only_the_asked_rows_come_back(colors: int, head_kernel: int):
    torch.manual_seed(0)
    network = build_network(
        {
            "family": "unet",
            "height": 8,
            "width": 8,
            "colors": colors,
            "vocab_size": 16,
            "length": 2,
            "base": 4,
            "digit_width": 16,
            "widths": [32, 32],
            "blocks": [1, 1],
            "head_channels": 32,
            "head_kernel": head_kernel,
        }
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    y = torch.randint(0, 5, (2, 64 * colors, 2))
    everything = network(y, torch.arange(2 * 64 * colors))
    rows = torch.tensor([5, 0, 64 * colors + 3])
    assert torch.allclose(network(y, rows), everything[rows], atol=1e-5)


def test_a_large_vocabulary_of_one_digit_needs_no_table():
    """GPT-2's 50257 tokens at ℓ = 1, plain masked diffusion: a table of digits would take 10 GB."""
    settings = {"family": "transformer", "context": 8, "vocab_size": 50257, "length": 1, "base": 50257}
    network = build_network(settings | {"width": 4, "blocks": 1, "heads": 2, "cond_width": 2})
    assert sum(buffer.numel() for buffer in network.buffers()) < 1000
    assert network(torch.tensor([[[50257], [3]]]), torch.tensor([1])).shape == (1, 50257)


def test_settings_round_trip_and_bad_ones_are_one_sentence():
    settings = {
        "family": "transformer",
        "context": 8,
        "vocab_size": 16,
        "length": 2,
        "base": 4,
        "width": 8,
        "blocks": 1,
        "heads": 2,
    }
    network = build_network(settings)
    assert network_settings(build_network(network_settings(network))) == network_settings(network)
    for change, word in (({"family": "rnn"}, "family"), ({"depth": 3}, "depth"), ({"heads": 3}, "heads")):
        with pytest.raises(StudioError, match=word):
            build_network(settings | change)


def test_what_a_network_lacks_is_said():
    settings = {"height": 8, "width": 8, "colors": 1, "vocab_size": 256, "length": 8, "base": 2, "widths": [32]}
    unet = settings | {"family": "unet", "digit_width": 4, "class_width": 31, "blocks": [1]}
    for change, words in (
        (
            {"class_width": 0, "digit_width": 5},
            "would have 40 features.* for length 8 set digit_width to 4 and class_w",
        ),
        ({"widths": [48]}, r"all widths must be multiples of 32, not \[48\]"),
    ):
        with pytest.raises(StudioError, match=words):
            build_network(unet | change)
    with pytest.raises(StudioError, match=r"The unet network lacks digit_width, blocks: add what is missing"):
        build_network(settings | {"family": "unet"})
