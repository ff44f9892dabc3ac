"""From a recipe to what a run needs: the tokenizer's file, the data as tokens, the network."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from studio.datasets.collecting import open_or_collect
from studio.datasets.store import Dataset
from studio.errors import StudioError
from studio.files import atomic_path, write_atomic
from studio.media.images import load_palette, save_palette
from studio.media.palette import build_palette, nearest
from studio.media.texts import train_tokenizer
from studio.prime.subtokens import Subtokens
from studio.training.data import PictureData, TextData
from studio.training.networks import Network, build_network
from studio.training.recipe import Recipe
from studio.training.wordtree import renumber, tree_order, usage_vectors

TOKENIZER_FILES = {"palette": "palette.json", "rgb": None, "bpe": "tokenizer.json"}
VALID_WINDOWS = 64  # held-out windows of text that are looked at
VALID_PICTURES = 256  # and pictures
PALETTE_PIXELS = 1 << 22
TOKENIZER_BYTES = 1 << 26
CHUNK = 4096  # pictures that are turned into tokens at a time
ENCODED = 1 << 20  # characters; what a tokenizer makes of them is a hundred times as large until it is an array

Report = Callable[[dict[str, Any]], None]
Places = NDArray[np.int64]


@dataclass
class Prepared:
    data: PictureData | TextData
    valid: Tensor  # int64 (N, L) held-out tokens
    subtokens: Subtokens
    network: Network
    source: Path  # the dataset's folder; a run cannot go on without it


def prepare(recipe: Recipe, folder: Path, report: Report = lambda event: None) -> Prepared:
    """Make data and tokenizer ready, once (they are kept in `folder`), and build the network.

    report: called with events "preparing" (what; done and of, where known).
    """
    tokens = recipe.tokens
    torch.manual_seed(recipe.training.seed)
    network = build_network(recipe.network_settings())
    data, valid, dataset = (_pictures if recipe.modality == "image" else _text)(recipe, folder, network, report)
    subtokens = Subtokens(tokens.vocab_size, tokens.length, tokens.base)
    return Prepared(data, valid, subtokens, network, dataset.folder)


def take_tokenizer(bundle: Path, recipe: Recipe, folder: Path) -> None:
    """Copy the palette or the pieces of the bundle that a run starts from into the run's folder."""
    name = TOKENIZER_FILES.get(recipe.tokens.tokenizer)
    if name is None:
        return
    try:
        write_atomic(folder / name, (bundle / name).read_bytes())
    except OSError as error:
        raise StudioError(f"{bundle} has no {name}: start from a bundle made for the same tokens.") from error


def take_weights(bundle: Path, network: Network) -> None:
    """Load a bundle's weights into the network. StudioError where they are another network's."""
    try:
        weights = load_file(bundle / "weights.safetensors")
    except (OSError, SafetensorError) as error:
        raise StudioError(f"Cannot read the weights of {bundle}: {error}.") from error
    shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
    if shapes != {name: weight.shape for name, weight in weights.items()}:
        raise StudioError(f"{bundle} holds another network than the recipe's: start from a bundle of the same sizes.")
    network.load_state_dict({name: weight.float() for name, weight in weights.items()}, strict=False)


def _pictures(recipe: Recipe, folder: Path, network: Network, report: Report) -> tuple[PictureData, Tensor, Dataset]:
    height, width = recipe.tokens.grid
    train, places, valid_set, valid_places = _split(recipe, folder, report)
    spread = np.linspace(0, len(valid_places) - 1, min(len(valid_places), VALID_PICTURES)).astype(int)
    valid = valid_set.pixels[valid_places[spread]]
    palette = None
    tokens = train.pixels.reshape(len(train), -1)  # rgb: the pixels are the tokens
    if recipe.tokens.tokenizer == "palette":
        palette = _palette(recipe, folder, train, places)
        _show_colors(network, palette)
        tokens = _palette_tokens(folder, train, palette, report)
        valid = nearest(palette, valid)
    data = PictureData(
        tokens=tokens,
        places=places,
        grid=(height, width),
        colors=recipe.colors,
        palette=None if palette is None else torch.from_numpy(palette).float(),
        shift=recipe.data.shift,
        flip=recipe.data.flip,
        color_jitter=recipe.data.color_jitter,
    )
    return data, torch.from_numpy(valid.reshape(len(valid), -1).astype(np.int64)), train


