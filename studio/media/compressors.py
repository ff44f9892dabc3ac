"""What lossless compressors make of pictures and texts, to set a model's bits beside."""

import lzma
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def picture_bytes(pictures: NDArray[np.uint8], indices: NDArray[np.integer]) -> dict[str, int]:
    """Bytes that all pictures take together, uint8 (N, H, W, 3), as files of their own and as one file of all.

    indices: (N, …), the same pictures as numbers below 256, on which xz works: it knows nothing of colours. PNG
    and WebP get the better of true colour and a palette; all are at their highest effort.
    """
    whole = pictures.reshape(1, -1, *pictures.shape[2:])
    # WebP ends at 16383 pixels, so that one file of all is a sheet of several columns.
    columns = -(-whole.shape[1] // 16000)
    rows = -(-len(pictures) // columns)
    sheet = np.concatenate([pictures, np.repeat(pictures[-1:], rows * columns - len(pictures), axis=0)])
    sheet = np.concatenate(list(sheet.reshape(columns, -1, *pictures.shape[2:])), axis=1)
    raw = indices.astype(np.uint8)
    return {
        "PNG, a file each": sum(map(_png, pictures)),
        "WebP lossless, a file each": sum(map(_webp, pictures)),
        "xz, a file each": sum(len(_xz(picture.tobytes())) for picture in raw),
        "PNG, one sheet of all": _png(sheet),
        "WebP lossless, one sheet of all": _webp(sheet),
        "xz, all in one": len(_xz(raw.tobytes())),
    }


def text_bytes(text: bytes) -> dict[str, int]:
    """Bytes that a whole text takes."""
    return {"xz": len(_xz(text))}


def _png(picture: NDArray[np.uint8]) -> int:
    return min(_size(image, "PNG", optimize=True) for image in _images(picture))


def _webp(picture: NDArray[np.uint8]) -> int:
    # It finds palettes by itself.
    return _size(Image.fromarray(picture), "WEBP", lossless=True, quality=100, method=6)


def _images(picture: NDArray[np.uint8]) -> Iterator[Image.Image]:
    """The picture in true colour and, with at most 256 colours, by their numbers."""
    yield Image.fromarray(picture)
    colors, numbers = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True)
    if len(colors) <= 256:
        image = Image.fromarray(numbers.reshape(picture.shape[:2]).astype(np.uint8), mode="P")
        image.putpalette(colors.tobytes())
        yield image


def _size(image: Image.Image, kind: str, **options: object) -> int:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return len(buffer.getvalue())


def _xz(data: bytes) -> bytes:
    """The compressed data with the smallest frame around them that can be unpacked."""
    return lzma.compress(data, lzma.FORMAT_ALONE, preset=9 | lzma.PRESET_EXTREME)
