"""What is made of the document: requests, branches from touched frames, results that change nothing else."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QRect

from studio.errors import StudioError
from studio.generation import generate, pictures_of
from studio.media.frames import WorkingFrame
from studio.media.images import Picture
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser
from studio.ui.image.document import ImageDocument
from studio.ui.image.jobs import Job, Jobs
from studio.ui.image.making import Making
from studio.ui.image.masking import fill_rect
from studio.ui.image.side_by_side import reduced, small_parts
from studio.ui.lane import Lane
from studio.ui.playhead import Playhead
from studio.ui.runs import Run
from studio.ui.sampling_settings import SamplingSettings
from tests.helpers import GRID, picture_bundle


class Shared:
    """As much of a Studio as making needs."""

    def __init__(self) -> None:
        self.lane = Lane("cpu")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(picture_bundle(tmp_path))


@pytest.fixture
def making(bundle: Bundle, qtbot: Any) -> Iterator[Making]:
    shared, document, settings, playhead = Shared(), ImageDocument(), SamplingSettings(), Playhead()
    settings.set_bundle(bundle)
    settings.set(seed=5, seed_locked=True)
    document.load(Picture(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)))
    fill_rect(document, QRect(9, 7, 5, 4))
    making = Making(shared, document, settings, playhead)  # pyright: ignore[reportArgumentType]
    yield making
    making.close_down()
    playhead.close_down()
    shared.lane.close()


def make(making: Making, qtbot: Any, coroutine: Any) -> Any:
    result = asyncio.run(coroutine)
    finish(making, qtbot)
    return result


def finish(making: Making, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: making.playhead.run is None or making.playhead.run.over, timeout=5000)
    qtbot.waitUntil(lambda: not making.playhead._watch.isActive(), timeout=5000)


def job_of(making: Making) -> Job:
    assert making.job is not None
    return making.job


def test_a_run_fills_what_the_command_line_would(making: Making, bundle: Bundle, qtbot: Any) -> None:
    run: Run = make(making, qtbot, making.generate())
    document = making.document
    frames = list(generate(run.request, bundle, OnnxDenoiser(bundle, "cpu")))
    expected = pictures_of(run.request, bundle, frames[-1].y, document.stored)[0]
    finished = making.finished()
    assert finished is not None and (finished.rgb == expected).all()
    assert (finished.rgb[~document.mask] == document.stored[~document.mask]).all()
    assert run.request.seeds == (5,)


def test_a_hundred_rounds_leave_the_other_pixels_alone(making: Making, qtbot: Any) -> None:
    document, before = making.document, making.document.stored.copy()
    frozen = ~document.mask
    making.settings.set(steps=1, seed_locked=False)
    for _ in range(100):
        make(making, qtbot, making.generate())
        making.use_as_original()
    assert (document.stored[frozen] == before[frozen]).all()
    assert (document.stored[~frozen] != before[~frozen]).any()
    while document.undo_stack.canUndo():
        document.undo_stack.undo()
    assert (document.stored == before).all()


def test_nothing_masked_is_said(making: Making, qtbot: Any) -> None:
    making.document.load(making.document.picture)
    with pytest.raises(StudioError, match="Nothing is masked"):
        asyncio.run(making.generate())
    assert making.units() == 0 and not making.building


@pytest.mark.parametrize("granularity", [1, 4])
def test_units_are_what_a_run_reveals(making: Making, qtbot: Any, granularity: int) -> None:
    making.settings.set(granularity=granularity)
    expected = making.units()
    run: Run = make(making, qtbot, making.generate())
    revealed = sum(int(kept.revealed.sum()) for kept in run.frames)
    assert revealed == expected * run.bundle.subtokens.length // granularity


def test_a_branch_keeps_what_is_known_and_remembers_its_parent(making: Making, qtbot: Any) -> None:
    making.settings.set(granularity=4, variations=2)
    first: Run = make(making, qtbot, making.generate())
    making.variation = 1
    making.settings.set(seed=99, steps=4, variations=1)
    branch: Run = make(making, qtbot, making.branch(3))
    start = first.frames[3].state[1]
    assert branch.parent == (first.id, 3)
    assert (branch.frames[0].state[0] == start).all()
    known = start != branch.bundle.subtokens.mask_id
    assert (branch.frames[-1].state[0][known] == start[known]).all()
    assert branch.request.steps == 4 and branch.request.seeds == (99,)


def test_where_every_pixel_is_known_there_is_nothing_to_branch(making: Making, qtbot: Any) -> None:
    assert making.branch_problem() == ""  # without a run there is no question
    making.settings.set(seed_locked=False)
    run: Run = make(making, qtbot, making.generate())
    seed = making.settings.get("seed")
    assert "Every pixel is known" in making.branch_problem() and making.branch_problem(len(run.frames) - 2) == ""
    with pytest.raises(StudioError, match="step back, or mark"):
        asyncio.run(making.branch())
    fill_rect(making.document, QRect(12, 9, 1, 1), "color", (200, 10, 10))
    assert "use this as the picture" in making.branch_problem()  # painted, but nothing to make
    with pytest.raises(StudioError, match="use this as the picture"):
        asyncio.run(making.branch())
    assert making.playhead.run is run and making.settings.get("seed") == seed
    fill_rect(making.document, QRect(9, 7, 2, 2))
    assert making.branch_problem() == ""
    assert make(making, qtbot, making.branch()).parent == (run.id, len(run.frames) - 1)


def test_what_was_erased_is_made_again_and_what_was_painted_stays(making: Making, qtbot: Any) -> None:
    making.document.set_frame(WorkingFrame(8, 6, GRID))  # as large as the grid: a pixel is a cell
    first: Run = make(making, qtbot, making.generate())
    assert not making.pending
    document = making.document
    fill_rect(document, QRect(9, 7, 2, 2))  # inside the hole
    fill_rect(document, QRect(8, 6, 1, 1))  # given until now
    fill_rect(document, QRect(12, 9, 1, 1), "color", (200, 10, 10))
    assert making.pending
    branch: Run = make(making, qtbot, making.generate())
    mask_id = branch.bundle.subtokens.mask_id
    start = (branch.frames[0].state[0] == mask_id).all(axis=-1).reshape(GRID, GRID)
    expected = np.zeros((GRID, GRID), dtype=bool)
    expected[1:3, 1:3] = expected[0, 0] = True
    assert (start == expected).all()
    finished = making.finished()
    assert finished is not None and tuple(finished.rgb[9, 12]) == (200, 10, 10)
    assert branch.parent == (first.id, 6) and not making.pending
    making.use_as_original()
    assert tuple(document.stored[9, 12]) == (200, 10, 10)


def test_touches_go_with_what_they_touched(making: Making, qtbot: Any) -> None:
    make(making, qtbot, making.generate())
    fill_rect(making.document, QRect(9, 7, 2, 2))
    fill_rect(making.document, QRect(9, 9, 2, 1), "pin")
    assert making.pending
    making.clear()
    assert not any(making.document.state_edits) and not making.document.pins.any()
    again: Run = make(making, qtbot, making.generate())
    assert again.parent is None and not making.pending


def test_a_stroke_while_a_branch_is_built_goes_along(making: Making, qtbot: Any) -> None:
    making.document.set_frame(WorkingFrame(8, 6, GRID))
    make(making, qtbot, making.generate())
    fill_rect(making.document, QRect(9, 7, 1, 1))

    async def branch() -> Run | None:
        going = asyncio.ensure_future(making.branch())
        await asyncio.sleep(0)
        assert making.building
        fill_rect(making.document, QRect(12, 9, 1, 1))
        return await going

    run: Run = make(making, qtbot, branch())
    start = (run.frames[0].state[0] == run.bundle.subtokens.mask_id).all(axis=-1)
    assert making.playhead.run is run and start.sum() == 2


def test_undo_brings_a_touched_run_back_with_what_was_touched(making: Making, qtbot: Any) -> None:
    run: Run = make(making, qtbot, making.generate())
    fill_rect(making.document, QRect(9, 7, 2, 2))
    making.clear()
    assert making.job is None and not any(making.document.state_edits)
    making.document.undo_stack.undo()
    assert job_of(making).run is run and making.pending
    assert make(making, qtbot, making.branch()).parent == (run.id, len(run.frames) - 1)


def test_undo_leads_back_to_what_was_on_the_canvas(making: Making, qtbot: Any) -> None:
    """Each action belongs to the run that it was done in: a branch shows no marks of its parent."""
    document, playhead, undo = making.document, making.playhead, making.document.undo_stack
    making.settings.set(variations=2)
    first: Run = make(making, qtbot, making.generate())
    making.look_at(job_of(making), 1)
    playhead.show(3)
    fill_rect(document, QRect(9, 7, 2, 2))
    marks = document.erased.copy()
    branch: Run = make(making, qtbot, making.branch())
    assert not document.erased.any() and undo.undoText() == "Branch"
    undo.undo()
    assert playhead.run is first and playhead.index == 3 and making.variation == 1
    assert (document.erased == marks).all() and making.pending
    undo.redo()
    assert playhead.run is branch and not document.erased.any() and playhead.following
    making.use_as_original()
    assert making.job is None and not document.editing_state
    undo.undo()
    assert playhead.run is branch and document.editing_state
    compared = make(making, qtbot, making.compare())
    assert making.comparison and undo.undoText() == "Compare ℓ"
    undo.undo()
    assert playhead.run is branch and not making.comparison
    undo.redo()
    assert playhead.run is compared[0] and len(making.comparison) == len(compared)
    while undo.canUndo():
        undo.undo()
    assert making.job is None and not making.comparison and not document.editing_state and not document.mask.any()
    while undo.canRedo():
        undo.redo()
    assert playhead.run is compared[0]


def test_another_picture_takes_what_was_made_along_and_undo_brings_both_back(making: Making, qtbot: Any) -> None:
    run: Run = make(making, qtbot, making.generate())
    fill_rect(making.document, QRect(9, 7, 2, 2))
    steps = making.document.undo_stack.count()
    making.document.set_picture(Picture(np.zeros((9, 9, 3), dtype=np.uint8)))
    assert making.job is None and not making.document.editing_state and making.units() == 0
    assert making.document.undo_stack.count() == steps + 1
    making.document.undo_stack.undo()
    assert job_of(making).run is run and making.pending


def test_undo_ends_a_run_that_goes_on(making: Making, qtbot: Any) -> None:
    making.settings.set(steps=200)
    run = asyncio.run(making.generate())
    assert run is not None and making.document.undo_stack.undoText() == "Generate"
    making.document.undo_stack.undo()
    qtbot.waitUntil(lambda: run.over, timeout=5000)
    assert making.job is None


def test_runs_of_many_large_pictures_are_not_kept(making: Making, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.ui.image.jobs.KEPT_BYTES", making.document.stored.nbytes)
    making.settings.set(steps=1, seed_locked=False)
    for _ in range(4):
        make(making, qtbot, making.generate())
        making.use_as_original()
    assert len(list(making._jobs)) == 2
    while making.document.undo_stack.canUndo():
        making.document.undo_stack.undo()
    assert making.job is None


def test_runs_that_made_very_much_are_not_kept(making: Making, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    making.settings.set(steps=4, seed_locked=False)
    runs: list[Run] = [make(making, qtbot, making.generate()) for _ in range(3)]
    monkeypatch.setattr("studio.ui.image.jobs.KEPT_MADE", runs[0].nbytes * 5 // 2)
    assert runs[0].nbytes >= sum(frame.y.nbytes for frame in runs[0].frames) and len(list(making._jobs)) == 3
    for _ in range(3):
        runs.append(make(making, qtbot, making.generate()))
    assert [job.run for job in making._jobs] == runs[-3:]


def test_a_comparison_on_a_very_large_picture_is_kept_whole(
    making: Making, bundle: Bundle, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.ui.image.jobs.KEPT_BYTES", making.document.stored.nbytes // 2)
    request = make(making, qtbot, making.generate()).request
    jobs, before, picture = Jobs(), job_of(making), Picture(making.document.stored.copy())
    jobs.keep(before)
    compared = [jobs.keep(Job(Run.at_start(request, bundle), picture, picture.rgb)) for _ in range(4)]
    assert list(jobs) == compared


def test_what_was_painted_into_a_frame_is_in_the_picture(making: Making, qtbot: Any) -> None:
    make(making, qtbot, making.generate())
    document = making.document
    fill_rect(document, QRect(10, 8, 2, 1), "color", (200, 10, 10))
    fill_rect(document, QRect(0, 0, 1, 1), "color", (1, 2, 3))  # outside the hole
    finished, original = making.finished(), document.stored.copy()
    assert finished is not None
    making.use_as_original()
    for pixels in (finished.rgb, document.stored):
        assert (pixels[8, 10:12] == (200, 10, 10)).all() and tuple(pixels[0, 0]) == (1, 2, 3)
    document.undo_stack.undo()
    assert (document.stored == original).all() and document.painted[8, 10, 3] == 255


def test_redo_the_rest_keeps_the_pins(making: Making, qtbot: Any) -> None:
    making.document.set_frame(WorkingFrame(8, 6, GRID))
    first: Run = make(making, qtbot, making.generate())
    with pytest.raises(StudioError, match="pin"):
        asyncio.run(making.redo_rest())
    fill_rect(making.document, QRect(9, 7, 5, 1), "pin")
    branch: Run = make(making, qtbot, making.redo_rest())
    mask_id = branch.bundle.subtokens.mask_id
    start = (branch.frames[0].state[0] == mask_id).all(axis=-1).reshape(GRID, GRID)
    assert not start[1].any() and start[2:5, 1:6].all() and start.sum() == 15
    pinned = first.frames[-1].state[0].reshape(GRID, GRID, -1)[1]
    assert (branch.frames[-1].state[0].reshape(GRID, GRID, -1)[1] == pinned).all()
    making.document.undo_stack.undo()  # one step back is the run before, as it was
    assert making.job is not None and making.job.run is first
    assert not making.document.erased.any() and making.document.pins.any()


def test_compare_runs_one_seed_at_every_granularity(making: Making, qtbot: Any) -> None:
    runs = make(making, qtbot, making.compare())
    qtbot.waitUntil(lambda: all(run.over for run in runs), timeout=5000)
    assert [run.request.granularity for run in runs] == [1, 4]
    assert len({run.request.seeds for run in runs}) == 1
    assert [job.run for job in making.comparison] == runs
    make(making, qtbot, making.generate())
    assert not making.comparison


def test_every_run_of_a_comparison_is_told_of(making: Making, qtbot: Any) -> None:
    told: list[Run] = []
    making.ended.connect(lambda job: told.append(job.run))
    runs = make(making, qtbot, making.compare())
    qtbot.waitUntil(lambda: set(told) == set(runs), timeout=5000)
    assert len(told) == len(runs) and not making._beside.isActive()


def test_a_new_run_and_undo_end_a_comparison(making: Making, qtbot: Any) -> None:
    making.settings.set(steps=4000, policy="ancestral")
    runs = asyncio.run(making.compare())
    making.settings.set(steps=2)
    make(making, qtbot, making.generate())
    qtbot.waitUntil(lambda: all(run.state == "stopped" for run in runs), timeout=5000)
    making.settings.set(steps=4000)
    runs = asyncio.run(making.compare())
    making.document.undo_stack.undo()
    qtbot.waitUntil(lambda: all(run.state == "stopped" for run in runs), timeout=5000)


def test_undo_and_redo_bring_back_a_comparison_as_it_was_looked_at(making: Making, qtbot: Any) -> None:
    runs = make(making, qtbot, making.compare())
    qtbot.waitUntil(lambda: all(run.over for run in runs), timeout=5000)
    first, second = making.comparison
    for shown in (first, second, first):
        making.look_at(shown)
        making.document.undo_stack.undo()
        assert making.job is None and not making.comparison
        making.document.undo_stack.redo()
        assert list(making.comparison) == [first, second] and making.job is shown


@pytest.mark.parametrize("side", [24, 700])
def test_small_pictures_show_what_is_made(making: Making, qtbot: Any, side: int) -> None:
    rows = np.linspace(0, 255, side).astype(np.uint8)
    making.document.load(Picture(np.repeat(np.repeat(rows[:, None, None], side, axis=1), 3, axis=2)))
    fill_rect(making.document, QRect(side // 3, side // 4, side // 2, side // 2))
    making.settings.set(variations=2)
    make(making, qtbot, making.generate())
    job, kept = job_of(making), job_of(making).run.frames[-1]
    seen = small_parts(job, kept, *reduced(job))
    for variation in range(2):
        whole = job.part(kept, variation)
        every = -(-len(whole) // len(seen[variation]))
        assert every == (1 if side == 24 else 2)
        assert np.abs(whole[::every, ::every].astype(int) - seen[variation]).mean() < (1 if every == 2 else 1e-9)


def test_a_new_run_stops_the_old_one(making: Making, qtbot: Any) -> None:
    making.settings.set(steps=4000, policy="ancestral")
    first = asyncio.run(making.generate())
    making.settings.set(steps=2)
    second = asyncio.run(making.generate())
    assert first is not None and second is not None
    qtbot.waitUntil(lambda: first.over and second.over, timeout=5000)
    assert first.state == "stopped" and second.state == "done"


def test_unfinished_results_are_not_taken(making: Making, qtbot: Any) -> None:
    make(making, qtbot, making.generate())
    making.playhead.show(1)
    with pytest.raises(StudioError, match=r"not finished.* Step on to the last step"):
        making.use_as_original()
    making.settings.set(steps=4000, policy="ancestral")
    run = asyncio.run(making.generate())
    assert run is not None
    run.pause()
    with pytest.raises(StudioError, match=r"not finished.* Go on to the last step"):
        making.use_as_original()
    run.stop()
    finish(making, qtbot)
    with pytest.raises(StudioError, match=r"not finished.* Branch here goes on"):
        making.use_as_original()


def test_the_run_that_undo_leads_back_to_is_not_forgotten(making: Making, qtbot: Any) -> None:
    making.settings.set(steps=1)
    first: Run = make(making, qtbot, making.generate())
    for _ in range(11):
        make(making, qtbot, making.generate())
    for _ in range(11):
        making.document.undo_stack.undo()
    assert making.playhead.run is first
    make(making, qtbot, making.generate())
    making.document.undo_stack.undo()
    assert making.playhead.run is first


def test_old_jobs_are_forgotten(making: Making, qtbot: Any) -> None:
    making.settings.set(steps=1)
    for _ in range(30):
        make(making, qtbot, making.generate())
    jobs = list(making._jobs)
    assert len(jobs) == 12
    pictures = {id(job.rgb) for job in jobs}
    assert len(pictures) == 1, "runs of one picture share it"
