"""prime-studio quality: fill held-out data, measure it beside simple yardsticks, and write sheets to look at."""

import argparse
from pathlib import Path

from studio.commands.common import add_making, answer, open_denoiser, options, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, help="held-out pictures (.npz) or text (.txt, .txt.gz)")
    parser.add_argument("-o", "--output", default="out/quality", help="folder for the sheets (out/quality)")
    parser.add_argument("-n", "--count", type=int, default=16, help="pictures that are filled (16)")
    add_making(parser)


def run(args: argparse.Namespace) -> None:
    from studio.errors import StudioError
    from studio.quality import judge_pictures, judge_text, read_held_out
    from studio.runtime.catalog import find_bundle

    if args.model is None:
        raise StudioError("Say which model to judge with --model; `prime-studio models list` names them.")
    if args.count < 1:
        raise StudioError(f"--count must be at least 1, not {args.count}.")
    bundle = find_bundle(args.model)
    manifest = bundle.manifest
    data = read_held_out(Path(args.data), manifest.modality, manifest.grid, args.count)
    denoise = open_denoiser(bundle, args)
    folder = Path(args.output)
    judge = judge_pictures if manifest.modality == "image" else judge_text
    figures = judge(bundle, denoise, data, folder, lambda line: say(args, line), **options(args))
    answer(args, {"model": bundle.name, "figures": figures}, f"{folder}")
