"""prime-studio sample: make pictures or texts from nothing."""

import argparse
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.commands import common
from studio.errors import StudioError
from studio.files import atomic_path, check_writable
from studio.media.export import check_suffix, contact_grid, save_png, save_text
from studio.media.story import BETWEEN

if TYPE_CHECKING:
    from studio.generation import Result

AT_ONCE = 64
"""So many are made in one run, which is what the window can open again: memory does not grow with what is asked for."""

_LAST = 999_999_999
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

    bundle = common.find_model(args.model, "image", [args.output])
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
    elif image and output and os.path.exists(output) and not os.path.isdir(output):
        raise StudioError(f"{output} is a file: name a folder, or OUT.png for one sheet of all.")
    elif output and image:
        check_writable(_further(output, len(seeds))[-1])
    elif output:
        check_suffix(output, (".txt", ".md"))
    requests = [
        free_request(bundle, seeds[first : first + AT_ONCE], num_tokens=args.tokens, **common.options(args))
        for first in range(0, len(seeds), AT_ONCE)
    ]
    denoise, made = common.open_denoiser(bundle, args), []
    for number, request in enumerate(requests):
        first, some = number * AT_ONCE, len(request.seeds)
        which = "" if some == len(seeds) else f" {first + 1} to {first + some} of {len(seeds)}"
        made.append(common.make(request, bundle, denoise, args, title=f"sampling{which}"))
    if output and image and not sheet:
        files = _add(made, output)
    else:
        _write(made, files)
    result = _together(made)
    facts = common.result_facts(result, files=[str(file) for file in files], texts=result.texts)
    if result.texts is not None and not files:
        common.answer(args, facts, BETWEEN.join(result.texts))
    else:
        common.answer(args, facts, common.summary(result, _spans(files)))


def _further(folder: Path, count: int, after: Path | None = None) -> list[Path]:
    """Names for `count` pictures in a folder, after those that are there, so that none is written over."""
    found = folder.glob("sample*.png") if os.path.isdir(folder) else ()
    there = [_number(path) for path in (*found, after) if path and _NAME.fullmatch(path.name)]
    if not there:
        return common.numbered(folder / "sample.png", count)
    last = max(there) + count
    if last > _LAST:
        raise StudioError(f"In {folder} no number up to {_LAST} is left for {count} more: choose another folder.")
    return [folder / f"sample-{number:0{len(str(last))}}.png" for number in range(last - count + 1, last + 1)]


def _number(file: Path) -> int:
    name = _NAME.fullmatch(file.name)
    return int(name[1] or 0) if name else 0


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


def _write(made: "list[Result]", files: list[Path]) -> None:
    """A sheet of all pictures or all texts in the only file, if there is one."""
    from studio.generation import save_picture

    if not files:
        return
    if made[0].pictures is None:
        save_text(files[0], BETWEEN.join(text for part in made for text in part.texts or []))
    elif len(made[0].request.seeds) == 1:
        save_picture(files[0], made[0], 0)
    else:
        pictures = [picture for part in made if part.pictures is not None for picture in part.pictures]
        save_png(files[0], contact_grid(pictures))


def _add(made: "list[Result]", folder: Path) -> list[Path]:
    """Each picture in a new file of the folder: another run may have added its own meanwhile, or do so now."""
    from studio.generation import save_picture

    pictures = [(part, index) for part in made for index in range(len(part.request.seeds))]
    files: list[Path] = []
    names = _further(folder, len(pictures))
    while len(files) < len(pictures):
        name = names[len(files)]
        try:
            with atomic_path(name, new=True) as temporary:
                save_picture(temporary, *pictures[len(files)])
            files.append(name)
        except FileExistsError:
            names = [*files, *_further(folder, len(pictures) - len(files), after=name)]
    return files


def _spans(files: list[Path]) -> list[str]:
    """The files as a line tells of them: those that follow one another as the first to the last."""
    spans: list[list[Path]] = []
    for file in files:
        if spans and _number(file) == _number(spans[-1][-1]) + 1:
            spans[-1].append(file)
        else:
            spans.append([file])
    return [str(span[0]) if len(span) == 1 else f"{span[0]} to {span[-1].name}" for span in spans]
