"""A result as a PNG with its request inside, and back: the one way for window, library and command line."""

import json
from pathlib import Path
from typing import Any

from studio import __version__
from studio.errors import StudioError
from studio.generation.request import GenerationRequest, PictureSource
from studio.generation.running import Result
from studio.media.export import read_parameters, save_png
from studio.media.images import Picture

_MAX_JSON = 256_000_000  # characters; every step of a few long drafts has tens of millions


def parameters_of(request: GenerationRequest, index: int, provider: str) -> dict[str, Any]:
    """JSON metadata stored with sample `index` of what `provider` made: enough to reproduce it."""
    return {
        "program": f"prime-studio {__version__}",
        "provider": provider,
        "variation": index,
        "request": request.model_dump(mode="json"),
    }


def filled_picture(result: Result, index: int, picture: Picture | None = None) -> Picture:
    """Sample `index` of a picture result; what `picture`, which it was made into, holds outside the mask stays."""
    assert result.pictures is not None
    source, made = result.request.source, result.pictures[index]
    if picture is None or not isinstance(source, PictureSource):
        return Picture(made)
    filled = picture.filled(made, source.full_mask())
    opaque = filled.alpha is None or bool((filled.alpha == 255).all())
    return Picture(filled.stored) if opaque else filled


def save_picture(path: str | Path, result: Result, index: int, picture: Picture | None = None) -> None:
    """Write `filled_picture` as a PNG with its request inside. StudioError where it cannot be written."""
    filled, parameters = filled_picture(result, index, picture), parameters_of(result.request, index, result.provider)
    save_png(path, filled.stored, json.dumps(parameters), filled.alpha)


def read_request(path: str | Path) -> tuple[GenerationRequest, int, str]:
    """The request in a saved PNG, which of its samples the picture is, and the provider that made it."""
    text = read_parameters(path)
    if text is None:
        raise StudioError(f"{path} holds no request: choose a PNG that Prime Studio has saved of a finished run.")
    return _parse(path, text)[:3]


def read_text_request(path: str | Path) -> tuple[GenerationRequest, int, str]:
    """The request in a JSON file of a text, which of its samples the text is, and the text itself; of a file with every
    step of several drafts it is the first."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            content = file.read(_MAX_JSON + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise StudioError(f"{path} cannot be read: choose a text that Prime Studio has saved as JSON.") from error
    if len(content) > _MAX_JSON:
        limit = f"{_MAX_JSON // 1_000_000} million characters"
        raise StudioError(f"{path} has more than {limit}: choose a text saved with fewer drafts or steps.")
    request, variation, _, everything = _parse(path, content)
    text, drafts = everything.get("text"), everything.get("texts")
    if not text and isinstance(drafts, list) and drafts:
        text = drafts[0]
    if not isinstance(text, str):
        raise StudioError(f"{path} holds no text: choose one that Prime Studio has saved as JSON.")
    return request, variation, text


def _parse(path: str | Path, text: str) -> tuple[GenerationRequest, int, str, dict[str, Any]]:
    try:
        parameters = json.loads(text)
        request = GenerationRequest.from_json(json.dumps(parameters["request"]))
        variation, provider = int(parameters.get("variation", 0)), str(parameters.get("provider", ""))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise StudioError(f"The request in {path} is damaged: choose another file.") from error
    if not 0 <= variation < len(request.seeds):
        raise StudioError(f"The request in {path} is damaged: choose another file.")
    return request, variation, provider, parameters
