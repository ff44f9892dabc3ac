"""The editor: turns keys and mouse into edits of a TextDocument. Qt's own text is never edited by itself."""

from contextlib import suppress
from dataclasses import replace

from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QDropEvent,
    QFontMetricsF,
    QGuiApplication,
    QInputMethodEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QTextCursor,
)
from PySide6.QtWidgets import QToolTip

from studio.media.gapped import Gap, reading, valid
from studio.ui.text.document import TextDocument
from studio.ui.text.keys import deletion, moves, types
from studio.ui.text.looks import BLOCK
from studio.ui.text.page import LINE_PERCENT, TextPage
from studio.ui.text.tips import tip
from studio.ui.workspace import files_of


class TextEditor(TextPage):
    """A page to write on.

    token_pressed: a token of a gap was clicked: gap id, index, its rectangle in the viewport. menu_asked: a menu is
    asked for at a point of the screen, over a gap or None. files_pasted: files (list[Path]) were, that had been copied
    in a file manager. picture_pasted: a picture was, which is nothing for a text.
    """

    token_pressed = Signal(int, int, QRectF)
    files_pasted = Signal(list)
    picture_pasted = Signal()
    menu_asked = Signal(object, QPoint)

    def __init__(self, document: TextDocument):
        self._drag: tuple[int, int, QPointF, int] | None = None
        super().__init__(document)
        self.setAccessibleName("Text with gaps")
        self.setPlaceholderText("Type or paste a text. Select words and press Ctrl+M to make a gap of them.")
        self.viewport().setMouseTracking(True)

    # ---- editing

    def own_words(self) -> None:
        """Where caret or selection begin or end within what was filled in, that becomes the writer's text first."""
        cursor = self.textCursor()
        spots = [self.spot(cursor.anchor()), self.spot(cursor.position())]
        accepted = {
            spot.gap.id: (spot.place, spot.gap.fill)
            for spot in spots
            if spot.gap is not None and spot.gap.fill is not None and spot.gap.filled and not self.look(spot.gap).live
        }
        if accepted:
            # A gap was one place; now it is as many as it has characters.
            longer = [(place, len(fill.text) - 1) for place, fill in accepted.values()]
            places = [spot.place + spot.inside + sum(by for at, by in longer if at < spot.place) for spot in spots]
            self.document_.accept({gap: fill for gap, (_, fill) in accepted.items()})
            self.place_caret(*places)

    def insert(self, text: str) -> None:
        """Type or paste at the caret, in place of what is selected."""
        self.own_words()
        start, stop = self.selection()
        self.document_.insert(start, stop, text, self.carets())
        self.ensureCursorVisible()

    def delete(self, cursor: QTextCursor) -> None:
        """Take away what a cursor has selected; a gap beside the caret is selected first."""
        if not cursor.hasSelection():
            return
        self.setTextCursor(cursor)
        self.own_words()
        start, stop = self.selection()
        self.document_.insert(start, stop, "", (stop, stop))
        self.ensureCursorVisible()

    def line_end(self) -> str:
        return (
            "\r\n" if any("\r\n" in piece for piece in self.document_.text.pieces if isinstance(piece, str)) else "\n"
        )

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = QKeySequence.StandardKey
        if event.matches(keys.Undo):
            self.document_.undo_stack.undo()
        elif event.matches(keys.Redo):
            self.document_.undo_stack.redo()
        elif event.matches(keys.Copy):
            self.copy()
        elif event.matches(keys.Cut):
            self.cut()
        elif event.matches(keys.Paste):
            self.paste()
        elif event.matches(keys.SelectAll):
            self.selectAll()
        elif (cursor := deletion(event, self.textCursor())) is not None:
            if self._nothing_between(cursor):
                cursor.clearSelection()
                cursor = deletion(event, cursor) or cursor
            self._delete_by_key(cursor)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers() & (
            Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
        ):
            self.insert("\u2028" if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else self.line_end())
        elif moves(event):
            before = self.textCursor().position()
            super().keyPressEvent(event)
            after = self.textCursor().position()
            if after != before and self.spot(after) == self.spot(before):
                super().keyPressEvent(event)  # it went from one part of a paragraph to the next: no way at all
        elif types(event):
            self.insert(event.text())
        else:
            event.ignore()

    def _nothing_between(self, cursor: QTextCursor) -> bool:
        """Whether a cursor has selected what is no part of the text: from one part of a paragraph to the next."""
        return cursor.hasSelection() and self.spot(cursor.anchor()) == self.spot(cursor.position())

    def _delete_by_key(self, cursor: QTextCursor) -> None:
        """A gap next to the caret is selected by the first press and goes with the second."""
        if not self.textCursor().hasSelection():
            start, stop = self.spot(cursor.selectionStart()), self.spot(cursor.selectionEnd())
            gap = start.gap or stop.gap
            if gap is not None and (not gap.filled or self.look(gap).live):
                self.select_gap(gap.id)
                return
        self.delete(cursor)

    def cut(self) -> None:
        if self.textCursor().hasSelection():
            self.copy()
            self.delete(self.textCursor())

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        """What is being composed is shown by Qt; what was composed is typed into the document."""
        if event.commitString() or event.preeditString():
            if self.textCursor().hasSelection():
                self.delete(self.textCursor())
            if event.replacementLength():
                cursor = self.textCursor()
                cursor.setPosition(cursor.position() + event.replacementStart())
                cursor.setPosition(cursor.position() + event.replacementLength(), QTextCursor.MoveMode.KeepAnchor)
                self.delete(cursor)
        super().inputMethodEvent(QInputMethodEvent(event.preeditString(), event.attributes()))
        if event.commitString():
            self.insert(event.commitString())
        event.accept()

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        return source.hasText() and not files_of(source)

    def insertFromMimeData(self, source: QMimeData) -> None:
        if files := files_of(source):
            self.files_pasted.emit(files)
        elif source.hasText():
            self.insert(valid(source.text()))
        elif source.hasImage():
            self.picture_pasted.emit()

    def can_paste(self) -> bool:
        return self.canPaste() or bool(files_of(QGuiApplication.clipboard().mimeData()))

    def createMimeDataFromSelection(self) -> QMimeData:
        """The very characters of the document, not Qt's."""
        # Qt's own object, emptied: one made here could outlive Python on the clipboard, and crash at the end.
        data = super().createMimeDataFromSelection()
        data.text()
        data.clear()
        data.setText(self.selected_text())
        return data

    def selected_text(self) -> str:
        """What is selected, as it reads; of a gap that is filled only the part that is selected."""
        cursor = self.textCursor()
        start, stop = self.spot(cursor.selectionStart()), self.spot(cursor.selectionEnd())
        if start.gap is not None and start.gap is stop.gap:
            return self._reading(start.gap)[start.inside : stop.inside]
        pieces = [self._reading(piece) for piece in self.document_.text.between(start.place, stop.place)]
        if start.gap is not None and pieces:
            pieces[0] = pieces[0][start.inside :]
        tail = self._reading(stop.gap)[: stop.inside] if stop.gap is not None else ""
        return "".join([*pieces, tail])

    def _reading(self, piece: str | Gap) -> str:
        """As `reading`, but of a gap what is on the screen."""
        return reading(piece if isinstance(piece, str) else replace(piece, fill=self.settled(piece)))

    def dropEvent(self, event: QDropEvent) -> None:
        if self.canInsertFromMimeData(event.mimeData()):
            self.setTextCursor(self.cursorForPosition(event.position().toPoint()))
            self.insertFromMimeData(event.mimeData())
            event.acceptProposedAction()
        else:
            event.ignore()

    # ---- mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        point = event.position()
        handle = self.marks().handle_at(point)
        if event.button() == Qt.MouseButton.LeftButton and handle is not None:
            self._drag = (handle.gap.id, handle.gap.length, point, handle.grows)
            return
        if event.button() == Qt.MouseButton.LeftButton and self.textCursor().hasSelection():
            # No dragging of text: it would be Qt's edit, and a slip of the hand moves a sentence.
            plain = not event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            if plain:
                self.setTextCursor(self.cursorForPosition(point.toPoint()))
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        point = event.position()
        if self._drag is not None:
            self._drag_to(point)
            return
        handle = self.marks().handle_at(point)
        token = self.marks().token_at(point)
        hot = handle.gap.id if handle else token.gap.id if token else None
        if hot != self._hot:
            self._hot = hot
            self.viewport().update()
        over_word = token is not None and token.look.state != "unknown"
        shape = Qt.CursorShape.SizeHorCursor if handle else Qt.CursorShape.PointingHandCursor if over_word else None
        self.viewport().setCursor(Qt.CursorShape.IBeamCursor if shape is None else shape)
        super().mouseMoveEvent(event)

    def _drag_to(self, point: QPointF) -> None:
        assert self._drag is not None
        gap_id, length, start, grows = self._drag
        block = max(QFontMetricsF(self.font()).horizontalAdvance(BLOCK), 1.0)
        line = QFontMetricsF(self.font()).height() * LINE_PERCENT / 100
        wide = self.viewport().width() - 2 * self._margin()
        rows = round((point.y() - start.y()) / line)
        wanted = length + round((grows * (point.x() - start.x()) + rows * wide) / block)
        try:
            gap = self.document_.text.find(gap_id)[1]
            self.document_.resize_gap(gap_id, min(max(wanted, 1), self.document_.longest), gap.length != length)
        except KeyError:
            self._drag = None

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._drag is not None:
            gap_id = self._drag[0]
            self._drag = None
            self.document_.end_drag()
            with suppress(KeyError):  # undone while it was dragged
                self.select_gap(gap_id)
            return
        super().mouseReleaseEvent(event)
        if event.button() == Qt.MouseButton.LeftButton and not self.textCursor().hasSelection():
            token = self.marks().token_at(event.position())
            if token is None:
                return
            if token.look.state == "unknown" and not self.look(token.gap).live:
                self.select_gap(token.gap.id)
            else:
                self.token_pressed.emit(token.gap.id, token.index, token.rects[0])

    def leaveEvent(self, event: QEvent) -> None:
        self._hot = None
        self.viewport().update()
        super().leaveEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        token = self.marks().token_at(QPointF(event.pos()))
        self.menu_asked.emit(token.gap if token else None, event.globalPos())

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            point = QPointF(event.pos())  # pyright: ignore[reportAttributeAccessIssue]
            QToolTip.showText(event.globalPos(), tip(self, point), self.viewport())  # pyright: ignore[reportAttributeAccessIssue]
            return True
        return super().viewportEvent(event)
