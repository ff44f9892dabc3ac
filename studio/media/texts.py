"""Texts with gaps to tokens and back; what the user wrote is never altered."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from studio.errors import StudioError
from studio.prime.subtokens import Subtokens

MAX_TEXT_BYTES = 16_000_000
_UNKNOWN = -1
_GAP = re.compile(r"\[\[\s*(-?[0-9]+)\s*\]\]")


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
            "add more text or choose a smaller vocabulary."
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
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """Tokens to the bytes they stand for, which may begin or end within a character."""
        return b"".join(self.pieces[token] for token in tokens)

    def decode(self, tokens: Iterable[int]) -> str:
        """Tokens to text; bytes that are no UTF-8 become U+FFFD."""
        return self.decode_bytes(tokens).decode("utf-8", errors="replace")

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


def load_text(path: str | Path) -> str:
    """Read a UTF-8 text file as it is. Raises StudioError for anything else and beyond 16 MB."""
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
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StudioError(f"{path} is not UTF-8 text: save it as UTF-8 first.") from error


def parse_gaps(text: str) -> list[str | int]:
    """Split "a [[6]] b" into ["a ", 6, " b"]: given text and the lengths of gaps in tokens, in order.

    Raises StudioError for an empty text, no gap, or a gap of no tokens.
    """
    if not text:
        raise StudioError("The text is empty: write one with a gap such as [[6]] in it.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise StudioError("The text is not valid Unicode: save it as UTF-8 first.")
    parts: list[str | int] = []
    # Splitting by an expression with one group gives text and the group's matches by turns.
    for index, piece in enumerate(_GAP.split(text)):
        if index % 2 == 0:
            parts += [piece] if piece else []
        elif piece.startswith("-") or not piece.strip("0"):
            raise StudioError(f"A gap of {piece} tokens cannot be filled: write a number from 1, such as [[6]].")
        else:
            parts.append(int(piece[:9]) if len(piece) < 10 else 10**9)
    if not any(isinstance(part, int) for part in parts):
        raise StudioError("The text has no gap: write [[6]] where six tokens are to be filled in.")
    return parts


@dataclass(frozen=True)
class TextWindow:
    """One stretch of the text that the network sees at once; what is masked in it are exactly its own gaps.

    y: int64 (L, ℓ). gaps: (start, stop) of each gap within it, in order.
    allowed: (position, bool (C,)) pairs; at that position only these classes may be drawn.
    """

    y: NDArray[np.int64]
    gaps: tuple[tuple[int, int], ...]
    allowed: tuple[tuple[int, NDArray[np.bool_]], ...]


@dataclass(frozen=True)
class TextPlan:
    """A text with gaps, ready to be filled: its parts as the user wrote them and the windows to fill."""

    parts: tuple[str | int, ...]
    windows: tuple[TextWindow, ...]
    tokenizer: TextTokenizer

    def assemble(self, fills: Sequence[ArrayLike]) -> str:
        """The whole text from the tokens (L,) of every window; given parts are the user's own strings."""
        return self._join([self.tokenizer.decode(tokens) for tokens in self._gap_rows(fills)])

    def rough(self, states: Sequence[ArrayLike], subtokens: Subtokens) -> str:
        """The whole text from a partial state (L, ℓ) of every window, unknown tokens as `rough_text` shows them."""
        return self._join(["".join(rough_text(y, subtokens, self.tokenizer)) for y in self._gap_rows(states)])

    def _gap_rows(self, rows: Sequence[ArrayLike]) -> list[NDArray]:
        """What each gap of the text holds, in order, out of one array a window."""
        return [
            np.asarray(row)[start:stop]
            for row, window in zip(rows, self.windows, strict=True)
            for start, stop in window.gaps
        ]

    def _join(self, fills: list[str]) -> str:
        left = iter(fills)
        pieces: list[str] = []
        for part, before in zip(self.parts, ("", *self.parts), strict=False):
            # A word's leading space is a part of its first token; where the user has written it, it is theirs.
            spaced = isinstance(before, str) and before.endswith(" ")
            pieces.append(part if isinstance(part, str) else next(left).removeprefix(" " if spaced else ""))
        return "".join(pieces)


