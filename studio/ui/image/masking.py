"""What is done to a mask as a whole, each one action: shapes, fills, inverting, growing, files."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PySide6.QtCore import QRect

from studio.files import write_atomic
from studio.media.images import Picture, alpha_mask, load_mask
from studio.ui.image import shapes
from studio.ui.image.document import ImageDocument
from studio.ui.image.edits import Edit, bounds_of, slices
from studio.ui.image.inks import Ink


def fill_rect(
    document: ImageDocument, rect: QRect, ink: Ink = "mask", color: Sequence[int] = (0, 0, 0), text: str = "Rectangle"
) -> None:
    """Put ink on a rectangle, as far as it lies in the picture."""
    rect = rect.intersected(document.bounds)
    if not rect.isEmpty():
        with document.action(text) as edit:
            document.paint(edit, rect, np.ones((rect.height(), rect.width()), dtype=bool), ink, color)


def fill_polygon(
    document: ImageDocument, points: Sequence[shapes.Point], ink: Ink = "mask", color: Sequence[int] = (0, 0, 0)
) -> None:
    """Put ink inside a closed polygon."""
    with document.action("Lasso") as edit:
        document.paint(edit, *shapes.polygon(points, document.bounds), ink, color)


def fill_alike(
    document: ImageDocument,
    x: int,
    y: int,
    tolerance: int,
    ink: Ink = "mask",
    seen: NDArray[np.uint8] | None = None,
) -> None:
    """Put ink on the pixels that hang together with (x, y) and differ from it by at most `tolerance`, 0 … 255.

    seen: the colours to go by, uint8 (H, W, 3), or 4 with opacity, if not the picture's."""
    if document.bounds.contains(x, y):
        colors = document.stored if seen is None else seen
        if colors.shape[2] == 4:  # what is behind transparent pixels is not seen
            shown = colors[..., :3].astype(np.uint16) * colors[..., 3:] // 255
            colors = np.concatenate([shown.astype(np.uint8), colors[..., 3:]], axis=2)
        covered = shapes.flood(colors, x, y, tolerance)
        rect = bounds_of(covered)
        with document.action("Fill") as edit:
            document.paint(edit, rect, covered[slices(rect)], ink)


def mask_whole(document: ImageDocument) -> None:
    fill_rect(document, document.bounds, text="Mask everything")


def clear_mask(document: ImageDocument) -> None:
    with document.action("Clear mask") as edit:
        document.clear(edit, "mask")


def invert_mask(document: ImageDocument) -> None:
    with document.action("Invert mask") as edit:
        view = edit.touch("mask", document.bounds)
        view[:] = np.where(view == 0, np.uint16(document.stroke_bits()), np.uint16(0))


def grow_mask(document: ImageDocument, by: int) -> None:
    """Mask what is at most `by` pixels from the mask; a negative number takes as much away from its edge."""
    mask = document.mask
    result = shapes.grown(mask, by) if by > 0 else shapes.shrunk(mask, -by)
    set_mask(document, result, "Grow mask" if by > 0 else "Shrink mask")


def apply_planes(document: ImageDocument) -> None:
    """Give the whole mask the planes that strokes now mask."""
    with document.action("Change digit planes") as edit:
        if not document.mask_bounds().isEmpty():
            view = edit.touch("mask", document.mask_bounds())
            np.putmask(view, view != 0, document.stroke_bits())


def set_mask(document: ImageDocument, mask: NDArray[np.bool_], text: str = "Set mask") -> None:
    """Mask exactly these pixels, bool (H, W); those that were masked keep their digit planes."""
    with document.action(text) as edit:
        _replace(document, edit, mask)


def set_mask_bits(document: ImageDocument, bits: NDArray[np.uint16]) -> None:
    """Mask exactly these digits, uint16 (H, W), as `ImageDocument.mask_bits` has them."""
    with document.action("Set mask") as edit:
        edit.touch("mask", document.bounds)[:] = bits


def mask_transparent(document: ImageDocument) -> None:
    """Mask what is transparent in the picture. StudioError if nothing is."""
    set_mask(document, alpha_mask(Picture(document.stored, document.alpha)), "Mask transparent part")


def import_mask(document: ImageDocument, path: str | Path) -> None:
    """Take the mask from a file, white where to fill. StudioError for another size and for no mask."""
    set_mask(document, load_mask(path, document.size), "Import mask")


def export_mask(mask: NDArray[np.bool_], path: str | Path) -> None:
    """Write a mask, bool (H, W), as a PNG, white where to fill. StudioError where it cannot be written."""
    data = BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(data, "PNG", optimize=True)
    write_atomic(path, data.getvalue())


def _replace(document: ImageDocument, edit: Edit, mask: NDArray[np.bool_]) -> None:
    rect = bounds_of(mask).united(document.mask_bounds())
    if not rect.isEmpty():
        view, wanted = edit.touch("mask", rect), mask[slices(rect)]
        np.putmask(view, ~wanted, 0)
        np.putmask(view, wanted & (view == 0), document.stroke_bits())
