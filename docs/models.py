"""Write the tables of docs/models.md from the manifests of the models that ship: `.venv/bin/python docs/models.py`.

Between `<!-- figures of NAME -->` and `<!-- end -->` everything comes from models/NAME/manifest.json.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from studio.files import write_atomic

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "models.md"
SECTION = re.compile(r"<!-- figures of (\S+) -->\n.*?<!-- end -->", re.DOTALL)


def page(text: str) -> str:
    """The page with every section of figures made anew."""

    def section(match: re.Match[str]) -> str:
        manifest = json.loads((ROOT / "models" / match[1] / "manifest.json").read_bytes())
        return f"<!-- figures of {match[1]} -->\n{figures(manifest)}\n<!-- end -->"

    return SECTION.sub(section, text)


def figures(manifest: dict[str, Any]) -> str:
    """All that the manifest has been measured for, as Markdown."""
    parts = [_training(manifest), _cross_entropy(manifest)]
    if manifest.get("likelihood"):
        parts += [_bounds(manifest["likelihood"]), _compressors(manifest["likelihood"])]
    parts += [_fills(fills) for fills in manifest["evaluation"].get("fills", [])]
    return "\n\n".join(part for part in parts if part)


def _training(manifest: dict[str, Any]) -> str:
    training, kind = manifest["training"], {"image": "pictures", "text": "texts"}[manifest["modality"]]
    runs = f" in {training['runs']} runs" if training.get("runs", 1) > 1 else ""
    return (
        f"{training['parameters'] / 1e6:.1f} M parameters, trained for {training['steps']:,} steps "
        f"({training['samples_seen']:,} {kind} seen, {training['minutes']} minutes on {training['device']}{runs})."
    )


def _cross_entropy(manifest: dict[str, Any]) -> str:
    evaluation = manifest["evaluation"]
    shares = ["0.25", "0.5", "0.75"]
    lines = _table(
        ["granularity", *(f"{float(share):.0%} known".replace("%", " %") for share in shares)],
        [[g, *(f"{row[share]:.2f}" for share in shares)] for g, row in evaluation["masked_cross_entropy"].items()],
    )
    unit = {"image": "pixel", "text": "piece"}[manifest["modality"]]
    data = f"{evaluation['samples']} samples of {evaluation['data']}"
    said = f"Joint cross-entropy, bits a {unit} that has a masked digit, on {data}:"
    accuracy = evaluation.get("top1_accuracy_15_percent_masked")
    after = []
    if accuracy is not None:
        after = ["", f"With 15 % of the pieces masked, the likeliest is right in {100 * accuracy:.1f} of 100 cases."]
    return "\n".join([said, "", *lines, *after])


def _unit(figure: dict[str, Any]) -> tuple[str, str]:
    """The key of the figure in bits that people know, and what it is called."""
    units = {
        "bits_per_dimension": "bits a pixel",
        "bits_per_character": "bits a character",
        "bits_per_token": "bits a token",
    }
    return next((key, unit) for key, unit in units.items() if key in figure)


def _bounds(likelihood: dict[str, Any]) -> str:
    """Both bounds side by side for each granularity, and which granularity is best by which."""
    rows = likelihood["figures"]
    key, unit = _unit(rows[0])
    kinds = {}
    for row in rows:
        name = "marginal bound" if row["bound"] == "marginal" else f"step bound, {row['steps']} {row['schedule']} steps"
        kinds.setdefault(name, {})[row["granularity"]] = row
    granularities = sorted({row["granularity"] for row in rows})
    header = ["granularity"]
    for name in kinds:
        header += [f"{name}, {unit}", "perplexity a token"]
    cells = []
    for granularity in granularities:
        line = [str(granularity)]
        for kind in kinds.values():
            row = kind.get(granularity)
            line += (
                ["", ""]
                if row is None
                else [
                    f"{row[key]:.3f}" + (f" ± {row[f'{key}_error']:.3f}" if row.get(f"{key}_error") else ""),
                    f"{row['perplexity_per_token']:.4g}",
                ]
            )
        cells.append(line)
    best = [f"{min(kind, key=lambda g: kind[g][key])} by the {name}" for name, kind in kinds.items()]
    counts = sorted({row["samples"] for row in rows})
    said = (
        f"Upper bounds on −log p of {likelihood['data']} ({' and '.join(f'{count:,}' for count in counts)} samples; "
        f"{likelihood['of']}), ± standard error:"
    )
    return "\n".join([said, "", *_table(header, cells), "", f"The best granularity is {'; '.join(best)}."])


def _compressors(likelihood: dict[str, Any]) -> str:
    rows = likelihood.get("compressors")
    if not rows:
        return ""
    key, unit = _unit(rows[0])
    return "\n".join(
        [
            "Lossless compressors on the same data:",
            "",
            *_table(["compressor", unit], [[row["name"], f"{row[key]:.3f}"] for row in rows]),
        ]
    )


def _fills(fills: dict[str, Any]) -> str:
    options = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fills["options"].items())
    said = f"Fills of {fills['data']}, {options or 'at the default settings'}:"
    figures = fills["figures"]
    if "middle" not in figures:
        said = (
            f"Hidden pieces, 15 % of windows spread over {fills['data']}, beside what their frequencies alone could\n"
            f"do, and gaps, filled {options or 'at the default settings'}:"
        )
        return "\n".join([said, "", *_table(["figure", ""], [[name, str(value)] for name, value in figures.items()])])
    header = ["hole", "CRPS of 8", "mean absolute error of their mean", "biharmonic", "root mean square", "biharmonic"]
    names = ("crps", "model", "biharmonic", "model rms", "biharmonic rms")
    return "\n".join(
        [said, "", *_table(header, [[hole, *(str(row[name]) for name in names)] for hole, row in figures.items()])]
    )


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]


if __name__ == "__main__":
    write_atomic(PAGE, page(PAGE.read_text(encoding="utf-8")).encode())
