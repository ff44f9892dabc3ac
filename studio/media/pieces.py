"""What a text with gaps is made of, and what can happen to it: given text, gaps, what is known of them, edits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

LONGEST_GAP = 2048
"""Tokens that a gap has at most, whatever the model: each is laid out and painted."""


@dataclass(frozen=True)
class Fill:
    """What is known of a gap: its tokens (None: not known yet), the text they add ("" where not known), with what
    probability each was drawn (None: not drawn) and which known ones are to stay when the rest is made again."""

    tokens: tuple[int | None, ...]
    words: tuple[str, ...]
    confidence: tuple[float | None, ...]
    pinned: frozenset[int] = frozenset()

    @classmethod
    def nothing(cls, length: int) -> "Fill":
        """Of which no token is known."""
        return cls((None,) * length, ("",) * length, (None,) * length)

    @property
    def whole(self) -> bool:
        """Whether every token is known."""
        return None not in self.tokens

    @property
    def known(self) -> dict[int, int]:
        """The known tokens by their place in the gap."""
        return {index: token for index, token in enumerate(self.tokens) if token is not None}

    @property
    def text(self) -> str:
        return "".join(self.words)

    def with_token(self, index: int, token: int | None, word: str) -> "Fill":
        """With another token pinned at a place: it was not drawn."""
        return Fill(
            _put(self.tokens, index, token),
            _put(self.words, index, word),
            _put(self.confidence, index, None),
            self.pinned | {index},
        )

    def pins_alone(self, length: int) -> "Fill | None":
        """What is pinned in a gap of another length, and nothing else; None where that is nothing."""
        fill, pins = Fill.nothing(length), [index for index in sorted(self.pinned) if index < length]
        for index in pins:
            fill = fill.with_token(index, self.tokens[index], self.words[index])
        return fill if pins else None


def _put(values: tuple, index: int, value: object) -> tuple:
    return (*values[:index], value, *values[index + 1 :])


@dataclass(frozen=True)
class Gap:
    """A place for `length` tokens. id: its own in its text, for good. was: the words it was made from."""

    id: int
    length: int
    was: str = ""
    fill: Fill | None = None

    @property
    def filled(self) -> bool:
        """Whether every token of it is known."""
        return self.fill is not None and self.fill.whole


Pieces = tuple[str | Gap, ...]
"""Given text and gaps in order; no empty text, no two texts side by side."""


@dataclass(frozen=True)
class Edit:
    """At `start`, `removed` is replaced by `added`. All that ever happens to a text is one of these."""

    start: int
    removed: Pieces
    added: Pieces

    @property
    def inverse(self) -> "Edit":
        return Edit(self.start, self.added, self.removed)


def joined(pieces: Iterable[str | Gap]) -> Pieces:
    """The pieces without empty texts, neighbouring texts made one."""
    whole: list[str | Gap] = []
    for piece in pieces:
        if isinstance(piece, str) and whole and isinstance(whole[-1], str):
            whole[-1] += piece
        elif piece != "":
            whole.append(piece)
    return tuple(whole)


def size(pieces: Iterable[str | Gap]) -> int:
    """Length in places: a character is one, and so is a gap, whatever is in it."""
    return sum(len(piece) if isinstance(piece, str) else 1 for piece in pieces)


def between(pieces: Iterable[str | Gap], start: int, stop: int) -> Pieces:
    """What stands from place `start` up to `stop`."""
    found: list[str | Gap] = []
    place = 0
    for piece in pieces:
        if place >= stop:
            break
        if isinstance(piece, Gap):
            found += [piece] if place >= start else []
            place += 1
        else:
            if place + len(piece) > start:
                found.append(piece[max(start - place, 0) : stop - place])
            place += len(piece)
    return joined(found)


def taken(left: list[str | Gap], places: int) -> list[str | Gap]:
    """Pop `places` places off a reversed list of pieces, splitting a text if needed; fewer if it ends."""
    found: list[str | Gap] = []
    while places > 0 and left:
        piece = left.pop()
        if isinstance(piece, str) and len(piece) > places:
            left.append(piece[places:])
            piece = piece[:places]
        found.append(piece)
        places -= size([piece])
    return found


def forwards(edits: Sequence[Edit]) -> Sequence[Edit]:
    """Edits sorted back to front, returned front to back with shifted starts; others unchanged."""
    if any(second.start + size(second.removed) > first.start for first, second in pairwise(edits)):
        return edits
    turned, moved = [], 0
    for edit in reversed(edits):
        turned.append(replace(edit, start=edit.start + moved))
        moved += size(edit.added) - size(edit.removed)
    return turned
