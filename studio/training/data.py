"""Training data: files to tokens, and batches in an order that a checkpoint can take up again."""

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Generator, Tensor

from studio.errors import StudioError
from studio.media.images import Picture, load_picture

PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}


def read_pictures(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    """(N, height, width, 3) uint8 from a folder or zip of pictures or an .npz with `images`.

    Pictures of another size are cropped to the model's aspect around their middle and reduced (Lanczos).
    Raises StudioError where nothing usable is found.
    """
    if not path.exists():
        raise StudioError(f"There is no data at {path}: check the path in the recipe, or give --data.")
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as arrays:
                pictures = arrays["images"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
            raise StudioError(f"{path} holds no array named 'images' of shape (N, {height}, {width}, 3).") from error
        if pictures.dtype != np.uint8 or pictures.shape[1:] != (height, width, 3):
            raise StudioError(f"The images in {path} must be uint8 of shape (N, {height}, {width}, 3).")
        return pictures
    pictures = [_fit(picture, height, width) for picture in _pictures(path)]
    if not pictures:
        raise StudioError(f"{path} holds no pictures: use a folder or zip of {', '.join(sorted(PICTURE_SUFFIXES))}.")
    return np.stack(pictures)


def _pictures(path: Path) -> Iterator[Picture]:
    if path.suffix != ".zip":
        yield from (load_picture(file) for file in sorted(path.rglob("*")) if _is_picture(file.name))
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(filter(_is_picture, archive.namelist())):
                yield load_picture(f"{path}/{name}", archive.read(name))
    except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:  # RuntimeError: the archive has a password
        raise StudioError(f"{path} is no readable zip archive: {error}.") from error


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in PICTURE_SUFFIXES


def _fit(picture: Picture, height: int, width: int) -> NDArray[np.uint8]:
    """Cropped around the middle to the model's aspect and reduced, on white."""
    if picture.size == (width, height):
        return picture.rgb
    return np.asarray(ImageOps.fit(Image.fromarray(picture.rgb), (width, height), Image.Resampling.LANCZOS))


def read_text(path: Path) -> str:
    """The text of a file (.txt, .md, or either with .gz) or of all such files of a folder, joined by newlines."""
    if not path.exists():
        raise StudioError(f"There is no data at {path}: check the path in the recipe, or give --data.")
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in {".txt", ".md"})
        if not files:
            raise StudioError(f"{path} holds no .txt or .md files.")
        return "\n".join(read_text(file) for file in files)
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StudioError(f"{path} is not UTF-8 text: convert it first.") from error


@dataclass
class PictureData:
    """Pictures as tokens (N, L), held in memory, with augmentation on the fly.

    A colour change is a table of C entries a sample, since the tokens are palette colours (or values).
    """

    tokens: Tensor  # int16 (N, L)
    grid: tuple[int, int]
    colors: int  # tokens a pixel
    palette: Tensor | None = None  # float32 (C, 3)
    shift: int = 0
    flip: bool = False
    color_jitter: float = 0.0  # share of samples whose colours are turned

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, indices: Tensor, generator: Generator) -> Tensor:
        """int64 (B, L) on the generator's device."""
        device = generator.device
        height, width = self.grid
        self.tokens = self.tokens.to(device)
        tokens = self.tokens[indices.to(device)].long().view(-1, height, width, self.colors)
        count = len(tokens)
        rows = torch.arange(height, device=device).expand(count, -1)
        columns = torch.arange(width, device=device).expand(count, -1)
        if self.flip:
            flipped = torch.rand((count, 1), generator=generator, device=device) < 0.5
            columns = torch.where(flipped, width - 1 - columns, columns)
        if self.shift:
            moves = torch.randint(-self.shift, self.shift + 1, (2, count, 1), generator=generator, device=device)
            rows = (rows + moves[0]).clamp(0, height - 1)
            columns = (columns + moves[1]).clamp(0, width - 1)
        samples = torch.arange(count, device=device)[:, None, None]
        tokens = tokens[samples, rows[:, :, None], columns[:, None, :]]
        if self.color_jitter and self.palette is not None:
            tokens = self._recolor(tokens, generator)
        return tokens.flatten(1)

    def _recolor(self, tokens: Tensor, generator: Generator) -> Tensor:
        """Permute the colour channels of a share of the samples, through the nearest palette colours."""
        assert self.palette is not None
        device = generator.device
        palette = self.palette.to(device)
        chosen = torch.rand(len(tokens), generator=generator, device=device) < self.color_jitter
        order = torch.rand((len(tokens), 3), generator=generator, device=device).argsort(-1)
        order = torch.where(chosen[:, None], order, torch.arange(3, device=device))
        turned = palette[:, order].permute(1, 0, 2)  # (B, C, 3)
        table = ((palette**2).sum(-1) - 2 * turned @ palette.T).argmin(-1)
        return table.gather(1, tokens.flatten(1)).view(tokens.shape)


@dataclass
class TextData:
    """One long run of tokens, cut at random places into windows of the context."""

    tokens: Tensor  # int32 (N,)
    context: int

    def __len__(self) -> int:
        return max(1, (len(self.tokens) - 1) // self.context)

    def batch(self, indices: Tensor, generator: Generator) -> Tensor:
        """int64 (B', L) on the generator's device.

        Every window starts at a random place in its part of the text. A quarter of the batches hold
        shorter texts (a half or a quarter of the context), as users write them.
        """
        device = generator.device
        self.tokens = self.tokens.to(device)
        offset = torch.randint(self.context, (len(indices),), generator=generator, device=device)
        starts = (indices.to(device) * self.context + offset).clamp(max=len(self.tokens) - self.context)
        windows = self.tokens[starts[:, None] + torch.arange(self.context, device=device)].long()
        kind = int(torch.randint(8, (), generator=generator, device=device))
        pieces = {0: 2, 1: 4}.get(kind, 1)
        return windows.view(-1, self.context // pieces)


def epoch_order(count: int, epoch: int, seed: int) -> Tensor:
    """The order in which the samples of an epoch come: the same on every process and after every resume."""
    return torch.randperm(count, generator=Generator().manual_seed(seed * 1_000_003 + epoch))


def batch_indices(count: int, batch: int, step: int, seed: int, rank: int = 0, processes: int = 1) -> Tensor:
    """Sample indices of one process at one step; no sample comes twice in an epoch.

    `batch` is that of all processes together. The last, incomplete batch of an epoch is left out, except
    where there are fewer samples than a batch holds: then they are repeated.
    """
    batches = max(1, count // batch)
    order = epoch_order(count, step // batches, seed)
    place = step % batches * batch + torch.arange(batch)[rank::processes]
    return order[place % count]
