from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from studio.media.gapped import Gap, GappedText, size
from studio.ui.text.viewmap import LINE_END, ViewMap, difference, filled_view, index16, len16

HARD = "ab \t\r\n\n\r\u2028\u2029\u00a0é e\u0301 👩‍👩‍👧 שלום \ufdd0\ufffc\x0b\x0c\x85 東京"


def shown(gap: Gap) -> str:
    return "_😀_" * gap.length


def test_lines_keep_their_own_ends():
    view = ViewMap(GappedText(["a\r\nb\rc\n", Gap(1, 2), "d\u2029\u2028"]), shown)
    assert view.views == ["a", "b", "c", "_😀__😀_d", "\u2028"]
    assert [view.spot(line, 0).place for line in range(5)] == [0, 3, 5, 7, 10]
    assert view.position(1) == (0, 1) and view.position(3) == (1, 0) and view.position(8) == (3, 8)
    assert view.gaps_in(3) == [(0, 8, Gap(1, 2))]


def test_a_spot_in_a_gap_counts_its_characters():
    view = ViewMap(GappedText(["x😀", Gap(1, 1), "y"]), shown)
    assert view.views == ["x😀_😀_y"]
    assert [(spot.place, spot.gap is not None, spot.inside) for spot in (view.spot(0, i) for i in range(9))] == [
        (0, False, 0),
        (1, False, 0),
        (1, False, 0),  # within a pair: the character is not ended yet
        (2, False, 0),
        (2, True, 1),
        (2, True, 1),
        (2, True, 2),
        (3, False, 0),
        (4, False, 0),
    ]


def test_what_a_gap_shows_is_one_line():
    assert filled_view("a\r\nb\u2029\ufffc") == "a\u2028\u2028b\u2028\ufffd"
    view = ViewMap(GappedText([Gap(1, 1)]), lambda gap: filled_view("a\nb"))
    assert view.views == ["a\u2028b"]


def test_looking_again_tells_which_lines_changed():
    words = {1: "a", 2: "b", 3: "c"}
    view = ViewMap(GappedText([Gap(1, 1), " ", Gap(2, 1), "\n", Gap(3, 1)]), lambda gap: words[gap.id])
    words |= {1: "xx", 2: "yy"}
    assert [(c.first, c.removed, c.added) for c in view.refresh({1, 2, 3})] == [(0, ["a b"], ["xx yy"])]
    assert view.refresh({1, 2, 3}) == []


@given(old=st.text(st.sampled_from("ab😀"), max_size=12), new=st.text(st.sampled_from("ab😀"), max_size=12))
def test_the_difference_turns_one_view_into_the_other(old, new):
    start, removed, added = difference(old, new)
    units = old.encode("utf-16-le")
    made = units[: 2 * start] + added.encode("utf-16-le") + units[2 * (start + removed) :]
    assert made.decode("utf-16-le") == new
    assert index16(old, len16(old)) == len(old)


pieces = st.lists(st.one_of(st.text(st.sampled_from(HARD), max_size=8), st.integers(1, 3)), max_size=6)


def built(parts, first_id: int) -> list[str | Gap]:
    return [Gap(first_id + i, part) if isinstance(part, int) else part for i, part in enumerate(parts)]


def test_a_very_long_paragraph_is_shown_in_parts():
    """Broken behind a space, or where no character is torn; what was parted stays so until it is short enough."""
    words, letters = "words " * 25, "e\u0301" * 50
    text = GappedText([words, "\r\nfive", Gap(1, 1), letters])
    view = ViewMap(text, shown, 60)
    assert view.views[:5] == ["words " * 5] * 5
    assert "".join(view.views[5:]) == "five" + shown(Gap(1, 1)) + letters
    assert len(view.views) > 6 and all(line.startswith("e") for line in view.views[6:])
    assert [view.goes_on(line) for line in range(5)] == [True] * 4 + [False] and not view.goes_on(len(view.views) - 1)
    assert view.position(30) == (1, 0) and view.spot(0, 30).place == view.spot(1, 0).place == 30

    def done(start: int, stop: int, added: str) -> list[str]:
        edit = text.replace(start, stop, added)
        text.apply(edit)
        view.update(edit)
        return view.views[:3]

    # Typed into a part, and between two.
    assert done(6, 7, "new w") == ["words new " + "words " * 4, "words " * 5, "words " * 5]
    assert done(34, 34, "mid") == ["words new " + "words " * 4, "midwords " + "words " * 4, "words " * 5]
    # What is left of a part joins the next where it is little.
    assert done(6, 28, "") == ["words words midwords " + "words " * 4, "words " * 5, "words " * 5]


def edited(text, view, edits):
    """The lines that the changes of the view lead to, after each edit."""
    lines = list(view.views)
    for number, (one, other, added) in enumerate(edits, 1):
        low, high = sorted((round(one * len(text)), round(other * len(text))))
        edit = text.replace(low, high, built(added, 100 * number))
        text.apply(edit)
        change = view.update(edit)
        assert lines[change.first : change.first + len(change.removed)] == change.removed
        lines[change.first : change.first + len(change.removed)] = change.added
        yield lines


@settings(max_examples=200, deadline=None)
@given(
    start=pieces,
    edits=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), pieces), max_size=8),
    longest=st.integers(4, 12),
)
def test_parts_follow_edits_and_lose_nothing(start, edits, longest):
    text = GappedText(built(start, 1))
    view = ViewMap(text, shown, longest)
    for lines in edited(text, view, edits):
        assert view.views == lines
        # Parts put together are the lines of the paragraphs.
        whole, joining = [], False
        for line, shown_as in enumerate(view.views):
            whole[-1:] = [whole[-1] + shown_as] if joining else [*whole[-1:], shown_as]
            joining = view.goes_on(line)
        assert whole == ViewMap(text, shown).views
        sizes = [stop - start for start, stop in pairwise([*view.starts, len(text)])]
        assert max(sizes) <= longest + 2 and (min(sizes[:-1], default=1) > 0)
    for place in range(len(text) + 1):
        line, offset = view.position(place)
        spot = view.spot(line, offset)
        assert spot.place == place or line + 1 < len(view.views)  # no caret can stand within a line end


@settings(max_examples=300, deadline=None)
@given(start=pieces, edits=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), pieces), max_size=8))
def test_following_edits_is_as_laying_out_anew(start, edits):
    text = GappedText(built(start, 1))
    view = ViewMap(text, shown)
    for lines in edited(text, view, edits):
        fresh = ViewMap(text, shown)
        assert view.views == lines == fresh.views and view.starts == fresh.starts
    joined_places = "".join(piece if isinstance(piece, str) else "_" for piece in text.pieces)
    assert len(view.views) == len(LINE_END.findall(joined_places)) + 1
    for place in range(len(text) + 1):
        if joined_places[place - 1 : place + 1] == "\r\n":
            continue  # no caret can stand within a line end
        line, offset = view.position(place)
        spot = view.spot(line, offset)
        assert (spot.place, spot.gap) == (place, None)
        assert offset <= len16(view.views[line])
    assert size(text.pieces) == len(text)
