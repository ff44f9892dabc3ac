"""The colours of the canvas."""

from dataclasses import dataclass

from PySide6.QtGui import QColor

from studio.ui.theme import Theme


@dataclass(frozen=True, eq=False)
class CanvasColors:
    """What lies around the picture (`surround`, `text`), under it (`checker`) and over it. Of the two halves of an
    outline, `dark` and `light`, one is seen on any picture."""

    surround: QColor
    text: QColor
    checker: tuple[QColor, QColor]
    tint: QColor
    stripe: QColor
    erased: QColor
    erased_stripe: QColor
    pin: QColor
    pin_stripe: QColor
    dark: QColor
    light: QColor


def colors_of(theme: Theme) -> CanvasColors:
    """The colours that fit the window. Over the picture they are the same in both modes but for their hue's shade."""
    return CanvasColors(
        surround=theme.color("canvas"),
        text=theme.color("text"),
        checker=(QColor(255, 255, 255), QColor(228, 230, 234)),
        tint=_faint(theme.color("overlay"), 52),
        stripe=_faint(theme.color("overlay"), 125),
        erased=_faint(theme.color("info"), 70),
        erased_stripe=_faint(theme.color("info"), 200),
        pin=_faint(theme.color("pin"), 80),
        pin_stripe=_faint(theme.color("pin"), 230),
        dark=QColor(20, 22, 28, 235),
        light=QColor(255, 255, 255, 235),
    )


def _faint(color: QColor, alpha: int) -> QColor:
    color = QColor(color)
    color.setAlpha(alpha)
    return color
