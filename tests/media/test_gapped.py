import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import StudioError
from studio.media import pieces
from studio.media.gapped import Edit, Fill, Gap, GappedText, joined, reading, size, valid
from studio.media.textplan import plan_text
from studio.prime.subtokens import Subtokens
from tests.media.conftest import PIECES

LONGEST = 14
SUBTOKENS = Subtokens(PIECES, 3)
HARD = "the king \t\r\n\n\u2028\u2029\u00a0é e\u0301 👩‍👩‍👧 שלום مرحبا [[3]] \ufeff\x00 東京"


def filled(gap: Gap, tokenizer, seed: int = 0) -> Fill:
    """By some seeds whole, by others in part."""
    tokens = tuple(
        None if seed % 3 == 2 and (seed + i) % 4 == 3 else (seed * 31 + 7 * i) % PIECES for i in range(gap.length)
    )
    words = tuple("" if token is None else tokenizer.decode([token]) for token in tokens)
    return Fill(tokens, words, (0.5,) * gap.length, frozenset({0} if tokens[0] is not None else ()))


def places(pieces) -> list[str | int]:
    """One item a place: a character, or the id of a gap."""
    return [item for piece in pieces for item in (list(piece) if isinstance(piece, str) else [piece.id])]


def test_places_count_characters_and_gaps():
    text = GappedText(["a👩", "é", Gap(4, 2), "", "b"])
    assert text.pieces == ("a👩é", Gap(4, 2), "b") and len(text) == 5
    assert text.parts == ("a👩é", 2, "b") and text.find(4) == (3, Gap(4, 2))
    assert text.between(1, 4) == ("👩é", Gap(4, 2)) and text.between(4, 99) == ("b",)
    assert size(text.between(2, 5)) == 3
    with pytest.raises(KeyError):
        text.find(1)


def test_a_selection_becomes_a_gap_of_as_many_tokens(tokenizer):
    text = GappedText([HARD])
    start = HARD.index("king")
    edit = text.make_gap(start, start + 4, tokenizer, LONGEST)
    (gap,) = edit.added
    assert isinstance(gap, Gap) and gap.was == "king" and gap.length == len(tokenizer.encode(" king"))
    text.apply(edit)
    assert text.text == HARD and text.parts == (HARD[:start], gap.length, HARD[start + 4 :])
    text.apply(text.give_back(gap.id))
    assert text.pieces == (HARD,)


def test_white_space_at_the_ends_of_a_selection_stays_given(tokenizer):
    text = GappedText(["the king \n had"])
    text.apply(text.make_gap(3, 11, tokenizer, LONGEST))
    assert [piece if isinstance(piece, str) else piece.was for piece in text.pieces] == ["the ", "king", " \n had"]
    text = GappedText(["the king \n had"])
    text.apply(text.make_gap(8, 10, tokenizer, LONGEST))
    assert text.gaps[0].was == " \n"


def test_gaps_in_a_selection_become_part_of_it(tokenizer):
    text = GappedText(["a ", Gap(1, 3, "one"), " and ", Gap(2, 4, "two"), "."])
    edit = text.make_gap(2, 9, tokenizer, LONGEST)
    assert edit.added == (Gap(3, 7 + len(tokenizer.encode(" and ")), "one and two"),)
    text.apply(edit)
    assert text.text == "a one and two."
    text.apply(edit.inverse)
    assert [gap.id for gap in text.gaps] == [1, 2]


def test_neighbouring_gaps_stay_two(tokenizer):
    text = GappedText([Gap(1, 3), "x", Gap(2, 2)])
    text.apply(text.replace(1, 2, ""))
    assert text.parts == (3, 2)


@pytest.mark.parametrize("length", [0, -1, LONGEST + 1, 10**9])
def test_lengths_that_cannot_be(length):
    text = GappedText(["a", Gap(1, 2)])
    for edit in (lambda: text.insert_gap(0, length, LONGEST), lambda: text.resize(1, length, LONGEST)):
        with pytest.raises(StudioError, match="token"):
            edit()


