"""Our icons: strokes in SVG, drawn in the colour of the theme at the moment they are painted.

A theme switch needs nothing but the repaint it causes anyway, and every scale factor gets its own crisp pixels.
"""

from functools import cache

from PySide6.QtCore import QByteArray, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QIconEngine, QPainter, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer

from studio.shipped import shipped
from studio.ui.theme import color


def names() -> list[str]:
    """Every icon there is."""
    return sorted(path.stem for path in (shipped("assets") / "icons").glob("*.svg") if path.stem != "prime-studio")


@cache
def _source(name: str) -> str:
    """The drawing. KeyError for an icon there is not, so that a slip of the pen is seen at once."""
    try:
        return (shipped("assets") / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise KeyError(f"there is no icon {name!r}") from error


def draw(name: str, size: QSize, colour: QColor, ratio: float = 1.0) -> QPixmap:
    """The icon in one colour, `size` logical pixels big, for a screen of this pixel ratio."""
    key = f"icon {name} {size.width()}x{size.height()} {colour.rgba():08x} {ratio}"
    pixmap = QPixmap()
    if QPixmapCache.find(key, pixmap):
        return pixmap
    pixmap = QPixmap(size * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    side = min(size.width(), size.height())
    left, top = (size.width() - side) / 2, (size.height() - side) / 2
    painter = QPainter(pixmap)
    svg = _source(name).replace("currentColor", colour.name())
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(left, top, side, side))
    painter.end()
    QPixmapCache.insert(key, pixmap)
    return pixmap


class _Engine(QIconEngine):
    """Draws an icon as it is asked for; `on` is shown while the button is checked."""

    def __init__(self, name: str, role: str, on: str) -> None:
        super().__init__()
        self._name, self._role, self._on = name, role, on

    def clone(self) -> QIconEngine:
        return _Engine(self._name, self._role, self._on)

    def _colour(self, mode: QIcon.Mode, state: QIcon.State) -> QColor:
        if mode == QIcon.Mode.Disabled:
            return color("disabled")
        return color(self._on if state == QIcon.State.On else self._role)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        device = painter.device()
        ratio = device.devicePixelRatioF() if device else 1.0
        painter.drawPixmap(rect, draw(self._name, rect.size(), self._colour(mode, state), ratio))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        return draw(self._name, size, self._colour(mode, state))

    def scaledPixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float) -> QPixmap:
        return draw(self._name, size, self._colour(mode, state), scale)

    def actualSize(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QSize:
        return size

    def isNull(self) -> bool:
        return False


def icon(name: str, role: str = "text", on: str = "link") -> QIcon:
    """The icon in the colour `role` of the theme, `on` while checked. KeyError for an icon there is not."""
    _source(name)
    return QIcon(_Engine(name, role, on))


def app_icon() -> QIcon:
    """The icon of the program, in its own colours."""
    return QIcon(str(shipped("assets") / "icons" / "prime-studio.svg"))


def paint_icon(painter: QPainter, name: str, position: QPoint, size: int, role: str = "text") -> None:
    """Draw an icon with a painter that is open, such as one of an item delegate."""
    icon(name, role).paint(painter, QRect(position, QSize(size, size)))
