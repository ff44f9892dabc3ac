"""What the commands that make things share: their options, progress on the terminal, the run itself."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.errors import StudioError
from studio.shipped import shipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from studio.generation import GenerationRequest, Options, Result
    from studio.prime.sampling import Frame
    from studio.runtime.bundle import Bundle
    from studio.runtime.denoiser import OnnxDenoiser

OPTIONS = (
    "steps",
    "schedule",
    "policy",
    "granularity",
    "temperature",
    "top_p",
    "top_k",
    "remask",
    "draw",
    "temperature_slope",
    "warp",
    "corrector",
)


def add_making(parser: argparse.ArgumentParser) -> None:
    """The options of everything that is made; what is left out comes from the model."""
    from studio.prime.drawing import DRAWS
    from studio.prime.policies import NO_CORRECTOR, POLICIES
    from studio.prime.schedules import NO_WARP, SCHEDULES

    group = parser.add_argument_group("how it is made (what is left out comes from the model)")
    group.add_argument("--model", help="name of an installed model, or the path of its folder")
    group.add_argument("--steps", type=int, help="steps of the schedule")
    group.add_argument("--granularity", type=int, help="sub-tokens of a token that are revealed on their own (ℓ)")
    group.add_argument("--policy", help=f"which sub-tokens come next: {', '.join(POLICIES)}")
    group.add_argument("--schedule", help=f"how fast they are revealed: {', '.join(SCHEDULES)}, …")
    group.add_argument("--temperature", type=float, help="0 takes the likeliest, 1 draws as the model says")
    group.add_argument("--top-p", type=float, help="draw only from the likeliest classes of this total probability")
    group.add_argument("--top-k", type=int, help="draw only from the K likeliest classes; 0 from all")
    group.add_argument("--remask", type=float, help="share of what was made that is masked and made anew, 0 to 1")
    group.add_argument("--draw", choices=DRAWS, help="a token's digits together, or each from its own marginal")
    group.add_argument(
        "--temperature-slope", type=_numbers((0.0, 1.0)), metavar="A,N", help="a·t^n is added to it; write =A,N"
    )
    group.add_argument("--warp", type=_numbers(NO_WARP), metavar="A,P,C", help="steps end at 1 - a(1-t)^p + c; or off")
    group.add_argument(
        "--corrector",
        type=_numbers(NO_CORRECTOR),
        metavar="C,P,Q",
        help="what is known is masked again at c·t^p·(1-t)^q times the pace at which it grows; or off",
    )
    group.add_argument("--seed", type=int, help="whole number from 0 to 2^64-1; the same seed makes the same again")
    add_device(parser)
    add_output(parser)


def _numbers(off: tuple[float, ...]) -> Callable[[str], tuple[float, ...]]:
    """Reads as many numbers as `off` has, with commas between, or the word off for these."""

    def read(text: str) -> tuple[float, ...]:
        if text == "off":
            return off
        try:
            numbers = tuple(float(part) for part in text.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != len(off):
            raise argparse.ArgumentTypeError(f"must be {len(off)} numbers with commas between, or off, not {text!r}")
        return numbers

    return read


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the network runs")


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout, and nothing else")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress; warnings stay")


def options(args: argparse.Namespace) -> "Options":
    return {name: getattr(args, name) for name in OPTIONS}  # pyright: ignore[reportReturnType]


def seeds(args: argparse.Namespace, count: int, what: str = "--variations") -> list[int]:
    """`count` seeds, one after the other from --seed, or from one drawn now."""
    if not 1 <= count <= 4096:
        raise StudioError(f"{what} must lie between 1 and 4096, not {count}.")
    first = int.from_bytes(os.urandom(4), "big") if args.seed is None else args.seed
    if not 0 <= first < 2**64:
        raise StudioError(f"The seed must be a whole number from 0 to 2^64-1, not {first}.")
    return [(first + i) % 2**64 for i in range(count)]


def check_apart(outputs: Sequence[str | Path | None], inputs: Sequence[str | Path | None]) -> None:
    """StudioError where something would be written over what it is made from; None stands for no file."""
    for output in filter(None, outputs):
        for source in filter(None, inputs):
            if os.path.realpath(output) == os.path.realpath(source) or _is_one_file(output, source):
                raise StudioError(f"{output} is what it would be made from: give the result another name.")


def _is_one_file(first: str | Path, second: str | Path) -> bool:
    try:
        return os.path.samefile(first, second)
    except (OSError, ValueError):  # one of them is not there
        return False


def find_model(name: str | None, modality: str, outputs: Sequence[str | Path | None] = ()) -> "Bundle":
    """The model of this name, or the first for "image" or "text". StudioError where there is none, and where one of
    its own files would be written over."""
    from studio.runtime.bundle import MANIFEST
    from studio.runtime.catalog import default_bundle, find_bundle

    bundle = default_bundle(modality) if name is None else find_bundle(name)
    check_apart(outputs, [bundle.path / file for file in (MANIFEST, *bundle.manifest.files)])
    return bundle


def samples_folder() -> Path:
    """The shipped sample pictures and texts."""
    return shipped("assets") / "samples"


def say(args: argparse.Namespace, text: str) -> None:
    """One line of progress for the person at the terminal, on stderr; not if quiet."""
    if not args.quiet:
        warn(text)


def warn(text: str) -> None:
    """One line that matters to the result, on stderr, quiet or not."""
    print(text, file=sys.stderr, flush=True)


def answer(args: argparse.Namespace, facts: dict[str, Any], text: str) -> None:
    """What a command has to tell, on stdout: `facts` for scripts or `text` for people."""
    print(json.dumps(facts) if args.json else text)


def open_denoiser(bundle: "Bundle", args: argparse.Namespace) -> "OnnxDenoiser":
    """The network on its device; where it runs elsewhere than hoped for is said."""
    from studio.runtime.denoiser import OnnxDenoiser
    from studio.runtime.devices import driver_problem

    denoise = OnnxDenoiser(bundle, args.device)
    if args.device != "auto" or denoise.reason is None:
        say(args, f"{bundle.name} on {denoise.provider}")
    elif driver_problem():  # no card to be had: as it always is here
        say(args, f"{bundle.name} on {denoise.provider}: {denoise.reason}")
    else:
        warn(f"{bundle.name} on {denoise.provider}: {denoise.reason}")
    return denoise


def make(
    request: "GenerationRequest",
    bundle: "Bundle",
    denoise: "OnnxDenoiser",
    args: argparse.Namespace,
    *,
    picture: "NDArray[np.uint8] | None" = None,
    on_frame: "Callable[[Frame], None] | None" = None,
    title: str = "filling",
) -> "Result":
    """Run a request to its end, with progress."""
    from studio.generation import finish, generate

    made = None
    # Closed at once when interrupted, so that no call is made after that.
    with closing(generate(request, bundle, denoise)) as frames:
        for made in progress(frames, args, title):
            if on_frame:
                on_frame(made[0])
    assert made is not None
    last, seconds = made
    return finish(request, bundle, last, picture=picture, seconds=seconds, provider=denoise.provider)


def progress(frames: "Iterator[Frame]", args: argparse.Namespace, title: str) -> "Iterator[tuple[Frame, float]]":
    """The frames, each with the seconds spent on making so far; shown as a bar on a terminal, else as a line at
    every quarter, and not at all if quiet."""
    timed = _timed(frames)
    if args.quiet:
        yield from timed
    elif sys.stderr.isatty():
        yield from _bar(timed, title)
    else:
        quarter = 0
        for frame, seconds in timed:
            if frame.step * 4 // frame.steps > quarter:
                quarter = frame.step * 4 // frame.steps
                say(args, f"{title}: step {frame.step} of {frame.steps}, {_pace(frame, seconds)}")
            yield frame, seconds


def _timed(frames: "Iterator[Frame]") -> "Iterator[tuple[Frame, float]]":
    """What is done with a frame, such as drawing it for a time-lapse, is no part of the time of making it."""
    seconds, start = 0.0, time.perf_counter()
    for frame in frames:
        seconds += time.perf_counter() - start
        yield frame, seconds
        start = time.perf_counter()


def _bar(timed: "Iterator[tuple[Frame, float]]", title: str) -> "Iterator[tuple[Frame, float]]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, pace="")
        for frame, seconds in timed:
            bar.update(task, total=frame.steps, completed=frame.step, pace=_pace(frame, seconds))
            yield frame, seconds


def _pace(frame: "Frame", seconds: float) -> str:
    if not frame.calls:
        return "no calls yet"
    return f"{frame.calls} calls, {1000 * seconds / frame.calls:.0f} ms each"


def result_facts(result: "Result", **more: Any) -> dict[str, Any]:
    """What a script may want to know of a result."""
    request = result.request
    drawn = ~np.isnan(result.confidence)
    facts = {
        "model": request.model,
        "seeds": list(request.seeds),
        **request.options(),
        "made_tokens": int(drawn[0].sum()),
        "confidence": [
            round(float(row[some].mean()), 4) if some.any() else None
            for row, some in zip(result.confidence, drawn, strict=True)
        ],
        "calls": result.calls,
        "seconds": round(result.seconds, 3),
        "ms_per_call": round(1000 * result.seconds / max(result.calls, 1), 2),
        "provider": result.provider,
    }
    return facts | more


def summary(result: "Result", files: Sequence[str | Path]) -> str:
    """One line for people: where it is and what it took."""
    where = ", ".join(map(str, files))
    return f"{where}  (seed {result.request.seeds[0]}, {result.calls} calls, {result.seconds:.1f} s)"


def numbered(path: Path, count: int) -> list[Path]:
    """`path` itself for one, else path-1, path-2, … before the suffix."""
    if count == 1:
        return [path]
    digits = len(str(count))
    return [path.with_name(f"{path.stem}-{i:0{digits}}{path.suffix}") for i in range(1, count + 1)]
