"""A very long paragraph is shown in parts: Qt lays a whole paragraph out for every key that changes it. Without Qt."""

import unicodedata
from itertools import pairwise

from studio.media.gapped import Pieces, between, size

LONGEST = 8_000
"""Characters of a paragraph that is shown as one: laying it out and painting it takes about four milliseconds."""


def parted(content: Pieces, seams: list[int], longest: int) -> list[Pieces]:
    """A paragraph in parts of at most `longest` places; where it has been parted, `seams`, it stays so as long as it
    is too long to be one."""
    length = size(content)
    if length <= longest:
        return [content]
    flat = "".join(piece if isinstance(piece, str) else "\ufffc" for piece in content)
    cuts, reach = [0], longest // 4
    for stop in [*sorted({_seam(flat, seam, reach) for seam in seams}), length]:
        start = cuts[-1]
        count = -(-(stop - start) // max(longest // 2, 1)) if stop - start > longest else 1
        for number in range(1, count):
            cuts.append(max(_seam(flat, start + (stop - start) * number // count, reach), cuts[-1] + 1))
        cuts.append(stop)
    return [between(content, low, high) for low, high in pairwise(cuts) if low < high]


def _seam(text: str, wanted: int, reach: int) -> int:
    """Behind the last space before a place, or else where no character is torn apart."""
    space = text.rfind(" ", max(wanted - reach, 0), wanted)
    if space >= 0 and not unicodedata.category(text[space + 1]).startswith("M"):
        return space + 1
    while wanted > 1 and (_joins(text[wanted]) or text[wanted - 1] == "\u200d"):
        wanted -= 1
    return wanted


def _joins(character: str) -> bool:
    """Whether a character is one with the one before it: marks, joiners, tones of skin and letters of flags."""
    code = ord(character)
    return (
        unicodedata.category(character) in ("Mn", "Me", "Mc")
        or character == "\u200d"
        or 0x1F3FB <= code <= 0x1F3FF
        or 0x1F1E6 <= code <= 0x1F1FF
    )
