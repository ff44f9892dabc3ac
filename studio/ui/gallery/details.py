"""The inspector of the gallery: one item large, what it was made with, its relatives, tags and star."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QIcon,
    QImage,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
    QTextCharFormat,
    QTextCursor,
)
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.generation import GenerationRequest, TextSource
from studio.library import Item, given_pieces
from studio.ui.gallery.cell import draw_sharp
from studio.ui.gallery.words import made_spans, rows
from studio.ui.theme import color, current
from studio.ui.widgets.icon_button import ActionButton, IconButton

_MOST_RELATIVES = 6


@dataclass(frozen=True, eq=False)
class Shown:
    """All that the pane shows of an item, read beforehand. problem: why there is no picture or text of it; "" where
    there is. parents, children: (item, thumbnail) of what it came from and what came from it."""

    item: Item
    request: GenerationRequest
    image: QImage | None
    text: str
    problem: str = ""
    parents: Sequence[tuple[Item, QImage | None]] = ()
    children: Sequence[tuple[Item, QImage | None]] = ()


class Preview(QWidget):
    """A picture as large as the pane is wide, its pixels sharp."""

    def __init__(self) -> None:
        super().__init__()
        self._image: QImage | None = None
        self._room = 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Picture")

    def set_image(self, image: QImage | None) -> None:
        self._image = image
        self.setVisible(image is not None)
        self._fit()
        self.update()

    def set_room(self, width: int) -> None:
        """Be as high as the picture is at this width, within limits. Its own would not do: with a scroll bar beside it
        it would be narrower, so lower, and with that the bar would go, without end until Qt has no stack left."""
        self._room = width
        self._fit()

    def _fit(self) -> None:
        if self._image is not None and self._image.width():
            height = self._room * self._image.height() / self._image.width()
            self.setFixedHeight(round(min(max(height, 96), 480)))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color("canvas"))
        painter.drawRoundedRect(self.rect(), 8, 8)
        if self._image is not None:
            draw_sharp(painter, self._image, self.rect())
        painter.end()


class Details(QScrollArea):
    """Shows what it is given; what is asked of it is signalled."""

    renamed = Signal(str)
    tagged = Signal(list, list)
    """Tags to be added, and tags to be taken away."""
    asked_for = Signal(str)
    """The id of a relative that was clicked."""

    def __init__(self, actions: dict[str, QAction]):
        super().__init__()
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # what is in it takes the keys
        self._shown: Shown | None = None
        inside = QWidget()
        inside.setProperty("transparent", True)
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(16, 16, 16, 16)
        self._column.setSpacing(12)
        self.nothing = QLabel("Choose something to see what it was made with.")
        self.nothing.setProperty("role", "muted")
        self.nothing.setWordWrap(True)
        self.preview = Preview()
        self.text = QTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName("Text")
        self.text.document().documentLayout().documentSizeChanged.connect(self._fit_text)
        self.problem = QLabel()
        self.problem.setProperty("role", "danger")
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.setWordWrap(True)
        self._build_head(actions)
        self.made = QFormLayout()
        self.made.setHorizontalSpacing(16)
        self.made.setVerticalSpacing(6)
        self.made.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self._build_tags()
        self.family = QVBoxLayout()
        self.family.setSpacing(4)
        self.parts = QWidget()
        parts = QVBoxLayout(self.parts)
        parts.setContentsMargins(0, 0, 0, 0)
        parts.setSpacing(12)
        for piece in (self.preview, self.text, self.problem, self.title):
            parts.addWidget(piece)
        parts.addLayout(self.buttons)
        self.tags_heading = _heading("Tags")
        parts.addWidget(self.tags_heading)
        parts.addLayout(self.tags)
        parts.addWidget(self.tag_field)
        parts.addWidget(_heading("Made with"))
        parts.addLayout(self.made)
        parts.addLayout(self.family)
        self._build_many(actions)
        self._column.addWidget(self.nothing)
        self._column.addWidget(self.many)
        self._column.addWidget(self.parts)
        self._column.addStretch()
        self.setWidget(inside)
        current().changed.connect(self._mark_text)
        self.show_nothing()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        margins = self._column.contentsMargins()
        bar = self.verticalScrollBar().sizeHint().width()
        self.preview.set_room(self.width() - bar - margins.left() - margins.right())

    def _build_head(self, actions: dict[str, QAction]) -> None:
        self.title = QLineEdit()
        self.title.setAccessibleName("Title")
        self.title.setMaxLength(200)
        self.title.editingFinished.connect(self._rename)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(4)
        self.open = QPushButton()
        self.open.setProperty("kind", "primary")
        self.open.clicked.connect(actions["open"].trigger)
        self.restore = QPushButton("Restore")
        self.restore.setProperty("kind", "primary")
        self.restore.clicked.connect(actions["restore"].trigger)
        for button in (self.open, self.restore):
            self.buttons.addWidget(button, 1)
        self.star = IconButton("star", "Star", checkable=True)
        self.star.clicked.connect(actions["star"].trigger)
        self.buttons.addWidget(self.star)
        self.buttons.addWidget(ActionButton(actions["copy"]))
        self.export = IconButton("export", "Export")
        menu = QMenu(self.export)
        menu.addActions([actions[name] for name in ("export", "export-plain", "export-grid", "export-table")])
        self.export.setMenu(menu)
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.buttons.addWidget(self.export)
        self.buttons.addWidget(ActionButton(actions["delete"]))

    def _build_many(self, actions: dict[str, QAction]) -> None:
        """What can be done with several at once."""
        self.many = QWidget()
        column = QVBoxLayout(self.many)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.many_title = _heading("")
        column.addWidget(self.many_title)
        self.many_buttons: dict[str, QPushButton] = {}
        for name, words in (
            *(("star", "Star"), ("restore", "Restore"), ("export", "Export with parameters…")),
            *(("export-plain", "Export without parameters…"), ("export-grid", "Export as a grid…")),
            *(("export-table", "Export with a table…"), ("delete", "Delete")),
        ):
            button = QPushButton(words)
            button.setIcon(actions[name].icon())
            button.clicked.connect(actions[name].trigger)
            column.addWidget(button)
            self.many_buttons[name] = button
        self.many_field = self._tag_field("Add a tag to all")
        column.addWidget(self.many_field)

    def _build_tags(self) -> None:
        self.tags = QVBoxLayout()
        self.tags.setSpacing(4)
        self.tag_field = self._tag_field("Add a tag")

    def _tag_field(self, words: str) -> QLineEdit:
        field = QLineEdit()
        field.setPlaceholderText(f"{words}…")
        field.setAccessibleName(words)
        field.setMaxLength(60)
        field.returnPressed.connect(lambda: self._add_tag(field))
        return field

    # -- showing

    @property
    def shown(self) -> Shown | None:
        return self._shown

    def show_nothing(self) -> None:
        self._shown = None
        self._show_only(self.nothing)

    def show_many(self, count: int, deleted: bool) -> None:
        """More than one is selected."""
        self._shown = None
        self.many_title.setText(f"{count:,} selected")
        self.many_buttons["star"].setVisible(not deleted)
        self.many_field.setVisible(not deleted)
        self.many_buttons["restore"].setVisible(deleted)
        self.many_buttons["delete"].setText("Delete for good…" if deleted else "Delete")
        self._show_only(self.many)

    def _show_only(self, chosen: QWidget) -> None:
        for widget in (self.nothing, self.many, self.parts):
            widget.setVisible(widget is chosen)

    def show_item(self, shown: Shown) -> None:
        other = self._shown is None or self._shown.item.key != shown.item.key
        self._shown = shown
        item = shown.item
        self._show_only(self.parts)
        self.preview.set_image(shown.image)
        self.text.setVisible(item.kind == "text" and not shown.problem)
        self.problem.setVisible(bool(shown.problem))
        self.problem.setText(shown.problem)
        if item.kind == "text" and (other or self.text.toPlainText() != shown.text):
            self.text.setPlainText(shown.text)
            self._mark_text()
        if other or not (self.title.hasFocus() and self.title.isModified()):  # what is being typed stays
            self.title.setText(item.title)
            self.title.setCursorPosition(0)
        self.title.setReadOnly(item.deleted is not None)
        self.open.setText("Open in Image" if item.kind == "picture" else "Open in Text")
        self.open.setVisible(item.deleted is None)
        self.restore.setVisible(item.deleted is not None)
        self.star.setChecked(item.star)
        self.star.set_icon("star-filled" if item.star else "star", "pin" if item.star else "text")
        self.star.set_name("Take the star away" if item.star else "Star")
        self.tag_field.setVisible(item.deleted is None)
        self.tags_heading.setVisible(item.deleted is None or bool(item.tags))
        self._fill_tags(item.tags, item.deleted is None)
        _clear(self.made)
        for name, value in rows(item, shown.request):
            label, words = QLabel(name), QLabel(value)
            label.setProperty("role", "muted")
            label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
            words.setWordWrap(True)
            words.setTextFormat(Qt.TextFormat.PlainText)
            words.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            words.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
            self.made.addRow(label, words)
        _clear(self.family)
        self._fill_family("Branched from", shown.parents)
        self._fill_family("Branched into", shown.children)
        if other:
            self.verticalScrollBar().setValue(0)

    def _fill_tags(self, tags: Sequence[str], editable: bool) -> None:
        _clear(self.tags)
        for tag in tags:
            line = QHBoxLayout()
            line.setSpacing(4)
            label = QLabel(tag)
            label.setTextFormat(Qt.TextFormat.PlainText)
            line.addWidget(label, 1)
            if editable:
                remove = IconButton("close", f"Remove the tag {tag}", size=14)
                remove.setProperty("tag", tag)
                remove.clicked.connect(self._remove_tag)
                line.addWidget(remove)
            self.tags.addLayout(line)

    def _fill_family(self, heading: str, relatives: Sequence[tuple[Item, QImage | None]]) -> None:
        if not relatives:
            return
        self.family.addWidget(_heading(heading))
        for item, image in relatives[:_MOST_RELATIVES]:
            button = QPushButton(item.title if len(item.title) < 34 else f"{item.title[:33]}…")
            button.setProperty("kind", "quiet")
            button.setProperty("item", item.id)
            button.setStyleSheet("text-align: left; min-height: 36px;")
            button.setAccessibleName(f"{heading} {item.title}")
            if image is not None:
                button.setIcon(QIcon(_icon(image, self.devicePixelRatioF())))
                button.setIconSize(QSize(32, 32))
            button.clicked.connect(self._ask_for)
            self.family.addWidget(button)
        if len(relatives) > _MOST_RELATIVES:
            more = QLabel(f"and {len(relatives) - _MOST_RELATIVES} more")
            more.setProperty("role", "muted")
            self.family.addWidget(more)

    def _fit_text(self) -> None:
        """As high as the text is, within limits."""
        self.text.setFixedHeight(min(max(round(self.text.document().size().height()) + 18, 80), 420))

    def _mark_text(self) -> None:
        """What was made stands out from what was given."""
        if self._shown is None or not isinstance(self._shown.request.source, TextSource):
            return
        made, plain = QTextCharFormat(), QTextCharFormat()
        made.setForeground(color("link"))
        cursor = QTextCursor(self.text.document())
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.setCharFormat(plain)
        for start, end in made_spans(given_pieces(self._shown.request.source), self._shown.text):
            cursor.setPosition(_units(self._shown.text, start))
            cursor.setPosition(_units(self._shown.text, end), QTextCursor.MoveMode.KeepAnchor)
            cursor.setCharFormat(made)

    # -- asking

    def _rename(self) -> None:
        if self._shown is not None and self.title.text().strip() not in ("", self._shown.item.title):
            self.title.setModified(False)
            self.renamed.emit(self.title.text())

    def _add_tag(self, field: QLineEdit) -> None:
        if field.text().strip():
            self.tagged.emit(field.text().split(","), [])
            field.clear()

    def _remove_tag(self) -> None:
        if self._shown is not None:
            self.tagged.emit([], [self.sender().property("tag")])

    def _ask_for(self) -> None:
        self.asked_for.emit(self.sender().property("item"))


def _units(text: str, place: int) -> int:
    """A place in a text as Qt counts, in units of UTF-16, a line end of two characters as one."""
    return len(text[:place].replace("\r\n", "\n").encode("utf-16-le")) // 2


def _icon(image: QImage, ratio: float) -> QPixmap:
    side = round(32 * ratio)
    small = max(image.width(), image.height()) <= side
    mode = Qt.TransformationMode.FastTransformation if small else Qt.TransformationMode.SmoothTransformation
    pixmap = QPixmap.fromImage(image.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, mode))
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


def _heading(words: str) -> QLabel:
    label = QLabel(words)
    label.setProperty("role", "heading")
    return label


def _clear(layout: QFormLayout | QVBoxLayout | QHBoxLayout) -> None:
    while layout.count():
        child = layout.takeAt(0)
        assert child is not None
        widget, below = child.widget(), child.layout()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
        elif isinstance(below, QFormLayout | QVBoxLayout | QHBoxLayout):
            _clear(below)
            below.deleteLater()
