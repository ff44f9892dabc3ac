"""Published MDM-Prime checkpoints to model bundles: settings and shapes, then one of our networks, then the graph.

The formats are described in docs/published-checkpoints.md.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.errors import StudioError, shown
from studio.prime.schedules import alpha
from studio.training.bundling import bundle_folder, check_replaceable, write_manifest
from studio.training.checkpoints import lookup, read_checkpoint, refuse
from studio.training.networks import Network, build_network, network_settings
from studio.training.onnx_graph import round_to_half, verify_graph, write_graph
from studio.training.published_sizes import COLORS, picture_sizes, text_sizes
from studio.training.validation import is_name

PICTURE_NOTICE = (
    "Weights of MDM-Prime (Chao et al., arXiv:2505.18495), published under CC BY-NC 4.0: not for commercial use."
)
TEXT_NOTICE = "Weights of MDM-Prime (Chao et al., arXiv:2505.18495), published under the Apache License 2.0."


@dataclass(frozen=True)
class Published:
    """What a published checkpoint holds, in our terms."""

    source: str
    modality: str  # "image" or "text"
    name: str
    network: dict[str, Any]  # for `build_network`
    weights: dict[str, Tensor] = field(repr=False)  # by the names of our network
    schedule: str
    defaults: dict[str, Any]  # of the published sampler, as far as known; docs/published-checkpoints.md
    training: dict[str, Any]
    licence: str
    notice: str
    tokenizer: Any = field(default=None, repr=False)  # the pickled tokenizer, a stand-in

    @property
    def grid(self) -> list[int]:
        if self.modality == "text":
            return [self.network["context"]]
        return [self.network["height"], self.network["width"]]

    @property
    def num_tokens(self) -> int:
        return math.prod(self.grid) * self.network.get("colors", 1)


def read_published(
    path: str | Path,
    *,
    ema: bool = True,
    heads: int | None = None,
    context: int | None = None,
    schedule: str | None = None,
) -> Published:
    """Read a published checkpoint; nothing in it is executed.

    Sizes come from the shapes of the weights; `heads`, `context` and `schedule` from the settings in the file
    unless given. `ema`: the averaged weights, else the last ones. Raises StudioError, one sentence, for what is
    no such checkpoint, for networks that are not ours (super-tokens, class mixture), and where something that
    the shapes cannot tell is missing.
    """
    path = Path(path)
    content = read_checkpoint(path)
    limit = path.stat().st_size
    if _tensors(content.get("model"), "model."):
        return _picture(path, content, limit, ema, schedule)
    if _tensors(content.get("state_dict"), "backbone."):
        return _text(path, content, limit, ema, heads, context, schedule)
    refuse(path, "it holds no MDM-Prime weights, which are named model.… in pictures and backbone.… in texts")


def _picture(path: Path, content: dict[str, Any], limit: int, ema: bool, schedule: str | None) -> Published:
    state, args = content["model"], content.get("args")
    raw = _tensors(state, "model.")
    if any("label_emb" in name for name in raw) or lookup(args, "use_uniform_mixture"):
        refuse(path, "it is a model with class mixture (label_emb), which Prime Studio does not have")
    if lookup(args, "super_token"):
        refuse(path, "it is a super-token model, which Prime Studio does not have")
    shadow = [state[f"shadow_params.{i}"] for i in range(len(raw)) if f"shadow_params.{i}" in state]
    weights = _chosen(path, raw, shadow, ema, limit)
    try:
        sizes = picture_sizes(weights)
    except ValueError as error:
        refuse(path, str(error))
    tokens = lookup(args, "seq_length")
    side = _side(path, 3072 if tokens is None else tokens, halvings=len(sizes["widths"]) - 1)
    power = lookup(args, "schedule_n")
    stated = ("linear" if power == 1 else f"poly{power:g}") if isinstance(power, int | float) else None
    dataset = _slug(lookup(args, "dataset"), "pictures")
    return Published(
        source=shown(path.name),
        modality="image",
        name=f"prime-{dataset}-l{sizes['length']}",
        network={"height": side, "width": side, **sizes},
        weights=weights,
        schedule=_schedule(path, schedule or stated, "poly3, as all published picture models have"),
        defaults={
            "steps": 1024 if "imagenet" in dataset else 512,
            "temperature_slope": [-0.2, 2.0],
            "draw": "marginal" if lookup(args, "carry_over") is True else "joint",
        },
        training={
            "weights": _which(ema),
            "data": dataset,
            **_counts(epoch=lookup(content, "epoch"), steps=lookup(state, "num_updates")),
        },
        licence="CC-BY-NC-4.0",
        notice=PICTURE_NOTICE,
    )


def _text(
    path: Path,
    content: dict[str, Any],
    limit: int,
    ema: bool,
    heads: int | None,
    context: int | None,
    schedule: str | None,
) -> Published:
    raw = _tensors(content["state_dict"], "backbone.")
    rotary = raw.pop("rotary_emb.inv_freq", None)  # a buffer: half the width of a head
    average = content.get("ema")
    shadow = average.get("shadow_params") if isinstance(average, dict) else None
    weights = _chosen(path, raw, shadow if isinstance(shadow, list) else [], ema, limit)
    settings = content.get("hyper_parameters")
    try:
        sizes = text_sizes(weights)
    except ValueError as error:
        refuse(path, str(error))
    if heads is None:
        heads = lookup(settings, "config", "model", "n_heads")
    if heads is None and rotary is not None and rotary.numel():
        heads = sizes["width"] // (2 * rotary.numel())
    if context is None:
        context = lookup(settings, "config", "prime", "seq_length") or lookup(settings, "config", "model", "length")
    if not isinstance(heads, int) or heads < 1:
        refuse(path, "it does not say how many attention heads it has; add --heads 12, as the published ones have")
    if not isinstance(context, int) or not 0 < context <= 1 << 16:
        refuse(path, "it does not say how many tokens it takes; add --context 1024, as the published ones have")
    noise = lookup(settings, "config", "noise", "type")
    dropout = lookup(settings, "config", "model", "dropout")
    dataset = _slug(lookup(settings, "config", "data", "train"), "text")
    return Published(
        source=shown(path.name),
        modality="text",
        name=f"prime-{dataset}-l{sizes['length']}",
        network={
            **sizes,
            "context": context,
            "heads": heads,
            "dropout": dropout if isinstance(dropout, float) and 0 <= dropout < 1 else 0.1,
        },
        weights=weights,
        schedule=_schedule(
            path,
            schedule or ("linear" if noise in ("loglinear", "linear") else None),
            "linear, as all published text models have",
        ),
        defaults={"steps": 1024, "top_p": 0.95},
        training={
            "weights": _which(ema),
            "data": dataset,
            **_counts(epoch=lookup(content, "epoch"), steps=lookup(content, "global_step")),
        },
        licence="Apache-2.0",
        notice=TEXT_NOTICE,
        tokenizer=settings.get("tokenizer") if isinstance(settings, dict) else None,
    )


def check_name(name: str) -> None:
    """Raise StudioError unless `name` can be the name of a model."""
    if not is_name(name):
        raise StudioError(
            f"A model cannot be named {shown(name)}: use up to 64 letters a to z and digits, with single . _ - between."
        )


def write_published(
    published: Published,
    output: Path,
    *,
    name: str,
    tokenizer: bytes | None = None,
    half: bool = False,
    report: Callable[[str], None] = lambda text: None,
) -> Path:
    """Write a bundle to the folder `output`, which it replaces. `tokenizer`: tokenizer.json, for texts.

    Raises StudioError where the weights do not fit the network, or the graph and the network disagree, see
    `verify_graph`.
    """
    check_name(name)
    check_replaceable(output)
    text = published.modality == "text"
    network = load_network(published)
    if half:
        round_to_half(network)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    with bundle_folder(output) as folder:
        report(f"{parameters / 1e6:.1f} M parameters: writing the graph")
        write_graph(network, folder, published.num_tokens, any_length=text, half=half)
        report("comparing the graph with the network")
        difference = verify_graph(network, folder, published.num_tokens)
        if text:
            assert tokenizer is not None
            (folder / "tokenizer.json").write_bytes(tokenizer)
        length = published.network["length"]
        facts = {
            "name": name,
            # One title for two models could not be told apart where one is chosen.
            "title": f"MDM-Prime, {published.training['data']}, ℓ = {length}" + f" ({name})" * (name != published.name),
            "description": f"Imported from the published checkpoint {published.source}.",
            "modality": published.modality,
            "grid": published.grid,
            "num_tokens": published.num_tokens,
            **{key: published.network[key] for key in ("vocab_size", "length", "base")},
            "granularities": [length],  # published models were trained at their full length alone
            "schedule": published.schedule,
            "tokenizer": {"kind": "bpe", "file": "tokenizer.json"} if text else {"kind": "rgb", "file": None},
            "defaults": {
                "schedule": published.schedule,
                "policy": "ancestral",
                "granularity": length,
                "temperature": 1.0,
                **published.defaults,
            },
            "licence": published.licence,
            "notices": [published.notice],
            "network": network_settings(network),
            "training": {
                **published.training,
                "checkpoint": published.source,
                "parameters": parameters,
                "precision": "half" if half else "full",
                "imported": date.today().isoformat(),
            },
            "evaluation": {"onnx_difference": float(f"{difference:.1e}")},
            "likelihood": None,
        }
        write_manifest(folder, facts)
    return output


def load_network(published: Published) -> Network:
    """The network with its weights in float32. StudioError where names, shapes or numbers are wrong."""
    # A dry run that allocates no weights: sizes from a stranger's file must fit all of its weights first.
    with torch.device("meta"):
        wanted = {name: parameter.shape for name, parameter in build_network(published.network).named_parameters()}
    weights = published.weights
    for name in sorted(wanted.keys() ^ weights.keys()):
        what = "has no weights" if name in wanted else "has unknown weights"
        raise StudioError(f"Cannot import {published.source}: it {what} {shown(name)}; it is no published network.")
    for name, shape in wanted.items():
        if weights[name].shape != shape:
            got, size = tuple(weights[name].shape), tuple(shape)
            raise StudioError(f"Cannot import {published.source}: {name} has the shape {got} instead of {size}.")
    network = build_network(published.network).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(weights[name])
            if not torch.isfinite(parameter).all():
                raise StudioError(f"Cannot import {published.source}: the weights {name} are not all finite numbers.")
    return network


def _side(path: Path, tokens: Any, halvings: int) -> int:
    """The side of the square pictures of so many tokens, which the network halves so many times."""
    side = math.isqrt(tokens // COLORS) if isinstance(tokens, int) and 0 < tokens < 1 << 20 else 0
    if not side or COLORS * side**2 != tokens or side % 2**halvings:
        refuse(
            path,
            f"its seq_length of {shown(str(tokens))} is not that of square pictures, three tokens a pixel, whose side "
            f"can be halved {halvings} times",
        )
    return side


def _tensors(state: Any, prefix: str) -> dict[str, Any]:
    """The entries of a state dict under `prefix`, which is taken off."""
    if not isinstance(state, dict):
        return {}
    return {name[len(prefix) :]: v for name, v in state.items() if isinstance(name, str) and name.startswith(prefix)}


def _chosen(path: Path, raw: dict[str, Any], shadow: list[Any], ema: bool, limit: int) -> dict[str, Tensor]:
    """The raw weights, or the averaged ones, which come in the order of the raw ones and without names."""
    chosen = raw
    if ema:
        if len(shadow) != len(raw):
            refuse(
                path, f"it has {len(shadow)} averaged weights for {len(raw)} parameters; add --raw for the last ones"
            )
        chosen = dict(zip(raw, shadow, strict=True))
    for name, value in chosen.items():
        plain = type(value) in (Tensor, torch.nn.Parameter) and value.device.type == "cpu"
        if not plain or value.layout != torch.strided or not value.is_floating_point() or not value.is_contiguous():
            refuse(path, f"{shown(name)} is not an ordinary tensor of weights")
        if ema and value.shape != getattr(raw[name], "shape", None):
            refuse(path, f"its averaged weights are not in the order of its parameters ({shown(name)}); add --raw")
    # Tensors may share or repeat what lies in the file; honest weights take two bytes each at least.
    if 2 * sum(value.numel() for value in chosen.values()) > limit:
        refuse(path, "it claims more weights than it has room for; do not trust it")
    return chosen


def _schedule(path: Path, name: str | None, published: str) -> str:
    if name is None:
        refuse(path, f"it does not say its schedule; add --schedule {published}")
    try:
        alpha(name, 0.5)
    except ValueError as error:
        refuse(path, f"its schedule cannot be used: {shown(str(error))}; add --schedule {published}")
    return name


def _counts(**values: Any) -> dict[str, int]:
    return {name: value for name, value in values.items() if isinstance(value, int) and 0 <= value < 1 << 53}


def _slug(value: Any, default: str) -> str:
    words = re.findall(r"[a-z0-9]+", value[:40].lower()) if isinstance(value, str) else []
    return "-".join(words) or default


def _which(ema: bool) -> str:
    return "exponential moving average" if ema else "last"
