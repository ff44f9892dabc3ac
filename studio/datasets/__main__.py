"""A process that makes a dataset ready and tells of it in JSON lines: `python -m studio.datasets SOURCE FOLDER …`.

Events on standard output, one a line: {"event": "progress", "counts": {…}}, then {"event": "done", "folder": …,
"counts": {…}}, of a table with the column that was taken and those that there are, or {"event": "error", "message": …}
with exit code 2.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from studio.datasets.collecting import collect_pictures, collect_texts
from studio.errors import StudioError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="studio.datasets", description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path, help="the dataset's folder, which is replaced")
    parser.add_argument("--grid", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of pictures; texts without it")
    parser.add_argument("--fit", default="crop", help="how pictures of another shape are fitted: crop or pad")
    parser.add_argument("--column", default="", help="of a table")
    args = parser.parse_args(arguments)

    def tell(event: dict[str, Any]) -> None:
        print(json.dumps(event), flush=True)

    def progress(counts: dict[str, int]) -> None:
        tell({"event": "progress", "counts": counts})

    try:
        if args.grid:
            grid = (args.grid[0], args.grid[1])
            dataset = collect_pictures(args.source, args.folder, grid, args.fit, args.column, progress)
        else:
            dataset = collect_texts(args.source, args.folder, args.column, progress)
    except StudioError as error:
        tell({"event": "error", "message": str(error)[:2000]})  # it may name columns of any length
        return 2
    column = {name: dataset.table[name] for name in ("taken", "columns") if name in dataset.table}
    tell({"event": "done", "folder": str(dataset.folder), "counts": dataset.counts, **column})
    return 0


if __name__ == "__main__":
    sys.exit(main())