def test_selections_that_cannot_be_gaps(tokenizer):
    text = GappedText(["the king " * 20_000])
    with pytest.raises(StudioError, match="Nothing is selected"):
        text.make_gap(3, 3, tokenizer, LONGEST)
    for stop in (200, 180_000):
        with pytest.raises(StudioError, match="longer than the 14 tokens"):
            text.make_gap(0, stop, tokenizer, LONGEST)


def test_fills_come_and_go(tokenizer):
    text = GappedText(["a ", Gap(1, 3, "was"), " b"])
    fill = filled(text.gaps[0], tokenizer)
    (edit,) = text.fill({1: fill})
    text.apply(edit)
    assert text.text == f"a {fill.text} b" and text.kept == [{0: fill.tokens[0]}]
    assert text.fill({1: fill}) == []
    text.apply(text.resize(1, 2, LONGEST))
    assert text.gaps == [Gap(1, 2, "was", fill.pins_alone(2))] and text.kept == [{0: fill.tokens[0]}]
    whole = filled(text.gaps[0], tokenizer)
    text.apply(text.fill({1: whole})[0])
    text.apply(text.accept({1: whole})[0])
    assert text.gaps == [] and text.parts == text.pieces


def test_what_is_known_in_part_is_accepted_and_the_rest_stays_a_gap():
    """Also of several gaps at once, whose edits do not move each other; a part of a character is made again."""
    text = GappedText(["a ", Gap(1, 6, "was"), " b\r\n", Gap(5, 2)])
    one = Fill((None, 8, 9, None, None, 7), ("", " x", " y", "", "", " z"), (None, 0.5, 0.5, None, None, None))
    two = Fill((3, None), ("\ufffd", ""), (0.5, None))
    text.apply(text.fill({1: one})[0])
    assert text.text == "a was b\r\n" and not text.gaps[0].filled and text.kept == [{}, {}]
    edits = text.accept({1: one, 5: two})
    for edit in edits:
        text.apply(edit)
    assert text.parts == ("a ", 1, " x y", 2, " z b\r\n", 2)
    assert len({gap.id for gap in text.gaps} - {1, 5}) == 3
    for edit in reversed(edits):
        text.apply(edit.inverse)
    assert text.parts == ("a ", 6, " b\r\n", 2) and text.gaps[0].fill == one


def test_pins_stay_when_a_gap_gets_another_length():
    fill = Fill((4, 5, 6), ("a", "b", "c"), (0.5, 0.5, 0.5), frozenset({0, 2}))
    text = GappedText([Gap(1, 3, "", fill)])
    text.apply(text.resize(1, 5, LONGEST))
    longer = text.gaps[0].fill
    assert text.kept == [{0: 4, 2: 6}] and longer is not None and longer.words == ("a", "", "c", "", "")
    text.apply(text.resize(1, 2, LONGEST))
    assert text.kept == [{0: 4}]
    assert Fill((4,), ("a",), (0.5,)).pins_alone(3) is None


def test_an_edit_that_does_not_fit_changes_nothing():
    text = GappedText(["abc"])
    for edit in (Edit(1, ("x",), ()), Edit(4, (), ("x",)), Edit(2, ("cd",), ())):
        with pytest.raises(ValueError):
            text.apply(edit)
    assert text.pieces == ("abc",)


def test_what_is_pasted_is_text_and_its_gaps_have_ids_of_their_own():
    text = GappedText(["a", Gap(1, 2)])
    text.apply(text.replace(0, 1, [Gap(1, 3), "\ud83d"[:0]]))
    assert sorted(gap.id for gap in text.gaps) == [1, 2]
    assert valid("\ud83d\ude00 \ud83d") == "😀 \ufffd" and valid(HARD) == HARD
    text.apply(text.replace(0, 0, [Gap(4, 1), Gap(1, 1)]))
    assert sorted(gap.id for gap in text.gaps) == [1, 2, 4, 5]
    text.apply(text.replace(0, 0, "\ud83d!"))
    assert text.text.startswith("\ufffd!")


def test_it_is_stored(tokenizer):
    text = GappedText([HARD, Gap(7, 3, "was"), "[[2]]"])
    text.apply(text.fill({7: filled(text.gaps[0], tokenizer)})[0])
    again = GappedText.load(text.dump())
    assert again.pieces == text.pieces and again.insert_gap(0, 1, LONGEST).added == (Gap(8, 1),)


