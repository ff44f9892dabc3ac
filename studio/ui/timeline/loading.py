"""The library of the curves, loaded a moment at a time while the window is at work.

Not in a thread: PySide makes a class when it is first asked for, and dies where two threads ask at once. pyqtgraph asks
for all there are, so they are made beforehand; what is left to import then is one short moment.
"""

import time
from collections.abc import Iterator

from PySide6 import QtCore, QtGui, QtWidgets

SLICE_S = 0.005


def load() -> Iterator[None]:
    """Call `next` between events until it ends; `studio.ui.timeline.chart` is imported by then."""
    started = time.monotonic()
    for module in (QtCore, QtGui, QtWidgets):
        for name in dir(module):
            getattr(module, name)
            if time.monotonic() - started > SLICE_S:
                yield
                started = time.monotonic()
    import studio.ui.timeline.chart  # noqa: F401
