import random

import pytest

from studio.errors import StudioError
from studio.media.gapped import Fill, GappedText
from studio.ui.text.document import TextDocument

TEXT = "Once upon a time there lived a king.\r\nHe had 👩‍👩‍👧 three\u2028daughters.\n"


@pytest.fixture
def document(qapp, tokenizer):
    document = TextDocument()
    document.set_model(tokenizer, 48)
    document.load(GappedText([TEXT]))
    return document


def fill_of(gap, word="x"):
    return Fill((1,) * gap.length, (word,) * gap.length, (0.5,) * gap.length)


def test_a_word_is_typed_in_one_step(document):
    start = len(document.text)
    for i, letter in enumerate("The end"):
        document.insert(start + i, start + i, letter)
    assert document.text.text == TEXT + "The end" and document.undo_stack.count() == 2
    document.undo_stack.undo()
    assert document.text.text == TEXT + "The "
    document.undo_stack.redo()
    document.insert(0, 5, "Upon")
    assert document.undo_stack.undoText() == "paste"
    document.undo_stack.setIndex(0)
    assert document.text.text == TEXT


def test_gaps_and_fills_are_steps(document):
    gap = document.make_gap(12, 16)
    other = document.insert_gap(0, 3)
    document.fill({gap.id: fill_of(gap), other.id: fill_of(other, "é")})
    assert document.text.text.startswith("éééOnce upon a x")
    document.set_pinned(other.id, 1, True)
    assert document.text.kept[0] == {1: 1}
    document.set_token(other.id, 0, 7, "why")
    assert document.text.text.startswith("whyéé") and document.text.kept[0] == {0: 7, 1: 1}
    document.accept({gap.id: gap.fill for gap in document.text.gaps})
    assert document.text.gaps == [] and document.text.text.startswith("whyééOnce upon a x")
    assert document.undo_stack.count() == 6
    document.undo_stack.setIndex(0)
    assert document.text.pieces == (TEXT,)
    document.undo_stack.setIndex(6)
    assert document.text.text.startswith("whyééOnce")


def test_one_drag_is_one_step(document):
    gap = document.insert_gap(5, 3)
    for length, of_drag in ((4, False), (5, True), (9, True), (2, True)):
        document.resize_gap(gap.id, length, of_drag)
    assert document.text.gaps[0].length == 2 and document.undo_stack.count() == 2
    document.undo_stack.undo()
    assert document.text.gaps[0].length == 3
    with pytest.raises(StudioError, match="at most 46"):
        document.resize_gap(gap.id, 47)


def test_a_fill_that_does_not_fit_is_left_out(document):
    gap = document.insert_gap(5, 3)
    document.fill({gap.id: Fill((1,), ("a",), (None,)), 99: fill_of(gap)})
    assert document.text.gaps[0].fill is None and document.undo_stack.count() == 1
    document.accept({99: fill_of(gap)})
    assert document.undo_stack.count() == 1


def test_a_word_is_put_into_an_empty_gap_and_taken_out(document):
    gap = document.insert_gap(5, 3)
    document.set_token(gap.id, 1, 7, " why")
    fill = document.text.gaps[0].fill
    assert fill == Fill((None, 7, None), ("", " why", ""), (None,) * 3, frozenset({1}))
    assert document.text.kept == [{1: 7}] and not document.text.gaps[0].filled and document.text.text == TEXT
    document.set_pinned(gap.id, 0, True)
    assert document.text.gaps[0].fill == fill
    document.set_pinned(gap.id, 1, False)
    assert document.text.gaps[0].fill is None
    document.undo_stack.undo()
    document.accept({gap.id: fill})
    assert document.text.parts == (TEXT[:5], 1, " why", 1, TEXT[5:])
    document.undo_stack.setIndex(0)
    assert document.text.pieces == (TEXT,)


def test_signals_tell_of_every_edit(document):
    edits, moves = [], []
    document.edited.connect(edits.append)
    document.moved.connect(lambda anchor, caret: moves.append((anchor, caret)))
    document.make_gap(0, 4)
    document.undo_stack.undo()
    assert edits[1] == edits[0].inverse and moves == [(1, 1), (0, 4)]


def test_no_gap_without_a_model(qapp):
    document = TextDocument()
    document.load(GappedText(["abc"]))
    with pytest.raises(StudioError, match="no text model"):
        document.make_gap(0, 2)


def test_two_hundred_random_actions_and_back(document):
    rng = random.Random(5)
    states = [document.text.pieces]
    while len(states) < 200:
        low, high = sorted(rng.randrange(len(document.text) + 1) for _ in range(2))
        gap = rng.choice(document.text.gaps) if document.text.gaps else None
        count = document.undo_stack.count()
        try:
            match rng.randrange(9):
                case 0:
                    document.insert(low, low, rng.choice(["😀\r\n", "ab ", "\u2029"]))
                case 1:
                    document.insert(low, min(high, low + 4), "")
                case 2:
                    document.make_gap(low, min(high, low + 9))
                case 3:
                    document.insert_gap(low, rng.randrange(1, 9))
                case 4 if gap:
                    document.resize_gap(gap.id, rng.randrange(1, 9))
                case 5 if gap:
                    document.fill({gap.id: fill_of(gap)})
                case 8 if gap:
                    document.set_token(gap.id, gap.length - 1, rng.randrange(9), "z")
                case 6 if gap:
                    document.accept({gap.id: gap.fill or Fill.nothing(gap.length).with_token(0, 3, "z")})
                case 7 if gap:
                    document.give_back(gap.id)
        except StudioError:
            continue
        if document.undo_stack.count() > count:
            states.append(document.text.pieces)
    for state in reversed(states):
        assert document.text.pieces == state
        document.undo_stack.undo()
    assert document.text.pieces == (TEXT,)
    for state in states[1:]:
        document.undo_stack.redo()
        assert document.text.pieces == state


def test_another_text_is_one_step_and_undo_brings_back_the_one_before(document: TextDocument) -> None:
    stack, told = document.undo_stack, []
    document.leaving.connect(lambda: told.append(document.title))
    document.insert(0, 0, "Mine. ")
    mine, steps = document.text.text, stack.count()
    document.open(GappedText(["another"]), "other")
    assert document.text.text == "another" and stack.count() == steps + 1 and told == ["text"]
    document.insert(7, 7, " one")
    stack.undo()
    stack.undo()
    assert document.text.text == mine and document.title == "text" and told == ["text", "other"]
    stack.undo()
    assert document.text.text == mine.removeprefix("Mine. ")
    for _ in range(3):
        stack.redo()
    assert document.text.text == "another one" and document.title == "other"
    document.load(GappedText(["anew"]))
    assert not stack.canUndo()
