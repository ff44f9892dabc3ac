"""What training must reach, measured here: speed over a plain loop, the cost of data, previews and checkpoints."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studio.datasets.store import DatasetWriter
from studio.figures import Figure
from studio.training.data import PictureData, batch_indices
from studio.training.learner import Learner
from studio.training.machine import accelerator_for, device_name, precision_name
from studio.training.networks import build_network
from studio.training.networks.digits import Compatibility
from studio.training.objective import backward
from studio.training.optim import Optimizers
from studio.training.prepare import Prepared, prepare
from studio.training.presets import new_model
from studio.training.previews import Previews
from studio.training.recipe import DataSettings, Recipe
from studio.training.saving import save_checkpoint

PICTURES = 4000
TEXTS, WORDS = 200, 5000
KINDS = {"image": "pictures", "text": "text"}


def measures(repeats: int = 5) -> Iterator[Figure]:
    """Every figure, as it is measured; the networks are those of the shipped models, the data are noise."""
    with tempfile.TemporaryDirectory() as name:
        for recipe in (_picture_recipe(Path(name) / "pictures"), _text_recipe(Path(name) / "texts")):
            run = Path(name) / recipe.modality
            loop = _Loop(recipe, prepare(recipe, run))
            yield _over_plain(loop, repeats)
            if loop.device.type == "cuda":
                yield _over_bare(loop, repeats)
            if recipe.modality == "image":
                step = _seconds(loop.step, loop.wait, repeats)
                yield _data_share(loop, step, repeats)
                yield _looking_share(loop, run, step)


def _picture_recipe(folder: Path) -> Recipe:
    """The small preset on a dataset of noise, which no cache or compression can make cheap."""
    rng = np.random.default_rng(0)
    writer = DatasetWriter(folder, "pictures", {"source": "noise", "grid": [32, 32], "fit": "crop"})
    for index in range(PICTURES):
        writer.add(str(index), rng.integers(0, 256, (32, 32, 3), dtype=np.uint8).tobytes())
    writer.finish()
    data = DataSettings(train=str(folder), flip=True, shift=2, color_jitter=0.15, name="noise")
    return new_model("bench", "image", "small", data=data)


def _text_recipe(folder: Path) -> Recipe:
    """The small preset on random words."""
    rng = np.random.default_rng(0)
    words = ["".join(map(chr, rng.integers(97, 123, length))) for length in rng.integers(2, 9, WORDS)]
    writer = DatasetWriter(folder, "texts", {"source": "noise"})
    for index in range(TEXTS):
        writer.add(str(index), " ".join(rng.choice(words, 1000)).encode())
    writer.finish()
    return new_model("bench", "text", "small", data=DataSettings(train=str(folder), name="noise"))


class _Loop:
    """The data of a run and the steps that its trainer takes."""

    def __init__(self, recipe: Recipe, prepared: Prepared):
        self.recipe, self.prepared, self.done = recipe, prepared, 0
        self.learner = Learner(accelerator_for(recipe.training), recipe, prepared.network)
        self.device = self.learner.device

    def load(self) -> Tensor:
        settings = self.recipe.training
        indices = batch_indices(len(self.prepared.data), settings.batch, self.done, settings.seed)
        self.done += 1
        return self.prepared.data.batch(indices, self.learner.generator)

    def step(self) -> None:
        self.learner.learn(self.load(), self.done)

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def _plain_loop(loop: _Loop) -> Callable[[], None]:
    """The same network as one would write it down first: float32, eager, PyTorch's own optimisers, nothing else."""
    recipe, sizes, mask_id = loop.recipe, loop.recipe.tokens, loop.learner.mask_id
    network = build_network(recipe.network_settings()).to(loop.device)
    optimizers = Optimizers(network, recipe.training)
    assert optimizers.muon is not None
    hidden: list[nn.Parameter] = optimizers.muon.param_groups[0]["params"]
    optimizers.muon = None
    matrices = [nn.Parameter(weight.detach().flatten(1)) for weight in hidden]  # all that torch.optim.Muon takes
    rate, decay = recipe.training.learning_rate, recipe.training.weight_decay
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    compatible = Compatibility(sizes.vocab_size, sizes.length, sizes.base).to(loop.device)

    def step() -> None:
        tokens = loop.load()
        y = loop.learner.hide(tokens)
        rows = torch.nonzero((y == mask_id).any(-1).flatten()).squeeze(-1)
        logits = network(y, rows).masked_fill(~compatible(y.flatten(0, 1)[rows]), float("-inf"))
        F.cross_entropy(logits, tokens.flatten()[rows]).backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.training.clip)
        for weight, matrix in zip(hidden, matrices, strict=True):
            matrix.grad, weight.grad = cast(Tensor, weight.grad).flatten(1), None
        muon.step()
        optimizers.step(loop.done)

    return step


