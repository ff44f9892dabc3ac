"""What the model makes while it learns: the same holes, the same seeds, again and again; a filmstrip."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Generator, nn

from studio.files import atomic_path, write_atomic
from studio.media.export import enlarge
from studio.media.images import image_tokenizer
from studio.media.texts import TextTokenizer
from studio.prime.policies import from_nothing
from studio.prime.sampling import sample
from studio.training.evaluation import numpy_denoiser
from studio.training.masks import picture_regions, text_regions
from studio.training.prepare import TOKENIZER_FILES, Prepared
from studio.training.recipe import Recipe
from studio.training.run_folder import PREVIEWS

SAMPLES = 8  # pictures; for every second one the hole is the whole picture
TEXTS = 4
STEPS = 16


class Previews:
    """Fixed held-out samples with fixed holes. `make` fills them with the network as it is now."""

    def __init__(self, recipe: Recipe, prepared: Prepared, folder: Path):
        self.recipe, self.prepared, self.folder = recipe, prepared, folder
        tokens = prepared.valid.numpy()
        count = min(len(tokens), SAMPLES if recipe.modality == "image" else TEXTS)
        tokens = tokens[np.linspace(0, len(tokens) - 1, count).astype(int)]
        generator = Generator().manual_seed(0)
        if recipe.modality == "image":
            regions = picture_regions(count, recipe.tokens.grid[0], recipe.tokens.grid[1], generator).numpy()
            regions = np.repeat(regions, recipe.colors, axis=1)
            regions[1::2] = True
        else:
            regions = text_regions(count, tokens.shape[1], generator).numpy()
            regions[-1:] = True
        self.tokens, self.holes = tokens, regions
        digits = prepared.subtokens.encode(tokens)
        self.start = np.where(regions[..., None], prepared.subtokens.mask_id, digits)

    def make(self, network: nn.Module, device: torch.device, step: int) -> Path:
        """Fill the holes and write previews/STEP.png or .txt; returns the file."""
        defaults = self.recipe.defaults
        options: dict[str, Any] = {
            "steps": min(STEPS, defaults.get("steps", STEPS)),
            "granularity": min(self.recipe.tokens.granularities),
            "temperature": 0.8,
            "policy": "confidence",
        }
        names = ("schedule", "policy", "granularity", "temperature", "temperature_slope", "top_p", "top_k", "remask")
        options |= {name: defaults[name] for name in names if name in defaults}
        denoise, made = numpy_denoiser(network, device), self.tokens.copy()
        whole = self.holes.all(axis=1) & (self.recipe.modality == "image")
        # As in the studio, but in as many steps.
        for some, more in ((~whole, {}), (whole, from_nothing(options["policy"]) | {"steps": options["steps"]})):
            which = np.flatnonzero(some)
            if len(which):
                seeds = which.tolist()
                frames = sample(denoise, self.prepared.subtokens, self.start[which], seeds=seeds, **options | more)
                made[which] = self.prepared.subtokens.decode(deque(frames, maxlen=1).pop().y)
        write: Callable[[NDArray, int], Path] = self._picture if self.recipe.modality == "image" else self._text
        return write(made, step)

    def _tokenizer_file(self) -> Path | None:
        name = TOKENIZER_FILES[self.recipe.tokens.tokenizer]
        return None if name is None else self.folder / name

    def _picture(self, made: NDArray[np.int64], step: int) -> Path:
        """Three rows: what is given, what was made, how it was. Enlarged so that a pixel can be seen."""
        height, width = self.recipe.tokens.grid
        tokenizer = image_tokenizer(self.recipe.tokens.tokenizer, (height, width), self._tokenizer_file())
        given = tokenizer.rough(self.start, self.prepared.subtokens)
        rows = np.stack([given, tokenizer.decode(made), tokenizer.decode(self.tokens)])  # (3, N, H, W, 3)
        framed = np.pad(rows, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)), constant_values=200)
        sheet = framed.transpose(0, 2, 1, 3, 4).reshape(3 * (height + 2), -1, 3)
        sheet = enlarge(sheet, max(1, 64 // height))
        path = self.folder / PREVIEWS / f"{step:08}.png"
        with atomic_path(path) as temporary:
            Image.fromarray(sheet).save(temporary)
        return path

    def _text(self, made: NDArray[np.int64], step: int) -> Path:
        """What was made stands between ⟦ and ⟧."""
        file = self._tokenizer_file()
        assert file is not None
        tokenizer = TextTokenizer(file)
        pieces = []
        for tokens, hole in zip(made, self.holes, strict=True):
            edges = np.flatnonzero(np.diff(hole.astype(np.int8), prepend=0, append=0))
            parts, last = [], 0
            for begin, end in zip(edges[::2], edges[1::2], strict=True):
                parts += [tokenizer.decode(tokens[last:begin]), "⟦", tokenizer.decode(tokens[begin:end]), "⟧"]
                last = end
            pieces.append("".join([*parts, tokenizer.decode(tokens[last:])]).strip())
        path = self.folder / PREVIEWS / f"{step:08}.txt"
        write_atomic(path, "\n\n────\n\n".join(pieces).encode("utf-8"))
        return path
