"""Looking at a picture: zoom and pan."""

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QGraphicsScene, QGraphicsView

ZOOMS = (
    *(1 / 32, 1 / 24, 1 / 16, 1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3),
    *(1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128),
)
"""Pixels of the screen a pixel of the picture."""
MARGIN = 24
"""Room around a picture that is fitted, in pixels of the view."""


class PictureView(QGraphicsView):
    """A view of a picture whose upper left corner is at the origin of the scene; zoom counts pixels of the screen."""

    zoom_changed = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self._zoom = 1.0
        self._fitted = True
        self._wheel = 0
        self._anchor: tuple[QPointF, QPointF] | None = None
        """The place of the view last zoomed at, and the place of the picture that it shows."""
        scene = QGraphicsScene(self)
        scene.setItemIndexMethod(QGraphicsScene.ItemIndexMethod.NoIndex)
        self.setScene(scene)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.MinimalViewportUpdate)
        self.setOptimizationFlag(QGraphicsView.OptimizationFlag.DontAdjustForAntialiasing)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAcceptDrops(False)  # the window takes what is dropped
        self.viewport().setAcceptDrops(False)

    def picture_size(self) -> tuple[int, int]:
        """(width, height) of what is looked at."""
        raise NotImplementedError

    def zoomed(self, zoom: float, scale: float) -> None:
        """The zoom is another; `scale` counts pixels of the view."""

    @property
    def zoom(self) -> float:
        """Pixels of the screen a pixel of the picture."""
        return self._zoom

    def set_zoom(self, zoom: float, keep: QPointF | None = None) -> None:
        """Zoom so that the place `keep` of the view (its middle) goes on showing the same pixel."""
        keep = QPointF(self.viewport().rect().center()) if keep is None else keep
        # Places on the screen are whole numbers: without the anchor their rounding would add up over several steps.
        if self._anchor is None or self._anchor[0] != keep:
            self._anchor = keep, self.to_picture(keep)
        anchor = self._anchor
        there = anchor[1]
        self._fitted = False
        self._apply_zoom(min(max(zoom, ZOOMS[0]), ZOOMS[-1]))
        moved = self.viewportTransform().map(there) - keep
        self.pan_by(-moved.x(), -moved.y())
        self._anchor = anchor

    def zoom_in(self, keep: QPointF | None = None) -> None:
        self.set_zoom(next((zoom for zoom in ZOOMS if zoom > self._zoom * 1.01), ZOOMS[-1]), keep)

    def zoom_out(self, keep: QPointF | None = None) -> None:
        self.set_zoom(next((zoom for zoom in reversed(ZOOMS) if zoom < self._zoom * 0.99), ZOOMS[0]), keep)

    def actual_size(self) -> None:
        """One pixel of the picture on one of the screen."""
        self.set_zoom(1)

    def fit(self) -> None:
        """The whole picture, as large as it can be, but no thinner than a pixel of the screen; it stays so when the
        view is resized."""
        width, height = self.picture_size()
        view = self.viewport().size()
        room = min((view.width() - 2 * MARGIN) / width, (view.height() - 2 * MARGIN) / height) * self.ratio()
        # Above 2 whole steps only, so that all pixels are of the same size.
        zoom = max(room // 1, 1) if room >= 2 else max(room, 1 / min(width, height))
        self._apply_zoom(min(max(zoom, ZOOMS[0]), ZOOMS[-1]))
        self.centerOn(width / 2, height / 2)
        self._fitted, self._anchor = True, None

    def pan_by(self, dx: float, dy: float) -> None:
        """Move the picture by pixels of the view."""
        self._fitted, self._anchor = False, None
        across, down = self.horizontalScrollBar(), self.verticalScrollBar()
        across.setValue(round(across.value() - dx))
        down.setValue(round(down.value() - dy))

    def look_like(self, other: "PictureView") -> None:
        """Show what another view shows of a picture of the same size."""
        if other._fitted:
            self.fit()
        else:
            middle = other.to_picture(QPointF(other.viewport().rect().center()))
            self._apply_zoom(other.zoom)
            self.centerOn(middle)
            self._fitted, self._anchor = False, None

    def notches(self, event: QWheelEvent) -> int:
        """The whole notches that the wheel has turned by now; fine wheels and pads turn it by parts of one."""
        delta = event.angleDelta()
        sideways = event.modifiers() & Qt.KeyboardModifier.AltModifier  # so Qt turns it then
        turned = self._wheel + (delta.y() or (delta.x() if sideways else 0))
        notches = int(turned / 120)
        self._wheel = turned - 120 * notches
        return notches

    def zoom_by(self, notches: int, keep: QPointF | None = None) -> None:
        for _ in range(abs(notches)):
            (self.zoom_in if notches > 0 else self.zoom_out)(keep)

    def to_picture(self, at: QPointF) -> QPointF:
        """From a place of the view to the picture."""
        return self.viewportTransform().inverted()[0].map(at)

    def under(self, pointer: QPointF) -> QPointF:
        """What of the picture is shown where a pointer is. Where the screen is scaled to 125 %, a pixel of the picture
        may begin in the middle of one of the screen, and is shown there or not as that middle says."""
        half = 0.5 / self.ratio() if self.ratio() % 1 else 0.0
        return self.to_picture(pointer + QPointF(half, half))

    def _apply_zoom(self, zoom: float) -> None:
        self._zoom = zoom
        scale = zoom / self.ratio()
        width, height = self.picture_size()
        # Room around the picture, so that each of its corners can be moved to the middle.
        across, down = self.viewport().width() / scale, self.viewport().height() / scale
        self.setSceneRect(QRectF(-across, -down, width + 2 * across, height + 2 * down))
        self.resetTransform()
        self.scale(scale, scale)
        self.zoomed(zoom, scale)
        self.zoom_changed.emit(zoom)

    def ratio(self) -> float:
        return self.devicePixelRatioF()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fitted:
            self.fit()
        else:
            middle = self.to_picture(QPointF(event.oldSize().width() / 2, event.oldSize().height() / 2))
            self._apply_zoom(self._zoom)
            self.centerOn(middle)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._apply_zoom(self._zoom)
        return super().event(event)
