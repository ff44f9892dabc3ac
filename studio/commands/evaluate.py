"""prime-studio evaluate: likelihood of data that the model has not seen, and a map of what surprises it."""

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.commands import common
from studio.errors import StudioError
from studio.files import check_writable

if TYPE_CHECKING:
    from studio.evaluation import HeldOut, OnCall
    from studio.runtime.bundle import Bundle

TEXTS = (".txt", ".md", ".gz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", required=True, metavar="D", help="an .npz or folder of pictures, one picture, or a text (.txt, .gz)"
    )
    parser.add_argument("--model", help="name of an installed model, or the path of its folder")
    parser.add_argument("--bound", choices=("marginal", "step"), default="marginal", help="which bound (marginal)")
    parser.add_argument("--granularity", metavar="G", help="one that the model was trained with, or all")
    parser.add_argument("--steps", type=int, help="steps of the sampler, for --bound step")
    parser.add_argument("--schedule", help="schedule of the sampler, for --bound step")
    parser.add_argument(
        "--batches", "-n", type=int, metavar="N", help="take only N times 8 pictures or windows of text"
    )
    parser.add_argument("--pairs", type=int, default=1, metavar="N", help="pairs of masked states for each of them (1)")
    parser.add_argument("--seed", type=int, default=0, help="whole number from 0 to 2^64-1 (0)")
    parser.add_argument("--joint-loss", action="store_true", help="say the published training loss too, no bound")
    parser.add_argument(
        "--compressors", action="store_true", help="say what PNG, WebP and xz make of the same data too"
    )
    parser.add_argument("--write", action="store_true", help="store the figures in the manifest of the model")
    parser.add_argument(
        "--map", metavar="F", help="instead, write how surprising each pixel or token of one picture or text is: "
        "F.png or F.json"
    )  # fmt: skip
    common.add_device(parser)
    common.add_output(parser)


def run(args: argparse.Namespace) -> None:
    if args.bound != "step" and (args.steps is not None or args.schedule is not None):
        raise StudioError("--steps and --schedule are for --bound step: the marginal bound knows no steps.")
    for name in ("batches", "pairs"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise StudioError(f"--{name} must be at least 1, not {getattr(args, name)}.")
    if not 0 <= args.seed < 2**64:
        raise StudioError(f"The seed must be a whole number from 0 to 2^64-1, not {args.seed}.")
    if args.map and args.write:
        raise StudioError("--map judges one picture or text, --write is for figures: give one of them.")
    path = Path(args.data)
    if not path.exists():
        raise StudioError(f"There is no file {path}: check the name.")
    bundle = common.find_model(args.model, "text" if path.suffix.lower() in TEXTS else "image", [args.map])
    if args.map:
        _map(args, bundle, path)
    else:
        _figures(args, bundle, path)


def _figures(args: argparse.Namespace, bundle: "Bundle", path: Path) -> None:
    from studio.evaluation import compressors, evaluate, read_data, write_likelihood
    from studio.runtime.bundle import MANIFEST

    granularities = _granularities(args.granularity, bundle)
    if args.write:
        check_writable(bundle.path / MANIFEST)
    data = read_data(bundle, path, args.batches)
    denoise = common.open_denoiser(bundle, args)
    options = {"granularities": granularities, "pairs": args.pairs, "seed": args.seed}
    figures = evaluate(
        bundle,
        denoise,
        data,
        bound=args.bound,
        steps=args.steps,
        schedule=args.schedule,
        on_call=_teller(args, "evaluating"),
        **options,
    )
    joint = []
    if args.joint_loss:
        joint = evaluate(bundle, denoise, data, bound="joint", on_call=_teller(args, "joint loss"), **options)
    beside = compressors(bundle, data) if args.compressors else []
    if args.write:
        write_likelihood(bundle, data, figures, beside)
        common.say(args, f"stored in {bundle.path / 'manifest.json'}")
    facts = {"model": bundle.name, "data": data.name, "of": data.of, "figures": figures}
    facts |= ({"joint_loss": joint} if joint else {}) | ({"compressors": beside} if beside else {})
    common.answer(args, facts, "\n".join([_table(bundle, data, figures, joint), *_beside(data, beside)]))


def _granularities(text: str | None, bundle: "Bundle") -> list[int]:
    if text is None:
        return [bundle.manifest.defaults.granularity]
    if text == "all":
        return list(bundle.manifest.granularities)
    if not text.isdecimal():
        raise StudioError(f"--granularity must be a number or all, not {text!r}.")
    return [int(text)]


def _table(bundle: "Bundle", data: "HeldOut", figures: list[dict[str, Any]], joint: list[dict[str, Any]]) -> str:
    """What was bounded, then a line for each granularity."""
    count, length = data.tokens.shape
    units = [(f"bits_per_{key}", f"bits/{name}") for key, name, _ in data.units]
    lines = [
        f"{bundle.name} on {data.name}: {count} samples of {length} tokens, {data.of}",
        f"{figures[0]['what']}; ± standard error",
        "".join([f"{'granularity':>11}", *(f"{name:>20}" for _, name in units), f"{'perplexity/token':>20}"])
        + f"{'nats/sample':>24}",
    ]
    for figure in figures:
        cells = [_shown(figure[key], figure[f"{key}_error"], 20, 4) for key, _ in units]
        perplexity = _shown(figure["perplexity_per_token"], None, 20, 3)
        nats = _shown(figure["nats"], figure["nats_error"], 24, 1)
        lines.append("".join([f"{figure['granularity']:>11}", *cells, perplexity, nats]))
    if joint:
        lines.append(f"{joint[0]['what']}; in nats a token")
        lines += [f"{figure['granularity']:>11}{_shown(figure['nats_per_token'], None, 20, 4)}" for figure in joint]
    return "\n".join(lines)


def _beside(data: "HeldOut", beside: list[dict[str, Any]]) -> list[str]:
    """A line for each compressor."""
    return [
        f"{row['name']:<32}" + "".join(f"{row[f'bits_per_{key}']:>12.4f} bits/{name}" for key, name, _ in data.units)
        for row in beside
    ]


def _shown(value: float | None, error: float | None, width: int, digits: int) -> str:
    """A figure with its error, right-aligned; what JSON has no number for is infinite."""
    text = "inf" if value is None else f"{value:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")
    return f"{text:>{width}}"


