"""The command line of training: arguments and progress of `prime-studio train` and `export`."""

import argparse
import dataclasses
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

from studio.errors import StudioError
from studio.files import is_utf8
from studio.training.control import Control
from studio.training.recipe import DataSettings, Recipe, check_recipe, load_recipe
from studio.training.run_folder import run_of
from studio.training.sitting import Teller, sit


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="recipe file (TOML), such as models/recipes/emoji-32.toml")
    parser.add_argument("--output", "-o", help="folder of the run, new, empty or a run's (default: runs/NAME)")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument("--init", metavar="BUNDLE", type=Path, help="start from the weights of this bundle's folder")
    parser.add_argument("--max-minutes", type=float, help="stop, with a checkpoint, after so many minutes")
    parser.add_argument("--steps", type=int, help="in place of the recipe's number of steps")
    parser.add_argument(
        "--data",
        help="folder that holds the files which the recipe names; if it names none, as my-pictures.toml and "
        "my-texts.toml, the data: a folder or zip of pictures, an .npz, a .txt, …",
    )


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="folder of a run, or one of its checkpoints")
    parser.add_argument(
        "--output",
        "-o",
        help="folder of the bundle (default: in the run's, under its name); a former export there is replaced",
    )
    parser.add_argument("--recipe", help="recipe in place of the one in the checkpoint (texts, paths, defaults)")
    parser.add_argument(
        "--init", metavar="BUNDLE", type=Path, help="the bundle that the run was started from: its training counts too"
    )
    parser.add_argument(
        "--no-evaluation", action="store_true", help="leave out the figures on held-out data, and need no data"
    )


def recipe_from(args: argparse.Namespace) -> tuple[Recipe, Path]:
    """The recipe with the command line's changes, and the folder of the run."""
    if args.max_minutes is not None and not args.max_minutes > 0:
        raise StudioError(f"--max-minutes must be more than 0, not {args.max_minutes:g}.")
    recipe = load_recipe(args.recipe)
    if args.steps is not None:
        recipe = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, steps=args.steps))
    if args.data is not None:
        recipe = dataclasses.replace(recipe, data=_data_in(Path(args.data), recipe.data))
    if args.init is not None:
        recipe = dataclasses.replace(recipe, init=str(args.init))
    check_recipe(recipe)
    folder = Path(args.output or Path("runs") / recipe.name)
    if not is_utf8(str(folder)):
        raise StudioError(f"The folder of a run needs a name in UTF-8, not {str(folder)!r}: choose another.")
    return recipe, folder


def _data_in(folder: Path, data: DataSettings) -> DataSettings:
    """The files that a recipe names, in another folder; that folder, or file, itself where it names none."""
    if not data.train:
        if not folder.exists():
            raise StudioError(f"There is no {folder}: check what --data names.")
        return dataclasses.replace(data, train=str(folder))
    files = {name: folder / Path(getattr(data, name)).name for name in ("train", "valid") if getattr(data, name)}
    for name, file in files.items():
        if not file.exists():
            raise StudioError(
                f"There is no {file.name} in {folder}: put there what the recipe's data.{name} names, or for data of "
                "your own take models/recipes/my-pictures.toml or my-texts.toml."
            )
    return dataclasses.replace(data, **{name: str(file) for name, file in files.items()})


def train(args: argparse.Namespace) -> int:
    """Train with a progress bar. Ctrl+C or SIGTERM writes a checkpoint, then stops; a second Ctrl+C stops at once.

    Returns 0 for a run that came to its end, 143 for one that was terminated, 130 for one that was stopped otherwise.
    """
    from rich.console import Console

    recipe, folder = recipe_from(args)
    console = Console(stderr=True)
    control = Control()
    stopped = signal.SIGINT

    def stop(number: int, frame: Any) -> None:
        nonlocal stopped
        stopped = signal.Signals(number)
        control.ask("stop")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        console.print("Stopping after this step; a checkpoint is written.")

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with _ProgressLine(console) as line, closing(Teller(line.show)) as teller:
            try:
                checkpoint = sit(recipe, folder, teller, control, resume=args.resume, max_minutes=args.max_minutes)
            except StudioError as error:
                teller.tell_failure(error)
                raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    print(checkpoint)
    return 128 + stopped if line.reason == "stop" else 0


class _ProgressLine:
    """Training events as a progress bar on a terminal, and as plain lines elsewhere."""

    def __init__(self, console: Any):
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.table import Column

        self.console = console
        self.held_out = ""  # until it was measured
        self.reason = ""  # why the run ended
        self.progress = Progress(
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
        )
        self.task = self.progress.add_task("training", total=None, figures="starting…")

    def __enter__(self) -> "_ProgressLine":
        if self.console.is_terminal:
            self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.progress.stop()

    def show(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "start":
                self.progress.update(self.task, total=event["steps"], completed=event["step"], figures="")
                words = (
                    f"{event['parameters'] / 1e6:.1f} M parameters, {event['samples']:,} samples; loss in bits a token"
                )
                self.console.print(words, highlight=False)
            case "step":
                figures = (
                    f"loss {event['loss']:.3f}{self.held_out} · "
                    f"{event['samples_per_second']:.1f} samples/s · {_duration(event['seconds_left'])} left"
                )
                self.progress.update(self.task, completed=event["step"], figures=figures)
                if not self.console.is_terminal:
                    self.console.print(f"step {event['step']}/{event['steps']} · {figures}", highlight=False)
            case "evaluation":
                self.held_out = f", held out {event['held_out']:.3f}"
                best = ", the best so far" if event["best"] else ""
                self.console.print(
                    f"step {event['step']}: bound {event['bound']:.3f} bits a token{best}", highlight=False
                )
            case "preparing":
                part = f": {event['done']}" if "done" in event else ""
                part += f" of {event['of']}" if "of" in event else ""
                self.progress.update(self.task, figures=f"{event['what']}{part}")
            case "log":
                self.console.print(event["message"], highlight=False)
            case "end":
                why = {"finished": "finished", "early": "ended early, with no better figure", "time": "time is up"}
                self.reason, words = event["reason"], why.get(event["reason"], "stopped")
                self.progress.update(self.task, completed=event["step"], figures=words)
                if not self.console.is_terminal:
                    self.console.print(f"step {event['step']}: {words}", highlight=False)
            case "checkpoint":
                best = ", the best so far" if event["best"] else ""
                self.console.print(f"step {event['step']}: checkpoint{best}", highlight=False)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def export(args: argparse.Namespace) -> int:
    """`prime-studio export`: a checkpoint becomes a bundle; returns the exit code. StudioError where it cannot."""
    from studio.training.export import export as export_bundle
    from studio.training.trainer import CHECKPOINT

    checkpoint = Path(args.run)
    if checkpoint.is_dir():
        checkpoint = checkpoint / CHECKPOINT
    if not checkpoint.exists():
        raise StudioError(f"There is no checkpoint at {checkpoint}: give the folder of a training run.")
    recipe = load_recipe(args.recipe) if args.recipe else None
    run = run_of(checkpoint)
    output = Path(args.output or run / (recipe.name if recipe else run.absolute().name))
    print(export_bundle(checkpoint, output, recipe, evaluate=not args.no_evaluation, init=args.init))
    return 0
