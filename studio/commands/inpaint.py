"""prime-studio inpaint: fill a hole in a picture."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.commands import common
from studio.errors import StudioError
from studio.files import check_writable
from studio.media.export import TIMELAPSE_SUFFIXES, Drawn, check_suffix, check_timelapse, contact_grid, save_timelapse
from studio.media.frames import frame_around, parse_frame, parse_planes
from studio.media.images import Picture, alpha_mask, load_mask, load_picture

if TYPE_CHECKING:
    from studio.generation import GenerationRequest, Result
    from studio.prime.sampling import Frame
    from studio.runtime.bundle import Bundle

LARGE_PIXELS = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", nargs="?", metavar="IN", help="the picture: PNG, JPEG, WebP, BMP or GIF")
    parser.add_argument(
        "--mask", help='a picture of the same size, white where to fill; or "alpha": what is transparent'
    )
    parser.add_argument("--again", metavar="OUT.png", help="make a picture that the program saved once more")
    parser.add_argument("-o", "--output", metavar="OUT.png", help="default: IN-filled.png, or OUT-again.png")
    parser.add_argument(
        "--frame",
        metavar="X,Y,SIZE",
        help="the square to work on; default: the one around the mask; write =X,Y,SIZE where X or Y is negative",
    )
    parser.add_argument(
        "--planes", help="digits to fill: all, high, low, or places such as 0,3 (0 the most significant)"
    )
    parser.add_argument("--variations", type=int, metavar="N", help="N results: OUT-1.png, OUT-2.png, …")
    parser.add_argument(
        "--timeline", metavar="FILE", help="a time-lapse as .webp (exact), .gif (256 colours) or .mp4 (lossy)"
    )
    common.add_making(parser)


def run(args: argparse.Namespace) -> None:
    if args.timeline is not None:
        check_suffix(args.timeline, TIMELAPSE_SUFFIXES)
    if args.again:
        _again(args)
        return
    if not args.picture:
        raise StudioError("Name the picture to fill: prime-studio inpaint IN.png --mask MASK.png -o OUT.png.")
    if not args.mask:
        raise StudioError("Say what to fill: --mask MASK.png, white where to fill, or --mask alpha.")
    source = Path(args.picture)
    picture = load_picture(source)
    if picture.lost:
        common.warn(picture.lost)
    output = check_suffix(args.output or source.with_name(f"{source.stem}-filled.png"), (".png",))
    mask = alpha_mask(picture) if args.mask == "alpha" else load_mask(args.mask, picture.size)
    seeds = common.seeds(args, 1 if args.variations is None else args.variations)
    files = common.numbered(output, len(seeds))
    check_writable(files[-1])  # its number may make a name too long
    common.check_apart([*files, args.timeline], [source, None if args.mask == "alpha" else args.mask])

    from studio.generation import picture_request, picture_tokenizer

    bundle = common.find_model(args.model, "image", [*files, args.timeline])
    grid = picture_tokenizer(bundle).height
    request = picture_request(
        bundle,
        picture.rgb,
        mask,
        frame=parse_frame(args.frame, mask, grid) if args.frame is not None else frame_around(mask, grid),
        planes=parse_planes(args.planes, bundle.subtokens.length) if args.planes is not None else None,
        seeds=seeds,
        **common.options(args),
    )
    _make(request, bundle, picture, args, dict(enumerate(files)))


def _again(args: argparse.Namespace) -> None:
    """Make the picture once more from the request in it: its pixels outside the mask, `given` for the rest."""
    taken = (*common.OPTIONS, "picture", "mask", "frame", "planes", "seed", "variations")
    for name in taken:
        if vars(args)[name] is not None:
            raise StudioError(f"--again takes everything from {args.again}: leave out {name.replace('_', '-')}.")
    from studio.generation import PictureSource, read_request

    old = Path(args.again)
    request, variation, provider = read_request(old)
    output = check_suffix(args.output or old.with_name(f"{old.stem}-again.png"), (".png",))
    common.check_apart([output, args.timeline], [old])
    picture = load_picture(old)
    bundle = common.find_model(args.model or request.model, "image", [output, args.timeline])
    source = request.source if isinstance(request.source, PictureSource) else None
    if source and picture.size != (source.width, source.height):
        raise StudioError(
            f"{old} was {source.width}×{source.height} pixels when it was made: its size must not be changed."
        )
    result = _make(request, bundle, picture, args, {variation: output})
    if provider != result.provider:
        common.warn(f"It was made on {provider}, this is {result.provider}: single pixels may differ.")


def _make(
    request: "GenerationRequest", bundle: "Bundle", picture: Picture, args: argparse.Namespace, files: dict[int, Path]
) -> "Result":
    """Run a picture request and save: each variation in `files`, then the time-lapse where `args.timeline` says."""
    from studio.generation import save_picture

    denoise = common.open_denoiser(bundle, args)
    shots, on_frame = camera(request, bundle, picture.rgb) if args.timeline else ([], None)
    if args.timeline:
        check_timelapse(args.timeline, shots[0])
    result = common.make(request, bundle, denoise, args, picture=picture.rgb, on_frame=on_frame)
    for variation, file in files.items():
        save_picture(file, result, variation, picture)
    if args.timeline:
        save_timelapse(args.timeline, shots)
    _tell(result, list(files.values()), args)
    return result


def camera(
    request: "GenerationRequest", bundle: "Bundle", rgb: NDArray[np.uint8]
) -> "tuple[Drawn, Callable[[Frame], None]]":
    """The shots, the empty hole first, and what takes one of every frame in which something was revealed."""
    from studio.generation import PictureSource, pictures_of

    part = np.s_[:, :]
    if isinstance(request.source, PictureSource) and rgb.shape[0] * rgb.shape[1] > LARGE_PIXELS:
        x, y, size = request.source.frame  # the frame alone, lest the time-lapse fill the memory
        part = np.s_[max(y, 0) : max(y + size, 0), max(x, 0) : max(x + size, 0)]

    def shot(y: NDArray[np.int64]) -> NDArray[np.uint8]:
        pictures = [picture[part] for picture in pictures_of(request, bundle, y, rgb)]
        return pictures[0] if len(pictures) == 1 else contact_grid(pictures)

    shots = [partial(shot, np.repeat(request.given.unpack()[None], len(request.seeds), axis=0))]

    def on_frame(frame: "Frame") -> None:
        if frame.revealed.any():
            shots.append(partial(shot, frame.y))

    return Drawn(shots), on_frame


def _tell(result: "Result", files: list[Path], args: argparse.Namespace) -> None:
    from studio.generation import PictureSource

    source = result.request.source
    facts = common.result_facts(
        result,
        files=[str(file) for file in files],
        timeline=args.timeline,
        frame=list(source.frame) if isinstance(source, PictureSource) else None,
    )
    written = [*files, args.timeline] if args.timeline else files
    common.answer(args, facts, common.summary(result, written))
