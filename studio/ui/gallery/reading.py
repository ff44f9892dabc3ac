"""What the gallery reads from the library and the disk, off the main thread."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QImageReader

from studio.errors import StudioError
from studio.generation import GenerationRequest, PictureSource
from studio.library import Item, Library
from studio.media.images import load_picture
from studio.ui.gallery.details import Shown

LARGE = 1280
"""Longest side of the picture in the inspector."""


def describe(library: Library, key: int) -> Shown | None:
    """All that the inspector shows of an item; None where it is gone."""
    items = library.items([key])
    if not items or library.closed:
        return None
    item = items[0]
    parents, children = library.relatives(item)
    image, text, problem = None, "", ""
    try:
        if item.kind == "picture":
            image = _large(item)
        else:
            text = library.text(item)
    except StudioError as error:
        problem = str(error)
    relatives = _with_thumbnails(library, parents), _with_thumbnails(library, children)
    return Shown(item, library.request(key), image, text, problem, *relatives)


def _large(item: Item) -> QImage:
    """The picture, reduced while it is read if it is very large. StudioError where its file is gone."""
    reader = QImageReader(str(item.file))
    size = reader.size()
    if max(size.width(), size.height()) > LARGE:
        reduced = size.scaled(LARGE, LARGE, Qt.AspectRatioMode.KeepAspectRatio)
        reader.setScaledSize(reduced.expandedTo(QSize(1, 1)))  # else nothing is left of a line of pixels
    image = reader.read()
    if image.isNull():
        raise StudioError(f"{item.file} is gone or damaged: delete this item from the gallery.")
    return image


def _with_thumbnails(library: Library, items: Sequence[Item]) -> list[tuple[Item, QImage | None]]:
    images = library.thumbnails([item.key for item in items])
    return [(item, QImage.fromData(images[item.key]) if item.key in images else None) for item in items]


def source_of(library: Library, item: Item) -> tuple[GenerationRequest, dict[str, Any]]:
    """The exact request of an item and what belongs to it: item (its id), title, variation, and for a picture
    `picture` (Picture), which it was made into, and `result` (Picture), for a text `text`, which was made."""
    request = library.request(item.key)
    source: dict[str, Any] = {"item": item.id, "title": item.title, "variation": item.variation}
    if item.kind == "text":
        return request, source | {"text": library.text(item)}
    result = load_picture(item.file)
    # Without the original the result stands in for it: outside the mask they are the same.
    original = load_picture(item.input) if item.input is not None and item.input.exists() else result
    if isinstance(request.source, PictureSource):
        source["picture"] = original
    return request, source | {"result": result}
