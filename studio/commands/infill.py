"""prime-studio infill: fill the gaps in a text."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.commands import common
from studio.errors import StudioError
from studio.media.export import check_suffix, save_text
from studio.media.story import BETWEEN, STORY_SUFFIXES, save_story

if TYPE_CHECKING:
    from studio.evaluation import JudgedToken
    from studio.generation import Result
    from studio.prime.sampling import Denoiser, Frame
    from studio.runtime.bundle import Bundle

_MADE, _PLAIN = "\x1b[1;36m", "\x1b[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", help='a text with gaps, such as "Once upon a time [[6]] lived in [[4]]."')
    parser.add_argument("--file", metavar="F", help="take the text from a UTF-8 file; - is the standard input")
    parser.add_argument(
        "-o",
        "--output",
        metavar="F",
        help="write to a file, not on stdout: .txt is the text alone, .md marks what was made, .html is a time-lapse, "
        ".json has every step",
    )
    parser.add_argument(
        "--drafts", "--variations", type=int, default=1, metavar="N", help="N texts, one a seed, with --- between them"
    )
    parser.add_argument(
        "--alternatives", type=_count, nargs="?", const=5, metavar="K",
        help="for each token made, the K likeliest there given everything else (5)",
    )  # fmt: skip
    parser.add_argument(
        "--surprise", action="store_true", help="bits of each token of the whole text given all others; needs no gap"
    )
    common.add_making(parser)


def _count(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # most likely the text to fill, which the option would swallow
        message = f"takes a number, not {text!r}; write it before the text, such as --alternatives 5 TEXT"
        raise argparse.ArgumentTypeError(message) from None


def run(args: argparse.Namespace) -> None:
    if args.alternatives is not None and not 1 <= args.alternatives <= 1000:
        raise StudioError(f"--alternatives must lie between 1 and 1000, not {args.alternatives}.")
    text = _text(args)
    seeds = common.seeds(args, args.drafts, "--drafts")

    if args.output:
        check_suffix(args.output, STORY_SUFFIXES)
        common.check_apart([args.output], [args.file])
    from studio.media.textplan import parse_gaps

    try:
        parse_gaps(text)  # what is wrong with the text is said before a model is opened
    except StudioError as error:
        if args.surprise and "no gap" in str(error):
            _judge_only(args, text)
            return
        raise
    from studio.generation import plan_of, story_of, text_request

    bundle = common.find_model(args.model, "text", [args.output])
    request = text_request(bundle, text, seeds=seeds, **common.options(args))
    windows = plan_of(request, bundle).windows
    if len(windows) > 1:
        common.warn(f"the gaps lie in {len(windows)} windows, each of which is filled without seeing the others")
    denoise = common.open_denoiser(bundle, args)
    frames: list[Frame] = []
    told = args.output and Path(args.output).suffix.lower() in STORY_SUFFIXES[1:]
    result = common.make(request, bundle, denoise, args, on_frame=_collector(frames) if told else None)
    assert result.texts is not None
    if args.output:
        if told:
            save_story(args.output, story_of(request, bundle, frames))
        else:
            save_text(args.output, BETWEEN.join(result.texts))
    others = _alternatives(args, result, bundle, denoise) if args.alternatives else None
    judged = [_judge(args, text, bundle, denoise) for text in result.texts] if args.surprise else None
    if args.json:
        facts = common.result_facts(result, texts=result.texts, file=args.output, windows=len(windows))
        facts |= {} if others is None else {"alternatives": others}
        facts |= {} if judged is None else {"surprise": judged}
        common.answer(args, facts, "")
        return
    if args.output:
        print(common.summary(result, [args.output]))
    else:
        terminal = sys.stdout.isatty()
        texts = [_for_terminal(result, bundle, i) for i in range(len(seeds))] if terminal else result.texts
        whole = BETWEEN.join(texts)
        print(whole, end="" if whole.endswith("\n") else "\n")
    for index in range(len(seeds)):
        if others is not None:
            _print_alternatives(others[index])
        if judged is not None:
            _print_surprise(judged[index])


def _text(args: argparse.Namespace) -> str:
    if (args.text is None) == (args.file is None):
        raise StudioError('Give one text with gaps, such as "Once upon a time [[6]].", or --file F.')
    if args.text is not None:
        return args.text
    if args.file != "-":
        from studio.media.texts import load_text

        return load_text(args.file)
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudioError("The standard input is not UTF-8 text: save it as UTF-8 first.") from error


def _collector(frames: "list[Frame]") -> Any:
    """Keeps the frames in which something happens, however many steps there are."""

    def collect(frame: "Frame") -> None:
        if frame.revealed.any():
            frames.append(frame)

    return collect


def _alternatives(
    args: argparse.Namespace, result: "Result", bundle: "Bundle", denoise: "Denoiser"
) -> list[list[dict[str, Any]]]:
    """For each draft the tokens made, each with what else could stand there."""
    from studio.generation import alternatives, words_of

    drafts = []
    for y, confidence in zip(result.y, result.confidence, strict=True):
        tokens = []
        for gap, words in enumerate(words_of(result.request, bundle, y, confidence)):
            for index, word in enumerate(words):
                found = alternatives(result.request, bundle, denoise, y, gap, index, args.alternatives)
                candidates = [{"text": one.text, "probability": round(one.probability, 4)} for one in found]
                tokens.append({"gap": gap, "index": index, "text": word.text, "candidates": candidates})
        drafts.append(tokens)
    return drafts


def _print_alternatives(tokens: list[dict[str, Any]]) -> None:
    print()
    for token in tokens:
        found = ", ".join(f"{_safe(one['text'])!r} {100 * one['probability']:.1f} %" for one in token["candidates"])
        print(f"gap {token['gap'] + 1}, token {token['index'] + 1}: {_safe(token['text'])!r} <- {found}")


def _judge_only(args: argparse.Namespace, text: str) -> None:
    if args.output or args.alternatives:
        raise StudioError("The text has no gap: write [[6]] where six tokens are to be filled in.")
    bundle = common.find_model(args.model, "text")
    judged = _judge(args, text, bundle, common.open_denoiser(bundle, args))
    if args.json:
        common.answer(args, {"model": bundle.name, "texts": [text], "surprise": [judged]}, "")
    else:
        _print_surprise(judged)


def _judge(args: argparse.Namespace, text: str, bundle: "Bundle", denoise: "Denoiser") -> list[dict[str, Any]]:
    """Each token of a text with its bits, given all the others."""
    from studio.evaluation import text_surprises

    calls, stream = text_surprises(bundle, denoise, text)
    judged: list[JudgedToken] = []
    for done, some in enumerate(stream, 1):
        judged += some
        if done * 4 // calls > (done - 1) * 4 // calls:
            common.say(args, f"judging: call {done} of {calls}")
    return [
        {"start": one.start, "stop": one.stop, "text": text[one.start : one.stop], "bits": round(one.bits, 4)}
        for one in judged
    ]


def _print_surprise(judged: list[dict[str, Any]]) -> None:
    print(f"\n{'bits':>7}  token")
    for token in judged:
        print(f"{token['bits']:7.2f}  {_safe(token['text'])!r}")
    print(f"{sum(token['bits'] for token in judged) / len(judged):7.2f}  on average")


def _safe(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def _for_terminal(result: "Result", bundle: "Bundle", index: int) -> str:
    """The filled text, what was made in colour; a model can make any bytes, so no control characters come through."""
    from studio.generation import text_pieces

    before, after = ("", "") if "NO_COLOR" in os.environ else (_MADE, _PLAIN)
    text = ""
    for piece, made in text_pieces(result.request, bundle, result.y[index]):
        text += f"{before}{_safe(piece)}{after}" if made else piece
    return text