def _split(recipe: Recipe, folder: Path, report: Report) -> tuple[Dataset, Places, Dataset, Places]:
    """(training data, places in it, held-out data, places in it); content decides where one dataset is split."""
    data, grid = recipe.data, None
    if recipe.modality == "image":
        grid = (recipe.tokens.grid[0], recipe.tokens.grid[1])

    def read(source: str, name: str) -> Dataset:
        def tell(counts: dict[str, int]) -> None:
            report({"event": "preparing", "what": f"reading the {name} data", "done": counts["kept"]})

        found = open_or_collect(Path(source), folder / "data" / name, grid, data.fit, data.column, tell)
        if words := found.column_words():
            report({"event": "log", "level": "info", "message": f"Of the {name} data {words}."})
        return found

    if not data.train:
        raise StudioError("The recipe names no training data: fill in data.train, or name them with --data.")
    train = read(data.train, "train")
    if data.valid:
        valid = read(data.valid, "valid")
        return train, np.arange(len(train)), valid, np.arange(len(valid))
    held = train.held_out(data.valid_share)
    if held.all() or not held.any():
        source = train.table.get("source", data.train)  # what its user opened, not our copy of it
        raise StudioError(f"{source} holds only one thing that can be learned from: add different ones.")
    return train, np.flatnonzero(~held), train, np.flatnonzero(held)


