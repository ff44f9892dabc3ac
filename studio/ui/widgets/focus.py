"""Where the keys go when what has them goes, and where they are."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QFocusEvent, QPainter, QPaintEvent, QRegion
from PySide6.QtWidgets import QApplication, QWidget

from studio.ui.theme import color

WIDE = 2
BY_KEY = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
FOR_A_MOMENT = (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason)
"""The focus only returns."""


def leave_focus(going: QWidget, place: QWidget) -> None:
    """Before `going` is hidden: where it has the keys, give them to what stands for the place around it, such as the
    canvas, else to `place`. Qt would hand them to whatever comes next in the window."""
    focused = QApplication.focusWidget()
    if focused is None or not going.isAncestorOf(focused):
        return
    around: QWidget | None = place
    while around is not None and around.focusProxy() is None:
        around = around.parentWidget()
    (around or place).setFocus()


class FocusRing(QWidget):
    """A frame over the edge of a widget that draws no focus itself, while it has the keys because of Tab."""

    def __init__(self, around: QWidget):
        super().__init__(around)
        self._by_key = False
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        around.installEventFilter(self)

    def eventFilter(self, around: QObject, event: QEvent) -> bool:
        if isinstance(event, QFocusEvent):
            if event.gotFocus() and event.reason() not in FOR_A_MOMENT:
                self._by_key = event.reason() in BY_KEY
            self.setVisible(event.gotFocus() and self._by_key)
            if self.isVisible():
                self.raise_()
        elif event.type() == QEvent.Type.Resize and isinstance(around, QWidget):
            whole = around.rect()
            self.setGeometry(whole)
            # Of the widget nothing more is covered than must be: it is drawn often.
            self.setMask(QRegion(whole) - QRegion(whole.adjusted(WIDE, WIDE, -WIDE, -WIDE)))
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), color("focus"))
        painter.end()