def plan_text(text: str, tokenizer: TextTokenizer, subtokens: Subtokens, num_tokens: int) -> TextPlan:
    """Turn a text with gaps into states for a network that sees at most `num_tokens` tokens at once.

    Every given part is encoded on its own. A space before a gap is left to the gap's first token, as byte-level
    pieces carry their leading space; that token is then held to pieces that begin a word. A newline is set
    before and after the text, as in the training corpus. Raises StudioError for what `parse_gaps` refuses and
    for a gap that does not fit.
    """
    if tokenizer.vocab_size != subtokens.vocab_size:
        raise StudioError(
            f"The tokenizer has {tokenizer.vocab_size} pieces, the model {subtokens.vocab_size} classes: "
            "install the model again."
        )
    parts = parse_gaps(text)
    longest = max(part for part in parts if isinstance(part, int))
    if longest > num_tokens - 2:
        raise StudioError(
            f"A gap of {min(longest, 10**9)} tokens is too long: the model takes at most {num_tokens - 2}."
        )
    newline = tokenizer.encode("\n")
    sequence: list[int] = [] if text.startswith("\n") else list(newline)
    gaps: list[tuple[int, int]] = []
    allowed: dict[int, NDArray[np.bool_]] = {}
    befores, afters = ["\n", *parts], [*parts[1:], ""]
    for before, part, after in zip(befores, parts, afters, strict=False):
        if isinstance(part, str):
            given = part.removesuffix(" ") if isinstance(after, int) else part
            sequence += tokenizer.encode(given.replace("\r\n", "\n"))
            continue
        if isinstance(before, str) and before.endswith(" "):
            allowed[len(sequence)] = tokenizer.starts_word
        elif isinstance(before, str) and (before[-1].isspace() or before[-1] in "([{“‘"):
            allowed[len(sequence)] = tokenizer.starts_line
        gaps.append((len(sequence), len(sequence) + part))
        sequence += [_UNKNOWN] * part
    sequence += [] if text.endswith("\n") else newline

    tokens = np.array(sequence, dtype=np.int64)
    windows = []
    for start, stop, inside in _windows(gaps, len(tokens), num_tokens):
        y = subtokens.encode(np.maximum(tokens[start:stop], 0))
        y[tokens[start:stop] == _UNKNOWN] = subtokens.mask_id
        firsts = [first for first, _ in inside if first in allowed and allowed[first].any()]
        windows.append(
            TextWindow(
                y=y,
                gaps=tuple((first - start, last - start) for first, last in inside),
                allowed=tuple((first - start, allowed[first]) for first in firsts),
            )
        )
    return TextPlan(tuple(parts), tuple(windows), tokenizer)


def _windows(gaps: list[tuple[int, int]], length: int, context: int) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """(start, stop, gaps inside) of stretches of at most `context` tokens that hold every gap once.

    Gaps are filled together where an eighth of the context is left on each side of them.
    """
    room_for_gaps = context if length <= context else context - 2 * (context // 8)
    groups: list[list[tuple[int, int]]] = []
    for gap in gaps:
        if groups and gap[1] - groups[-1][0][0] <= room_for_gaps:
            groups[-1].append(gap)
        else:
            groups.append([gap])
    windows = []
    for index, group in enumerate(groups):
        first, last = group[0][0], group[-1][1]
        # A window ends before other windows' gaps, which it would otherwise fill a second time.
        low = groups[index - 1][-1][1] if index else 0
        high = groups[index + 1][0][0] if index + 1 < len(groups) else length
        start = max(low, first - (context - (last - first)) // 2)
        stop = min(high, start + context)
        windows.append((max(low, stop - context), stop, group))
    return windows


def rough_text(y: ArrayLike, subtokens: Subtokens, tokenizer: TextTokenizer) -> list[str]:
    """What is known of each token of y (L, ℓ): its text, "░" where nothing is, else how many pieces it can be."""
    y = np.asarray(y)
    compatible = subtokens.compatible(y)
    words = []
    for digits, count, token in zip(y, compatible.sum(axis=-1), compatible.argmax(axis=-1), strict=True):
        if (digits == subtokens.mask_id).all():
            words.append("░")
        else:
            words.append(tokenizer.decode([token]) if count == 1 else f"‹{count}›")
    return words
