"""Where a bundle cannot be written: one sentence, and what was there before stays."""

from pathlib import Path

import pytest
from safetensors import SafetensorError

from studio.errors import StudioError
from studio.training.bundling import bundle_folder, write_manifest

FULL = "I/O error: No space left on device (os error 28)"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError(FULL)])
def test_a_full_disk_is_one_sentence(error: Exception, tmp_path: Path):
    with bundle_folder(tmp_path / "model") as folder:
        write_manifest(folder, {"title": "before"})
    with (
        pytest.raises(StudioError, match=r"^Cannot write .*model: .*No space left on device.*other place"),
        bundle_folder(tmp_path / "model"),
    ):
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert "before" in (tmp_path / "model" / "manifest.json").read_text()


def test_one_that_cannot_take_its_place_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Such as where another process has just moved it away."""

    def failing(path: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(StudioError, match="Cannot write"), bundle_folder(tmp_path / "model") as folder:
        write_manifest(folder, {})
    assert not list(tmp_path.iterdir())


def test_what_a_killed_replacement_set_aside_is_there_again(tmp_path: Path):
    (tmp_path / ".replaced-x").mkdir()
    with bundle_folder(tmp_path / ".replaced-x" / "model") as folder:
        write_manifest(folder, {})
    with bundle_folder(tmp_path / "other") as folder:
        write_manifest(folder, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "other"]
