"""The editor under real keys and a real mouse; what is asserted is the document, or pixels."""

import random

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QInputMethodEvent, QTextCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from studio.media.gapped import Fill, Gap, GappedText
from studio.media.words import Word
from studio.ui import theme
from studio.ui.text.document import TextDocument
from studio.ui.text.editor import TextEditor
from studio.ui.text.looks import document_look, live_look
from studio.ui.text.tips import tip

HARD = "one \r\ntwo\u00a0two 👩‍👩‍👧 e\u0301\u2029 שלום\u2028\rx\ufdd0\ufffc\x0b\n\nend"


@pytest.fixture
def document(qapp, tokenizer):
    document = TextDocument()
    document.set_model(tokenizer, 48)
    return document


@pytest.fixture
def editor(document, qtbot):
    editor = TextEditor(document)
    qtbot.addWidget(editor)
    editor.resize(700, 400)
    editor.show()
    editor.setFocus()
    qtbot.waitExposed(editor)
    return editor


def opened(editor, *pieces) -> TextDocument:
    editor.document_.load(GappedText(pieces))
    return editor.document_


def same(editor) -> None:
    """Qt shows the lines of the view, line by line."""
    raw = editor.document().toRawText()
    assert raw.split("\u2029") == editor.view.views
    assert editor.document().blockCount() == len(editor.view.views)


def press(editor, key, modifier=Qt.KeyboardModifier.NoModifier, times: int = 1) -> None:
    for _ in range(times):
        QTest.keyClick(editor, key, modifier)
    same(editor)


def picture(editor) -> np.ndarray:
    image = editor.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)[..., :3].copy()


def fill_of(gap: Gap, word: str = " word") -> Fill:
    return Fill((1,) * gap.length, (word,) * gap.length, tuple(0.1 + 0.2 * (i % 5) for i in range(gap.length)))


CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def test_what_is_opened_and_copied_keeps_every_character(editor):
    opened(editor, HARD)
    same(editor)
    press(editor, Qt.Key.Key_A, CTRL)
    assert editor.selected_text() == HARD
    press(editor, Qt.Key.Key_C, CTRL)
    assert editor.createMimeDataFromSelection().text() == HARD
    assert editor.document_.text.text == HARD and not editor.document_.undo_stack.count()


def test_typing(editor):
    opened(editor, HARD)
    QTest.keyClicks(editor, "Hello, ")
    press(editor, Qt.Key.Key_Return)
    press(editor, Qt.Key.Key_Return, SHIFT)
    assert editor.document_.text.text == "Hello, \r\n\u2028" + HARD  # the line end that the text has
    press(editor, Qt.Key.Key_Backspace, times=3)
    assert editor.document_.text.text == "Hello," + HARD
    press(editor, Qt.Key.Key_End, CTRL)
    QTest.keyClicks(editor, "!")
    press(editor, Qt.Key.Key_Home)
    press(editor, Qt.Key.Key_Delete)
    assert editor.document_.text.text == "Hello," + HARD.removesuffix("end") + "nd!"
    for _ in range(20):
        press(editor, Qt.Key.Key_Z, CTRL)
    assert editor.document_.text.text == HARD
    for _ in range(20):
        press(editor, Qt.Key.Key_Z, CTRL | SHIFT)
    assert editor.document_.text.text.endswith("nd!")


def test_line_ends_emoji_and_words_are_taken_away_whole(editor):
    opened(editor, "one two\r\n👩‍👩‍👧x")
    press(editor, Qt.Key.Key_End, CTRL)
    press(editor, Qt.Key.Key_Backspace)
    press(editor, Qt.Key.Key_Home)
    press(editor, Qt.Key.Key_Backspace)
    assert editor.document_.text.text == "one two👩‍👩‍👧"
    press(editor, Qt.Key.Key_Left)
    press(editor, Qt.Key.Key_Backspace, CTRL)
    assert "".join(editor.document_.text.text.split()).startswith("one")
    press(editor, Qt.Key.Key_Home)
    press(editor, Qt.Key.Key_Right, SHIFT, times=2)
    QTest.keyClicks(editor, "X")
    assert editor.document_.text.text.startswith("Xe")


def test_cut_and_paste(editor):
    opened(editor, "one two\u00a0three")
    press(editor, Qt.Key.Key_Right, CTRL)
    press(editor, Qt.Key.Key_End, SHIFT)
    press(editor, Qt.Key.Key_X, CTRL)
    assert editor.document_.text.text == "one " and QApplication.clipboard().text() == "two\u00a0three"
    press(editor, Qt.Key.Key_Home)
    press(editor, Qt.Key.Key_V, CTRL)
    assert editor.document_.text.text == "two\u00a0threeone "
    editor.insertFromMimeData(mime("a\r\nb\u2029c"))
    same(editor)
    assert editor.document_.text.text == "two\u00a0threea\r\nb\u2029cone "


