import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.training import run_folder
from studio.training.control import Control
from studio.training.run_folder import Checkpoint, EventReader, Lock


def test_one_worker_a_folder_and_the_lock_dies_with_it(tmp_path: Path):
    code = (
        "import sys, time; from pathlib import Path; from studio.training.run_folder import Lock\n"
        "lock = Lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        assert run_folder.is_running(tmp_path)
        assert run_folder.worker_pid(tmp_path) == process.pid
        with pytest.raises(StudioError, match="at work"):
            Lock(tmp_path)
        with pytest.raises(StudioError, match="stop it"):
            run_folder.rollback(tmp_path, Checkpoint("a", 1, None, 0.0))
        process.kill()
    assert not run_folder.is_running(tmp_path)
    assert run_folder.worker_pid(tmp_path) is None
    Lock(tmp_path).release()
    assert not run_folder.is_running(tmp_path / "nowhere")


def test_who_looks_whether_a_run_is_at_work_refuses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Lock(tmp_path).release()
    look = (tmp_path / run_folder.LOCK).open("r+b")
    assert run_folder._try_lock(look)
    monkeypatch.setattr(run_folder.time, "sleep", lambda seconds: look.close())  # as `is_running` does at once
    Lock(tmp_path).release()


def test_events_are_read_once_and_whole(tmp_path: Path):
    reader = EventReader(tmp_path)
    assert reader.read() == []
    file = tmp_path / run_folder.EVENTS
    file.write_text('{"event": "a"}\nnot json\n[1]\n{"event": "b"}\n{"event": "c"')
    assert [event["event"] for event in reader.read(1)] == ["a"]
    assert [event["event"] for event in reader.read()] == ["b"]
    with file.open("a") as opened:
        opened.write("}\n")
    assert [event["event"] for event in reader.read()] == ["c"]
    file.write_text('{"event": "new"}\n')
    assert [event["event"] for event in reader.read()] == ["new"]


def test_what_was_told_before_can_be_left_out(tmp_path: Path):
    reader = EventReader(tmp_path)
    reader.skip()
    file = tmp_path / run_folder.EVENTS
    file.write_text('{"event": "a"}\n{"event": "cut sh')
    reader.skip()
    with file.open("a") as opened:
        opened.write('\n{"event": "b"}\n')
    assert [event["event"] for event in reader.read()] == ["b"]


def test_commands_are_kept_until_they_are_taken():
    control = Control()
    assert control.take() == set()
    assert control.ask("sample")
    assert control.ask("pause")
    assert not control.ask("fly")
    assert control.take() == {"sample", "pause"}
    assert control.take() == {"pause"}
    control.ask("resume")
    control.ask("stop")
    assert control.take() == {"stop"}
    assert control.take() == {"stop"}


def test_a_signal_asks_while_its_thread_takes():
    control = Control()
    taken: list[set[str]] = []

    def at_every_line(*_: object):  # where a handler of signals can come in
        control.ask("stop")
        return at_every_line

    def take() -> None:
        sys.settrace(at_every_line)
        taken.append(control.take())
        sys.settrace(None)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    thread.join(10)
    assert taken == [{"stop"}]
    assert control.take() == {"stop"}


def test_commands_come_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import io
    import time

    monkeypatch.setattr("sys.stdin", io.StringIO('{"command": "sample"}\nsave\n\nfly\n{"command": 3}\n{\n'))
    run_folder.ask(tmp_path, "stop")  # of an earlier worker: not for this one
    unknown: list[str] = []
    control = Control()
    control.listen(tmp_path, unknown.append)
    run_folder.ask(tmp_path, "pause")
    taken: set[str] = set()
    limit = time.monotonic() + 5
    while taken != {"sample", "save", "pause"} and time.monotonic() < limit:
        taken |= control.take()
        time.sleep(0.01)
    control.closed.set()
    assert taken == {"sample", "save", "pause"}
    assert unknown == ["fly", '{"command": 3}', "{"]
    with pytest.raises(ValueError, match="fly"):
        run_folder.ask(tmp_path, "fly")


def test_a_list_of_checkpoints_leaves_out_what_is_gone(tmp_path: Path):
    assert run_folder.checkpoints(tmp_path) == []
    (tmp_path / "a.pt").write_bytes(b"1")
    entries = [Checkpoint("a.pt", 1, 2.5, 0.0), Checkpoint("b.pt", 2, None, 1.0)]
    run_folder.write_checkpoints(tmp_path, entries)
    assert run_folder.checkpoints(tmp_path) == entries[:1]
    run_folder.rollback(tmp_path, entries[0])
    newest = run_folder.checkpoints(tmp_path)[-1]
    assert (newest.file, newest.step, newest.best) == (run_folder.CHECKPOINT, entries[0].step, False)
    assert (tmp_path / run_folder.CHECKPOINT).read_bytes() == b"1"
    with pytest.raises(StudioError, match="gone"):
        run_folder.rollback(tmp_path, entries[1])
    (tmp_path / run_folder.TABLE).write_text(json.dumps([{"file": 1}]))
    assert run_folder.checkpoints(tmp_path) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"file": "../../precious.pt"},
        {"file": "/etc/precious.pt"},
        {"file": 5},
        {"step": "six"},
        {"step": -1},
        {"step": float("inf")},
        {"held_out": "low"},
        {"held_out": 10**400},
        {"when": None},
        {"best": "yes"},
    ],
    ids=str,
)
def test_a_list_of_a_stranger_leads_nowhere_else(wrong: dict, tmp_path: Path):
    """What is listed is drawn, copied and, in time, deleted."""
    folder = tmp_path / "runs" / "run"
    folder.mkdir(parents=True)
    for file in (tmp_path / "precious.pt", folder / "a.pt"):
        file.touch()
    entry = {"file": "a.pt", "step": 1, "held_out": None, "when": 0.0, "best": False}
    (folder / run_folder.TABLE).write_text(json.dumps([entry]))
    assert len(run_folder.checkpoints(folder)) == 1
    (folder / run_folder.TABLE).write_text(json.dumps([entry | wrong]))
    assert run_folder.checkpoints(folder) == []


