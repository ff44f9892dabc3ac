"""What the gallery says of an item, in words."""

from collections.abc import Sequence
from datetime import datetime

from studio.generation import GenerationRequest
from studio.library import Item
from studio.ui.inspector.words import policy_name


def rows(item: Item, request: GenerationRequest) -> list[tuple[str, str]]:
    """What an item was made with, as name and value."""
    made = datetime.fromtimestamp(item.created)
    found = [
        ("Model", item.model),
        ("Made", f"{made.day} {made:%B %Y, %H:%M}"),
        ("Seed", str(item.seed)),
        ("Granularity ℓ", str(request.granularity)),
        ("Steps", f"{request.steps} {request.schedule}"),
        ("Order", policy_name(request.policy)),
        ("Temperature", f"{request.temperature:g}"),
        ("Top-p", f"{request.top_p:g}"),
        ("Top-k", str(request.top_k)),
        ("Remasking", f"{100 * request.remask:g} %"),
        ("Cost", f"{item.calls} calls, {item.seconds:.1f} s on {item.provider}"),
    ]
    if item.kind == "picture":
        found.insert(2, ("Size", f"{item.width} × {item.height} pixels"))
    # Of the samplers that were published; most requests have them as they were before there were any.
    plain = type(request).model_fields
    for name, words in (
        ("draw", "Draw"),
        ("temperature_slope", "Temperature slope"),
        ("warp", "Time warp"),
        ("corrector", "Corrector"),
    ):
        value = getattr(request, name)
        if value != plain[name].default:
            found.append((words, value if isinstance(value, str) else ", ".join(f"{number:g}" for number in value)))
    if len(request.seeds) > 1:
        found.append(("Variation", f"{item.variation + 1} of {len(request.seeds)}"))
    usual = {("Top-p", "1"), ("Top-k", "0"), ("Remasking", "0 %")}
    return [row for row in found if row not in usual]


def made_spans(given: Sequence[str], text: str) -> list[tuple[int, int]]:
    """Where in a text the parts are that were made, as (start, end), from what was given around the gaps."""
    spans, place = [], 0
    for number, piece in enumerate(given):
        last = number == len(given) - 1
        found = (len(text) - len(piece) if last else text.find(piece, place)) if number else 0
        if found < place or text[found : found + len(piece)] != piece:
            return spans
        if number:
            spans.append((place, found))
        place = found + len(piece)
    return spans
