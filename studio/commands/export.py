"""prime-studio export: turn a checkpoint into a model; the work is done under studio.training."""

import argparse
from importlib import import_module

from studio.commands.train import needs_extra


def add_arguments(parser: argparse.ArgumentParser) -> None:
    with needs_extra():
        import_module("studio.training.commands").add_export_arguments(parser)


def run(args: argparse.Namespace) -> int | None:
    with needs_extra():
        return import_module("studio.training.commands").export(args)
