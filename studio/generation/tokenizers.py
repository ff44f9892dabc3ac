"""The tokenizers of a bundle, loaded once; the tokenizers library itself only for texts."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import StudioError
from studio.media.images import ImageTokenizer, image_tokenizer

if TYPE_CHECKING:
    from studio.media.textplan import Parts, TextPlan
    from studio.media.texts import TextTokenizer
    from studio.prime.subtokens import Subtokens
    from studio.runtime.bundle import Bundle


@lru_cache(maxsize=4)
def _picture_tokenizer(kind: str, grid: tuple[int, int], file: Path | None, digest: str) -> ImageTokenizer:
    return image_tokenizer(kind, grid, file)


def picture_tokenizer(bundle: "Bundle") -> ImageTokenizer:
    """The tokenizer of a picture model. StudioError for a text model."""
    manifest = bundle.manifest
    if manifest.modality != "image":
        raise StudioError(f"{bundle.name} is a model for texts: choose one for pictures with --model.")
    height, width = manifest.grid
    name = manifest.tokenizer.file
    return _picture_tokenizer(
        manifest.tokenizer.kind, (height, width), bundle.file(name) if name else None, bundle.digest
    )


def text_tokenizer(bundle: "Bundle") -> "TextTokenizer":
    """The tokenizer of a text model. StudioError for a picture model."""
    name = bundle.manifest.tokenizer.file
    if bundle.manifest.modality != "text" or name is None:
        raise StudioError(f"{bundle.name} is a model for pictures: choose one for texts with --model.")
    return _text_tokenizer(bundle.file(name), bundle.digest)


@lru_cache(maxsize=4)
def _text_tokenizer(file: Path, digest: str) -> "TextTokenizer":
    from studio.media.texts import TextTokenizer

    return TextTokenizer(file)


def text_plan(bundle: "Bundle", text: "str | Parts") -> "TextPlan":
    """The text with its gaps laid out for the model, made once for the same text. StudioError as `plan_text` raises."""
    # By its parts, so that a text and the same text in parts are laid out once.
    parts = _parts(text) if isinstance(text, str) else tuple(text)
    return _text_plan(parts, text_tokenizer(bundle), bundle.subtokens, bundle.num_tokens)


@lru_cache(maxsize=8)
def _parts(text: str) -> "tuple[str | int, ...]":
    from studio.media.textplan import parse_gaps

    return tuple(parse_gaps(text))


@lru_cache(maxsize=8)
def _text_plan(
    parts: "tuple[str | int, ...]", tokenizer: "TextTokenizer", subtokens: "Subtokens", num_tokens: int
) -> "TextPlan":
    from studio.media.textplan import plan_text

    return plan_text(parts, tokenizer, subtokens, num_tokens)
