"""Requests from what people have: a picture with a mask, a text with gaps, or nothing."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from studio.errors import StudioError, digits
from studio.generation.request import (
    FreeSource,
    GenerationRequest,
    Options,
    PackedArray,
    PictureSource,
    TextSource,
    first_problem,
    inside,
)
from studio.generation.texts import laid_out
from studio.generation.tokenizers import picture_tokenizer, text_plan
from studio.media.frames import WorkingFrame, crop, crop_planes, frame_around, given_state
from studio.prime.policies import NO_CORRECTOR, POLICIES, from_nothing
from studio.prime.schedules import SCHEDULES, is_schedule
from studio.runtime.format import MAX_PIXEL_DIGITS

if TYPE_CHECKING:
    from studio.media.textplan import Parts
    from studio.runtime.bundle import Bundle


def picture_request(
    bundle: "Bundle",
    picture: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    *,
    frame: WorkingFrame | None = None,
    planes: Sequence[int] | NDArray[np.integer] | None = None,
    seeds: Sequence[int] = (0,),
    **options: Unpack[Options],
) -> GenerationRequest:
    """Fill the masked part, bool (H, W), of a picture, uint8 (H, W, 3); the frame is the square around the mask
    unless given, `planes` the digit places to fill (all), or for each pixel, integers (H, W), which: bit j for place j.
    StudioError for what the model cannot do."""
    tokenizer = picture_tokenizer(bundle)
    _check_arrays(picture, mask, planes, bundle.subtokens.length)
    height, width = mask.shape
    frame = frame or frame_around(mask, tokenizer.height)
    if not mask[inside(frame, width, height)].size:
        raise StudioError(f"The frame {frame.x},{frame.y},{frame.size} lies beside the picture: move it.")
    _check_frame(bundle, frame.size, width, height)
    square, cells = crop(picture, mask, frame, tokenizer.height)
    tokens, token_mask, bits = tokenizer.encode(square), tokenizer.token_mask(cells), None
    if isinstance(planes, np.ndarray):
        bits = np.where(mask, planes, 0).astype(np.uint32)
        of_cells = crop_planes(bits, frame, tokenizer.height)
        order = range(bundle.subtokens.length)
        chosen = np.stack([tokenizer.token_mask((of_cells >> place) & 1 > 0) for place in order], axis=1)
        given, planes = given_state(tokens, token_mask, bundle.subtokens, chosen), None
    else:
        given = given_state(tokens, token_mask, bundle.subtokens, planes)
    here = inside(frame, width, height)
    source = PictureSource(
        width=width,
        height=height,
        frame=(frame.x, frame.y, frame.size),
        mask=PackedArray.pack(mask[here]),
        planes=None if planes is None else tuple(planes),
        plane_bits=None if bits is None else PackedArray.pack(bits[here]),
    )
    return _request(bundle, source, given, seeds, options)


def _check_arrays(
    picture: NDArray, mask: NDArray, planes: Sequence[int] | NDArray[np.integer] | None, length: int
) -> None:
    """StudioError where they are not what `picture_request` takes."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        got = f"{picture.dtype} of the shape {picture.shape}"
        raise StudioError(f"A picture is uint8 of the shape (height, width, 3), not {got}: turn it into RGB first.")
    if mask.dtype != np.bool_ or mask.shape != picture.shape[:2]:
        got = f"{mask.dtype} of the shape {mask.shape}"
        raise StudioError(f"The mask of this picture is bool of the shape {picture.shape[:2]}, not {got}.")
    if isinstance(planes, np.ndarray):
        if planes.dtype.kind not in "iu" or planes.shape != mask.shape:
            got = f"{planes.dtype} of the shape {planes.shape}"
            raise StudioError(f"Digits for each pixel are integers of the shape {mask.shape}, not {got}.")
        if planes.size and not 0 <= planes.min() <= planes.max() < 1 << MAX_PIXEL_DIGITS:
            raise StudioError(f"Digits for each pixel are bits for the places 0 … {MAX_PIXEL_DIGITS - 1}, no others.")
    elif not set(planes or ()) <= set(range(length)):
        raise StudioError(f"The model's digits have the places 0 … {length - 1}, not {list(planes or ())}.")


