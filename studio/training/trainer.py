"""The training loop, from top to bottom.

`train` runs a recipe in a folder of its own, which holds the tokenizer and the checkpoint. The checkpoint is
written whole and takes the run up again to the same result on a CPU.
"""

import io
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Generator, nn

from studio.errors import StudioError
from studio.files import write_atomic
from studio.training.data import batch_indices
from studio.training.evaluation import cross_entropy_table
from studio.training.networks.digits import Compatibility
from studio.training.objective import masked_cross_entropy
from studio.training.optim import MovingAverage, Optimizers
from studio.training.prepare import prepare, take_tokenizer, take_weights
from studio.training.recipe import Recipe, recipe_table

CHECKPOINT = "checkpoint.pt"
Report = Callable[[dict[str, Any]], None]


def train(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    init: Path | None = None,
    max_minutes: float | None = None,
    report: Report = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Train until the recipe's steps are done, the time is up, or `stop` says so. Returns the checkpoint.

    report: called with events (dicts with a key "event": "start", "step", "evaluation", "checkpoint", "end").
    With `resume` the run goes on from the folder's checkpoint; the recipe may have changed in anything but
    the network and the tokens. `init` is a bundle whose weights and tokenizer a new run starts from.
    Raises StudioError when a checkpoint would be overwritten, when there is none
    to resume, and when the loss stops being a number (the last good checkpoint stays).
    """
    settings = recipe.training
    checkpoint = folder / CHECKPOINT
    if resume and not checkpoint.exists():
        raise StudioError(f"There is no checkpoint in {folder} to resume: start without --resume.")
    if not resume and checkpoint.exists():
        raise StudioError(f"{folder} already holds a run: go on with --resume, or choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)

    accelerator = Accelerator(mixed_precision=settings.precision)
    if init is not None and not resume:
        take_tokenizer(init, recipe, folder)
    prepared = prepare(recipe, folder)
    if init is not None and not resume:
        take_weights(init, prepared.network)
    data, mask_id = prepared.data, prepared.subtokens.mask_id
    raw = prepared.network.to(accelerator.device)
    raw.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    compatible = Compatibility(recipe.tokens.vocab_size, recipe.tokens.length, recipe.tokens.base)
    compatible.to(accelerator.device)
    digit_table = torch.from_numpy(prepared.subtokens.digits).to(accelerator.device)
    optimizers = Optimizers(raw, settings)
    ema = MovingAverage(raw, settings.ema)
    generator = Generator(accelerator.device).manual_seed(settings.seed * 1000 + accelerator.process_index)
    step, samples, seconds = 0, 0, 0.0
    if resume:
        state = load_checkpoint(checkpoint)
        raw.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        optimizers.load_state_dict(state["optimizers"])
        step, samples, seconds = state["step"], state["samples"], state["seconds"]
        if accelerator.is_main_process:
            generator.set_state(state["generator"])
            torch.set_rng_state(state["torch_rng"])
        else:  # only the first process writes; the others go on with fresh draws
            generator.manual_seed(settings.seed * 1000 + accelerator.process_index + step * accelerator.num_processes)
    network = accelerator.prepare(torch.compile(raw) if settings.compile else raw)

    def save() -> None:
        if accelerator.is_main_process:
            state = {
                "recipe": json.dumps(recipe_table(recipe)),
                "model": raw.state_dict(),
                "ema": ema.state_dict(),
                "optimizers": optimizers.state_dict(),
                "generator": generator.get_state(),
                "torch_rng": torch.get_rng_state(),
                "step": step,
                "samples": samples,
                "seconds": seconds + time.monotonic() - started,
                "device": device_name(accelerator.device),
            }
            buffer = io.BytesIO()
            torch.save(state, buffer)
            write_atomic(checkpoint, buffer.getvalue())
            report({"event": "checkpoint", "step": step, "path": str(checkpoint)})

    parameters = sum(parameter.numel() for parameter in raw.parameters())
    report({"event": "start", "step": step, "steps": settings.steps, "samples": len(data), "parameters": parameters})
    started = last_save = last_report = time.monotonic()
    reported = step
    while step < settings.steps and not stop():
        if max_minutes is not None and time.monotonic() - started > 60 * max_minutes:
            break
        indices = batch_indices(
            len(data), settings.batch, step, settings.seed, accelerator.process_index, accelerator.num_processes
        )
        tokens = data.batch(indices, generator)
        y = prepared.corruption(digit_table[tokens], mask_id, generator)
        with accelerator.autocast():
            loss = masked_cross_entropy(network, compatible, tokens, y, mask_id).mean()
        accelerator.backward(loss)
        norm = nn.utils.clip_grad_norm_(raw.parameters(), settings.clip)
        if step % settings.report_every == 0 and not math.isfinite(float(norm) + loss.item()):
            raise StudioError(
                f"The loss is no longer a number at step {step}: lower the learning rate and go on from the "
                f"last good checkpoint with --resume."
            )
        rate = optimizers.step(step)
        ema.update(raw)
        step += 1
        samples += settings.batch

        if step % settings.report_every == 0:
            now = time.monotonic()
            pace = (step - reported) / (now - last_report)
            report(
                {
                    "event": "step",
                    "step": step,
                    "steps": settings.steps,
                    "loss": loss.item() / math.log(2),
                    "gradient_norm": float(norm),
                    "learning_rate": rate,
                    "samples_per_second": pace * settings.batch,
                    "seconds_left": _seconds_left(settings.steps - step, pace, max_minutes, now - started),
                    "samples": samples,
                }
            )
            last_report, reported = now, step
        if step % settings.evaluate_every == 0 and accelerator.is_main_process:
            held_out = evaluate_average(raw, ema, compatible, prepared.valid, digit_table, mask_id)
            report({"event": "evaluation", "step": step, "held_out": held_out})
            last_report, reported = time.monotonic(), step
        if time.monotonic() - last_save > 60 * settings.checkpoint_minutes:
            save()
            last_save = time.monotonic()
    save()
    accelerator.wait_for_everyone()
    report({"event": "end", "step": step, "samples": samples, "finished": step >= settings.steps})
    return checkpoint


def evaluate_average(
    network: nn.Module,
    ema: MovingAverage,
    compatible: Compatibility,
    valid: torch.Tensor,
    digit_table: torch.Tensor,
    mask_id: int,
) -> float:
    """Held-out bits a masked token of the averaged weights, whole tokens, half of them known."""
    weights = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    ema.copy_to(network)
    network.eval()
    digits = digit_table.cpu()[valid]
    table = cross_entropy_table(network, compatible, digits, valid, mask_id, [1], [0.5], batch=16)
    network.train()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(weights[name])
    return table["1"]["0.5"]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's contents; nothing in the file is executed. Raises StudioError if it cannot be read."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise StudioError(f"There is no checkpoint at {path}.") from error
    except Exception as error:  # torch raises many kinds for damaged files
        raise StudioError(f"{path} is not a readable checkpoint: {error}".splitlines()[0]) from error


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def _seconds_left(steps: int, pace: float, max_minutes: float | None, elapsed: float) -> float:
    left = steps / pace
    return left if max_minutes is None else min(left, max(0.0, 60 * max_minutes - elapsed))
