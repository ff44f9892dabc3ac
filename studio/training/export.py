"""A checkpoint to a model bundle, checked against the network and measured on held-out data."""

import dataclasses
import hashlib
import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import torch

from studio.errors import StudioError
from studio.media.texts import TextTokenizer
from studio.prime.subtokens import Subtokens
from studio.runtime.format import MANIFEST
from studio.training.bundling import bundle_folder, check_replaceable, write_manifest
from studio.training.evaluation import cross_entropy_table, fill_accuracy, held_out_bound
from studio.training.networks import Network, build_network, network_settings
from studio.training.networks.digits import Compatibility
from studio.training.onnx_graph import round_to_half, verify_graph, write_graph
from studio.training.optim import MovingAverage
from studio.training.prepare import TOKENIZER_FILES, prepare
from studio.training.recipe import Recipe, check_recipe, parse_recipe
from studio.training.run_folder import run_of
from studio.training.saving import check_network, load_checkpoint


def export(
    checkpoint: Path,
    output: Path,
    recipe: Recipe | None = None,
    evaluate: bool = True,
    name: str | None = None,
    init: Path | None = None,
) -> Path:
    """Write a bundle made from `checkpoint`, a file in the run's folder or in checkpoints/, to the folder `output`.

    The averaged weights are used. What was at `output` is replaced. `recipe` overrides the one in the checkpoint
    (texts, paths and defaults may have changed since), and `name` its name. Without `evaluate` no data are needed.
    `init` is the bundle whose weights the run started from, if any: its steps, samples and minutes are added to those
    of the run. Raises StudioError where `init` is no bundle, where the checkpoint is another network's, and where the
    graph and the network disagree, see `verify_graph`.
    """
    check_replaceable(output)
    earlier = _training_of(init) if init else {}
    state = load_checkpoint(checkpoint)
    recipe = recipe or parse_recipe(json.loads(state["recipe"]))
    if name is not None:
        recipe = dataclasses.replace(recipe, name=name)
        check_recipe(recipe)
    check_network(state, recipe)
    run = run_of(checkpoint)
    network, prepared = build_network(recipe.network_settings()), prepare(recipe, run) if evaluate else None
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
            _take_tokenizer(run / tokenizer_file, folder)
        evaluation: dict[str, Any] = {"onnx_difference": float(f"{difference:.1e}")}
        likelihood = None
        if prepared:
            evaluation |= _evaluate(network, recipe, prepared.valid, prepared.subtokens)
            units = _units(folder, recipe, prepared.valid)
            likelihood = _likelihood(network, recipe, prepared.valid, prepared.subtokens, units)
        write_manifest(folder, _manifest(recipe, network, state, earlier, evaluation) | {"likelihood": likelihood})
    return output


def _take_tokenizer(file: Path, folder: Path) -> None:
    try:
        shutil.copyfile(file, folder / file.name)
    except OSError as error:
        raise StudioError(f"Cannot read {file}: {error.strerror}. The run wrote it there: put it back.") from error


def _training_of(bundle: Path) -> dict[str, Any]:
    """What the manifest of a bundle says of its training."""
    try:
        return dict(json.loads((bundle / MANIFEST).read_bytes())["training"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudioError(f"{bundle} is not a model bundle: name the one that the run was started from.") from error


def _evaluate(network: torch.nn.Module, recipe: Recipe, valid: torch.Tensor, subtokens: Any) -> dict[str, Any]:
    tokens = recipe.tokens
    digits = torch.from_numpy(subtokens.digits)[valid]
    compatible = Compatibility(tokens.vocab_size, tokens.length, tokens.base)
    figures: dict[str, Any] = {
        "data": held_out_name(recipe),
        "samples": len(valid),
        "what": "bits a masked token: joint cross-entropy by granularity and share of digits known; not a likelihood",
        "masked_cross_entropy": cross_entropy_table(
            network, compatible, digits, valid, subtokens.mask_id, tokens.granularities
        ),
    }
    if recipe.modality == "text":
        figures["top1_accuracy_15_percent_masked"] = fill_accuracy(network, digits, valid, subtokens.mask_id)
    return figures


def held_out_name(recipe: Recipe) -> str:
    """What the figures are measured on."""
    share = f"{recipe.data.valid_share:.1%} of the training data, held out by content"
    return Path(recipe.data.valid).name or share


def _units(folder: Path, recipe: Recipe, valid: torch.Tensor) -> dict[str, float]:
    """Units a figure is told in and their mean number in a sample, as in `studio.evaluation`: models of other tokens
    are compared by them."""
    if recipe.modality == "image":
        return {"dimension": float(recipe.num_tokens)}
    return TextTokenizer(folder / "tokenizer.json").units(valid.numpy())


def _likelihood(
    network: torch.nn.Module, recipe: Recipe, valid: torch.Tensor, subtokens: Subtokens, units: dict[str, float]
) -> dict[str, Any]:
    """The valid figure on held-out data, a bound with its name, as `prime-studio evaluate --write` stores it."""
    granularities = {min(recipe.tokens.granularities), recipe.defaults.get("granularity", 1)}
    figures = []
    for granularity in sorted(granularities & set(recipe.tokens.granularities)):
        bound = held_out_bound(network, subtokens, valid, granularity, samples=len(valid))
        figures.append({"bound": "marginal"} | bound.figure(units) | {"pairs": 1, "seed": 0})
    digest = hashlib.sha256(valid.numpy().astype("<u4").tobytes()).hexdigest()
    return {"data": held_out_name(recipe), "sha256": digest, "of": "tokens, as the model has them", "figures": figures}


def _manifest(
    recipe: Recipe,
    network: Network,
    state: dict[str, Any],
    earlier: dict[str, Any],
    evaluation: dict[str, Any],
) -> dict[str, Any]:
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
            "steps": state["step"] + earlier.get("steps", 0),
            "samples_seen": state["samples"] + earlier.get("samples_seen", 0),
            "minutes": round(state["seconds"] / 60) + earlier.get("minutes", 0),
            **({"runs": earlier.get("runs", 1) + 1} if earlier else {}),
            "device": state["device"],
            "started_from": Path(recipe.init).name or None,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "exported": date.today().isoformat(),
        },
        "evaluation": evaluation,
    }
