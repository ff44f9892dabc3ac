"""How a text was filled, step by step, as a file: text, Markdown, an HTML time-lapse, JSON."""

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.media.export import save_text
from studio.media.words import Word

STORY_SUFFIXES = (".txt", ".md", ".html", ".json")
BETWEEN = "\n---\n"
"""Stands between the drafts of a text."""


@dataclass(frozen=True)
class StoryStep:
    """One step. drafts[d][g]: the words of gap g in draft d. calls: of the network, so far."""

    step: int
    calls: int
    drafts: list[list[list[Word]]]


@dataclass(frozen=True)
class Story:
    """A text with gaps and how its drafts came about. steps: the first is the start, the last the result.

    parts: given text and the lengths of gaps. facts: what is told of it in JSON, of which `model` and `seeds` are
    shown to readers.
    """

    parts: tuple[str | int, ...]
    steps: list[StoryStep]
    facts: dict[str, Any]

    def text(self, draft: int) -> str:
        """A draft as it is at the end."""
        return "".join(text for text, _ in self.pieces(draft))

    def texts(self) -> list[str]:
        return [self.text(draft) for draft in range(len(self.steps[-1].drafts))]

    def pieces(self, draft: int) -> list[tuple[str, bool]]:
        """A draft at the end in pieces, each with whether it was made (True) or given."""
        gaps = iter(self.steps[-1].drafts[draft])
        return [
            ("".join(word.text for word in next(gaps)), True) if isinstance(part, int) else (part, False)
            for part in self.parts
        ]

    @property
    def seeds(self) -> list[int]:
        return list(self.facts.get("seeds", []))


def save_story(path: str | Path, story: Story) -> None:
    """Write a story as .txt (the texts alone), .md (fills marked), .html (a time-lapse) or .json (every step).

    Any other ending is written as text. StudioError where it cannot be written.
    """
    path = Path(path)
    write = {".md": as_markdown, ".html": as_html, ".json": as_json}.get(path.suffix.lower(), as_text)
    save_text(path, write(story))


def as_text(story: Story) -> str:
    """The drafts alone, exactly."""
    return BETWEEN.join(story.texts())


def as_markdown(story: Story) -> str:
    """The drafts with what was made between <mark> and </mark>; what is given stays as it is."""
    drafts = []
    for draft in range(len(story.steps[-1].drafts)):
        pieces = [_marked(text) if made else text for text, made in story.pieces(draft)]
        drafts.append("".join(pieces))
    if len(drafts) == 1:
        return drafts[0]
    titles = [f"## Draft {i}{_seed(story, i - 1)}\n\n" for i in range(1, len(drafts) + 1)]
    return "\n\n".join(title + text for title, text in zip(titles, drafts, strict=True))


def _marked(text: str) -> str:
    """Each line by itself between tags, as a tag cannot span paragraphs; white space at its ends left out of them."""

    def mark(match: re.Match[str]) -> str:
        return f"<mark>{html.escape(match.group(), quote=False)}</mark>"

    return re.sub(r"\S(?:[^\r\n]*\S)?", mark, text)


def _seed(story: Story, draft: int) -> str:
    return f" (seed {story.seeds[draft]})" if draft < len(story.seeds) else ""


def as_json(story: Story) -> str:
    """Everything: facts, the texts, and every step with what is known of every token."""
    value = story.facts | {
        "parts": list(story.parts),
        "texts": story.texts(),
        "steps_made": [
            {
                "step": step.step,
                "calls": step.calls,
                "drafts": [[[_word(word) for word in gap] for gap in draft] for draft in step.drafts],
            }
            for step in story.steps
        ],
    }
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _word(word: Word) -> dict[str, Any]:
    return {
        "text": word.text,
        "known_digits": word.known,
        "candidates": word.candidates,
        "confidence": None if word.confidence is None else round(word.confidence, 4),
    }


def as_html(story: Story) -> str:
    """One file, no other needed: plays the steps, can be stepped and scrubbed by keyboard, reads without scripts."""
    body = []
    for draft in range(len(story.steps[-1].drafts)):
        pieces = story.pieces(draft)
        title = f"<h2>Draft {draft + 1}{_seed(story, draft)}</h2>\n" if len(story.steps[-1].drafts) > 1 else ""
        spans = "".join(
            f'<span class="gap">{html.escape(text)}</span>' if made else html.escape(text) for text, made in pieces
        )
        body.append(f'{title}<div class="draft" dir="auto">{spans}</div>')
    last, frames = None, []
    for step in story.steps:
        words = [[[_short(word) for word in gap] for gap in draft] for draft in step.drafts]
        # A step in which nothing changes is no picture.
        if words != last:
            frames.append({"step": step.step, "calls": step.calls, "drafts": words})
        last = words
    data = json.dumps(frames, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    model = html.escape(str(story.facts.get("model", "")))
    filling = {"%MODEL%": model, "%BODY%": "\n".join(body), "%DATA%": data}
    # At once, as the text may have such marks of its own.
    return re.sub("%(?:MODEL|BODY|DATA)%", lambda match: filling[match.group()], _page())


def _short(word: Word) -> list[Any]:
    confidence = None if word.confidence is None else round(word.confidence, 2)
    return [word.text, word.candidates if word.known else 0, confidence]


def _page() -> str:
    return Path(__file__).with_name("story.html").read_text(encoding="utf-8")
