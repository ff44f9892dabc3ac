"""What is told of the place under the pointer."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF

if TYPE_CHECKING:
    from studio.ui.text.page import TextPage


def tip(page: "TextPage", point: QPointF) -> str:
    """What is told of the place under the pointer."""
    marks = page.marks()
    bits = marks.bits_at(point) if page.judged_shown else None
    odd = "" if bits is None else f"{bits:.1f} bits: the model gives this {chance(2.0**-bits)} given all the rest"
    if (handle := marks.handle_at(point)) is not None:
        return f"A gap of {handle.gap.length} tokens: drag its edge to change that"
    if any(seam.contains(point) for seam in marks.seams):
        return (
            "The paragraph goes on in the next line: it is so long that it is shown in parts. The text has no end here"
        )
    token = marks.token_at(point)
    if token is None:
        return odd
    look = token.look
    if look.state == "unknown":
        was = f" It was “{token.gap.was}”." if token.gap.was else ""
        return f"A gap of {token.gap.length} tokens.{was}"
    if look.state == "partial":
        return f"Partly known: one of {look.candidates} pieces; shown is the likeliest"
    pinned = "Pinned: it stays when the rest is made again. " if look.pinned else ""
    drawn = "" if look.confidence is None else f"Drawn with a probability of {chance(look.confidence)}. "
    return f"{odd}{'. ' * bool(odd)}{pinned}{drawn}Click for what else could stand here"


def chance(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.095 else f"{100 * value:.1f} %" if value >= 0.001 else "under 0.1 %"
