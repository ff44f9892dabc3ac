"""A text with gaps as its writer edits it: given characters and gaps, in order; the truth behind the editor."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from studio.errors import StudioError
from studio.files import is_utf8
from studio.media.pieces import LONGEST_GAP, Edit, Fill, Gap, Pieces, between, forwards, joined, size, taken
from studio.media.texts import TextTokenizer, unix_lines


def valid(text: str) -> str:
    """The text with halves of surrogate pairs joined, and single ones, which are no characters, as U+FFFD."""
    return text if is_utf8(text) else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class GappedText:
    """Given text and gaps. Places count characters, and a gap as one; nothing but `apply` and `apply_all` change it.

    What is given is never altered by what is done to gaps: not its white space, not its line ends, not a character
    that takes several tokens. The methods that answer with an `Edit` change nothing by themselves.
    """

    def __init__(self, pieces: Iterable[str | Gap] = ()):
        self._pieces: list[str | Gap] = list(joined(pieces))
        self._starts: list[int] | None = None
        """Where each piece begins, and the last one ends; None until somebody asks."""
        self._next = 1 + max((gap.id for gap in self.gaps), default=0)

    @classmethod
    def of(cls, parts: Iterable[str | int]) -> "GappedText":
        """From given text and the lengths of gaps, in order, as `parse_gaps` finds them; one of more than `LONGEST_GAP`
        tokens becomes text."""
        return cls(
            bounded(Gap(number, part)) if isinstance(part, int) else part for number, part in enumerate(parts, 1)
        )

    def __len__(self) -> int:
        return size(self._pieces)

    @property
    def pieces(self) -> Pieces:
        return tuple(self._pieces)

    @property
    def gaps(self) -> list[Gap]:
        return [piece for piece in self._pieces if isinstance(piece, Gap)]

    @property
    def parts(self) -> tuple[str | int, ...]:
        """What `text_request` takes: given text and the lengths of the gaps, in order."""
        return tuple(piece.length if isinstance(piece, Gap) else piece for piece in self._pieces)

    @property
    def kept(self) -> list[dict[int, int]]:
        """For each gap the pinned tokens by their place in it, as `text_request` takes them."""
        fills = [gap.fill or Fill.nothing(gap.length) for gap in self.gaps]
        return [{index: token for index, token in fill.known.items() if index in fill.pinned} for fill in fills]

    @property
    def text(self) -> str:
        """The text as it reads: gaps that are filled as what is in them, others as what they were made from."""
        return "".join(reading(piece) for piece in self._pieces)

    @property
    def marked(self) -> str:
        """The text as it reads, but that a gap that reads as nothing is written [[6]], as `parse_gaps` takes it."""
        return "".join(
            reading(piece) or (f"[[{piece.length}]]" if isinstance(piece, Gap) else "") for piece in self._pieces
        )

    def placed(self) -> Iterator[tuple[int, str | Gap]]:
        """Each piece with the place where it begins."""
        place = 0
        for piece in self._pieces:
            yield place, piece
            place += len(piece) if isinstance(piece, str) else 1

    def find(self, gap_id: int) -> tuple[int, Gap]:
        """Place and gap. KeyError where there is none of this id."""
        for place, piece in self.placed():
            if isinstance(piece, Gap) and piece.id == gap_id:
                return place, piece
        raise KeyError(gap_id)

    def between(self, start: int, stop: int) -> Pieces:
        """What stands from place `start` up to `stop`."""
        if self._starts is None:
            self._starts = list(accumulate((size([piece]) for piece in self._pieces), initial=0))
        first = max(bisect_right(self._starts, start) - 1, 0)
        last = bisect_left(self._starts, stop, lo=first)
        return between(self._pieces[first:last], start - self._starts[first], stop - self._starts[first])

    def apply(self, edit: Edit) -> None:
        """Do an edit. ValueError where what it removes is not what stands there: then nothing is changed."""
        self.apply_all([edit])

    def apply_all(self, edits: Sequence[Edit]) -> None:
        """Do edits one after the other: in one pass where each lies behind the one before it, or each before it.
        ValueError where what one removes is not what stands there: then nothing is changed."""
        done: list[str | Gap] = []
        left, place = self._pieces[::-1], 0  # what is not passed yet, the next of it last
        for edit in forwards(edits):
            if edit.start < place:
                done, left, place = [], list(joined([*done, *left[::-1]]))[::-1], 0
            done += (passed := taken(left, edit.start - place))
            if place + size(passed) != edit.start or joined(taken(left, size(edit.removed))) != edit.removed:
                raise ValueError(f"the text at {edit.start} is not what the edit removes")
            done += edit.added
            place = edit.start + size(edit.added)
        self._pieces, self._starts = list(joined([*done, *left[::-1]])), None
        added = (piece.id + 1 for edit in edits for piece in edit.added if isinstance(piece, Gap))
        self._next = max([self._next, *added])

    def replace(self, start: int, stop: int, added: Sequence[str | Gap] | str) -> Edit:
        """Put text, or pieces, in place of what stands there. Gaps get new ids where theirs are taken."""
        added = (valid(added),) if isinstance(added, str) else added
        staying = {gap.id for gap in self.gaps} - {gap.id for gap in self.between(start, stop) if isinstance(gap, Gap)}
        fresh, own = [], max([self._next - 1, *(piece.id for piece in added if isinstance(piece, Gap))]) + 1
        for piece in added:
            if isinstance(piece, Gap) and piece.id in staying:
                piece, own = replace(piece, id=own), own + 1
            if isinstance(piece, Gap):
                staying.add(piece.id)
            fresh.append(piece)
        return Edit(start, self.between(start, stop), joined(fresh))

    def make_gap(self, start: int, stop: int, tokenizer: TextTokenizer, longest: int) -> Edit:
        """Turn what stands there into a gap of as many tokens as it has; gaps within it become part of it.

        White space at both ends stays given, unless there is nothing else. StudioError for an empty selection and
        for one of more than `longest` tokens.
        """
        pieces = self.between(start, stop)
        if pieces and isinstance(pieces[0], str) and not (len(pieces) == 1 and pieces[0].isspace()):
            start += len(pieces[0]) - len(pieces[0].lstrip())
        if pieces and isinstance(pieces[-1], str) and not (len(pieces) == 1 and pieces[-1].isspace()):
            stop -= len(pieces[-1]) - len(pieces[-1].rstrip())
        pieces = self.between(start, stop)
        if not pieces:
            raise StudioError("Nothing is selected: select the words to be made anew, or insert a gap.")
        before = "".join(piece for piece in self.between(start - 1, start) if isinstance(piece, str)) if start else ""
        length = 0
        for piece in pieces:
            if isinstance(piece, Gap):
                length += piece.length
            elif len(piece) > longest * 64:
                length = longest + 1  # far beyond what fits: not worth encoding
            else:
                # A word carries the space before it, which counts for nothing by itself.
                spaced = " " + piece if before == " " and piece is pieces[0] else piece
                length += len(tokenizer.encode(unix_lines(spaced)))
        if length > longest:
            raise StudioError(f"This is longer than the {longest} tokens that the model can fill at once: select less.")
        _check_length(length, longest)
        was = "".join(reading(piece) for piece in pieces)
        return Edit(start, pieces, (Gap(self._next, length, was),))

    def insert_gap(self, place: int, length: int, longest: int) -> Edit:
        """Put an empty gap there. StudioError for a length that cannot be."""
        _check_length(length, longest)
        return Edit(place, (), (Gap(self._next, length),))

    def resize(self, gap_id: int, length: int, longest: int) -> Edit:
        """Make a gap longer or shorter; what was filled in goes, unless it is pinned. StudioError for a length that
        cannot be."""
        _check_length(length, longest)
        place, gap = self.find(gap_id)
        fill = gap.fill if gap.fill is None or gap.length == length else gap.fill.pins_alone(length)
        return Edit(place, (gap,), (replace(gap, length=length, fill=fill),))

    def remove(self, gap_id: int) -> Edit:
        """Take a gap and what is in it away."""
        place, gap = self.find(gap_id)
        return Edit(place, (gap,), ())

    def give_back(self, gap_id: int) -> Edit:
        """Put the words that a gap was made from back in its place."""
        place, gap = self.find(gap_id)
        return Edit(place, (gap,), joined([gap.was]))

    def accept(self, fills: Mapping[int, Fill]) -> list[Edit]:
        """Make what is known of gaps, by their ids, part of the given text; what is not known stays a gap. One edit a
        gap, the last of the text first: so none moves the place of another."""
        edits, fresh = [], self._next
        for place, piece in self.placed():
            if isinstance(piece, Gap) and piece.id in fills:
                pieces = _settled(fills[piece.id], fresh)
                fresh += len(pieces)
                edits.append(Edit(place, (piece,), joined(pieces)))
        return edits[::-1]

    def fill(self, fills: Mapping[int, Fill | None]) -> list[Edit]:
        """Put fills, by the ids of their gaps, into these gaps (None empties one); one edit a gap."""
        edits = []
        for place, piece in self.placed():
            if isinstance(piece, Gap) and piece.id in fills and fills[piece.id] != piece.fill:
                edits.append(Edit(place, (piece,), (replace(piece, fill=fills[piece.id]),)))
        return edits

    def dump(self) -> list[Any]:
        """For JSON; `load` reads it."""
        return [piece if isinstance(piece, str) else _dumped(piece) for piece in self._pieces]

    @classmethod
    def load(cls, stored: Any) -> "GappedText":
        """Read what `dump` gave; a gap that is too long, such as an early version made, becomes text. ValueError for
        anything else."""
        try:
            pieces = [valid(piece) if isinstance(piece, str) else _loaded(piece) for piece in stored]
        except (TypeError, KeyError, AttributeError, OverflowError) as error:
            raise ValueError("no stored text") from error
        gaps = [piece.id for piece in pieces if isinstance(piece, Gap)]
        if len(set(gaps)) != len(gaps):
            raise ValueError("two gaps have the same id")
        return cls(bounded(piece) if isinstance(piece, Gap) else piece for piece in pieces)


def reading(piece: str | Gap) -> str:
    """A piece as it reads: a gap that is filled as what is in it, another as what it was made from."""
    return piece if isinstance(piece, str) else piece.fill.text if piece.fill and piece.fill.whole else piece.was


def bounded(gap: Gap) -> str | Gap:
    """A gap that can be shown; of one that is too long, as what it was read from."""
    return gap if gap.length <= LONGEST_GAP else reading(gap) or f"[[{gap.length}]]"


def _settled(fill: Fill, fresh: int) -> list[str | Gap]:
    """Known words as text, and between them gaps, of ids from `fresh` on, for what is not known."""
    if fill.whole:
        return [fill.text]
    pieces: list[str | Gap] = []
    for token, word in zip(fill.tokens, fill.words, strict=True):
        # Of a part of a character nothing can be given: it is made again with the rest of it.
        if token is not None and "\ufffd" not in word:
            pieces.append(word)
        elif pieces and isinstance(pieces[-1], Gap):
            pieces[-1] = replace(pieces[-1], length=pieces[-1].length + 1)
        else:
            pieces.append(Gap(fresh + len(pieces), 1))
    return pieces


def _check_length(length: int, longest: int) -> None:
    if length < 1:
        raise StudioError(f"A gap of {length} tokens cannot be filled: let it have at least one.")
    if length > min(longest, LONGEST_GAP):
        most = min(longest, LONGEST_GAP)
        raise StudioError(f"A gap of {length:,} tokens is too long: the model takes at most {most}.")


def _dumped(gap: Gap) -> dict[str, Any]:
    stored: dict[str, Any] = {"id": gap.id, "length": gap.length, "was": gap.was}
    if gap.fill is not None:
        fill = gap.fill
        stored["fill"] = {
            "tokens": list(fill.tokens),
            "words": list(fill.words),
            "confidence": list(fill.confidence),
            "pinned": sorted(fill.pinned),
        }
    return stored


def _loaded(stored: Any) -> Gap:
    fill = None
    if stored.get("fill") is not None:
        kept = stored["fill"]
        fill = Fill(
            tuple(None if token is None else int(token) for token in kept["tokens"]),
            tuple(valid(str(word)) for word in kept["words"]),
            tuple(None if chance is None else float(chance) for chance in kept["confidence"]),
            frozenset(int(index) for index in kept["pinned"]),
        )
    gap = Gap(int(stored["id"]), int(stored["length"]), valid(str(stored["was"])), fill)
    sizes = {gap.length} if fill is None else {gap.length, len(fill.tokens), len(fill.words), len(fill.confidence)}
    if gap.length < 1 or gap.id < 1 or len(sizes) > 1 or (fill and not fill.pinned <= fill.known.keys()):
        raise ValueError("a stored gap is damaged")
    return gap
