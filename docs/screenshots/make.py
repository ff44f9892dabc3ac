"""Make the pictures of the window in this folder: `python docs/screenshots/make.py [NAME …]`, offscreen, with the
shipped models, in a data folder of its own."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

HERE = Path(__file__).resolve().parent
SIZE = (1360, 850)
SEED = 1

if TYPE_CHECKING:
    from studio.ui.image.workspace import ImageWorkspace
    from studio.ui.text.workspace import TextWorkspace
    from studio.ui.train.workspace import TrainWorkspace
    from studio.ui.window import Window


async def shots(window: "Window", training: bool) -> AsyncIterator[str]:
    """Bring the window into one state after the other; each is named once it is there to be taken.

    training: whether those of Train are wanted, for which it really trains, some minutes.
    """
    workspace = window.workspace_named("image")
    assert workspace is not None
    image: ImageWorkspace = workspace  # pyright: ignore[reportAssignmentType]
    act, settings = window.studio.actions, image.settings
    window.resize(*SIZE)
    yield "first"

    settings.set(seed=SEED, seed_locked=True, steps=48, granularity=4, temperature=0.9)
    await run_to(image, 24)
    yield "image-dark"
    window.studio.settings.set("theme", "light")
    yield "image-light"
    window.studio.settings.set("theme", "dark")
    act["image.states"].trigger()
    yield "states"
    image.canvas.set_zoom(48)
    image.canvas.centerOn(18, 14)
    yield "digits"
    act["image.picture"].trigger()
    image.canvas.fit()
    touch(image)
    yield "touched"
    act["image.branch"].trigger()
    await over(image)
    yield "branched"

    image.discard()
    settings.set(variations=6, steps=24)
    await image.generate()
    await over(image)
    yield "variations"
    act["image.wipe"].trigger()
    yield "slider"
    settings.set(variations=1)
    await image.compare()
    await until(lambda: all(job.run.over for job in image.making.comparison))
    await asyncio.sleep(0.5)
    yield "compare"
    act["window.palette"].trigger()
    yield "palette"
    window.setFocus()

    async for name in text_shots(window):
        yield name
    if training:
        async for name in train_shots(window):
            yield name
    for name in ("gallery", "models"):
        window.bring_to_front(name)
        await asyncio.sleep(8 if name == "models" else 1.5)  # its speed is measured
        yield name


async def text_shots(window: "Window") -> AsyncIterator[str]:
    """The text workspace: a fill on its way, drafts side by side, and what the model finds odd."""
    workspace = window.workspace_named("text")
    assert workspace is not None
    text: TextWorkspace = workspace  # pyright: ignore[reportAssignmentType]
    window.bring_to_front("text")
    text.settings.set(seed=SEED, seed_locked=True, steps=48, granularity=12)
    await text.generate()
    await until(lambda: text.playhead.index >= 22)
    text.pause()
    await until(lambda: text.playhead.state == "paused")
    text.playhead.show(22)
    yield "text-live"
    window.studio.settings.set("theme", "light")
    text.filling.clear()
    text.settings.set(variations=3, granularity=1, temperature=0.8)
    await text.generate()
    await until(lambda: text.playhead.state == "done")
    await asyncio.sleep(0.3)
    yield "text-drafts"
    window.studio.settings.set("theme", "dark")
    text.filling.clear()
    text.commands["surprise"].setChecked(True)
    text.show_surprise(True)
    await until(lambda: len(text.editor.judged) > 20 and not text.judging.busy)
    yield "text-surprise"


async def train_shots(window: "Window") -> AsyncIterator[str]:
    """Train: what was opened, and a short fine-tuning on it, really run."""
    workspace = window.workspace_named("train")
    assert workspace is not None
    train: TrainWorkspace = workspace  # pyright: ignore[reportAssignmentType]
    window.bring_to_front("train")
    with tempfile.TemporaryDirectory() as folder:
        flags = Path(folder) / "flags"
        subprocess.run([sys.executable, HERE.parent / "images" / "flags.py", flags], check=True)
        train.open_data(flags)
        await until(lambda: train.source.dataset is not None and not train.source.reading)
        await asyncio.sleep(1)
        yield "train-data"
        train.form.set_name("flags")
        steps = {"steps": 240, "warmup": 20, "evaluate_every": 20, "preview_every": 40, "learning_rate": 6e-4}
        train.form.set_values({f"training.{name}": value for name, value in steps.items()})
        train.form.set_values({"data.valid_share": 0.1})
        await train.start()
        await until(lambda: train.watch.state in ("done", "failed", "lost"), minutes=30)
        await asyncio.sleep(1)
        yield "train"


def touch(image: "ImageWorkspace") -> None:
    """Mark a part of the paused frame to be made again, pin another and paint a third."""
    document = image.document
    for text, ink, color, line in (
        ("Brush", "mask", (0, 0, 0), ((18, 5), (20, 9))),
        ("Pin", "pin", (0, 0, 0), ((24, 20), (26, 22))),
        ("Paint", "color", (85, 139, 47), ((20, 31), (28, 31))),
    ):
        edit = document.begin(text)
        document.stroke(edit, *line, 4, ink, color)  # pyright: ignore[reportArgumentType]
        document.commit(edit)


async def run_to(image: "ImageWorkspace", index: int) -> None:
    """Make frames up to this one and stay there, paused."""
    await image.generate()
    await until(lambda: image.playhead.index >= index or image.playhead.state == "done")
    image.pause()
    await until(lambda: image.playhead.state == "paused")
    image.playhead.show(index)


async def over(image: "ImageWorkspace") -> None:
    await until(lambda: image.playhead.state in ("done", "failed", "stopped"))
    await asyncio.sleep(0.3)


async def until(holds: Callable[[], bool], minutes: float = 2) -> None:
    async with asyncio.timeout(60 * minutes):
        while not holds():
            await asyncio.sleep(0.01)


def take(window: "Window", name: str) -> None:
    """Write what the window shows, in as few colours as one does not see."""
    from PySide6.QtCore import QBuffer

    buffer = QBuffer()
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    window.grab().save(buffer, "PNG")  # pyright: ignore[reportCallIssue, reportArgumentType]
    picture = Image.open(BytesIO(bytes(buffer.data().data()))).convert("RGB")
    few = picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(HERE / f"{name}.png", optimize=True)
    print(f"{name}.png  {(HERE / f'{name}.png').stat().st_size // 1024} KB")


def main() -> int:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    sys.path.insert(0, str(HERE.parents[1]))
    from studio.ui.app import StartOptions, start

    wanted = set(sys.argv[1:])

    def ready(window: "Window") -> None:
        from studio.ui.tasks import spawn

        async def run() -> None:
            try:
                window.studio.settings.set("theme", "dark")
                async for name in shots(window, training=not wanted or bool(wanted & {"train-data", "train"})):
                    await asyncio.sleep(0.4)
                    if not wanted or name in wanted:
                        take(window, name)
            finally:
                window.leave()

        spawn(run())

    with tempfile.TemporaryDirectory() as home:
        os.environ["PRIME_STUDIO_HOME"] = home
        return start(StartOptions(device="cpu", ready=ready))


if __name__ == "__main__":
    sys.exit(main())
