"""prime-studio import: turn a published MDM-Prime checkpoint into a model; the work is done under studio.training."""

import argparse
import json
from functools import partial
from pathlib import Path

from studio.commands import common
from studio.commands.train import needs_extra
from studio.errors import NoTokenizer, StudioError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="a published checkpoint: FILE.pth (pictures) or FILE.ckpt (texts)")
    parser.add_argument(
        "-o", "--output", metavar="BUNDLE", help="folder of the model; default: installed under its name"
    )
    parser.add_argument("--name", metavar="N", help="name of the model; default: prime-DATASET-lLENGTH")
    parser.add_argument("--replace", action="store_true", help="take the place of a model of the same name")
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--ema", dest="ema", action="store_true", default=True, help="averaged weights (default)")
    weights.add_argument(
        "--raw", dest="ema", action="store_false", help="the last weights instead of the averaged ones"
    )
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument(
        "--full", dest="half", action="store_false", default=False, help="weights as they are, float32 (default)"
    )
    precision.add_argument("--half", dest="half", action="store_true", default=False, help="half the size, rounded")
    parser.add_argument("--tokenizer", metavar="FILE", help="tokenizer.json of a text model, such as GPT-2's")
    missing = parser.add_argument_group("what the file does not say (it asks when it is needed)")
    missing.add_argument("--heads", type=int, help="attention heads of a text model")
    missing.add_argument("--context", type=int, help="tokens that a text model takes at once")
    missing.add_argument("--schedule", help="schedule of the training: linear, poly3, …")
    common.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """What can be mended by a choice is told to scripts too, such as the window, as {"refused": "name", "name": …}."""
    from studio.runtime.catalog import AlreadyThere

    try:
        return _import(args)
    except (AlreadyThere, NoTokenizer) as error:
        if args.json:
            clash = isinstance(error, AlreadyThere)
            print(json.dumps({"refused": "name", "name": error.name} if clash else {"refused": "tokenizer"}))
        raise


def _import(args: argparse.Namespace) -> int:
    with needs_extra():
        from studio.training.checkpoints import embedded_tokenizer
        from studio.training.importing import check_name, read_published, write_published
        from studio.training.published_tokenizer import find_tokenizer
    from studio.runtime.bundle import MANIFEST, Bundle
    from studio.runtime.catalog import AlreadyThere, models_folders, user_models

    if args.name is not None:
        check_name(args.name)
    published = read_published(
        args.checkpoint, ema=args.ema, heads=args.heads, context=args.context, schedule=args.schedule
    )
    name = args.name or published.name
    output = Path(args.output) if args.output else user_models() / name
    taken = [output] if args.output else [folder / name for folder in models_folders()]
    if not args.replace and any((folder / MANIFEST).exists() for folder in taken):
        sentence = f"A model {output.name} is already there; add --replace to take its place, or --name N."
        raise AlreadyThere(sentence, output.name)
    tokenizer = None
    if published.modality == "text":
        embedded = embedded_tokenizer(published.tokenizer)
        tokenizer = find_tokenizer(published.network["vocab_size"], args.tokenizer, embedded)
    elif args.tokenizer:
        raise StudioError("--tokenizer is for texts: a picture model needs none.")
    report = partial(common.say, args)
    report(f"reading {args.checkpoint}")  # its weights, which are only mapped so far: a refused file is one line
    write_published(published, output, name=name, tokenizer=tokenizer, half=args.half, report=report)
    bundle = Bundle.open(output)
    facts = {
        "name": bundle.name,
        "path": str(bundle.path),
        "modality": bundle.manifest.modality,
        "bytes": sum(entry.size for entry in bundle.manifest.files.values()),
        "digest": bundle.digest,
        "licence": bundle.manifest.licence,
        "onnx_difference": bundle.manifest.evaluation["onnx_difference"],
    }
    where = f"in {bundle.path}" if args.output else f"is installed in {bundle.path}"
    common.answer(args, facts, f"{bundle.name} {where} ({bundle.manifest.licence})")
    return 0