def _seconds(step: Callable[[], Any], wait: Callable[[], None], repeats: int) -> float:
    """Median seconds of a step, after one that warms up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        step()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def _over_plain(loop: _Loop, repeats: int) -> Figure:
    """Steps of both loops by turns, so that whatever else the machine does meets both."""
    plain, ratios, ours = _plain_loop(loop), [], []
    for turn in range(repeats + 1):
        seconds = []
        for step in (plain, loop.step):
            start = time.perf_counter()
            step()
            loop.wait()
            seconds.append(time.perf_counter() - start)
        if turn:  # the first turn warms up
            ratios.append(seconds[0] / seconds[1])
            ours.append(loop.recipe.training.batch / seconds[1])
    precision = precision_name(loop.learner.accelerator)
    note = f"{statistics.median(ours):.1f} samples/s in {precision}, {device_name(loop.device)}"
    name = f"training over a plain float32 loop of the same network, {KINDS[loop.recipe.modality]}"
    return Figure(name, statistics.median(ratios), 2, "×", note, True)


def _over_bare(loop: _Loop, repeats: int) -> Figure:
    """The rate over that of forward, backward and step on one batch that stays where it is."""
    learner, tokens = loop.learner, loop.load()
    y = learner.hide(tokens)

    def bare() -> None:
        backward(learner.accelerator, learner.network, learner.compatible, tokens, y, learner.mask_id, 1)
        learner.optimizers.step(loop.done)

    share = _seconds(bare, loop.wait, 4 * repeats) / _seconds(loop.step, loop.wait, 4 * repeats)
    name = f"training over a bare loop on one fixed batch, {KINDS[loop.recipe.modality]}"
    return Figure(name, 100 * share, 50, "%", at_least=True)


def _data_share(loop: _Loop, step: float, repeats: int) -> Figure:
    """Speed with data mapped from disk over that with the same data in memory: they differ in what `load` takes."""
    mapped = _seconds(lambda: [loop.load() for _ in range(20)], loop.wait, repeats) / 20
    data = loop.prepared.data
    assert isinstance(data, PictureData)
    loop.prepared.data = replace(data, tokens=np.array(data.tokens))
    memory = _seconds(lambda: [loop.load() for _ in range(20)], loop.wait, repeats) / 20
    loop.prepared.data = data
    share = step / (step + max(0.0, mapped - memory))
    note = f"{1000 * mapped:.2f} ms a batch from disk, {1000 * memory:.2f} from memory, a step {1000 * step:.0f} ms"
    return Figure("speed with data from disk over data in memory", 100 * share, 95, "%", note, True)


def _looking_share(loop: _Loop, folder: Path, step: float) -> Figure:
    """Share of the time that previews and checkpoints take at their default intervals."""
    settings, learner = loop.recipe.training, loop.learner
    previews = Previews(loop.recipe, loop.prepared, folder)

    def look() -> None:
        with learner.ema.applied(learner.raw), learner.accelerator.autocast():
            previews.make(learner.raw, loop.device, loop.done)

    def save() -> None:
        save_checkpoint(folder, {"step": loop.done, **learner.state_dict()}, None, False, settings.keep)

    looking, saving = _seconds(look, loop.wait, 1), _seconds(save, loop.wait, 2)
    share = looking / (settings.preview_every * step) + saving / (60 * settings.checkpoint_minutes)
    note = f"a preview {looking:.1f} s every {settings.preview_every} steps, a checkpoint {saving:.1f} s every "
    note += f"{settings.checkpoint_minutes:g} min"
    return Figure("previews and checkpoints at their default intervals", 100 * share, 3, "%", note)
