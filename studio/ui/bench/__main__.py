"""`python -m studio.ui.bench NAME`: measure in a window of this process's own; one JSON line a figure on stdout.

It runs in a data folder of its own. NAME is "window", "train" for the window beside a training run, "text" for the
text workspace, "start" for a start that ends as soon as it is usable, or "canvas" for the canvas alone, with every
overlay: the 99th percentile of each figure in milliseconds.
"""

import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from studio.ui.app import StartOptions, start

if TYPE_CHECKING:
    from studio.ui.window import Window


def main() -> int:
    name = sys.argv[1]
    if name == "canvas":
        return _canvas()
    with tempfile.TemporaryDirectory() as home:
        os.environ["PRIME_STUDIO_HOME"] = home
        return start(StartOptions(device="cpu", ready=_start if name == "start" else _window(name)))


def _canvas() -> int:
    import numpy as np
    from PySide6.QtWidgets import QApplication

    from studio.ui import theme
    from studio.ui.bench.canvas import measure_all

    application = QApplication(["prime-studio"])
    theme.install(application, "dark").dress()
    gc.freeze()  # as app.py does once the window is up
    for name, times in measure_all().items():
        _tell(name, float(np.percentile(times, 99)), f"median {np.median(times):.1f} ms")
    return 0


def _tell(name: str, value: float, note: str = "") -> None:
    print(json.dumps({"name": name, "value": value, "note": note}), flush=True)


def _start(window: "Window") -> None:
    from studio.ui.tasks import spawn

    async def tell() -> None:
        import asyncio

        workspace = window.workspace
        bundle = window.studio.models.default("image")
        assert bundle is not None
        while window.studio.lane.loaded(bundle) is None:
            await asyncio.sleep(0.002)
        window.repaint()
        _tell("start", time.time() - float(sys.argv[2]), workspace.name)
        window.leave()

    spawn(tell())


def _window(name: str) -> "Callable[[Window], None]":
    def ready(window: "Window") -> None:
        from studio.ui.bench import measures, text, training
        from studio.ui.tasks import spawn

        measure_all = {"window": measures, "text": text, "train": training}[name].measure_all

        async def tell() -> None:
            try:
                async for figure in measure_all(window):
                    _tell(*figure)
            finally:
                window.leave()

        spawn(tell())

    return ready


if __name__ == "__main__":
    sys.exit(main())
