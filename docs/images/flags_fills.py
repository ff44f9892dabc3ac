"""Fill holes in new flags with two models, side by side: rows are given, model by model, original. OUT MODEL MODEL

PYTHONPATH=. .venv/bin/python docs/images/flags_fills.py docs/images/flags-fills.png emoji-32 flags-32
"""

import sys
from collections import deque
from pathlib import Path

import numpy as np
from flags import KINDS, flag
from PIL import Image

from studio.generation import generate, picture_request, pictures_of
from studio.media.frames import WorkingFrame
from studio.runtime.catalog import find_bundle
from studio.runtime.denoiser import OnnxDenoiser

PAPER = 190


def main(out: Path, models: list[str]) -> None:
    rng = np.random.default_rng(2026)  # other flags than the 64 that were learned from
    pictures = [np.asarray(flag(kind, rng)) for kind in KINDS]
    holes = []
    for index in range(len(pictures)):
        hole = np.zeros((32, 32), dtype=np.bool_)
        if index % 2:
            hole[10:, 8:24] = True
        else:
            hole[:, 15:] = True
        holes.append(hole)
    rows = [[np.where(hole[..., None], PAPER, picture) for picture, hole in zip(pictures, holes, strict=True)]]
    for model in models:
        bundle = find_bundle(model)
        denoise = OnnxDenoiser(bundle, "cpu")
        row = []
        for picture, hole in zip(pictures, holes, strict=True):
            request = picture_request(bundle, picture, hole, frame=WorkingFrame(0, 0, 32), seeds=(1,))
            last = deque(generate(request, bundle, denoise), maxlen=1).pop()
            row.append(pictures_of(request, bundle, last.y, picture)[0])
        rows.append(row)
    rows.append(pictures)
    framed = np.pad(np.array(rows, dtype=np.uint8), ((0, 0), (0, 0), (2, 2), (2, 2), (0, 0)), constant_values=235)
    sheet = framed.transpose(0, 2, 1, 3, 4).reshape(len(rows) * 36, -1, 3).repeat(3, axis=0).repeat(3, axis=1)
    Image.fromarray(sheet).save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
