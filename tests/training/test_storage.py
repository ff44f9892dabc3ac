import os
import time
from pathlib import Path

import pytest

from studio.datasets.store import DatasetWriter
from studio.errors import StudioError
from studio.training import storage
from studio.training.client import find_runs
from studio.training.run_folder import Lock


def run(folder: Path, data: Path) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "recipe.toml").write_text(f'name = "a"\n[data]\ntrain = "{data}"\n')
    (folder / "checkpoint.pt").write_bytes(bytes(1000))
    os.link(folder / "checkpoint.pt", folder / "checkpoints" / "best.pt")
    return folder


def dataset(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text("{}")
    return folder


def test_a_checkpoint_under_two_names_counts_once(tmp_path: Path):
    folder = run(tmp_path / "run", tmp_path)
    assert storage.size_of(folder) == 1000 + (folder / "recipe.toml").stat().st_size
    assert storage.size_of(tmp_path / "nothing") == 0


def test_a_run_goes_whole_unless_it_is_at_work(tmp_path: Path):
    runs = tmp_path / "runs"
    first, second = run(runs / "first", tmp_path), run(runs / "second", tmp_path)
    lock = Lock(first)
    with pytest.raises(StudioError, match="at work"):
        storage.delete_run(first)
    lock.release()
    storage.delete_run(first)
    assert [path.name for path in runs.iterdir()] == ["second"]
    assert [found.folder for found in find_runs(runs)] == [second]


def test_what_a_deletion_left_that_was_killed_goes_with_the_next(tmp_path: Path):
    (tmp_path / storage.DELETED / "earlier").mkdir(parents=True)
    run = tmp_path / "run"
    run.mkdir()
    storage.delete_run(run)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_recipe_is_found_and_can_go(tmp_path: Path):
    folder = run(tmp_path / "run", tmp_path)
    (folder / "recipe.toml").unlink()
    (tmp_path / "nothing").mkdir()
    assert [found.folder for found in find_runs(tmp_path)] == [folder]
    storage.delete_run(folder)
    assert find_runs(tmp_path) == []
    storage.delete_run(folder)  # another window was quicker
    assert not folder.exists()


def test_data_that_a_run_learns_from_are_kept(tmp_path: Path):
    datasets, runs = tmp_path / "datasets", tmp_path / "runs"
    assert storage.unused_datasets(datasets, runs) == []
    used, other = dataset(datasets / "used"), dataset(datasets / "other")
    left = datasets / ".used.abc"
    left.mkdir()
    hours_ago(left)
    writer = DatasetWriter(datasets / "new", "texts", {})
    (writer.temporary / "dataset.json").write_text("{}")  # it is about to take its place
    hours_ago(writer.temporary)  # what it writes is new, whenever it began
    (datasets / "mine").mkdir()  # no dataset: none of ours
    folder = run(runs / "first", used)
    (runs / "damaged").mkdir()
    (runs / "damaged" / "recipe.toml").write_text("no toml")
    assert storage.unused_datasets(datasets, runs) == [left, other]
    storage.delete_run(folder)
    assert storage.unused_datasets(datasets, runs) == [left, other, used]
    writer.discard()


def test_data_that_a_run_is_validated_on_are_kept(tmp_path: Path):
    datasets = tmp_path / "datasets"
    train, valid = dataset(datasets / "train"), dataset(datasets / "valid")
    folder = run(tmp_path / "runs" / "first", train)
    with (folder / "recipe.toml").open("a") as recipe:
        recipe.write(f'valid = "{valid}"\n')
    assert storage.unused_datasets(datasets, tmp_path / "runs") == []


def hours_ago(folder: Path) -> None:
    then = time.time() - 4 * 3600
    os.utime(folder, (then, then))


def test_what_is_only_measured_is_no_run(tmp_path: Path):
    run(tmp_path / ".estimate", tmp_path)
    assert find_runs(tmp_path) == []
