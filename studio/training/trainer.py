"""The training loop, from top to bottom.

`train` runs a recipe in a folder of its own (studio/training/run_folder.py), which holds the tokenizer, the data made
ready, and the checkpoints. A checkpoint is written whole and takes the run up again to the same weights on a CPU.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast

from studio.errors import StudioError
from studio.files import write_atomic
from studio.training.board import Board
from studio.training.control import Control, Diverged
from studio.training.data import batch_indices
from studio.training.evaluation import cross_entropy_table, held_out_bound
from studio.training.learner import Learner, Step
from studio.training.machine import accelerator_for, bound_memory, computes_in_bf16, device_name, memory, precision_name
from studio.training.prepare import prepare, take_tokenizer, take_weights
from studio.training.previews import Previews
from studio.training.recipe import Recipe, check_recipe, recipe_table, recipe_toml
from studio.training.run_folder import CHECKPOINT, COMMANDS, RECIPE, checkpoints
from studio.training.saving import check_network, load_newest, save_checkpoint

REPORT_SECONDS = 5.0  # where steps are slow, the window hears of them sooner than the recipe says

Report = Callable[[dict[str, Any]], None]


@dataclass
class Progress:
    """How far a run is; part of every checkpoint."""

    step: int = 0
    samples: int = 0
    seconds: float = 0.0  # of training, pauses left out
    held_out: float = math.inf  # last held-out bound, bits per token
    evaluated: int = -1  # the step whose bound that is; unknown in checkpoints of earlier versions
    best: float = math.inf
    worse: int = 0  # evaluations since the best


class Stopwatch:
    """Seconds spent inside `with`, the current ones included, after those of earlier sittings."""

    def __init__(self, seconds: float):
        self._before = seconds
        self._since: float | None = None

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._before, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        return self._before + (time.monotonic() - self._since if self._since is not None else 0.0)


def train(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    max_minutes: float | None = None,
    report: Report = lambda event: None,
    control: Control | None = None,
) -> Path:
    """Train until the recipe's steps are done, the time is up, or `control` says so. Returns the checkpoint.

    report: called with events, dicts with a key "event"; docs/training.md lists them. With `resume` the run goes on
    from the folder's checkpoint; the recipe may have changed in anything but the network and the tokens. Another
    optimiser starts afresh, and so do the draws on another kind of device.
    Raises StudioError for a wrong recipe, when a checkpoint would be overwritten, when there is none of this network
    to resume, and when the run cannot go on: no number as loss, no room on the disk, no data or no memory. The last
    good checkpoint stays then.
    """
    check_recipe(recipe)
    settings, control = recipe.training, control or Control()
    checkpoint = folder / CHECKPOINT
    if not resume and checkpoint.exists():
        raise StudioError(f"{folder} already holds a run: resume it (--resume), or choose another folder.")
    old, note = load_newest(folder) if resume else (None, None)
    if note:
        report({"event": "log", "level": "warning", "message": note})
    if old:
        check_network(old, recipe)
    folder.mkdir(parents=True, exist_ok=True)

    bound_memory()
    accelerator = accelerator_for(settings)
    device, main = accelerator.device, accelerator.is_main_process
    with accelerator.main_process_first():
        if recipe.init and not old and main:
            take_tokenizer(Path(recipe.init), recipe, folder)
        prepared = prepare(recipe, folder, report if main else lambda event: None)
    if recipe.init and not old:
        take_weights(Path(recipe.init), prepared.network)
    data, raw = prepared.data, prepared.network
    learner = Learner(accelerator, recipe, raw)
    progress = Progress()
    if old:
        if not learner.load_state_dict(old):
            message = "The recipe names another optimiser than the checkpoint: it starts afresh."
            report({"event": "log", "level": "warning", "message": message})
        names = asdict(progress).keys()
        progress = Progress(**{name: old[name] for name in names if name in old})
        if settings.patience and progress.worse >= settings.patience:
            progress.worse = 0  # resumed after it ended early: as patient as before
    if accelerator.mixed_precision == "bf16" and not computes_in_bf16(device.type):
        message = "There are no units for bf16 here, so that steps take many times as long as in float32: choose the "
        report({"event": "log", "level": "warning", "message": message + "precision auto."})
    if main:
        write_atomic(folder / RECIPE, recipe_toml(recipe).encode())
    board = Board(folder, report) if main else None
    previews = Previews(recipe, prepared, folder) if main and settings.preview_every else None

    healthy = torch.ones((), dtype=torch.bool, device=device)
    clock, earlier, paused = Stopwatch(progress.seconds), progress.seconds, False
    told_step, told_seconds = progress.step, progress.seconds
    last_save = time.monotonic()

    def must_be_healthy(finite: bool = True) -> None:
        """Loss, gradients and weights are numbers; what the last step did to the weights shows in no loss yet."""
        weights = torch.stack([weight.isfinite().all() for weight in raw.parameters()]).all()
        if not (finite and healthy & weights):
            good = checkpoints(folder)
            how = f"resume from step {good[-1].step}, the last good checkpoint" if good else "start again"
            raise Diverged(
                f"The loss is no longer a number at step {progress.step}: lower the learning rate and {how}."
            )

    def save(best: bool = False) -> None:
        must_be_healthy()
        progress.seconds = clock.seconds
        if main:
            state = {
                "recipe": json.dumps(recipe_table(recipe)),
                "device": device_name(device),
                **learner.state_dict(),
                **asdict(progress),
            }
            measured = progress.evaluated == progress.step and math.isfinite(progress.held_out)
            figure = progress.held_out if measured else None
            save_checkpoint(folder, state, figure, best, settings.keep)
            report({"event": "checkpoint", "step": progress.step, "path": str(checkpoint), "best": best})

    def evaluate() -> None:
        """Two figures of the averaged weights on held-out data; the bound decides what is best."""
        with learner.ema.applied(raw):
            digits = learner.digits.cpu()[prepared.valid]
            known = cross_entropy_table(
                raw, learner.compatible, digits, prepared.valid, learner.mask_id, [1], [0.5], batch=16
            )
            must_be_healthy(math.isfinite(known["1"]["0.5"]))
            granularity = min(recipe.tokens.granularities)
            bound = held_out_bound(raw, prepared.subtokens, prepared.valid, granularity)
        # A hair's breadth is no progress, or patience would never end.
        progress.held_out, better = bound.bits_per_token, bound.bits_per_token < progress.best * (1 - 1e-4)
        progress.evaluated = progress.step
        progress.worse = 0 if better else progress.worse + 1
        if better:  # else many gains of a hair's breadth, much together, would never count
            progress.best = progress.held_out
        event = {
            "event": "evaluation",
            "step": progress.step,
            "held_out": known["1"]["0.5"],
            "bound": bound.bits_per_token,
            "bound_error": bound.error_per(bound.num_tokens),
            "bound_of": f"{bound.what}; granularity {granularity}; {bound.count} samples",
            "best": better,
        }
        report(event)
        if board:
            board.add(progress.step, event)
        if better:
            save(best=True)

    def tell(taken: Step) -> None:
        nonlocal told_step, told_seconds
        must_be_healthy()
        loss = cast(torch.Tensor, accelerator.reduce(taken.loss, "mean"))
        seconds = clock.seconds
        pace = (progress.step - told_step) / max(1e-9, seconds - told_seconds)
        left = (settings.steps - progress.step) / pace
        if max_minutes is not None:
            left = min(left, max(0.0, 60 * max_minutes - (seconds - earlier)))
        event = {
            "event": "step",
            "step": progress.step,
            "steps": settings.steps,
            "loss": loss.item() / math.log(2),
            "gradient_norm": float(taken.norm),
            "learning_rate": taken.rate,
            "samples_per_second": pace * settings.batch,
            "seconds_left": left,
            "samples": progress.samples,
            "memory": memory(device),
            "seconds": seconds,
        }
        report(event)
        if board:
            board.add(progress.step, event)
        told_step, told_seconds = progress.step, seconds

    def ran_out(parts: int) -> None:
        message = f"Memory ran out: a batch goes through in {parts} parts from now on."
        report({"event": "log", "level": "warning", "message": message, "parts": parts})

    def preview() -> None:
        if previews:
            with learner.ema.applied(raw), accelerator.autocast():
                file = previews.make(raw, device, progress.step)
            report({"event": "preview", "step": progress.step, "path": str(file)})

    parameters = sum(parameter.numel() for parameter in raw.parameters())
    report(
        {
            "event": "start",
            "step": progress.step,
            "steps": settings.steps,
            "samples": len(data),
            "held_out_samples": len(prepared.valid),
            "parameters": parameters,
            "device": device_name(device),
            "precision": precision_name(accelerator),
            "processes": accelerator.num_processes,
            "name": recipe.name,
            "modality": recipe.modality,
            "batch": settings.batch,
        }
    )
    reason, taken = "finished", None
    try:
        if old is None:
            preview()
        while progress.step < settings.steps:
            asked = control.take()
            if max_minutes is not None and not paused and clock.seconds - earlier >= 60 * max_minutes:
                asked.add("time")
            if settings.patience and progress.worse >= settings.patience:
                asked.add("early")
            asked = _agreed(accelerator, asked)
            if leave := [word for word in ("stop", "early", "time") if word in asked]:
                reason = leave[0]
                break
            if "save" in asked or ("pause" in asked and not paused):
                save()
            if "sample" in asked:
                preview()
            if ("pause" in asked) != paused:
                paused = not paused
                report({"event": "paused" if paused else "resumed", "step": progress.step})
            if paused:
                time.sleep(0.05)
                continue

            with clock:
                rank, processes = accelerator.process_index, accelerator.num_processes
                indices = batch_indices(len(data), settings.batch, progress.step, settings.seed, rank, processes)
                taken = learner.learn(data.batch(indices, learner.generator), progress.step, ran_out)
                healthy &= torch.isfinite(taken.norm) & torch.isfinite(taken.loss)
                progress.step += 1
                progress.samples += settings.batch
                slow = processes == 1 and clock.seconds - told_seconds > REPORT_SECONDS
                to_tell = progress.step % settings.report_every == 0 or slow
                if to_tell:
                    tell(taken)
            if to_tell and not prepared.source.exists():
                save()
                raise StudioError(
                    f"The data at {prepared.source} are gone: the run stopped with a checkpoint at step "
                    f"{progress.step}. Put them back, or open them again in the window, and resume."
                )
            if progress.step % settings.evaluate_every == 0 and main:
                must_be_healthy()
                evaluate()
            if settings.preview_every and progress.step % settings.preview_every == 0:
                preview()
            if time.monotonic() - last_save > 60 * settings.checkpoint_minutes:
                save()
                last_save = time.monotonic()
        if taken is not None and progress.step > told_step:
            tell(taken)  # whatever ended it, what is told last is of the step where it stands
        if progress.step and reason == "finished":
            must_be_healthy()
            if main and progress.step % settings.evaluate_every:
                evaluate()
            if settings.preview_every and progress.step % settings.preview_every:
                preview()
        save()
    finally:
        if board:
            board.close()
    accelerator.wait_for_everyone()
    accelerator.end_training()  # or a process that ends first can take the others' last message with it
    finished = progress.step >= settings.steps
    report({"event": "end", "step": progress.step, "samples": progress.samples, "finished": finished, "reason": reason})
    return checkpoint


def _agreed(accelerator: Accelerator, asked: set[str]) -> set[str]:
    """What the first process was asked for, on all of them, so that none waits for another for ever."""
    if accelerator.num_processes == 1:
        return asked
    words = (*COMMANDS, "time", "early")
    flags = torch.tensor([word in asked for word in words], dtype=torch.int32, device=accelerator.device)
    flags = broadcast(flags)
    return {word for word, flag in zip(words, flags.tolist(), strict=True) if flag}  # type: ignore[union-attr]
