"""How good fills are on held-out data, beside simple yardsticks; contact sheets to look at.

Pictures: the middle, the right half and brush strokes are taken out of held-out pictures and filled; eight variations,
and their mean, are compared with biharmonic inpainting, pixel by pixel. Texts: cross-entropy and
top-1 accuracy of hidden tokens beside the best that a token's frequency alone could do, and how far the tokens of
filled gaps are from those that stood there.
"""

import json
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.files import write_atomic
from studio.generation import (
    Denoiser,
    Options,
    finish,
    generate,
    picture_request,
    text_request,
    text_tokenizer,
)
from studio.media.export import contact_grid, save_png, save_text
from studio.runtime.format import MANIFEST

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle

Say = Callable[[str], None]
HIDDEN = 0.15  # share of a text's tokens that is hidden, as in BERT


def picture_masks(height: int, width: int, seed: int = 0) -> dict[str, NDArray[np.bool_]]:
    """The three holes, bool (H, W): about 14 %, 50 % and 20 % of the picture."""
    middle = np.zeros((height, width), dtype=bool)
    middle[height * 5 // 16 : height * 11 // 16, width * 5 // 16 : width * 11 // 16] = True
    half = np.zeros((height, width), dtype=bool)
    half[:, width // 2 :] = True
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    strokes = np.zeros((height, width), dtype=bool)
    for _ in range(3):
        start, end = rng.uniform(0.1, 0.9, (2, 2)) * (height, width)
        for point in np.linspace(start, end, 2 * max(height, width)):
            strokes |= (rows - point[0]) ** 2 + (columns - point[1]) ** 2 <= (0.05 * min(height, width)) ** 2
    return {"middle": middle, "half": half, "strokes": strokes}


def biharmonic(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Fill the masked part of a picture, uint8 (H, W, 3), so that the Laplacian of the Laplacian vanishes there."""
    index = np.pad(np.arange(mask.size).reshape(mask.shape), 1, constant_values=-1)
    around = [index[:-2, 1:-1], index[2:, 1:-1], index[1:-1, :-2], index[1:-1, 2:]]
    near = np.stack([index[1:-1, 1:-1], *around], axis=-1).reshape(-1, 5)  # a pixel and its neighbours
    weights = np.where(near < 0, 0, -1)
    weights[:, 0] = -weights[:, 1:].sum(axis=1)

    def laplacian(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return (weights[..., None] * values[near]).sum(axis=1)

    # Of the squared Laplacian only what leads from the hole into it: all of it is a number for each pair of pixels.
    hole = np.flatnonzero(mask)
    place = np.full(mask.size, -1)
    place[hole] = np.arange(len(hole))
    squared = np.zeros((len(hole), len(hole)))
    for first, second in np.ndindex(5, 5):
        middle = near[hole, first]
        column = place[near[middle, second]]
        (row,) = np.nonzero(column >= 0)
        squared[row, column[row]] += (weights[hole, first] * weights[middle, second])[row]
    colors = picture.reshape(-1, 3).astype(np.float64)
    colors[hole] = 0
    colors[hole] = np.linalg.solve(squared, -laplacian(laplacian(colors))[hole])
    return np.clip(np.rint(colors), 0, 255).astype(np.uint8).reshape(picture.shape)


def judge_pictures(
    bundle: "Bundle",
    denoise: Denoiser,
    pictures: NDArray[np.uint8],
    folder: Path,
    say: Say,
    seeds: Sequence[int] = range(8),
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Error a colour value in the holes, of 255, for the model and for biharmonic inpainting: mean absolute error and
    root mean square of the mean of the variations, and the continuous ranked probability score of all of them (`crps`;
    of a single guess the mean absolute error): least for variations as likely as the truth, neither timid nor wild.

    pictures: uint8 (N, H, W, 3). seeds: one a variation. Writes a contact sheet a mask: original, hole, four
    variations, biharmonic.
    """
    figures: dict[str, Any] = {}
    for name, mask in picture_masks(*pictures.shape[1:3]).items():
        errors: dict[str, list[NDArray[np.float64]]] = {"model": [], "biharmonic": []}
        scores: list[float] = []
        tiles = []
        for picture in pictures:
            request = picture_request(bundle, picture, mask, seeds=seeds, **options)
            *_, last = generate(request, bundle, denoise)
            filled = finish(request, bundle, last, picture=picture).pictures
            assert filled is not None
            plain = biharmonic(picture, mask)
            for kind, guess in (("model", filled.mean(0)), ("biharmonic", plain)):
                errors[kind].append(guess[mask] - picture[mask].astype(float))
            scores.append(crps(filled[:, mask], picture[mask]))
            holed = picture.copy()
            holed[mask] = (255, 0, 255)
            tiles += [picture, holed, *filled[:4], plain]
        row = {kind: round(float(np.abs(values).mean()), 2) for kind, values in errors.items()}
        row |= {f"{kind} rms": round(float(np.sqrt(np.square(values).mean())), 2) for kind, values in errors.items()}
        row["crps"] = round(float(np.mean(scores)), 2)
        say(
            f"{name}: CRPS {row['crps']}; of the mean: absolute error {row['model']}, biharmonic {row['biharmonic']}; "
            f"root mean square {row['model rms']}, biharmonic {row['biharmonic rms']}"
        )
        figures[name] = row
        save_png(folder / f"{bundle.name}-{name}.png", contact_grid(tiles, columns=14, gap=2, scale=3))
    return figures


def crps(guesses: NDArray[Any], truth: NDArray[Any]) -> float:
    """Continuous ranked probability score, a value: mean |x − truth| − ½ mean |x − x′| over guesses (N, …), N > 1, and
    pairs of different ones: without bias for N (Gneiting and Raftery 2007)."""
    ordered, count = np.sort(guesses.astype(np.float64), axis=0), len(guesses)
    # Of all pairs at once: each guess is added once for every one below it, and taken away for every one above.
    weights = (2 * np.arange(count) - count + 1).reshape(-1, *[1] * truth.ndim)
    spread = (weights * ordered).sum(axis=0) * 2 / (count * (count - 1))
    return float((np.abs(ordered - truth).mean(axis=0) - spread / 2).mean())


def write_quality(bundle: "Bundle", data: str, options: Mapping[str, Any], figures: dict[str, Any]) -> None:
    """Keep figures in the bundle's manifest.json, under evaluation.fills; those made with the same options go.

    The digest of the bundle changes with its manifest. StudioError where it cannot be written.
    """
    path = bundle.path / MANIFEST
    manifest = json.loads(path.read_bytes())
    # As they come back out of a file, where a tuple is a list.
    given = json.loads(json.dumps({name: value for name, value in options.items() if value is not None}))
    evaluation = manifest.setdefault("evaluation", {})
    kept = [fills for fills in evaluation.get("fills", []) if fills["options"] != given]
    evaluation["fills"] = [*kept, {"data": data, "options": given, "figures": figures}]
    write_atomic(path, (json.dumps(manifest, indent=1) + "\n").encode())


def judge_text(
    bundle: "Bundle",
    denoise: Denoiser,
    text: str,
    folder: Path,
    say: Say,
    windows: int = 48,
    seeds: Sequence[int] = range(4),
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Bits and top-1 accuracy of hidden tokens, for the model and for the frequencies of this very text; and the score
    of filled gaps, see `_judge_gaps`.

    seeds: one a draft of a gap. Writes a page of filled gaps to read.
    """
    tokens = np.asarray(text_tokenizer(bundle).encode(text), dtype=np.int64)
    length = bundle.num_tokens
    if len(tokens) < length:
        raise StudioError(f"The text has {len(tokens)} tokens; at least {length} are needed.")
    starts = np.linspace(0, len(tokens) - length, windows).astype(int)
    rng = np.random.default_rng(0)
    losses, right, hidden_tokens = [], [], []
    for start in starts:
        part = tokens[start : start + length]
        hidden = rng.random(length) < HIDDEN
        y = np.where(hidden[:, None], bundle.subtokens.mask_id, bundle.subtokens.encode(part))
        logits = denoise(y[None], np.flatnonzero(hidden)).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        log_prob = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        losses.append(-log_prob[np.arange(hidden.sum()), part[hidden]])
        right.append(logits.argmax(axis=1) == part[hidden])
        hidden_tokens.append(part[hidden])
    counts = np.bincount(tokens, minlength=bundle.subtokens.vocab_size)
    targets = np.concatenate(hidden_tokens)
    figures = {
        "bits a hidden token": round(float(np.concatenate(losses).mean() / math.log(2)), 3),
        "bits by frequency": round(float(-np.log2(counts[targets] / counts.sum()).mean()), 3),
        "top-1 accuracy": round(float(np.concatenate(right).mean()), 4),
        "accuracy by frequency": round(float((targets == counts.argmax()).mean()), 4),
    }
    figures |= _judge_gaps(bundle, denoise, tokens, windows // 2, seeds, options)
    for name, value in figures.items():
        say(f"{name}: {value}")
    _write_fills(bundle, denoise, text, folder, seeds[:2], options)
    return figures


def _judge_gaps(
    bundle: "Bundle", denoise: Denoiser, tokens: NDArray[np.int64], gaps: int, seeds: Sequence[int], options: Options
) -> dict[str, float]:
    """Gaps of an eighth of what the network sees, in twice as much text on either side, filled in several drafts.

    The score is the CRPS of how often each token comes in a gap, of 100: for one draft again and again the share of its
    tokens that did not stand there, 50 for drafts that have nothing in common with the truth nor with each other, least
    for those as likely as the truth. Beside it how many of 100 tokens are among the dozen commonest of the text, and
    how many of 100 pairs of neighbours are repetitions within the gap; each also for the truth.
    """
    size = bundle.num_tokens // 8
    tokenizer, vocab_size = text_tokenizer(bundle), bundle.subtokens.vocab_size
    common = np.bincount(tokens, minlength=vocab_size).argsort()[-12:]
    rows = []
    for start in np.linspace(2 * size, len(tokens) - 3 * size, gaps).astype(int):
        truth = tokens[start : start + size]
        before = tokenizer.decode(tokens[start - 2 * size : start])
        after = tokenizer.decode(tokens[start + size : start + 3 * size])
        request = text_request(bundle, (before, size, after), seeds=seeds, **options)
        *_, last = generate(request, bundle, denoise)
        gap = (request.given.unpack() == bundle.subtokens.mask_id).all(axis=1)
        made = bundle.subtokens.decode(last.y[:, gap])
        counts = np.stack([np.bincount(draft, minlength=vocab_size) for draft in [*made, truth]])
        score = crps(counts[:-1], counts[-1]) * vocab_size / (2 * size)
        drawn = [(np.isin(draft, common).mean(), _repeated(draft)) for draft in [*made, truth]]
        rows.append([score, *np.mean(drawn[:-1], axis=0), *drawn[-1]])
    score, common_made, repeated, common_true, repeated_true = (100 * np.mean(rows, axis=0)).round(1).tolist()
    return {
        f"score of gaps of {size}": score,
        "commonest tokens": common_made,
        "commonest tokens in the text": common_true,
        "repeated pairs": repeated,
        "repeated pairs in the text": repeated_true,
    }


def _repeated(tokens: NDArray[np.int64]) -> float:
    """The share of pairs of neighbours that have stood in these tokens before."""
    pairs = np.stack([tokens[:-1], tokens[1:]], axis=1)
    return 1 - len(np.unique(pairs, axis=0)) / len(pairs)


def _write_fills(
    bundle: "Bundle", denoise: Denoiser, text: str, folder: Path, seeds: Sequence[int], options: Options
) -> None:
    """Paragraphs, or pieces of a text that has none, with a gap of words in the middle: what stood there, and fills."""
    tokenizer = text_tokenizer(bundle)
    paragraphs = [p for p in text.split("\n") if 300 < len(p) < 800] or textwrap.wrap(text, 600)
    page = []
    for index in np.linspace(0, len(paragraphs) - 1, min(12, len(paragraphs))).astype(int):
        words = paragraphs[index].split(" ")
        first = len(words) // 2
        count = (3, 6, 12)[index % 3]
        removed = " ".join(words[first : first + count])
        gap = min(len(tokenizer.encode(" " + removed)), bundle.num_tokens // 2)  # without spaces all is one word
        before = "".join(f"{word} " for word in words[:first])
        after = "".join(f" {word}" for word in words[first + count :])
        request = text_request(bundle, (before, gap, after), seeds=seeds, **options)
        *_, last = generate(request, bundle, denoise)
        page.append(f"… {before[-160:]}[{removed}]{after[:100]} …\n")
        for filled in finish(request, bundle, last).texts or []:
            page.append(f"    → {filled[len(before) : len(filled) - len(after)]}\n")
    save_text(folder / f"{bundle.name}-fills.txt", "\n".join(page))
