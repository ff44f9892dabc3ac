import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import StudioError
from studio.media.textplan import join_gaps, marks_suffice, open_gaps, parse_gaps, plan_text
from studio.media.texts import TextTokenizer
from studio.media.words import gap_words, rough_text
from studio.prime.subtokens import Subtokens
from tests.media.conftest import PIECES

SUBTOKENS = Subtokens(PIECES, 3)


def random_fills(plan, seed: int) -> list[np.ndarray]:
    """Any tokens in the gaps; the given ones elsewhere."""
    rng = np.random.default_rng(seed)
    fills = []
    for window in plan.windows:
        unknown = (window.y == SUBTOKENS.mask_id).any(axis=1)
        tokens = rng.integers(0, PIECES, len(unknown))
        tokens[~unknown] = SUBTOKENS.decode(window.y[~unknown])
        fills.append(tokens)
    return fills


def assembled(plan, fills: list[np.ndarray]) -> str:
    """The whole text from the tokens (L,) of every window."""
    tokens = np.concatenate(fills)
    places = zip(plan.positions, plan.spaced, strict=True)
    return plan.join([plan.fill(tokens[place], spaced) for place, spaced in places])


def test_gaps_are_parsed():
    assert parse_gaps("a [[6]] b") == ["a ", 6, " b"]
    assert parse_gaps("[[1]][[2]]") == [1, 2]
    assert parse_gaps("[[x]] [ [3] ] [[4]]") == ["[[x]] [ [3] ] ", 4]


@pytest.mark.parametrize("mark", ["[[007]]", "[[+7]]", "[[ 7 ]]", "[[7 ]]", "[[-0]]", "[[00]]", "[[٧]]"])
def test_a_mark_that_would_be_written_otherwise_is_text(mark):
    assert parse_gaps(f"a {mark} [[7]]") == [f"a {mark} ", 7]
    assert open_gaps(f"a {mark}", 14) == ([f"a {mark}"], "")


def test_a_mark_that_is_too_long_stays_text_where_that_is_asked_for():
    link = "[[202406121530]]"
    parts, problem = open_gaps(f"{link} and [[6]], [[15]].", 14)
    assert parts == [f"{link} and ", 6, ", [[15]]."] and join_gaps(parts) == f"{link} and [[6]], [[15]]."
    assert problem == "A gap of 202406121530 tokens is too long: the model takes at most 14."
    assert open_gaps(link, 14)[0] == [link] and "202406121530" in open_gaps(link, 14)[1]
    assert open_gaps(f"{link} [[0]]", 14)[0] == [f"{link} [[0]]"] and "from 1" in open_gaps(f"{link} [[0]]", 14)[1]
    assert open_gaps("a [[6]]", 14) == (["a ", 6], "") and open_gaps("", 14) == ([], "")
    assert len(open_gaps("[[" + "9" * 5000 + "]]", 14)[1]) < 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("no gap [[here]]", "no gap"),
        ("a [[0]]", "from 1"),
        ("a [[000]]", "no gap"),
        ("a [[-3]]", "from 1"),
        ("a \ud83d [[3]]", "not valid Unicode"),
        ("a [[15]]", "at most 14"),
        ("a [[" + "9" * 5000 + "]]", "at most 14"),
    ],
)
def test_bad_gaps_are_refused(tokenizer, text, message):
    with pytest.raises(StudioError, match=message) as error:
        plan_text(text, tokenizer, SUBTOKENS, 16)
    assert len(str(error.value)) < 200


def test_a_tokenizer_of_another_model_is_refused(tokenizer):
    with pytest.raises(StudioError, match="300 pieces, the model 64 classes"):
        plan_text("a [[2]]", tokenizer, Subtokens(64, 2), 16)


def test_a_plan_sets_the_text_between_newlines(tokenizer):
    plan = plan_text("Once upon a time [[3]] lived in [[2]].", tokenizer, SUBTOKENS, 64)
    (window,) = plan.windows
    unknown = (window.y == SUBTOKENS.mask_id).any(axis=1)
    assert (window.y == SUBTOKENS.mask_id).sum() == 5 * SUBTOKENS.length
    assert [np.flatnonzero(unknown).tolist()] == [[i for start, stop in window.gaps for i in range(start, stop)]]
    tokens = SUBTOKENS.decode(window.y[~unknown])
    assert tokenizer.decode(tokens) == "\nOnce upon a time lived in.\n"


