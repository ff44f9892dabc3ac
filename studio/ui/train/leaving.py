"""What becomes of runs when the window closes: the user says."""

from collections.abc import Callable, Sequence
from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from studio.ui.dialogs import finished

Answer = Literal["go on", "stop", "stay"]


class LeavingDialog(QDialog):
    """Three buttons; Return lets the runs go on, Escape stays."""

    def __init__(self, parent: QWidget, names: Sequence[str]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Prime Studio")
        self.setMinimumWidth(460)
        self.answer: Answer = "stay"
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 16)
        layout.setSpacing(8)
        which = " and ".join(f"“{name}”" for name in names)
        one = len(names) == 1
        question = QLabel(f"{which} {'is' if one else 'are'} training. Shall {'it' if one else 'they'} go on?")
        question.setWordWrap(True)
        question.setProperty("role", "heading")
        self.setAccessibleName(question.text())
        help = QLabel(
            "It goes on without the window, and the next start finds it. If it stops, it is saved first."
            if one
            else "They go on without the window, and the next start finds them. If they stop, they are saved first."
        )
        help.setProperty("role", "muted")
        help.setWordWrap(True)
        layout.addWidget(question)
        layout.addWidget(help)
        layout.addSpacing(8)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch()
        self.buttons: dict[str, QPushButton] = {}
        choices: tuple[tuple[Answer, str], ...] = (("stay", "Stay here"), ("stop", "Save and stop"), ("go on", "Go on"))
        for answer, words in choices:
            button = QPushButton(words)
            button.clicked.connect(self._answering(answer))
            buttons.addWidget(button)
            self.buttons[answer] = button
        self.buttons["go on"].setProperty("kind", "primary")
        self.buttons["go on"].setDefault(True)
        layout.addLayout(buttons)

    def _answering(self, answer: Answer) -> Callable[[], None]:
        def choose() -> None:
            self.answer = answer
            self.accept()

        return choose


async def ask_leaving(parent: QWidget, names: Sequence[str]) -> Answer:
    """What to do with the runs of these names."""
    dialog = LeavingDialog(parent, names)
    await finished(dialog)
    answer = dialog.answer
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.deleteLater()
    return answer
