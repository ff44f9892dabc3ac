"""studio.files: whole or not at all."""

import errno
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.files import atomic_path, check_writable, write_atomic


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.bin"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["a.bin"]


def test_keeps_the_suffix_and_follows_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with atomic_path(path) as temporary:
        assert temporary.suffix == ".png"
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"x")
    if os.name == "posix":
        mask = os.umask(0)
        os.umask(mask)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_many_threads_write_and_the_umask_stays(tmp_path: Path) -> None:
    if os.name != "posix":
        return
    interval, before = sys.getswitchinterval(), os.umask(0o027)
    try:
        sys.setswitchinterval(1e-6)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: write_atomic(tmp_path / str(number), b"x"), range(400)))
    finally:
        sys.setswitchinterval(interval)
        after = os.umask(before)
    assert after == 0o027


def test_a_failing_writer_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("the writer fails")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(StudioError, match="No space left"), atomic_path(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_really_full_device(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(StudioError, match="No space left"), atomic_path(path), open("/dev/full", "wb") as full:
        full.write(b"x" * 100_000)
    assert os.listdir(tmp_path) == []


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StudioError, match="Cannot write"):
        write_atomic(tmp_path / "file" / "a.txt", b"x")


def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(StudioError, match="a folder: choose another name"):
        write_atomic(tmp_path / "a.txt", b"x")
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for write in (lambda: write_atomic(tmp_path / "pipe", b"x"), lambda: check_writable(tmp_path / "pipe")):
        with pytest.raises(StudioError, match="pipe is no file"):
            write()
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="permissions and links as POSIX has them")
def test_what_is_replaced_keeps_its_permissions_and_links_lead_on(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_bytes(b"old")
    real.chmod(0o600)
    link.symlink_to("real.txt")
    write_atomic(link, b"new")
    assert link.is_symlink() and real.read_bytes() == b"new" and stat.S_IMODE(real.stat().st_mode) == 0o600
    (tmp_path / "to nothing").symlink_to("made.txt")
    write_atomic(tmp_path / "to nothing", b"made")
    assert (tmp_path / "made.txt").read_bytes() == b"made"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.txt", "made.txt", "real.txt", "to nothing"]


def test_a_file_that_is_read_only_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept.txt"
    path.write_bytes(b"old")
    can = os.access
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != path and can(place, mode))
    for write in (lambda: write_atomic(path, b"x"), lambda: check_writable(path)):
        with pytest.raises(StudioError, match="read-only"):
            write()
    assert path.read_bytes() == b"old"


def test_where_nothing_can_be_written_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable(tmp_path / "new" / "folder" / "a.png")
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("x")
    for path, what in ((tmp_path, "is a folder"), (tmp_path / "file" / "a.png", "is not a folder")):
        with pytest.raises(StudioError, match=what):
            check_writable(path)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(StudioError, match=r"^Cannot write .*a\.png: Permission denied\. Choose another place"):
        check_writable(tmp_path / "a.png")
    monkeypatch.setattr(os.path, "exists", lambda _: False)  # as on a drive that is not there
    with pytest.raises(StudioError, match=r"^Cannot write .*a\.png: there is no /\. Choose another place"):
        check_writable(tmp_path / "a.png")


@pytest.mark.parametrize("links", [True, False])
def test_what_came_there_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if not links:
        monkeypatch.setattr(os, "link", refused)
    path = tmp_path / "a.txt"
    with atomic_path(path, new=True) as temporary:
        temporary.write_text("first")
    with pytest.raises(FileExistsError), atomic_path(path, new=True) as temporary:
        temporary.write_text("second")
    assert path.read_text() == "first" and os.listdir(tmp_path) == ["a.txt"] and path.stat().st_nlink == 1


@pytest.mark.parametrize("name", ["x" * 252 + ".png", "new/" + "x" * 252 + ".png", "x" * 256 + "/a.png", "a\0.png"])
def test_a_name_that_cannot_be_is_said_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(StudioError, match=r"^Cannot write .*(too long|null).*\. Choose another name\.$"):
        check_writable(tmp_path / name)


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 251 + ".png", "é" * 127):
        write_atomic(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"
