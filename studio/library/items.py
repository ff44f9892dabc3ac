"""What the library keeps of a result, and how it is asked for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from studio.generation import Result, TextSource
from studio.media.images import Picture
from studio.media.textplan import between_gaps

THUMBNAIL = 320
"""Longest side of a thumbnail in pixels: 160 on a screen that shows two for one."""
SNIPPET = 400
_TITLE = 60
_MAX_TAG = 60


@dataclass(frozen=True)
class Parent:
    """What an item was branched from: an item, or the frame `frame` of the run `run`."""

    item: str | None = None
    run: str | None = None
    frame: int | None = None


@dataclass(frozen=True)
class Item:
    """One thing that was made. `key` is its place in time, `id` its name for ever; times are seconds since 1970."""

    key: int
    id: str
    created: float
    kind: Literal["picture", "text"]
    model: str
    title: str
    snippet: str
    width: int
    height: int
    variation: int
    seed: int
    run: str | None
    parent: Parent | None
    calls: int
    seconds: float
    provider: str
    star: bool
    deleted: float | None
    file: Path
    input: Path | None
    """The picture that it was made into, as a PNG; None for a text and for what was made from nothing."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filter:
    """Which items: every condition that is set must hold. `text` are words, or beginnings of words, that all occur."""

    text: str = ""
    kind: Literal["picture", "text"] | None = None
    model: str | None = None
    tag: str | None = None
    starred: bool = False
    since: float | None = None
    until: float | None = None
    run: str | None = None
    deleted: bool = False
    """The deleted ones instead of the others."""

    def where(self) -> tuple[str, dict[str, Any]]:
        """The condition as SQL over `items`, and its parameters."""
        found = [f"deleted IS {'NOT ' * self.deleted}NULL"]
        values: dict[str, Any] = {}
        for name, condition in (
            ("kind", "kind = :kind"),
            ("model", "model = :model"),
            ("tag", "key IN (SELECT item FROM tags WHERE tag = :tag)"),
            ("since", "created >= :since"),
            ("until", "created < :until"),
            ("run", "run = :run"),
        ):
            value = getattr(self, name)
            if value is not None:
                found.append(condition)
                values[name] = value
        if self.starred:
            found.append("star = 1")
        words = re.findall(r"\w+", self.text)
        if words:
            found.append("key IN (SELECT rowid FROM words WHERE words MATCH :words)")
            values["words"] = " ".join(f'"{word}"*' for word in words)
        return " AND ".join(found), values


@dataclass(frozen=True)
class Change:
    """What has changed in the library: the keys of the items, and how."""

    what: Literal["added", "changed", "deleted", "restored", "purged"]
    keys: tuple[int, ...] = field(default=())


def png_bytes(picture: Picture) -> bytes:
    """A picture as a PNG, its alpha with it."""
    image = Image.fromarray(np.ascontiguousarray(picture.stored))
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def thumbnail(picture: Picture) -> bytes:
    """A PNG of at most THUMBNAIL pixels a side; a smaller picture stays as it is, so that its pixels stay sharp."""
    image = Image.fromarray(np.ascontiguousarray(picture.rgb))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX, reducing_gap=None)
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def title_of(result: Result, index: int) -> str:
    """A name for what has none: how a text begins, the model and the seed of a picture."""
    if result.texts is None:
        return f"{result.request.model}, seed {result.request.seeds[index]}"
    return _cut(result.texts[index], _TITLE) or "Empty text"


def snippet_of(text: str, source: object) -> str:
    """What is shown of a text that was made: the part around the first thing that was."""
    start = len(given_pieces(source)[0]) if isinstance(source, TextSource) else 0
    if start <= 80:
        return _cut(text, SNIPPET)
    before = text[start - 80 : start]
    before = before.partition(" ")[2] or before  # not from the middle of a word, where there are spaces
    return "…" + _cut(before + text[start:], SNIPPET)


def given_pieces(source: TextSource) -> list[str]:
    """What stands before, between and after the gaps of a text: one piece more than there are gaps."""
    if source.parts is None:
        return between_gaps(source.text)
    pieces = [""]
    for part in source.parts:
        if isinstance(part, str):
            pieces[-1] += part
        else:
            pieces.append("")
    return pieces


def _cut(text: str, limit: int) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are kept: trimmed, none twice (capitals do not count), sorted."""
    found: dict[str, str] = {}
    for tag in tags:
        tag = _cut(tag.replace(",", " "), _MAX_TAG)
        if tag:
            found.setdefault(tag.casefold(), tag)
    return tuple(found[key] for key in sorted(found))
