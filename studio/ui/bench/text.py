"""What the text workspace costs, measured as a writer makes it work: real keys, and the repaint they cause."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QTextCursor
from PySide6.QtTest import QTest

from studio.generation import generate, text_request
from studio.media.gapped import Gap, GappedText
from studio.ui.bench.measures import Measured, outside
from studio.ui.bench.stall import StallProbe
from studio.ui.runs import Run
from studio.ui.text.jobs import Job

if TYPE_CHECKING:
    from studio.ui.text.workspace import TextWorkspace
    from studio.ui.window import Window

CHARACTERS = 100_000
KEYS = 300
PARAGRAPH = (
    "There was once a fisherman who was called Salmon, and his Christian name was Matte. He lived by the shore of the "
    "big sea; where else could he live? He had a wife called Maie; could you find a better name for her? In winter "
    "they lived in a little cottage by the shore, but in spring they flitted to a red rock out in the sea.\n"
)


async def measure_all(window: "Window") -> AsyncIterator[Measured]:
    """(name, value, note) of every figure; of times in milliseconds the 99th percentile."""
    workspace: TextWorkspace = window.workspace_named("text")  # pyright: ignore[reportAssignmentType]
    window.resize(1440, 900)
    window.bring_to_front("text")
    for name, measure in (
        ("a key at 100,000 characters", typing),
        ("an edit of a gap", gap_editing),
        ("pasting 100,000 characters", paste),
        ("a frame of a live fill", live_frames),
        ("in one paragraph: a key", partial(typing, one=True)),
        ("in one paragraph: an edit of a gap", partial(gap_editing, one=True)),
        ("in one paragraph: a live frame", partial(live_frames, one=True)),
    ):
        times = await outside(partial(measure, workspace))
        yield name, float(np.percentile(times, 99)), f"median {np.median(times):.1f} ms, longest {max(times):.1f} ms"
    yield "64 tokens in 64 steps", await infilling(workspace), "seconds"
    probe = await gaps(workspace)
    own = f"without what it waited for a core {probe.milliseconds(0.99, probe.own):.1f} ms"
    yield "main-thread gap of a run, 99 % of the time", probe.milliseconds(0.99), own
    yield "main-thread gap of a run, longest", probe.longest, f"{own}, longest {1000 * max(probe.own):.1f} ms"


def long_text(one: bool = False) -> str:
    """one: in a single paragraph."""
    text = (PARAGRAPH * (CHARACTERS // len(PARAGRAPH) + 1))[:CHARACTERS]
    return text.replace("\n", " ") if one else text


def typing(workspace: "TextWorkspace", one: bool = False) -> list[float]:
    """Milliseconds from a key to its pixels, in the middle of 100,000 characters with ten gaps."""
    text, editor = long_text(one), workspace.editor
    step = len(text) // 10
    pieces: list[str | Gap] = []
    for number in range(10):
        pieces += [text[number * step : (number + 1) * step], Gap(number + 1, 5)]
    _open(workspace, GappedText(pieces))
    editor.place_caret(len(text) // 2 + 60, len(text) // 2 + 60)
    editor.ensureCursorVisible()
    letters = "and then the king said no; "
    times = []
    for number in range(KEYS):
        started = time.perf_counter()
        if number % 9 == 8:
            QTest.keyClick(editor, Qt.Key.Key_Backspace)
        else:
            QTest.keyClicks(editor, letters[number % len(letters)])
        editor.viewport().repaint()
        times.append(1000 * (time.perf_counter() - started))
    return times


def gap_editing(workspace: "TextWorkspace", one: bool = False) -> list[float]:
    """Milliseconds to make a gap of a word, lengthen it, shorten it and put the word back, each with its pixels."""
    text, editor = long_text(one), workspace.editor
    _open(workspace, GappedText([text]))
    times = []
    for number in range(KEYS // 4):
        place = len(text) // 2 + 7 * number
        editor.place_caret(place, place)
        editor.moveCursor(QTextCursor.MoveOperation.StartOfWord)
        editor.moveCursor(QTextCursor.MoveOperation.EndOfWord, QTextCursor.MoveMode.KeepAnchor)
        if not editor.textCursor().selectedText().strip():
            continue
        editor.ensureCursorVisible()
        for name in ("gap", "longer", "shorter", "give-back"):
            started = time.perf_counter()
            workspace.commands[name].trigger()
            editor.viewport().repaint()
            times.append(1000 * (time.perf_counter() - started))
    return times


def paste(workspace: "TextWorkspace") -> list[float]:
    """Milliseconds to paste 100,000 characters, pixels included."""
    times = []
    for _ in range(3):
        _open(workspace, GappedText(["Before.\n"]))
        data = QMimeData()
        data.setText(long_text())
        started = time.perf_counter()
        workspace.editor.insertFromMimeData(data)
        workspace.editor.viewport().repaint()
        times.append(1000 * (time.perf_counter() - started))
    return times


def live_frames(workspace: "TextWorkspace", one: bool = False) -> list[float]:
    """Milliseconds to show a frame of a run that fills 64 tokens, digit by digit, among 100,000 characters."""
    text, bundle = long_text(one), workspace.settings.bundle
    assert bundle is not None
    half = len(text) // 2
    _open(workspace, GappedText([text[:half], Gap(1, 64), text[half:]]))
    workspace.editor.select_gap(1)
    granularity = max(workspace.settings.granularities)
    request = text_request(
        bundle, workspace.document.text.parts, seeds=[1], steps=64, policy="ancestral", granularity=granularity
    )
    lane = workspace.studio.lane
    run = Run(request, bundle, lane.submit, lane.network)
    run.resume()
    while not run.over:
        time.sleep(0.01)
    workspace.filling.take_up(Job(run, (1,), frozenset([1])), 0)
    times = []
    for index in range(len(run.frames) - 1):
        started = time.perf_counter()
        workspace.playhead.show(index)
        workspace.editor.viewport().repaint()
        times.append(1000 * (time.perf_counter() - started))
    return times


async def infilling(workspace: "TextWorkspace") -> float:
    """Seconds to fill 64 tokens in 64 steps, the network being loaded."""
    bundle, lane = workspace.settings.bundle, workspace.studio.lane
    assert bundle is not None
    parts = [PARAGRAPH, 64, PARAGRAPH]
    request = text_request(bundle, parts, seeds=[1], steps=64, policy="confidence", granularity=1)

    def work() -> float:
        denoise = lane.network(bundle)
        started = time.perf_counter()
        for _ in generate(request, bundle, denoise):
            pass
        return time.perf_counter() - started

    return min([await asyncio.wrap_future(lane.submit(work)) for _ in range(3)])


async def gaps(workspace: "TextWorkspace") -> StallProbe:
    """Main-thread gaps while three drafts of 64 tokens are made, digit by digit, among 100,000 characters."""
    text = long_text()
    half = len(text) // 2
    _open(workspace, GappedText([text[:half], Gap(1, 64), text[half:]]))
    workspace.editor.select_gap(1)
    workspace.settings.set(
        steps=128, policy="ancestral", granularity=max(workspace.settings.granularities), variations=3
    )
    await asyncio.sleep(1)
    probe = StallProbe(workspace)
    run = await workspace.filling.generate()
    assert run is not None
    probe.begin()
    while not run.over:
        await asyncio.sleep(0.02)
    probe.end()
    return probe


def _open(workspace: "TextWorkspace", text: GappedText) -> None:
    workspace.document.load(text, "bench")
    workspace.editor.setFocus()
    workspace.editor.viewport().repaint()