def mime(text: str) -> QMimeData:
    data = QMimeData()
    data.setText(text)
    return data


def test_composed_text_is_typed(editor):
    opened(editor, "ab")
    composing = QInputMethodEvent("ni", [])
    QApplication.sendEvent(editor, composing)
    assert editor.document_.text.text == "ab"
    done = QInputMethodEvent("", [])
    done.setCommitString("你")
    QApplication.sendEvent(editor, done)
    same(editor)
    assert editor.document_.text.text == "你ab"


def test_what_qt_edits_by_itself_is_taken_back(editor):
    opened(editor, HARD)
    QTextCursor(editor.document()).insertText("sneaked in")
    same(editor)
    assert editor.document_.text.text == HARD


def test_the_caret_passes_over_a_gap(editor):
    opened(editor, "ab", Gap(1, 3), "cd")
    places = []
    for _ in range(6):
        places.append(editor.carets()[1])
        press(editor, Qt.Key.Key_Right)
    assert places == [0, 1, 2, 3, 4, 5]
    for _ in range(2):
        press(editor, Qt.Key.Key_Left)
    assert editor.carets() == (3, 3) and editor.gap_at_caret() == Gap(1, 3)
    press(editor, Qt.Key.Key_Left, SHIFT, times=2)
    assert editor.carets() == (3, 1) and editor.selection() == (1, 3)


def test_a_gap_is_selected_before_it_is_taken_away(editor):
    opened(editor, "ab", Gap(1, 3, "was"), "cd")
    editor.place_caret(3, 3)
    press(editor, Qt.Key.Key_Backspace)
    assert editor.document_.text.gaps and editor.selection() == (2, 3)
    press(editor, Qt.Key.Key_Backspace)
    assert editor.document_.text.pieces == ("abcd",)
    press(editor, Qt.Key.Key_Z, CTRL)
    assert editor.document_.text.gaps == [Gap(1, 3, "was")]


def test_typing_in_what_was_filled_in_makes_it_the_writers(editor):
    gap = Gap(1, 3)
    opened(editor, "ab", Gap(1, 3, fill=fill_of(gap)), "cd")
    editor.place_caret(2, 2)
    press(editor, Qt.Key.Key_Right, times=3)
    QTest.keyClicks(editor, "X")
    assert editor.document_.text.pieces == ("ab woXrd word wordcd",)
    press(editor, Qt.Key.Key_Z, CTRL)
    press(editor, Qt.Key.Key_Z, CTRL)
    assert editor.document_.text.gaps[0].fill == fill_of(gap)


def test_a_selection_between_two_fills(editor):
    first, second = Gap(1, 1), Gap(2, 2)
    opened(editor, Gap(1, 1, fill=fill_of(first)), " and", Gap(2, 2, fill=fill_of(second)), ".")
    cursor = editor.textCursor()
    cursor.setPosition(3)
    cursor.setPosition(12, QTextCursor.MoveMode.KeepAnchor)
    editor.setTextCursor(cursor)
    assert editor.selected_text() == "rd and wo"
    QTest.keyClicks(editor, "-")
    same(editor)
    assert editor.document_.text.pieces == (" wo-rd word.",)


def test_an_edge_is_dragged(editor):
    opened(editor, "The king had ", Gap(1, 3), " and so on")
    mark = editor.marks().gaps[0]
    block = mark.tokens[0].rects[0].width()
    grip = mark.handle.center().toPoint()
    viewport = editor.viewport()
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=grip)
    for step in range(1, 5):
        QTest.mouseMove(viewport, grip + QPoint(round(step * block), 0))
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=grip + QPoint(round(4 * block), 0))
    same(editor)
    assert editor.document_.text.gaps[0].length == 7 and editor.document_.undo_stack.count() == 1
    press(editor, Qt.Key.Key_Z, CTRL)
    assert editor.document_.text.gaps[0].length == 3


def test_a_gap_may_be_undone_while_its_edge_is_dragged(editor):
    editor.document_.insert_gap(0, 3)
    grip = editor.marks().gaps[0].handle.center().toPoint()
    QTest.mousePress(editor.viewport(), Qt.MouseButton.LeftButton, pos=grip)
    editor.document_.undo_stack.undo()
    QTest.mouseRelease(editor.viewport(), Qt.MouseButton.LeftButton, pos=grip)
    assert not editor.document_.text.gaps and editor._drag is None


