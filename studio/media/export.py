"""Results as files, whole or not at all: PNG with its parameters inside, sheets, time-lapses, text, JSON."""

import codecs
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from studio.errors import StudioError
from studio.files import atomic_path, check_writable, write_atomic
from studio.media.mp4 import encode_mp4

PARAMETERS_KEY = "prime-studio"
TIMELAPSE_SUFFIXES = (".webp", ".gif", ".mp4")
_LONGEST = {".webp": 16_383, ".gif": 65_535, ".mp4": 65_534}
"""The longest side of a frame that the format can tell of, in pixels."""
_MAX_PARAMETERS = 16_000_000


def check_suffix(path: str | Path, suffixes: Sequence[str]) -> Path:
    """The path itself; StudioError where it has none of these endings, or cannot be written."""
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise StudioError(f"{path} cannot be written: let its name end in {' or '.join(suffixes)}.")
    check_writable(path)
    return path


def save_png(
    path: str | Path, rgb: NDArray[np.uint8], parameters: str | None = None, alpha: NDArray[np.uint8] | None = None
) -> None:
    """Write uint8 (H, W, 3), with alpha (H, W) if given, and the parameters it was made with inside.

    Raises StudioError for a name that does not end in .png and where it cannot be written.
    """
    path = check_suffix(path, (".png",))
    image = Image.fromarray(np.ascontiguousarray(rgb))
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    chunks = PngImagePlugin.PngInfo()
    if parameters is not None:
        chunks.add_itxt(PARAMETERS_KEY, parameters)
    with atomic_path(path) as temporary:
        image.save(temporary, pnginfo=chunks)


def read_parameters(path: str | Path) -> str | None:
    """The parameters inside a PNG that `save_png` wrote, None where it has none. Raises StudioError for no PNG."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError
        with warnings.catch_warnings():
            # The pixels are not decoded here, so their number does not matter.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # of an animation that is odd
            with Image.open(path, formats=["PNG"]) as image:
                parameters = image.info.get(PARAMETERS_KEY)
    except FileNotFoundError as error:
        raise StudioError(f"There is no file {path}: check the name.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise StudioError(f"{path} is not a PNG: choose one that Prime Studio has saved.") from error
    if parameters is not None and len(parameters) > _MAX_PARAMETERS:
        raise StudioError(f"The parameters in {path} are too large to be true: choose another file.")
    return None if parameters is None else str(parameters)


def enlarge(image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Every pixel of (H, W, 3) as a square of `scale` pixels."""
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def viewing_scale(image: NDArray[np.uint8], least: int = 256) -> int:
    """The whole factor by which a small picture reaches `least` pixels; 1 for a large one."""
    return max(1, -(-least // max(image.shape[:2])))


class Drawn(Sequence[NDArray[np.uint8]]):
    """Pictures, each drawn when it is asked for: all those of a long run would fill the memory."""

    def __init__(self, draw: Sequence[Callable[[], NDArray[np.uint8]]]):
        self._draw = draw

    def __len__(self) -> int:
        return len(self._draw)

    def __getitem__(self, place: int) -> NDArray[np.uint8]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._draw[place]()


def save_timelapse(
    path: str | Path,
    frames: Sequence[NDArray[np.uint8]],
    fps: float | None = None,
    hold: float = 1.5,
    scale: int | None = None,
) -> None:
    """Write uint8 (H, W, 3) frames as animated .webp (lossless), .gif or .mp4, by the name's ending.

    Small frames are enlarged by `scale`, or to at least 256 pixels; the last one stays for `hold` seconds. fps: None
    takes about four seconds, at 4 to 25 frames a second. StudioError as `check_timelapse`.
    """
    if not frames:
        raise ValueError("a time-lapse needs at least one frame")
    scale = viewing_scale(frames[0]) if scale is None else scale
    fps = max(4, min(25, len(frames) / 4)) if fps is None else fps
    path = check_timelapse(path, frames[0], scale)
    durations = [round(1000 / fps)] * (len(frames) - 1) + [round(1000 * hold)]
    suffix = path.suffix.lower()
    if suffix == ".mp4":
        write_atomic(path, encode_mp4((_even(enlarge(frame, scale)) for frame in frames), durations))
        return
    film = _Film(frames, scale, colours=256 if suffix == ".gif" else None)
    with atomic_path(path) as temporary:
        # `lossless` concerns WebP alone; the GIF writer passes it by.
        film.save(temporary, save_all=True, duration=durations, loop=0, lossless=True)


class _Film(Image.Image):
    """Frames as Pillow's writers ask a file of several for them: each is made when its turn comes, and forgotten."""

    def __init__(self, frames: Sequence[NDArray[np.uint8]], scale: int, colours: int | None):
        super().__init__()
        self.n_frames = len(frames)
        self._frames, self._scale, self._colours = frames, scale, colours
        self.seek(0)

    def seek(self, frame: int) -> None:
        if frame >= self.n_frames:
            raise EOFError  # how a writer learns that there are no more
        image = Image.fromarray(np.ascontiguousarray(self._frames[frame]))
        if self._colours:
            image = image.quantize(self._colours, dither=Image.Dither.NONE)
        image = image.resize((image.width * self._scale, image.height * self._scale), Image.Resampling.NEAREST)
        self.im, self._mode, self._size, self.palette = image.im, image.mode, image.size, image.palette
        self._place = frame

    def tell(self) -> int:
        return self._place


def check_timelapse(path: str | Path, frame: NDArray[np.uint8], scale: int = 1) -> Path:
    """The path itself; StudioError where it cannot be written, or its kind of file holds no frame of that size."""
    path = check_suffix(path, TIMELAPSE_SUFFIXES)
    longest, side = _LONGEST[path.suffix.lower()], max(frame.shape[:2]) * scale
    if side > longest:
        raise StudioError(
            f"{path} cannot be written: its frames would be {side:,} pixels long, and this kind of file takes "
            f"{longest:,}. Choose another kind, fewer variations, or a smaller picture."
        )
    return path


def _even(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Video has even sides: repeat the last row or column of an odd one."""
    return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")


def contact_grid(
    images: Sequence[NDArray[np.uint8]], columns: int | None = None, gap: int = 2, scale: int = 1
) -> NDArray[np.uint8]:
    """Pictures of one size side by side on white, `columns` in a row (about a square if None): uint8 (H, W, 3)."""
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    height, width = images[0].shape[0] * scale, images[0].shape[1] * scale
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, dtype=np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = enlarge(image, scale)
    return sheet


def save_strip(path: str | Path, frames: Sequence[NDArray[np.uint8]], scale: int = 1) -> None:
    """Write the frames, uint8 (H, W, 3), side by side in one row as a PNG. StudioError where it cannot be written."""
    save_png(path, contact_grid(frames, columns=len(frames), scale=scale))


def save_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text exactly as it is; a file that begins with a byte order mark keeps it."""
    check_writable(path)  # a pipe, which would be waited for, is refused
    write_atomic(path, text.encode("utf-8-sig" if _has_byte_order_mark(path) else "utf-8"))


def _has_byte_order_mark(path: str | Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    except OSError:
        return False


def save_json(path: str | Path, value: object) -> None:
    """Write a value as readable JSON."""
    write_atomic(path, (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode())
