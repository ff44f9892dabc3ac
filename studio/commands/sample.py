"""prime-studio sample: make pictures or texts from nothing."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from studio.commands import common
from studio.errors import StudioError
from studio.files import check_writable
from studio.media.export import check_suffix, contact_grid, save_png, save_text
from studio.media.story import BETWEEN

if TYPE_CHECKING:
    from studio.generation import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", type=int, default=1, metavar="N", help="how many")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="pictures: a folder, or OUT.png for one sheet of all; texts: a file"
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
    elif output:
        check_writable(output / "sample.png" if image else output)
    request = free_request(bundle, seeds, num_tokens=args.tokens, **common.options(args))
    result = common.make(request, bundle, common.open_denoiser(bundle, args), args, title="sampling")
    files = _write(result, output, sheet)
    facts = common.result_facts(result, files=[str(file) for file in files], texts=result.texts)
    if result.texts is not None and not files:
        common.answer(args, facts, BETWEEN.join(result.texts))
    else:
        common.answer(
            args, facts, common.summary(result, files if len(files) == 1 else [f"{len(files)} files in {output}"])
        )


def _write(result: "Result", output: Path | None, sheet: bool) -> list[Path]:
    from studio.generation import save_picture

    if output is None:
        return []
    if result.pictures is None:
        save_text(output, BETWEEN.join(result.texts or []))
        return [output]
    if not sheet:
        count = len(result.pictures)
        files = [output / "sample.png"] if count == 1 else common.numbered(output / "sample.png", count)
        for index, file in enumerate(files):
            save_picture(file, result, index)
        return files
    if len(result.pictures) == 1:
        save_picture(output, result, 0)
    else:
        save_png(output, contact_grid(list(result.pictures)))
    return [output]
