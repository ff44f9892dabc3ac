"""Checkpoints of a run: written whole, a few kept, the best marked; read without running anything that is in them."""

import io
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.errors import StudioError
from studio.files import write_atomic
from studio.training.networks import build_network
from studio.training.recipe import Recipe
from studio.training.run_folder import BEST, CHECKPOINT, CHECKPOINTS, Checkpoint, checkpoints, copy, write_checkpoints

_KINDS: dict[str, Any] = {  # what a run is taken up from, or a bundle made of
    "recipe": str,
    "device": str,
    "model": dict,
    "ema": dict,
    "optimizers": list,
    "generator": Tensor,
    "torch_rng": Tensor,
    "step": int,
    "samples": int,
    "seconds": int | float,
}


def save_checkpoint(folder: Path, state: dict[str, Any], held_out: float | None, best: bool, keep: int) -> None:
    """Write the newest checkpoint, keep `keep` older ones beside it and the best; StudioError where there is no room.

    The newest is written beside the one that stands and takes its place at the end, so there is always a whole one.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    step = state["step"]
    entries = {entry.file: entry for entry in checkpoints(folder) if entry.file != CHECKPOINT}
    # Not getbuffer(): left to the garbage collector by an error, it ends Python 3.12.1. This copies nothing either.
    write_atomic(folder / CHECKPOINT, buffer.getvalue())
    newest = Checkpoint(CHECKPOINT, step, held_out, time.time())
    if best:
        copy(folder, CHECKPOINT, BEST)
        entries.pop(BEST, None)
        entries[BEST] = replace(newest, file=BEST, best=True)
    if keep:
        name = f"{CHECKPOINTS}/step-{step:08}.pt"
        copy(folder, CHECKPOINT, name)
        entries[name] = replace(newest, file=name)
    rolling = sorted((entry for entry in entries.values() if not entry.best), key=lambda entry: entry.when)
    for entry in rolling[: max(0, len(rolling) - keep)]:
        with suppress(OSError):
            (folder / entry.file).unlink()
        del entries[entry.file]
    write_checkpoints(folder, [*sorted(entries.values(), key=lambda entry: entry.when), newest])


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's contents; nothing in the file is executed. StudioError if it cannot be read or is none of ours."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise StudioError(f"There is no checkpoint at {path}.") from error
    except Exception as error:  # torch raises many kinds for damaged files
        raise StudioError(f"{path} is not a readable checkpoint: {error}".splitlines()[0]) from error
    if not isinstance(state, dict) or not all(isinstance(state.get(key), kind) for key, kind in _KINDS.items()):
        raise StudioError(f"{path} is not a checkpoint of a run: name one in a run's folder.")
    return state


def check_network(state: dict[str, Any], recipe: Recipe) -> None:
    """StudioError where the weights in a checkpoint are not those of the recipe's network."""
    with torch.device("meta"):  # its shapes alone
        network = build_network(recipe.network_settings())
    wanted = _shapes(network.state_dict()), _shapes(dict(network.named_parameters()))
    if wanted != (_shapes(state["model"]), _shapes(state["ema"].get("shadow"))):
        raise StudioError(
            "The checkpoint holds another network than the recipe's: leave [network] and [tokens] as the run began."
        )


def _shapes(tensors: Any) -> dict[Any, Any]:
    tensors = tensors if isinstance(tensors, dict) else {}
    return {name: getattr(tensor, "shape", None) for name, tensor in tensors.items()}


def load_newest(folder: Path) -> tuple[dict[str, Any], str | None]:
    """The newest checkpoint of a run that can be read, and a sentence where an older one had to stand in."""
    first: StudioError | None = None
    for path in _newest_first(folder):
        try:
            state = load_checkpoint(path)
        except StudioError as error:
            first = first or error
        else:
            note = f"{first} The one of step {state['step']} stands in for it." if first else None
            return state, note
    raise first or StudioError(f"There is no checkpoint in {folder} to go on from: start a new run.")


def _newest_first(folder: Path) -> Iterator[Path]:
    if (folder / CHECKPOINT).exists():
        yield folder / CHECKPOINT
    for entry in sorted(checkpoints(folder), key=lambda entry: -entry.step):
        if entry.file != CHECKPOINT:
            yield folder / entry.file