def test_clicks_tell_tokens_and_select_empty_gaps(editor, qtbot):
    opened(editor, "The ", Gap(1, 2), " king", Gap(2, 3, fill=fill_of(Gap(2, 3))), ".")
    empty, filled = editor.marks().gaps
    QTest.mouseClick(editor.viewport(), Qt.MouseButton.LeftButton, pos=empty.tokens[1].rects[0].center().toPoint())
    assert editor.selection() == (4, 5)
    told = []
    editor.token_pressed.connect(lambda *what: told.append(what[:2]))
    QTest.mouseClick(editor.viewport(), Qt.MouseButton.LeftButton, pos=filled.tokens[2].rects[0].center().toPoint())
    assert told == [(2, 2)]
    assert "3 tokens" not in tip(editor, empty.tokens[0].rects[0].center())
    assert "2 tokens" in tip(editor, empty.tokens[0].rects[0].center())
    assert "10 %" in tip(editor, filled.tokens[0].rects[0].center())
    assert tip(editor, QPointF(600, 390)) == ""


@pytest.mark.parametrize("mode", ["dark", "light"])
def test_blocks_are_drawn_where_tokens_are_unknown(editor, mode):
    theme.current().set_mode(mode)
    opened(editor, "The king had ", Gap(1, 3), " and so on")
    rect = editor.marks().gaps[0].tokens[1].rects[0]
    pixel = picture(editor)[int(rect.center().y()), int(rect.center().x())]
    wanted = theme.color("hover")
    assert pixel.tolist() == [wanted.blue(), wanted.green(), wanted.red()]


def test_a_gap_that_is_selected_looks_so(editor):
    opened(editor, "The king had ", Gap(1, 3), " and so on")
    rect = editor.marks().gaps[0].tokens[1].rects[0]
    editor.select_gap(1)
    pixel = picture(editor)[int(rect.center().y()), int(rect.center().x())]
    wanted = theme.color("selection")
    assert pixel.tolist() == [wanted.blue(), wanted.green(), wanted.red()]


def test_confidence_can_be_switched_off_and_needs_no_colour(editor):
    gap = Gap(1, 5)
    opened(editor, "The king had", Gap(1, 5, fill=fill_of(gap)), ".")
    with_tint = picture(editor)
    editor.confidence_shown = False
    editor.viewport().update()
    without = picture(editor)
    doubtful, sure = editor.marks().gaps[0].tokens[0].rects[0], editor.marks().gaps[0].tokens[4].rects[0]

    def line_under(rect, image):
        """How much darker or lighter than its surroundings the strip under a word is, in grey."""
        strip = image[int(rect.bottom()) - 3 : int(rect.bottom()), int(rect.left()) : int(rect.right())].mean(axis=2)
        return strip.max() - np.median(without.mean(axis=2))

    assert line_under(doubtful, with_tint) > 60 > line_under(doubtful, without)
    assert line_under(sure, with_tint) < 60


def test_a_run_is_shown_in_place_and_leaves_the_text_alone(editor):
    document = opened(editor, "The king had ", Gap(1, 3), " and\r\n", Gap(2, 1), "so on")
    words = {
        1: [Word("a", 1, 3, 0.9), Word(" crown", 32, 1, 0.4), Word("", 300, 0)],
        2: [Word("and\n", 1, 3, 0.2)],
    }
    editor.looks = lambda gap: live_look(words[gap.id])
    editor.place_caret(14, 14)
    editor.refresh({1, 2})
    same(editor)
    assert editor.view.views == ["The king had a crown³²\u200b___\u200b and", "and\u2028so on"]
    assert editor.carets() == (14, 14) and not document.undo_stack.count()
    assert "32 pieces" in tip(editor, editor.marks().gaps[0].tokens[1].rects[0].center())
    words[1] = [Word("a", 1, 3, 0.9), Word(" gold", 4, 2, 0.4), Word(" ring", 1, 3, 0.9)]
    editor.refresh({1})
    assert editor.view.views[0] == "The king had a gold⁴\u200b ring and"
    editor.looks = document_look
    editor.refresh()
    same(editor)
    assert editor.view.views[0].count("___") == 3


