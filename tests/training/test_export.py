import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.errors import StudioError
from studio.generation.tokenizers import text_tokenizer
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser
from studio.training import export as export_module
from studio.training import onnx_graph
from studio.training.export import export
from studio.training.networks import build_network
from studio.training.prepare import prepare
from studio.training.recipe import Recipe
from studio.training.saving import load_checkpoint
from studio.training.trainer import train


def logits_of_weights(bundle: Bundle, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What PyTorch computes from the bundle's own weights file."""
    from safetensors.torch import load_file

    network = build_network(dict(bundle.manifest.network)).eval()
    weights = {name: value.float() for name, value in load_file(bundle.file("weights.safetensors")).items()}
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert not missing
    assert not unexpected
    with torch.no_grad():
        return network(torch.from_numpy(y), torch.from_numpy(rows)).numpy()


@pytest.mark.parametrize("kind", ["picture_recipe", "text_recipe"])
def test_a_bundle_computes_what_its_weights_say(kind: str, tmp_path: Path, request: pytest.FixtureRequest):
    recipe: Recipe = request.getfixturevalue(kind)
    checkpoint = train(recipe, tmp_path / "run")
    bundle = Bundle.open(export(checkpoint, tmp_path / "models" / recipe.name))
    assert tuple(bundle.manifest.granularities) == tuple(recipe.tokens.granularities)
    assert "masked_cross_entropy" in bundle.manifest.evaluation
    _told_in_the_units_of_evaluate(bundle, recipe, tmp_path / "run")
    denoise = OnnxDenoiser(bundle, "cpu")
    rng = np.random.default_rng(0)
    for batch, count in ((1, 1), (1, bundle.num_tokens), (3, 5), (3, 2 * bundle.num_tokens)):
        y = rng.integers(0, recipe.tokens.base + 1, (batch, bundle.num_tokens, recipe.tokens.length))
        rows = rng.choice(batch * bundle.num_tokens, count, replace=False)
        assert np.abs(denoise(y, rows) - logits_of_weights(bundle, y, rows)).max() < 2e-4
    if recipe.modality == "text":
        short = rng.integers(0, recipe.tokens.base + 1, (2, 5, recipe.tokens.length))
        rows = np.arange(10)
        assert np.abs(denoise(short, rows) - logits_of_weights(bundle, short, rows)).max() < 2e-4
    parameters = bundle.manifest.training["parameters"]
    assert isinstance(parameters, int)
    assert b"site-packages" not in bundle.file("denoiser.onnx").read_bytes()  # no path of the machine it was made on
    assert bundle.file("weights.safetensors").stat().st_size < 2 * parameters + 20000  # half precision, once


def _told_in_the_units_of_evaluate(bundle: Bundle, recipe: Recipe, run: Path) -> None:
    """A model and the one that it was started from are compared by them."""
    assert bundle.manifest.likelihood is not None
    windows = prepare(recipe, run).valid.numpy()
    figures: Any = bundle.manifest.likelihood["figures"]
    for figure in figures:
        if recipe.modality == "image":
            numbers = {"dimension": bundle.num_tokens}
        else:
            tokenizer = text_tokenizer(bundle)
            written = [tokenizer.decode_bytes(window) for window in windows]
            characters = np.mean([len(window.decode("utf-8", "ignore")) for window in written])
            numbers = {"character": float(characters), "byte": float(np.mean([len(window) for window in written]))}
        for unit, number in numbers.items():
            assert figure[f"bits_per_{unit}"] == pytest.approx(figure["nats"] / number / np.log(2), rel=1e-3)
            assert f"bits_per_{unit}_error" in figure


def test_a_run_starts_from_a_bundle(picture_recipe: Recipe, tmp_path: Path):
    first = train(picture_recipe, tmp_path / "first")
    bundle = export(first, tmp_path / "models" / "tiny", evaluate=False)
    started = dataclasses.replace(picture_recipe, init=str(bundle))
    second = load_checkpoint(train(started, tmp_path / "second", max_minutes=0))
    for name, value in load_checkpoint(first)["ema"]["shadow"].items():
        assert torch.equal(second["model"][name], value.half().float()), name
    assert (tmp_path / "second" / "palette.json").read_bytes() == (bundle / "palette.json").read_bytes()
    both = Bundle.open(export(tmp_path / "second" / "checkpoint.pt", bundle, evaluate=False, init=bundle))
    assert both.manifest.training["runs"] == 2
    assert both.manifest.training["steps"] == load_checkpoint(first)["step"] + second["step"]
    assert both.manifest.training["samples_seen"] == load_checkpoint(first)["samples"] + second["samples"]
    with pytest.raises(StudioError, match="is not a model bundle"):
        export(tmp_path / "second" / "checkpoint.pt", bundle, init=tmp_path / "none")
    other = dataclasses.replace(started, network=picture_recipe.network | {"blocks": [1, 2]})
    with pytest.raises(StudioError, match="another network"):
        train(other, tmp_path / "third")


def test_without_evaluation_no_data_are_needed(picture_recipe: Recipe, tmp_path: Path):
    checkpoint = train(picture_recipe, tmp_path / "run", max_minutes=0)
    for folder in ("train", "valid", "run/data"):
        shutil.rmtree(tmp_path / folder)
    with pytest.raises(StudioError, match="no data"):
        export(checkpoint, tmp_path / "bundle")
    assert Bundle.open(export(checkpoint, tmp_path / "bundle", evaluate=False)).manifest.likelihood is None
    (tmp_path / "run" / "palette.json").unlink()
    with pytest.raises(StudioError, match="put it back"):
        export(checkpoint, tmp_path / "bundle", evaluate=False)


def test_a_graph_that_differs_is_not_kept(picture_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    checkpoint = train(picture_recipe, tmp_path / "run", max_minutes=0)
    output = tmp_path / "models" / "tiny"
    export(checkpoint, output, evaluate=False)
    before = json.loads((output / "manifest.json").read_text())
    monkeypatch.setattr(onnx_graph, "TOLERANCE", -1.0)
    with pytest.raises(StudioError, match="differs"):
        export(checkpoint, output, evaluate=False)
    assert json.loads((output / "manifest.json").read_text()) == before
    assert [path.name for path in output.parent.iterdir()] == ["tiny"]


def test_large_logits_may_differ_by_as_much_more(picture_recipe: Recipe, tmp_path: Path):
    """Of states drawn at random a trained network is sure beyond all measure, and float32 rounds what it says."""
    network = build_network(picture_recipe.network_settings()).eval()
    with torch.no_grad():
        parameters = list(network.parameters())
        torch.nn.init.normal_(parameters[-1], std=1e3)
        torch.nn.init.normal_(parameters[-2], std=1e3)
    onnx_graph.round_to_half(network)
    onnx_graph.write_graph(network, tmp_path, picture_recipe.num_tokens, any_length=False)
    assert onnx_graph.verify_graph(network, tmp_path, picture_recipe.num_tokens) > onnx_graph.TOLERANCE
    with torch.no_grad():
        parameters[0].mul_(1 + 1e-4)
    with pytest.raises(StudioError, match="differs"):
        onnx_graph.verify_graph(network, tmp_path, picture_recipe.num_tokens)


def test_a_folder_that_is_no_bundle_is_left_alone(picture_recipe: Recipe, tmp_path: Path):
    checkpoint = train(picture_recipe, tmp_path / "run", max_minutes=0)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "diary.txt").write_text("dear")
    with pytest.raises(StudioError, match="not a model bundle"):
        export_module.export(checkpoint, precious, evaluate=False)
    with pytest.raises(StudioError, match=r"^Cannot write .*diary\.txt"):
        export_module.export(checkpoint, precious / "diary.txt" / "model", evaluate=False)
    assert (precious / "diary.txt").read_text() == "dear"
