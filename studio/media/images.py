"""Pictures and masks from files; pictures to tokens and back."""

import json
import warnings
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from studio.errors import StudioError
from studio.files import write_atomic
from studio.media.palette import nearest
from studio.prime.subtokens import Subtokens

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
MAX_PIXELS = 64_000_000
_BAND = 64
"""Rows at once."""


@dataclass(frozen=True)
class Picture:
    """A picture as its file has it: `stored` uint8 (H, W, 3), `alpha` uint8 (H, W) or None where all is opaque.

    lost: what the file has that is not kept, in a sentence for its user; "" where that is nothing.
    """

    stored: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    lost: str = ""

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """What a person sees on white paper, uint8 (H, W, 3)."""
        if self.alpha is None:
            return self.stored
        seen = np.empty_like(self.stored)
        for row in range(0, len(seen), _BAND):  # all at once would take ten times the memory of the picture
            band = slice(row, row + _BAND)
            alpha = self.alpha[band, :, None].astype(np.float32) / 255
            seen[band] = np.rint(self.stored[band] * alpha + 255 * (1 - alpha))
        return seen

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.stored.shape[1], self.stored.shape[0]

    def read_only(self) -> "Picture":
        """This picture, whose arrays cannot be written to from now on."""
        for array in (self.stored, self.alpha):
            if array is not None:
                array.setflags(write=False)
        return self

    def filled(self, rgb: NDArray[np.uint8], mask: NDArray[np.bool_]) -> "Picture":
        """This picture with the masked pixels taken from `rgb`, opaque; all others stay as the file has them."""
        stored = self.stored.copy()
        put(stored, rgb, mask)
        return Picture(stored, None if self.alpha is None else np.where(mask, np.uint8(255), self.alpha))


def put(target: NDArray, source: ArrayLike, mask: NDArray[np.bool_]) -> None:
    """Take the masked pixels, bool (H, W), of `target` (H, W, n) from `source`: (H, W, n), one pixel (n,), or a value.

    Channel by channel, which takes NumPy a fifth of the time that all at once would.
    """
    source = np.broadcast_to(np.asarray(source, target.dtype), target.shape)
    for channel in range(target.shape[2]):
        np.copyto(target[..., channel], source[..., channel], where=mask)


