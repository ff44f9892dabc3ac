import html
import json
import re
from html.parser import HTMLParser

import pytest

from studio.media.story import Story, StoryStep, as_html, as_json, as_markdown, as_text, save_story
from studio.media.words import Word

PARTS = ("# <b>&amp; ", 2, "\r\n%DATA% </script> ", 1, " é👩‍👩‍👧\u2028end")
START = [[Word("", 300, 0), Word("", 300, 0)], [Word("", 300, 0)]]
MIDDLE = [[Word("a <", 1, 3, 0.9), Word(" likely", 7, 1, 0.2)], [Word("", 300, 0)]]
END = [[Word("a <", 1, 3, 0.9), Word(" &b", 1, 3, 0.2)], [Word("x\ny ", 1, 3, None)]]
TEXT = "# <b>&amp; a < &b\r\n%DATA% </script> x\ny  é👩‍👩‍👧\u2028end"


@pytest.fixture
def story() -> Story:
    steps = [StoryStep(0, 0, [START, START]), StoryStep(1, 1, [MIDDLE, START]), StoryStep(2, 2, [END, END])]
    return Story(PARTS, steps, {"model": "tiny", "seeds": [5, 6]})


def one(story: Story) -> Story:
    return Story(story.parts, [StoryStep(s.step, s.calls, s.drafts[:1]) for s in story.steps], story.facts)


def test_text_is_exact(story):
    assert story.texts() == [TEXT, TEXT] and as_text(one(story)) == TEXT
    assert as_text(story) == f"{TEXT}\n---\n{TEXT}"


def test_markdown_marks_what_was_made_and_nothing_else(story):
    text = as_markdown(one(story))
    assert "<mark>a &lt; &amp;b</mark>\r\n" in text and "<mark>x</mark>\n<mark>y</mark> " in text
    assert html.unescape(re.sub("</?mark>", "", text)) == html.unescape(TEXT)
    assert re.sub("<mark>.*?</mark>", "", text) == "".join(str(p) for p in PARTS if isinstance(p, str)).replace(
        "</script>  ", "</script> \n  "
    )
    assert [line for line in as_markdown(story).splitlines() if line.startswith("## ")] == [
        "## Draft 1 (seed 5)",
        "## Draft 2 (seed 6)",
    ]


def test_json_has_every_step(story):
    value = json.loads(as_json(story))
    assert value["texts"] == [TEXT, TEXT] and value["seeds"] == [5, 6] and value["parts"] == list(PARTS)
    assert [step["step"] for step in value["steps_made"]] == [0, 1, 2]
    assert value["steps_made"][1]["drafts"][0][0][1] == {
        "text": " likely",
        "known_digits": 1,
        "candidates": 7,
        "confidence": 0.2,
    }


class Page(HTMLParser):
    """The text between tags, what is in scripts, and every attribute that could load something."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.draft, self.data, self.loads = "", "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append("draft" if dict(attrs).get("class") == "draft" else tag)
        if tag in ("link", "img", "iframe", "object", "embed") or dict(attrs).keys() & {"src", "href"}:
            self.loads.append(tag)

    def handle_endtag(self, tag):
        if tag == "div":
            self.tags.append("end")

    def handle_data(self, data):
        marks = [tag for tag in self.tags if tag in ("draft", "end")]
        if marks and marks[-1] == "draft":
            self.draft += data
        if self.tags[-1:] == ["script"] and data.startswith("[{"):
            self.data += data


def test_html_is_one_file_that_reads_without_scripts(story):
    text = as_html(one(story))
    page = Page(text)
    assert page.draft == TEXT and page.loads == [] and "http" not in text.replace("http-equiv", "")
    assert [frame["step"] for frame in json.loads(page.data)] == [0, 1, 2]
    assert 'aria-label="Step"' in text and "prefers-reduced-motion" in text and "default-src 'none'" in text
    assert as_html(story).count('class="draft"') == 2


def test_a_step_in_which_nothing_changes_is_not_played(story):
    same = Story(story.parts, [*story.steps, StoryStep(3, 3, [END, END])], story.facts)
    assert len(json.loads(Page(as_html(same)).data)) == 3


def test_files_by_their_ending(story, tmp_path):
    for name, write in (("a.txt", as_text), ("a.md", as_markdown), ("a.HTML", as_html), ("a.json", as_json)):
        save_story(tmp_path / name, story)
        assert (tmp_path / name).read_bytes().decode() == write(story)
