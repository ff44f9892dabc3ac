"""The session: whole or not at all, back after a kill, and never what keeps the program from starting."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import QObject, Signal

from studio.errors import StudioError
from studio.ui import dialogs
from studio.ui.session import Session
from studio.ui.session_files import VERSION, SessionFiles, frozen

ROOT = Path(__file__).resolve().parents[2]


def part(number: int) -> dict[str, Any]:
    return {
        **{"number": number, "text": f"ü{number}", "none": None, "float": 0.1, "seed": 2**64 - 1},
        **{"list": [1, [True, "x"]], "mask": np.full((40, 30), number % 2, dtype=bool)},
        **{"frames": [np.full((3, 4), number), np.zeros((0, 2), dtype=np.float16)], "data": bytes([number % 256]) * 50},
    }


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and one == other


def write(files: SessionFiles, number: int) -> None:
    files.write({"image": frozen(part(number)), "text": {"number": number}})


class TestFiles:
    @pytest.fixture
    def files(self, tmp_path: Path) -> SessionFiles:
        return SessionFiles(tmp_path / "session")

    def test_everything_comes_back(self, files: SessionFiles) -> None:
        write(files, 3)
        loaded = SessionFiles(files.folder).load()
        assert same(loaded.parts["image"], part(3)) and loaded.parts["text"] == {"number": 3}
        assert loaded.notices == [] and abs(loaded.saved - time.time()) < 60
        assert not loaded.parts["image"]["mask"].flags.writeable

    def test_a_path_need_not_be_utf_8(self, files: SessionFiles) -> None:
        path = os.fsdecode(b"/pictures/b\xff\xfed.png")
        files.write({"image": {"path": path, "text": "ü 👑"}})
        assert SessionFiles(files.folder).load().parts["image"] == {"path": path, "text": "ü 👑"}

    def test_there_is_none(self, files: SessionFiles) -> None:
        assert files.load().parts == {} and files.load().notices == []
        files.begin_restoring()
        files.restored()

    def test_what_it_cannot_hold_is_a_bug(self) -> None:
        for value in (object(), np.array([object()]), {1: 2}, {"$array": "x"}, {"a": [Path()]}):
            with pytest.raises(TypeError):
                frozen(value)

    def test_a_writeable_array_is_copied_a_read_only_one_is_not(self) -> None:
        array = np.zeros(4)
        copy = frozen({"a": array})["a"]
        array[0] = 1
        assert copy[0] == 0 and not copy.flags.writeable
        assert frozen(copy) is copy and frozen(np.int64(3)) == 3

    def test_what_stays_is_not_written_again(self, files: SessionFiles, monkeypatch: pytest.MonkeyPatch) -> None:
        picture = frozen(np.zeros((64, 64, 3), dtype=np.uint8))
        files.write({"image": {"picture": picture, "n": 1}})
        written: list[Path] = []
        from studio.files import write_atomic

        def count(path: Path, data: bytes) -> None:
            written.append(path)
            write_atomic(path, data)

        monkeypatch.setattr("studio.ui.session_files.write_atomic", count)
        monkeypatch.setattr("studio.ui.session_files.np.save", lambda *_, **__: pytest.fail("encoded again"))
        files.write({"image": {"picture": picture, "n": 2}})
        assert [path.name for path in written] == ["last-good.json", "session.json"]
        files.write({"image": {"picture": picture, "n": 2}})
        assert len(written) == 2

    def test_a_session_that_was_only_read_is_not_written_again(self, files: SessionFiles) -> None:
        write(files, 1)
        before = (files.folder / "session.json").read_bytes()
        again = SessionFiles(files.folder)
        again.write(again.load().parts)
        assert (files.folder / "session.json").read_bytes() == before

    def test_old_values_are_collected(self, files: SessionFiles) -> None:
        for number in range(9):
            write(files, number)
        # frames (2), data and mask of the last and of the one before; the empty array is in both.
        assert len(list((files.folder / "files").iterdir())) == 7

    @pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "wrong shape", "no object", "deep", "gone"])
    def test_a_damaged_file_gives_the_session_before(self, files: SessionFiles, damage: str) -> None:
        write(files, 1)
        write(files, 2)
        path = files.folder / "session.json"
        content = {
            "cut": path.read_bytes()[:-20],
            "garbage": b"\xff\x00" * 500,
            "empty": b"",
            "wrong shape": b'{"version": 1, "files": {"a": "b"}, "parts": {}}',
            "no object": b"[1, 2]",
            "deep": b"[" * 100_000,
            "gone": None,
        }[damage]
        path.unlink() if content is None else path.write_bytes(content)
        loaded = SessionFiles(files.folder).load()
        assert same(loaded.parts["image"], part(1)) and loaded.parts["text"] == {"number": 1}
        assert "session before" in loaded.notices[-1]
        if content is not None:
            (kept,) = (files.folder / "damaged").iterdir()
            assert kept.read_bytes() == content and str(kept) in loaded.notices[0]
        write(SessionFiles(files.folder), 3)
        assert SessionFiles(files.folder).load().parts["text"] == {"number": 3}

    @pytest.mark.parametrize("damage", ["cut", "other", "gone", "bomb"])
    def test_a_damaged_value_costs_one_part(self, files: SessionFiles, damage: str) -> None:
        write(files, 1)
        write(files, 2)
        import zlib

        for path in (files.folder / "files").iterdir():
            data = path.read_bytes()
            path.write_bytes(
                {
                    "cut": data[:-5],
                    "other": zlib.compress(b"other"),
                    "gone": b"",
                    "bomb": zlib.compress(bytes(1 << 24)),
                }[damage]
            )
            if damage == "gone":
                path.unlink()
        loaded = SessionFiles(files.folder).load()
        assert loaded.parts == {"text": {"number": 2}}
        assert loaded.notices == ["The session of image was damaged and could not be restored."]

    def test_a_value_lost_since_the_session_before(self, files: SessionFiles) -> None:
        write(files, 1)
        before = set((files.folder / "files").iterdir())
        write(files, 2)
        for path in set((files.folder / "files").iterdir()) - before:
            path.unlink()
        loaded = SessionFiles(files.folder).load()
        assert same(loaded.parts["image"], part(1)) and loaded.parts["text"] == {"number": 2}

    def test_a_newer_version_is_kept_aside(self, files: SessionFiles) -> None:
        write(files, 1)
        path = files.folder / "session.json"
        text = json.dumps({"version": VERSION + 1, "strange": []})
        path.write_text(text)
        again = SessionFiles(files.folder)
        loaded = again.load()
        assert loaded.parts == {} and "newer version" in loaded.notices[0]
        (aside,) = files.folder.parent.glob("session-aside-*")
        assert (aside / "session.json").read_text() == text
        write(again, 5)
        assert (aside / "session.json").read_text() == text

    def test_a_start_that_ends_while_restoring_is_not_tried_again(self, files: SessionFiles) -> None:
        write(files, 1)
        first = SessionFiles(files.folder)
        assert first.load().parts
        first.begin_restoring()  # and here it crashes
        second = SessionFiles(files.folder)
        loaded = second.load()
        assert loaded.parts == {} and loaded.aside is not None
        assert SessionFiles(loaded.aside).load(again=True).parts["text"] == {"number": 1}
        second.begin_restoring()
        write(second, 2)
        third = SessionFiles(files.folder)
        assert third.load().parts["text"] == {"number": 2}
        third.begin_restoring()
        third.restored()
        assert SessionFiles(files.folder).load().parts

    def test_a_damaged_marker_is_none(self, files: SessionFiles) -> None:
        write(files, 1)
        for content in ("", "[]", '{"session": 1}', '{"attempts": "x", "session": 2}'):
            (files.folder / "restoring.json").write_text(content)
            assert SessionFiles(files.folder).load().parts

    def test_few_are_kept_aside(self, files: SessionFiles) -> None:
        for number in range(6):
            write(files, number)
            files.begin_restoring()
            assert SessionFiles(files.folder).load().parts == {}
        assert len(list(files.folder.parent.glob("session-aside-*"))) == 3


WRITER = """
import sys
from pathlib import Path
from studio.ui.session_files import SessionFiles
from tests.ui.test_session import write
files, number = SessionFiles(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
while True:
    number += 1
    write(files, number)
    print(number, flush=True)
"""


def test_kills_in_the_middle_of_saves(tmp_path: Path) -> None:
    rng, last = random.Random(1), 0
    for _ in range(15):
        command = [sys.executable, "-c", WRITER, str(tmp_path / "session"), str(last)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(rng.random() * 0.15)
        process.kill()
        told = process.stdout.read().split("\n")[:-1]
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        loaded = SessionFiles(tmp_path / "session").load()
        assert loaded.notices == []
        if told or last:
            number = loaded.parts["text"]["number"]
            assert same(loaded.parts["image"], part(number)), "a mixture of two sessions"
            assert number - int(told[-1] if told else last) in (0, 1)
            last = number
    assert last > 15


class Place(QObject):
    """A workspace, as far as the session knows it."""

    dirty = Signal()

    def __init__(self, name: str):
        super().__init__()
        self.name, self.number, self.asked = name, 0, 0
        self.fault: Exception | None = None

    def session(self) -> dict[str, Any]:
        self.asked += 1
        return part(self.number)

    def restore(self, state: dict[str, Any]) -> None:
        if self.fault:
            raise self.fault
        self.number = state["number"]


class Told(list[str]):
    on_action: Any = None

    def show(self, text: str, *, on_action: Any = None, **_: Any) -> str:
        self.append(text)
        self.on_action = on_action
        return text

    def dismiss(self, notice: str) -> None:
        if notice in self:
            self.remove(notice)

    def at(self, _: str) -> list[str]:
        return list(self)


class TestSession:
    @pytest.fixture
    def told(self) -> Told:
        return Told()

    @pytest.fixture
    def make(self, qapp: object, tmp_path: Path, told: Told) -> Iterator[Callable[..., tuple[Session, Place, Place]]]:
        made: list[Session] = []

        def build() -> tuple[Session, Place, Place]:
            image, text = Place("image"), Place("text")
            studio: Any = SimpleNamespace(notices=told)
            made.append(Session(studio, [image, text], tmp_path / "session"))
            for place in (image, text):
                place.dirty.connect(partial(made[-1].touch, place.name))
            return made[-1], image, text

        yield build
        for session in made:
            session.close()
            shiboken6.delete(session)  # not left to be collected in any thread

    def test_it_is_there_again(self, make: Any, qrun: Any, qtbot: Any, tmp_path: Path) -> None:
        session, image, _ = make()
        assert qrun(session.bring_back()) is None
        session.start()
        image.number = 5
        session.in_front("text")
        with qtbot.waitSignal(session.saved, timeout=30_000):
            image.dirty.emit()
            assert session._timer.isActive() and session._timer.interval() <= 1500
        session.close()  # as after a kill
        again, image, _ = make()
        assert qrun(again.bring_back()) == "text"
        assert image.number == 5

    def test_only_what_changed_is_asked(self, make: Any, qrun: Any, qtbot: Any) -> None:
        session, image, text = make()
        qrun(session.bring_back())
        session.start()
        with qtbot.waitSignal(session.saved):
            session.save_now()
        assert (image.asked, text.asked) == (1, 1)
        with qtbot.waitSignal(session.saved):
            for _ in range(100):
                text.dirty.emit()
            session.save_now()
        assert (image.asked, text.asked) == (1, 2)

    def test_nothing_is_saved_before_the_start(self, make: Any, qrun: Any, qtbot: Any, tmp_path: Path) -> None:
        session, image, _ = make()
        image.dirty.emit()
        session.save_now()
        qrun(session.finish())
        assert not (tmp_path / "session" / "session.json").exists()

    def test_the_end_saves_all_and_waits(self, make: Any, qrun: Any, qtbot: Any) -> None:
        session, image, _ = make()
        qrun(session.bring_back())
        session.start()
        with qtbot.waitSignal(session.saved):
            session.save_now()
        image.number = 8
        qrun(session.finish())
        again, image, _ = make()
        qrun(again.bring_back())
        assert image.number == 8

    def test_a_change_while_it_is_written_is_saved_too(
        self, make: Any, qrun: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session, image, _ = make()
        qrun(session.bring_back())
        session.start()
        go, real = threading.Event(), SessionFiles.write

        def slow(files: SessionFiles, parts: Any) -> None:
            go.wait(5)
            real(files, parts)

        monkeypatch.setattr(SessionFiles, "write", slow)
        session.save_now()
        image.number = 9
        image.dirty.emit()
        session.save_now()
        with qtbot.waitSignals([session.saved, session.saved], timeout=6000):
            go.set()
        session.close()
        again, image, _ = make()
        qrun(again.bring_back())
        assert image.number == 9

    @pytest.mark.parametrize("fault", [StudioError("It is of no use."), KeyError("x")])
    def test_a_part_that_cannot_be_restored(
        self, make: Any, qrun: Any, told: Told, logged: list[Any], fault: Exception
    ) -> None:
        session, image, text = make()
        qrun(session.bring_back())
        session.start()
        image.number = text.number = 4
        qrun(session.finish())
        again, image, text = make()
        image.fault = fault
        qrun(again.bring_back())
        assert text.number == 4 and len(told) == 1 and "image" in told[0]
        assert len(logged) == isinstance(fault, KeyError)
        logged.clear()

    def test_a_full_disk_is_said_once_and_tried_again(
        self, make: Any, qrun: Any, qtbot: Any, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session, image, _ = make()
        qrun(session.bring_back())
        session.start()

        def full(*_: object) -> None:
            raise StudioError("Cannot write it: no space left. Free some space.")

        with monkeypatch.context() as patch:
            patch.setattr(SessionFiles, "write", full)
            session.save_now()
            qtbot.waitUntil(lambda: len(told) == 1)
            session.save_now()
            qtbot.waitUntil(lambda: session._writing is None)
        assert len(told) == 1 and "no space left" in told[0]
        image.number = 6
        with qtbot.waitSignal(session.saved):
            session.save_now()
        assert told == []
        session.close()
        again, image, _ = make()
        qrun(again.bring_back())
        assert image.number == 6

    def test_what_the_disk_refuses_is_told_to_who_waits_for_it(
        self, make: Any, qrun: Any, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session, *_ = make()

        def unreadable(_: Path) -> bool:
            raise PermissionError(13, "Permission denied")

        async def main() -> None:
            await session.bring_back()
            assert await session.save_all() is None, "nothing is open yet"
            session.start()
            with monkeypatch.context() as patch:
                patch.setattr(Path, "exists", unreadable)
                assert "Permission denied" in str(await session.save_all()) and len(told) == 1
                await session.save_all()
                assert len(told) == 1
                told.clear()  # three other notices have pushed it out
                await session.save_all()
            assert len(told) == 1
            assert await session.save_all() is None and told == []

        qrun(main())
        assert (tmp_path / "session" / "session.json").exists()

    @pytest.mark.parametrize(("fault", "word"), [(MemoryError(), "memory"), (KeyError("x"), "the log says what")])
    @pytest.mark.parametrize("where", ["asked", "written"])
    def test_whatever_saving_fails_with_is_a_refusal(
        self,
        make: Any,
        qrun: Any,
        told: Told,
        logged: list[Any],
        monkeypatch: pytest.MonkeyPatch,
        fault: Exception,
        word: str,
        where: str,
    ) -> None:
        def fail(*_: Any) -> Any:
            raise fault

        session, image, _ = make()

        async def main() -> None:
            await session.bring_back()
            session.start()
            with monkeypatch.context() as patch:
                patch.setattr(*((image, "session") if where == "asked" else (SessionFiles, "write")), fail)
                assert word in str(await session.save_all()) and len(told) == 1
                session.save_now()
                while session._writing is not None:
                    await asyncio.sleep(0.005)
                await session.finish()  # as on SIGTERM

        qrun(main())
        assert len(told) == 1 and any(record.exc_info for record in logged)
        logged.clear()

    def test_whether_all_of_it_is_here_again_is_known(self, make: Any, qrun: Any, told: Told, tmp_path: Path) -> None:
        session, *_ = make()
        qrun(session.bring_back())
        assert not session.came_back
        session.start()
        qrun(session.finish())
        again, *_ = make()
        qrun(again.bring_back())
        assert again.came_back and told == []
        one, image, _ = make()
        image.fault = StudioError("It is of no use.")
        qrun(one.bring_back())
        assert not one.came_back

    def test_one_that_was_left_out_can_be_restored_by_hand(
        self, make: Any, qrun: Any, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def confirm(*_: Any, **__: Any) -> bool:
            return True

        monkeypatch.setattr(dialogs, "confirm", confirm)
        files = SessionFiles(tmp_path / "session")
        files.write({"image": frozen(part(7)), "window": {"front": "text"}})
        files.begin_restoring()  # and here it was killed
        session, image, _ = make()

        async def main() -> None:
            assert await session.bring_back() is None
            session.start()
            assert image.number == 0 and len(told) == 1 and "left out" in told[0]
            assert not session.came_back
            told.on_action()
            while image.number != 7:
                await asyncio.sleep(0.01)

        qrun(main())

    def test_a_part_of_an_unknown_workspace_is_kept(self, make: Any, qrun: Any, tmp_path: Path) -> None:
        SessionFiles(tmp_path / "session").write({"train": {"run": 7}, "image": part(1)})
        session, *_ = make()
        qrun(session.bring_back())
        session.start()
        qrun(session.finish())
        assert SessionFiles(tmp_path / "session").load().parts["train"] == {"run": 7}

    def test_the_snapshot_of_a_large_picture_copies_only_what_may_change(self) -> None:
        picture, mask = np.zeros((64, 64, 3), dtype=np.uint8), np.zeros((64, 64), dtype=bool)
        picture.setflags(write=False)
        kept = frozen({"picture": picture, "mask": mask})
        assert kept["picture"] is picture
        assert kept["mask"] is not mask and not np.shares_memory(kept["mask"], mask)
