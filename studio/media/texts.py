"""Texts to tokens and back; what the user wrote is never altered."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from studio.errors import StudioError

MAX_TEXT_BYTES = 16_000_000
PIECE = 16_000
"""Characters that are encoded at once: it takes some 50 ms."""
# Before a single space or line end between two other characters a byte-level BPE always begins a new piece.
_CUT = re.compile(r"(?<=\S)(?=[ \n]\S)")


def train_tokenizer(lines: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train a byte-level BPE of exactly `vocab_size` pieces: any text goes in and comes back byte for byte.

    No normaliser, no prefix space, words split by the GPT-2 expression, a newline always a token of its own.
    Raises StudioError when the text is too small for that many pieces.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if vocab_size < len(alphabet):
        raise StudioError(f"A byte-level tokenizer needs at least {len(alphabet)} pieces, not {vocab_size}.")
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    if tokenizer.get_vocab_size() != vocab_size:
        raise StudioError(
            f"The text gives only {tokenizer.get_vocab_size()} pieces, not {vocab_size}: "
            "add more text, choose fewer pieces, or fine-tune a text model, which brings its own."
        )
    return tokenizer


class TextTokenizer:
    """A byte-level BPE from a tokenizer.json. Any text comes back from its tokens byte for byte."""

    def __init__(self, path: str | Path):
        """Raises StudioError where the file is missing or is no such tokenizer."""
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception for every kind of bad file
            raise StudioError(f"{path} is not a tokenizer: install the model again.") from error
        self.vocab_size: int = self._tokenizer.get_vocab_size()
        names = [self._tokenizer.id_to_token(token) or "" for token in range(self.vocab_size)]
        self.pieces: list[bytes] = [_piece_bytes(name) for name in names]
        """The bytes of every token; a token can hold a part of a character."""

    def encode(self, text: str) -> list[int]:
        """Text to tokens."""
        tokens, start = [], 0
        # Piece by piece: the library lets no other thread go on while it encodes.
        while len(text) - start > PIECE and (cut := _CUT.search(text, start + PIECE)):
            tokens += self._tokenizer.encode(text[start : cut.start()], add_special_tokens=False).ids
            start = cut.start()
        return tokens + self._tokenizer.encode(text[start:], add_special_tokens=False).ids

    def first(self, text: str, count: int) -> tuple[list[int], int]:
        """(tokens, characters): at least the first `count` tokens of `encode(text)`, or all, and what they stand for.

        What it costs depends on `count`, not on the text, as long as there are spaces or line ends in it.
        """
        reach = 8 * count
        while reach < len(text):
            # The last good cut in reach: what follows it cannot change the tokens before it.
            cut = max((match.start() for match in _CUT.finditer(text, max(reach - 512, 0), reach + 2)), default=0)
            tokens = self.encode(text[:cut])
            if len(tokens) >= count:
                return tokens, cut
            reach *= 4
        return self.encode(text), len(text)

    def last(self, text: str, count: int) -> tuple[list[int], int]:
        """(tokens, characters): at least the last `count` tokens of `encode(text)`, or all, and what they stand for."""
        reach = 8 * count
        while reach < len(text):
            cut = _CUT.search(text, len(text) - reach, len(text) - reach + 512)
            tokens = self.encode(text[cut.start() :]) if cut else []
            if cut and len(tokens) >= count:
                return tokens, len(text) - cut.start()
            reach *= 4
        return self.encode(text), len(text)

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """Tokens to the bytes they stand for, which may begin or end within a character."""
        return b"".join(self.pieces[token] for token in tokens)

    def decode(self, tokens: Iterable[int]) -> str:
        """Tokens to text; bytes that are no UTF-8 become U+FFFD."""
        return self.decode_bytes(tokens).decode("utf-8", errors="replace")

    def character_starts(self, tokens: Iterable[int]) -> list[int]:
        """For each token how many characters begin before it."""
        starts, count = [], 0
        for token in tokens:
            starts.append(count)
            count += self.begun[token]
        return starts

    @cached_property
    def begun(self) -> list[int]:
        """Characters that begin in each piece: a character has one byte that is not 10xxxxxx."""
        return [sum(byte & 0xC0 != 0x80 for byte in piece) for piece in self.pieces]

    def units(self, tokens: NDArray[np.int64]) -> dict[str, float]:
        """How many characters and bytes a sample of tokens (N, L) has on average: figures of models with other tokens
        are compared by them."""
        tables = {"character": self.begun, "byte": [len(piece) for piece in self.pieces]}
        return {unit: float(np.array(table)[tokens].sum(axis=1).mean()) for unit, table in tables.items()}

    def spell(self, data: bytes, count: int, known: Mapping[int, int]) -> list[int] | None:
        """Exactly `count` tokens that stand for these bytes, some of them `known` by their places; None where no
        tokens do. Long pieces are taken first."""
        longest = self._spellings[1][0]
        reached: list[dict[int, int]] = [{0: -1}]  # for each count of tokens: where they can end, and the last of them
        for index in range(count):
            left, ends = count - index - 1, {}
            for start in reached[-1]:
                for token in [known[index]] if index in known else self._beginnings(data, start):
                    end = start + len(self.pieces[token])
                    fits = left <= len(data) - end <= left * longest
                    if fits and data.startswith(self.pieces[token], start):
                        ends.setdefault(end, token)
            reached.append(ends)
        end, tokens = len(data), []
        if end not in reached[-1]:
            return None
        for ends in reached[:0:-1]:
            tokens.append(ends[end])
            end -= len(self.pieces[ends[end]])
        return tokens[::-1]

    def _beginnings(self, data: bytes, start: int) -> list[int]:
        """The pieces that stand at a place, the longest first."""
        of, sizes = self._spellings
        found = (of.get(data[start : start + size]) for size in sizes if start + size <= len(data))
        return [token for token in found if token is not None]

    @cached_property
    def _spellings(self) -> tuple[dict[bytes, int], list[int]]:
        of = {piece: token for token, piece in enumerate(self.pieces) if piece}
        return of, sorted({len(piece) for piece in of}, reverse=True)

    @cached_property
    def starts_word(self) -> NDArray[np.bool_]:
        """Bool (C,): pieces that are one space and then something else."""
        return np.array([piece[:1] == b" " and not piece[1:2].isspace() and len(piece) > 1 for piece in self.pieces])

    @cached_property
    def starts_line(self) -> NDArray[np.bool_]:
        """Bool (C,): pieces that do not begin with white space."""
        return np.array([bool(piece) and not piece[:1].isspace() for piece in self.pieces])


def _piece_bytes(name: str) -> bytes:
    """The bytes of a byte-level piece; a special token stands for its own name."""
    try:
        return bytes(_BYTES[character] for character in name)
    except KeyError:
        return name.encode("utf-8")


def _byte_alphabet() -> dict[str, int]:
    """The GPT-2 alphabet, one printable character for each byte (Radford et al. 2019)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = _byte_alphabet()


def unix_lines(text: str) -> str:
    """The text with the line ends that a network knows."""
    return text.replace("\r\n", "\n")


def places_in(text: str, places: Sequence[int]) -> list[int]:
    """Places in `unix_lines(text)` as places in the text itself; a line end begins at its first character."""
    ends = [match.start() - index for index, match in enumerate(re.finditer("\r\n", text))]
    return [place + bisect_left(ends, place) for place in places]


def load_text(path: str | Path) -> str:
    """Read a UTF-8 text file as it is, but for a byte order mark, which is no text (save_text keeps it).

    Raises StudioError for anything else and beyond 16 MB.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise StudioError(f"{path} is a folder: name one text file in it.")
        with path.open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
    except FileNotFoundError as error:
        raise StudioError(f"There is no file {path}: check the name.") from error
    except OSError as error:
        raise StudioError(f"Cannot read {path}: {error.strerror}.") from error
    if len(data) > MAX_TEXT_BYTES:
        raise StudioError(f"{path} is larger than {MAX_TEXT_BYTES // 1_000_000} MB: take a part of it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudioError(f"{path} is not UTF-8 text: save it as UTF-8 first.") from error
