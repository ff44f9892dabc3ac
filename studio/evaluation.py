"""How well a model knows data it has not seen: bundle and data to figures, or to a map of surprise."""

import gzip
import hashlib
import json
import math
import zipfile
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.files import write_atomic
from studio.generation import Denoiser, picture_tokenizer, text_tokenizer
from studio.generation.building import check_granularity
from studio.media.compressors import picture_bytes, text_bytes
from studio.media.gapped import valid
from studio.media.images import SUFFIXES, load_picture
from studio.media.texts import MAX_TEXT_BYTES, load_text, places_in, unix_lines
from studio.prime.likelihood import joint_loss, marginal_bound, step_bound, surprises
from studio.prime.schedules import alpha_grid
from studio.runtime.format import MANIFEST

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle

OnCall = Callable[[int, int], None]
"""(network calls made, calls in all)."""

BATCH = 8
"""States a network call, fewer where their logits would take more than 256 MB."""

# What NumPy raises for an .npz that is none: the last two for what is no archive, and for an array that claims to be
# larger than the memory.
_NO_ARRAYS = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, TypeError, MemoryError)

NO_TEXTS = (*SUFFIXES, ".npz", ".npy", ".parquet", ".zip", ".primebundle", ".onnx", ".pdf", ".docx")
"""Endings of what is no text, whatever is in it."""