def _map(args: argparse.Namespace, bundle: "Bundle", path: Path) -> None:
    from studio.evaluation import heat_map, picture_surprise, read_text, text_surprise
    from studio.files import write_atomic
    from studio.media.export import check_suffix, enlarge, save_png
    from studio.media.gapped import valid
    from studio.media.images import load_picture

    image = bundle.manifest.modality == "image"
    target = check_suffix(args.map, (".png", ".json") if image else (".json",))
    common.check_apart([target], [path])
    tell = _teller(args, "judging")
    facts: dict[str, Any] = {"model": bundle.name, "data": valid(path.name), "file": valid(str(target))}
    if image:
        picture = load_picture(path).rgb
        bits = picture_surprise(bundle, common.open_denoiser(bundle, args), picture, tell)
        unit, content = "pixel", {"bits": [[_number(value) for value in row] for row in bits.tolist()]}
    else:
        judged = text_surprise(bundle, common.open_denoiser(bundle, args), read_text(path), tell)
        bits = np.array([value for _, value in judged])
        unit = "token"
        pieces = [{"text": piece.decode("utf-8", errors="replace"), "bits": _number(value)} for piece, value in judged]
        content = {"tokens": pieces}
    facts |= {"unit": f"bits a {unit}", "mean": _number(float(bits.mean())), "largest": _number(float(bits.max()))}
    said = f"{target}  (given all others, a {unit} has {bits.mean():.3f} bits on average, {bits.max():.2f} at most"
    if target.suffix.lower() == ".json":
        write_atomic(target, json.dumps(facts | content, ensure_ascii=False).encode())
    else:
        # At the top: as surprising as where every class is equally likely.
        top = math.log2(bundle.manifest.vocab_size) * bundle.num_tokens / bits.size
        save_png(target, enlarge(heat_map(bits, top), max(1, 512 // max(bits.shape))))
        facts["scale"] = [0, top]
        said += f"; black is 0, pale yellow {top:g} or more"
    common.answer(args, facts, f"{said})")


def _number(value: float) -> float | None:
    """Rounded for JSON, which has no infinity."""
    return round(value, 4) if math.isfinite(value) else None


def _teller(args: argparse.Namespace, title: str) -> "OnCall":
    """Progress on stderr: a line that is written anew on a terminal, else one at every quarter."""
    start, quarter, terminal = time.perf_counter(), 0, sys.stderr.isatty()

    def tell(done: int, calls: int) -> None:
        nonlocal quarter
        pace = 1000 * (time.perf_counter() - start) / done
        text = f"{title}: call {done} of {calls}, {pace:.0f} ms each"
        if terminal and not args.quiet:
            print(f"\r{text} ", end="\n" if done == calls else "", file=sys.stderr, flush=True)
        elif done * 4 // calls > quarter:
            quarter = done * 4 // calls
            common.say(args, text)

    return tell
