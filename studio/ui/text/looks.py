"""What the editor shows in the place of a gap: characters, and where each token is among them. Without Qt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from studio.media.gapped import Fill, Gap
from studio.media.words import Word
from studio.ui.text.viewmap import filled_view, len16

BLOCK = "___\u200b"
"""An unknown token: wide enough to be painted as a block, and a line may end behind it. Screen readers say a blank."""
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

State = Literal["unknown", "partial", "settled"]


@dataclass(frozen=True)
class TokenLook:
    """One token. start, stop: its characters in the gap's view, in Qt's units, without white space at its beginning."""

    start: int
    stop: int
    state: State
    candidates: int = 1
    confidence: float | None = None
    pinned: bool = False


@dataclass(frozen=True)
class GapLook:
    """view: what stands in the text. tokens: one for each of the gap's. live: from a run, not from the document."""

    view: str
    tokens: tuple[TokenLook, ...]
    live: bool = False


Looks = Callable[[Gap], GapLook]


def document_look(gap: Gap) -> GapLook:
    """A gap as it is in the document: blocks, and what was filled in."""
    fill = gap.fill or Fill.nothing(gap.length)
    views, tokens, at = [], [], 0
    for index, (token, word, chance) in enumerate(zip(fill.tokens, fill.words, fill.confidence, strict=True)):
        text = BLOCK if token is None else filled_view(word)
        stop = at + len16(text)
        state: State = "unknown" if token is None else "settled"
        tokens.append(TokenLook(at + _blank(text), stop, state, 1, chance, index in fill.pinned))
        views.append(text)
        at = stop
    return GapLook("".join(views), tuple(tokens))


def live_look(words: Sequence[Word], pinned: Sequence[bool] = ()) -> GapLook:
    """A gap in the middle of a run."""
    views, tokens, at = [], [], 0
    for index, word in enumerate(words):
        state: State = "settled" if word.settled else "partial" if word.known else "unknown"
        if state == "settled":
            text = filled_view(word.text)
        elif state == "partial":
            count = str(word.candidates).translate(_RAISED)
            text = f"{filled_view(word.text) or '…'}{count}\u200b"
        else:
            text = BLOCK
        stop = at + len16(text)
        tokens.append(
            TokenLook(
                at + _blank(text),
                stop,
                state,
                word.candidates,
                word.confidence,
                bool(pinned) and pinned[index],
            )
        )
        views.append(text)
        at = stop
    return GapLook("".join(views), tuple(tokens), live=True)


def _blank(word: str) -> int:
    """Units of white space at the beginning of a word, unless it is nothing else."""
    bare = word.lstrip()
    return len16(word) - len16(bare) if bare else 0
