"""The open text as the window edits it: a GappedText with undo, and signals for who shows it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import ref

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand

from studio.errors import StudioError
from studio.media.gapped import LONGEST_GAP, Edit, Fill, Gap, GappedText, size
from studio.media.texts import TextTokenizer
from studio.ui.undo import UndoStack

NO_MODEL = "There is no text model: import one in Models, or install Prime Studio again."
UNDO_LIMIT = 1000
PAUSE_S = 2.0
"""Typing after a longer pause is an undo step of its own."""
MANY_EDITS = 16
"""More at once are shown together: one after the other, each would cost as much as the text is long."""

Place = tuple[str, int] | None
"""A run and the draft of it that is looked at."""


@dataclass
class _Step:
    """Edits that are undone together. before, after: where anchor and caret belong; None where they stay. places: what
    is on the screen before and after it; None where that stays too."""

    title: str
    edits: list[Edit]
    before: tuple[int, int] | None
    after: tuple[int, int] | None
    places: tuple[Place, Place] | None = None
    time: float = field(default_factory=time.monotonic)


class _Command(QUndoCommand):
    """A step on the undo stack. It does not hold its document, which holds the stack."""

    def __init__(self, document: "TextDocument", step: _Step):
        super().__init__(step.title)
        self._document, self._step = ref(document), step

    def redo(self) -> None:
        if document := self._document():
            self._do(document, self._step.edits, 1, self._step.after)

    def undo(self) -> None:
        if document := self._document():
            self._do(document, [edit.inverse for edit in reversed(self._step.edits)], 0, self._step.before)

    def _do(self, document: "TextDocument", edits: list[Edit], which: int, caret: tuple[int, int] | None) -> None:
        document._apply(edits)
        if caret is not None:
            document.moved.emit(*caret)
        if self._step.places is not None:
            document._return(self._step.places[which])


class _Opening(QUndoCommand):
    """Another text in place of the one that was open. Nobody edits a text that is not, so undo finds it as it was."""

    def __init__(self, document: "TextDocument", text: GappedText, title: str, beside: tuple[Any, Any] | None):
        super().__init__("open text")
        self._document = ref(document)
        self._texts, self._beside = ((document.text, document.title), (text, title)), beside

    def redo(self) -> None:
        self._show(1)

    def undo(self) -> None:
        self._show(0)

    def _show(self, which: int) -> None:
        if document := self._document():
            document._show(*self._texts[which])
            if self._beside is not None:
                document.reopened.emit(self._beside[which])


class TextDocument(QObject):
    """Given text and gaps, changed through undo steps only.

    edited: an `Edit` has just been applied. reworked: many of them have, one after the other. moved: where anchor and
    caret belong after an undo step. leaving, reset: another text is about to be shown, and is. returned: undo or redo
    has led to another `place`. reopened: what goes with the text that is open now.
    """

    edited = Signal(object)
    reworked = Signal(object)
    moved = Signal(int, int)
    leaving = Signal()
    reset = Signal()
    returned = Signal()
    reopened = Signal(object)

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self.text, self.title = GappedText(), "text"
        self.place: Place = None
        """What is on the screen of what was made, of no concern here; undo and redo lead back to it."""
        self.longest = 254
        """The longest gap that the model can fill."""
        self.tokenizer: TextTokenizer | None = None
        self.undo_stack = UndoStack(self)
        self.undo_stack.setUndoLimit(UNDO_LIMIT)
        self.revision = 0
        self._typing: _Step | None = None
        self._last: _Step | None = None
        self._come: _Step | None = None
        """The last step of `come_to`, while none is younger."""

    def open(self, text: GappedText, title: str, beside: tuple[Any, Any] | None = None) -> None:
        """Show another text, as one action. beside: what goes with the text before, and with this one, of no concern
        here; undo and redo hand it to `reopened`."""
        self.undo_stack.push(_Opening(self, text, title, beside))

    def load(self, text: GappedText, title: str = "text") -> None:
        """Begin anew with this text: nothing to undo."""
        self.undo_stack.clear()
        self._show(text, title)

    def _show(self, text: GappedText, title: str) -> None:
        self.leaving.emit()
        self.text, self.title, self.place = text, title, None
        self.revision += 1
        self._typing = self._last = self._come = None
        self.reset.emit()

    def set_model(self, tokenizer: TextTokenizer | None, num_tokens: int) -> None:
        self.tokenizer, self.longest = tokenizer, min(max(num_tokens - 2, 1), LONGEST_GAP)

    # ---- editing

    def insert(self, start: int, stop: int, text: str, caret: tuple[int, int] | None = None) -> None:
        """Type or paste in place of what stands there. Letters of a word that is being typed are one undo step."""
        edit = self.text.replace(start, stop, text)
        after = edit.start + size(edit.added)
        typed = len(text) == 1 and start == stop
        title = "typing" if typed else "paste" if text else "delete"
        open_ = self._typing
        if typed and open_ is not None and self._continues(open_, edit):
            self._apply([edit])
            open_.edits.append(edit)
            open_.after, open_.time = (after, after), time.monotonic()
            self.moved.emit(after, after)
            return
        self._push(title, [edit], caret or (start, stop), (after, after))
        self._typing = self._last if typed else None

    def _continues(self, open_: _Step, edit: Edit) -> bool:
        stack = self.undo_stack
        if stack.index() != stack.count() or stack.count() == 0 or stack.isClean():
            return False
        last = open_.edits[-1]
        before, now = "".join(map(str, last.added)), "".join(map(str, edit.added))
        word_begins = before.isspace() and not now.isspace()
        return (
            edit.start == last.start + size(last.added) and not word_begins and time.monotonic() - open_.time < PAUSE_S
        )

    def make_gap(self, start: int, stop: int) -> Gap:
        """Turn what stands there into a gap. StudioError where it cannot be one."""
        if self.tokenizer is None:
            raise StudioError(NO_MODEL)
        edit = self.text.make_gap(start, stop, self.tokenizer, self.longest)
        (gap,) = edit.added
        assert isinstance(gap, Gap)
        self._push("make a gap", [edit], (start, stop), (edit.start + 1, edit.start + 1))
        return gap

    def insert_gap(self, place: int, length: int) -> Gap:
        edit = self.text.insert_gap(place, length, self.longest)
        (gap,) = edit.added
        assert isinstance(gap, Gap)
        self._push("insert a gap", [edit], (place, place), (place + 1, place + 1))
        return gap

    def resize_gap(self, gap_id: int, length: int, of_drag: bool = False) -> None:
        """Make a gap longer or shorter. of_drag: it goes on with the step before, as the mouse moves."""
        edit = self.text.resize(gap_id, length, self.longest)
        if edit.added == edit.removed:
            return
        stack, last = self.undo_stack, self._last
        if of_drag and last is not None and stack.index() == stack.count() and last.title == "resize a gap":
            self._apply([edit])
            last.edits.append(edit)
            return
        place = edit.start
        self._push("resize a gap", [edit], (place + 1, place + 1), (place + 1, place + 1))

    def end_drag(self) -> None:
        """The next drag is a step of its own."""
        self._last = None

    def remove_gap(self, gap_id: int) -> None:
        self._replace_gap("remove a gap", self.text.remove(gap_id))

    def give_back(self, gap_id: int) -> None:
        """The words that a gap was made from stand in its place again."""
        self._replace_gap("put the words back", self.text.give_back(gap_id))

    def accept(self, fills: Mapping[int, Fill], caret: tuple[int, int] | None = None) -> None:
        """Make what is known of gaps, by their ids, part of the text; what is not known stays a gap. caret: anchor and
        caret, which stay where they are in the text; behind the first gap unless given."""
        found = self.text.accept(fills)
        if found:
            behind = found[-1].start + 1
            anchor, place = caret or (behind, behind)

            def moved(place: int) -> int:
                return place + sum(size(edit.added) - 1 for edit in found if edit.start < place)

            self._push("accept", found, (anchor, place), (moved(anchor), moved(place)))

    def _replace_gap(self, title: str, edit: Edit) -> None:
        after = edit.start + size(edit.added)
        self._push(title, [edit], (edit.start + 1, edit.start + 1), (after, after))

    def come_to(self, place: Place, title: str) -> None:
        """Something else is on the screen from now on: one action."""
        self._push(title, [], None, None, (self.place, place))
        self._come = self._last

    def fill(self, fills: Mapping[int, Fill | None], title: str = "fill", place: Place = None) -> None:
        """Put fills into gaps, as far as they are there and of that length. place: what is on the screen with them;
        where coming to that was the last action, the fills become part of it."""
        lengths = {gap.id: gap.length for gap in self.text.gaps}
        fitting = {
            gap_id: fill
            for gap_id, fill in fills.items()
            if gap_id in lengths and (fill is None or len(fill.tokens) == lengths[gap_id])
        }
        edits = self.text.fill(fitting)
        stack, come = self.undo_stack, self._come
        if come is not None and come.places is not None and place is not None and stack.index() == stack.count():
            come.edits += edits
            come.places, self.place, self._come = (come.places[0], place), place, None
            self._apply(edits)
        elif edits:
            at = edits[-1].start + 1
            self._push(title, edits, (at, at), None, None if place is None else (self.place, place))

    def set_token(self, gap_id: int, index: int, token: int, word: str, title: str = "choose a word") -> None:
        """Put a token into a gap, filled or not, and pin it."""
        _, gap = self.text.find(gap_id)
        if index < gap.length:
            fill = gap.fill or Fill.nothing(gap.length)
            self.fill({gap_id: fill.with_token(index, token, word)}, title)

    def set_pinned(self, gap_id: int, index: int, pinned: bool) -> None:
        """Keep a token, or not, when the rest is made again."""
        _, gap = self.text.find(gap_id)
        fill = gap.fill
        if fill is None or index not in fill.known:
            return
        fill = replace(fill, pinned=fill.pinned | {index} if pinned else fill.pinned - {index})
        # In a gap that is not filled nothing is known but what is pinned.
        fill = fill if fill.whole else fill.pins_alone(gap.length)
        self.fill({gap_id: fill}, "pin a word" if pinned else "unpin a word")

    # ---- inside

    def _push(
        self,
        title: str,
        edits: list[Edit],
        before: tuple[int, int] | None,
        after: tuple[int, int] | None,
        places: tuple[Place, Place] | None = None,
    ) -> None:
        self._typing = self._come = None
        self._last = _Step(title, edits, before, after, places)
        if places is not None:
            self.place = places[1]  # whoever does something first is there already
        self.undo_stack.push(_Command(self, self._last))

    def _return(self, place: Place) -> None:
        if place != self.place:
            self.place = place
            self.returned.emit()

    def _apply(self, edits: Sequence[Edit]) -> None:
        if len(edits) > MANY_EDITS:
            self.text.apply_all(edits)
            self.revision += 1
            self.reworked.emit(edits)
            return
        for edit in edits:
            self.text.apply(edit)
            self.revision += 1
            self.edited.emit(edit)
