"""Piece numbers with a meaning: a word's digits are its path in a tree of words used alike.

As the palette's codes are paths in a tree of colours, so that a partly known pixel is a rough colour, a
partly known token is then a rough word: each further binary digit halves the set of similar words.
"""

import json

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

WINDOW = 2  # neighbours on each side that count as context
CELLS = 1 << 24  # of a table of pieces and neighbours: 4096 pieces have all of their neighbours


def usage_vectors(tokens: NDArray[np.int64], vocab_size: int, features: int = 64) -> NDArray[np.float64]:
    """(C, features): leading singular vectors of what each piece's neighbours tell about it.

    The information of a piece w and a neighbour c is max(0, log p(w, c) / (p(w)·p(c)^0.75)): positive pointwise
    mutual information that is wary of rare neighbours (after Levy and Goldberg 2014). Left and right
    neighbours are kept apart, which tells word classes well. Of many pieces only the frequent ones count as
    neighbours: the table would grow with the square of their number.
    """
    columns = min(vocab_size, max(256, CELLS // vocab_size))
    frequent = np.sort(np.argsort(-np.bincount(tokens, minlength=vocab_size), kind="stable")[:columns])
    place = np.full(vocab_size, columns)
    place[frequent] = np.arange(columns)
    blocks = []
    for offset in range(1, WINDOW + 1):
        before, after = tokens[:-offset], tokens[offset:]
        for piece, neighbour in ((before, place[after]), (after, place[before])):
            pairs = (piece * columns + neighbour)[neighbour < columns]
            counts = np.bincount(pairs, minlength=vocab_size * columns).reshape(vocab_size, columns)
            blocks.append(counts.astype(np.float32))
    information = np.concatenate(blocks, axis=1)
    blocks.clear()
    # In its own place: with 4096 pieces the table has 270 MB.
    row, column = information.sum(1, keepdims=True), information.sum(0, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        information *= row.sum() ** 0.75
        information /= row * column**0.75
        np.log(information, out=information)
    information[~np.isfinite(information)] = 0
    np.maximum(information, 0, out=information)
    # Randomised range finder with two power iterations (Halko et al. 2011): the matrix is 4096 × 16384.
    rng = np.random.default_rng(0)
    basis = information @ rng.standard_normal((information.shape[1], features + 16)).astype(np.float32)
    for _ in range(2):
        basis = information @ (information.T @ np.linalg.qr(basis)[0])
    basis = np.linalg.qr(basis)[0]
    left, values, _ = np.linalg.svd(basis.T @ information, full_matrices=False)
    vectors = (basis @ left)[:, :features] * np.sqrt(values[:features])
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float64) / np.maximum(norm, 1e-6)


def tree_order(vectors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows in the order of the leaves of a balanced tree: halves along the principal axis, again and again.

    vectors: (C, D). Returns a permutation of 0 … C−1. Where C is a power of two, the binary digits of a
    row's place are its path.
    """

    def split(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        if len(rows) <= 1:
            return [rows]
        centred = vectors[rows] - vectors[rows].mean(0)
        axis = np.linalg.svd(centred, full_matrices=False)[2][0]
        order = rows[np.argsort(centred @ axis, kind="stable")]
        return split(order[: len(order) // 2]) + split(order[len(order) // 2 :])

    return np.concatenate(split(np.arange(len(vectors))))


def renumber(tokenizer: Tokenizer, order: NDArray[np.int64]) -> Tokenizer:
    """The same tokenizer with new numbers: the piece that was order[i] becomes i."""
    table = json.loads(tokenizer.to_str())
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    vocabulary = table["model"]["vocab"]
    table["model"]["vocab"] = {piece: int(place[number]) for piece, number in vocabulary.items()}
    return Tokenizer.from_str(json.dumps(table))
