"""GenerationRequest: all that a result depends on, frozen, comparable and storable."""

import base64
import zlib
from functools import lru_cache
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from studio.errors import StudioError, digits
from studio.media.frames import WorkingFrame
from studio.prime.policies import NO_CORRECTOR
from studio.prime.schedules import NO_WARP, Triple
from studio.runtime.bundle import Corrector, Draw, Slope, Warp
from studio.runtime.format import MAX_PIXEL_DIGITS

Seed = Annotated[int, Field(ge=0, lt=2**64)]

MAX_ELEMENTS = 1 << 26
"""Values that a packed array may hold: a request may come from a stranger's PNG."""
_PIECE = 1 << 20
"""Bytes that are inflated at once to count them."""
_MOST_TOKENS, _MOST_DIGITS = 1 << 16, 64
"""Of any model, as its manifest bounds them."""
_LARGEST_GRID = 1 << 8
"""Side of the largest square of so many tokens: a frame may be larger than a picture that is smaller than it."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PackedArray(_Model):
    """Whole numbers as text: little-endian 32-bit, zlib, base64. Under one version of zlib equal arrays give equal
    text."""

    shape: tuple[int, ...]
    data: str

    @classmethod
    def pack(cls, array: NDArray) -> "PackedArray":
        raw = np.ascontiguousarray(array, dtype="<u4").tobytes()
        return cls(shape=array.shape, data=base64.b64encode(zlib.compress(raw, 9)).decode("ascii"))

    @model_validator(mode="after")
    def _check(self) -> "PackedArray":
        """The data is counted piece by piece: it is not to fill the memory before its shape is found to be one that
        fits its place."""
        if any(side < 0 for side in self.shape) or np.prod(self.shape, dtype=object) > MAX_ELEMENTS:
            raise ValueError(f"no array has the shape {self.shape}")
        left, inflate, rest = 4 * int(np.prod(self.shape)), zlib.decompressobj(), self._packed()
        try:
            while left >= 0 and (piece := inflate.decompress(rest, _PIECE)):
                left, rest = left - len(piece), inflate.unconsumed_tail
        except zlib.error as error:
            raise ValueError("the packed data is damaged") from error
        if left:
            raise ValueError(f"the packed data does not fill the shape {self.shape}")
        return self

    def unpack(self) -> NDArray[np.int64]:
        """The array, int64."""
        return self._values().astype(np.int64)

    @lru_cache(maxsize=2)  # noqa: B019 - of a large picture, whose mask every frame asks for, it takes a while
    def nonzero(self) -> NDArray[np.bool_]:
        """Where the array is not 0: read-only."""
        where = self._values() != 0
        where.setflags(write=False)
        return where

    def _values(self) -> NDArray[np.uint32]:
        """The array, not to be written to."""
        size = 4 * int(np.prod(self.shape))
        raw = zlib.decompressobj().decompress(self._packed(), size + 1)
        return np.frombuffer(raw, "<u4").reshape(self.shape)

    def _packed(self) -> bytes:
        return base64.b64decode(self.data, validate=True)


class PictureSource(_Model):
    """Where in a picture the model works: picture size, frame (x, y, size) and the mask inside the frame.

    planes: the digit places to fill, None for all; or plane_bits, for each pixel inside the frame: bit j for place j.
    What does not fit together is refused, for a request may come from a stranger's PNG: what is made of a source takes
    no more memory than its picture does.
    """

    kind: Literal["picture"] = "picture"
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frame: tuple[int, int, int]
    mask: PackedArray
    planes: tuple[Annotated[int, Field(ge=0, lt=MAX_PIXEL_DIGITS)], ...] | None = None
    plane_bits: PackedArray | None = None

    @model_validator(mode="after")
    def _fits(self) -> "PictureSource":
        rows, columns = inside(WorkingFrame(*self.frame), self.width, self.height)
        shape = rows.stop - rows.start, columns.stop - columns.start
        if not 0 < self.frame[2] <= max(self.width, self.height, _LARGEST_GRID) or min(shape) < 1:
            raise ValueError(f"its frame does not fit a picture of {self.width}×{self.height} pixels")
        if self.mask.shape != shape:
            raise ValueError("its mask does not fit its frame")
        if self.plane_bits is not None:
            if self.plane_bits.shape != shape:
                raise ValueError("its digits for each pixel do not fit its frame")
            if self.plane_bits.unpack().max() >> MAX_PIXEL_DIGITS:
                raise ValueError(f"its digits for each pixel have places from {MAX_PIXEL_DIGITS} on")
        return self

    def part_mask(self) -> NDArray[np.bool_]:
        """The mask inside the frame, bool (h, w), read-only. StudioError where it does not fit its frame."""
        part = self.mask.nonzero()
        rows, columns = inside(WorkingFrame(*self.frame), self.width, self.height)
        if part.shape != (rows.stop - rows.start, columns.stop - columns.start):
            raise StudioError("The stored request is damaged: its mask does not fit its frame.")
        return part

    def full_mask(self) -> NDArray[np.bool_]:
        """The mask at the size of the picture, bool (H, W). StudioError where it does not fit its frame."""
        mask = np.zeros((self.height, self.width), dtype=bool)
        mask[inside(WorkingFrame(*self.frame), self.width, self.height)] = self.part_mask()
        return mask


class TextSource(_Model):
    """A text with gaps as its user wrote it, and how many tokens each window of it has (`plan_text`).

    parts: given text and the lengths of gaps in order; None where `text`, with its gaps written [[6]], says the same.
    """

    kind: Literal["text"] = "text"
    text: str
    windows: Annotated[tuple[int, ...], Field(min_length=1)]
    parts: tuple[str | Annotated[int, Field(ge=1)], ...] | None = None

    @property
    def content(self) -> str | tuple[str | int, ...]:
        """What `plan_text` takes."""
        return self.text if self.parts is None else self.parts


class FreeSource(_Model):
    """Nothing is given."""

    kind: Literal["free"] = "free"


class GenerationRequest(_Model):
    """All that a result depends on; the same request on the same provider makes the same result bit for bit.

    `given` is the start state (L, ℓ), the same for every seed; sample i is made from seeds[i]. The windows of a
    long text stand in it one after the other. Device and progress are no part of it.
    """

    version: Literal[1] = 1
    model: str
    digest: str
    source: Annotated[PictureSource | TextSource | FreeSource, Field(discriminator="kind")]
    given: PackedArray
    steps: int = Field(ge=1, le=100_000)
    schedule: str
    policy: str
    granularity: int = Field(ge=1)
    temperature: float = Field(ge=0, le=100)
    top_p: float = Field(gt=0, le=1)
    top_k: int = Field(ge=0)
    remask: float = Field(ge=0, le=1)
    # Added after version 1 shipped; the defaults reproduce older requests.
    draw: Draw = "joint"
    temperature_slope: Slope = (0.0, 1.0)
    warp: Warp = NO_WARP
    corrector: Corrector = NO_CORRECTOR
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=4096)

    @model_validator(mode="after")
    def _can_be_given(self) -> "GenerationRequest":
        shape, most = self.given.shape, MAX_ELEMENTS if isinstance(self.source, TextSource) else _MOST_TOKENS
        if len(shape) != 2 or shape[0] > most or shape[1] > _MOST_DIGITS:
            raise ValueError(f"no model begins with an array of the shape {shape}")
        return self

    @model_validator(mode="after")
    def _one_way_to_mask_again(self) -> "GenerationRequest":
        if self.remask and self.corrector[0]:
            raise ValueError("remask and corrector both mask again: set one of them to 0 or off")
        return self

    def options(self) -> dict[str, Any]:
        """The `Options`, as `sample` takes them."""
        return {name: getattr(self, name) for name in Options.__annotations__}

    @classmethod
    def from_json(cls, text: str) -> "GenerationRequest":
        """Read what `model_dump_json` wrote. StudioError where it is no request of this version."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise StudioError(f"The stored request cannot be read: {first_problem(error)}.") from error