def text_request(
    bundle: "Bundle",
    text: "str | Parts",
    *,
    kept: Sequence[Mapping[int, int]] | None = None,
    seeds: Sequence[int] = (0,),
    **options: Unpack[Options],
) -> GenerationRequest:
    """Fill the gaps of a text of any length. StudioError for what cannot be filled.

    text: with gaps written [[6]] for six tokens, or given text and lengths of gaps in order, of which the text may
    then have such marks of its own. kept: for each gap the tokens in it that are given too, by their place.
    """
    from studio.media.textplan import join_gaps, marks_suffice

    plan = text_plan(bundle, text)
    written = text if isinstance(text, str) else join_gaps(text)
    source = TextSource(
        text=written,
        windows=tuple(len(window.y) for window in plan.windows),
        parts=None if isinstance(text, str) or marks_suffice(plan.parts) else plan.parts,
    )
    given = np.concatenate([window.y for window in plan.windows])
    for place, tokens in zip(plan.positions, kept or [{}] * len(plan.positions), strict=True):
        for index, token in tokens.items():
            given[place][index] = bundle.subtokens.encode(token)
    return _request(bundle, source, given, seeds, options)


def branch_request(
    request: GenerationRequest,
    bundle: "Bundle",
    given: NDArray[np.int64],
    *,
    mask: NDArray[np.bool_] | None = None,
    seeds: Sequence[int] | None = None,
    **options: Unpack[Options],
) -> GenerationRequest:
    """Go on from a state (L, ℓ) of a run of `request`, edited or not: what is known in it is given now.

    mask: for a picture whose hole has grown, bool (H, W); it must lie inside the frame. Seeds and options that are
    left out are those of `request`. StudioError for what the model cannot do.
    """
    source = request.source
    if mask is not None and isinstance(source, PictureSource):
        frame = WorkingFrame(*source.frame)
        part = mask[inside(frame, source.width, source.height)]
        source = source.model_copy(update={"mask": PackedArray.pack(part)})
    chosen = request.options() | {name: value for name, value in options.items() if value is not None}
    return _request(bundle, source, given, request.seeds if seeds is None else seeds, cast(Options, chosen))


def free_request(
    bundle: "Bundle", seeds: Sequence[int], *, num_tokens: int | None = None, **options: Unpack[Options]
) -> GenerationRequest:
    """Make one sample a seed from nothing; `num_tokens` makes shorter texts. StudioError for impossible options."""
    num_tokens = bundle.num_tokens if num_tokens is None else num_tokens
    if not 1 <= num_tokens <= bundle.num_tokens:
        raise StudioError(f"{bundle.name} makes 1 to {bundle.num_tokens} tokens, not {digits(num_tokens)}.")
    given = np.full((num_tokens, bundle.subtokens.length), bundle.subtokens.mask_id)
    return _request(bundle, FreeSource(), given, seeds, options)


def _request(
    bundle: "Bundle",
    source: PictureSource | TextSource | FreeSource,
    given: NDArray[np.int64],
    seeds: Sequence[int],
    options: Options,
) -> GenerationRequest:
    chosen = chosen_options(bundle, given, options)
    fixed = {"model": bundle.name, "digest": bundle.digest, "source": source, "given": PackedArray.pack(given)}
    try:
        request = GenerationRequest.model_validate(fixed | chosen | {"seeds": tuple(seeds)})
    except ValidationError as error:
        raise StudioError(f"Cannot make this: {first_problem(error)}.") from error
    check(request, bundle)
    return request


