"""studio.preflight: what Qt needs is named before Qt can abort."""

import subprocess
import sys

import pytest

from studio import preflight
from studio.cli import main

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")


def test_nothing_is_missing_here() -> None:
    """`./run test` has installed what the offscreen window needs."""
    assert preflight.problem({}) is None


@linux
@pytest.mark.parametrize(
    ("environ", "needed"),
    [
        ({}, preflight.BASE),
        ({"DISPLAY": ":0"}, preflight.BASE | preflight.X11),
        ({"DISPLAY": ":0", "QT_QPA_PLATFORM": "xcb"}, preflight.BASE | preflight.X11),
        ({"DISPLAY": ":0", "QT_QPA_PLATFORM": "offscreen"}, preflight.BASE),
        ({"WAYLAND_DISPLAY": "wayland-0"}, preflight.BASE | preflight.WAYLAND),
    ],
)
def test_the_display_decides(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], needed: dict[str, str]) -> None:
    monkeypatch.setattr(preflight, "_loads", lambda library: False)
    assert preflight.missing(environ) == needed


@linux
def test_one_sentence_and_the_packages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(preflight, "_loads", lambda library: "GL" not in library)
    assert preflight.main() == 1
    out, err = capsys.readouterr()
    assert out == "libegl1 libgl1\n"
    assert "libGL.so.1, libEGL.so.1" in err and "apt-get install libegl1 libgl1" in err


@linux
def test_the_window_says_it_rather_than_abort(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "_loads", lambda library: "GL" not in library)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    for arguments in (["window"], [__file__]):  # a file alone is one to open
        assert main(arguments) == 2
        assert "apt-get install libegl1 libgl1" in capsys.readouterr().err
    for arguments in (["window", "missing.png"], ["missing.png"]):
        assert main(arguments) == 2 and "There is no file missing.png" in capsys.readouterr().err


@linux
def test_a_library_that_is_not_there() -> None:
    assert not preflight._loads("libno-such-library.so.1")


def test_imports_no_qt() -> None:
    code = "import sys, studio.preflight; sys.exit(any(name.startswith('PySide6') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from Python 3.12 on None has no count to lose")
def test_pyside_keeps_its_references_to_none() -> None:
    """PySide6 6.12.0 loses one reference to None with every call on Python 3.11, and the process aborts after 5000."""
    from PySide6.QtCore import QObject

    thing = QObject()
    before = sys.getrefcount(None)
    for _ in range(200):
        thing.setObjectName("x")
    assert abs(sys.getrefcount(None) - before) < 50
