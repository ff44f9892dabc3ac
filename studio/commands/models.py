"""prime-studio models: what is installed, from where, and whether it is whole."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from studio.commands import common
from studio.errors import StudioError

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, help_line in (
        ("list", "what is installed, and what is wrong with it"),
        ("info", "all that a model says of itself"),
        ("verify", "check all files of models and run each once"),
        ("import", "install a .primebundle file or a model folder"),
        ("export", "write a model as one .primebundle file"),
        ("remove", "delete a model that was imported"),
    ):
        action = actions.add_parser(name, help=help_line, description=help_line.capitalize() + ".")
        if name == "verify":
            action.add_argument("model", nargs="*", help="default: all")
        elif name == "import":
            action.add_argument("source", help="a .primebundle file or a model folder")
            action.add_argument("--replace", action="store_true", help="take the place of a model of the same name")
        elif name != "list":
            action.add_argument("model", help="name of an installed model" + " or a folder" * (name != "remove"))
        if name == "export":
            action.add_argument("-o", "--output", metavar="F", help="default: NAME.primebundle")
        common.add_output(action)


def run(args: argparse.Namespace) -> int:
    actions = {"list": _list, "info": _info, "verify": _verify, "import": _import, "export": _export, "remove": _remove}
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from studio.runtime.catalog import list_bundles, user_models

    rows: list[dict[str, Any]] = []
    lines = []
    for path, bundle in list_bundles():
        if isinstance(bundle, StudioError):
            rows.append({"name": path.name, "path": str(path), "problem": str(bundle)})
            lines.append(f"{path.name:16}  {bundle}")
            continue
        rows.append(_facts(bundle))
        origin = "imported" if path.parent == user_models() else "shipped"
        size = f"{rows[-1]['bytes'] / 1e6:.1f} MB"
        lines.append(f"{bundle.name:16}  {bundle.manifest.modality:5}  {size:>8}  {origin:8}  {bundle.manifest.title}")
    common.answer(args, {"models": rows}, "\n".join(lines) or "No model is installed.")
    return 0


def _facts(bundle: "Bundle") -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "name": bundle.name,
        "path": str(bundle.path),
        "title": manifest.title,
        "modality": manifest.modality,
        "bytes": sum(entry.size for entry in manifest.files.values()),
        "digest": bundle.digest,
        "licence": manifest.licence,
    }


def _info(args: argparse.Namespace) -> int:
    from studio.runtime.catalog import find_bundle

    bundle = find_bundle(args.model)
    content = bundle.manifest.model_dump(mode="json")
    lines = [f"{bundle.name}: {bundle.manifest.title}", f"{'path':16}{bundle.path}", f"{'digest':16}{bundle.digest}"]
    for key, value in content.items():
        if key not in ("name", "title"):
            lines.append(f"{key:16}{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    common.answer(args, _facts(bundle) | {"manifest": content}, "\n".join(lines))
    return 0


def _verify(args: argparse.Namespace) -> int:
    """0 if all are whole, 1 if one is not, with a line for each; what is wrong with the only one is an error as any."""
    from studio.runtime.catalog import list_bundles, verify_bundle

    names = args.model or [path.name for path, _ in list_bundles()]
    problems: dict[str, str | None] = {}
    for name in names:
        if len(names) > 1:
            common.say(args, f"checking {name}")
        try:
            verify_bundle(name)
            problems[name] = None
        except StudioError as error:
            if len(args.model) == 1:
                raise
            problems[name] = str(error)
    lines = [f"{name:16}  {problem or 'whole, and runs'}" for name, problem in problems.items()]
    common.answer(args, {"problems": problems}, "\n".join(lines) or "No model is installed.")
    return 1 if any(problems.values()) else 0


def _import(args: argparse.Namespace) -> int:
    from studio.runtime.catalog import import_bundle

    bundle = import_bundle(args.source, replace=args.replace)
    common.answer(args, _facts(bundle), f"{bundle.name} is installed in {bundle.path}")
    return 0


def _export(args: argparse.Namespace) -> int:
    from studio.runtime.catalog import SUFFIX, export_bundle, find_bundle

    bundle = find_bundle(args.model)
    target = args.output or f"{bundle.name}{SUFFIX}"
    export_bundle(bundle, target)
    common.answer(args, {"file": target}, target)
    return 0


def _remove(args: argparse.Namespace) -> int:
    from studio.runtime.catalog import remove_bundle, replaces_shipped

    back = "; the one that came with the program is back" if replaces_shipped(args.model) else ""
    remove_bundle(args.model)
    common.answer(args, {"removed": args.model}, f"{args.model} is removed{back}")
    return 0
