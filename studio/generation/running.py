"""From a request to its frames and its result."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.generation.building import check
from studio.generation.request import GenerationRequest, PictureSource, TextSource, inside
from studio.generation.texts import TextWindows, texts_of
from studio.generation.tokenizers import picture_tokenizer
from studio.media.frames import WorkingFrame, stitch
from studio.prime.sampling import Denoiser, Frame, sample

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle


@dataclass(frozen=True, eq=False)
class Result:
    """What was made. pictures: uint8 (B, H, W, 3) or None. texts: one a sample, or None. confidence: float32 (B, L),
    the probability of the class drawn when a token was last revealed, NaN where it was given."""

    request: GenerationRequest
    y: NDArray[np.int64]
    pictures: NDArray[np.uint8] | None
    texts: list[str] | None
    confidence: NDArray[np.float32]
    calls: int
    seconds: float
    provider: str


def generate(request: GenerationRequest, bundle: "Bundle", denoise: Denoiser) -> Generator[Frame, None, None]:
    """Check the request, then return the stream of its frames; y is (B, L, ℓ), B = number of seeds."""
    check(request, bundle)
    given = request.given.unpack()
    windows = TextWindows(denoise, request.source, bundle) if isinstance(request.source, TextSource) else None
    frames = sample(
        windows or denoise,
        bundle.subtokens,
        np.repeat(given[None], len(request.seeds), axis=0),
        seeds=request.seeds,
        **request.options(),
    )

    def stream() -> Generator[Frame, None, None]:
        with closing(frames):
            try:
                for frame in frames:
                    yield frame if windows is None else replace(frame, calls=windows.calls)
            except ValueError as error:  # the request was checked, so it is the network that failed
                raise StudioError(f"The model {bundle.name} does not work: {error}; import it again.") from error

    return stream()


def pictures_of(
    request: GenerationRequest, bundle: "Bundle", y: NDArray[np.int64], picture: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """States (B, L, ℓ), whole or partial, as pictures uint8 (B, H, W, 3): a partly known pixel is the middle of the
    colours it can still be. Into a PictureSource they are stitched; `picture` is its picture, uint8 (H, W, 3)."""
    source = request.source
    if not isinstance(source, PictureSource):
        return picture_tokenizer(bundle).rough(y, bundle.subtokens)
    parts = parts_of(request, bundle, y, picture)
    assert picture is not None
    whole = np.repeat(picture[None], len(parts), axis=0)
    rows, columns = inside(WorkingFrame(*source.frame), source.width, source.height)
    whole[:, rows, columns] = parts
    return whole


def parts_of(
    request: GenerationRequest, bundle: "Bundle", y: NDArray[np.int64], picture: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """`pictures_of` a PictureSource, but only what lies inside its frame: uint8 (B, h, w, 3), the pixels of
    `inside`. Costs no more for a larger picture."""
    source = request.source
    if not isinstance(source, PictureSource) or picture is None or picture.shape != (source.height, source.width, 3):
        size = f" of {source.width}×{source.height} pixels" if isinstance(source, PictureSource) else ""
        raise StudioError(f"This request belongs to a picture{size}.")
    frame = WorkingFrame(*source.frame)
    part = picture[inside(frame, source.width, source.height)]
    here = WorkingFrame(min(frame.x, 0), min(frame.y, 0), frame.size)
    mask = source.part_mask()
    return np.stack(
        [stitch(part, filled, mask, here) for filled in picture_tokenizer(bundle).rough(y, bundle.subtokens)]
    )


def finish(
    request: GenerationRequest,
    bundle: "Bundle",
    last: Frame,
    *,
    picture: NDArray[np.uint8] | None = None,
    seconds: float = 0.0,
    provider: str = "",
) -> Result:
    """The result that the last frame holds. StudioError where the request does not fit what it is put into."""
    image = bundle.manifest.modality == "image"
    nothing = np.full(last.y.shape[:2], np.nan, dtype=np.float32)
    return Result(
        request=request,
        y=last.y,
        pictures=pictures_of(request, bundle, last.y, picture) if image else None,
        texts=None if image else texts_of(request, bundle, last.y),
        confidence=nothing if last.confidence is None else last.confidence,
        calls=last.calls,
        seconds=seconds,
        provider=provider,
    )
