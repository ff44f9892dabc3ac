from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.media.words import differences, gap_words, rough_text
from studio.prime.subtokens import Subtokens
from tests.media.conftest import PIECES

SUBTOKENS = Subtokens(PIECES, 3)
tokens_of_a_gap = st.lists(st.integers(0, PIECES - 1), min_size=1, max_size=12)


@given(tokens=tokens_of_a_gap, spaced=st.booleans())
def test_words_join_to_what_the_gap_adds(tokenizer, tokens, spaced):
    words = gap_words(SUBTOKENS.encode(tokens), SUBTOKENS, tokenizer, spaced=spaced)
    assert len(words) == len(tokens) and all(word.settled and word.known == 3 for word in words)
    assert "".join(word.text for word in words) == tokenizer.decode(tokens).removeprefix(" " if spaced else "")


@given(tokens=tokens_of_a_gap, hidden=st.sets(st.integers(0, 11)))
def test_what_is_known_does_not_depend_on_what_is_not(tokenizer, tokens, hidden):
    y = SUBTOKENS.encode(tokens)
    y[[place for place in hidden if place < len(y)]] = SUBTOKENS.mask_id
    for place, word in enumerate(gap_words(y, SUBTOKENS, tokenizer)):
        assert word.settled == (place not in hidden)
        assert word.settled or (word.text, word.candidates, word.known) == ("", PIECES, 0)


def test_a_partly_known_token_shows_its_likeliest_reading(tokenizer):
    y = SUBTOKENS.encode(tokenizer.encode(" the")[:1] * 3)
    y[:, 1:] = SUBTOKENS.mask_id
    token = tokenizer.encode(" the")[0]
    other = next(t for t in range(PIECES) if SUBTOKENS.encode(t)[0] != y[0, 0])
    words = gap_words(y, SUBTOKENS, tokenizer, likeliest=[token, -1, other], confidence=[0.5, np.nan, 0.25])
    count = int(SUBTOKENS.compatible(y[0]).sum())
    assert [(word.text, word.candidates, word.known) for word in words] == [
        (tokenizer.decode([token]), count, 1),
        ("", count, 1),
        ("", count, 1),
    ]
    assert [word.confidence for word in words] == [0.5, None, 0.25]
    assert rough_text(words) == [f"‹{count}›"] * 3


def test_a_character_over_several_tokens_belongs_to_the_last(tokenizer):
    tokens = tokenizer.encode("😀")
    words = gap_words(SUBTOKENS.encode(tokens), SUBTOKENS, tokenizer)
    assert [word.text for word in words] == ["", "", "", "😀"]
    y = SUBTOKENS.encode(tokens)
    y[2] = SUBTOKENS.mask_id
    assert [word.text for word in gap_words(y, SUBTOKENS, tokenizer)] == ["", "\ufffd", "", "\ufffd"]


def test_differences():
    here, there = differences([1, 2, 3, 4], [1, 3, 5, 4, 6])
    assert here.tolist() == [False, True, False, False]
    assert there.tolist() == [False, False, True, False, True]
    assert not differences([], [])[0].size


@pytest.mark.parametrize(
    ("tokens", "others", "here", "there"),
    [
        ("abcab", "abxcab", "00000", "001000"),
        ("aa", "aaa", "00", "001"),
        ("abc", "abc", "000", "000"),
        ("axb", "ayb", "010", "010"),
        ("", "ab", "", "11"),
    ],
)
def test_differences_between_what_is_the_same(tokens: str, others: str, here: str, there: str):
    found = differences(tokens, others)
    assert ["".join(map(str, differs.astype(int))) for differs in found] == [here, there]


def test_what_begins_and_ends_alike_is_not_searched_for():
    alike: Any = [[0], [1], [2]]  # a search would need their hashes
    assert [differs.tolist() for differs in differences(alike, [*alike[:2], *alike[2:]])] == [[False] * 3] * 2
