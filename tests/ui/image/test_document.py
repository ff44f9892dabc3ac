"""The document: masks, frames, pins, files, and undo bit for bit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QRect

from studio.errors import StudioError
from studio.media.frames import WorkingFrame, parse_frame
from studio.media.images import Picture
from studio.ui.image import masking
from studio.ui.image.document import ImageDocument
from studio.ui.image.planes import ALL


def picture(height: int, width: int, alpha: bool = False, seed: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    stored = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Picture(stored, rng.integers(0, 256, (height, width), dtype=np.uint8) if alpha else None)


@pytest.fixture
def document() -> ImageDocument:
    document = ImageDocument()
    document.load(picture(40, 61))
    return document


def everything(document: ImageDocument) -> tuple:
    """All that undo must bring back, as bytes."""
    arrays = (document.stored, document.mask_bits, document.pins, document.erased, document.painted)
    alpha = None if document.alpha is None else document.alpha.tobytes()
    return document.size, alpha, document.frame, document.place, *(array.tobytes() for array in arrays)


def random_action(document: ImageDocument, rng: np.random.Generator, step: int) -> None:
    width, height = document.size

    def point() -> tuple[float, float]:
        return float(rng.uniform(-5, width + 5)), float(rng.uniform(-5, height + 5))

    document.editing_state = bool(rng.random() < 0.3)
    ink = str(rng.choice(["mask", "unmask", "pin", "unpin", "color"]))
    color = rng.integers(0, 256, 3).tolist()
    match int(rng.integers(13)):
        case 0 | 1:
            document.set_planes(str(rng.choice(["all", "high", "low", "0,3"])))
            with document.action("Stroke") as edit:
                for _ in range(rng.integers(1, 6)):
                    document.stroke(edit, point(), point(), int(rng.integers(1, 30)), ink, color)  # pyright: ignore[reportArgumentType]
        case 2:
            rect = QRect(*rng.integers(0, 40, 2).tolist(), *rng.integers(1, 40, 2).tolist())
            masking.fill_rect(document, rect, ink, color)  # pyright: ignore[reportArgumentType]
        case 3:
            masking.fill_polygon(document, [point() for _ in range(5)], ink, color)  # pyright: ignore[reportArgumentType]
        case 4:
            masking.fill_alike(document, int(rng.integers(width)), int(rng.integers(height)), int(rng.integers(200)))
        case 5:
            masking.invert_mask(document)
        case 6:
            masking.grow_mask(document, int(rng.choice([-3, -1, 1, 4])))
        case 7:
            masking.clear_mask(document)
        case 8:
            masking.mask_whole(document)
        case 9:
            document.set_frame(None if rng.random() < 0.2 else WorkingFrame(*rng.integers(-20, 60, 3).tolist()))
        case 10:
            new = picture(int(rng.integers(1, 50)), int(rng.integers(1, 50)), bool(rng.random() < 0.5), step)
            new = new if rng.random() < 0.5 else picture(height, width)
            document.set_picture(new, document.mask_bits if new.size == document.size else None, document.frame)
        case 11:
            document.accept(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        case 12:
            if rng.random() < 0.3:
                masking.apply_planes(document)
            else:
                document.come_to(
                    str(rng.integers(3)), "Look at another", *(("erased", "painted"), ("pins",), ())[step % 3]
                )


@pytest.mark.parametrize("seed", range(5))
def test_200_random_actions_are_undone_and_redone_bit_for_bit(document: ImageDocument, seed: int) -> None:
    rng, stack = np.random.default_rng(seed), document.undo_stack
    states = {0: everything(document)}
    for step in range(200):
        random_action(document, rng, step)
        states[stack.index()] = everything(document)
    assert stack.count() == stack.index() > 100
    for index in reversed(range(stack.index())):
        stack.undo()
        assert everything(document) == states[index]
    assert not stack.canUndo()
    for index in range(1, stack.count() + 1):
        stack.redo()
        assert everything(document) == states[index]


def test_a_fill_goes_by_what_is_seen_of_transparent_pixels(document: ImageDocument) -> None:
    seen = np.zeros((6, 8, 4), dtype=np.uint8)
    seen[1:4, 1:4, 3] = 255  # a black thing on nothing
    seen[5, 7] = (90, 80, 70, 0)  # and what nobody sees
    document.load(Picture(seen[..., :3], seen[..., 3]))
    masking.fill_alike(document, 0, 0, 16, seen=seen)
    assert (document.mask == (seen[..., 3] == 0)).all()


def test_a_stroke_is_one_action_and_costs_what_it_changes() -> None:
    document = ImageDocument()
    document.load(Picture(np.zeros((2048, 2048, 3), dtype=np.uint8)))
    with document.action("Stroke") as edit:
        for x in range(500, 900, 10):
            document.stroke(edit, (x, 500), (x + 10, 500), 64, "mask")
    assert document.undo_stack.count() == 1
    command = document.undo_stack.command(0)
    assert 0 < command.size < 1 << 20  # pyright: ignore[reportAttributeAccessIssue]
    masking.mask_whole(document)
    masking.clear_mask(document)
    # Tiles that change evenly keep one value.
    assert document.undo_stack.command(2).size < 1000  # pyright: ignore[reportAttributeAccessIssue]


def test_the_oldest_actions_are_forgotten_when_undo_takes_too_much(document: ImageDocument) -> None:
    stack = document.undo_stack
    stack.limit = 40_000
    states = []
    for seed in range(12):
        states.append(everything(document))
        document.set_picture(picture(30, 30, seed=seed))
    states.append(everything(document))
    assert sum(stack.command(i).size for i in range(stack.count())) <= stack.limit  # pyright: ignore[reportAttributeAccessIssue]
    undone = 0
    while stack.canUndo():
        stack.undo()
        undone += 1
        assert everything(document) == states[12 - undone]
    assert 0 < undone < 12
    assert stack.count() == undone
    while stack.canRedo():
        stack.redo()
    assert everything(document) == states[12]


def test_an_action_that_changes_nothing_is_none(document: ImageDocument) -> None:
    masking.clear_mask(document)
    with document.action("Stroke") as edit:
        document.stroke(edit, (500, 500), (600, 600), 5, "mask")
    document.set_frame(None)
    assert document.undo_stack.count() == 0


def test_undo_in_the_middle_of_a_stroke_takes_the_stroke_back(document: ImageDocument) -> None:
    before = everything(document)
    masking.mask_whole(document)
    edit = document.begin("Stroke")
    document.stroke(edit, (5, 5), (20, 20), 9, "unmask")
    document.undo_stack.undo()
    assert everything(document) == before
    assert not edit.open
    with pytest.raises(RuntimeError):
        document.stroke(edit, (5, 5), (20, 20), 9, "unmask")
    document.commit(edit)
    assert document.undo_stack.count() == 1


def test_an_exception_takes_an_action_back(document: ImageDocument) -> None:
    before = everything(document)
    with pytest.raises(ZeroDivisionError), document.action("Stroke") as edit:
        document.stroke(edit, (5, 5), (20, 20), 9, "mask")
        raise ZeroDivisionError
    assert everything(document) == before and document.undo_stack.count() == 0


def test_planes_a_stroke_masks(document: ImageDocument) -> None:
    document.set_model(32, 8)
    assert document.plane_bits() is None
    masking.fill_rect(document, QRect(0, 0, 4, 4))
    assert document.plane_bits() is None and document.mask_bits[0, 0] == ALL
    document.set_planes("low")
    masking.fill_rect(document, QRect(2, 0, 4, 4))
    bits = document.plane_bits()
    assert bits is not None
    assert bits[0].tolist()[:7] == [255, 255, 0xF0, 0xF0, 0xF0, 0xF0, 0]
    document.set_planes("0")
    masking.apply_planes(document)
    assert set(np.unique(document.mask_bits)) == {0, 1}
    document.set_planes("7")
    masking.apply_planes(document)
    document.set_model(32, 4)  # has no such digit
    assert document.plane_bits() is None and document.mask.sum() == 24
    with pytest.raises(StudioError, match="places 0 … 3"):
        document.set_planes("7")


def test_the_frame_keeps_the_rules(document: ImageDocument) -> None:
    document.set_model(8, 8)
    assert document.working_frame is None
    masking.fill_rect(document, QRect(20, 10, 11, 5))
    assert document.working_frame == WorkingFrame(17, 4, 17)
    rng = np.random.default_rng(0)
    for _ in range(200):
        document.set_frame(WorkingFrame(*rng.integers(-80, 120, 3).tolist()))
        frame = document.working_frame
        assert frame is not None
        assert parse_frame(f"{frame.x},{frame.y},{frame.size}", document.mask, 8) == frame
        assert (frame.x >= 0 and frame.x + frame.size <= 61) or frame.size > 61
    masking.fill_rect(document, QRect(0, 0, 61, 40))  # the mask outgrows it
    frame = document.working_frame
    assert frame is not None and (frame.x, frame.size) == (0, 61) and -21 <= frame.y <= 0


def test_a_mask_from_a_file(document: ImageDocument, tmp_path: Path) -> None:
    mask = np.zeros((40, 61), dtype=bool)
    mask[3:9, 50:] = True
    masking.set_mask(document, mask)
    masking.export_mask(document.mask, tmp_path / "mask.png")
    masking.clear_mask(document)
    masking.import_mask(document, tmp_path / "mask.png")
    assert (document.mask == mask).all()
    Image.fromarray(np.zeros((61, 40), dtype=np.uint8)).save(tmp_path / "wrong.png")
    before = everything(document)
    with pytest.raises(StudioError, match="40×61 pixels, the picture 61×40"):
        masking.import_mask(document, tmp_path / "wrong.png")
    with pytest.raises(StudioError, match="no file"):
        masking.import_mask(document, tmp_path / "none.png")
    with pytest.raises(StudioError, match="no transparent part"):
        masking.mask_transparent(document)
    assert everything(document) == before


def test_a_result_becomes_the_original_where_it_was_filled(document: ImageDocument) -> None:
    document.load(picture(20, 30, alpha=True))
    before = document.picture
    masking.fill_rect(document, QRect(3, 4, 5, 6))
    made = np.full((20, 30, 3), 7, dtype=np.uint8)
    document.accept(made)
    wanted = before.filled(made, document.mask)
    assert (document.stored == wanted.stored).all() and (document.alpha == wanted.alpha).all()
    assert document.mask.sum() == 30  # it survives
    document.undo_stack.undo()
    assert (document.stored == before.stored).all() and (document.alpha == before.alpha).all()


def test_touching_a_paused_sample_leaves_picture_and_mask(document: ImageDocument) -> None:
    masking.fill_rect(document, QRect(0, 0, 20, 20))
    stored, bits = document.stored.copy(), document.mask_bits.copy()
    document.editing_state = True
    with document.action("Stroke") as edit:
        document.stroke(edit, (5, 5), (5, 5), 5, "mask")
        document.stroke(edit, (10, 10), (10, 10), 5, "color", (1, 2, 3))
    assert any(document.state_edits)
    assert document.erased[5, 5] == ALL and document.painted[10, 10].tolist() == [1, 2, 3, 255]
    with document.action("Stroke") as edit:
        document.stroke(edit, (10, 10), (10, 10), 5, "mask")  # erasing what was painted
    assert document.erased[10, 10] == ALL and document.painted[10, 10, 3] == 0
    document.come_to("another", "Branch", "erased", "painted")
    assert not any(document.state_edits)
    assert (document.stored == stored).all() and (document.mask_bits == bits).all()


def test_a_picture_given_or_taken_is_a_copy(document: ImageDocument) -> None:
    given = picture(10, 10)
    document.load(given)
    taken = document.picture
    with document.action("Paint") as edit:
        document.stroke(edit, (5, 5), (5, 5), 50, "color", (0, 0, 0))
    assert not document.stored.any()
    assert given.stored.any() and (taken.stored == given.stored).all()


def test_a_picture_is_copied_only_once_it_has_changed(document: ImageDocument) -> None:
    document.load(picture(10, 10, alpha=True))
    before = document.picture
    assert document.picture is before and before.alpha is not None
    assert not before.stored.flags.writeable and not before.alpha.flags.writeable
    masking.fill_rect(document, QRect(0, 0, 5, 5))
    assert document.picture is before
    masking.fill_rect(document, QRect(0, 0, 5, 5), "color", (1, 2, 3))
    painted = document.picture
    assert (painted.stored[:5, :5] == (1, 2, 3)).all() and (painted.stored[5:] == before.stored[5:]).all()
    document.undo_stack.undo()
    assert document.picture is not painted and (document.picture.stored == before.stored).all()
    document.set_picture(picture(4, 4))
    other = document.picture
    document.undo_stack.undo()
    assert (document.picture.stored == before.stored).all()
    document.undo_stack.redo()
    assert (document.picture.stored == other.stored).all()


def test_rubbing_out_where_nothing_is_keeps_nothing(document: ImageDocument) -> None:
    document.editing_state = True
    with document.action("Stroke") as edit:
        document.stroke(edit, (5, 5), (5, 5), 5, "unmask")
        assert not edit.touched
    assert not document.undo_stack.count()
