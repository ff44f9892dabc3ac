"""The two families of denoising networks and how a config names one of them."""

import dataclasses
from typing import Any

from studio.errors import StudioError
from studio.training.networks.transformer import Transformer, TransformerConfig
from studio.training.networks.unet import UNet, UNetConfig

Network = UNet | Transformer

FAMILIES = {"unet": (UNetConfig, UNet), "transformer": (TransformerConfig, Transformer)}


def build_network(settings: dict[str, Any]) -> Network:
    """A network from {"family": …, **fields of its config}. Raises StudioError for unknown names or bad sizes."""
    settings = dict(settings)
    family = settings.pop("family", None)
    if family not in FAMILIES:
        raise StudioError(f"Unknown network family {family!r}: use one of {', '.join(FAMILIES)}.")
    config_class, network_class = FAMILIES[family]
    known = [field.name for field in dataclasses.fields(config_class)]
    if unknown := set(settings) - set(known):
        raise StudioError(
            f"Unknown setting of the {family} network: {', '.join(sorted(unknown))}; it has {', '.join(known)}."
        )
    needed = [field.name for field in dataclasses.fields(config_class) if field.default is dataclasses.MISSING]
    if missing := [name for name in needed if name not in settings]:
        raise StudioError(f"The {family} network lacks {', '.join(missing)}: add what is missing to [network].")
    try:
        return network_class(config_class(**settings))
    except (TypeError, ValueError) as error:
        raise StudioError(f"The {family} network cannot be built: {error}.") from error


def network_settings(network: Network) -> dict[str, Any]:
    """The inverse of `build_network`, for manifests and checkpoints."""
    for family, (_, network_class) in FAMILIES.items():
        if isinstance(network, network_class):
            return {"family": family, **dataclasses.asdict(network.config)}
    raise TypeError(f"{type(network).__name__} is not one of {', '.join(FAMILIES)}")
