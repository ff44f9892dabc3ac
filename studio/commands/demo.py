"""prime-studio demo: the main job on the shipped samples, without a window."""

import argparse
from pathlib import Path
from typing import Any

from studio.commands import common
from studio.commands.inpaint import camera
from studio.files import check_writable
from studio.media.export import save_strip, save_text, save_timelapse, viewing_scale
from studio.media.images import load_mask, load_picture

PICTURES = ("couple", "stickers")
TEXTS = ("dorothy", "fisherman")
SEED = 1
STRIP = 6
"""Pictures in the strip of steps, the hole and the result among them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", default="out", metavar="FOLDER", help="where the results go; default: out")
    common.add_device(parser)
    common.add_output(parser)


def run(args: argparse.Namespace) -> None:
    folder = Path(args.output)
    check_writable(folder / PICTURES[0])
    pictures, files = _pictures(folder, args)
    texts, text_files = _texts(folder, args)
    files += text_files
    lines = [*(text.rstrip() + "\n" for text in texts), f"Written to {folder.absolute()}:"]
    lines += [f"  {file.name}" for file in files]
    facts = {"folder": str(folder), "files": [str(file) for file in files], "pictures": pictures, "texts": texts}
    common.answer(args, facts, "\n".join(lines))


def _pictures(folder: Path, args: argparse.Namespace) -> tuple[list[dict[str, Any]], list[Path]]:
    """Fill the sample pictures: the result, a strip of steps and a time-lapse of each."""
    from studio.generation import PictureSource, picture_request, save_picture

    bundle = common.find_model(None, "image")
    denoise = common.open_denoiser(bundle, args)
    facts, files = [], []
    for name in PICTURES:
        picture = load_picture(common.samples_folder() / f"{name}.png")
        mask = load_mask(common.samples_folder() / f"{name}-mask.png", picture.size)
        request = picture_request(bundle, picture.rgb, mask, seeds=[SEED])
        shots, on_frame = camera(request, bundle, picture.rgb)
        result = common.make(request, bundle, denoise, args, picture=picture.rgb, on_frame=on_frame, title=name)
        written = [folder / f"{name}{ending}" for ending in (".png", "-steps.png", ".webp")]
        save_picture(written[0], result, 0, picture)
        assert isinstance(request.source, PictureSource)
        x, y, size = request.source.frame
        chosen = [shots[i * (len(shots) - 1) // (STRIP - 1)][y : y + size, x : x + size] for i in range(STRIP)]
        save_strip(written[1], chosen, scale=viewing_scale(chosen[0], 192))
        save_timelapse(written[2], shots, fps=12)
        facts.append(common.result_facts(result))
        files += written
    return facts, files


def _texts(folder: Path, args: argparse.Namespace) -> tuple[list[str], list[Path]]:
    """Fill the gaps of the sample texts."""
    from studio.generation import text_request
    from studio.media.texts import load_text

    bundle = common.find_model(None, "text")
    denoise = common.open_denoiser(bundle, args)
    texts, files = [], []
    for name in TEXTS:
        request = text_request(bundle, load_text(common.samples_folder() / f"{name}.txt"), seeds=[SEED])
        result = common.make(request, bundle, denoise, args, title=name)
        assert result.texts is not None
        files.append(folder / f"{name}.txt")
        save_text(files[-1], result.texts[0])
        texts += result.texts
    return texts, files