def test_a_gap_that_is_too_long_comes_back_as_text():
    stored = [{"id": 1, "length": 10**9, "was": ""}, "-", {"id": 2, "length": 10**9, "was": "was"}, "!"]
    assert GappedText.load(stored).pieces == ("[[1000000000]]-was!",)
    text = GappedText.of(["a ", 10**9, 3])
    assert text.pieces == ("a [[1000000000]]", Gap(3, 3))
    for grown in (lambda: text.resize(3, 5000, 10**6), lambda: text.insert_gap(0, 5000, 10**6)):
        with pytest.raises(StudioError, match="at most 2048"):
            grown()


@pytest.mark.parametrize(
    "stored",
    [
        3,
        None,
        [3],
        [{}],
        [{"id": 1, "length": 0, "was": ""}],
        [{"id": 1, "length": 2, "was": ""}] * 2,
        [{"id": 1, "length": 2, "was": "", "fill": {"tokens": [1], "words": ["a"], "confidence": [1], "pinned": []}}],
        [{"id": 1, "length": 1, "was": "", "fill": {"tokens": [1], "words": ["a"], "confidence": [1], "pinned": [1]}}],
        [
            {
                "id": 1,
                "length": 2,
                "was": "",
                "fill": {"tokens": [1, None], "words": ["a", ""], "confidence": [1, None], "pinned": [1]},
            }
        ],
        [{"id": 1, "length": "x", "was": ""}],
    ],
)
def test_what_is_damaged_is_refused(stored):
    with pytest.raises(ValueError):
        GappedText.load(stored)


