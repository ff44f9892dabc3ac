"""What is known of the tokens of a gap, as words that can be shown."""

import codecs
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.media.texts import TextTokenizer
from studio.prime.subtokens import Subtokens


@dataclass(frozen=True)
class Word:
    """One token of a gap. text: what it adds to the text once it is known, its likeliest reading while it is partly
    known, "" before that. candidates: how many classes it can still be, 1 when it is known. known: digits known.
    confidence: the probability with which it was drawn, None where it was not. token: its class, None before it is
    known."""

    text: str
    candidates: int
    known: int
    confidence: float | None = None
    token: int | None = None

    @property
    def settled(self) -> bool:
        return self.candidates == 1


def gap_words(
    y: ArrayLike,
    subtokens: Subtokens,
    tokenizer: TextTokenizer,
    *,
    spaced: bool = False,
    confidence: ArrayLike | None = None,
    likeliest: ArrayLike | None = None,
) -> list[Word]:
    """The tokens of one gap, y (n, ℓ), as words.

    The texts of a gap that is wholly known join to what it adds to the text: a character that is split over tokens
    belongs to the one that ends it, and bytes that are no UTF-8 become U+FFFD. spaced: the text has the space that
    the first token carries. confidence: (n,), NaN where nothing was drawn. likeliest: (n,) classes, −1 for none.
    """
    y = np.asarray(y)
    known = (y != subtokens.mask_id).sum(axis=-1)
    candidates = np.where(known == 0, subtokens.vocab_size, 1)
    classes = np.full(len(y), -1)
    whole = known == subtokens.length
    classes[whole] = subtokens.decode(y[whole])
    partly = np.flatnonzero((known > 0) & ~whole)
    if len(partly):
        compatible = subtokens.compatible(y[partly])
        candidates[partly] = compatible.sum(axis=-1)
        guesses = np.full(len(y), -1) if likeliest is None else np.asarray(likeliest)
        # A guess that the digits rule out is none; where one class is left it is that one.
        fits = (guesses[partly] >= 0) & compatible[np.arange(len(partly)), guesses[partly]]
        one = candidates[partly] == 1
        classes[partly] = np.where(one, compatible.argmax(axis=-1), np.where(fits, guesses[partly], -1))

    drawn = np.full(len(y), np.nan) if confidence is None else np.asarray(confidence, dtype=np.float64)
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    texts: list[str] = []
    last_settled = -1
    for index, (token, count) in enumerate(zip(classes.tolist(), candidates.tolist(), strict=True)):
        piece = tokenizer.pieces[token] if token >= 0 else b""
        if index == 0 and spaced:
            piece = piece.removeprefix(b" ")
        if count == 1:
            texts.append(decoder.decode(piece))
            last_settled = index
        else:
            # What was begun before a token that is not known yet cannot go on in it.
            if last_settled >= 0:
                texts[last_settled] += decoder.decode(b"", final=True)
                decoder.reset()
            texts.append(piece.decode("utf-8", errors="replace"))
    if last_settled >= 0:
        texts[last_settled] += decoder.decode(b"", final=True)
    return [
        Word(text, count, digits, None if np.isnan(chance) else float(chance), token if count == 1 else None)
        for text, count, digits, chance, token in zip(
            texts, candidates.tolist(), known.tolist(), drawn, classes.tolist(), strict=True
        )
    ]


def rough_text(words: Sequence[Word]) -> list[str]:
    """Words for a plain line of text: "░" where nothing is known, else how many pieces it can be."""
    return [word.text if word.settled else f"‹{word.candidates}›" if word.known else "░" for word in words]


def differences(tokens: Sequence[Hashable], others: Sequence[Hashable]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Bool (n,) and (m,): which tokens of each have no counterpart, in order, among those of the other."""
    from difflib import SequenceMatcher

    # What both begin and end with is quickly found; the matcher takes a third of a second for a thousand equal tokens.
    shortest = min(len(tokens), len(others))
    start = next((at for at in range(shortest) if tokens[at] != others[at]), shortest)
    same = next((at for at in range(shortest - start) if tokens[-1 - at] != others[-1 - at]), shortest - start)
    here, there = np.zeros(len(tokens), dtype=np.bool_), np.zeros(len(others), dtype=np.bool_)
    middle, opposite = here[start : len(tokens) - same], there[start : len(others) - same]
    middle[:], opposite[:] = True, True
    ours, theirs = tokens[start : len(tokens) - same], others[start : len(others) - same]
    for block in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks():
        middle[block.a : block.a + block.size] = False
        opposite[block.b : block.b + block.size] = False
    return here, there