def test_a_space_before_a_gap_belongs_to_its_first_word(tokenizer):
    plan = plan_text("there lived [[2]] king", tokenizer, SUBTOKENS, 64)
    (window,) = plan.windows
    ((position, allowed),) = window.allowed
    assert position == window.gaps[0][0]
    pieces = [piece for piece, may in zip(tokenizer.pieces, allowed, strict=True) if may]
    assert pieces and all(piece[:1] == b" " and len(piece) > 1 and piece[1:2] != b" " for piece in pieces)
    (fill,) = random_fills(plan, 0)
    fill[position : position + 2] = tokenizer.encode(" the")[:1] + tokenizer.encode(" time")[:1]
    first, second = (tokenizer.decode([token]) for token in fill[position : position + 2])
    assert first.startswith(" ")
    assert assembled(plan, [fill]) == f"there lived{first}{second} king"


@pytest.mark.parametrize("text", ["[[2]] lived", "the king.\n[[2]] lived", "the king ([[2]])"])
def test_a_line_does_not_begin_with_a_space(tokenizer, text):
    (window,) = plan_text(text, tokenizer, SUBTOKENS, 64).windows
    ((_, allowed),) = window.allowed
    pieces = [piece for piece, may in zip(tokenizer.pieces, allowed, strict=True) if may]
    assert pieces and not any(piece[:1].isspace() for piece in pieces)


def test_within_a_word_anything_goes(tokenizer):
    (window,) = plan_text("the tow[[1]] there", tokenizer, SUBTOKENS, 64).windows
    assert window.allowed == ()


