"""A text with gaps as states for a network of a limited context; what the user wrote is never altered."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.errors import StudioError
from studio.files import is_utf8
from studio.media.texts import TextTokenizer, places_in, unix_lines
from studio.prime.subtokens import Subtokens

_UNKNOWN = -1
_GAP = re.compile(r"\[\[(0|-?[1-9][0-9]*)\]\]")
"""A number as `join_gaps` writes it: [[007]] and [[ 7 ]] are text, for a text that is saved must be what was opened."""

Parts = Sequence[str | int]
"""Given text and the lengths of gaps in tokens, in order."""


def parse_gaps(text: str, longest: int | None = None) -> list[str | int]:
    """Split "a [[6]] b" into ["a ", 6, " b"]: given text and the lengths of gaps in tokens, in order.

    longest: a mark of more tokens stays text. Raises StudioError for an empty text, no gap, or a gap of no tokens.
    """
    if not text:
        raise StudioError("The text is empty: write one with a gap such as [[6]] in it.")
    parts: list[str | int] = []
    end = 0
    for mark in _GAP.finditer(text):
        length = _length(mark[1])
        if length < 1:
            raise StudioError(f"A gap of {length} tokens cannot be filled: write a number from 1, such as [[6]].")
        if longest is None or length <= longest:
            parts += [text[end : mark.start()], length]
            end = mark.end()
    parts = [part for part in (*parts, text[end:]) if part != ""]
    _check(parts)
    return parts


def _length(number: str) -> int:
    """A length as it was written, however many digits it has."""
    return int(number) if len(number) < 10 else -(10**9) if number.startswith("-") else 10**9


def open_gaps(text: str, longest: int) -> tuple[list[str | int], str]:
    """As `parse_gaps`, of any text: marks that cannot be gaps stay text; with why they cannot, "" where all can."""
    marks = _GAP.findall(text)
    try:
        parts = parse_gaps(text, longest)
    except StudioError as error:
        parts, problem = list[str | int]([text] if text else []), str(error)
    else:
        problem = ""
    top = max(marks, key=_length, default="0")
    if _length(top) > longest and min(map(_length, marks)) > 0:
        problem = f"A gap of {top:.20} tokens is too long: the model takes at most {longest}."
    return parts, problem if marks else ""


def between_gaps(text: str) -> list[str]:
    """What stands before, between and after the marks of gaps in a text: one piece more than there are gaps."""
    return _GAP.split(text)[::2]


def join_gaps(parts: Parts) -> str:
    """Parts as one text with its gaps written [[6]]; `parse_gaps` undoes it unless the given text has such marks."""
    return "".join(part if isinstance(part, str) else f"[[{part}]]" for part in parts)


def marks_suffice(parts: Parts) -> bool:
    """Whether `parse_gaps(join_gaps(parts))` gives the very same parts: no given text has such marks of its own."""
    try:
        return parse_gaps(join_gaps(parts)) == list(parts)
    except StudioError:
        return False


def _check(parts: Parts) -> None:
    if not all(is_utf8(part) for part in parts if isinstance(part, str)):
        raise StudioError("The text is not valid Unicode: save it as UTF-8 first.")
    gaps = [part for part in parts if isinstance(part, int)]
    if not gaps:
        raise StudioError("The text has no gap: write [[6]] where six tokens are to be filled in.")
    if min(gaps) < 1:
        raise StudioError(f"A gap of {min(gaps)} tokens cannot be filled: let it have at least one.")


@dataclass(frozen=True)
class TextWindow:
    """One stretch of the text that the network sees at once; what is masked in it are exactly its own gaps.

    y: int64 (L, ℓ). gaps: (start, stop) of each gap within it, in order. allowed: (position, bool (C,)) pairs; at that
    position only these classes may be drawn. extent: (start, stop) of what it covers of the text, in characters of
    the given parts, each gap counting as one.
    """

    y: NDArray[np.int64]
    gaps: tuple[tuple[int, int], ...]
    allowed: tuple[tuple[int, NDArray[np.bool_]], ...]
    extent: tuple[int, int]


@dataclass(frozen=True)
class TextPlan:
    """A text with gaps, ready to be filled: its parts as the user wrote them and the windows to fill."""

    parts: tuple[str | int, ...]
    windows: tuple[TextWindow, ...]
    tokenizer: TextTokenizer

    @property
    def spaced(self) -> list[bool]:
        """For each gap whether the user wrote the space that its first token carries: it is not shown twice."""
        befores = zip(("", *self.parts), self.parts, strict=False)
        return [isinstance(b, str) and b.endswith(" ") for b, part in befores if isinstance(part, int)]

    @property
    def positions(self) -> list[slice]:
        """For each gap where its tokens stand in the windows laid one after the other."""
        slices, edge = [], 0
        for window in self.windows:
            slices += [slice(edge + start, edge + stop) for start, stop in window.gaps]
            edge += len(window.y)
        return slices

    def fill(self, tokens: ArrayLike, spaced: bool) -> str:
        """What the tokens (n,) of one gap add to the text."""
        return self.tokenizer.decode(np.asarray(tokens)).removeprefix(" " if spaced else "")

    def join(self, fills: Sequence[str]) -> str:
        """The whole text, the gaps replaced by `fills` in order."""
        left = iter(fills)
        return "".join(part if isinstance(part, str) else next(left) for part in self.parts)


def plan_text(text: str | Parts, tokenizer: TextTokenizer, subtokens: Subtokens, num_tokens: int) -> TextPlan:
    """Turn a text with gaps into states for a network that sees at most `num_tokens` tokens at once.

    Every given part is encoded on its own, and of a long one only what a window can reach. A space before a gap is
    left to the gap's first token, as byte-level pieces carry their leading space; that token is then held to pieces
    that begin a word. A newline is set before and after the text, as in the training corpus. Raises StudioError for
    what `parse_gaps` refuses and for a gap that does not fit.
    """
    if tokenizer.vocab_size != subtokens.vocab_size:
        raise StudioError(
            f"The tokenizer has {tokenizer.vocab_size} pieces, the model {subtokens.vocab_size} classes: "
            "install the model again."
        )
    parts = parse_gaps(text) if isinstance(text, str) else [part for part in text if part != ""]
    _check(parts)
    longest = max(part for part in parts if isinstance(part, int))
    if longest > num_tokens - 2:
        raise StudioError(
            f"A gap of {min(longest, 10**9)} tokens is too long: the model takes at most {num_tokens - 2}."
        )
    layout = _Layout(tokenizer, num_tokens)
    newline = tokenizer.encode("\n")
    if not (isinstance(parts[0], str) and parts[0].startswith("\n")):
        layout.add(newline, 0)
    befores, afters = ["\n", *parts], [*parts[1:], ""]
    for index, (before, part, after) in enumerate(zip(befores, parts, afters, strict=False)):
        if isinstance(part, str):
            layout.add_given(part, first=index == 0, last=index == len(parts) - 1, before_gap=isinstance(after, int))
            continue
        allowed = None
        if isinstance(before, str) and before.endswith(" "):
            allowed = tokenizer.starts_word
        elif isinstance(before, str) and (before[-1].isspace() or before[-1] in "([{“‘"):
            allowed = tokenizer.starts_line
        layout.add_gap(part, allowed)
    if not (isinstance(parts[-1], str) and parts[-1].endswith("\n")):
        layout.add(newline, 0)
    return TextPlan(tuple(parts), tuple(layout.windows(subtokens)), tokenizer)


class _Layout:
    """The tokens of a text one after the other, gaps unknown, and the character at which each begins."""

    def __init__(self, tokenizer: TextTokenizer, context: int):
        self.tokenizer, self.context = tokenizer, context
        self.tokens: list[int] = []
        self.starts: list[int] = []
        self.character = 0
        self.gaps: list[tuple[int, int]] = []
        self.allowed: dict[int, NDArray[np.bool_]] = {}

    def add(self, tokens: Sequence[int], characters: int, begins: Sequence[int] | None = None) -> None:
        self.tokens += tokens
        self.starts += [self.character] * len(tokens) if begins is None else [self.character + at for at in begins]
        self.character += characters

    def add_gap(self, length: int, allowed: NDArray[np.bool_] | None) -> None:
        if allowed is not None and allowed.any():
            self.allowed[len(self.tokens)] = allowed
        self.gaps.append((len(self.tokens), len(self.tokens) + length))
        self.add([_UNKNOWN] * length, 1)

    def add_given(self, part: str, first: bool, last: bool, before_gap: bool) -> None:
        """Encode a given part; what no window reaches, because more than a context of tokens stands between it and
        every gap, is left out, and something as long stands for it."""
        text = unix_lines(part)
        text = text.removesuffix(" ") if before_gap else text
        reach = self.context
        head, covered = ([], 0) if first else self.tokenizer.first(text, reach)
        tail, tail_covered = ([], 0) if last else self.tokenizer.last(text, reach)

        def begins(tokens: Sequence[int], offset: int) -> list[int]:
            return places_in(part, [offset + at for at in self.tokenizer.character_starts(tokens)])

        if covered + tail_covered >= len(text):
            tokens = self.tokenizer.encode(text) if covered < len(text) else head
            tokens = tail if tail_covered == len(text) else tokens
            self.add(tokens, len(part), begins(tokens, 0))
            return
        at, stop = begins(head, 0), begins(tail, len(text) - tail_covered)
        self.add([*head, *[0] * reach, *tail], len(part), [*at, *[at[-1] if at else 0] * reach, *stop])

    def windows(self, subtokens: Subtokens) -> list[TextWindow]:
        tokens, starts = np.array(self.tokens, dtype=np.int64), [*self.starts, self.character]
        found = []
        for start, stop, inside in _windows(self.gaps, len(tokens), self.context):
            y = subtokens.encode(np.maximum(tokens[start:stop], 0))
            y[tokens[start:stop] == _UNKNOWN] = subtokens.mask_id
            firsts = [first for first, _ in inside if first in self.allowed]
            found.append(
                TextWindow(
                    y=y,
                    gaps=tuple((first - start, last - start) for first, last in inside),
                    allowed=tuple((first - start, self.allowed[first]) for first in firsts),
                    extent=(starts[start], starts[stop]),
                )
            )
        return found


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
