"""The command line of training: arguments and progress of `prime-studio train` and `export`."""

import argparse
import dataclasses
from pathlib import Path

from studio.training.recipe import Recipe, load_recipe


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="recipe file (TOML), such as models/recipes/emoji-32.toml")
    parser.add_argument("--output", "-o", help="folder of the run (default: runs/NAME)")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument("--max-minutes", type=float, help="stop, with a checkpoint, after so many minutes")
    parser.add_argument("--steps", type=int, help="in place of the recipe's number of steps")
    parser.add_argument("--data", help="folder that holds the training and held-out files named in the recipe")


def recipe_from(args: argparse.Namespace) -> tuple[Recipe, Path]:
    """The recipe with the command line's changes, and the folder of the run."""
    recipe = load_recipe(args.recipe)
    if args.steps is not None:
        recipe = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, steps=args.steps))
    if args.data is not None:
        data = recipe.data
        files = {name: str(Path(args.data) / Path(getattr(data, name)).name) for name in ("train", "valid")}
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(data, **files))
    return recipe, Path(args.output or Path("runs") / recipe.name)
