"""prime-studio sample: make pictures or texts from nothing."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.commands import common
from studio.errors import StudioError
from studio.files import check_writable
from studio.media.export import check_suffix, contact_grid, save_png, save_text
from studio.media.story import BETWEEN

if TYPE_CHECKING:
    from studio.generation import Result

AT_ONCE = 64
"""So many are made in one run, which is what the window can open again: memory does not grow with what is asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", type=int, default=1, metavar="N", help="how many")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="pictures: a folder, or OUT.png for one sheet of all; texts: OUT.txt"
    )
    parser.add_argument("--tokens", type=int, help="length of a text in tokens; default: all that the model takes")
    common.add_making(parser)


def run(args: argparse.Namespace) -> None:
    seeds = common.seeds(args, args.n, "-n")

    from studio.generation import free_request

    bundle = common.find_model(args.model, "image")
    image = bundle.manifest.modality == "image"
    if image and not args.output:
        raise StudioError("Say where the pictures go: -o FOLDER, or -o OUT.png for one sheet of all.")
    if image and args.tokens is not None:
        raise StudioError("--tokens is for texts: a picture model makes pictures of one size.")
    output = Path(args.output) if args.output else None
    sheet = image and output is not None and output.suffix != ""
    if sheet and output:
        check_suffix(output, (".png",))
    elif image and output and output.exists() and not output.is_dir():
        raise StudioError(f"{output} is a file: name a folder, or OUT.png for one sheet of all.")
    elif output and image:
        check_writable(output / "sample.png")
    elif output:
        check_suffix(output, (".txt", ".md"))
    denoise, made = common.open_denoiser(bundle, args), []
    for first in range(0, len(seeds), AT_ONCE):
        some = seeds[first : first + AT_ONCE]
        which = "" if len(some) == len(seeds) else f" {first + 1} to {first + len(some)} of {len(seeds)}"
        request = free_request(bundle, some, num_tokens=args.tokens, **common.options(args))
        made.append(common.make(request, bundle, denoise, args, title=f"sampling{which}"))
    files, result = _write(made, output, sheet), _together(made)
    facts = common.result_facts(result, files=[str(file) for file in files], texts=result.texts)
    if result.texts is not None and not files:
        common.answer(args, facts, BETWEEN.join(result.texts))
    else:
        common.answer(
            args, facts, common.summary(result, files if len(files) == 1 else [f"{len(files)} files in {output}"])
        )


def _together(made: "list[Result]") -> "Result":
    """What was made in turn as one result, to tell of it."""
    seeds = tuple(seed for part in made for seed in part.request.seeds)
    return replace(
        made[0],
        request=made[0].request.model_copy(update={"seeds": seeds}),
        texts=None if made[0].texts is None else [text for part in made for text in part.texts or []],
        confidence=np.concatenate([part.confidence for part in made]),
        calls=sum(part.calls for part in made),
        seconds=sum(part.seconds for part in made),
    )


def _write(made: "list[Result]", output: Path | None, sheet: bool) -> list[Path]:
    from studio.generation import save_picture

    if output is None:
        return []
    if made[0].pictures is None:
        save_text(output, BETWEEN.join(text for part in made for text in part.texts or []))
        return [output]
    places = [(part, index) for part in made for index in range(len(part.request.seeds))]
    if not sheet:
        files = common.numbered(output / "sample.png", len(places))
        for file, (part, index) in zip(files, places, strict=True):
            save_picture(file, part, index)
        return files
    if len(places) == 1:
        save_picture(output, made[0], 0)
    else:
        save_png(output, contact_grid([part.pictures[index] for part, index in places if part.pictures is not None]))
    return [output]
