"""Fill the same gaps with two models, seed by seed, as a Markdown page: OUT HELD_OUT OLD NEW

PYTHONPATH=. .venv/bin/python docs/author_fills.py docs/author.md held-out.txt storybook bard

HELD_OUT is text of the author that neither model has seen; all of it is judged by both. Written into OUT is what stands
between its two comment lines; the rest of the page stays.
"""

import html
import sys
from collections import deque
from pathlib import Path

from studio.evaluation import evaluate, read_data
from studio.files import write_atomic
from studio.generation import generate, text_request
from studio.generation.texts import text_pieces
from studio.runtime.bundle import Bundle
from studio.runtime.catalog import find_bundle
from studio.runtime.denoiser import OnnxDenoiser

GIVEN = (
    "Where is the king? [[24]]",
    "She looked at him and said, [[24]]",
    "Good night, good night! [[28]]\nCome to the door.",
    "I saw a ship upon the sea,\n[[18]]\nAnd all the men [[10]].",
    # Of the plays that were held out:
    "So foul and fair a day I have not seen.\n[[24]]\nThat look not like the inhabitants o' the earth,",
    "If music be the food of love, play on,\n[[24]]\nThe appetite may sicken and so die.",
)
SEEDS = (1, 2, 3)
FIRST, LAST = "<!-- made by author_fills.py -->\n", "<!-- until here -->\n"


def main(out: Path, held_out: Path, names: list[str]) -> None:
    bundles = [find_bundle(name) for name in names]
    denoisers = [OnnxDenoiser(bundle, "cpu") for bundle in bundles]
    lines = ["| | " + " | ".join(f"`{bundle.name}`" for bundle in bundles) + " |", "|---|" + "---|" * len(bundles)]
    figures = []
    for bundle, denoise in zip(bundles, denoisers, strict=True):
        data = read_data(bundle, held_out)
        figures.append(evaluate(bundle, denoise, data, granularities=[1])[0])
    cells = [f"{figure['bits_per_character']:.3f} ± {figure['bits_per_character_error']:.3f}" for figure in figures]
    lines.append(f"| bits a character of the held-out plays, at most | {' | '.join(cells)} |")
    cells = [f"{figure['perplexity_per_token']:.1f}" for figure in figures]
    lines.append(f"| perplexity a token | {' | '.join(cells)} |")
    for given in GIVEN:
        lines += ["", "| seed | " + " | ".join(f"`{bundle.name}`" for bundle in bundles) + " |"]
        lines.append("|---|" + "---|" * len(bundles))
        for seed in SEEDS:
            row = [filled(b, d, given, seed) for b, d in zip(bundles, denoisers, strict=True)]
            lines.append(f"| {seed} | {' | '.join(row)} |")
    page = out.read_text("utf-8")
    before, after = page[: page.index(FIRST)], page[page.index(LAST) :]
    write_atomic(out, (before + FIRST + "\n".join(lines) + "\n" + after).encode())


def filled(bundle: Bundle, denoise: OnnxDenoiser, given: str, seed: int) -> str:
    """The text as HTML, what was made in bold."""
    request = text_request(bundle, given, seeds=(seed,))
    last = deque(generate(request, bundle, denoise), maxlen=1).pop()
    parts = []
    for text, made in text_pieces(request, bundle, last.y[0]):
        escaped = html.escape(text, quote=False).replace("|", "&#124;").replace("*", "&#42;").replace("_", "&#95;")
        escaped = escaped.replace("\n", "<br>")
        parts.append(f"<b>{escaped}</b>" if made else escaped)
    return "".join(parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
