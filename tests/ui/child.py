"""`python -m tests.ui.child PLAY [key=value ...]`: the window as `app.py` opens it, with somebody at it who does PLAY.

It prints one JSON object a line: {"ready": …} once it has come to where the test wants it, and what `tell` says.
"""

import asyncio
import json
import locale
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from studio.ui.app import StartOptions, start
from studio.ui.session_files import Loaded, SessionFiles
from studio.ui.window import Window


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.005)


async def saved(window: Window) -> None:
    """Until what is open now is on disk."""
    seen = []
    window.session.saved.connect(lambda: seen.append(True))
    for workspace in window.workspaces:
        workspace.dirty.emit()
    window.session.save_now()
    await until(lambda: bool(seen))


async def forever(window: Window, image: Any) -> None:
    say(ready=True)
    await asyncio.Event().wait()


async def make(window: Window, image: Any) -> None:
    """A short run that ends, then a long one that goes on until somebody ends the process."""
    image.settings.set(steps=4, temperature=0.7, seed=2**63 + 1, seed_locked=True)
    await image.generate()
    await until(lambda: image.playhead.state == "done")
    await saved(window)
    image.settings.set(steps=4000)
    await image.generate()
    await until(lambda: image.playhead.index > 5)
    say(ready=True)
    await asyncio.Event().wait()


async def paint(window: Window, image: Any) -> None:
    """Stroke after stroke; what the first of them did is on disk."""
    from PySide6.QtCore import QRect

    from studio.ui.image import masking

    image.settings.set(temperature=0.6)
    masking.clear_mask(image.document)
    masking.fill_rect(image.document, QRect(2, 2, 5, 5))
    await saved(window)
    edit = image.document.begin("Brush")
    image.document.stroke(edit, (20, 20), (25, 25), 3, "mask")
    say(ready=True)
    while True:
        image.document.stroke(edit, (20, 20), (25, 25), 3, "mask")
        await asyncio.sleep(0.001)


async def tell(window: Window, image: Any) -> None:
    """What is open, and what is being said."""
    from PySide6.QtWidgets import QLineEdit

    document, run, notices = image.document, image.playhead.run, window.studio.notices
    window.repaint()
    fields = [box.text() for box in image.inspector.findChildren(QLineEdit) if box.isVisible()]
    grabbed = window.grab()
    say(
        title=image.opening.title,
        size=list(document.size),
        masked=int(document.mask.sum()),
        first=document.stored[0, 0].tolist(),
        settings=image.settings.dump() | {"warp": None, "corrector": None, "temperature_slope": None},
        state=image.playhead.state,
        frames=len(run.frames) if run else 0,
        theme=window.studio.settings.values.theme,
        notices=[notice.text for place in ("window", "image") for notice in notices.at(place)],
        fields=fields,
        ratio=grabbed.devicePixelRatio(),
        pixels=[grabbed.width(), grabbed.height()],
        window=[window.width(), window.height()],
        canvas=image.canvas.isVisible(),
        number=f"{float('1.5'):n} {locale.localeconv()['decimal_point']}",
        provider=image.status()["provider"],
        icon=not window.windowIcon().isNull(),
    )
    window.leave()


async def switch(window: Window, image: Any) -> None:
    """Other colours, again and again, while much of the window was never shown and some of it is replaced."""
    from PySide6.QtWidgets import QApplication

    application = QApplication.instance()
    assert isinstance(application, QApplication)
    sheets = []
    for mode in ("light", "dark", "light"):
        window.studio.theme.set_mode(mode)
        sheets.append(application.styleSheet())
        window.studio.models.load()  # makes what Models shows anew
        await asyncio.sleep(0.05)
    say(sheets=sheets)
    window.leave()


async def gaps(window: Window, image: Any) -> None:
    from studio.ui.bench.measures import probed, run_once

    image.settings.set(seed=1, seed_locked=True, steps=16)
    await run_once(image)
    for _ in range(3):
        probe = await probed(image)
        p99, longest = probe.milliseconds(0.99, probe.own), 1000 * max(probe.own)
        say(p99=p99, longest=longest)
        if p99 <= 33 and longest <= 100:
            break
    window.leave()


PLAYS: dict[str, Callable[[Window, Any], Coroutine[Any, Any, None]]] = {
    "wait": forever,
    "make": make,
    "paint": paint,
    "tell": tell,
    "switch": switch,
    "gaps": gaps,
}


def load_slowly() -> None:
    """So that another start can hand its files over meanwhile."""
    load = SessionFiles.load

    def slow(self: SessionFiles, again: bool = False) -> Loaded:
        say(loading=True)
        time.sleep(4)
        return load(self, again)

    SessionFiles.load = slow


def main() -> int:
    from studio.ui.tasks import spawn

    if "slow" in sys.argv:
        load_slowly()

    def ready(window: Window) -> None:
        spawn(PLAYS[sys.argv[1]](window, window.workspace_named("image")))

    paths = [Path(name) for name in sys.argv[2:] if name.endswith(".png")]
    return start(StartOptions(paths=paths, device="cpu", safe="safe" in sys.argv, ready=ready))


if __name__ == "__main__":
    sys.exit(main())