actions = st.lists(
    st.tuples(
        st.sampled_from(["type", "delete", "gap", "insert", "resize", "remove", "give back", "fill", "accept", "undo"]),
        st.floats(0, 1),
        st.floats(0, 1),
        st.text(st.sampled_from(HARD), max_size=5),
        st.integers(0, 16),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(start=st.text(st.sampled_from(HARD), max_size=80), actions=actions)
def test_given_text_survives_whatever_is_done(tokenizer, start, actions):
    """A list with one item a place is edited beside it; then everything is undone and done again."""
    text = GappedText([start])
    model: list[str | int] = list(start)
    done: list[tuple[Edit, list[str | int]]] = []
    for action, first, second, typed, number in actions:
        low, high = sorted((round(first * len(text)), round(second * len(text))))
        gap = text.gaps[number % len(text.gaps)] if text.gaps else None
        before = list(model)
        try:
            if action == "type":
                edit = text.replace(low, low, typed)
            elif action == "delete":
                edit = text.replace(low, high, "")
            elif action == "gap":
                edit = text.make_gap(low, high, tokenizer, LONGEST)
            elif action == "insert":
                edit = text.insert_gap(low, number, LONGEST)
            elif action == "undo" and done:
                last, before_last = done.pop()
                text.apply(last.inverse)
                model = before_last
                assert places(text.pieces) == model
                continue
            elif gap is None or action == "undo":
                continue
            elif action == "resize":
                edit = text.resize(gap.id, number, LONGEST)
            elif action == "fill":
                edit = text.fill({gap.id: filled(gap, tokenizer, number)})[0]
            elif action == "accept" and gap.fill is not None:
                (edit,) = text.accept({gap.id: gap.fill})
            elif action == "accept":
                continue
            else:
                edit = {"remove": text.remove, "give back": text.give_back}[action](gap.id)
        except StudioError:
            assert places(text.pieces) == before
            continue
        except IndexError:
            continue  # filled with the same
        # What an edit removes and adds are the only places that change.
        assert places(edit.removed) == model[edit.start : edit.start + size(edit.removed)]
        if action not in ("type", "delete"):
            assert all(isinstance(piece, Gap) for piece in (*edit.added, *edit.removed)) or action in (
                "gap",
                "give back",
                "accept",
            )
        model[edit.start : edit.start + size(edit.removed)] = places(edit.added)
        text.apply(edit)
        done.append((edit, before))
        assert places(text.pieces) == model and len(text) == len(model)
        assert text.pieces == joined(text.pieces) and text.text == "".join(map(reading, text.pieces))
        assert GappedText.load(text.dump()).pieces == text.pieces
        assert len({gap.id for gap in text.gaps}) == len(text.gaps)

    # The request has every given character, whatever is filled in.
    if text.gaps:
        plan = plan_text(text.parts, tokenizer, SUBTOKENS, LONGEST + 2)
        assert plan.parts == text.parts
        gaps = [f"<{i}>" for i in range(len(text.gaps))]
        ids = {gap.id: mark for gap, mark in zip(text.gaps, gaps, strict=True)}
        assert plan.join(gaps) == "".join(ids[place] if isinstance(place, int) else place for place in model)

    end = text.pieces
    for edit, _ in reversed(done):
        text.apply(edit.inverse)
    assert text.pieces == joined([start])
    for edit, _ in done:
        text.apply(edit)
    assert text.pieces == end


def one_after_the_other(text: GappedText, edits: list[Edit]) -> GappedText:
    other = GappedText(text.pieces)
    for edit in edits:
        other.apply(edit)
    return other


@settings(max_examples=150)
@given(numbers=st.lists(st.integers(0, 11), max_size=8), data=st.data())
def test_many_edits_at_once_are_as_one_after_the_other(tokenizer, numbers, data):
    """Also their undoing and doing again, and edits that lie anywhere."""
    text = GappedText(piece for i, n in enumerate(numbers, 1) for piece in ("ab c"[: n % 4], Gap(i, 1 + n % 3, "was")))
    start = text.pieces
    fills = {gap.id: filled(gap, tokenizer, numbers[gap.id - 1]) for gap in text.gaps if numbers[gap.id - 1] < 9}
    history = [text.fill(fills)]
    text.apply_all(history[0])
    assert [gap.fill for gap in text.gaps] == [fills.get(gap.id) for gap in text.gaps]
    anywhere = []
    other = GappedText(text.pieces)
    for low, high in data.draw(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=4)):
        low, high = sorted((low % (len(other) + 1), high % (len(other) + 1)))
        anywhere.append(other.replace(low, high, ["xy", Gap(1, 2)]))
        other.apply(anywhere[-1])
    for edits in (anywhere, other.accept({gap.id: gap.fill for gap in other.gaps if gap.fill})):
        expected = one_after_the_other(text, edits)
        text.apply_all(edits)
        assert text.pieces == expected.pieces and text._next == max(expected._next, text._next)
        history.append(edits)
    end = text.pieces
    for edits in reversed(history):
        text.apply_all([edit.inverse for edit in reversed(edits)])
    assert text.pieces == start
    for edits in history:
        text.apply_all(edits)
    assert text.pieces == end


@pytest.mark.parametrize(
    "wrong",
    [Edit(9, (), ("x",)), Edit(-1, (), ("x",)), Edit(0, ("b",), ()), Edit(3, ("c", ""), ()), Edit(3, ("cd",), ())],
)
def test_of_many_edits_one_that_does_not_fit_leaves_all_undone(wrong):
    text = GappedText(["ab", Gap(1, 2), "c"])
    for edits in ([Edit(0, ("a",), ("x",)), wrong], [wrong, Edit(0, ("a",), ("x",))], [wrong]):
        with pytest.raises(ValueError, match="is not what the edit removes"):
            text.apply_all(edits)
        assert text.pieces == ("ab", Gap(1, 2), "c")


def test_many_gaps_are_filled_in_one_pass(tokenizer, monkeypatch):
    """Every piece is looked at a few times, however many there are."""
    text = GappedText(piece for i in range(1, 501) for piece in ("word ", Gap(i, 1, "was")))
    looked, size_of = [], pieces.size
    monkeypatch.setattr(pieces, "size", lambda some: looked.append(1) or size_of(some))
    fills = {gap.id: filled(gap, tokenizer) for gap in text.gaps}
    done = text.fill(fills)
    text.apply_all(done)
    accepted = text.accept(fills)
    text.apply_all(accepted)
    assert not text.gaps
    text.apply_all([edit.inverse for edit in reversed(accepted)])
    text.apply_all([edit.inverse for edit in reversed(done)])
    assert [gap.fill for gap in text.gaps] == [None] * 500
    assert len(looked) < 500 * 4 * 8
