"""A process that is killed while it replaces or renames a model: none may be lost, and none torn."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.runtime import catalog
from studio.runtime.bundle import Bundle
from studio.runtime.catalog import import_bundle, list_bundles, remove_bundle
from studio.runtime.replacing import take_place

DIES_AT = """
import os, sys
from pathlib import Path
from studio.runtime.catalog import find_bundle, import_bundle, rename_bundle
from studio.runtime.replacing import take_place
left, rename = [int(sys.argv[1])], Path.rename
def dying(path, target):
    left[0] -= 1
    if not left[0]:
        os._exit(9)
    return rename(path, target)
Path.rename = dying
"""


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's models, and no shipped ones."""
    monkeypatch.setenv("PRIME_STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(catalog, "shipped_models", lambda: tmp_path / "shipped")
    return tmp_path / "home" / "models"


def killed(at: int, code: str, *arguments: Path | str) -> None:
    """Run the code in another process, which dies where it would rename for the `at`th time."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", DIES_AT + code, str(at), *map(str, arguments)]
    assert subprocess.run(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, timeout=60).returncode == 9


def titles() -> dict[str, str]:
    return {path.name: bundle.manifest.title for path, bundle in list_bundles() if isinstance(bundle, Bundle)}


@pytest.mark.parametrize("at", [1, 2])
def test_a_model_outlives_a_replacement_that_was_killed(
    make_folder: Callable[..., Any], tmp_path: Path, models: Path, at: int
) -> None:
    import_bundle(make_folder().path)
    other = make_folder(where=tmp_path / "other", title="Another").path
    killed(at, "import_bundle(sys.argv[2], replace=True)", other)
    for left in models.glob(".*"):
        os.utime(left, (0, 0))
    import_bundle(make_folder("second").path)  # which sweeps what was left
    assert titles() == {"tiny": "A tiny model", "second": "A tiny model"}
    assert not list(models.glob(".*"))


def test_what_was_replaced_does_not_come_back(
    make_folder: Callable[..., Any], tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when the new one stood and the old one was not deleted yet."""
    import_bundle(make_folder().path)
    aside = models / ".replaced-x"
    aside.mkdir()
    (models / "tiny").rename(aside / "tiny")
    make_folder(where=models, title="Another")
    assert titles() == {"tiny": "Another"} and not aside.exists()
    aside.mkdir()
    make_folder(where=aside, title="Old")
    remove_bundle("tiny")
    assert not titles() and not list(models.iterdir())


@pytest.mark.parametrize("at", [1, 2])
def test_a_rename_that_was_killed_leaves_no_folder_of_another_name(
    make_folder: Callable[..., Any], models: Path, at: int
) -> None:
    import_bundle(make_folder().path)
    killed(at, "rename_bundle(find_bundle('tiny'), 'Other name')")
    assert [(path.name, bundle.name) for path, bundle in list_bundles() if isinstance(bundle, Bundle)] == [
        *([("other-name", "other-name")] if at == 2 else []),
        ("tiny", "tiny"),
    ]


def test_a_rename_that_fails_changes_nothing(
    make_folder: Callable[..., Any], models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = import_bundle(make_folder().path)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self == models / "tiny":  # as on Windows, where a file of it is in use
            raise PermissionError(13, "Access is denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(catalog.StudioError, match="Cannot rename"):
        catalog.rename_bundle(bundle, "Other name")
    assert [path.name for path in models.iterdir()] == ["tiny"]
    assert Bundle.open(models / "tiny").digest == bundle.digest


def test_one_that_another_process_put_there_meanwhile_is_replaced(
    make_folder: Callable[..., Any], models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(where=models)
    mine = make_folder("mine", where=models / "made", title="Mine").path
    rename, others = Path.rename, iter(["Theirs", "Theirs again"])

    def rival(self: Path, target: Path) -> Path:
        if self == mine and (title := next(others, None)):
            make_folder(where=models, title=title)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rival)
    take_place(mine, models / "tiny")
    assert titles() == {"tiny": "Mine"} and not list(models.glob(".*"))
