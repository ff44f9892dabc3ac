"""Where the keys go when what has them goes."""

from PySide6.QtWidgets import QApplication, QWidget


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
