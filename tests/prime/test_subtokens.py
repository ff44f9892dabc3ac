from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.prime.subtokens import Subtokens, smallest_base


@pytest.mark.parametrize(
    ("vocab_size", "bases"),
    [
        (256, {1: 256, 2: 16, 3: 7, 4: 4, 8: 2}),
        (50257, {2: 225, 3: 37, 4: 15, 6: 7, 8: 4, 16: 2}),
        (4096, {1: 4096, 2: 64, 3: 16, 4: 8, 6: 4, 12: 2}),
    ],
)
def test_base_is_the_one_of_the_table(vocab_size: int, bases: dict[int, int]):
    assert {length: smallest_base(vocab_size, length) for length in bases} == bases


@given(st.integers(2, 1_000_000), st.integers(1, 20))
def test_base_is_the_smallest(vocab_size: int, length: int):
    base = smallest_base(vocab_size, length)
    assert base**length >= vocab_size
    assert base == 2 or (base - 1) ** length < vocab_size


@given(st.integers(2, 40), st.integers(1, 12))
def test_base_is_exact_for_exact_powers(base: int, length: int):
    assert smallest_base(base**length, length) == base
    assert smallest_base(base**length + 1, length) == base + 1


@st.composite
def subtokens(draw: st.DrawFn) -> Subtokens:
    return Subtokens(draw(st.integers(2, 300)), draw(st.integers(1, 9)))


@given(subtokens())
def test_round_trip(s: Subtokens):
    tokens = np.arange(s.vocab_size)
    y = s.encode(tokens)
    assert y.shape == (s.vocab_size, s.length)
    assert y.min() >= 0 and y.max() < s.mask_id
    assert len(np.unique(y, axis=0)) == s.vocab_size
    np.testing.assert_array_equal(s.decode(y), tokens)
    np.testing.assert_array_equal(s.decode(y[None, :, None]), tokens[None, :, None])


def test_most_significant_digit_first():
    np.testing.assert_array_equal(Subtokens(256, 2).encode(0xA7), [0xA, 0x7])
    np.testing.assert_array_equal(Subtokens(256, 8).encode([1, 128]), [[0] * 7 + [1], [1] + [0] * 7])


@given(subtokens(), st.data())
def test_compatible_and_nameable_agree_with_brute_force(s: Subtokens, data: st.DataObject):
    digits = st.lists(st.integers(0, s.mask_id), min_size=s.length, max_size=s.length)
    y = np.array(data.draw(st.lists(digits, min_size=1, max_size=6)))
    codes = s.encode(np.arange(s.vocab_size))
    expected = np.array(
        [[all(d in (s.mask_id, e) for d, e in zip(row, code, strict=True)) for code in codes] for row in y]
    )
    np.testing.assert_array_equal(s.compatible(y), expected)
    np.testing.assert_array_equal(s.compatible(y[:, None]), expected[:, None])
    np.testing.assert_array_equal(s.nameable(y), expected.any(axis=-1))


def test_codes_without_a_name_are_refused():
    s = Subtokens(5, 2)
    assert s.base == 3
    named = [code for code in product(range(3), repeat=2) if s.nameable(np.array(code))]
    assert len(named) == 5
    for code in product(range(3), repeat=2):
        if code not in named:
            with pytest.raises(ValueError, match="names no class"):
                s.decode(np.array(code))


def test_masked_digits_and_foreign_tokens_are_refused():
    s = Subtokens(256, 4)
    with pytest.raises(ValueError, match="masked"):
        s.decode([0, 1, s.mask_id, 0])
    for token in (-1, 256):
        with pytest.raises(ValueError, match="255"):
            s.encode([token])


def test_what_is_no_digit_is_no_unknown_one():
    for s in (Subtokens(256, 1), Subtokens(256, 4)):
        for digit in (-1, s.mask_id + 1):
            with pytest.raises(ValueError, match=f"0 … {s.mask_id}"):
                s.compatible(np.full((2, s.length), digit))


@pytest.mark.parametrize(
    ("vocab_size", "length", "base"),
    [(1, 2, None), (4, 0, None), (256, 2, 15), (2, 3, 1), (2, 64, None), (256, 8, 1000)],
)
def test_impossible_systems_are_refused(vocab_size: int, length: int, base: int | None):
    with pytest.raises(ValueError):
        Subtokens(vocab_size, length, base)


def test_one_digit_needs_no_table_of_all_pairs():
    s = Subtokens(50257, 1)
    assert s.compatible(np.array([[7], [s.mask_id]])).sum(axis=-1).tolist() == [1, 50257]


@pytest.mark.parametrize("length", [1, 2])
def test_other_shapes_and_kinds_are_refused(length: int):
    s = Subtokens(16, length)
    ones: list[Any] = [0.5, 1.0, True, "1", None]
    for method in (s.compatible, s.decode, s.nameable):
        for digits in ([0] * (length + 1), [[0] * (length + 1)], [0] * (length - 1), 0):
            with pytest.raises(ValueError, match="must have the shape"):
                method(digits)
        for one in ones:
            with pytest.raises(ValueError, match="whole numbers"):
                method([one] * length)
    for one in ones:
        with pytest.raises(ValueError, match="whole numbers"):
            s.encode(one)


def test_nothing_has_no_kind():
    s = Subtokens(16, 2)
    assert s.encode([]).shape == (0, 2)
    assert s.decode(np.empty((0, 2))).shape == (0,)
    assert s.compatible(np.empty((3, 0, 2), dtype=np.uint8)).shape == (3, 0, 16)
    assert s.encode(np.uint8(7)).dtype == np.int64
