"""Drafts, or runs at several granularities, side by side below the text; what differs is marked."""

import html
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from studio.media.gapped import Gap, reading
from studio.media.words import Word, differences
from studio.ui import theme
from studio.ui.fonts import font
from studio.ui.runs import Kept
from studio.ui.text.filling import Filling
from studio.ui.text.jobs import Job
from studio.ui.theme import color

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOOK_MS = 250
"""How often a card is written anew while something is being made: one after the other, so that no moment is long."""
AROUND = 36
"""Characters of given text shown on each side of a gap."""
WIDTH = 250
HEIGHT = 152
SPACING, EDGE = 8, 12


class Card(QFrame):
    """One draft. chosen: it was clicked, or Return pressed on it."""

    chosen = Signal(object, int)

    def __init__(self, job: Job, draft: int, title: str):
        super().__init__()
        self.job, self.draft = job, draft
        self.stale = True
        """Whether its text is to be written anew once it is in sight."""
        self.selected = False
        self.setFixedWidth(WIDTH)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._name = title
        self.title, self.detail, self.text = QLabel(title), QLabel(), QLabel()
        self.title.setProperty("role", "heading")
        self.detail.setProperty("role", "mono")
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.text.setFont(font(13))
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.detail)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(4)
        column.addLayout(head)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.text.setProperty("transparent", True)
        area.setWidget(self.text)
        column.addWidget(area, 1)

    def tell(self, detail: str, selected: bool) -> None:
        """What its head says; selected: whether this draft is in the text."""
        self.selected = selected
        self.detail.setText(detail)
        self.title.setText(f"{self._name} ✓" if selected else self._name)
        self.setAccessibleName(f"{self._name}, in the text" if selected else self._name)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        # Not by a style sheet of its own: with many drafts, each change of it would cost the window a second.
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        marked = self.hasFocus() or self.selected
        wide = 2 if marked else 1
        painter.setPen(QPen(color("focus" if self.hasFocus() else "accent" if self.selected else "border"), wide))
        painter.setBrush(color("raised"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(wide / 2, wide / 2, -wide / 2, -wide / 2), 8, 8)
        painter.end()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.chosen.emit(self.job, self.draft)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(self.job, self.draft)
        else:
            super().keyPressEvent(event)


class Cards(QScrollArea):
    """A row of cards; hidden where there is only one draft."""

    chosen = Signal(object, int)

    def __init__(self, filling: Filling):
        super().__init__()
        self._filling = filling
        self.cards: list[Card] = []
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(HEIGHT + 28)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Drafts side by side")
        self._row = QHBoxLayout()
        self._row.setContentsMargins(EDGE, 6, EDGE, 6)
        self._row.setSpacing(SPACING)
        self._row.addStretch(1)
        inside = QWidget()
        inside.setLayout(self._row)
        self.setWidget(inside)
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self._look_at_next)
        self._next = 0
        self.horizontalScrollBar().valueChanged.connect(self._write_seen)
        filling.listed.connect(self.rebuild)
        filling.document.edited.connect(self._check)
        filling.document.reworked.connect(self._check)
        filling.playhead.state_changed.connect(self._look)
        filling.playhead.frame_changed.connect(self._scrubbed)
        theme.current().changed.connect(self.rebuild)
        self.rebuild()

    def rebuild(self) -> None:
        """Lay the cards out anew where others are to be compared."""
        listed = self._listed()
        if [(card.job, card.draft) for card in self.cards] != [(job, draft) for job, draft, _ in listed]:
            for card in self.cards:
                self._row.removeWidget(card)
                card.hide()
                card.deleteLater()
            self.cards = [Card(job, draft, title) for job, draft, title in listed]
            for card in self.cards:
                card.chosen.connect(self.chosen)
                self._row.insertWidget(self._row.count() - 1, card)
        self.setVisible(len(self.cards) > 1)
        self._look()

    def _listed(self) -> "Sequence[tuple[Job, int, str]]":
        filling = self._filling
        if filling.comparison and filling.at_home(filling.comparison[0]):
            return [(job, 0, f"ℓ = {job.run.request.granularity}") for job in filling.comparison]
        job = filling.job
        if job is None or not filling.at_home(job):
            return []
        return [(job, draft, f"Draft {draft + 1}") for draft in range(filling.drafts)]

    def _check(self) -> None:
        """Drafts of gaps that are text now are none any more; undone, they are again."""
        if len(self.cards) != len(self._listed()):
            self.rebuild()

    def _scrubbed(self) -> None:
        if not self._timer.isActive():
            self._look()

    def _look(self) -> None:
        going = any(not card.job.run.over for card in self.cards)
        if going != self._timer.isActive():
            self._timer.start(LOOK_MS // max(len(self._seen()), 1)) if going else self._timer.stop()
        self._filling.see_comparison()
        if len(self.cards) > 1:
            for card in self.cards:
                self._tell(card)
                card.stale = True
            self._write_seen()

    def _look_at_next(self) -> None:
        if not any(not card.job.run.over for card in self.cards):
            self._look()
        elif len(self.cards) > 1:
            self._filling.see_comparison()
            self._next = (self._next + 1) % len(self.cards)
            self._tell(self.cards[self._next])
            seen = self._seen()
            self._write(seen[self._next % len(seen)])

    def _seen(self) -> list[Card]:
        """The cards in sight, of maybe very many."""
        start, step = self.horizontalScrollBar().value() - EDGE, WIDTH + SPACING
        return self.cards[max(start // step, 0) : max(start + self.viewport().width(), 0) // step + 1]

    def _write_seen(self) -> None:
        for card in self._seen():
            if card.stale and len(self.cards) > 1:
                self._write(card)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._write_seen()

    def _frame(self, card: Card) -> Kept:
        """The frame that is looked at, of the run that is looked at; of others the newest."""
        frames, filling = card.job.run.frames, self._filling
        return frames[min(filling.playhead.index, len(frames) - 1)] if card.job is filling.job else frames[-1]

    def _tell(self, card: Card) -> None:
        filling, kept = self._filling, self._frame(card)
        detail = f"{kept.calls} calls, {kept.seconds:.1f} s" if filling.comparison else ""
        selected = card.job is filling.job and card.draft == filling.draft
        if selected and not card.selected:
            self.ensureWidgetVisible(card, EDGE, 0)
        card.tell(detail, selected)

    def _write(self, card: Card) -> None:
        kept = self._frame(card)
        words = card.job.words(kept, card.draft)
        # What still changes by the moment is not compared.
        whole = card.job.run.over and kept is card.job.run.frames[-1]
        text = self._html(words, self._differing(card, words) if whole else {})
        if text != card.text.text():
            card.text.setText(text)
        card.stale = False

    def _differing(self, card: Card, words: dict[int, list[Word]]) -> dict[int, "Sequence[bool]"]:
        """For each gap which tokens of a draft differ from the one that is looked at."""
        filling, shown = self._filling, self._filling.job
        if shown is None or (card.job is shown and card.draft == filling.draft):
            return {}
        others = shown.words(shown.run.frames[-1], min(filling.draft, filling.drafts - 1))
        return {
            gap: differences([word.text for word in mine], [word.text for word in others[gap]])[0].tolist()
            for gap, mine in words.items()
            if gap in others
        }

    def _html(self, words: dict[int, list[Word]], differing: "Mapping[int, Sequence[bool]]") -> str:
        """The gaps with a little of what stands around them; what lies between near ones is whole."""
        muted, link = color("muted").name(), color("link").name()
        pieces = self._filling.document.text.pieces
        shown = [False, *(isinstance(piece, Gap) and piece.id in words for piece in pieces), False]
        told: list[str] = []
        for piece, left, here, right in zip(pieces, shown, shown[1:], shown[2:], strict=False):
            if isinstance(piece, Gap) and here:
                marks = differing.get(piece.id, [False] * len(words[piece.id]))
                told += [_word_html(word, mark, link, muted) for word, mark in zip(words[piece.id], marks, strict=True)]
                continue
            given = reading(piece)
            if left and right and len(given) <= 2 * AROUND:
                around = _escape(given)
            else:
                around = _escape(_head(given[:AROUND])) if left else ""
                around += ("<br><br>" if told else "") + _escape(_tail(given[-AROUND:])) if right else ""
            told.append(f'<span style="color:{muted}">{around}</span>')
        return "".join(told)

    def close_down(self) -> None:
        self._timer.stop()


def _word_html(word: Word, differs: bool, link: str, muted: str) -> str:
    if not word.settled:
        partly = f'<i style="color:{muted}">{_escape(word.text or "…")}<sup>{word.candidates}</sup></i>'
        return partly if word.known else "░ "
    text = _escape(word.text)
    return f'<span style="color:{link};font-weight:600;text-decoration:underline">{text}</span>' if differs else text


def _escape(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")


def _tail(text: str) -> str:
    return text if len(text) < AROUND else "…" + text[text.find(" ") :] if " " in text else "…" + text


def _head(text: str) -> str:
    return text if len(text) < AROUND else text[: text.rfind(" ")] + " …" if " " in text else text + "…"
