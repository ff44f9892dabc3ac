"""Make the pictures that emoji-32 went on with: four sets of emoji beside those that it began with.

.venv/bin/python models/recipes/emoji_pictures.py PACKAGES EMOJI32 OUT.npz

PACKAGES  a folder with the npm packages @iconify-json/noto 1.2.9, noto-v1 1.2.5, fxemoji 1.2.2 (all Apache-2.0) and
          fluent-emoji-flat 1.2.6 (MIT), unpacked under these names
EMOJI32   the folder of train.npz, whose pictures come first, and valid.npz, of whose emoji none may be learned

The drawings are vectors, which `.venv/bin/python -m pip install resvg-py` renders. Noto Emoji are in train.npz already,
so they are drawn turned, moved, larger or smaller: 32 pixels of the same drawing, but other ones.
"""

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import resvg_py  # pyright: ignore[reportMissingImports]
from PIL import Image

SIZE, LARGE = 32, 128
SETS = ("noto", "noto-v1", "fluent-emoji-flat", "fxemoji")
NEAR = 10  # mean difference, of 255, below which a picture counts as one of those held out
_TONE = re.compile(r"-(light|medium-light|medium|medium-dark|dark)(-skin-tone.*)?$")


class HeldOut:
    """The emoji that are held out, by code point, by name and by picture."""

    def __init__(self, valid: Path, packages: Path):
        with np.load(valid) as content:
            self.images = content["images"].astype(np.float32)
            self.codes = {
                str(name).removeprefix("emoji_u").partition("_")[0].split(".")[0] for name in content["names"]
            }
        named = [pair for name in ("noto", "fluent-emoji-flat") for pair in characters(packages / name).items()]
        self.names = {plain(name) for name, code in named if code in self.codes}

    def holds(self, name: str, code: str | None) -> bool:
        """Whether this is one of them, or named nearly as one is."""
        word = plain(name)
        alike = (
            word.startswith(held) or (held.startswith(word) and len(word) > 3) for held in self.names if len(held) > 4
        )
        return code in self.codes or word in self.names or any(alike)

    def looks_like(self, picture: np.ndarray) -> bool:
        return bool(np.abs(self.images - picture.astype(np.float32)).mean((1, 2, 3)).min() < NEAR)


def characters(package: Path) -> dict[str, str]:
    """The first code point of each icon, as far as the set tells it."""
    found: dict[str, str] = {}
    for codes, name in json.loads((package / "chars.json").read_bytes()).items():
        found.setdefault(name, codes.split("-")[0].lower())
    return found


def plain(name: str) -> str:
    return _TONE.sub("", name).replace("-", "")


def drawn(icon: dict[str, Any], icons: dict[str, Any]) -> Image.Image:
    """An icon on white, larger than it will be."""
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{LARGE}" height="{LARGE}">{icon["body"]}</svg>'
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, width=LARGE, height=LARGE, skip_system_fonts=True)
    image = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")


def moved(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The image turned by up to 15 degrees, at 0.72 to 1.7 times its size, a little off the middle."""
    angle, size = np.deg2rad(rng.uniform(-15, 15)), np.exp(rng.uniform(np.log(0.72), np.log(1.7)))
    middle = LARGE / 2
    x, y = middle + rng.uniform(-14, 14, 2) * max(1, size)
    cos, sin = np.cos(angle) / size, np.sin(angle) / size
    matrix = (cos, sin, middle - cos * x - sin * y, -sin, cos, middle + sin * x - cos * y)
    return image.transform((LARGE, LARGE), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor="white")


def pictures(packages: Path, held_out: HeldOut) -> Iterator[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    for name in SETS:
        package = packages / name
        icons, codes = json.loads((package / "icons.json").read_bytes()), characters(package)
        for key, icon in icons["icons"].items():
            if held_out.holds(key, codes.get(key)):
                continue
            image = drawn(icon, icons)
            image = moved(image, rng) if name == "noto" else image
            picture = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.LANCZOS))
            if not held_out.looks_like(picture):
                yield f"{name}:{key}", picture


def main() -> None:
    packages, emoji32, out = map(Path, sys.argv[1:])
    with np.load(emoji32 / "train.npz") as content:
        known = zip(content["names"], content["images"], strict=True)
        found = {picture.tobytes(): (str(name), picture) for name, picture in known}
    for name, picture in pictures(packages, HeldOut(emoji32 / "valid.npz", packages)):
        found.setdefault(picture.tobytes(), (name, picture))
    names, images = zip(*found.values(), strict=True)
    np.savez_compressed(out, images=np.stack(images), names=np.array(names))
    print(f"{len(images):,} pictures")


if __name__ == "__main__":
    main()
