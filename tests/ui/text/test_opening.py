"""What comes into the text workspace from outside: texts with marks, sessions and requests of whatever size."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.generation import GenerationRequest, PackedArray, text_request, text_tokenizer
from studio.generation.keeping import parameters_of
from studio.media.gapped import Gap, GappedText
from studio.ui.gallery.reading import source_of
from studio.ui.text import opening
from studio.ui.text.jobs import PATIENCE, made_fills
from studio.ui.text.looks import document_look
from studio.ui.window import Window
from tests.ui.test_window import until
from tests.ui.text.conftest import text_of
from tests.ui.text.test_workspace import generated, notices, opened

LINK = "See [[202406121530]], or [[6]].\n"


def test_a_mark_that_is_too_long_stays_text(with_window: Any, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text(LINK, encoding="utf-8")

    async def test(window: Window) -> None:
        text = text_of(window)
        await text.opening.file(tmp_path / "note.md")
        assert text.document.text.parts == ("See [[202406121530]], or ", 6, ".\n")
        assert "left as text. A gap of 202406121530 tokens is too long" in notices(window)[-1]
        assert text.filling.as_shown().marked == LINK
        await generated(text)
        assert "[[202406121530]]" in text.document.text.text
        text.settings.set_bundle(None)
        await text.opening.file(tmp_path / "note.md")
        assert text.document.text.parts == ("See [[202406121530]], or ", 6, ".\n")

    with_window(test)


def test_a_session_with_such_a_gap_comes_back(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "See ", Gap(1, 6), ".")
        state = text.session() | {"text": ["See ", {"id": 1, "length": 10**9, "was": ""}, "."]}
        text.restore(state)
        assert text.document.text.pieces == ("See [[1000000000]].",)

    with_window(test)


def test_a_request_with_such_a_gap_is_told(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "See ", Gap(1, 6), ".")
        run = await generated(text)
        for source in ({"text": "See [[1000000000]].", "parts": None}, {"text": "", "parts": ["See ", 10**9, "."]}):
            stored = run.request.model_dump(mode="json")
            stored["source"] |= source
            assert text.open_request(GenerationRequest.from_json(json.dumps(stored)), text="See it.")
            assert text.document.text.pieces == ("See [[1000000000]].",)
            assert "is too long" in notices(window)[-1]

    with_window(test)


def test_what_a_gap_looks_like_costs_as_much_as_it_is_long() -> None:
    def seconds(length: int) -> float:
        gap, times = Gap(1, length), []
        for _ in range(3):
            start = time.perf_counter()
            document_look(gap)
            times.append(time.perf_counter() - start)
        return min(times)

    assert seconds(80_000) < 12 * seconds(20_000) + 0.05


@pytest.mark.parametrize("way", ["gallery", "file"])
def test_a_draft_comes_back_with_its_words(with_window: Any, way: str, tmp_path: Path) -> None:
    """Opening one draft of several brings its words into the gaps, as one action, and Generate makes it again."""

    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 6), " and ", Gap(2, 3), Gap(3, 2), ".\n")
        text.settings.set(variations=5, temperature=1.0)
        await generated(text)
        job, library, gallery = text.filling.job, window.studio.library, window.workspace_named("gallery")
        assert job is not None and library is not None and gallery is not None
        await until(lambda: library.count() == 5)
        text.filling.look_at(job, 3)
        words = text.document.text.text
        text.document.load(GappedText(["other"]), "other")
        if way == "gallery":
            (item,) = [item for item in library.items(library.ids()) if item.variation == 3]
            gallery.request_opened.emit(*source_of(library, item))
        else:
            path = tmp_path / "made.json"
            facts = parameters_of(job.run.request, 3, job.run.provider) | {"text": words}
            path.write_text(json.dumps(facts), encoding="utf-8")
            window.open_paths([path])
            await until(lambda: window.workspace is text)
        assert text.document.text.text == words and all(gap.filled for gap in text.document.text.gaps)
        assert [gap.length for gap in text.document.text.gaps] == [6, 3, 2]
        assert "makes the same again" in notices(window)[-1]
        await generated(text)
        assert text.document.text.text == words and text.filling.draft == 3
        assert text.playhead.run is not None and text.playhead.run.request == job.run.request
        text.undo_stack.setIndex(0)  # pyright: ignore[reportOptionalMemberAccess]
        assert text.document.text.pieces == ("other",)

    with_window(test)


def test_a_request_of_which_its_model_can_make_nothing_is_a_text_alone(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 6), ".")
        run = await generated(text)
        strange = run.request.model_copy(update={"given": PackedArray.pack(np.full((4, 4), 2))})
        assert text.open_request(strange, text="The king had a dog.")
        assert not text.document.text.gaps[0].filled and "takes 256 tokens of 12 digits" in notices(window)[-1]

    with_window(test)


def test_the_text_that_was_asked_for_last_is_the_one_that_comes(
    with_window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("slow", "quick"):
        (tmp_path / f"{name}.txt").write_text(name, encoding="utf-8")
    go_on = threading.Event()

    def load(path: Path) -> str:
        assert path.stem != "slow" or go_on.wait(10)
        return path.stem

    async def test(window: Window) -> None:
        text = opened(window, "mine")
        monkeypatch.setattr(opening, "load_text", load)
        slow = asyncio.ensure_future(text.opening.file(tmp_path / "slow.txt"))
        await asyncio.sleep(0)
        await text.opening.file(tmp_path / "quick.txt")
        go_on.set()
        await slow
        assert text.document.text.text == "quick" and text.document.undo_stack.count() == 1

    with_window(test)


def test_undo_leads_back_to_the_settings_of_the_text_before(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 6), ".")
        text.settings.set(steps=5)
        run = await generated(text)
        text.settings.set(steps=7, temperature=0.5)
        mine = text.settings.state()
        assert text.open_request(run.request, text=text.document.text.text)
        brought = text.settings.state()
        assert text.settings.get("steps") == 5 and text.settings.get("seed_locked")
        text.document.undo_stack.undo()
        assert text.settings.state() == mine and not text.settings.get("seed_locked")
        text.document.undo_stack.redo()
        assert text.settings.state() == brought
        text.commands["new"].trigger()
        assert not text.settings.get("seed_locked")
        text.document.undo_stack.undo()
        assert text.settings.state() == brought

    with_window(test)


def test_a_draft_whose_seeds_do_not_follow_one_another_is_made_alone(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 6), ".")
        run = await generated(text)
        words = text.document.text.text
        request = run.request.model_copy(update={"seeds": (run.request.seeds[0] + 9, *run.request.seeds)})
        assert text.open_request(request, variation=1, text=words)
        assert text.settings.seeds() == run.request.seeds and text.document.text.text == words
        assert text.open_request(request, variation=1, text="Another text.")  # of a stranger: no words of it
        assert not any(gap.fill for gap in text.document.text.gaps)

    with_window(test)


def test_a_branch_from_words_known_in_part_comes_back_with_its_words(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 6), " and lived.")
        text.settings.set(policy="ancestral", steps=12, granularity=12, seed_locked=True)
        await generated(text)
        text.playhead.show(6)
        first = text.playhead.run
        await text.branch()
        await until(lambda: text.playhead.run is not first and text.playhead.state == "done")
        run, words = text.playhead.run, text.document.text.text
        assert run is not None and text.open_request(run.request, text=words)
        assert text.document.text.text == words and not text.editor.look(text.document.text.gaps[0]).live
        shown = text.playhead.run
        await text.branch()
        await until(lambda: text.playhead.run is not shown and text.playhead.state == "done")
        assert text.document.text.text == words

    with_window(test)


def test_a_draft_comes_back_that_has_what_was_given_in_it(with_window: Any) -> None:
    """Where its gaps end is told by how many tokens they have."""

    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 6), " and ", Gap(2, 4), Gap(3, 2), ".")
        await generated(text)
        run, words = text.playhead.run, "The king had her daughters and her sons here and had the king, brothers."
        assert run is not None and text.open_request(run.request, text=words)
        assert text.document.text.text == words
        assert text.open_request(run.request, text="The king had " + " and " * 300 + ".")
        assert not any(gap.fill for gap in text.document.text.gaps)

    with_window(test)


def test_a_draft_of_very_many_gaps_comes_back_and_a_riddle_is_given_up(with_window: Any) -> None:
    async def test(window: Window) -> None:
        bundle = text_of(window).settings.bundle
        assert bundle is not None
        given = "".join(f"Number {number} was [[1]]. " for number in range(600))
        request = text_request(bundle, given, seeds=[1])
        made = made_fills(request, bundle, given.replace("[[1]]", "old"))
        assert len(made) == 600 and {fill.text for fill in made.values()} == {"old"}
        begun = time.monotonic()
        riddle = text_request(bundle, " the ".join(4 * ["[[60]]"]) + "end", seeds=[1])
        assert made_fills(riddle, bundle, "was the " * 200 + "qqq end") == {}
        assert time.monotonic() - begun < 20 * PATIENCE

    with_window(test)


def test_tokens_are_found_that_read_as_a_text(with_window: Any) -> None:
    async def test(window: Window) -> None:
        bundle = text_of(window).settings.bundle
        assert bundle is not None
        tokenizer = text_tokenizer(bundle)
        tokens = tokenizer.encode(" had three daughters 👑")
        data = tokenizer.decode_bytes(tokens)
        for count in (len(tokens), len(tokens) + 3, len(data)):
            spelled = tokenizer.spell(data, count, {})
            assert spelled is not None and len(spelled) == count and tokenizer.decode_bytes(spelled) == data
        assert tokenizer.spell(data, len(tokens), {0: tokens[0]})[0] == tokens[0]  # pyright: ignore
        assert tokenizer.spell(data, len(data) + 1, {}) is None and tokenizer.spell(data, 4, {1: tokens[0]}) is None
        await asyncio.sleep(0)

    with_window(test)
