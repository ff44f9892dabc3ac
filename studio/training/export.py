"""A checkpoint to a model bundle, checked against the network and measured on held-out data."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import torch

from studio.training.bundling import bundle_folder, check_replaceable, write_manifest
from studio.training.evaluation import cross_entropy_table, fill_accuracy
from studio.training.networks import Network, network_settings
from studio.training.networks.digits import Compatibility
from studio.training.onnx_graph import round_to_half, verify_graph, write_graph
from studio.training.optim import MovingAverage
from studio.training.prepare import TOKENIZER_FILES, prepare
from studio.training.recipe import Recipe, parse_recipe
from studio.training.trainer import load_checkpoint


def export(checkpoint: Path, output: Path, recipe: Recipe | None = None, evaluate: bool = True) -> Path:
    """Write a bundle made from `checkpoint` to the folder `output`, which it replaces.

    The averaged weights are used. `recipe` overrides the one in the checkpoint (texts, paths and defaults may
    have changed since). Raises StudioError where the graph and the network disagree by more than 2e-4.
    """
    check_replaceable(output)
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

    with bundle_folder(output) as folder:
        write_graph(network, folder, recipe.num_tokens, any_length=recipe.modality == "text")
        difference = verify_graph(network, folder, recipe.num_tokens)
        if tokenizer_file := TOKENIZER_FILES[recipe.tokens.tokenizer]:
            shutil.copyfile(checkpoint.parent / tokenizer_file, folder / tokenizer_file)
        evaluation: dict[str, Any] = {"onnx_difference": float(f"{difference:.1e}")}
        if evaluate:
            evaluation |= _evaluate(network, recipe, prepared.valid, prepared.subtokens)
        write_manifest(folder, _manifest(recipe, network, state, evaluation))
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


def _manifest(recipe: Recipe, network: Network, state: dict[str, Any], evaluation: dict[str, Any]) -> dict[str, Any]:
    tokens, training = recipe.tokens, recipe.training
    return {
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
            "data": recipe.data.name or Path(recipe.data.train).name,
            "steps": state["step"],
            "samples_seen": state["samples"],
            "minutes": round(state["seconds"] / 60),
            "device": state["device"],
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "exported": date.today().isoformat(),
        },
        "evaluation": evaluation,
        "likelihood": None,
    }
