"""From a request to its frames and its result."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError
from studio.generation.building import check
from studio.generation.request import GenerationRequest, PictureSource, TextSource, inside
from studio.generation.tokenizers import picture_tokenizer, text_plan, text_tokenizer
from studio.media.frames import WorkingFrame, stitch
from studio.prime.sampling import Frame, sample

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle

Denoiser = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]


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
    windows = _Windows(denoise, request.source, bundle) if isinstance(request.source, TextSource) else None
    frames = sample(
        windows or denoise,
        bundle.subtokens,
        np.repeat(given[None], len(request.seeds), axis=0),
        steps=request.steps,
        seeds=request.seeds,
        schedule=request.schedule,
        policy=request.policy,
        granularity=request.granularity,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        remask=request.remask,
        draw=request.draw,
        temperature_slope=request.temperature_slope,
        warp=request.warp,
        corrector=request.corrector,
    )

    def stream() -> Generator[Frame, None, None]:
        with closing(frames):
            try:
                for frame in frames:
                    yield frame if windows is None else replace(frame, calls=windows.calls)
            except ValueError as error:  # the request was checked, so it is the network that failed
                raise StudioError(f"The model {bundle.name} does not work: {error}; import it again.") from error

    return stream()


class _Windows:
    """A denoiser for the windows of a text side by side: each is shown to the network on its own, and a token
    that must begin a word gets only pieces that do."""

    def __init__(self, denoise: Denoiser, source: TextSource, bundle: "Bundle"):
        self.denoise = denoise
        self.subtokens = bundle.subtokens
        self.edges = np.concatenate([[0], np.cumsum(source.windows)])
        plan = text_plan(bundle, source.text)
        if tuple(len(window.y) for window in plan.windows) != source.windows:
            raise StudioError("The windows of this text are no longer laid out so: make the request again.")
        self.allowed = {
            int(start) + position: classes
            for start, window in zip(self.edges, plan.windows, strict=False)
            for position, classes in window.allowed
        }
        self.calls = 0

    def __call__(self, y: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        samples, positions = np.divmod(rows, y.shape[1])
        owners = np.searchsorted(self.edges, positions, side="right") - 1
        logits = np.empty((len(rows), self.subtokens.vocab_size), dtype=np.float32)
        for owner in np.unique(owners):
            start, stop = self.edges[owner : owner + 2]
            here = owners == owner
            shown, local = np.unique(samples[here], return_inverse=True)
            logits[here] = self.denoise(y[shown, start:stop], local * (stop - start) + positions[here] - start)
            self.calls += 1
        for row, position in enumerate(positions):
            classes = self.allowed.get(int(position))
            # A digit that the user pinned may leave no such class; then the pin counts.
            if classes is not None and (classes & self.subtokens.compatible(y[samples[row], position])).any():
                logits[row, ~classes] = -np.inf
        return logits


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


def texts_of(request: GenerationRequest, bundle: "Bundle", y: NDArray[np.int64]) -> list[str]:
    """States (B, L, ℓ), whole or partial, as texts: "░" for an unknown token, ‹n› for one of n that it can be."""
    from studio.media.texts import rough_text

    masked = (y == bundle.subtokens.mask_id).any()
    source, tokenizer = request.source, text_tokenizer(bundle)
    if not isinstance(source, TextSource):
        if masked:
            return ["".join(rough_text(sample, bundle.subtokens, tokenizer)) for sample in y]
        return [tokenizer.decode(tokens).strip("\n") for tokens in bundle.subtokens.decode(y)]
    plan, edges = text_plan(bundle, source.text), np.cumsum(source.windows)[:-1]
    if masked:
        return [plan.rough(np.split(sample, edges), bundle.subtokens) for sample in y]
    return [plan.assemble(np.split(tokens, edges)) for tokens in bundle.subtokens.decode(y)]


def text_pieces(request: GenerationRequest, bundle: "Bundle", y: NDArray[np.int64]) -> list[tuple[str, bool]]:
    """One filled text, y (L, ℓ), in pieces: each with whether it was made (True) or given."""
    assert isinstance(request.source, TextSource)
    text = texts_of(request, bundle, y[None])[0]
    plan = text_plan(bundle, request.source.text)
    rows = np.split(bundle.subtokens.decode(y), np.cumsum(request.source.windows)[:-1])
    gaps = (row[a:b] for row, window in zip(rows, plan.windows, strict=True) for a, b in window.gaps)
    pieces, position = [], 0
    for part in plan.parts:
        if isinstance(part, int):
            fill = plan.tokenizer.decode(next(gaps))
            # Where the user wrote the space before a gap, the fill comes without its own.
            piece = fill if text.startswith(fill, position) else fill[1:]
        else:
            piece = part
        pieces.append((piece, isinstance(part, int)))
        position += len(piece)
    return pieces


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
