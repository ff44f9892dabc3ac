"""The figures, each measured with the window as its user has it."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from studio.generation import generate
from studio.media.images import Picture
from studio.ui.bench.stall import StallProbe
from studio.ui.playhead import TICK_MS
from studio.ui.status import memory_bytes
from studio.ui.words import bytes_text

if TYPE_CHECKING:
    from studio.ui.image.workspace import ImageWorkspace
    from studio.ui.runs import Run
    from studio.ui.window import Window

T = TypeVar("T")
Measured = tuple[str, float, str]
LARGE, BRUSH = 4096, 256
RUNS = 9
PAIRS = 25
"""Runs watched and alone, by turns: single ones differ by a tenth."""


async def measure_all(window: "Window") -> AsyncIterator[Measured]:
    """(name, value, note) of every figure."""
    workspace = window.workspace_named("image")
    assert workspace is not None
    image: ImageWorkspace = workspace  # pyright: ignore[reportAssignmentType]
    image.settings.set(seed=1, seed_locked=True, steps=32, variations=1)
    await run_once(image)
    for figure in await gaps(image):
        yield figure
    yield await watched(image)
    yield await frame_to_pixels(image)
    yield await stop_to_idle(image)
    yield await memory(image)
    yield await stroke(image)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


async def outside(work: Callable[[], T]) -> T:
    """Do what hands events out itself, such as `QTest`, where no task is under way: another that an event wakes could
    not be entered from within one, and would never go on."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def do() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # else nobody would ever wake who waits here
            done.set_exception(error)

    loop.call_soon(do)
    return await done


async def run_once(image: "ImageWorkspace") -> float:
    """Seconds from asking for a run to its last frame."""
    started = time.perf_counter()
    await image.making.generate()
    run = image.playhead.run
    assert run is not None
    while not run.over:
        # Looking more often would itself take from the run what a window takes that nobody measures.
        await asyncio.sleep(0.02)
    return time.perf_counter() - started


async def gaps(image: "ImageWorkspace") -> list[Measured]:
    """Main-thread gaps while a long run is drawn."""
    probe = await probed(image)
    p99, longest = probe.milliseconds(0.99, probe.own), 1000 * max(probe.own)
    note = "{:.1f} ms without what it waited for a core"
    return [
        ("gap-p99", probe.milliseconds(0.99), note.format(p99)),
        ("gap-max", probe.longest, note.format(longest)),
    ]


async def probed(image: "ImageWorkspace") -> StallProbe:
    """What a probe saw during a run of 256 steps."""
    probe = StallProbe()
    image.settings.set(steps=256)
    await image.making.generate()
    run = image.playhead.run
    assert run is not None
    probe.begin()
    while not run.over:
        await asyncio.sleep(0.02)
    probe.end()
    image.settings.set(steps=32)
    return probe


async def watched(image: "ImageWorkspace") -> Measured:
    """The time of a run that the window watches over that of the same run alone, in turns."""
    from studio.runtime.denoiser import OnnxDenoiser

    run = image.playhead.run
    assert run is not None
    request, bundle = (await _run_of(image)).request, run.bundle
    loaded = image.studio.lane.loaded(bundle)
    assert loaded is not None
    denoise: OnnxDenoiser = loaded.denoise

    def alone() -> float:
        started = time.perf_counter()
        for _ in generate(request, bundle, denoise):
            pass
        return time.perf_counter() - started

    ratios = []
    for _ in range(PAIRS):
        bare = await asyncio.wrap_future(image.studio.lane.submit(alone))
        ratios.append((await _run_of(image)).frames[-1].seconds / bare)
    return "watched", statistics.median(ratios), f"{min(ratios):.2f} to {max(ratios):.2f}"


async def _run_of(image: "ImageWorkspace") -> "Run":
    await run_once(image)
    run = image.playhead.run
    assert run is not None
    return run


async def frame_to_pixels(image: "ImageWorkspace") -> Measured:
    """From a frame that is there to its pixels on the screen: the wait for the tick, drawing and painting."""
    taken = []
    for _ in range(RUNS):
        run = await _run_of(image)
        await asyncio.sleep(0.3)
        for index in range(len(run.frames)):
            started = time.perf_counter()
            image.playhead.show(index)
            image.canvas.viewport().repaint()
            taken.append(time.perf_counter() - started)
            await asyncio.sleep(0)
    worst = 1000 * float(np.percentile(taken, 99))
    return "frame", TICK_MS + worst, f"{worst:.1f} ms of work at the 99th percentile, {TICK_MS} ms of waiting at most"


async def stop_to_idle(image: "ImageWorkspace") -> Measured:
    """From Stop to a lane that does nothing, with a large batch under way."""
    image.settings.set(variations=16, steps=64)
    taken = []
    for _ in range(RUNS):
        await image.making.generate()
        run = image.playhead.run
        assert run is not None
        await until(lambda run=run: len(run.frames) > 3)
        started = time.perf_counter()
        image.stop()
        await until(lambda run=run: run.over and not run.active)
        await asyncio.wrap_future(image.studio.lane.submit(lambda: None))
        taken.append(time.perf_counter() - started)
    image.settings.set(variations=1, steps=32)
    return "stop", 1000 * max(taken), f"16 variations, the longest of {RUNS}"


async def memory(image: "ImageWorkspace") -> Measured:
    """Memory after 500 generations over that after 50, in percent more."""
    image.settings.set(steps=4)
    sizes = []
    for count in range(1, 501):
        await run_once(image)
        if count in (50, 500):
            await asyncio.sleep(0.5)
            sizes.append(memory_bytes() or 1)
    image.settings.set(steps=32)
    return "memory", 100 * (sizes[1] / sizes[0] - 1), f"{bytes_text(sizes[0])}, then {bytes_text(sizes[1])}"


async def stroke(image: "ImageWorkspace") -> Measured:
    """One mouse move of a stroke with a large brush over a large picture, repaint included."""
    image.making.clear()
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (LARGE // 16, LARGE // 16, 3), dtype=np.uint8)
    image.document.load(Picture(small.repeat(16, axis=0).repeat(16, axis=1)))
    image.tools.set(tool="brush", size=BRUSH)
    taken = []
    for zoom in (image.canvas.fit, image.canvas.actual_size):
        zoom()
        await asyncio.sleep(0.3)
        taken += await outside(lambda: _draw_a_circle(image))
    return "stroke", 1000 * float(np.percentile(taken, 99)), f"median {1000 * statistics.median(taken):.1f} ms"


def _draw_a_circle(image: "ImageWorkspace") -> list[float]:
    """Seconds of each move."""
    viewport = image.canvas.viewport()
    width, height = viewport.width(), viewport.height()
    taken = []
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=QPoint(width // 4, height // 4))
    for step in range(200):
        angle = step / 12
        at = QPoint(int(width * (0.5 + 0.3 * np.cos(angle))), int(height * (0.5 + 0.3 * np.sin(angle))))
        started = time.perf_counter()
        QTest.mouseMove(viewport, at)
        QApplication.processEvents()
        taken.append(time.perf_counter() - started)
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=QPoint(width // 2, height // 2))
    return taken
