"""A checkpoint to a model bundle, checked against the network and measured on held-out data."""

import hashlib
import json
import shutil
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import torch

from studio.errors import StudioError
from studio.files import write_atomic
from studio.training.evaluation import cross_entropy_table, fill_accuracy
from studio.training.networks import Network, network_settings
from studio.training.networks.digits import Compatibility
from studio.training.onnx_graph import round_to_half, verify_graph, write_graph
from studio.training.optim import MovingAverage
from studio.training.prepare import TOKENIZER_FILES, prepare
from studio.training.recipe import Recipe, parse_recipe
from studio.training.trainer import load_checkpoint

FORMAT_VERSION = 1


def export(checkpoint: Path, output: Path, recipe: Recipe | None = None, evaluate: bool = True) -> Path:
    """Write a bundle made from `checkpoint` to the folder `output`, which it replaces.

    The averaged weights are used. `recipe` overrides the one in the checkpoint (texts, paths and defaults may
    have changed since). Raises StudioError where the graph and the network disagree by more than 2e-4.
    """
    if output.exists() and not (output / "manifest.json").exists():
        raise StudioError(f"{output} exists and is not a model bundle: choose another folder.")
    state = load_checkpoint(checkpoint)
    recipe = recipe or parse_recipe(json.loads(state["recipe"]))
    prepared = prepare(recipe, checkpoint.parent)
    network = prepared.network
    network.load_state_dict(state["model"])
    average = MovingAverage(network, recipe.training.ema)
    average.load_state_dict(state["ema"])
    average.copy_to(network)
    network.eval()
    round_to_half(network)

    output.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        write_graph(network, folder, recipe.num_tokens, any_length=recipe.modality == "text")
        difference = verify_graph(network, folder, recipe.num_tokens)
        if tokenizer_file := TOKENIZER_FILES[recipe.tokens.tokenizer]:
            shutil.copyfile(checkpoint.parent / tokenizer_file, folder / tokenizer_file)
        evaluation: dict[str, Any] = {"onnx_difference": float(f"{difference:.1e}")}
        if evaluate:
            evaluation |= _evaluate(network, recipe, prepared.valid, prepared.subtokens)
        manifest = _manifest(recipe, network, state, evaluation, folder)
        write_atomic(folder / "manifest.json", (json.dumps(manifest, indent=1) + "\n").encode())
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.chmod(0o644)
        _replace(folder, output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return output


def _evaluate(network: torch.nn.Module, recipe: Recipe, valid: torch.Tensor, subtokens: Any) -> dict[str, Any]:
    tokens = recipe.tokens
    digits = torch.from_numpy(subtokens.digits)[valid]
    compatible = Compatibility(tokens.vocab_size, tokens.length, tokens.base)
    figures: dict[str, Any] = {
        "data": Path(recipe.data.valid).name,
        "samples": len(valid),
        "what": "bits a masked token: joint cross-entropy by granularity and share of digits known; not a likelihood",
        "masked_cross_entropy": cross_entropy_table(
            network, compatible, digits, valid, subtokens.mask_id, tokens.granularities
        ),
    }
    if recipe.modality == "text":
        figures["top1_accuracy_15_percent_masked"] = fill_accuracy(network, digits, valid, subtokens.mask_id)
    return figures


def _manifest(
    recipe: Recipe, network: Network, state: dict[str, Any], evaluation: dict[str, Any], folder: Path
) -> dict[str, Any]:
    tokens, training = recipe.tokens, recipe.training
    return {
        "format_version": FORMAT_VERSION,
        "name": recipe.name,
        "title": recipe.title or recipe.name,
        "description": recipe.description,
        "modality": recipe.modality,
        "grid": list(tokens.grid),
        "num_tokens": recipe.num_tokens,
        "vocab_size": tokens.vocab_size,
        "length": tokens.length,
        "base": tokens.base,
        "granularities": list(tokens.granularities),
        "schedule": "linear" if training.alpha_exponent == 1 else f"poly{training.alpha_exponent:g}",
        "tokenizer": {"kind": tokens.tokenizer, "file": TOKENIZER_FILES[tokens.tokenizer]},
        "defaults": recipe.defaults,
        "licence": recipe.licence,
        "notices": list(recipe.notices),
        "network": network_settings(network),
        "training": {
            "data": Path(recipe.data.train).name,
            "steps": state["step"],
            "samples_seen": state["samples"],
            "minutes": round(state["seconds"] / 60),
            "device": state["device"],
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "exported": date.today().isoformat(),
        },
        "evaluation": evaluation,
        "likelihood": None,
        "files": {
            file.name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "size": file.stat().st_size}
            for file in sorted(folder.iterdir())
        },
    }


def _replace(folder: Path, output: Path) -> None:
    """Move the finished folder into place; what was there goes only once the new one stands."""
    old = output.with_name(f".{output.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if output.exists():
        output.rename(old)
    folder.rename(output)
    shutil.rmtree(old, ignore_errors=True)
