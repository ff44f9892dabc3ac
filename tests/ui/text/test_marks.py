"""Where the marks of gaps stand, in text that runs from left to right, from right to left, and in both ways."""

import time

import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtTest import QTest

from studio.media.gapped import Fill, Gap
from studio.ui.text.marks import Straight, Turned
from tests.ui.text.test_editor import document, editor, opened, same

__all__ = ["document", "editor"]

BEFORE, WORDS, AFTER = "אבג ", ("דהו", " זחט"), " יכל"


def characters(editor, start: int, stop: int) -> list[QRectF]:
    """Where each character of the first block stands, as the line says."""
    block = editor.document().firstBlock()
    line = block.layout().lineAt(0)
    return [line.glyphRuns(at, 1)[0].boundingRect() for at in range(start, stop)]


def ink(editor, rect: QRectF) -> bool:
    """Whether something is written in the middle of a rectangle."""
    image = editor.viewport().grab(rect.adjusted(0, 8, 0, -8).toRect()).toImage()
    shades = {image.pixelColor(x, y).lightness() for x in range(image.width()) for y in range(image.height())}
    return max(shades) - min(shades) > 100


@pytest.mark.parametrize("lead", ["", "he said "])
def test_marks_stand_on_letters_that_run_from_right_to_left(editor, lead) -> None:
    opened(editor, lead + BEFORE, Gap(1, 2, fill=Fill((1, 2), WORDS, (0.9, 0.01))), AFTER)
    (mark,) = editor.marks().gaps
    start = len(lead) + len(BEFORE)
    origin = editor.document().documentMargin() + editor.viewportMargins().left()
    first, second = (token.rects[0] for token in mark.tokens)
    boxes = characters(editor, start, start + 7)
    left = editor.document().documentLayout().blockBoundingRect(editor.document().firstBlock()).left()
    assert origin >= 0 and first.left() == pytest.approx(left + min(box.left() for box in boxes[:3]))
    assert first.right() == pytest.approx(left + max(box.right() for box in boxes[:3]))
    assert second.right() <= first.left() + 0.1 and second.left() == pytest.approx(left + boxes[-1].left())
    assert len(mark.rects) == 1 and mark.rects[0].contains(first) and mark.rects[0].contains(second)
    assert ink(editor, first) and ink(editor, second)
    assert editor.marks().token_at(second.center()).index == 1
    assert mark.handle.center().x() == pytest.approx(second.left()) and mark.grows == -1


def test_what_runs_in_both_ways_has_a_mark_in_each(editor) -> None:
    """The Hebrew given behind it stands between the halves of the gap."""
    opened(editor, "he ", Gap(1, 1, fill=Fill((1,), ("said אבג",), (0.9,))), " דהו end")
    (mark,) = editor.marks().gaps
    assert len(mark.rects) == 2 and mark.rects[0].right() < mark.rects[1].left()
    assert not any(rect.contains(QPointF(mark.rects[0].right() + 3, rect.center().y())) for rect in mark.rects)
    assert editor.marks().token_at(mark.rects[1].center()) is not None
    assert mark.grows == -1 and mark.handle.center().x() == pytest.approx(mark.rects[1].left())


def test_an_edge_is_dragged_to_the_left(editor) -> None:
    opened(editor, BEFORE, Gap(1, 3), AFTER)
    (mark,) = editor.marks().gaps
    block = mark.tokens[0].rects[0].width()
    grip = mark.handle.center().toPoint()
    assert grip.x() == pytest.approx(min(token.rects[0].left() for token in mark.tokens), abs=1)
    viewport = editor.viewport()
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=grip)
    for step in range(1, 3):
        QTest.mouseMove(viewport, grip - QPoint(round(step * block), 0))
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=grip - QPoint(round(2 * block), 0))
    same(editor)
    assert editor.document_.text.gaps[0].length == 5


def test_both_ways_of_measuring_agree_where_nothing_turns(editor) -> None:
    opened(editor, "The king had " * 12, Gap(1, 3), " and 👑 so on.")
    block, origin = editor.document().firstBlock(), QPointF(3, 5)
    straight, turned = Straight(block, origin), Turned(block, origin)
    for start, stop in ((0, 4), (10, 140), (150, 166)):
        pairs = zip(straight(start, stop), turned(start, stop), strict=True)
        for one, other in pairs:
            assert one.left() == pytest.approx(other.left(), abs=0.5) and one.top() == other.top()


def test_a_thousand_gaps_are_measured_as_fast_as_before(editor) -> None:
    opened(editor, *(piece for number in range(1, 1001) for piece in ("a ", Gap(number, 1))))
    times = []
    for _ in range(3):
        editor.forget_marks()
        start = time.perf_counter()
        assert len(editor.marks().gaps) > 100
        times.append(time.perf_counter() - start)
    assert min(times) < 1