def _palette(recipe: Recipe, folder: Path, dataset: Dataset, places: Places) -> NDArray[np.uint8]:
    """The run's palette; a new one is made from at most four million pixels, of pictures spread evenly."""
    file = folder / "palette.json"
    if not file.exists():
        depth = recipe.tokens.vocab_size.bit_length() - 1
        count = max(1, min(len(places), PALETTE_PIXELS // (recipe.tokens.grid[0] * recipe.tokens.grid[1])))
        some = places[np.linspace(0, len(places) - 1, count).astype(int)]
        save_palette(file, build_palette(dataset.pixels[some], depth))
    palette = load_palette(file)
    if len(palette) != recipe.tokens.vocab_size:
        raise StudioError(f"The palette has {len(palette)} colours, not {recipe.tokens.vocab_size}: mend vocab_size.")
    return palette


def _palette_tokens(folder: Path, dataset: Dataset, palette: NDArray[np.uint8], report: Report) -> NDArray[Any]:
    """(N, H·W), mapped from the run's folder; made once for this dataset and palette."""
    kind = np.dtype(np.uint8 if len(palette) <= 256 else np.uint16)
    shape = (len(dataset), dataset.pixels.shape[1] * dataset.pixels.shape[2])
    path = folder / "data" / "train.tokens"

    def chunks() -> Iterator[NDArray[Any]]:
        for start in range(0, len(dataset), CHUNK):
            report({"event": "preparing", "what": "pictures to palette colours", "done": start, "of": len(dataset)})
            yield nearest(palette, dataset.pixels[start : start + CHUNK]).astype(kind)

    _once(path, [dataset.digest, palette.tobytes().hex()], chunks)
    return np.memmap(path, dtype=kind, mode="r", shape=shape)


def _once(path: Path, key: list[Any], chunks: Callable[[], Iterable[NDArray[Any]]]) -> None:
    """Write the chunks to a file, unless it was made before from the same things."""
    mark = path.with_suffix(".key")
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    if path.exists() and mark.exists() and mark.read_text() == digest:
        return
    mark.unlink(missing_ok=True)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for chunk in chunks():
            file.write(chunk.tobytes())
    write_atomic(mark, digest.encode())


def _show_colors(network: Network, palette: NDArray[np.uint8]) -> None:
    """Let the class table start with the colours, so that the network sees a picture from the first step."""
    table = getattr(network, "class_embedding", None)
    if table is not None:
        with torch.no_grad():
            table[:, :3] = torch.from_numpy(palette).float() / 127.5 - 1


def _text(recipe: Recipe, folder: Path, network: Network, report: Report) -> tuple[TextData, Tensor, Dataset]:
    context, vocab_size = recipe.tokens.grid[0], recipe.tokens.vocab_size
    train_set, train_places, valid_set, valid_places = _split(recipe, folder, report)
    file = folder / "tokenizer.json"
    if not file.exists():
        report({"event": "preparing", "what": "learning the pieces of words"})
        write_atomic(file, _train_tokenizer(train_set, train_places, vocab_size).to_str().encode())
    tokenizer = Tokenizer.from_file(str(file))
    if tokenizer.get_vocab_size() != vocab_size:
        raise StudioError(f"The tokenizer has {tokenizer.get_vocab_size()} pieces, not {vocab_size}: mend vocab_size.")
    train = _text_tokens(folder / "data" / "train.tokens", tokenizer, train_set, train_places, report)
    valid = _text_tokens(folder / "data" / "valid.tokens", tokenizer, valid_set, valid_places, report)
    if min(len(train), len(valid)) < 2 * context:
        raise StudioError(f"The text is too short: training and held-out data need {2 * context} tokens each.")
    count = len(valid) // context
    spread = np.linspace(0, count - 1, min(count, VALID_WINDOWS)).astype(int)
    windows = np.stack([valid[place * context : (place + 1) * context] for place in spread]).astype(np.int64)
    return TextData(train, context), torch.from_numpy(windows), train_set


def _text_tokens(path: Path, tokenizer: Tokenizer, dataset: Dataset, places: Places, report: Report) -> NDArray[Any]:
    """All tokens of the texts at `places`, (N,), mapped from the run's folder; made once."""
    kind = np.dtype(np.uint16 if tokenizer.get_vocab_size() <= 1 << 16 else np.int32)

    def counted() -> Iterator[str]:
        for done, text in enumerate(dataset.texts(places)):
            if done % 256 == 0:
                report({"event": "preparing", "what": "text to tokens", "done": done, "of": len(places)})
            yield text

    def chunks() -> Iterator[NDArray[Any]]:
        return (tokens.astype(kind) for tokens in _encoded(tokenizer, counted()))

    _once(path, [dataset.digest, tokenizer.to_str(), hashlib.sha256(places.tobytes()).hexdigest()], chunks)
    return np.memmap(path, dtype=kind, mode="r")


def _encoded(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[NDArray[np.int32]]:
    """The tokens of all texts, some at a time. Line by line: newlines are tokens of their own, unlike other ends."""
    lines: list[str] = []
    size = 0
    for text in texts:
        for line in StringIO(text):
            lines.append(line)
            size += len(line)
            if size >= ENCODED:
                yield _encode(tokenizer, lines)
                lines, size = [], 0
    if lines:
        yield _encode(tokenizer, lines)


def _encode(tokenizer: Tokenizer, lines: list[str]) -> NDArray[np.int32]:
    encodings = tokenizer.encode_batch(lines, add_special_tokens=False)
    return np.concatenate([np.asarray(encoding.ids, dtype=np.int32) for encoding in encodings])


def _train_tokenizer(dataset: Dataset, places: Places, vocab_size: int) -> Tokenizer:
    """From at most 64 MB of text, spread evenly."""
    share = min(1.0, TOKENIZER_BYTES / max(1, dataset.table["bytes"]))
    some = places[np.linspace(0, len(places) - 1, max(1, round(share * len(places)))).astype(int)]

    def lines() -> Iterator[str]:
        for text in dataset.texts(some):
            yield from StringIO(text)

    tokenizer = train_tokenizer(lines(), vocab_size)
    tokens = np.concatenate(list(_encoded(tokenizer, dataset.texts(some)))).astype(np.int64)
    return renumber(tokenizer, tree_order(usage_vectors(tokens, vocab_size)))
