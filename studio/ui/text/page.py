"""The page: a TextDocument as Qt shows it, with the marks of its gaps. What is shown never edits the document."""

from collections.abc import Callable, Iterable, Sequence
from weakref import ref

from PySide6.QtCore import QMargins, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QResizeEvent, QTextBlockFormat, QTextCursor
from PySide6.QtWidgets import QFrame, QTextEdit

from studio.media.gapped import Edit, Fill, Gap
from studio.ui import theme
from studio.ui.fonts import font
from studio.ui.text import painting
from studio.ui.text.document import TextDocument
from studio.ui.text.judged import Judged
from studio.ui.text.looks import GapLook, Looks, document_look
from studio.ui.text.marks import Marks, collect
from studio.ui.text.viewmap import Change, Spot, ViewMap, difference
from studio.ui.theme import color

TEXT_PX = 17
LINE_PERCENT = 150
COLUMN = 760
"""Widest column of text, in pixels: longer lines are hard to read."""
EDGE = 28


class TextPage(QTextEdit):
    """A column of text with gaps in it, its caret and what is selected as places of the document."""

    caret_changed = Signal()

    def __init__(self, document: TextDocument):
        super().__init__()
        self.document_ = document
        self.looks: Looks = document_look
        self.settled: Callable[[Gap], Fill | None] = lambda gap: gap.fill
        """What is known of a gap in what is shown of it."""
        self.judged = Judged()
        self.extents: list[tuple[int, int]] = []
        self.confidence_shown, self.windows_shown, self.judged_shown = True, False, False
        self._cache: dict[int, tuple[Gap, GapLook]] = {}
        self._marks: Marks | None = None
        self._applying = False
        self._hot: int | None = None
        """The gap under the pointer."""
        self._anchor = self._caret = self._foot = 0
        self.setAcceptRichText(False)
        self.setUndoRedoEnabled(False)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFont(font(TEXT_PX))
        self.document().setDocumentMargin(EDGE)
        self.view = ViewMap(document.text, self._viewer())
        self.cursorPositionChanged.connect(self._caret_moved)
        self.document().contentsChange.connect(self._watch_contents)
        self.verticalScrollBar().valueChanged.connect(self.forget_marks)
        document.edited.connect(self._edited)
        document.reworked.connect(self._reworked)
        document.moved.connect(self.place_caret)
        document.reset.connect(self.lay_out)
        theme.current().changed.connect(self._recolor)
        self._recolor()
        self.lay_out()

    # ---- what is shown

    def look(self, gap: Gap) -> GapLook:
        """What a gap shows, as it was last looked at."""
        kept = self._cache.get(gap.id)
        if kept is None or kept[0] is not gap:
            kept = (gap, self.looks(gap))
            self._cache[gap.id] = kept
        return kept[1]

    def _viewer(self) -> Callable[[Gap], str]:
        """For the map, which must not keep the page alive that keeps it."""
        page = ref(self)

        def shown(gap: Gap) -> str:
            found = page()
            return "" if found is None else found.look(gap).view

        return shown

    def lay_out(self) -> None:
        """Show the whole document anew, from its beginning."""
        self.judged.clear()
        self._lay()
        self.place_caret(0, 0)
        self.forget_marks()

    def _lay(self) -> None:
        self._cache.clear()
        self.view = ViewMap(self.document_.text, self._viewer())
        self._applying = True
        try:
            self.document().clear()
            cursor = QTextCursor(self.document())
            # Blocks inherit it from the first one.
            spaced = QTextBlockFormat()
            spaced.setLineHeight(LINE_PERCENT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
            cursor.setBlockFormat(spaced)
            cursor.insertText("\n".join(self.view.views))
        finally:
            self._applying = False

    def refresh(self, gap_ids: Iterable[int] | None = None) -> None:
        """Look again at what these gaps show, or all of them."""
        ids = {gap.id for gap in self.document_.text.gaps} if gap_ids is None else set(gap_ids)
        caret = self.carets()
        for gap_id in ids:
            self._cache.pop(gap_id, None)
        changes = self.view.refresh(ids)
        if changes:
            self._show_in_place(changes, caret)
        self.forget_marks()

    def judged_between(self, start: int, stop: int) -> list[tuple[int, int, float]]:
        return self.judged.between(start, stop) if self.judged_shown else []

    def judged_inside(self, gap: Gap) -> list[tuple[int, int, float]] | None:
        """Surprise of what fills a gap, by its characters; None where it is not to be shown."""
        if not self.judged_shown or gap.fill is None or not gap.filled or self.look(gap).live:
            return None
        return self.judged.inside(gap.id, gap.fill.text)

    def marks(self) -> Marks:
        """What is in sight, measured once until something moves."""
        if self._marks is None:
            self._marks = collect(self)
        return self._marks

    def _edited(self, edit: Edit) -> None:
        self.judged.follow(edit)
        change = self.view.update(edit)
        if all(isinstance(piece, Gap) for piece in (*edit.removed, *edit.added)) and edit.removed and edit.added:
            self._show_in_place([change], (self._anchor, self._caret))
        else:
            self._show(change)
        self.forget_marks()

    def _reworked(self, edits: Sequence[Edit]) -> None:
        carets, seen = (self._anchor, self._caret), self.verticalScrollBar().value()
        for edit in edits:
            self.judged.follow(edit)
        self._lay()
        self.place_caret(*(min(place, len(self.document_.text)) for place in carets))
        self.verticalScrollBar().setValue(seen)
        self.forget_marks()

    def _show_in_place(self, changes: list[Change], carets: tuple[int, int]) -> None:
        """What gaps show is another: who reads or writes elsewhere is not called away from there."""
        if all(change.removed == change.added for change in changes):
            return  # a word was pinned: the caret stays in it
        seen = self.verticalScrollBar().value()
        for change in changes:
            self._show(change)
        self.place_caret(*carets)
        self.verticalScrollBar().setValue(seen)

    def _show(self, change: Change) -> None:
        """Bring a change of the view into Qt's document."""
        start, removed, added = difference("\n".join(change.removed), "\n".join(change.added))
        cursor = QTextCursor(self.document())
        at = self.document().findBlockByNumber(change.first).position() + start
        cursor.setPosition(at)
        cursor.setPosition(at + removed, QTextCursor.MoveMode.KeepAnchor)
        self._applying = True
        try:
            cursor.insertText(added)
        finally:
            self._applying = False

    def _watch_contents(self, position: int, removed: int, added: int) -> None:
        """What Qt edits by itself, whatever it be, is not the document: the document is shown again."""
        if not self._applying and (removed or added):
            self._marks = None
            if self.document().toRawText().replace("\u2029", "\n") != "\n".join(self.view.views):
                caret = self._caret
                self.lay_out()
                self.place_caret(caret, caret)

    def forget_marks(self) -> None:
        self._marks = None
        self.viewport().update()

    def _recolor(self) -> None:
        # The caret shows where the focus is: no frame around a whole page for that.
        self.setStyleSheet(f"TextPage {{ border: none; background: {color('raised').name()}; }}")
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Base, color("raised"))
        self.setPalette(palette)
        self.forget_marks()

    def background(self) -> QColor:
        return self.palette().color(QPalette.ColorRole.Base)

    # ---- places

    def spot(self, position: int) -> Spot:
        block = self.document().findBlock(position)
        return self.view.spot(block.blockNumber(), position - block.position())

    def position_of(self, place: int) -> int:
        line, offset = self.view.position(min(place, len(self.document_.text)))
        return self.document().findBlockByNumber(line).position() + offset

    def carets(self) -> tuple[int, int]:
        """Anchor and caret as places."""
        cursor = self.textCursor()
        return self.spot(cursor.anchor()).place, self.spot(cursor.position()).place

    def selection(self) -> tuple[int, int]:
        """First place and place behind what is selected; a gap that is touched is whole."""
        cursor = self.textCursor()
        start, stop = self.spot(cursor.selectionStart()), self.spot(cursor.selectionEnd())
        return start.place, stop.place + (stop.gap is not None and cursor.hasSelection())

    def top(self) -> int:
        """The place of the first paragraph that is in sight."""
        block = self.cursorForPosition(self.viewport().rect().topLeft()).block()
        return self.spot(block.position()).place

    def gap_at_caret(self) -> Gap | None:
        """The gap that is selected, or that the caret is in or beside."""
        start, stop = self.selection()
        spot = self.spot(self.textCursor().position())
        if spot.gap is not None:
            return spot.gap
        pieces = self.document_.text.between(start, stop) if stop > start else ()
        if len(pieces) == 1 and isinstance(pieces[0], Gap):
            return pieces[0]
        if stop == start:
            beside = (*self.document_.text.between(start - 1, start), *self.document_.text.between(start, start + 1))
            return next((piece for piece in beside if isinstance(piece, Gap)), None)
        return None

    def _selected_gaps(self) -> set[int]:
        start, stop = self.selection()
        pieces = self.document_.text.between(start, stop) if stop > start else ()
        return {piece.id for piece in pieces if isinstance(piece, Gap)}

    def select_gap(self, gap_id: int) -> None:
        place, _ = self.document_.text.find(gap_id)
        self.place_caret(place, place + 1)
        self.ensureCursorVisible()

    def place_caret(self, anchor: int, caret: int) -> None:
        cursor = self.textCursor()
        cursor.setPosition(self.position_of(anchor))
        cursor.setPosition(self.position_of(caret), QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)
        self._anchor, self._caret = anchor, caret

    def _caret_moved(self) -> None:
        """The caret does not stand within a gap that is not filled: it goes on to the other side."""
        if self._applying:
            return
        cursor = self.textCursor()
        spot = self.spot(cursor.position())
        if spot.gap is not None and (not spot.gap.filled or self.look(spot.gap).live):
            forward = spot.place >= self._caret
            mode = QTextCursor.MoveMode.KeepAnchor if cursor.hasSelection() else QTextCursor.MoveMode.MoveAnchor
            cursor.setPosition(self.position_of(spot.place + forward), mode)
            self._caret = spot.place + forward
            self.setTextCursor(cursor)
            return
        self._anchor, self._caret = self.spot(cursor.anchor()).place, spot.place
        self.caret_changed.emit()

    # ---- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        marks = self.marks()
        painter = QPainter(self.viewport())
        painting.beneath(painter, marks, self.confidence_shown, self.judged_shown)
        if self.windows_shown:
            painting.windows(painter, marks, self.extents, self._margin() - 18)
        painter.end()
        super().paintEvent(event)
        painter = QPainter(self.viewport())
        painting.above(
            painter,
            marks,
            self.background(),
            confidence=self.confidence_shown,
            judged=self.judged_shown,
            hot=self._hot,
            selected=self._selected_gaps(),
        )
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._set_margins()
        super().resizeEvent(event)
        self.forget_marks()
        caret = self.cursorRect()
        if self.viewport().height() < caret.bottom() and caret.top() < event.oldSize().height():
            self.ensureCursorVisible()  # what has come below, such as drafts, does not cover where the writer is

    def keep_free(self, height: int) -> None:
        """Show nothing in so many pixels at the foot: something lies over them."""
        self._foot = height
        self._set_margins()

    def _set_margins(self) -> None:
        side = max(0, (self.width() - COLUMN - 2 * EDGE) // 2)
        margins = QMargins(side, 0, max(0, side - 12), self._foot)
        if self.viewportMargins() != margins:
            self.setViewportMargins(margins)

    def _margin(self) -> float:
        return self.document().documentMargin()
