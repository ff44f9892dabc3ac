"""From a recipe to what a run needs: the tokenizer's file, the data as tokens, the network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from studio.errors import StudioError
from studio.files import write_atomic
from studio.media.images import load_palette, save_palette
from studio.media.palette import build_palette, nearest
from studio.media.texts import train_tokenizer
from studio.prime.subtokens import Subtokens
from studio.training.data import PictureData, TextData, read_pictures, read_text
from studio.training.networks import Network, build_network
from studio.training.objective import Corruption
from studio.training.recipe import Recipe
from studio.training.wordtree import renumber, tree_order, usage_vectors

TOKENIZER_FILES = {"palette": "palette.json", "rgb": None, "bpe": "tokenizer.json"}
VALID_WINDOWS = 64  # held-out windows of text that are looked at while training


@dataclass
class Prepared:
    data: PictureData | TextData
    valid: Tensor  # int64 (N, L) held-out tokens
    subtokens: Subtokens
    corruption: Corruption
    network: Network


def prepare(recipe: Recipe, folder: Path) -> Prepared:
    """Read the data, make the tokenizer once (it is kept in `folder`), build the network."""
    tokens = recipe.tokens
    if tokens.tokenizer not in TOKENIZER_FILES:
        raise StudioError(f"Unknown tokenizer {tokens.tokenizer!r}: use {', '.join(TOKENIZER_FILES)}.")
    torch.manual_seed(recipe.training.seed)
    network = build_network(recipe.network_settings())
    corruption = Corruption(
        granularities=tokens.granularities,
        weights=tokens.weights or (1.0,) * len(tokens.granularities),
        alpha_exponent=recipe.training.alpha_exponent,
        region_share=recipe.training.region_share,
        grid=tokens.grid if recipe.modality == "image" else (),
        colors=recipe.colors,
    )
    data, valid = (_pictures if recipe.modality == "image" else _text)(recipe, folder, network)
    subtokens = Subtokens(tokens.vocab_size, tokens.length, tokens.base)
    return Prepared(data, valid, subtokens, corruption, network)


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


def _pictures(recipe: Recipe, folder: Path, network: Network) -> tuple[PictureData, Tensor]:
    height, width = recipe.tokens.grid
    train = read_pictures(Path(recipe.data.train), height, width)
    valid = read_pictures(Path(recipe.data.valid), height, width)
    palette = None
    if recipe.tokens.tokenizer == "palette":
        palette = _palette(recipe, folder, train)
        _show_colors(network, palette)
        train, valid = nearest(palette, train), nearest(palette, valid)
    data = PictureData(
        tokens=torch.from_numpy(train.reshape(len(train), -1).astype(np.int16)),
        grid=(height, width),
        colors=recipe.colors,
        palette=None if palette is None else torch.from_numpy(palette).float(),
        shift=recipe.data.shift,
        flip=recipe.data.flip,
        color_jitter=recipe.data.color_jitter,
    )
    return data, torch.from_numpy(valid.reshape(len(valid), -1).astype(np.int64))


def _palette(recipe: Recipe, folder: Path, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    file = folder / "palette.json"
    if not file.exists():
        depth = recipe.tokens.vocab_size.bit_length() - 1
        if 2**depth != recipe.tokens.vocab_size:
            raise StudioError("A palette's vocab_size must be a power of two.")
        save_palette(file, build_palette(pictures, depth))
    return load_palette(file)


def _show_colors(network: Network, palette: NDArray[np.uint8]) -> None:
    """Let the class table start with the colours, so that the network sees a picture from the first step."""
    table = getattr(network, "class_embedding", None)
    if table is not None:
        with torch.no_grad():
            table[:, :3] = torch.from_numpy(palette).float() / 127.5 - 1


def _text(recipe: Recipe, folder: Path, network: Network) -> tuple[TextData, Tensor]:
    context, vocab_size = recipe.tokens.grid[0], recipe.tokens.vocab_size
    text = read_text(Path(recipe.data.train))
    file = folder / "tokenizer.json"
    if not file.exists():
        write_atomic(file, _train_tokenizer(text, vocab_size).to_str().encode())
    tokenizer = Tokenizer.from_file(str(file))
    train = _encode(tokenizer, text)
    valid = _encode(tokenizer, read_text(Path(recipe.data.valid))).astype(np.int64)
    if min(len(train), len(valid)) < 2 * context:
        raise StudioError(f"The text is too short: training and held-out data need {2 * context} tokens each.")
    windows = valid[: len(valid) // context * context].reshape(-1, context)
    spread = np.linspace(0, len(windows) - 1, min(len(windows), VALID_WINDOWS)).astype(int)
    return TextData(torch.from_numpy(train), context), torch.from_numpy(windows[spread])


def _encode(tokenizer: Tokenizer, text: str) -> NDArray[np.int32]:
    """Line by line: newlines are tokens of their own, and long texts are encoded in parallel."""
    encodings = tokenizer.encode_batch(text.splitlines(keepends=True))
    return np.concatenate([np.asarray(encoding.ids, dtype=np.int32) for encoding in encodings])


def _train_tokenizer(text: str, vocab_size: int) -> Tokenizer:
    tokenizer = train_tokenizer(text.splitlines(keepends=True), vocab_size)
    tokens = _encode(tokenizer, text).astype(np.int64)
    return renumber(tokenizer, tree_order(usage_vectors(tokens, vocab_size)))