parts = st.lists(
    st.tuples(st.text(st.characters(exclude_characters="[]", codec="utf-8"), max_size=12), st.integers(1, 14)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(parts=parts, last=st.sampled_from(["", " ", ".", "\r\n", " end\n", "é "]), seed=st.integers(0, 2**32))
def test_given_text_comes_back_whatever_is_filled_in(tokenizer, parts, last, seed):
    text = "".join(f"{part}[[{gap}]]" for part, gap in parts) + last
    plan = plan_text(text, tokenizer, SUBTOKENS, 16)
    fills = random_fills(plan, seed)
    result = assembled(plan, fills)
    gaps = [
        tokens[start:stop] for tokens, window in zip(fills, plan.windows, strict=True) for start, stop in window.gaps
    ]
    assert [len(gap) for gap in gaps] == [gap for _, gap in parts]
    position = 0
    for (given_part, _), gap in zip(parts, gaps, strict=True):
        assert result.startswith(given_part, position)
        position += len(given_part)
        filled = tokenizer.decode(gap)
        position += len(filled.removeprefix(" ") if given_part.endswith(" ") else filled)
    assert result[position:] == last
    for window in plan.windows:
        assert len(window.y) <= 16
        inside = {position for start, stop in window.gaps for position in range(start, stop)}
        unknown = np.flatnonzero((window.y == SUBTOKENS.mask_id).all(axis=1))
        assert set(unknown.tolist()) == inside
        assert all(position in inside for position, _ in window.allowed)


def test_a_long_text_is_filled_in_windows(tokenizer):
    words = "the king had a daughter " * 20
    plan = plan_text(f"{words}[[3]] and [[2]]{words}[[4]]. {words}", tokenizer, SUBTOKENS, 40)
    near, far = plan.windows
    assert [stop - start for start, stop in near.gaps] == [3, 2]
    assert [stop - start for start, stop in far.gaps] == [4]
    for window in plan.windows:
        assert len(window.y) == 40
        assert window.gaps[0][0] >= 5 and 40 - window.gaps[-1][1] >= 5


def test_windows_do_not_see_each_others_gaps(tokenizer):
    plan = plan_text("the king [[10]] and [[10]] had", tokenizer, SUBTOKENS, 16)
    assert [len(window.gaps) for window in plan.windows] == [1, 1]
    assert [(window.y == SUBTOKENS.mask_id).all(axis=1).sum() for window in plan.windows] == [10, 10]


def test_line_ends_of_windows_look_like_newlines_to_the_network(tokenizer):
    text = "the king\r\nlived [[2]]\r\n"
    plan = plan_text(text, tokenizer, SUBTOKENS, 64)
    assert tokenizer.pieces.index(b"\r") not in random_fills(plan, 0)[0][: plan.windows[0].gaps[0][0]]
    assert assembled(plan, random_fills(plan, 0)).startswith("the king\r\nlived ")


def test_partial_states_are_shown(tokenizer):
    (window,) = plan_text("the [[3]] had", tokenizer, SUBTOKENS, 64).windows
    y = window.y[slice(*window.gaps[0])].copy()
    assert rough_text(gap_words(y, SUBTOKENS, tokenizer, spaced=True)) == ["░", "░", "░"]
    y[0] = SUBTOKENS.encode(tokenizer.encode(" the")[0])
    y[1, 0] = 0
    first = tokenizer.decode(tokenizer.encode(" the")[:1])
    for spaced, shown in ((False, first), (True, first.removeprefix(" "))):
        words = rough_text(gap_words(y, SUBTOKENS, tokenizer, spaced=spaced))
        assert words == [shown, f"‹{SUBTOKENS.base**2}›", "░"]


def test_marks_of_the_writer_are_text_in_parts(tokenizer):
    parts = ["write [[3]] for three: ", 2, "."]
    plan = plan_text(parts, tokenizer, SUBTOKENS, 64)
    assert assembled(plan, random_fills(plan, 0)).startswith("write [[3]] for three: ")
    assert join_gaps(parts) == "write [[3]] for three: [[2]]." and not marks_suffice(parts)
    assert marks_suffice(["a ", 3, 2, " b"]) and not marks_suffice(["a", "b", 3])


@pytest.mark.parametrize(
    ("parts", "message"), [(["a ", 0], "at least one"), (["a"], "no gap"), (["\ud800", 1], "Unicode")]
)
def test_bad_parts_are_refused(tokenizer, parts, message):
    with pytest.raises(StudioError, match=message):
        plan_text(parts, tokenizer, SUBTOKENS, 16)


def test_extents_are_in_characters_of_the_text(tokenizer):
    (window,) = plan_text(["the king\r\nhad ", 3, "é 😀."], tokenizer, SUBTOKENS, 64).windows
    assert window.extent == (0, len("the king\r\nhad ") + 1 + len("é 😀."))
    words = "the king had a daughter\r\n" * 40
    near, far = plan_text([words, 2, words, 3, words], tokenizer, SUBTOKENS, 40).windows
    for window, gap in ((near, len(words)), (far, 2 * len(words) + 1)):
        start, stop = window.extent
        assert start < gap < stop and stop - start < 200
        text = (words + "_" + words + "_" + words)[start:gap].replace("\r\n", "\n").rstrip(" ")
        given = window.y[: window.gaps[0][0]]
        assert tokenizer.decode(SUBTOKENS.decode(given)) == text


class Whole(TextTokenizer):
    """A tokenizer that always encodes the whole text, as plans once did."""

    def __init__(self, tokenizer):
        self.__dict__ = tokenizer.__dict__

    def first(self, text, count):
        return self.encode(text), len(text)

    last = first


@settings(max_examples=100, deadline=None)
@given(
    givens=st.lists(st.text(st.sampled_from("the king,\n had\r a 😀é"), max_size=900), min_size=2, max_size=4),
    gaps=st.lists(st.integers(1, 14), min_size=3, max_size=3),
)
def test_encoding_only_what_is_near_gives_the_same_windows(tokenizer, givens, gaps):
    parts = [part for pair in zip(givens, gaps, strict=False) for part in pair][: 2 * len(givens) - 1]
    near, whole = (plan_text(parts, t, SUBTOKENS, 16).windows for t in (tokenizer, Whole(tokenizer)))
    assert len(near) == len(whole)
    for one, other in zip(near, whole, strict=True):
        assert np.array_equal(one.y, other.y) and one.gaps == other.gaps and one.extent == other.extent


def test_a_long_text_costs_what_is_near_its_gaps(tokenizer, monkeypatch):
    encoded = []
    encode = type(tokenizer).encode
    monkeypatch.setattr(type(tokenizer), "encode", lambda self, text: encoded.append(len(text)) or encode(self, text))
    words = "the king had a daughter " * 5000
    plan_text([words, 3, words, 2, words], tokenizer, SUBTOKENS, 64)
    assert sum(encoded) < 8000
