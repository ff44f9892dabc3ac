"""A dataset folder: what is in it, who is held out, and that its size in memory does not grow with it."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.datasets.__main__ import main
from studio.datasets.collecting import collect_pictures, collect_texts, open_or_collect
from studio.datasets.store import Dataset, DatasetWriter
from studio.errors import StudioError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty pictures, two copies, one broken, one tiny."""
    path = tmp_path / "pictures"
    path.mkdir()
    rng = np.random.default_rng(0)
    for index in range(20):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path / f"{index:02}.png")
    for name in ("copy.png", "z.png"):
        (path / name).write_bytes((path / "05.png").read_bytes())
    (path / "broken.png").write_bytes((path / "00.png").read_bytes()[:50])
    Image.new("RGB", (5, 4), "red").save(path / "tiny.png")
    Image.new("RGB", (1, 1), "red").save(path / "dot.png")
    return path


def test_good_ones_are_kept_and_bad_ones_listed(folder: Path, tmp_path: Path):
    counts: list[dict[str, int]] = []
    dataset = collect_pictures(folder, tmp_path / "set", (8, 8), on_progress=counts.append)
    assert len(dataset) == 23
    assert dataset.counts == {"kept": 23, "unreadable": 2, "tiny": 1, "duplicate": 2}
    assert dataset.pixels.shape == (23, 8, 8, 3)
    assert (dataset.pixels[3] == np.asarray(Image.open(folder / "03.png"))).all()
    assert dataset.name(3) == "03.png"
    assert [problem["name"] for problem in dataset.problems(2)] == [
        "broken.png",
        "dot.png",
    ]  # tiny.png was written last
    problems = {problem["name"]: problem for problem in dataset.problems()}
    assert problems["broken.png"]["what"] == "broken.png is damaged or cut short: save or download it again."
    assert problems["dot.png"]["kind"] == "unreadable"
    assert problems["tiny.png"]["what"] == "5 × 4 pixels are enlarged"
    assert problems["copy.png"]["what"] == problems["z.png"]["what"] == "the same content as 05.png"
    assert counts


def test_equal_content_stays_on_one_side_whatever_else_there_is(folder: Path, tmp_path: Path):
    dataset = collect_pictures(folder, tmp_path / "set", (8, 8))
    names = [dataset.name(index) for index in range(len(dataset))]
    for share in (0.05, 0.3, 0.5, 0.9):
        held = dict(zip(names, dataset.held_out(share), strict=True))
        assert held["05.png"] == held["copy.png"] == held["z.png"]
        assert 0 < sum(held.values()) < len(names)
    assert not dataset.held_out(0).any()
    before = dict(zip(names, dataset.held_out(0.3), strict=True))
    (folder / "00.png").unlink()
    Image.new("RGB", (8, 8), "blue").save(folder / "aa.png")
    again = collect_pictures(folder, tmp_path / "set", (8, 8))
    after = {again.name(index): held for index, held in enumerate(again.held_out(0.3))}
    assert all(after[name] == before[name] for name in names if name in after)


def test_texts_are_split_and_looked_up(tmp_path: Path):
    rows = [f"Story number {index}." for index in range(50)] + ["Story number 7.", "  "]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    dataset = collect_texts(tmp_path / "a.jsonl", tmp_path / "set")
    assert dataset.counts == {"kept": 51, "unreadable": 0, "tiny": 1, "duplicate": 1}
    assert dataset.text(7) == dataset.text(50) == "Story number 7.\n"
    assert dataset.held_out(0.5)[7] == dataset.held_out(0.5)[50]
    assert list(dataset.texts(np.array([3, 1]))) == ["Story number 3.\n", "Story number 1.\n"]


def test_a_dataset_is_made_once_and_outlives_its_source(folder: Path, tmp_path: Path):
    made = open_or_collect(folder, tmp_path / "set", (8, 8))
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert len(open_or_collect(folder, tmp_path / "set", (8, 8))) == len(made)
    assert len(open_or_collect(tmp_path / "set", tmp_path / "other", (8, 8))) == len(made)
    with pytest.raises(StudioError, match="16 × 16"):
        open_or_collect(tmp_path / "set", tmp_path / "other", (16, 16))
    with pytest.raises(StudioError, match="no data"):
        open_or_collect(folder, tmp_path / "set", (16, 16))
    assert len(Dataset(tmp_path / "set")) == len(made)  # it failed before it replaced anything
    (tmp_path / "set" / "content.bin").write_bytes(b"")
    with pytest.raises(StudioError, match="cut short"):
        Dataset(tmp_path / "set")