@pytest.mark.parametrize("table", [b"[" * 100_000, b'[{"file": "checkpoint.pt", "st', b"\xff\x00", None])
def test_a_damaged_list_is_written_anew_from_what_the_run_told(table: bytes | None, tmp_path: Path):
    (tmp_path / "checkpoints").mkdir()
    for name in ("checkpoint.pt", "checkpoints/best.pt", "checkpoints/step-00000003.pt"):
        (tmp_path / name).touch()
    events = [
        {"event": "evaluation", "step": 2, "bound": 0.5, "best": True},
        {"event": "checkpoint", "step": 2, "best": True, "time": 1.0},
        {"event": "checkpoint", "step": 3, "best": False, "time": 2.0},
    ]
    (tmp_path / run_folder.EVENTS).write_text("".join(json.dumps(event) + "\n" for event in events))
    if table is not None:
        (tmp_path / run_folder.TABLE).write_bytes(table)
    assert run_folder.checkpoints(tmp_path) == []
    Lock(tmp_path).release()
    assert run_folder.checkpoints(tmp_path) == [
        Checkpoint("checkpoints/best.pt", 2, 0.5, 1.0, best=True),
        Checkpoint("checkpoints/step-00000003.pt", 3, None, 2.0),  # the figure is of step 2
        Checkpoint("checkpoint.pt", 3, None, 2.0),
    ]
    assert (tmp_path / "checkpoints" / "best.pt").exists()


def test_a_line_whose_figures_are_none_is_damaged(tmp_path: Path):
    file = tmp_path / run_folder.EVENTS
    lines = [
        b'{"event": "start", "step": "a", "steps": 6}',
        b'{"event": "start", "step": 0, "steps": 1e999}',
        b'{"event": "step", "step": 1}',
        b'{"event": "evaluation", "step": 1, "bound": "low"}',
        b'{"event": "evaluation", "step": 1, "bound": null}',
        b'{"event": "end", "step": 1, "time": "noon"}',
        b'{"event": "end", "step": 1, "samples": 1' + b"0" * 400 + b"}",
        b'{"event": ' + b"[" * 100_000,
        b"\xff\x00\xfe",
        b"x" * (3 << 20),  # no line is as long
        b'{"event": "evaluation", "step": 1, "bound": 0.5, "bound_error": NaN, "best": true}',
    ]
    file.write_bytes(b"\n".join(lines) + b"\n")
    assert [event["event"] for event in EventReader(tmp_path).read()] == ["evaluation"]


def test_a_run_that_is_refused_leaves_no_folder(tmp_path: Path):
    for name in ("new", "old"):
        lock = Lock(tmp_path / name)
        (tmp_path / name / "data").mkdir()
        lock.refused()
        lock.release()
        assert not (tmp_path / name).exists()
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / run_folder.LOCK).touch()  # which is what earlier versions left
    for name in (run_folder.RECIPE, "mine.txt"):
        folder = tmp_path / f"with-{name}"
        folder.mkdir()
        (folder / name).touch()
        lock = Lock(folder)
        lock.refused()
        lock.release()
        assert (folder / name).exists()


def test_who_takes_the_lock_clears_away_what_a_killed_worker_left(tmp_path: Path):
    kept = ["checkpoint.pt", "checkpoints/best.pt", "checkpoints/step-00000002.pt", "notes.txt", ".mine"]
    left = [".checkpoint.x1.pt", ".checkpoints.x2.json", "checkpoints/.step-00000003.x3.pt", "previews/.9.x4.png"]
    left += ["checkpoints/step-00000003.pt"]
    for name in kept + left:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    run_folder.write_checkpoints(tmp_path, [Checkpoint(name, 2, None, 0.0) for name in kept[:3]])
    Lock(tmp_path).release()
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {*kept, run_folder.TABLE, run_folder.LOCK}


def test_without_a_list_the_copies_stay(tmp_path: Path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-00000003.pt").touch()
    assert not run_folder.has_checkpoint(tmp_path)
    (tmp_path / run_folder.CHECKPOINT).touch()  # killed before it could list it
    Lock(tmp_path).release()
    assert (tmp_path / "checkpoints" / "step-00000003.pt").exists()
    assert run_folder.has_checkpoint(tmp_path)


def test_a_folder_that_takes_no_run_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(StudioError, match=r"^Cannot write to .*: .*\. Choose another folder for the run\.$"):
            Lock(folder)
