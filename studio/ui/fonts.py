"""The fonts that ship: the same letters on every machine, even on one without any font."""

from PySide6.QtGui import QFont, QFontDatabase

from studio.shipped import shipped

SANS = "Inter"
MONO = "JetBrains Mono"
FILES = ("Inter-Regular.otf", "Inter-SemiBold.otf", "JetBrainsMono-Regular.ttf")
SIZE = 13
"""Height of running text in pixels at 100 %; Qt scales it with everything else."""

_loaded: set[str] = set()


def load_fonts() -> None:
    """Add the shipped fonts to the application, once. RuntimeError where a file is missing or damaged."""
    for name in FILES:
        if name not in _loaded and QFontDatabase.addApplicationFont(str(shipped("assets") / "fonts" / name)) < 0:
            raise RuntimeError(f"the shipped font {name} cannot be loaded")
        _loaded.add(name)


def font(size: int = SIZE, *, bold: bool = False, mono: bool = False) -> QFont:
    """A shipped font, `size` pixels high."""
    made = QFont(MONO if mono else SANS)
    made.setPixelSize(size)
    made.setStyleHint(QFont.StyleHint.Monospace if mono else QFont.StyleHint.SansSerif)
    # Not hinted: the same shapes at 100, 125 and 150 %.
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    made.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    return made