class Options(TypedDict, total=False):
    """Sampling options; what is left out or None comes from the model's defaults."""

    steps: int | None
    schedule: str | None
    policy: str | None
    granularity: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    remask: float | None
    draw: str | None
    temperature_slope: tuple[float, float] | None
    warp: Triple | None
    corrector: Triple | None


_LIMITS = {  # of pydantic's kinds of errors: what must be, and the number in it
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "finite_number": ("a finite number", ""),
    "int_type": ("a whole number", ""),
    "int_parsing": ("a whole number", ""),
    "int_from_float": ("a whole number", ""),
    "float_type": ("a number", ""),
    "float_parsing": ("a number", ""),
}


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, as "field must be what, not value"."""
    first = error.errors(include_url=False)[0]
    place, what = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    got = f", not {digits(first['input']):.40}" if isinstance(first["input"], int | float) else ""
    if words := _LIMITS.get(first["type"]):
        limit = first.get("ctx", {}).get(words[1])
        return f"{place} must be {words[0]}{'' if limit is None else f' {digits(limit)}'}{got}"
    return f"{place}: {what[:1].lower()}{what[1:]}{got}" if place else what


def inside(frame: WorkingFrame, width: int, height: int) -> tuple[slice, slice]:
    """The part of the picture that the frame covers, as rows and columns."""
    rows = slice(min(max(frame.y, 0), height), max(min(frame.y + frame.size, height), 0))
    return rows, slice(min(max(frame.x, 0), width), max(min(frame.x + frame.size, width), 0))