def chosen_options(bundle: "Bundle", given: NDArray[np.int64], options: Options) -> dict[str, Any]:
    """Every sampling option of a run that starts from `given` (L, ℓ): those chosen, and the model's for the rest.

    What suits a hole does not suit a picture with nothing given: its defaults are `from_nothing`.
    """
    defaults = bundle.manifest.defaults.model_dump()
    if bundle.manifest.modality == "image" and (given == bundle.subtokens.mask_id).all():
        defaults |= from_nothing(defaults["policy"])
    chosen: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    # Of the two ways to mask again, the one that was chosen takes the place of the model's.
    if chosen.get("remask") and "corrector" not in chosen:
        defaults["corrector"] = NO_CORRECTOR
    if chosen.get("corrector", NO_CORRECTOR)[0] and "remask" not in chosen:
        defaults["remask"] = 0.0
    return defaults | chosen


def check_granularity(bundle: "Bundle", granularity: int) -> None:
    """StudioError unless the model was trained for it."""
    if granularity not in bundle.manifest.granularities:
        trained = ", ".join(map(str, bundle.manifest.granularities))
        raise StudioError(f"{bundle.name} was not trained for granularity {granularity}: use one of {trained}.")


def _check_frame(bundle: "Bundle", size: int, width: int, height: int) -> None:
    grid = picture_tokenizer(bundle).height
    if not grid <= size <= max(grid, width, height):
        raise StudioError(f"{bundle.name} cannot work on a frame of {size} pixels.")


def _check_picture(bundle: "Bundle", source: PictureSource) -> None:
    """StudioError unless the model can work in such a frame and has the digits to be filled."""
    _check_frame(bundle, source.frame[2], source.width, source.height)
    length = bundle.subtokens.length
    wrong = not set(source.planes or ()) <= set(range(length))
    if wrong or (source.plane_bits is not None and not (source.plane_bits.unpack() & ((1 << length) - 1)).any()):
        raise StudioError(f"{bundle.name} has no such digits to fill: its own are the places 0 … {length - 1}.")


def check(request: GenerationRequest, bundle: "Bundle") -> None:
    """StudioError unless the model is the very one of the request and can do what it asks."""
    manifest, subtokens = bundle.manifest, bundle.subtokens
    if request.digest != bundle.digest:
        raise StudioError(
            f"This was made with another version of the model {request.model}, so it cannot be made again: "
            "install the version that made it."
        )
    check_granularity(bundle, request.granularity)
    if not is_schedule(request.schedule):
        raise StudioError(f"Unknown schedule {request.schedule!r}: use one of {', '.join(SCHEDULES)}.")
    if request.policy not in POLICIES:
        raise StudioError(f"Unknown policy {request.policy!r}: use one of {', '.join(POLICIES)}.")
    if {"picture": "image", "text": "text"}.get(request.source.kind, manifest.modality) != manifest.modality:
        raise StudioError(f"{bundle.name} is a model for {manifest.modality}s: choose another with --model.")
    lengths = request.source.windows if isinstance(request.source, TextSource) else request.given.shape[:1]
    fits = all(0 < n <= bundle.num_tokens if manifest.modality == "text" else n == bundle.num_tokens for n in lengths)
    if not fits or request.given.shape != (sum(lengths), subtokens.length):
        raise StudioError(
            f"{bundle.name} takes {bundle.num_tokens} tokens of {subtokens.length} digits, not "
            f"{' by '.join(map(str, request.given.shape))}."
        )
    if isinstance(request.source, PictureSource):
        _check_picture(bundle, request.source)
    elif isinstance(request.source, TextSource):
        laid_out(request.source, bundle)
    given = request.given.unpack()
    if given.max() > subtokens.mask_id or not subtokens.nameable(given).all():
        raise StudioError(f"The start state names tokens that {bundle.name} does not know.")
    if not (given == subtokens.mask_id).any():
        raise StudioError("Nothing to fill: no sub-token is masked.")
