"""One window a data folder."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PySide6.QtNetwork import QLocalSocket

from studio.errors import StudioError
from studio.ui import instance
from studio.ui.instance import Instance

ROOT = Path(__file__).resolve().parents[2]
SECOND = """
import sys
from pathlib import Path
from studio.ui.instance import Instance
print(Instance(sys.argv[1]).claim([Path(name) for name in sys.argv[2:]]))
"""
HOLDER = """
import sys, time
from studio.ui.instance import Instance
instance = Instance(sys.argv[1])
print(instance.claim(), flush=True)
time.sleep(60)
"""

LATE = """
import json, sys, time
from PySide6.QtCore import QCoreApplication
from PySide6.QtNetwork import QLocalServer
from studio.ui.instance import Instance
application, instance, listen, opened = QCoreApplication([]), Instance(sys.argv[1]), QLocalServer.listen, []
def late(server, name):
    print("claimed", flush=True)
    time.sleep(float(sys.argv[2]))
    return listen(server, name)
QLocalServer.listen = late
instance.claim()
time.sleep(float(sys.argv[3]))
instance.opened.connect(opened.append)
instance.answer()
while not opened:
    application.processEvents()
time.sleep(0.3)
application.processEvents()
print([[path.name for path in paths] for paths in opened])
"""


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "PATIENCE_S", 0.2)
    monkeypatch.setattr(instance, "NAMED_S", 0.2)


def run(code: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def test_a_second_start_hands_over_its_files(qapp: object, qtbot: object, tmp_path: Path) -> None:
    first = Instance(tmp_path)
    assert first.claim()
    first.answer()
    with qtbot.waitSignal(first.opened, timeout=10_000) as got:  # pyright: ignore
        second = run(SECOND, tmp_path, "a ü.png", "/tmp/b.txt")
    assert got.args == [[ROOT / "a ü.png", Path("/tmp/b.txt")]]
    out, err = second.communicate(timeout=10)
    assert (out, err) == ("False\n", "")
    first.release()
    third = Instance(tmp_path)
    assert third.claim()
    third.release()


def test_another_folder_is_another_instance(qapp: object, tmp_path: Path) -> None:
    one, other = Instance(tmp_path / "one"), Instance(tmp_path / "other")
    assert one.claim() and other.claim()
    one.release()
    other.release()


def test_a_killed_one_leaves_the_claim_free(qapp: object, qtbot: object, tmp_path: Path) -> None:
    process = run(HOLDER, tmp_path)
    assert process.stdout is not None and process.stdout.readline() == "True\n"
    process.kill()
    process.communicate()
    first = Instance(tmp_path)
    assert first.claim()
    first.answer()
    with qtbot.waitSignal(first.opened, timeout=10_000):  # pyright: ignore
        second = run(SECOND, tmp_path)
    assert second.communicate(timeout=10)[0] == "False\n"
    first.release()


@pytest.mark.parametrize(("deaf", "busy"), [(0.5, 0), (0, 3.5)])
def test_one_that_is_just_coming_up_is_waited_for(qapp: object, tmp_path: Path, deaf: float, busy: float) -> None:
    process = run(LATE, tmp_path, deaf, busy)
    assert process.stdout is not None and process.stdout.readline() == "claimed\n"
    assert not Instance(tmp_path).claim([Path("a.png")])
    assert process.communicate(timeout=10) == ("[['a.png']]\n", "")


def test_one_that_ends_while_it_is_waited_for_leaves_its_claim(qapp: object, tmp_path: Path) -> None:
    process = run(HOLDER, tmp_path)
    assert process.stdout is not None and process.stdout.readline() == "True\n"
    waiting = run(SECOND, tmp_path)
    time.sleep(1.5)
    process.kill()
    process.communicate()
    assert waiting.communicate(timeout=10)[0] == "True\n"


def test_one_that_is_closing_takes_no_files(qapp: object, tmp_path: Path) -> None:
    first = Instance(tmp_path)
    assert first.claim()
    first.answer()
    first.hang_up()
    second = run(SECOND, tmp_path, "a.png")
    time.sleep(1.5)
    assert second.poll() is None, "it waits"
    first.release()
    assert second.communicate(timeout=10)[0] == "True\n"


def test_one_that_asks_whether_it_may_close_opens_files_when_it_stays(
    qapp: object, qtbot: object, tmp_path: Path
) -> None:
    first, got = Instance(tmp_path), []
    assert first.claim()
    first.answer()
    first.opened.connect(got.append)
    first.hold(True)
    second = run(SECOND, tmp_path, "a.png")
    qtbot.waitUntil(lambda: got == [[]], timeout=10_000)  # pyright: ignore
    time.sleep(0.3)
    assert second.poll() is None, "it waits"
    first.hold(False)
    assert got == [[], [ROOT / "a.png"]] and second.communicate(timeout=10)[0] == "False\n"
    first.hold(True)
    second = run(SECOND, tmp_path, "b.png")
    qtbot.waitUntil(lambda: len(got) == 3, timeout=10_000)  # pyright: ignore
    first.hang_up()
    first.release()
    assert second.communicate(timeout=10)[0] == "True\n" and got[2:] == [[]]


def test_one_that_hangs_is_said(qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    process = run(HOLDER, tmp_path)  # sleeps instead of answering
    assert process.stdout is not None and process.stdout.readline() == "True\n"
    with pytest.raises(StudioError, match=f"running already .process {process.pid}. but does not answer"):
        Instance(tmp_path).claim()
    process.kill()
    process.communicate()


@pytest.mark.parametrize("left", [b"", b"\0" * 40, b"garbage\n", b"12"])
def test_a_lock_that_names_no_process_is_no_claim(
    qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bytes
) -> None:
    """As a full disk or a crash leaves it."""
    impatient(monkeypatch)
    (tmp_path / "studio.lock").write_bytes(left)
    first = Instance(tmp_path)
    assert first.claim()
    first.release()


def test_a_lock_that_is_held_is_not_taken_whatever_is_in_it(
    qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    process = run(HOLDER, tmp_path)
    assert process.stdout is not None and process.stdout.readline() == "True\n"
    (tmp_path / "studio.lock").write_bytes(b"")
    with pytest.raises(StudioError, match="running already but does not answer"):
        Instance(tmp_path).claim()
    process.kill()
    process.communicate()


def test_a_lock_that_is_just_being_written_is_waited_for(
    qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "studio.lock"
    lock.touch()
    impatient(monkeypatch)
    name = Path(sys.executable).resolve().name  # else it would be taken for another process that has the number now
    written = f"{os.getpid()}\n{name}\n{socket.gethostname()}\n".encode()
    monkeypatch.setattr(instance.time, "sleep", lambda seconds: lock.write_bytes(written))
    with pytest.raises(StudioError, match=r"running already .process [0-9]+. but does not answer"):
        Instance(tmp_path).claim()
    assert lock.read_bytes() == written


def test_nonsense_is_ignored(qapp: object, qtbot: object, tmp_path: Path) -> None:
    first = Instance(tmp_path)
    opened: list[object] = []
    first.opened.connect(opened.append)
    assert first.claim()
    first.answer()

    def send() -> None:
        for message in (b"nonsense\n", b'{"open": 7}\n', b'{"open": [7]}\n', b"[]\n", b"x" * (1 << 21)):
            socket = QLocalSocket()
            socket.connectToServer(first._name())
            assert socket.waitForConnected(2000)
            socket.write(message)
            socket.waitForDisconnected(300)

    thread = threading.Thread(target=send)
    thread.start()
    qtbot.waitUntil(lambda: not thread.is_alive() and not first._pending, timeout=15_000)  # pyright: ignore
    assert opened == []
    first.release()


def test_an_unwritable_folder_is_said(qapp: object, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudioError, match="Cannot write"):
        Instance(tmp_path / "file" / "data").claim()
