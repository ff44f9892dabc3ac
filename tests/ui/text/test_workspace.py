"""The text workspace in the window, with the model that ships: what a writer does, from the first minute on."""

import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QRect, QRectF, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from studio.errors import StudioError
from studio.generation import story_of, text_plan
from studio.generation.keeping import parameters_of
from studio.media.gapped import Fill, Gap, GappedText
from studio.media.story import save_story
from studio.ui import dialogs
from studio.ui.gallery.reading import source_of
from studio.ui.runs import Run
from studio.ui.session_files import SessionFiles, frozen
from studio.ui.text import filling, judging
from studio.ui.text import workspace as workspace_module
from studio.ui.text.tips import tip
from studio.ui.text.workspace import TextWorkspace
from studio.ui.window import Window
from tests.ui.test_window import broken, until
from tests.ui.text.conftest import text_of

STORY = "Once upon a time there was a king who had three daughters.\r\nThe youngest was 👑 fair.\n"


async def finished(text: TextWorkspace, state: str = "done") -> None:
    await until(lambda: text.playhead.run is not None and text.playhead.run.over)
    await until(lambda: text.playhead.state in ("done", "stopped", "failed"))
    assert text.playhead.state == state


async def press(text: TextWorkspace, name: str) -> None:
    """As a user does: once it can be pressed."""
    await until(text.commands[name].isEnabled)
    text.commands[name].trigger()


async def generated(text: TextWorkspace) -> Run:
    before = text.playhead.run
    await press(text, "generate")
    await until(lambda: text.playhead.run is not before)
    await finished(text)
    run = text.playhead.run
    assert run is not None
    return run


def opened(window: Window, *pieces: str | Gap) -> TextWorkspace:
    text = text_of(window)
    text.document.load(GappedText(pieces), "story")
    text.settings.set(steps=8)
    return text


def given(text: TextWorkspace) -> list[str]:
    return [piece for piece in text.document.text.pieces if isinstance(piece, str)]


def notices(window: Window) -> list[str]:
    return [notice.text for notice in window.studio.notices.at("text")]


def test_the_first_minute(with_window: Any) -> None:
    """A text with gaps is there, and Generate fills them before one's eyes."""

    async def test(window: Window) -> None:
        text = text_of(window)
        gaps, before = text.document.text.gaps, given(text)
        assert len(gaps) == 3 and not any(gap.fill for gap in gaps)
        empty = text.editor.viewport().grab().toImage()
        await generated(text)
        filled = text.document.text.gaps
        assert all(gap.fill is not None and len(gap.fill.tokens) == gap.length for gap in filled)
        assert given(text) == before
        await asyncio.sleep(0.05)
        assert text.editor.viewport().grab().toImage() != empty
        await until(lambda: window.studio.library is not None and window.studio.library.count() == 1)
        assert text.status()["provider"] == "CPU"
        text.commands["use"].trigger()
        assert not text.document.text.gaps and text.document.text.text.startswith(before[0])
        text.undo_stack.setIndex(0)  # pyright: ignore[reportOptionalMemberAccess]
        assert text.document.text.gaps == gaps and "___" in text.editor.view.views[0]

    with_window(test)