# Dark to light in steps that grey keeps apart: black, violet, red, orange, pale yellow.
_HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]])


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Data as a model sees it. tokens: int64 (N, L). units: (key, name, mean number in a sample), the main one first.

    of: what a figure is of, where that is not plain. sha256: of all the tokens, before any were left out.
    """

    name: str
    tokens: NDArray[np.int64]
    units: tuple[tuple[str, str, float], ...]
    of: str
    sha256: str


def read_data(bundle: "Bundle", path: str | Path, batches: int | None = None) -> HeldOut:
    """Held-out data for a model: for pictures an .npz with `images`, a folder of pictures or one picture, of just the
    model's size; for texts a UTF-8 file, .gz or not, cut into windows of the model's context.

    batches: take only so many times `BATCH` samples, evenly spread. StudioError for what does not fit the model.
    """
    path = Path(path)
    if bundle.manifest.modality == "image":
        tokens = picture_tokenizer(bundle).encode(read_pictures(path, bundle.manifest.grid))
    else:
        tokens = _windows(text_tokenizer(bundle).encode(unix_lines(read_text(path))), bundle.num_tokens)
    sha256 = hashlib.sha256(tokens.astype("<u4").tobytes()).hexdigest()
    if batches is not None and batches * BATCH < len(tokens):
        tokens = tokens[np.linspace(0, len(tokens) - 1, batches * BATCH).astype(int)]
    return HeldOut(valid(path.name), tokens, _units(bundle, tokens), _of(bundle), sha256)


def evaluate(
    bundle: "Bundle",
    denoise: Denoiser,
    data: HeldOut,
    *,
    bound: str = "marginal",
    granularities: Sequence[int],
    steps: int | None = None,
    schedule: str | None = None,
    pairs: int = 1,
    seed: int = 0,
    on_call: OnCall = lambda done, calls: None,
) -> list[dict[str, Any]]:
    """Figures of `bound`, "marginal", "step" or "joint" (the joint loss, which is no bound), for each granularity.

    A figure is a dict for JSON: bound, what, granularity, nats and nats_error (standard error) a sample,
    nats_per_token, for a bound also bits_per_token, perplexity_per_token and bits_per_… with its error, samples,
    pairs, seed; steps and schedule for "step", from the model's defaults if None. None stands for what is infinite
    or not known. pairs: antithetic pairs of states a sample. StudioError for what the model was not trained for.
    """
    count, length = data.tokens.shape
    batch = max(1, min(BATCH, (1 << 26) // (length * bundle.subtokens.vocab_size)))
    counted = _counted(denoise, on_call, len(granularities) * math.ceil(2 * pairs * count / batch))
    process = _process(bundle, steps, schedule) if bound == "step" else {}
    estimate = {"marginal": marginal_bound, "step": partial(step_bound, **process), "joint": joint_loss}[bound]
    figures = []
    for granularity in _trained(bundle, granularities):
        with _blamed(bundle):
            result = estimate(
                counted, bundle.subtokens, data.tokens, granularity=granularity, pairs=pairs, seed=seed, batch=batch
            )
        figure = result.figure({key: number for key, _, number in data.units})
        figures.append({"bound": bound} | process | figure | {"pairs": pairs, "seed": seed})
    return figures


def compressors(bundle: "Bundle", data: HeldOut) -> list[dict[str, Any]]:
    """What lossless compressors make of the very same data: dicts for JSON of name and bits_per_… of its units."""
    if bundle.manifest.modality == "image":
        sizes = picture_bytes(picture_tokenizer(bundle).decode(data.tokens), data.tokens)
    else:
        sizes = text_bytes(text_tokenizer(bundle).decode_bytes(data.tokens.ravel()))
    count = len(data.tokens)
    return [
        {"name": name} | {f"bits_per_{key}": float(f"{8 * size / count / number:.6g}") for key, _, number in data.units}
        for name, size in sizes.items()
    ]


def picture_surprise(
    bundle: "Bundle",
    denoise: Denoiser,
    picture: NDArray[np.uint8],
    on_call: OnCall = lambda done, calls: None,
) -> NDArray[np.float64]:
    """−log₂ p(pixel | all the others), float64 (H, W), of a picture uint8 (H, W, 3) of the model's size.

    With three tokens a pixel it is the sum over them, each given all others. StudioError for another size.
    """
    height, width = bundle.manifest.grid
    if picture.shape != (height, width, 3):
        raise StudioError(
            f"{bundle.name} takes pictures of {width}×{height} pixels, not {picture.shape[1]}×{picture.shape[0]}."
        )
    tokens, judged = picture_tokenizer(bundle).encode(picture), []
    with _blamed(bundle):
        for _, nats in surprises(denoise, bundle.subtokens, tokens, context=bundle.num_tokens, batch=BATCH):
            judged.append(nats / math.log(2))
            on_call(len(judged), math.ceil(len(tokens) / BATCH))
    return np.concatenate(judged).reshape(height, width, -1).sum(axis=-1)


def text_surprise(
    bundle: "Bundle", denoise: Denoiser, text: str, on_call: OnCall = lambda done, calls: None
) -> list[tuple[bytes, float]]:
    """(bytes, −log₂ p(token | all the others)) of each token of a text, as `text_surprises` has them."""
    pieces = text_tokenizer(bundle).pieces
    calls, stream = text_surprises(bundle, denoise, text)
    judged = []
    for done, some in enumerate(stream, 1):
        judged += [(pieces[one.token], one.bits) for one in some]
        on_call(done, calls)
    return judged


@dataclass(frozen=True)
class JudgedToken:
    """A token of a text, the characters it stands for, and −log₂ p(token | all the others).

    A character that is split over tokens is the first one's; the others have no characters then.
    """

    token: int
    start: int
    stop: int
    bits: float


def text_surprises(
    bundle: "Bundle", denoise: Denoiser, text: str, start: int = 0, stop: int | None = None, *, begin: int = 0
) -> tuple[int, Iterator[list[JudgedToken]]]:
    """How many network calls it takes to judge a text, and its judged tokens in order, a few from each call.

    The text is set between newlines as in training. Of a text longer than the context each token is judged by what
    stands around it. start, stop: judge only tokens of these characters. begin: where among them to begin; what stands
    before it comes last. StudioError for an empty text, at the call.
    """
    tokenizer = text_tokenizer(bundle)
    newline, tokens = tokenizer.encode("\n"), tokenizer.encode(unix_lines(text))
    if not tokens:
        raise StudioError("The text is empty: nothing to judge.")
    places = [*places_in(text, tokenizer.character_starts(tokens)), len(text)]
    whole = np.array([*newline, *tokens, *newline])
    first = bisect_right(places, start) - 1
    last = len(tokens) if stop is None else bisect_left(places, stop, hi=len(tokens))
    if stop is not None and first >= last:
        raise StudioError("Nothing is selected: select the words to be judged.")
    middle = min(max(bisect_right(places, begin) - 1, first), last)
    parts = [(low, high) for low, high in ((middle, last), (first, middle)) if low < high]

    def stream() -> Iterator[list[JudgedToken]]:
        options = {"context": bundle.num_tokens, "batch": BATCH}
        for low, high in parts:
            options |= {"start": low + len(newline), "stop": high + len(newline)}
            with _blamed(bundle):
                for at, nats in surprises(denoise, bundle.subtokens, whole, **options):
                    yield [
                        JudgedToken(tokens[i], places[i], places[i + 1], float(value))
                        for i, value in zip((at - len(newline)).tolist(), nats / math.log(2), strict=True)
                    ]

    return sum(math.ceil((high - low) / BATCH) for low, high in parts), stream()


def heat_map(bits: NDArray[np.float64], top: float) -> NDArray[np.uint8]:
    """Surprise (H, W) as colours uint8 (H, W, 3), from black at 0 to pale yellow at `top` and above.

    Lightness rises all the way, so that it can be read in grey.
    """
    places = np.linspace(0, top, len(_HEAT))
    return np.rint(np.stack([np.interp(bits, places, _HEAT[:, c]) for c in range(3)], axis=-1)).astype(np.uint8)


def write_likelihood(
    bundle: "Bundle", data: HeldOut, figures: list[dict[str, Any]], beside: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Put figures of bounds into the bundle's manifest.json, whole or not at all; returns its `likelihood` now.

    Figures of the same data stay, but for those made anew with the same options; those of other data go. `beside`:
    what `compressors` gave. The digest of the bundle changes with its manifest. StudioError where it cannot be written.
    """
    path = bundle.path / MANIFEST
    manifest = json.loads(path.read_bytes())
    stored = manifest.get("likelihood") or {}
    if stored.get("sha256") != data.sha256:
        stored = {}
    kept = stored.get("figures", [])
    if not isinstance(kept, list):
        kept = []

    def key(figure: Any) -> list[Any]:
        return [figure.get(name) for name in ("bound", "granularity", "steps", "schedule")]

    new = [key(figure) for figure in figures]
    figures = [figure for figure in kept if isinstance(figure, dict) and key(figure) not in new] + figures
    manifest["likelihood"] = {"data": data.name, "sha256": data.sha256, "of": data.of, "figures": figures}
    if beside := beside or stored.get("compressors"):
        manifest["likelihood"]["compressors"] = beside
    write_atomic(path, json.dumps(manifest, indent=1).encode())
    return manifest["likelihood"]


