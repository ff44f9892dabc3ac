"""One step of training, as the trainer, the estimate and the benchmark take it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Generator, Tensor, nn

from studio.errors import StudioError
from studio.prime.subtokens import Subtokens
from studio.training.machine import is_out_of_memory, lay_out
from studio.training.networks import Network
from studio.training.networks.digits import Compatibility
from studio.training.objective import Corruption, backward
from studio.training.optim import MovingAverage, Optimizers
from studio.training.recipe import Recipe


class Step(NamedTuple):
    """What a step found: tensors, so that nobody has to wait for a GPU."""

    loss: Tensor  # () nats a masked token, this process's share
    norm: Tensor  # () of the gradients, before they are clipped
    rate: float  # the learning rate


class Learner:
    """A network and what changes it: the draws of masks, the optimisers, the moving average."""

    def __init__(self, accelerator: Accelerator, recipe: Recipe, raw: Network):
        settings, sizes = recipe.training, recipe.tokens
        subtokens = Subtokens(sizes.vocab_size, sizes.length, sizes.base)
        self.accelerator, self.device, self.settings = accelerator, accelerator.device, settings
        self.raw = raw.to(self.device)
        lay_out(raw, self.device)
        self.network: Any = accelerator.prepare(torch.compile(raw) if settings.compile else raw)
        self.compatible = Compatibility(sizes.vocab_size, sizes.length, sizes.base).to(self.device)
        self.digits = torch.from_numpy(subtokens.digits).to(self.device)
        self.mask_id, self.corruption = subtokens.mask_id, corruption_of(recipe)
        self.optimizers, self.ema = Optimizers(raw, settings), MovingAverage(raw, settings.ema)
        self.generator = Generator(self.device).manual_seed(settings.seed * 1000 + accelerator.process_index)
        self.parts = 1  # pieces that a batch goes through in, where memory ran out

    def hide(self, tokens: Tensor) -> Tensor:
        """Tokens (B, L) to digits (B, L, ℓ) of which some are masked."""
        return self.corruption(self.digits[tokens], self.mask_id, self.generator)

    def learn(self, tokens: Tensor, step: int, ran_out: Callable[[int], None] = lambda parts: None) -> Step:
        """Change the weights once. tokens: int (B, L); step: how many were taken before.

        ran_out: called with the number of parts when a batch goes through in more of them from now on, because memory
        ran out. StudioError where it is not enough for a single sample.
        """
        y = self.hide(tokens)
        while True:
            try:
                loss = backward(self.accelerator, self.network, self.compatible, tokens, y, self.mask_id, self.parts)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self.parts = _halved(self.parts, len(tokens), self.accelerator.num_processes)
            self.optimizers.clear()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            ran_out(self.parts)
        norm = nn.utils.clip_grad_norm_(self.raw.parameters(), self.settings.clip)
        rate = self.optimizers.step(step)
        self.ema.update(self.raw)
        return Step(loss, norm, rate)

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.raw.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizers": self.optimizers.state_dict(),
            "parts": self.parts,
            "generator": self.generator.get_state(),
            "torch_rng": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> bool:
        """Go on from a checkpoint; False where the optimiser is another one since, and starts afresh.

        Only the first process writes checkpoints; the others go on with fresh draws, as all do on another kind of
        device.
        """
        self.raw.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        same = self.optimizers.load_state_dict(state["optimizers"])
        self.parts = state.get("parts", 1)
        fits = state["generator"].shape == self.generator.get_state().shape
        if self.accelerator.is_main_process and fits:
            self.generator.set_state(state["generator"])
        else:
            fresh = self.accelerator.process_index + state["step"] * self.accelerator.num_processes
            self.generator.manual_seed(self.settings.seed * 1000 + fresh)
        if self.accelerator.is_main_process:
            torch.set_rng_state(state["torch_rng"])
        return same


def corruption_of(recipe: Recipe) -> Corruption:
    """How the recipe's samples are hidden."""
    tokens = recipe.tokens
    return Corruption(
        granularities=tokens.granularities,
        weights=tokens.weights or (1.0,) * len(tokens.granularities),
        alpha_exponent=recipe.training.alpha_exponent,
        region_share=recipe.training.region_share,
        grid=tokens.grid if recipe.modality == "image" else (),
        colors=recipe.colors,
    )


def _halved(parts: int, samples: int, processes: int) -> int:
    """Twice as many parts of a batch as before; StudioError where that cannot help."""
    if processes > 1:
        raise StudioError("Memory ran out in one of several processes: choose a smaller batch and resume.")
    if parts >= samples:
        raise StudioError("There is not enough memory for a single sample: choose a smaller model, or free memory.")
    return min(2 * parts, samples)
