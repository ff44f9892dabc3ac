"""What a run will take, from a few real steps of its network: parameters, memory, time. No data are needed."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from studio.training.learner import Learner
from studio.training.machine import accelerator_for, bound_memory, device_name, memory, peak_memory, precision_name
from studio.training.networks import build_network
from studio.training.recipe import Recipe, check_recipe

SECONDS = 4.0  # spent on measured steps, about
STEPS = 8  # at most
GROWTH = 3.0
"""What hundreds of steps take on a CPU, as a multiple of what the first ones take: every step has another number of
masked tokens, and the heap and oneDNN keep pieces of other sizes. Measured: up to 2.9 for texts, 2.3 for pictures."""


def estimate(recipe: Recipe, report: Callable[[dict[str, Any]], None] = lambda event: None) -> dict[str, Any]:
    """Measure steps of the recipe's network on random tokens, as the trainer takes them.

    Returns parameters, memory (bytes of the process, or of the GPU, at the most in a long run), seconds_per_step,
    samples_per_second, seconds (for all steps), parts (pieces of a batch that memory allows at once), device,
    precision, batch, steps and measured_steps. StudioError for a wrong recipe, and where a single sample is too much
    for the memory.
    """
    check_recipe(recipe)
    settings, sizes = recipe.training, recipe.tokens
    bound_memory()
    accelerator = accelerator_for(settings)
    device = accelerator.device
    torch.manual_seed(settings.seed)
    network = build_network(recipe.network_settings())
    parameters = sum(parameter.numel() for parameter in network.parameters())
    report({"event": "preparing", "what": f"measuring steps of a network of {parameters / 1e6:.1f} M parameters"})
    learner = Learner(accelerator, recipe, network)
    shape = (settings.batch, recipe.num_tokens)
    seconds: list[float] = []
    resting = memory(device)  # libraries, network and averages
    started = time.monotonic()
    while len(seconds) < 3 or (len(seconds) < STEPS and time.monotonic() - started < SECONDS):
        start = time.monotonic()
        tokens = torch.randint(sizes.vocab_size, shape, generator=learner.generator, device=device)
        learner.learn(tokens, len(seconds)).norm.item()  # waits for the device
        seconds.append(time.monotonic() - start)
    # The first step makes what the others find ready.
    step = statistics.median(seconds[1:])
    most = peak_memory(device)
    if device.type == "cpu":
        most = resting + round(GROWTH * max(0, most - resting))
    return {
        "parameters": parameters,
        "memory": most,
        "seconds_per_step": step,
        "samples_per_second": settings.batch / step,
        "seconds": step * settings.steps,
        "parts": learner.parts,
        "device": device_name(device),
        "precision": precision_name(accelerator),
        "batch": settings.batch,
        "steps": settings.steps,
        "measured_steps": len(seconds) - 1,
    }