@pytest.mark.parametrize("gaps", [3, 40])
def test_many_gaps_are_filled_and_accepted_as_few_are(editor, gaps):
    """Together or one after the other: the text, the caret, what is in sight and the way back are the same."""
    document = opened(editor, *(piece for i in range(1, gaps + 1) for piece in (f"line {i}\r\n" * 9, Gap(i, 2))), "end")
    before = document.text.pieces
    editor.place_caret(30, 34)
    editor.verticalScrollBar().setValue(editor.verticalScrollBar().maximum())
    seen = editor.verticalScrollBar().value()
    assert seen > 0
    document.fill({gap.id: fill_of(gap) for gap in document.text.gaps})
    same(editor)
    assert editor.carets() == (30, 34) and editor.verticalScrollBar().value() == seen
    assert all(gap.filled for gap in document.text.gaps)
    document.accept({gap.id: fill_of(gap) for gap in document.text.gaps}, editor.carets())
    same(editor)
    lines = ("".join(f"line {i}\r\n" * 9 + " word word" for i in range(1, gaps + 1)) + "end",)
    assert document.text.pieces == lines and editor.carets() == (30, 34)
    document.undo_stack.undo()
    document.undo_stack.undo()
    same(editor)
    assert document.text.pieces == before
    document.undo_stack.setIndex(2)
    same(editor)
    assert document.text.pieces == lines


def test_the_caret_goes_through_a_very_long_paragraph_as_if_it_were_one(editor):
    text = "word " * 4000
    document = opened(editor, text)
    assert len(editor.view.views) == 5 and editor.view.goes_on(0)
    seam = editor.view.starts[1]
    editor.place_caret(seam - 1, seam - 1)
    for place in (seam, seam + 1, seam + 2):
        press(editor, Qt.Key.Key_Right)
        assert editor.carets() == (place, place)
    for place in (seam + 1, seam, seam - 1, seam - 2):
        press(editor, Qt.Key.Key_Left)
        assert editor.carets() == (place, place)
    press(editor, Qt.Key.Key_Right, SHIFT, times=4)
    assert editor.selected_text() == "d wo"
    editor.place_caret(seam, seam)
    press(editor, Qt.Key.Key_Backspace, times=2)
    assert document.text.text == text[: seam - 2] + text[seam:]
    QTest.keyClicks(editor, "d ")
    assert document.text.text == text
    assert editor.view.views[1].startswith("word ")
    seam, cursor = editor.view.starts[1], editor.textCursor()
    cursor.setPosition(editor.document().findBlockByNumber(1).position() - 1)
    editor.setTextCursor(cursor)  # at the end of the first part, as a click may set it
    press(editor, Qt.Key.Key_Delete)
    assert document.text.text == text[:seam] + text[seam + 1 :]
    editor.ensureCursorVisible()
    assert editor.marks().seams and "goes on" in tip(editor, editor.marks().seams[0].center())
    document.undo_stack.setIndex(0)
    editor.selectAll()
    assert document.text.text == text == editor.selected_text()


def test_an_empty_document_is_fine(editor):
    opened(editor)
    picture(editor)
    for key in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete, Qt.Key.Key_Left, Qt.Key.Key_Z):
        press(editor, key)
    assert editor.document_.text.text == "z"


def test_random_keys_keep_page_and_document_together(editor):
    rng = random.Random(3)
    document = opened(editor, HARD, Gap(1, 2), HARD, Gap(2, 3, "was", fill_of(Gap(2, 3), "é\n")), HARD)
    keys = [Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End]
    before = document.text.pieces
    for _ in range(250):
        choice = rng.randrange(10)
        modifier = rng.choice([Qt.KeyboardModifier.NoModifier, SHIFT, CTRL, CTRL | SHIFT])
        if choice < 5:
            press(editor, rng.choice(keys), modifier)
        elif choice == 5:
            press(editor, rng.choice([Qt.Key.Key_Backspace, Qt.Key.Key_Delete]))
        elif choice == 6:
            QTest.keyClicks(editor, rng.choice(["a", " b"]))
        elif choice == 7:
            document.undo_stack.undo()
        else:
            editor.insertFromMimeData(mime(rng.choice(["\r\n", "😀", "x\ry"])))
        same(editor)
        place = editor.carets()[1]
        assert editor.spot(editor.position_of(place)).place == place
    document.undo_stack.setIndex(0)
    same(editor)
    assert document.text.pieces == before


def test_what_comes_below_does_not_cover_the_caret(editor) -> None:
    opened(editor, "\n".join(f"line {number}" for number in range(200)))
    editor.setTextCursor(editor.cursorForPosition(QPoint(60, editor.viewport().height() - 30)))
    assert editor.viewport().rect().contains(editor.cursorRect())
    editor.resize(700, 160)
    assert editor.viewport().rect().contains(editor.cursorRect())
    editor.verticalScrollBar().setValue(0)  # who reads elsewhere is left there
    editor.resize(700, 100)
    assert editor.verticalScrollBar().value() == 0
