"""Find the system libraries that Qt needs and that are missing, before Qt aborts the process. Imports no Qt.

`python -m studio.preflight` prints the missing Debian packages and the reason, and then exits with 1.
"""

import ctypes
import os
import sys
from collections.abc import Mapping

# Shared object -> Debian package. What is not listed comes as a dependency of these.
BASE = {
    "libglib-2.0.so.0": "libglib2.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
}
X11 = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
}
WAYLAND = {
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
}


def missing(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the libraries that cannot be loaded, with the Debian package of each.

    The windowing libraries count only where a display is set and QT_QPA_PLATFORM does not choose another platform.
    """
    if not sys.platform.startswith("linux"):
        return {}
    needed = dict(BASE)
    platform = environ.get("QT_QPA_PLATFORM", "")
    if environ.get("DISPLAY") and platform in ("", "xcb"):
        needed |= X11
    elif environ.get("WAYLAND_DISPLAY") and platform in ("", "wayland"):
        needed |= WAYLAND
    return {library: package for library, package in needed.items() if not _loads(library)}


def problem(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return one sentence that says what is missing and how to mend it, or None when Qt can start."""
    lacking = missing(environ)
    if not lacking:
        return None
    return (
        f"The window needs system libraries that are not installed: {', '.join(lacking)}. "
        f"On Debian and Ubuntu: apt-get install {' '.join(sorted(lacking.values()))}"
    )


def main() -> int:
    """Print the reason on stderr and the packages to install on stdout; 1 when something is missing."""
    lacking = missing()
    if lacking:
        print(problem(), file=sys.stderr)
        print(*sorted(lacking.values()))
    return 1 if lacking else 0


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
