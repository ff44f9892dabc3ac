"""prime-studio sample: make pictures or texts from nothing."""

import argparse
import re
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


_NAME = re.compile(r"sample(?:-([0-9]{1,9}))?\.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", type=int, default=1, metavar="N", help="how many")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="pictures: a folder, to which they are added as sample.png or sample-1.png, sample-2.png, … after those "
        "that are there, or OUT.png for one sheet of all; texts: OUT.txt",
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
    files = [] if output is None else [output]
    if sheet and output:
        check_suffix(output, (".png",))
    elif image and output and output.exists() and not output.is_dir():
        raise StudioError(f"{output} is a file: name a folder, or OUT.png for one sheet of all.")
    elif output and image:
        files = _further(output, len(seeds))
        check_writable(files[0])
    elif output:
        check_suffix(output, (".txt", ".md"))
    denoise, made = common.open_denoiser(bundle, args), []
    for first in range(0, len(seeds), AT_ONCE):
        some = seeds[first : first + AT_ONCE]
        which = "" if len(some) == len(seeds) else f" {first + 1} to {first + len(some)} of {len(seeds)}"
        request = free_request(bundle, some, num_tokens=args.tokens, **common.options(args))
        made.append(common.make(request, bundle, denoise, args, title=f"sampling{which}"))
    _write(made, files, sheet)
    result = _together(made)
    facts = common.result_facts(result, files=[str(file) for file in files], texts=result.texts)
    if result.texts is not None and not files:
        common.answer(args, facts, BETWEEN.join(result.texts))
    else:
        places = files if len(files) == 1 else [f"{files[0]} to {files[-1].name}"]
        common.answer(args, facts, common.summary(result, places))


def _further(folder: Path, count: int) -> list[Path]:
    """Names for `count` pictures in a folder, after those that are there, so that none is written over."""
    there = [int(found[1] or 0) for path in folder.glob("sample*.png") if (found := _NAME.fullmatch(path.name))]
    if not there:
        return common.numbered(folder / "sample.png", count)
    last = max(there) + count
    return [folder / f"sample-{number:0{len(str(last))}}.png" for number in range(last - count + 1, last + 1)]


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


def _write(made: "list[Result]", files: list[Path], sheet: bool) -> None:
    """Each picture in a file of its own; a sheet or all texts in the only one."""
    from studio.generation import save_picture

    if not files:
        return
    if made[0].pictures is None:
        save_text(files[0], BETWEEN.join(text for part in made for text in part.texts or []))
        return
    places = [(part, index) for part in made for index in range(len(part.request.seeds))]
    if not sheet:
        for file, (part, index) in zip(files, places, strict=True):
            save_picture(file, part, index)
    elif len(places) == 1:
        save_picture(files[0], made[0], 0)
    else:
        save_png(files[0], contact_grid([part.pictures[index] for part, index in places if part.pictures is not None]))