@pytest.mark.parametrize("stuck", ["old", "new"])
def test_what_stood_there_stays_until_the_new_can_take_its_place(
    stuck: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def writer(*texts: bytes) -> DatasetWriter:
        writer = DatasetWriter(tmp_path / "set", "texts", {})
        for text in texts:
            writer.add("a", text)
        return writer

    writer(b"one\n").finish()
    again, rename = writer(b"two\n", b"three\n"), Path.rename

    def refused(path: Path, target: Path) -> Path:
        if path == {"old": tmp_path / "set", "new": again.temporary}[stuck]:
            raise PermissionError(13, "it is mapped")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(StudioError, match="it is mapped"):
        again.finish()
    again.discard()
    monkeypatch.undo()
    assert Dataset(tmp_path / "set").text(0) == "one\n"
    assert len(writer(b"two\n", b"three\n").finish()) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_only_what_a_killed_reading_left_is_swept(tmp_path: Path):
    """Not what others are about to write, of this dataset or of one whose name begins the same."""
    others = [DatasetWriter(tmp_path / name, "texts", {}) for name in ("a", "a.b", "a.bcdefghi")]
    killed = DatasetWriter(tmp_path / "a", "texts", {})
    old = tmp_path / ".a.abcdefgh.old"
    (tmp_path / ".a.b").mkdir()
    old.mkdir()
    theirs = [path for writer in others[1:] for path in (*writer.temporary.iterdir(), writer.temporary)]
    long_ago = time.time() - 2 * 3600
    for path in (*killed.temporary.iterdir(), killed.temporary, old, *theirs, tmp_path / ".a.b"):
        os.utime(path, (long_ago, long_ago))
    DatasetWriter(tmp_path / "a", "texts", {}).discard()
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / ".a.b", *(writer.temporary for writer in others)])
    for writer in (*others, killed):
        writer.discard()


def test_a_dataset_whose_files_are_taken_away_is_one_sentence(tmp_path: Path):
    writer = DatasetWriter(tmp_path / "set", "texts", {})
    writer.add("a", b"one\n")
    shutil.rmtree(writer.temporary)
    with pytest.raises(StudioError, match="open the data again"):
        writer.finish()
    writer.discard()


def test_nothing_usable_is_an_error_that_leaves_nothing(tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    with pytest.raises(StudioError, match="none were found"):
        collect_pictures(source, tmp_path / "set", (8, 8))
    (source / "a.png").write_bytes(b"no picture")
    with pytest.raises(StudioError, match="known format"):
        collect_pictures(source, tmp_path / "set", (8, 8))
    with pytest.raises(StudioError, match="stretch"):
        collect_pictures(source, tmp_path / "set", (8, 8), "stretch")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_the_process_tells_of_it_in_json_lines(folder: Path, tmp_path: Path):
    def run(*arguments: str | Path) -> tuple[int, list[dict]]:
        command = [sys.executable, "-m", "studio.datasets", *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not result.stderr
        return result.returncode, [json.loads(line) for line in result.stdout.splitlines()]

    code, events = run(folder, tmp_path / "set", "--grid", "8", "8")
    assert code == 0
    assert events[0]["event"] == "progress"
    assert events[-1] == {"event": "done", "folder": str(tmp_path / "set"), "counts": Dataset(tmp_path / "set").counts}
    code, events = run(tmp_path / "missing", tmp_path / "set")
    assert code == 2
    assert "no data" in events[-1]["message"]


def test_what_the_process_tells_of_columns_is_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.csv").write_text(",".join(["text", *[letter * 70_000 for letter in "abcdefgh"]]) + "\nhello\n")
    assert main([str(tmp_path / "a.csv"), str(tmp_path / "set")]) == 0
    assert main([str(tmp_path / "a.csv"), str(tmp_path / "set"), "--column", "title"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-2])["columns"] == ["text", *[letter * 200 for letter in "abcdefgh"]]
    assert json.loads(lines[-1])["message"].startswith("a.csv has no column 'title': choose one of text, aaa")
    assert max(map(len, lines)) < 5000


MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
from studio.datasets import collecting
from studio.datasets.__main__ import main
from studio.datasets.store import DatasetWriter

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

out, count = Path(sys.argv[2]), int(sys.argv[3])
if sys.argv[1] == "pictures":
    rows = np.random.default_rng(0).integers(0, 256, (1000, 8, 8, 3), dtype=np.uint8)
    writer = DatasetWriter(out, "pictures", {"grid": [8, 8]})
    start = peak()
    for index in range(count):
        row = rows[index % 1000].copy()
        row[0, 0] = index % 251, index // 251 % 251, index // 63001
        writer.add(f"folder/picture-{index}.png", row.tobytes())
    dataset = writer.finish()
    assert dataset.pixels[count - 1].shape == (8, 8, 3)
    assert dataset.held_out(0.1).mean() > 0.05
else:
    start = peak()
    dataset = collecting.collect_texts(Path(sys.argv[4]), out)
    assert len(dataset.text(len(dataset) // 2)) > 100
print(peak() - start)
"""


def growth(*arguments: object) -> float:
    """MB by which the peak memory of a process grows."""
    command = [sys.executable, "-c", MEASURE, *map(str, arguments)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_memory_does_not_grow_with_the_pictures(tmp_path: Path):
    # 300,000 pictures are 58 MB of pixels and 8 MB of names; only eight bytes each, their hashes, are ever held.
    grown = growth("pictures", tmp_path / "set", 300_000)
    assert (tmp_path / "set" / "content.bin").stat().st_size == 300_000 * 192
    assert grown < 40


def test_memory_does_not_grow_with_the_text(tmp_path: Path):
    line = "The quick brown fox jumps over the lazy dog, again and again, number {}.\n"
    with (tmp_path / "long.txt").open("w") as file:
        for index in range(1_000_000):
            file.write(line.format(index))
    assert (tmp_path / "long.txt").stat().st_size > 70_000_000
    assert growth("texts", tmp_path / "set", 0, tmp_path / "long.txt") < 25


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import resource

    writer = DatasetWriter(tmp_path / "set", "pictures", {"grid": [8, 8]})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
        with pytest.raises(StudioError, match="Free some space"):
            for index in range(1000):
                writer.add(str(index), bytes(192))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    writer.discard()
    assert list(tmp_path.iterdir()) == []
