"""prime-studio train: train a model from a recipe; the work is done under studio.training."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from studio.errors import TO_TRAIN, StudioError

EXTRA = {"torch", "accelerate", "onnx", "onnxscript", "tensorboard"}


@contextmanager
def needs_extra() -> Iterator[None]:
    """StudioError in place of the error that a missing package of the training extra raises."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:  # a module below one of these: the package is there, and too old
            raise
        raise StudioError(f"Training needs the training extra: {TO_TRAIN}.") from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    with needs_extra():
        import_module("studio.training.commands").add_train_arguments(parser)


def run(args: argparse.Namespace) -> int | None:
    with needs_extra():
        return import_module("studio.training.commands").train(args)