def read_text(path: str | Path) -> str:
    """A UTF-8 text file, or one with .gz behind its name. StudioError for anything else, and for an empty one."""
    path = Path(path)
    if Path(path.name.removesuffix(".gz")).suffix.lower() in NO_TEXTS:  # its bytes can be UTF-8 by chance
        raise StudioError(f"{path} is no text by its name: name a text in UTF-8, such as a .txt or .txt.gz.")
    if path.suffix != ".gz":
        text = load_text(path)
    else:
        try:
            with gzip.open(path) as file:
                data = file.read(MAX_TEXT_BYTES + 1)
            text = data.decode("utf-8-sig")
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise StudioError(f"{path} cannot be read as compressed UTF-8 text: check the file.") from error
        if len(data) > MAX_TEXT_BYTES:
            raise StudioError(f"{path} holds more than {MAX_TEXT_BYTES // 1_000_000} MB: take a part of it.")
    if not text:
        raise StudioError(f"{path} is empty: nothing to judge.")
    return text


def read_pictures(path: Path, grid: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 (N, H, W, 3), all of the model's size."""
    size = f"{grid[1]}×{grid[0]}"
    if path.suffix == ".npz":
        try:
            # Opened here, because NumPy leaves a damaged file open.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                pictures = arrays["images"]
        except _NO_ARRAYS as error:
            raise StudioError(f"{path} cannot be read as an .npz with an array `images`: check the file.") from error
        fits = isinstance(pictures, np.ndarray) and pictures.dtype == np.uint8 and pictures.shape[1:] == (*grid, 3)
        if not fits or not len(pictures):
            raise StudioError(f"The images in {path} must be uint8 of shape (N, {grid[0]}, {grid[1]}, 3).")
        return pictures
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise StudioError(f"{path} holds no pictures: use {', '.join(SUFFIXES)}.")
    found = []
    for file in files:
        picture = load_picture(file).rgb
        if picture.shape[:2] != grid:
            raise StudioError(
                f"{file} has {picture.shape[1]}×{picture.shape[0]} pixels, the model {size}: crop or reduce it first."
            )
        found.append(picture)
    return np.stack(found)


def _windows(tokens: list[int], length: int) -> NDArray[np.int64]:
    """Consecutive windows (N, length); what is left at the end is left out, unless it is all there is."""
    length = min(length, len(tokens))
    count = len(tokens) // length
    return np.array(tokens[: count * length], dtype=np.int64).reshape(count, length)


def _units(bundle: "Bundle", tokens: NDArray[np.int64]) -> tuple[tuple[str, str, float], ...]:
    if bundle.manifest.modality == "image":
        name = "colour value" if bundle.manifest.tokenizer.kind == "rgb" else "pixel"
        return (("dimension", name, float(tokens.shape[1])),)
    return tuple((unit, unit, number) for unit, number in text_tokenizer(bundle).units(tokens).items())


def _of(bundle: "Bundle") -> str:
    return {
        "palette": "pictures in the colours of the model's palette, one token a pixel",
        "rgb": "pictures as they are, three tokens a pixel",
        "bpe": "windows of the text in the model's own tokens, each without what stands before it",
    }[bundle.manifest.tokenizer.kind]


def _trained(bundle: "Bundle", granularities: Sequence[int]) -> Sequence[int]:
    """The granularities themselves; StudioError unless the model was trained for all of them."""
    for granularity in granularities:
        check_granularity(bundle, granularity)
    return granularities


def _process(bundle: "Bundle", steps: int | None, schedule: str | None) -> dict[str, Any]:
    """Steps and schedule of the sampler, the model's own if None."""
    defaults = bundle.manifest.defaults
    steps = defaults.steps if steps is None else steps
    schedule = defaults.schedule if schedule is None else schedule
    try:
        alpha_grid(schedule, steps)
    except ValueError as error:
        raise StudioError(f"Cannot take these steps: {error}.") from error
    return {"steps": steps, "schedule": schedule}


def _counted(denoise: Denoiser, on_call: OnCall, calls: int) -> Denoiser:
    """The same network, that tells of every call."""
    done = 0

    def call(y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        nonlocal done
        logits = denoise(y, rows)
        done += 1
        on_call(done, calls)
        return logits

    return call


@contextmanager
def _blamed(bundle: "Bundle") -> Iterator[None]:
    """All else has been checked, so a ValueError is the network's fault: it becomes a StudioError."""
    try:
        yield
    except ValueError as error:
        raise StudioError(f"The model {bundle.name} does not work: {error}; import it again.") from error
