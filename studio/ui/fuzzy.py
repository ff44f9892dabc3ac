"""Finding by a few letters: "ezi" finds "Export as GIF"."""

from functools import cache

WORD_START, RUN, PLAIN = 10, 10, 1
GAP = 0.1


def match(query: str, text: str) -> tuple[float, tuple[int, ...]] | None:
    """How well the letters of `query` are found in `text` in order, and where; None where they are not.

    Letters at the start of a word and letters in a row count most; of equal ones the shorter text is better. Words of
    the query are looked for one by one, in any order.
    """
    total, places = 0.0, set[int]()
    for word in query.casefold().split():
        found = _match_word(word, text)
        if found is None:
            return None
        total += found[0]
        places.update(found[1])
    return total - len(text) / 1000, tuple(sorted(places))


def _match_word(word: str, text: str) -> tuple[float, tuple[int, ...]] | None:
    # Letter by letter, so that places stay those of the text whatever folding does to its length.
    letters = [letter.casefold() for letter in text]

    @cache
    def best(i: int, j: int) -> tuple[float, tuple[int, ...]] | None:
        """The best places of word[i:] in the text, the first of them at j."""
        if letters[j] != word[i]:
            return None
        start = j == 0 or not text[j - 1].isalnum()
        worth = WORD_START if start else PLAIN
        if i == len(word) - 1:
            return worth, (j,)
        choices = []
        for k in range(j + 1, len(letters)):
            rest = best(i + 1, k)
            if rest:
                choices.append((rest[0] + (RUN if k == j + 1 else -GAP * (k - j)), rest[1]))
        if not choices:
            return None
        score, places = max(choices)
        return worth + score, (j, *places)

    ends = [found for j in range(len(letters)) if (found := best(0, j))]
    return max(ends) if ends else None
