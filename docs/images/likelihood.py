"""Draw likelihood.png, the figure of docs/likelihood.md: `.venv/bin/python docs/images/likelihood.py`.

Two tokens of two digits, all four digits decided by one fair coin: one bit in all. The network is the true
conditionals, so whatever is a bound cannot lie below one bit.
"""

import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from studio.prime.likelihood import joint_loss, marginal_bound, step_bound
from studio.prime.subtokens import Subtokens

STEPS = [1, 2, 4, 8, 16, 32, 64, 128]
WIDTH, HEIGHT, SHARP = 760, 430, 3  # drawn three times as large, then reduced
LEFT, RIGHT, TOP, BOTTOM = 78, 560, 30, 366
INK, GREY, BLUE, GREEN, RED = "#222222", "#c8c8c8", "#1f5fa8", "#2d7d46", "#b3372b"


def coin(y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Logits of 00, 01, 10, 11: any digit that is known says how the coin fell."""
    heads, tails = ((y == side).any(axis=(1, 2)) for side in (1, 0))
    never = np.ones(len(y), dtype=bool)
    ruled_out = np.stack([heads, never, never, tails], axis=1)
    return np.where(ruled_out, np.float32(-np.inf), np.float32(0))[rows // y.shape[1]]


def figures() -> tuple[list[float], float, float]:
    """Step bounds, marginal bound and joint loss, in bits a sample."""
    subtokens, data = Subtokens(4, 2), np.array([[0, 0], [3, 3]] * 2000)
    steps = [step_bound(coin, subtokens, data, steps=steps, pairs=4, batch=2000).nats for steps in STEPS]
    marginal = marginal_bound(coin, subtokens, data, pairs=4, batch=2000).nats
    joint = joint_loss(coin, subtokens, data, pairs=4, batch=2000).nats
    return [nats / math.log(2) for nats in steps], marginal / math.log(2), joint / math.log(2)


def draw(steps: list[float], marginal: float, joint: float) -> Image.Image:
    image = Image.new("RGB", (WIDTH * SHARP, HEIGHT * SHARP), "white")
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(15 * SHARP)

    def x(place: float) -> float:
        return (LEFT + 14 + (RIGHT - LEFT - 28) * place / (len(STEPS) - 1)) * SHARP

    def y(bits: float) -> float:
        return (BOTTOM - (BOTTOM - TOP) * bits / 2.1) * SHARP

    def text(at: tuple[float, float], words: str, color: str, anchor: str) -> None:
        pen.text(at, words, fill=color, font=font, anchor=anchor)

    def line(bits: float, color: str, thick: float) -> None:
        pen.line([(LEFT * SHARP, y(bits)), (RIGHT * SHARP, y(bits))], fill=color, width=round(thick * SHARP))

    # What is below the entropy, no bound can reach.
    pen.rectangle([LEFT * SHARP, y(1), RIGHT * SHARP, y(0)], fill="#f4f0ee")
    for bits in (0, 0.5, 1, 1.5, 2):
        line(bits, GREY, 0.7)
        text(((LEFT - 10) * SHARP, y(bits)), f"{bits:g}", INK, "rm")
    line(1, INK, 1.6)
    line(joint, RED, 2.4)
    points = [(x(place), y(bits)) for place, bits in enumerate(steps)]
    pen.line(points, fill=BLUE, width=2 * SHARP)
    for place, (across, down) in enumerate(points):
        radius = 4.5 * SHARP
        pen.ellipse([across - radius, down - radius, across + radius, down + radius], fill=BLUE)
        text((across, (BOTTOM + 10) * SHARP), str(STEPS[place]), INK, "mt")
        pen.rectangle([across - 4 * SHARP, y(marginal) - 4 * SHARP, across + 4 * SHARP, y(marginal) + 4 * SHARP],
                      outline=GREEN, width=2 * SHARP)  # fmt: skip
    text(((LEFT + RIGHT) / 2 * SHARP, (BOTTOM + 36) * SHARP), "steps of the sampler", INK, "mt")
    text((10 * SHARP, (TOP - 22) * SHARP), "bits a sample", INK, "lt")
    side = (RIGHT + 14) * SHARP
    text((side, y(1.38)), "step bound (points)", BLUE, "lm")
    text((side, y(1.25)), "falls to the entropy", BLUE, "lm")
    text((side, y(1.07)), "marginal bound (squares)", GREEN, "lm")
    text((side, y(0.94)), "= entropy, 1 bit", INK, "lm")
    text((side, y(joint)), f"joint loss, {joint:.2f} bit:", RED, "lm")
    text((side, y(joint - 0.13)), "below, so no bound", RED, "lm")
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).quantize(64, dither=Image.Dither.NONE)


if __name__ == "__main__":
    steps, marginal, joint = figures()
    print("step bound", *(f"{bits:.3f}" for bits in steps), f"| marginal {marginal:.3f} | joint loss {joint:.3f}")
    draw(steps, marginal, joint).save(Path(__file__).with_suffix(".png"), optimize=True)
