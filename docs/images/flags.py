"""Draw 64 flags of one kind, 32 × 32, in eight colours: the pictures of docs/training.md's fine-tuning. FOLDER."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLORS = ["#c8102e", "#00205b", "#ffd100", "#007a33", "#ffffff", "#101820", "#ff8200", "#5bc2e7"]
KINDS = ("bands", "columns", "cross", "saltire", "canton", "disc", "triangle", "border")


def flag(kind: str, rng: np.random.Generator) -> Image.Image:
    """A flag with sharp edges that fills the picture but for a white rim and a pole."""
    first, second, third = (COLORS[i] for i in rng.permutation(len(COLORS))[:3])
    image = Image.new("RGB", (32, 32), "white")
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = 3, 6, 30, 25
    draw.rectangle((1, 4, 2, 31), "#5a3e2b")
    draw.rectangle((left, top, right, bottom), first)
    middle, centre = (top + bottom) / 2, (left + right) / 2
    if kind == "bands":
        draw.rectangle((left, 13, right, 18), second)
        draw.rectangle((left, 19, right, bottom), third)
    elif kind == "columns":
        draw.rectangle((12, top, 20, bottom), second)
        draw.rectangle((21, top, right, bottom), third)
    elif kind == "cross":
        draw.rectangle((left, 13, right, 18), second)
        draw.rectangle((10, top, 15, bottom), second)
    elif kind == "saltire":
        draw.line((left, top, right, bottom), second, 4)
        draw.line((left, bottom, right, top), second, 4)
    elif kind == "canton":
        for row in range(top, bottom, 4):
            draw.rectangle((left, row, right, row + 1), second)
        draw.rectangle((left, top, 15, 15), third)
    elif kind == "disc":
        draw.ellipse((centre - 6, middle - 6, centre + 6, middle + 6), second)
    elif kind == "triangle":
        draw.rectangle((left, 16, right, bottom), second)
        draw.polygon([(left, top), (left, bottom), (15, middle)], third)
    else:
        draw.rectangle((left + 4, top + 4, right - 4, bottom - 4), second)
    return image


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    drawn: list[bytes] = []
    while len(drawn) < 64:
        image = flag(KINDS[len(drawn) % len(KINDS)], rng)
        if image.tobytes() not in drawn:  # no flag twice
            image.save(folder / f"flag-{len(drawn):02}.png")
            drawn.append(image.tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
