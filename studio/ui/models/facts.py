"""What a model says of itself, in words and figures for people. No Qt.

A manifest's training, evaluation and likelihood are free-form and a stranger's: what has another shape than expected
is left out, and what is longer than anybody reads is cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from studio.runtime.bundle import shown

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle

BOUNDS = {"marginal": "marginal bound", "step": "step bound"}
_UNITS = (
    ("bits_per_dimension", "bits per dimension"),
    ("bits_per_character", "bits per character"),
    ("bits_per_token", "bits per token"),
    ("nats", "nats a sample"),
)
_MOST_ITEMS, _MOST_COLUMNS, _MOST_LETTERS, _MOST_IN_CELL, _MOST_PROSE = 64, 8, 2000, 24, 4000


@dataclass(frozen=True)
class Table:
    """A small table: its heading, what its figures are, the names of its columns, its rows."""

    heading: str
    what: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def size_of(bundle: "Bundle") -> int:
    """Bytes on disk."""
    return sum(entry.size for entry in bundle.manifest.files.values())


def prose(text: str) -> str:
    """A description or notice, cut where it is so long that laying it out would stop the window."""
    return text if len(text) <= _MOST_PROSE else f"{text[:_MOST_PROSE]} … (the rest is in its manifest.json)"


def works_on(bundle: "Bundle") -> str:
    """What it takes, such as "Pictures of 32 × 32 pixels in 256 colours"."""
    manifest = bundle.manifest
    if manifest.modality == "text":
        return f"Texts of up to {manifest.num_tokens:,} tokens, {manifest.vocab_size:,} pieces of words"
    height, width = manifest.grid
    colours = "in full colour" if manifest.tokenizer.kind == "rgb" else f"in {manifest.vocab_size:,} colours"
    return f"Pictures of {width} × {height} pixels {colours}"


def digits(bundle: "Bundle") -> str:
    """How a token is told, such as "8 digits of base 2; ℓ = 1, 2, 4, 8"."""
    manifest = bundle.manifest
    trained = ", ".join(map(str, manifest.granularities))
    if manifest.length == 1:
        return "whole tokens (ℓ = 1)"
    return f"{manifest.length} digits of base {manifest.base}; trained for ℓ = {trained}"


def trained_on(bundle: "Bundle") -> list[tuple[str, str]]:
    """On what and for how long."""
    training = _bounded(bundle.manifest.training)
    found: list[tuple[str, str]] = []
    data = training.get("data")
    if isinstance(data, str):
        found.append(("Data", data))
    length = []
    if _is_number(training.get("steps")):
        length.append(f"{training['steps']:,} steps")
    if _is_number(training.get("samples_seen")):
        length.append(f"{training['samples_seen']:,} samples seen")
    if length:
        found.append(("Length", ", ".join(length)))
    minutes, device = training.get("minutes"), training.get("device")
    if _is_number(minutes):
        spent = f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
        found.append(("Time", spent + (f" on {device}" if isinstance(device, str) else "")))
    if _is_number(training.get("parameters")):
        found.append(("Parameters", f"{training['parameters'] / 1e6:.1f} million"))
    known = {"data", "steps", "samples_seen", "minutes", "device", "parameters", "exported"}
    for name, value in training.items():
        if name not in known and isinstance(value, str | int | float) and not isinstance(value, bool):
            found.append((shown(name.replace("_", " ").capitalize(), _MOST_IN_CELL), str(value)[:300]))
    return found


def _figures(bundle: "Bundle") -> list[Mapping[str, Any]]:
    figures = _bounded(bundle.manifest.likelihood or {}).get("figures")
    if not isinstance(figures, list):
        return []
    return [f for f in figures if isinstance(f, dict) and isinstance(f.get("bound"), str)]


def _unit(bundle: "Bundle", figures: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    units = _UNITS
    if bundle.manifest.modality == "image":  # a token is a dimension; older exports have the first name only
        units = (_UNITS[0], ("bits_per_token", "bits per dimension"), *_UNITS[1:])
    return next((unit for unit in units if figures and all(_is_number(f.get(unit[0])) for f in figures)), None)


def headline(bundle: "Bundle") -> str:
    """The best figure with its bound named, such as "≤ 1.85 bits per dimension (marginal bound, ℓ = 1)"; "" if none."""
    figures = _figures(bundle)
    unit = _unit(bundle, figures)
    if unit is None:
        return ""
    best = min(figures, key=lambda figure: figure[unit[0]])
    bound = BOUNDS.get(best["bound"], f"{best['bound']} bound")
    return f"≤ {best[unit[0]]:.2f} {unit[1]} ({bound}, ℓ = {best.get('granularity', '?')})"


def tables(bundle: "Bundle") -> list[Table]:
    """Held-out figures: upper bounds of the likelihood by granularity, and what is measured beside them."""
    found = []
    figures = _figures(bundle)
    unit = _unit(bundle, figures)
    if unit is not None:
        likelihood = _bounded(bundle.manifest.likelihood)
        what = {str(figure.get("what", "")) for figure in figures}
        of = f" Measured on {likelihood.get('data', 'held-out data')}: {likelihood.get('of', '')}.".replace(": .", ".")
        samples = figures[0].get("samples")
        same = _is_number(samples) and all(figure.get("samples") == samples for figure in figures)
        count = f" {samples} samples." if same else ""
        rows = [
            [
                shown(figure.get("granularity", "?"), _MOST_IN_CELL),
                shown(figure["bound"], _MOST_IN_CELL),
                f"{figure[unit[0]]:.3f}" + _error(figure, unit[0]),
                f"{figure['perplexity_per_token']:.1f}" if _is_number(figure.get("perplexity_per_token")) else "",
            ]
            for figure in figures
        ]
        sentence = (". ".join(sorted(what)).rstrip(".") + "." if any(what) else "") + of + count
        found.append(
            Table("Likelihood on held-out data", sentence.strip(), ["ℓ", "bound", unit[1], "perplexity"], rows)
        )
    evaluation = _bounded(bundle.manifest.evaluation)
    cross = evaluation.get("masked_cross_entropy")
    if isinstance(cross, dict) and cross and all(isinstance(row, dict) for row in cross.values()):
        shares = sorted({share for row in cross.values() for share in row})[:_MOST_COLUMNS]
        rows = [
            [
                shown(granularity, _MOST_IN_CELL),
                *(f"{row[share]:.2f}" if _is_number(row.get(share)) else "" for share in shares),
            ]
            for granularity, row in cross.items()
        ]
        what = str(evaluation.get("what", ""))
        columns = [
            "ℓ",
            *(
                f"{100 * float(share):.0f} % known" if _is_share(share) else shown(share, _MOST_IN_CELL)
                for share in shares
            ),
        ]
        found.append(Table("Cross-entropy of what is masked", f"{what[:1].upper()}{what[1:]}.", columns, rows))
    return found


def _error(figure: Mapping[str, Any], name: str) -> str:
    error = figure.get(f"{name}_error")
    return f" ± {error:.3f}" if _is_number(error) else ""


def _bounded(value: Any, depth: int = 4) -> Any:
    """Free-form content cut to what can be shown: few of many, whole lines, None for numbers that no figure has."""
    if isinstance(value, str):
        return shown(value, _MOST_LETTERS)
    if isinstance(value, dict):
        return {shown(k): _bounded(v, depth - 1) for k, v in islice(value.items(), _MOST_ITEMS) if depth}
    if isinstance(value, list):
        return [_bounded(item, depth - 1) for item in value[:_MOST_ITEMS] if depth]
    if isinstance(value, int | float) and not abs(value) < 1e15:
        return None
    return value


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
