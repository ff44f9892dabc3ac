"""What keys, menus and clicks do to gaps and to the words in them."""

import asyncio
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QPoint, QRect, QRectF, Qt
from PySide6.QtWidgets import QMenu

from studio.errors import StudioError
from studio.generation import Alternative, alternatives, text_request
from studio.media.gapped import Gap
from studio.ui.tasks import report, spawn
from studio.ui.text.popover import Popover

if TYPE_CHECKING:
    from studio.ui.text.workspace import TextWorkspace

PLACE = "text"


class GapTools(QObject):
    """Acts on the gap at the caret, or on the one that was clicked."""

    def __init__(self, workspace: "TextWorkspace"):
        super().__init__(workspace)
        self._of = workspace
        self.document, self.editor, self.filling = workspace.document, workspace.editor, workspace.filling
        # Not of the workspace: Qt would put that into the popup's ring of Tab and take it out of the window's.
        self.popover = Popover(workspace.editor)
        self.editor.token_pressed.connect(self._ask)
        self.editor.menu_asked.connect(self._menu)
        self.editor.files_pasted.connect(workspace.paths_opened)
        self.editor.picture_pasted.connect(self._refuse_picture)
        self.popover.chosen.connect(self._choose)
        self.popover.pinned.connect(self.filling.pin)
        self.popover.redo.connect(self._redo)

    # ---- gaps

    def make_gap(self) -> None:
        """Turn what is selected into a gap; with nothing selected insert one."""
        self.editor.own_words()
        start, stop = self.editor.selection()
        if start == stop:
            self.insert_gap()
        else:
            self.document.make_gap(start, stop)
            self._keys_to_text()

    def insert_gap(self) -> None:
        self.editor.own_words()
        self.document.insert_gap(self.editor.selection()[1], self._of.gap_length)
        self._keys_to_text()

    def resize_gap(self, by: int) -> None:
        gap = self._gap()
        self.document.resize_gap(gap.id, gap.length + by)
        self.editor.select_gap(gap.id)
        self._keys_to_text()

    def remove_gap(self) -> None:
        self.document.remove_gap(self._gap().id)

    def give_back(self) -> None:
        gap = self._gap()
        if not gap.was:
            raise StudioError("This gap was not made from words: there is nothing to put back.")
        self.document.give_back(gap.id)
        self._keys_to_text()

    def accept(self) -> None:
        self._accept(self._gap().id)

    def accept_all(self) -> None:
        self._accept(None)

    def _accept(self, gap_id: int | None) -> None:
        """Nothing is selected then: the next key would take away what was just accepted."""
        caret = self.editor.carets()[1]
        self.filling.accept(gap_id, (caret, caret))
        self._keys_to_text()

    def go_to_gap(self, by: int) -> None:
        """Select the next gap behind the caret, or the one before it, round and round."""
        places = [(place, gap.id) for place, gap in self.document.text.placed() if isinstance(gap, Gap)]
        if not places:
            raise StudioError("There is no gap: select words and press Ctrl+M, or insert a gap.")
        start, stop = self.editor.selection()
        behind = [gap for place, gap in places if place >= stop]
        before = [gap for place, gap in places if place < start]
        chosen = (behind or [places[0][1]])[0] if by > 0 else (before or [places[-1][1]])[-1]
        self.editor.select_gap(chosen)
        self._keys_to_text()

    def _keys_to_text(self) -> None:
        """From a button as well the keys go on in the text; while words are sought, Enter shall find the next."""
        if not self._of.finding.words.hasFocus():
            self.editor.setFocus()

    def _gap(self) -> Gap:
        gap = self.editor.gap_at_caret()
        if gap is None:
            raise StudioError("No gap is chosen: put the caret beside one, or press F3 to go to the next.")
        return gap

    # ---- words

    def _ask(self, gap: int, index: int, rect: QRectF) -> None:
        viewport = self.editor.viewport()
        corner = viewport.mapToGlobal(rect.topLeft().toPoint())
        spawn(self.ask(gap, index, QRect(corner, rect.size().toSize())), place=PLACE)

    async def ask(self, gap_id: int, index: int, at: QRect) -> None:
        """Open the list of what could stand at a place."""
        gap = next((gap for gap in self.document.text.gaps if gap.id == gap_id), None)
        look = None if gap is None else self.editor.look(gap)
        if gap is None or look is None or index >= len(look.tokens):
            return  # a key pressed right after the click has taken it away
        token = look.tokens[index]
        self.popover.ask(gap_id, index, at, token.pinned, token.state == "settled")
        try:
            found = await self.alternatives(gap_id, index)
        except Exception:
            if (self.popover.gap, self.popover.index) == (gap_id, index):
                self.popover.hide()  # else it would say for ever that it looks
            raise
        if self.popover.isVisible() and (self.popover.gap, self.popover.index) == (gap_id, index):
            known = gap.fill is not None and not look.live and index in gap.fill.known
            present = gap.fill.words[index] if gap.fill is not None and known else None
            self.popover.tell(found, present)

    async def alternatives(self, gap_id: int, index: int, count: int = 9) -> list[Alternative]:
        """What could stand at a place of a gap given everything else, as it is shown. StudioError where unknown."""
        filling = self.filling
        bundle, job, frame = filling.bundle(), filling.job, filling.playhead.frame
        if filling.live and job is not None and frame is not None and gap_id in job.made:
            request, bundle = job.run.request, job.run.bundle
            y = frame.y[min(filling.draft, filling.drafts - 1)].astype(np.int64)
            number = job.gaps.index(gap_id)
        else:
            text = self.document.text
            gaps = text.gaps
            number = next(i for i, gap in enumerate(gaps) if gap.id == gap_id)
            kept = [{} if gap.fill is None else gap.fill.known for gap in gaps]
            kept[number].pop(index, None)
            request = await asyncio.to_thread(text_request, bundle, text.parts, kept=kept)
            y = request.given.unpack()
        lane = self._of.studio.lane
        work = lane.submit(lambda: alternatives(request, bundle, lane.network(bundle), y, number, index, count))
        return await asyncio.wrap_future(work)

    def ask_at_caret(self) -> None:
        gap, index = self._token_at_caret()
        mark = next((m for m in self.editor.marks().gaps if m.gap.id == gap), None)
        if mark is not None and mark.tokens[index].rects:
            self._ask(gap, index, mark.tokens[index].rects[0])

    def pin_at_caret(self) -> None:
        gap_id, index = self._token_at_caret()
        pinned = self.editor.look(self.document.text.find(gap_id)[1]).tokens[index].pinned
        self.filling.pin(gap_id, index, not pinned)

    def _token_at_caret(self) -> tuple[int, int]:
        gap = self._gap()
        cursor = self.editor.textCursor()
        block = cursor.block()
        for offset, _, found in self.editor.view.gaps_in(block.blockNumber()):
            if found.id == gap.id:
                at = cursor.position() - block.position() - offset
                stops = [token.stop for token in self.editor.look(gap).tokens]
                return gap.id, next((i for i, stop in enumerate(stops) if at <= stop), len(stops) - 1)
        return gap.id, 0

    def _choose(self, gap_id: int, index: int, token: int, word: str) -> None:
        """Put a word in; in a frame that is looked back at, go on from there."""
        gap = self.document.text.find(gap_id)[1]
        if self.editor.look(gap).live:
            spawn(self.filling.branch(known={(gap_id, index): token}), place=PLACE)
        else:
            self.document.set_token(gap_id, index, token, word)

    def _menu(self, gap: Gap | None, at: QPoint) -> None:
        menu = QMenu(self._of)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if gap is not None:
            self.editor.select_gap(gap.id)
        action = self._of.commands.__getitem__
        names = ("words", "accept", "give-back", "longer", "shorter", "remove-gap") if gap else ("gap", "insert-gap")
        menu.addActions([action(name) for name in names if gap is None or action(name).isEnabled()])
        menu.addSeparator()
        for title, slot, can in (
            ("Cut", self.editor.cut, self.editor.textCursor().hasSelection()),
            ("Copy", self.editor.copy, self.editor.textCursor().hasSelection()),
            ("Paste", self.editor.paste, self.editor.can_paste()),
            ("Select all", self.editor.selectAll, True),
        ):
            menu.addAction(title, slot).setEnabled(can)
        menu.popup(at)

    def _refuse_picture(self) -> None:
        report(StudioError("There is no text on the clipboard but a picture: paste it in Image."), PLACE)

    def _redo(self) -> None:
        spawn(self._of.redo_rest(), place=PLACE)
