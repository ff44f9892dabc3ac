"""prime-studio quality: fill held-out data, measure it beside simple yardsticks, and write sheets to look at."""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from studio.commands.common import add_making, answer, open_denoiser, options, say, seeds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, help="held-out pictures (.npz) or text (.txt, .txt.gz)")
    parser.add_argument("-o", "--output", default="out/quality", help="folder for the sheets (out/quality)")
    parser.add_argument("-n", "--count", type=int, default=16, help="pictures that are filled (16)")
    parser.add_argument("--write", action="store_true", help="store the figures in the manifest of the model")
    add_making(parser)
    parser.set_defaults(seed=0)  # figures are the same again


def run(args: argparse.Namespace) -> None:
    from studio.errors import StudioError
    from studio.evaluation import read_pictures, read_text
    from studio.files import check_writable
    from studio.media.gapped import valid
    from studio.quality import judge_pictures, judge_text, write_quality
    from studio.runtime.bundle import MANIFEST
    from studio.runtime.catalog import find_bundle

    if args.model is None:
        raise StudioError("Say which model to judge with --model; `prime-studio models list` names them.")
    if args.count < 1:
        raise StudioError(f"--count must be at least 1, not {args.count}.")
    bundle = find_bundle(args.model)
    path, folder = Path(args.data), Path(args.output)
    check_writable(folder / "sheet")
    if args.write:
        check_writable(bundle.path / MANIFEST)
    told, chosen = partial(say, args), options(args)
    if bundle.manifest.modality == "image":
        pictures = read_pictures(path, bundle.manifest.grid)
        some = pictures[np.linspace(0, len(pictures) - 1, min(args.count, len(pictures))).astype(int)]
        figures = judge_pictures(bundle, open_denoiser(bundle, args), some, folder, told, seeds(args, 8), **chosen)
    else:
        text = read_text(path)
        figures = judge_text(bundle, open_denoiser(bundle, args), text, folder, told, seeds=seeds(args, 4), **chosen)
    if args.write:
        write_quality(bundle, valid(path.name), {**chosen, "seed": args.seed or None}, figures)
        say(args, f"stored in {bundle.path / 'manifest.json'}")
    answer(args, {"model": bundle.name, "figures": figures}, f"{folder}")
