import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import StudioError
from studio.media.texts import TextTokenizer, load_text, train_tokenizer
from tests.media.conftest import LINES, PIECES


def test_a_tokenizer_has_exactly_so_many_pieces(tokenizer):
    assert tokenizer.vocab_size == PIECES == len(tokenizer.pieces) == len(set(tokenizer.pieces))
    assert {bytes([byte]) for byte in range(256)} <= set(tokenizer.pieces)
    with pytest.raises(StudioError, match=r"gives only \d+ pieces.* or fine-tune a text model"):
        train_tokenizer(["abc"], PIECES)
    with pytest.raises(StudioError, match="at least 256"):
        train_tokenizer(LINES, 100)


@settings(max_examples=100, deadline=None)
@given(text=st.text())
def test_any_text_comes_back_byte_for_byte(tokenizer, text):
    tokens = tokenizer.encode(text)
    assert tokenizer.decode_bytes(tokens) == text.encode()
    assert tokenizer.decode(tokens) == text


def test_hard_texts_come_back_and_newlines_stand_alone(tokenizer):
    text = " \r\n\tÄ  naïve 👩‍👩‍👧 e\u0301 <|endoftext|>\n\n\x00end \n"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert all(b"\n" not in piece or piece == b"\n" for piece in tokenizer.pieces)
    assert len(tokenizer.encode("\n\n\n")) == 3


def test_a_cut_character_is_shown_as_one_that_is_missing(tokenizer):
    tokens = tokenizer.encode("😀")
    assert len(tokens) == 4
    assert tokenizer.decode(tokens[:2]) == "\ufffd"
    assert tokenizer.decode_bytes(tokens[:2]) == "😀".encode()[:2]


def test_a_broken_tokenizer_file(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"model": 1}')
    for name in ("tokenizer.json", "none.json"):
        with pytest.raises(StudioError, match="not a tokenizer"):
            TextTokenizer(tmp_path / name)


def test_texts_are_loaded_as_they_are(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_bytes("a\r\nü [[2]]".encode())
    assert load_text(tmp_path / "a.txt") == "a\r\nü [[2]]"
    (tmp_path / "mark.txt").write_bytes("\ufeffa\r\n".encode())
    assert load_text(tmp_path / "mark.txt") == "a\r\n"
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(StudioError, match="not UTF-8"):
        load_text(tmp_path / "b.txt")
    with pytest.raises(StudioError, match="no file"):
        load_text(tmp_path / "c.txt")
    with pytest.raises(StudioError, match="is a folder"):
        load_text(tmp_path)
    monkeypatch.setattr("studio.media.texts.MAX_TEXT_BYTES", 3)
    with pytest.raises(StudioError, match="larger than"):
        load_text(tmp_path / "a.txt")


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("the king,\n had\r\t\u2028 a 😀é'"), max_size=600), count=st.integers(1, 12))
def test_the_ends_of_a_text_are_encoded_as_in_the_whole(tokenizer, text, count):
    tokens = tokenizer.encode(text)
    first, characters = tokenizer.first(text, count)
    assert first == tokens[: len(first)] and len(first) >= min(count, len(tokens))
    assert tokenizer.decode(first) == text[:characters]
    last, characters = tokenizer.last(text, count)
    assert last == tokens[len(tokens) - len(last) :] and len(last) >= min(count, len(tokens))
    assert tokenizer.decode(last) == text[len(text) - characters :]
    starts = tokenizer.character_starts(tokens)
    assert starts == sorted(starts) and (not starts or starts[0] == 0)


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.sampled_from("ab \n\té👩.'"), max_size=120))
def test_a_long_text_is_encoded_piece_by_piece_as_if_at_once(tokenizer, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studio.media.texts.PIECE", 7)
        assert tokenizer.encode(text) == tokenizer._tokenizer.encode(text, add_special_tokens=False).ids


def test_no_piece_of_a_long_text_keeps_others_waiting(tokenizer, monkeypatch):
    class Watched:
        def encode(self, text, add_special_tokens):
            sizes.append(len(text))
            return encode(text, add_special_tokens=add_special_tokens)

    sizes, encode = [], tokenizer._tokenizer.encode
    monkeypatch.setattr(tokenizer, "_tokenizer", Watched())
    tokenizer.encode("It was so long ago. " * 5_000)
    assert len(sizes) > 5 and max(sizes) < 17_000