def load_picture(path: str | Path, data: bytes | None = None) -> Picture:
    """Read a PNG, JPEG, WebP, BMP or GIF (its first frame), turned upright as its EXIF data say.

    data: what the file holds, where `path` only names it (a member of an archive).

    Palette, grey, 16 bit and CMYK pictures become 8 bit RGB. Raises StudioError for anything that is not a
    whole picture of at most 64 million pixels.
    """
    path = Path(path)
    too_large = f"{path} has more than {MAX_PIXELS // 1_000_000} million pixels: crop or reduce it first."
    try:
        if path.is_dir():
            raise StudioError(f"{path} is a folder: name one picture in it.")
        if data is None and path.exists() and not path.is_file():  # a pipe would be waited for
            raise StudioError(f"{path} is no file: save the picture as one first.")
        with warnings.catch_warnings():
            # What Pillow finds odd in EXIF data or an animation, and reads nevertheless, is nothing to act on.
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path if data is None else BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise StudioError(too_large)
                lost, deep = _lost(image), _is_deep(image)
                image.load()
                if image.mode == "RGB" and deep and "transparency" in image.info:
                    image.putalpha(_deep_alpha(image, path if data is None else BytesIO(data)))
                picture = _to_picture(_upright(image))
                return replace(picture, lost=f"Of {path.name} {lost}." if lost else "")
    except (StudioError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise StudioError(too_large) from error
    except UnidentifiedImageError as error:
        raise StudioError(f"{path} is not a picture in a known format: use {', '.join(FORMATS)}.") from error
    except FileNotFoundError as error:
        raise StudioError(f"There is no file {path}: check the name.") from error
    except Exception as error:  # decoders raise much that they do not tell of, such as struct.error
        if isinstance(error, OSError) and error.errno:  # of the system, not of the decoder
            raise StudioError(f"Cannot read {path}: {error.strerror}. Check the file or copy it elsewhere.") from error
        raise StudioError(f"{path} is damaged or cut short: save or download it again.") from error


def _lost(image: ImageFile.ImageFile) -> str:
    """What of an opened file `_to_picture` leaves out. Call before `image.load()`, which clears `image.tile`."""
    lost = []
    if _is_deep(image):
        lost.append("8 of 16 bits a channel are kept")
    if image.mode == "CMYK":
        lost.append("the inks are turned into red, green and blue")
    if image.format in ("GIF", "PNG", "WEBP") and getattr(image, "is_animated", False):
        lost.append("the first frame alone is taken")
    profile = image.info.get("icc_profile") or b""
    if profile and not any("sRGB".encode(code) in profile for code in ("ascii", "utf-16-be")):
        lost.append("the colour profile is left out, its colours are taken as sRGB")
    return "; ".join(lost)


def _is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether an opened file has 16 bits a channel, which its mode need not tell. Call before `image.load()`."""
    return image.format == "PNG" and any(";16" in str(tile.args) for tile in image.tile)


def _deep_alpha(image: Image.Image, file: Path | BytesIO) -> Image.Image:
    """Where the one transparent colour of a PNG of 16 bits a channel is not: Pillow loads the upper 8 of them alone,
    and by these other colours would be transparent too."""
    with Image.open(file, formats=["PNG"]) as lower:
        lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]  # as if the lower bytes were the upper ones
        same = np.ones(image.size[::-1], dtype=np.bool_)
        for channel, key in enumerate(image.info["transparency"]):
            same &= np.asarray(image.getchannel(channel)) == key >> 8
            same &= np.asarray(lower.getchannel(channel)) == key & 255
    return Image.fromarray(np.where(same, np.uint8(0), np.uint8(255)))


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture upright, by the orientation in its EXIF data."""


def _upright(image: Image.Image) -> Image.Image:
    """Not `ImageOps.exif_transpose`: that writes all the EXIF data again, and fails where one tag is odd."""
    try:
        method = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # data that cannot be read turn nothing
        return image
    return image if method is None else image.transpose(method)


def _to_picture(image: Image.Image) -> Picture:
    if image.mode.startswith(("I", "F")):
        # 16 bit grey: Pillow's own conversion would clip everything above 255 to white.
        grey = np.clip(np.rint(np.asarray(image, dtype=np.float64) / 257), 0, 255).astype(np.uint8)
        stored, alpha = np.repeat(grey[..., None], 3, axis=2), None
        if "transparency" in image.info:
            alpha = np.where(np.asarray(image) == image.info["transparency"], np.uint8(0), np.uint8(255))
    elif "A" in image.getbands() or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        stored, alpha = rgba[..., :3].copy(), rgba[..., 3].copy()
    else:
        stored, alpha = np.array(image.convert("RGB")), None
    return Picture(stored, None if alpha is None or alpha.min() == 255 else alpha)


def load_mask(path: str | Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a mask, white where to fill, for a picture of (width, height): bool (H, W).

    Transparent parts of the mask count as black. Raises StudioError as `load_picture` does, for another size
    and where nothing is masked.
    """
    picture = load_picture(path)
    if picture.size != tuple(size):
        raise StudioError(
            f"The mask {path} is {picture.size[0]}×{picture.size[1]} pixels, the picture {size[0]}×{size[1]}: "
            "make them the same size."
        )
    white = np.empty(picture.stored.shape[:2], dtype=np.bool_)
    for start in range(0, len(white), 256):  # rows at once, or it would take many times the memory of the picture
        rows = slice(start, start + 256)
        light = picture.stored[rows] @ np.array([299, 587, 114], dtype=np.int32)  # thousandths of a grey level
        alpha = 255 if picture.alpha is None else picture.alpha[rows].astype(np.int32)
        white[rows] = light * alpha >= 127_500 * 255
    return checked_mask(white, f"the mask {path} has no white part")


def alpha_mask(picture: Picture) -> NDArray[np.bool_]:
    """The transparent part of a picture (alpha below 128) as the part to fill: bool (H, W). StudioError if none."""
    if picture.alpha is None:
        raise StudioError("Nothing to fill: the picture has no transparent part. Erase what is to be filled first.")
    return checked_mask(picture.alpha < 128, "no pixel of the picture is transparent")


def checked_mask(mask: NDArray[np.bool_], why: str = "the mask is empty") -> NDArray[np.bool_]:
    """The mask itself; StudioError where nothing is masked."""
    if not mask.any():
        raise StudioError(f"Nothing to fill: {why}. Paint white where the picture is to be filled.")
    return mask


class ImageTokenizer(Protocol):
    """Pictures of one size to tokens and back. L = num_tokens, C = vocab_size."""

    height: int
    width: int
    vocab_size: int
    num_tokens: int

    def encode(self, image: NDArray[np.uint8]) -> NDArray[np.int64]:
        """uint8 (..., H, W, 3) to tokens (..., L)."""
        ...

    def decode(self, tokens: ArrayLike) -> NDArray[np.uint8]:
        """Tokens (..., L) to uint8 (..., H, W, 3)."""
        ...

    def rough(self, y: ArrayLike, subtokens: Subtokens) -> NDArray[np.uint8]:
        """Partial state (..., L, ℓ) to uint8 (..., H, W, 3): the mean of the colours that are still possible."""
        ...

    def token_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Pixels bool (H, W) to tokens bool (L,)."""
        ...


class RgbTokenizer:
    """Three tokens a pixel, the colour values themselves, in the order row, column, colour."""

    vocab_size = 256

    def __init__(self, height: int, width: int):
        self.height, self.width = height, width
        self.num_tokens = height * width * 3

    def encode(self, image: NDArray[np.uint8]) -> NDArray[np.int64]:
        """uint8 (..., H, W, 3) to tokens (..., L)."""
        return image.reshape(*image.shape[:-3], self.num_tokens).astype(np.int64)

    def decode(self, tokens: ArrayLike) -> NDArray[np.uint8]:
        """Tokens (..., L) to uint8 (..., H, W, 3)."""
        tokens = np.asarray(tokens)
        return tokens.reshape(*tokens.shape[:-1], self.height, self.width, 3).astype(np.uint8)

    def rough(self, y: ArrayLike, subtokens: Subtokens) -> NDArray[np.uint8]:
        """Partial state (..., L, ℓ) to uint8 (..., H, W, 3): the mean of the values that are still possible."""
        return self.decode(_compatible_mean(np.asarray(y), subtokens, np.arange(256)[:, None])[..., 0])

    def token_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Pixels bool (H, W) to tokens bool (L,)."""
        return np.repeat(mask.reshape(-1), 3)


class PaletteTokenizer:
    """One token a pixel: the nearest of C palette colours, uint8 (C, 3), in the order row, column."""

    def __init__(self, colors: NDArray[np.uint8], height: int, width: int):
        self.colors = np.asarray(colors, dtype=np.uint8)
        self.height, self.width = height, width
        self.vocab_size = len(self.colors)
        self.num_tokens = height * width

    def encode(self, image: NDArray[np.uint8]) -> NDArray[np.int64]:
        """uint8 (..., H, W, 3) to tokens (..., L)."""
        return nearest(self.colors, image).reshape(*image.shape[:-3], self.num_tokens)

    def decode(self, tokens: ArrayLike) -> NDArray[np.uint8]:
        """Tokens (..., L) to uint8 (..., H, W, 3)."""
        return self._pixels(self.colors[np.asarray(tokens)])

    def rough(self, y: ArrayLike, subtokens: Subtokens) -> NDArray[np.uint8]:
        """Partial state (..., L, ℓ) to uint8 (..., H, W, 3): the mean of the colours that are still possible."""
        return self._pixels(_compatible_mean(np.asarray(y), subtokens, self.colors))

    def token_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Pixels bool (H, W) to tokens bool (L,)."""
        return mask.reshape(-1).copy()

    def _pixels(self, colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return colors.reshape(*colors.shape[:-2], self.height, self.width, 3)


def _compatible_mean(y: NDArray, subtokens: Subtokens, values: NDArray) -> NDArray[np.uint8]:
    """Mean of the rows of `values` (C, D) over the classes compatible with each token of y (..., ℓ): (..., D)."""
    flat = y.reshape(-1, subtokens.length)
    # Most tokens share a few states, so each different state is worked out once.
    codes = flat @ (subtokens.base + 1) ** np.arange(subtokens.length)
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    compatible = subtokens.compatible(flat[first]).astype(np.float32)
    count = np.maximum(compatible.sum(axis=1, keepdims=True), 1)
    means = np.rint(compatible @ values.astype(np.float32) / count).astype(np.uint8)
    return means[inverse.reshape(-1)].reshape(*y.shape[:-1], values.shape[1])


def save_palette(path: str | Path, colors: NDArray[np.uint8]) -> None:
    """Write palette.json, whole or not at all: {"colors": [[r, g, b], ...]}."""
    write_atomic(path, json.dumps({"colors": colors.tolist()}).encode())


def load_palette(path: str | Path) -> NDArray[np.uint8]:
    """Read palette.json: uint8 (C, 3). Raises StudioError where it is not one."""
    try:
        colors = np.asarray(json.loads(Path(path).read_text(encoding="utf-8"))["colors"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StudioError(f"{path} is not a palette: install the model again.") from error
    if colors.dtype.kind != "i" or colors.ndim != 2 or colors.shape[1] != 3 or not 2 <= len(colors) <= 65536:
        raise StudioError(f"{path} is not a palette of RGB colours: install the model again.")
    if colors.min() < 0 or colors.max() > 255:
        raise StudioError(f"{path} has colours outside 0 … 255: install the model again.")
    return colors.astype(np.uint8)


def image_tokenizer(kind: str, grid: tuple[int, int], file: str | Path | None = None) -> ImageTokenizer:
    """The tokenizer that a manifest names: "rgb", or "palette" with its file; grid = (height, width)."""
    height, width = grid
    if kind == "rgb":
        return RgbTokenizer(height, width)
    if kind == "palette" and file is not None:
        return PaletteTokenizer(load_palette(file), height, width)
    raise StudioError(f"Unknown picture tokenizer {kind!r}: update Prime Studio or choose another model.")
