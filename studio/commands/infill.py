"""prime-studio infill: fill the gaps in a text."""

import argparse
import os
import sys
from typing import TYPE_CHECKING

from studio.commands import common
from studio.errors import StudioError
from studio.media.export import save_text

if TYPE_CHECKING:
    from studio.generation import Result
    from studio.runtime.bundle import Bundle

BETWEEN = "\n---\n"
"""Stands between the variations of a text."""
_MADE, _PLAIN = "\x1b[1;36m", "\x1b[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", help='a text with gaps, such as "Once upon a time [[6]] lived in [[4]]."')
    parser.add_argument("--file", metavar="F", help="take the text from a UTF-8 file; - is the standard input")
    parser.add_argument("-o", "--output", metavar="F", help="write the filled text to a file, not on stdout")
    parser.add_argument("--variations", type=int, default=1, metavar="N", help="N texts, with --- between them")
    common.add_making(parser)


def run(args: argparse.Namespace) -> None:
    text = _text(args)
    seeds = common.seeds(args, args.variations)

    from studio.generation import text_request
    from studio.media.texts import parse_gaps

    parse_gaps(text)  # what is wrong with the text is said before a model is opened
    bundle = common.find_model(args.model, "text")
    request = text_request(bundle, text, seeds=seeds, **common.options(args))
    result = common.make(request, bundle, common.open_denoiser(bundle, args), args)
    assert result.texts is not None
    if args.output:
        save_text(args.output, BETWEEN.join(result.texts))
        common.say(args, common.summary(result, [args.output]))
    if args.json:
        common.answer(args, common.result_facts(result, texts=result.texts, file=args.output), "")
    elif not args.output:
        terminal = sys.stdout.isatty()
        texts = [_for_terminal(result, bundle, i) for i in range(len(seeds))] if terminal else result.texts
        whole = BETWEEN.join(texts)
        print(whole, end="" if whole.endswith("\n") else "\n")


def _text(args: argparse.Namespace) -> str:
    if (args.text is None) == (args.file is None):
        raise StudioError('Give one text with gaps, such as "Once upon a time [[6]].", or --file F.')
    if args.text is not None:
        return args.text
    if args.file != "-":
        from studio.media.texts import load_text

        return load_text(args.file)
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise StudioError("The standard input is not UTF-8 text: save it as UTF-8 first.") from error


def _for_terminal(result: "Result", bundle: "Bundle", index: int) -> str:
    """The filled text, what was made in colour; a model can make any bytes, so no control characters come through."""
    from studio.generation import text_pieces

    before, after = ("", "") if "NO_COLOR" in os.environ else (_MADE, _PLAIN)
    text = ""
    for piece, made in text_pieces(result.request, bundle, result.y[index]):
        safe = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in piece) if made else piece
        text += f"{before}{safe}{after}" if made else piece
    return text