def test_a_selection_becomes_a_gap_by_key(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, STORY)
        window.activateWindow()
        editor = text.editor
        editor.setFocus()
        await until(lambda: editor.hasFocus())
        for _ in range(2):
            QTest.keyClick(editor, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
        for _ in range(2):
            QTest.keyClick(
                editor, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
            )
        QTest.keyClick(editor, Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)
        (gap,) = text.document.text.gaps
        assert gap.was == "a time" and gap.length == 2 and given(text)[0] == "Once upon "
        QTest.keyClick(editor, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
        assert text.document.text.gaps[0].length == 3
        QTest.keyClick(editor, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
        assert text.document.text.pieces == (STORY,)
        window.setFocus()
        text.commands["insert-gap"].trigger()  # as by its button, which has the focus then
        assert text.document.text.gaps[0].length == text.gap_length and window.focusWidget() is editor

    with_window(test)


def test_who_reads_elsewhere_while_gaps_fill_is_left_there(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, Gap(1, 20), "\n" + "They lived there.\n" * 200)
        await asyncio.sleep(0.05)
        bar = text.editor.verticalScrollBar()
        text.editor.place_caret(1500, 1504)
        text.editor.ensureCursorVisible()
        seen = bar.value()
        await generated(text)
        assert bar.value() == seen > 0 and text.editor.carets() == (1500, 1504)
        bar.setValue(bar.maximum())
        text.playhead.show(3)
        assert bar.value() == bar.maximum() and text.editor.carets() == (1500, 1504)

    with_window(test)


def test_pause_step_back_and_branch(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king said: ", Gap(1, 20), "\r\nand went home.")
        text.settings.set(steps=200, policy="sequential", granularity=12, seed_locked=True)
        before = given(text)
        await press(text, "generate")
        await until(lambda: len(text.playhead.run.frames if text.playhead.run else []) > 20)
        text.commands["pause"].trigger()
        first = text.playhead.run
        assert first is not None
        await until(lambda: text.playhead.state == "paused" and not first.active)
        count = len(first.frames)
        await until(lambda: text.playhead.index == count - 1)
        look = text.editor.look(text.document.text.gaps[0])
        words = text.filling.job.words(first.frames[-1], 0)[1]  # pyright: ignore[reportOptionalMemberAccess]
        assert look.live and [token.state for token in look.tokens] == [
            "settled" if word.settled else "partial" if word.known else "unknown" for word in words
        ]
        assert text.editor.view.views[0].startswith("The king said: ") and given(text) == before
        text.commands["step"].trigger()
        await until(lambda: text.playhead.index == count)
        text.commands["back"].trigger()
        text.commands["back"].trigger()
        assert text.playhead.index == count - 2
        text.settings.set(steps=5)
        text.commands["branch"].trigger()
        await until(lambda: text.playhead.run is not first)
        await finished(text)
        branch = text.playhead.run
        assert branch is not None and branch.parent == (first.id, count - 2) and first.state == "paused"
        known = first.frames[count - 2].y[0] != branch.bundle.subtokens.mask_id
        assert (branch.frames[-1].y[0][known] == first.frames[count - 2].y[0][known]).all()
        assert text.document.text.gaps[0].fill is not None and given(text) == before
        text.document.undo_stack.undo()  # to the paused run, which goes on where it was
        assert text.playhead.run is first and text.commands["pause"].isEnabled()
        text.commands["pause"].trigger()
        await finished(text)
        assert first.state == "done" and text.document.text.gaps[0].filled and given(text) == before

    with_window(test)


def test_a_paused_run_goes_on_at_the_next_start(with_window: Any) -> None:
    kept: dict[str, Any] = {}

    async def use(window: Window) -> None:
        text = opened(window, "The king said: ", Gap(1, 20), "\r\nand went home.")
        text.settings.set(steps=40, policy="sequential", granularity=12)
        await press(text, "generate")
        await until(lambda: len(text.playhead.run.frames if text.playhead.run else []) > 5)
        text.commands["pause"].trigger()
        await until(lambda: text.playhead.state == "paused" and not text.playhead.run.active)  # pyright: ignore
        kept["frames"] = len(text.playhead.run.frames)  # pyright: ignore[reportOptionalMemberAccess]

    async def again(window: Window) -> None:
        text = text_of(window)
        assert text.playhead.state == "paused" and text.playhead.last == kept["frames"] - 1 < 40
        text.commands["pause"].trigger()
        await finished(text)
        assert text.document.text.gaps[0].filled

    with_window(use)
    with_window(again)


def test_stop_leaves_the_text_as_it_was(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king said: ", Gap(1, 30), ".")
        text.settings.set(steps=400, policy="sequential", granularity=12)
        await press(text, "generate")
        await until(lambda: len(text.playhead.run.frames if text.playhead.run else []) > 5)
        text.commands["stop"].trigger()
        await finished(text, "stopped")
        assert text.document.text.gaps == [Gap(1, 30)] and text.document.undo_stack.undoText() == "generate"
        text.commands["discard"].trigger()
        assert text.editor.view.views[0].count("___") == 30
        text.document.undo_stack.undo()
        assert text.playhead.state == "stopped" and text.editor.view.views[0].count("___") < 30

    with_window(test)


def test_runs_are_undone_as_they_were_made(with_window: Any, tmp_path: Path) -> None:
    """One step each: what the screen shows and what is in the text go back together; what shows is what is saved."""

    async def test(window: Window) -> None:
        text = opened(window, "The king said: ", Gap(1, 8, "was"), ".")
        undo = text.document.undo_stack
        await generated(text)
        first, filled = text.playhead.run, text.document.text.gaps
        assert undo.count() == 1 and filled[0].filled
        text.filling.settings.set(steps=400, policy="sequential", granularity=12)
        await press(text, "generate")
        await until(lambda: text.playhead.run is not first and text.playhead.last > 5)
        text.commands["stop"].trigger()
        await finished(text, "stopped")
        second, shown = text.playhead.run, text.editor.view.views[0]
        assert text.document.text.gaps == filled and "___" in shown
        text.editor.selectAll()
        assert text.filling.as_shown().marked == text.editor.selected_text() == "The king said: was."
        undo.undo()
        assert (
            text.playhead.run is first and text.editor.view.views[0] == text.document.text.text != "The king said: was."
        )
        text.playhead.show(0)
        undo.undo()
        assert text.playhead.run is None and text.document.text.gaps == [Gap(1, 8, "was")]
        assert text.editor.view.views[0].count("___") == 8 and not undo.canUndo()
        undo.redo()
        assert text.playhead.run is first and text.playhead.index == 0 and text.document.text.gaps == filled
        undo.redo()
        assert text.playhead.run is second and text.editor.view.views[0] == shown and not undo.canRedo()
        # Undone while it goes, a run ends; typed meanwhile, its words come as a step of their own.
        await press(text, "generate")
        await until(lambda: text.playhead.run is not second and text.playhead.last > 2)
        third = text.playhead.run
        undo.undo()
        assert text.playhead.run is second
        await until(lambda: third is not None and third.over)
        text.settings.set(steps=32, granularity=1)
        await press(text, "generate")
        await until(lambda: text.playhead.run is not second)
        text.document.insert(0, 0, "So ")
        await finished(text)
        assert [undo.text(index) for index in range(undo.count())][-3:] == ["generate", "paste", "fill"]

    with_window(test)


def test_undo_leads_back_to_what_was_compared_and_chosen(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "They ", Gap(1, 4), ".")
        undo = text.document.undo_stack
        await press(text, "compare")
        await until(lambda: len(text.filling.comparison) > 1)
        jobs = text.filling.comparison
        await until(lambda: all(job.run.over for job in jobs))
        await until(lambda: text.document.text.gaps[0].filled)
        text.filling.look_at(jobs[3], 0)
        text.settings.set(variations=2)
        await generated(text)
        text.look_at_draft(1)
        assert not text.filling.comparison and text.filling.draft == 1
        undo.undo()
        assert text.filling.draft == 0 and text.document.text.gaps[0].fill == text.filling.job.fills(0)[1]  # pyright: ignore
        undo.undo()
        assert text.filling.job is jobs[3] and text.cards.isVisible()
        assert text.document.text.gaps[0].fill == jobs[3].fills(0)[1]
        undo.undo()
        assert text.filling.job is jobs[0] and text.document.text.gaps[0].fill == jobs[0].fills(0)[1]
        undo.undo()
        assert text.filling.job is None and not text.cards.isVisible() and text.document.text.gaps == [Gap(1, 4)]

    with_window(test)


async def half_done(text: TextWorkspace) -> list[int]:
    """Pauses at once, then steps until some of the only gap is settled; which of its places are, in the frame shown."""
    text.settings.set(steps=400, policy="confidence", granularity=12, seed_locked=True)
    await press(text, "generate")
    await press(text, "pause")
    await until(lambda: text.playhead.state == "paused")
    (gap,) = text.document.text.gaps

    def settled() -> list[int]:
        tokens = text.editor.look(gap).tokens
        return [index for index, token in enumerate(tokens) if token.state == "settled"]

    while len(settled()) <= 2:
        text.commands["step"].trigger()
        await asyncio.sleep(0.01)
    text.playhead.show(text.playhead.last)
    assert len(settled()) < gap.length
    return settled()


def test_what_is_settled_is_accepted_and_the_rest_stays_a_gap(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king said:\t", Gap(1, 30, "was"), "\r\n👑 and went home.")
        places = await half_done(text)
        run, before = text.playhead.run, text.document.text.pieces
        assert run is not None and text.commands["use"].text() == "Accept what is settled"
        shown = text.filling.settled(text.document.text.gaps[0])
        assert shown is not None and sorted(shown.known) == places
        await until(lambda: not run.active)
        await asyncio.sleep(0.1)  # paused for so long that nobody looks any more whether it goes on
        await press(text, "use")
        pieces = text.document.text.pieces
        words = "".join(piece if isinstance(piece, str) else "" for piece in pieces)
        assert words == "The king said:\t" + shown.text + "\r\n👑 and went home."
        assert sum(gap.length for gap in text.document.text.gaps) == 30 - len(places)
        await finished(text, "stopped")
        assert text.document.text.pieces == pieces and not text.commands["branch"].isEnabled()
        assert not text.track.to_branch.isEnabled() and "are text now" in text.track.to_branch.toolTip()
        # What is left of it can be filled, by what stands there now.
        text.settings.set(steps=8)
        await generated(text)
        assert all(gap.filled for gap in text.document.text.gaps) and given(text) == [
            p for p in pieces if isinstance(p, str)
        ]
        text.undo_stack.setIndex(0)  # pyright: ignore[reportOptionalMemberAccess]
        assert text.document.text.pieces == before

    with_window(test)


def test_a_word_of_a_stopped_run_is_pinned_and_the_rest_made_again(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king said: ", Gap(1, 30), " and went home.")
        places = await half_done(text)
        await press(text, "stop")
        await finished(text, "stopped")
        shown = text.filling.settled(text.document.text.gaps[0])
        assert shown is not None
        text.filling.pin(1, places[1], True)
        text.filling.pin(1, places[2], True)
        text.filling.pin(1, places[2], False)
        kept = {places[1]: shown.known[places[1]]}
        assert text.document.text.kept == [kept] and text.editor.look(text.document.text.gaps[0]).live
        assert [i for i, token in enumerate(text.editor.look(text.document.text.gaps[0]).tokens) if token.pinned] == [
            places[1]
        ]
        text.settings.set(steps=8)
        before = text.playhead.run
        await press(text, "redo-rest")
        await until(lambda: text.playhead.run is not before)
        await finished(text)
        fill = text.document.text.gaps[0].fill
        assert fill is not None and fill.whole and fill.tokens[places[1]] == shown.tokens[places[1]]
        assert fill.pinned == {places[1]}

    with_window(test)


def test_pin_a_word_and_redo_the_rest(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 6), " and lived.")
        await generated(text)
        first = text.document.text.gaps[0].fill
        assert first is not None
        text.document.set_pinned(1, 2, True)
        before = text.playhead.run
        await press(text, "redo-rest")
        await until(lambda: text.playhead.run is not before)
        await finished(text)
        fill = text.document.text.gaps[0].fill
        assert fill is not None and fill.tokens[2] == first.tokens[2] and 2 in fill.pinned
        assert fill.confidence[2] is None
        for index in range(6):
            text.document.set_pinned(1, index, True)
        assert "pinned" in text.filling.problem()
        await until(lambda: not text.commands["generate"].isEnabled())

    with_window(test)


def test_a_run_for_one_text_does_not_fill_another(with_window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    build = filling.text_request

    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.3)
        return build(*arguments, **options)

    monkeypatch.setattr(filling, "text_request", slow)

    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 4), " and lived.")
        asked = asyncio.ensure_future(text.filling.generate())
        await asyncio.sleep(0.05)
        text.document.open(GappedText(["Quite another text with ", Gap(1, 4), " in it."]), "other")
        with pytest.raises(StudioError, match="Another text has been opened"):
            await asked
        assert text.filling.job is None and text.document.text.gaps == [Gap(1, 4)]
        assert text.undo_stack is not None and text.undo_stack.undoText() == "open text"

    with_window(test)


def test_other_words_are_offered_and_taken(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king had three ", Gap(1, 2), " and lived.")
        await generated(text)
        popover = text.gap_tools.popover
        await text.gap_tools.ask(1, 0, QRect(100, 100, 40, 20))
        shown = [row for row in popover.rows if row.isVisible()]
        chances = [row.probability for row in shown]
        assert len(shown) == 9 and chances == sorted(chances, reverse=True) and sum(chances) <= 1
        assert all(not row.word.startswith(" ") for row in shown)  # the space is the writer's
        other = next(row for row in shown if not row.isChecked())
        QTest.keyClick(other, Qt.Key.Key_Space)
        fill = text.document.text.gaps[0].fill
        assert fill is not None and fill.words[0] == other.word and fill.pinned == {0} and not popover.isVisible()
        text.undo_stack.undo()  # pyright: ignore[reportOptionalMemberAccess]
        fill = text.document.text.gaps[0].fill
        assert fill is not None and fill.words[0] != other.word
        # Return while the next ones are still looked for, at a place where no word stands yet, takes none.
        popover.ask(1, 1, QRect(100, 100, 40, 20), pinned=False, settled=False)
        QTest.keyClick(popover, Qt.Key.Key_Return)
        assert popover.isVisible() and text.document.text.gaps[0].fill == fill
        popover.hide()

    with_window(test)


def test_what_could_stand_there_cannot_be_found(with_window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(window: Window) -> None:
        text = text_of(window)
        monkeypatch.setattr(window.studio.lane, "network", broken(StudioError("it is damaged.")))
        with pytest.raises(StudioError):
            await text.gap_tools.ask(text.document.text.gaps[0].id, 0, QRect(10, 10, 5, 5))
        assert not text.gap_tools.popover.isVisible()

    with_window(test)


def test_words_are_asked_for_in_a_gap_that_goes(with_window: Any, logged: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 3), " and lived.")
        text.editor.token_pressed.emit(1, 2, QRectF(10, 10, 5, 5))
        text.document.resize_gap(1, 2)
        text.editor.token_pressed.emit(1, 0, QRectF(10, 10, 5, 5))
        text.document.insert(0, len(text.document.text), "")
        await asyncio.sleep(0.1)
        assert not text.gap_tools.popover.isVisible()

    with_window(test)


def test_a_word_is_put_into_a_frame_to_go_on_from_there(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king had three ", Gap(1, 6), " and lived.")
        text.settings.set(policy="sequential", steps=6)
        await generated(text)
        first = text.playhead.run
        text.playhead.show(2)
        found = await text.gap_tools.alternatives(1, 4)
        text.gap_tools._choose(1, 4, found[0].token, found[0].text)
        await until(lambda: text.playhead.run is not first)
        await finished(text)
        fill = text.document.text.gaps[0].fill
        assert fill is not None and fill.tokens[4] == found[0].token
        kept = first.frames[-1]  # pyright: ignore[reportOptionalMemberAccess]
        words = text.filling._jobs[first.id].words(kept, 0)[1]  # pyright: ignore[reportOptionalMemberAccess]
        assert fill.words[:2] == tuple(word.text for word in words[:2])

    with_window(test)


def test_drafts_stand_side_by_side_and_one_is_accepted(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, STORY, "They ", Gap(1, 8), ".")
        text.settings.set(variations=3, temperature=1.0)
        await generated(text)
        cards = text.cards.cards
        assert text.cards.isVisible() and len(cards) == 3
        assert cards[0].accessibleName() == "Draft 1, in the text" and "underline" in cards[1].text.text()
        QTest.mouseClick(cards[2], Qt.MouseButton.LeftButton)
        job = text.filling.job
        assert job is not None
        assert text.document.text.gaps[0].fill == job.fills(2)[1] != job.fills(0)[1]
        assert text.cards.cards[2].accessibleName() == "Draft 3, in the text"
        text.editor.place_caret(0, len(STORY) + 7)
        text.commands["use"].trigger()
        assert text.document.text.text == STORY + "They " + job.fills(2)[1].text + "."
        # The caret stays at the end; drafts of what is text now are none any more, until that is undone.
        assert text.editor.carets() == (len(text.document.text),) * 2 and not text.cards.isVisible()
        text.undo_stack.undo()  # pyright: ignore[reportOptionalMemberAccess]
        assert text.cards.isVisible() and len(text.cards.cards) == 3
        text.undo_stack.setIndex(0)  # pyright: ignore[reportOptionalMemberAccess]
        assert text.document.text.gaps == [Gap(1, 8)]

    with_window(test)


def test_of_many_drafts_those_in_sight_are_written(with_window: Any) -> None:
    async def test(window: Window) -> None:
        window.resize(1000, 700)
        text = opened(window, "They ", Gap(1, 3), ".")
        text.settings.set(variations=24, steps=2)
        await generated(text)
        cards = text.cards.cards
        assert len(cards) == 24 and cards[0].text.text() and not cards[0].stale and cards[23].stale
        text.filling.look_at(cards[23].job, 23)
        bar = text.cards.horizontalScrollBar()
        assert bar.value() == bar.maximum() and cards[23].text.text() and not cards[23].stale and cards[5].stale
        assert [card.accessibleName() for card in cards if card.selected] == ["Draft 24, in the text"]

    with_window(test)


def test_granularities_are_compared(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "They ", Gap(1, 4), ".")
        await press(text, "compare")
        await until(lambda: len(text.cards.cards) == len(text.settings.granularities))
        jobs = text.filling.comparison
        await until(lambda: all(job.run.over for job in jobs))
        text.cards._look()
        assert [card.title.text().split()[2] for card in text.cards.cards] == ["1", "2", "3", "4", "6", "12"]
        assert all("calls" in card.detail.text() for card in text.cards.cards)
        assert len({job.run.request.seeds for job in jobs}) == 1
        text.filling.look_at(jobs[4], 0)
        assert text.document.text.gaps[0].fill == jobs[4].fills(0)[1] and text.playhead.run is jobs[4].run
        await until(lambda: window.studio.library is not None and window.studio.library.count() == 6)

    with_window(test)


def test_only_empty_gaps_are_filled_while_there_are_some(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The ", Gap(1, 2), " king.")
        await generated(text)
        first = text.document.text.gaps[0].fill
        text.document.insert_gap(len(text.document.text), 3)
        await generated(text)
        assert text.document.text.gaps[0].fill == first and text.document.text.gaps[1].fill is not None

    with_window(test)


def test_a_new_text_is_written_from_nothing(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king.")
        text.commands["new"].trigger()
        assert not len(text.document.text) and text.file is None
        text.commands["gap"].trigger()
        await text.generate()
        await until(lambda: text.document.text.gaps[0].filled)
        text.restore(text.session())
        assert len(text.document.text) == 1
        while text.document.undo_stack.canUndo():
            text.document.undo_stack.undo()

    with_window(test)


def test_the_text_is_judged(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king had three zebra daughters.\r\nOnce.")
        text.commands["surprise"].trigger()
        await until(lambda: len(text.editor.judged) > 8 and not text.judging.busy)
        judged = text.editor.judged.between(0, 99)
        assert judged[0][0] == 0 and judged[-1][1] == len(text.document.text)
        odd = "The king had three zebra daughters.".index(" zebra")
        there = sum(bits for start, _, bits in judged if odd <= start < odd + 6)
        assert there > 2 * sum(bits for _, _, bits in judged) / len(judged)
        text.document.insert(0, 0, "Now: ")
        assert text.editor.judged.between(0, 99)[0][0] == 5
        text.commands["surprise"].trigger()
        assert text.editor.judged_between(0, 99) == []

    with_window(test)


def test_what_judging_takes_is_told_from_the_first_moment(with_window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(window: Window) -> None:
        text = opened(
            window, "The king had three daughters. " * 40, Gap(1, 2, fill=Fill((1, 2), ("a", "b"), (0.1, 0.1)))
        )
        told, where, readings = [], [], judging.readings
        text.judging.told.connect(lambda words, short: told.append(words))
        monkeypatch.setattr(judging, "readings", lambda of: where.append(threading.current_thread()) or readings(of))
        text.commands["surprise"].trigger()
        await until(lambda: len(told) > 3)
        assert told[0] == "Preparing…" and where and where[0] is not threading.main_thread()
        assert told[2].startswith("Stop judging (") and "left)" in told[2] and text._stop_judging.isVisible()
        assert text._stop_judging.text().endswith("%") and "left)" in text._stop_judging.accessibleName()
        window.resize(1440, 700)
        count = len(told)
        await until(lambda: len(told) > count)
        assert "left)" in text._stop_judging.text()
        text._stop_judging.click()
        assert told[-1] == "" and not text._stop_judging.isVisible()
        # Who stops it while it is prepared hears no more of it.
        text.commands["surprise"].trigger()
        text.commands["surprise"].trigger()
        await until(lambda: told[-1] == "Preparing…")
        text.judging.stop()
        await asyncio.sleep(0.5)
        assert told[-1] == "" and not text._stop_judging.isVisible()

    with_window(test)


def test_judging_begins_with_what_is_in_sight(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "A king.\n" * 40)
        text.editor.verticalScrollBar().setValue(text.editor.verticalScrollBar().maximum())
        top = text.editor.top()
        assert 0 < top < len(text.document.text)
        text.commands["surprise"].trigger()
        await until(lambda: len(text.editor.judged) > 0)
        assert text.editor.judged.starts[0] == top
        await until(lambda: not text.judging.busy)
        assert text.editor.judged.starts[0] == 0 and text.editor.judged.stops[-1] == len(text.document.text)

    with_window(test)


def test_hours_are_told_as_hours() -> None:
    assert judging.progress(3000, 100_000, 0.0742) == "Stop judging (3 %, about 2 h left)"
    assert judging.progress(0, 1000, 0.1) == "Stop judging (0 %, about 2 min left)"
    assert judging.progress(9, 10, 0.01) == "Stop judging (90 %, about 1 s left)"
    assert judging.progress(0, 10, None) == "Stop judging (0 %)"


def test_what_was_filled_in_is_judged_like_the_rest(with_window: Any) -> None:
    """Its tint is surprise then, not how sure the model was; what is made later is judged as soon as it is there."""

    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 3), " and lived.\r\nThey ", Gap(2, 2, "were"), ".")
        text.document.fill({1: Fill((1, 2, 3), ("zebra ", "👩‍👩‍👧", "\nx"), (0.1, 0.1, 0.1))})
        text.commands["surprise"].trigger()
        await until(lambda: len(text.editor.judged) > 8 and not text.judging.busy)
        first, second = text.document.text.gaps
        inside = text.editor.judged_inside(first)
        assert inside is not None and text.editor.judged_inside(second) is None
        assert min(start for start, _, _ in inside) == 0 and max(stop for _, stop, _ in inside) == len(
            "zebra 👩‍👩‍👧\nx"
        )
        assert sum(bits for *_, bits in inside) > 10
        mark = text.editor.marks().gaps[0]
        assert mark.judged and "bits" in tip(text.editor, mark.tokens[0].rects[0].center())
        assert "Drawn with" in tip(text.editor, mark.tokens[0].rects[0].center())
        await generated(text)
        await until(lambda: text.editor.judged_inside(text.document.text.gaps[1]) is not None)
        text.commands["surprise"].trigger()
        assert text.editor.judged_inside(text.document.text.gaps[1]) is None
        assert not text.editor.marks().gaps[0].judged

    with_window(test)


def test_far_gaps_are_told_to_be_filled_alone(with_window: Any) -> None:
    async def test(window: Window) -> None:
        far = "They lived there, and the king was old. " * 60
        text = opened(window, "The ", Gap(1, 2), far, Gap(2, 2), ".")
        await until(lambda: len(text.editor.extents) == 2)
        assert "2 windows" in text._told.text() and len(text._groups) == 2
        (_, first), (second, _) = text.editor.extents
        assert first < second
        text.commands["windows"].trigger()
        text.editor.viewport().grab()
        text.document.remove_gap(2)
        await until(lambda: len(text.editor.extents) == 1)
        assert text._told.text() == ""

    with_window(test)


def test_a_gap_that_goes_while_windows_are_laid_is_no_bug(with_window: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = threading.Event()

    def slow(*args: Any) -> Any:
        gone.wait(20)
        return text_plan(*args)

    async def test(window: Window) -> None:
        text = opened(window, "The ", Gap(1, 2), " and ", Gap(2, 2), ".")
        await until(lambda: len(text.editor.extents) == 1)
        monkeypatch.setattr(workspace_module, "text_plan", slow)
        laying = asyncio.ensure_future(text._lay_windows())
        await asyncio.sleep(0)
        text.document.remove_gap(2)
        gone.set()
        await laying
        await until(lambda: text._groups == [[0]])

    with_window(test)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is always UTF-8")
def test_a_name_that_is_no_utf_8_keeps_nothing_from_being_saved(with_window: Any, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"b\xff\xfed.txt")
    path.write_text("The king")

    async def test(window: Window) -> None:
        text = opened(window)
        await text.opening.file(path)
        assert text.document.text.text == "The king" and "\ufffd" in text.document.title
        window.studio.settings.save()
        SessionFiles(tmp_path / "session").write({"text": frozen(text.session())})
        assert SessionFiles(tmp_path / "session").load().parts["text"]["title"] == text.document.title

    with_window(test)


def test_of_several_texts_one_is_taken_and_that_is_said(with_window: Any, tmp_path: Path) -> None:
    async def test(window: Window) -> None:
        text = opened(window)
        files = [tmp_path / "one.txt", tmp_path / "two.txt"]
        for file in files:
            file.write_text(file.stem)
        assert text.open_paths(files[:1])
        await until(lambda: text.document.text.text == "one")
        assert not any("taken" in notice for notice in notices(window))
        assert text.open_paths(files[::-1])
        await until(lambda: text.document.text.text == "two")
        assert any("of 2 files two.txt was taken" in notice for notice in notices(window))

    with_window(test)


def test_a_text_that_is_saved_keeps_its_empty_gaps(
    with_window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(*_: Any, **__: Any) -> Path:
        return tmp_path / "story.txt"

    async def test(window: Window) -> None:
        monkeypatch.setattr(dialogs, "ask_save", answer)
        marked = "Once [[2]] there lived\r\n[[3]]."
        (tmp_path / "story.txt").write_bytes(marked.encode())
        text = opened(window)
        await text.opening.file(tmp_path / "story.txt")
        text.document.make_gap(9, 14)  # of words, which it reads as
        await press(text, "save")
        await until(lambda: any("Saved" in notice for notice in notices(window)))
        assert (tmp_path / "story.txt").read_bytes() == marked.encode()
        await text.opening.file(tmp_path / "story.txt")
        assert [gap.length for gap in text.document.text.gaps] == [2, 3]

    with_window(test)


def test_what_was_told_of_a_file_goes_with_the_next(with_window: Any, tmp_path: Path) -> None:
    async def test(window: Window) -> None:
        text = opened(window)
        for name, data in (("a.txt", b"Once."), ("b.txt", b"Twice."), ("broken.txt", b"\x00\xff\x00")):
            (tmp_path / name).write_bytes(data)
        text.open_paths([tmp_path / "broken.txt"])
        await until(lambda: any("broken.txt" in notice for notice in notices(window)))
        text.open_paths([tmp_path / "a.txt", tmp_path / "b.txt"])
        await until(lambda: text.document.title == "a")
        assert notices(window) == ["One text is open at a time: of 2 files a.txt was taken."]
        await text.opening.file(tmp_path / "b.txt")
        assert not notices(window)

    with_window(test)


@pytest.mark.parametrize("kind", ["txt", "md", "html", "json"])
def test_a_run_is_exported(with_window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    async def answer(*_: Any, **__: Any) -> Path:
        return tmp_path / f"out.{kind}"

    async def test(window: Window) -> None:
        monkeypatch.setattr(dialogs, "ask_save", answer)
        text = opened(window, "The king had ", Gap(1, 3), " [[3]] left.")
        await generated(text)
        await text.commands.export_as(kind)
        made = (tmp_path / f"out.{kind}").read_text("utf-8")
        if kind == "txt":
            assert made == text.document.text.text
        if kind == "json":
            assert len(json.loads(made)["steps_made"]) == 9 and json.loads(made)["texts"] == [text.document.text.text]
        assert "[[3]] left." in made and any("Exported" in notice for notice in notices(window))

        async def odd(*_: Any, **__: Any) -> Path:
            return tmp_path / "out.docx"

        monkeypatch.setattr(dialogs, "ask_save", odd)
        with pytest.raises(StudioError, match=r"let its name end in \.txt or"):
            await text.commands.export_as(kind)
        assert len(list(tmp_path.iterdir())) == 1, "no other file than the one that was asked about"

    with_window(test)


def test_what_cannot_be_done_is_said_and_nothing_is_lost(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window)
        assert "no gap" in text.filling.problem()
        with_nothing = text.document.text.pieces
        for name in ("surprise", "use", "gap"):
            text.commands[name].setEnabled(True)
        text.commands["use"].trigger()
        assert "generate first" in notices(window)[0]
        text.commands["surprise"].trigger()
        await until(lambda: len(notices(window)) == 1 and "empty" in notices(window)[0])
        assert text.document.text.pieces == with_nothing
        text = opened(window, "word " * 400)
        text.editor.selectAll()
        text.commands["gap"].trigger()
        assert "longer than the 254 tokens" in notices(window)[-1]
        assert text.document.text.pieces == ("word " * 400,)
        text.gap_length = 300
        text.commands["insert-gap"].trigger()
        assert "300 tokens" in notices(window)[-1] and not text.document.text.gaps

    with_window(test)


@pytest.mark.parametrize("error", [StudioError("The model is gone; import it again."), MemoryError(), KeyError("y")])
def test_a_run_that_fails_says_so_and_is_kept(with_window: Any, logged: Any, error: Exception) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "Once ", Gap(1, 6), " time.")
        dirty: list[bool] = []
        text.dirty.connect(lambda: dirty.append(text.playhead.state == "failed"))
        window.studio.lane.network = broken(error)  # pyright: ignore[reportAttributeAccessIssue]
        await press(text, "generate")
        await until(lambda: text.playhead.state == "failed")
        told = notices(window)
        assert len(told) == 1 and any(dirty)
        assert ("memory" in told[0]) == isinstance(error, MemoryError)
        assert bool(logged) == isinstance(error, KeyError)
        logged.clear()

    with_window(test)


def test_what_is_open_comes_back(with_window: Any) -> None:
    kept: dict[str, Any] = {}

    async def use(window: Window) -> None:
        text = opened(window, STORY, Gap(3, 5, "was"), " [[4]] and\u2028", Gap(4, 2), "\n")
        text.settings.set(variations=2, temperature=0.7)
        await generated(text)
        text.filling.look_at(text.filling.job, 1)  # pyright: ignore[reportArgumentType]
        text.document.set_pinned(3, 1, True)
        text.editor.place_caret(3, 7)
        text.playhead.show(4)
        run = text.playhead.run
        kept.update(pieces=text.document.text.pieces, y=[frame.y for frame in run.frames])  # pyright: ignore

    async def again(window: Window) -> None:
        text = text_of(window)
        assert text.document.text.pieces == kept["pieces"] and text.settings.get("temperature") == 0.7
        run = text.playhead.run
        assert run is not None and run.state == "done" and text.playhead.index == 4 and text.filling.draft == 1
        assert all((frame.y == y).all() for frame, y in zip(run.frames, kept["y"], strict=True))
        assert text.editor.carets() == (3, 7) and text.document.title == "story"
        text.commands["branch"].trigger()
        await until(lambda: text.playhead.run is not run)
        await finished(text)

    with_window(use)
    with_window(again)


def test_what_was_compared_comes_back(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, STORY, Gap(1, 4))
        await text.compare()
        await until(lambda: all(job.run.over for job in text.filling.comparison))
        text.filling.look_at(text.filling.comparison[1], 0)
        before = [job.run.request for job in text.filling.comparison]
        text.restore(text.session())
        assert [job.run.request for job in text.filling.comparison] == before
        assert text.filling.job is text.filling.comparison[1] and text.filling.at_home(text.filling.comparison[0])

    with_window(test)


@pytest.mark.parametrize(
    "damage", [{"text": 3}, {"text": [{"id": 1}]}, {"caret": None}, {"settings": 5}, {"run": {"request": "x"}}]
)
def test_a_damaged_session_is_said(with_window: Any, damage: dict[str, Any]) -> None:
    from studio.errors import StudioError

    async def test(window: Window) -> None:
        text = opened(window, STORY, Gap(1, 2))
        await generated(text)
        state = text.session()
        with pytest.raises(StudioError, match=r"damaged|lost"):
            text.restore(state | damage)
        assert "king" in text.document.text.text

    with_window(test)


def test_a_request_comes_back_from_the_gallery(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "Marks like [[3]] stay: ", Gap(1, 4), ".")
        run = await generated(text)
        before = text.document.text.text
        text.document.load(GappedText(["other"]), "other")
        assert text.open_request(run.request)
        assert text.document.text.parts == ("Marks like [[3]] stay: ", 4, ".")
        await generated(text)
        assert text.document.text.text == before

    with_window(test)


def test_a_request_comes_back_with_the_gaps_that_it_was_given(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The ", Gap(1, 2), " king had ", Gap(2, 3), ".")
        await generated(text)
        text.document.fill({2: None})
        await generated(text)
        run, before = text.playhead.run, text.document.text.text
        assert run is not None and text.open_request(run.request)
        first, second = text.document.text.gaps
        assert first.fill is not None and second.fill is None
        await generated(text)
        assert text.document.text.text == before

    with_window(test)


@pytest.mark.parametrize("way", ["gallery", "gallery's file", "export"])
def test_pins_within_a_gap_come_back(
    with_window: Any, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the Gallery and from a file that it exported: the words that were pinned, and by them the same again."""

    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 6), " and lived.\r\n", Gap(2, 2))
        await generated(text)
        text.document.set_pinned(1, 2, True)
        text.document.set_pinned(1, 3, True)
        await generated(text)
        fill, before = text.document.text.gaps[0].fill, text.document.text.text
        run, library = text.playhead.run, window.studio.library
        assert run is not None and fill is not None and library is not None
        await until(lambda: library.count() == 2)
        gallery = window.workspace_named("gallery")
        assert gallery is not None
        text.document.load(GappedText(["other"]), "other")
        if way == "gallery":
            (item,) = [item for item in library.items(library.ids()) if item.run == run.id]
            gallery.request_opened.emit(*source_of(library, item))
        else:
            path = tmp_path / "made.json"
            if way == "export":
                save_story(path, story_of(run.request, run.bundle, run.frames))
            else:
                path.write_text(
                    json.dumps(parameters_of(run.request, 0, run.provider) | {"text": before}), encoding="utf-8"
                )
            window.open_paths([path])
            await until(lambda: window.workspace is text)
        await until(lambda: len(text.document.text.gaps) == 2)
        first, second = text.document.text.gaps
        assert first.fill is not None and first.fill.pinned == {2, 3} and text.document.text.text == before
        assert first.fill.tokens[2:4] == fill.tokens[2:4] and second.fill is not None and not second.fill.pinned
        await generated(text)
        assert text.document.text.text == before and text.playhead.run.request == run.request  # pyright: ignore

    with_window(test)


def test_a_branch_from_words_known_in_part_comes_back(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king had ", Gap(1, 6), " and lived.")
        text.settings.set(policy="ancestral", steps=12, granularity=12, seed_locked=True)
        await generated(text)
        text.playhead.show(6)
        first = text.playhead.run
        await press(text, "branch")
        await until(lambda: text.playhead.run is not first)
        await finished(text)
        run, before = text.playhead.run, text.document.text.text
        assert run is not None and text.open_request(run.request, title="made")
        assert text.editor.look(text.document.text.gaps[0]).live and "Branch here" in notices(window)[-1]
        shown = text.playhead.run
        await press(text, "branch")
        await until(lambda: text.playhead.run is not shown)
        await finished(text)
        assert text.document.text.text == before and text.document.title == "made"

    with_window(test)


def test_the_writer_goes_on_where_the_caret_was(with_window: Any) -> None:
    """A session with Text in front comes back with the keys going into the text."""

    async def use(window: Window) -> None:
        text = opened(window, STORY)
        text.editor.place_caret(9, 9)

    async def again(window: Window) -> None:
        text = text_of(window) if window.workspace.name == "text" else None
        assert text is not None
        window.activateWindow()
        await until(lambda: window.focusWidget() is text.editor)
        QTest.keyClicks(text.editor, "X")
        assert text.document.text.text == STORY[:9] + "X" + STORY[9:]

    with_window(use)
    with_window(again)


def test_every_control_has_a_name(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "They ", Gap(1, 4), ".")
        text.settings.set(variations=2)
        await generated(text)
        await text.gap_tools.ask(1, 0, QRect(10, 10, 10, 10))
        nameless = [
            widget
            for parent in (text, text.gap_tools.popover)
            for widget in parent.findChildren(QWidget)
            if widget.focusPolicy() != Qt.FocusPolicy.NoFocus
            and widget.isVisible()
            and not (widget.accessibleName() or getattr(widget, "text", lambda: "")())
            and not widget.objectName().startswith("qt_")
        ]
        text.gap_tools.popover.hide()
        assert nameless == []

    with_window(test)


def test_a_text_file_is_opened_as_it_is(with_window: Any, tmp_path: Path) -> None:
    async def test(window: Window) -> None:
        (tmp_path / "a.txt").write_bytes(STORY.encode())
        (tmp_path / "b.txt").write_text("The [[5]] king", encoding="utf-8")
        text = text_of(window)
        assert text.open_paths([tmp_path / "a.txt"]) and not text.open_paths([tmp_path / "a.png"])
        await until(lambda: text.document.text.pieces == (STORY,))
        await text.opening.file(tmp_path / "b.txt")
        assert text.document.text.parts == ("The ", 5, " king")
        (tmp_path / "b.txt").write_text("The [[5]] king and [[0]] queens", encoding="utf-8")
        await text.opening.file(tmp_path / "b.txt")
        assert text.document.text.pieces == ("The [[5]] king and [[0]] queens",)
        assert "left as text. A gap of 0 tokens" in notices(window)[-1]
        (tmp_path / "b.txt").write_text("The [[king]]", encoding="utf-8")
        await text.opening.file(tmp_path / "b.txt")
        assert not notices(window)
        assert text.file == tmp_path / "b.txt" and window.windowTitle() == "b.txt"
        text.undo_stack.setIndex(1)  # pyright: ignore[reportOptionalMemberAccess]
        assert text.document.text.pieces == (STORY,) and text.file == tmp_path / "a.txt"
        assert window.windowTitle() == "a.txt"
        text.undo_stack.undo()  # pyright: ignore[reportOptionalMemberAccess]
        assert text.file is None

    with_window(test)


def test_the_end_of_a_text_can_be_seen_above_a_notice(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "line\n" * 80)
        free = text.editor.viewport().height()
        window.studio.notices.show("Nothing is filled in yet.", "error", "text")
        await until(lambda: text.editor.viewport().height() < free - 20)
        text.editor.place_caret(400, 400)
        assert text.editor.cursorRect().bottom() <= text.editor.viewport().height()
        window.studio.notices.clear("text")
        await until(lambda: text.editor.viewport().height() == free)

    with_window(test)


def test_undo_brings_back_a_text_with_what_was_made_for_it(with_window: Any, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("The [[5]] king", encoding="utf-8")

    async def test(window: Window) -> None:
        text = opened(window, "The ", Gap(1, 4), " king.")
        text.settings.set(steps=4, variations=3)
        await text.generate()
        await until(lambda: text.playhead.state == "done")
        job, filled = text.filling.job, text.document.text.pieces
        assert job is not None
        text.playhead.show(2)
        for _ in range(2):
            await text.opening.file(tmp_path / "b.txt")
            assert text.filling.job is None and text.playhead.run is None
            text.document.undo_stack.undo()
            assert text.document.text.pieces == filled
            assert text.filling.job is job and text.filling.drafts == 3 and text.playhead.index == 2
        text.filling.look_at(job, 1)
        assert text.filling.draft == 1 and text.document.text.pieces != filled
        # One that may be going on is over, and what it had come to is there.
        text.settings.set(steps=2000, variations=1)
        run = await text.filling.generate()
        assert run is not None
        await until(lambda: text.playhead.last > 0)
        await text.opening.file(tmp_path / "b.txt")
        text.document.undo_stack.undo()
        await until(lambda: text.playhead.state in ("stopped", "done"))
        assert text.playhead.run is run and text.playhead.last > 0

    with_window(test)


def test_words_are_found_in_a_very_long_paragraph(with_window: Any) -> None:
    """It is shown in parts, and a word may stand in two of them."""

    async def test(window: Window) -> None:
        words = [f"word{number}" for number in range(3000)]
        text = opened(window, "👑 " + " ".join(words), Gap(1, 2, "was"), " ΟΔΟΣ İs a street\xa0name.\nEnd")
        editor, bar = text.editor, text.finding
        assert editor.view.goes_on(0)
        seam = words.index(editor.view.views[1].split()[0])
        for sought in (f"WORD{seam - 1} word{seam}", "word2999", "οδος is", "a street name"):
            bar.words.setText(sought)
            assert bar.seek(True), sought
            start, stop = editor.selection()
            assert editor.selected_text().lower().replace("i̇", "i").replace("\xa0", " ") == sought.lower()
            assert stop - start == len(sought) and bar.told.text() == ""
        bar.words.setText(f"word{seam - 1} word{seam}")
        assert bar.seek(False) and bar.told.text() == ""
        bar.words.setText("name.end")
        assert not bar.seek(True) and bar.told.text() == "Not found"

    with_window(test)


def test_words_are_found_at_once_in_a_large_text(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "It was so long ago that no one knows. é\n" * 75_000 + "Here.")
        text.finding.words.setText("here.")
        start = time.perf_counter()
        assert text.finding.seek(True) and text.finding.seek(False)
        assert time.perf_counter() - start < 2
        assert text.editor.textCursor().selectedText() == "Here."

    with_window(test)


def test_copied_files_are_opened_and_a_picture_is_refused(with_window: Any, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("The [[5]] king", encoding="utf-8")

    async def test(window: Window) -> None:
        text = opened(window, "text")
        window.activateWindow()
        text.editor.setFocus()
        clipboard, data = QGuiApplication.clipboard(), QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(tmp_path / "b.txt"))])
        clipboard.setMimeData(data)
        assert text.editor.can_paste()
        QTest.keyClick(text.editor, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
        await until(lambda: text.document.text.parts == ("The ", 5, " king"))
        picture = QImage(8, 8, QImage.Format.Format_RGB32)
        picture.fill(0)
        clipboard.setImage(picture)
        QTest.keyClick(text.editor, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
        assert "paste it in Image" in notices(window)[-1] and text.document.text.parts == ("The ", 5, " king")
        data = QMimeData()
        data.setText("https://example.org/a")
        data.setUrls([QUrl("https://example.org/a")])
        clipboard.setMimeData(data)
        text.editor.place_caret(0, 0)
        QTest.keyClick(text.editor, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
        assert text.document.text.text.startswith("https://example.org/aThe ")
        picture.save(str(tmp_path / "a.png"))
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(tmp_path / "a.png"))])
        clipboard.setMimeData(data)
        QTest.keyClick(text.editor, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
        assert window.workspace.name == "image"
        await until(lambda: window.workspace.document.size == (8, 8))  # pyright: ignore[reportAttributeAccessIssue]
        clipboard.clear()

    with_window(test)


def test_words_are_found_round_the_end(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king and ", Gap(1, 3, "was"), " the King's\nking.")
        editor, bar = text.editor, text.finding
        text.commands["find"].trigger()
        assert bar.isVisible() and window.focusWidget() is bar.words
        places = []
        bar.words.setText("king")
        for _ in range(4):
            bar._after()
            assert editor.textCursor().selectedText().lower() == "king"
            places.append(editor.textCursor().selectionStart())
        assert places[0] == 4 == places[3] and places == [*sorted(places[:3]), 4]
        assert bar.told.text() == "Round the end"
        bar._before()
        assert editor.textCursor().selectionStart() == places[2] and bar.told.text() == "Round the start"
        bar.words.setText("queen")
        before = editor.textCursor().selectionStart()
        bar._after()
        assert bar.told.text() == "Not found" and editor.textCursor().selectionStart() == before
        assert not editor.textCursor().hasSelection()
        editor.insert("x")
        assert bar.told.text() == ""
        bar.close_bar()
        assert not bar.isVisible() and window.focusWidget() is editor

    with_window(test)


def test_what_is_found_becomes_a_gap_and_enter_goes_on_finding(with_window: Any) -> None:
    async def test(window: Window) -> None:
        text = opened(window, "The king and the king and the king.")
        bar = text.finding
        text.commands["find"].trigger()
        QTest.keyClicks(bar.words, "king")
        for _ in range(3):
            text.commands["gap"].trigger()
            assert window.focusWidget() is bar.words
            QTest.keyClick(bar.words, Qt.Key.Key_Return)
        assert [part for part in text.document.text.parts if isinstance(part, str)] == [
            "The ",
            " and the ",
            " and the ",
            ".",
        ]
        assert bar.told.text() == "Not found"

    with_window(test)
