"""How controls are put in order: labelled rows, sections that fold, a column that scrolls."""

from typing import Any, Protocol

from PySide6.QtCore import QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.ui.icons import icon
from studio.ui.widgets.choices import Choice
from studio.ui.widgets.icon_button import IconButton

LINE_WIDTH = 112

_UNSET = object()


class Control(Protocol):
    """What a Field can reset: every control of this package."""

    @property
    def changed(self) -> Any: ...

    def value(self) -> Any: ...

    def set_value(self, value: Any) -> None: ...


class Field(QWidget):
    """A label, its control, one sentence of help, and a way back to the default where the value differs from it.

    inline: the control stands beside the label, for small ones. `reset` gives the control the default, which tells so
    itself, by `changed`.
    """

    def __init__(
        self, label: str, control: QWidget, help: str = "", *, default: Any = _UNSET, inline: bool = False
    ) -> None:
        super().__init__()
        self.control = control
        self._help, self._default = help, default
        self.label = QLabel(label)
        self.label.setBuddy(control)
        self._reset = IconButton("undo", f"Reset {label}", role="link", size=12)
        self._reset.setFixedSize(20, 20)
        kept = self._reset.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self._reset.setSizePolicy(kept)
        self._reset.hide()
        self._reset.clicked.connect(self.reset)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.setSpacing(4)
        head.addWidget(self.label)
        head.addWidget(self._reset)
        head.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        if inline:
            if isinstance(control, QLineEdit):
                control.setFixedWidth(LINE_WIDTH)
            head.addWidget(control)
        else:
            layout.addWidget(control)
        changed = getattr(control, "changed", None)
        if changed is not None:
            changed.connect(self.update_default)
        self._tell()

    def set_default(self, default: Any) -> None:
        """The default now, such as that of another model."""
        self._default = default
        self._tell()

    def set_value(self, value: Any) -> None:
        """Show a value that comes from the program."""
        self._resettable().set_value(value)
        self.update_default()

    def update_default(self) -> None:
        """Look again whether the value is the default."""
        self._reset.setVisible(self._default is not _UNSET and self._resettable().value() != self._default)

    def reset(self) -> None:
        """Back to the default, as if the user had set it."""
        control = self._resettable()
        control.set_value(self._default)
        self.update_default()
        control.changed.emit(control.value())

    def _resettable(self) -> Control:
        return self.control  # pyright: ignore[reportReturnType]

    def _tell(self) -> None:
        words = self._help
        if self._default is not _UNSET:
            shown = f"{self._default:g}" if isinstance(self._default, float) else str(self._default)
            if isinstance(self.control, Choice):
                shown = self.control.words(self._default)
            words = f"{words}\nDefault: {shown}".strip()
            self._reset.set_name(f"Reset {self.label.text()} to {shown}")
            self.update_default()
        self.setToolTip(words)
        self.setWhatsThis(words)
        self.control.setToolTip(words)
        (self.control.focusProxy() or self.control).setAccessibleDescription(words)


class Section(QWidget):
    """A heading that folds what is under it away. `add` puts a widget under it."""

    toggled = Signal(bool)

    def __init__(self, title: str, *, expanded: bool = True) -> None:
        super().__init__()
        self._header = QToolButton()
        self._header.setProperty("section", True)
        self._header.setText(title)
        self._header.setAccessibleName(title)
        self._header.setCheckable(True)
        self._header.setChecked(expanded)
        self._header.setIconSize(QSize(14, 14))
        self._header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._header.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._body = QWidget()
        self._content = QVBoxLayout(self._body)
        self._content.setContentsMargins(4, 4, 4, 8)
        self._content.setSpacing(12)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._header)
        layout.addWidget(self._body)
        self._header.toggled.connect(self._fold)
        self._fold(expanded)

    def add(self, what: QWidget | QLayout) -> None:
        if isinstance(what, QWidget):
            self._content.addWidget(what)
        else:
            self._content.addLayout(what)

    def set_title(self, title: str) -> None:
        self._header.setText(title)
        self._header.setAccessibleName(title)

    def set_expanded(self, expanded: bool) -> None:
        self._header.setChecked(expanded)

    def _fold(self, expanded: bool) -> None:
        self._body.setVisible(expanded)
        self._header.setIcon(icon("chevron-down" if expanded else "chevron-right", "muted", "muted"))
        self._header.setAccessibleDescription("expanded" if expanded else "collapsed")
        if expanded and self.isVisible():
            QTimer.singleShot(0, self, self._come_into_view)  # once it has its new height
        self.toggled.emit(expanded)

    def _come_into_view(self) -> None:
        """As much of it as fits, its heading in any case."""
        area = self.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if area is not None and (column := area.widget()) is not None:
            top, bar = self.mapTo(column, QPoint()).y(), area.verticalScrollBar()
            bar.setValue(min(top, max(bar.value(), top + self.height() - area.viewport().height())))


class Column(QScrollArea):
    """A column of sections that scrolls up and down and is never wider than its room, such as an inspector."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._inside = QWidget()
        self._inside.setProperty("transparent", True)
        self._layout = QVBoxLayout(self._inside)
        self._layout.setContentsMargins(16, 12, 16, 16)
        self._layout.setSpacing(12)
        self._layout.addStretch()
        self.setWidget(self._inside)

    def resizeEvent(self, event: QResizeEvent) -> None:
        # Else one long word would push everything past the right edge.
        self._inside.setFixedWidth(self.viewport().width())
        super().resizeEvent(event)

    def add(self, what: QWidget | QLayout) -> None:
        """Below what is there."""
        at = self._layout.count() - 1
        if isinstance(what, QWidget):
            self._layout.insertWidget(at, what)
        else:
            self._layout.insertLayout(at, what)


class ElidedLabel(QLabel):
    """One line that shortens in the middle where room is scarce, and shows itself whole as a tooltip then."""

    def __init__(self, text: str = "", role: str = "") -> None:
        super().__init__()
        self._whole = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        if role:
            self.setProperty("role", role)
        self.set_text(text)

    def set_text(self, text: str) -> None:
        self._whole = text
        self.setAccessibleName(text)
        self._elide()

    def whole(self) -> str:
        return self._whole

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width())
        self.setText(shown)
        self.setToolTip(self._whole if shown != self._whole else "")


def bar(*widgets: QWidget | int | None) -> QFrame:
    """Widgets in a row above what is worked on; None is all the room there is between them, a number so many pixels."""
    frame = QFrame()
    frame.setProperty("surface", "raised")
    row = QHBoxLayout(frame)
    row.setContentsMargins(8, 4, 8, 4)
    row.setSpacing(4)
    for widget in widgets:
        if widget is None:
            row.addStretch(1)
        elif isinstance(widget, int):
            row.addSpacing(widget)
        else:
            row.addWidget(widget)
    return frame
