"""The police of conftest.py catches what it is there for."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

HERE = Path(__file__).parent
CRIMES = {
    "timer": ("t = QTimer(qapp); t.start(50)", "still running"),
    "kept_timer": ("KEPT.append(QTimer()); KEPT[0].start(50)", "still running"),
    "animation": ("a = QVariantAnimation(qapp, duration=9000, startValue=0, endValue=1); a.start()", "still running"),
    "window": ("w = QWidget(); w.show(); KEPT.append(w)", "window left open"),
    "slot": ("b = QPushButton(); b.clicked.connect(lambda: 1 / 0); b.click()", "ZeroDivisionError"),
    "qt": ("qWarning('a warning of Qt')", "a warning of Qt"),
    "log": ("logging.getLogger('x').warning('a warning')", "logged: x: a warning"),
    "task": ("qrun(leave())", "tasks left running"),
    "failed_task": ("qrun(fail())", "never retrieved"),
    "thread": ("t = threading.Thread(target=time.sleep, args=(4,)); t.start()", "threads left running"),
}
HEAD = """
import asyncio, logging, threading, time
from PySide6.QtCore import QTimer, QVariantAnimation, qWarning
from PySide6.QtWidgets import QPushButton, QWidget
KEPT = []
async def leave():
    KEPT.append(asyncio.ensure_future(asyncio.sleep(9)))
async def broken():
    raise ValueError
async def fail():
    asyncio.ensure_future(broken())
    await asyncio.sleep(0.01)
"""


def test_every_crime_is_caught_and_innocence_is_not(tmp_path: Path) -> None:
    """Run in a process of its own, against a copy of the fixtures."""
    (tmp_path / "conftest.py").write_text((HERE.parent / "conftest.py").read_text())
    inner = tmp_path / "ui"
    inner.mkdir()
    (inner / "conftest.py").write_text((HERE / "conftest.py").read_text())
    tests = [f"def test_{name}(qapp, qrun):\n    {code}\n" for name, (code, _) in CRIMES.items()]
    innocent = (
        "def test_innocent(qtbot, qrun):\n    w = QWidget(); qtbot.addWidget(w); w.show()\n"
        "    t = QTimer(w); t.start(50); u = QTimer(); u.start(50); qrun(asyncio.sleep(0))\n"
    )
    (inner / "test_crimes.py").write_text("\n".join([HEAD, *tests, innocent]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "qt_log_level_fail=CRITICAL"]
    result = subprocess.run([*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False)
    report = result.stdout
    for name, (_, words) in CRIMES.items():
        assert f"test_{name}" in report and words in report, f"{name}\n{report}"
    # What is found on taking down counts as an error, after the test itself passed.
    summary = report.splitlines()[-1]
    blamed = {line.split("::")[1].split(" ")[0] for line in report.splitlines() if line.startswith(("FAILED", "ERROR"))}
    assert blamed == {f"test_{name}" for name in CRIMES}, summary


def test_coroutines_run_inside_qt(qrun, qtbot: QtBot) -> None:
    async def press() -> int:
        button = QPushButton()
        qtbot.addWidget(button)
        pressed = asyncio.get_running_loop().create_future()
        button.clicked.connect(lambda: pressed.set_result(7))
        asyncio.get_running_loop().call_soon(button.click)
        return await pressed + await asyncio.to_thread(lambda: 1)

    assert qrun(press()) == 8
    assert qrun(press()) == 8


def test_time_limit(qrun) -> None:
    with pytest.raises(TimeoutError):
        qrun(asyncio.sleep(5), timeout=0.05)
