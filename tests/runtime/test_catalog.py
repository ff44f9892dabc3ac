import json
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.errors import StudioError
from studio.runtime import catalog
from studio.runtime.bundle import Bundle
from studio.runtime.catalog import (
    AlreadyThere,
    default_bundle,
    export_bundle,
    find_bundle,
    free_name,
    import_bundle,
    list_bundles,
    remove_bundle,
    rename_bundle,
    verify_bundle,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for models, and no shipped ones."""
    monkeypatch.setenv("PRIME_STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(catalog, "shipped_models", lambda: tmp_path / "shipped")
    return tmp_path / "home"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(path: Path, **options: Any) -> str:
    """The one sentence with which an import is refused; nothing of it may stay."""
    before = contents(catalog.user_models())
    with pytest.raises(StudioError) as caught:
        import_bundle(path, **options)
    assert contents(catalog.user_models()) == before
    assert not list(catalog.user_models().glob(".*"))
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and len(message) < 500
    assert not any(word in message for word in ("Traceback", "Error", "Exception", "BadZip"))
    return message


def packed(path: Path, members: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_round_trip_is_byte_identical(folder: Any, home: Path, tmp_path: Path) -> None:
    export_bundle(Bundle.open(folder.path), tmp_path / "one.primebundle")
    imported = import_bundle(tmp_path / "one.primebundle")
    assert imported.path == home / "models" / "tiny"
    assert contents(imported.path) == contents(folder.path)
    assert imported.digest == Bundle.open(folder.path).digest
    export_bundle(imported, tmp_path / "two.primebundle")
    assert (tmp_path / "one.primebundle").read_bytes() == (tmp_path / "two.primebundle").read_bytes()
    assert verify_bundle("tiny").digest == imported.digest
    assert [path.name for path in (home / "models").iterdir()] == ["tiny"]


def test_only_listed_files_move(folder: Any, tmp_path: Path) -> None:
    (folder.path / "notes.txt").write_text("mine")
    export_bundle(Bundle.open(folder.path), tmp_path / "one.primebundle")
    assert "notes.txt" not in contents(import_bundle(tmp_path / "one.primebundle").path)
    assert "notes.txt" not in contents(import_bundle(folder.path, replace=True).path)
    foreign = packed(tmp_path / "two.primebundle", contents(folder.path))
    assert "notes.txt" not in contents(import_bundle(foreign, replace=True).path)


def test_a_deflated_archive_can_be_imported(folder: Any, tmp_path: Path) -> None:
    path = packed(tmp_path / "m.primebundle", contents(folder.path), compression=zipfile.ZIP_DEFLATED)
    assert import_bundle(path).name == "tiny"


def test_an_existing_name_needs_replace(make_folder: Callable[..., Any], tmp_path: Path) -> None:
    first = make_folder()
    import_bundle(first.path)
    assert refused(first.path) == "The model tiny is already there, this very one."
    other = make_folder(where=tmp_path / "other", title="Another")
    assert "is already there; import" in refused(other.path)
    assert import_bundle(other.path, replace=True).manifest.title == "Another"
    assert find_bundle("tiny").manifest.title == "Another"
    assert not list(catalog.user_models().glob(".*"))


def test_a_model_that_is_damaged_is_not_the_one_that_is_there(folder: Any) -> None:
    installed = import_bundle(folder.path)
    (installed.path / "denoiser.onnx").write_bytes(b"")
    with pytest.raises(AlreadyThere) as caught:
        import_bundle(folder.path)
    assert not caught.value.same
    assert import_bundle(folder.path, replace=True).digest == installed.digest


def test_a_model_comes_in_under_a_free_name(make_folder: Callable[..., Any], tmp_path: Path) -> None:
    assert free_name("tiny") == "tiny"
    import_bundle(make_folder().path)
    make_folder("tiny-2", where=tmp_path / "shipped")
    other = make_folder(where=tmp_path / "other", title="T" * 200)
    both = import_bundle(other.path, name=free_name("tiny"))
    assert (both.name, both.path.name, both.manifest.title) == ("tiny-3", "tiny-3", f"{'T' * 120} (tiny-3)")
    assert verify_bundle("tiny-3").digest == both.digest
    (catalog.user_models() / ("a" * 64)).mkdir()
    assert free_name("a" * 64) == f"{'a' * 60}-2"


def test_the_users_model_counts_before_the_shipped_one(make_folder: Callable[..., Any], tmp_path: Path) -> None:
    make_folder(where=tmp_path / "shipped", title="Shipped")
    other = make_folder(where=tmp_path / "other", title="Mine")
    assert "is already there" in refused(other.path)
    import_bundle(other.path, replace=True)
    assert find_bundle("tiny").manifest.title == "Mine"
    assert len(list_bundles()) == 1
    remove_bundle("tiny")
    assert find_bundle("tiny").manifest.title == "Shipped"
    with pytest.raises(StudioError, match="came with the program and cannot be removed"):
        remove_bundle("tiny")
    assert not list(catalog.user_models().iterdir())


@pytest.mark.parametrize("name", ["nothing", "..", "../shipped", ""])
def test_removing_what_is_not_there(name: str) -> None:
    with pytest.raises(StudioError, match="is not there"):
        remove_bundle(name)


def test_finding(make_folder: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"^There is no model emoji-99; installed are: none\.$"):
        find_bundle("emoji-99")
    import_bundle(make_folder().path)
    with pytest.raises(StudioError, match=r"^There is no model emoji-99; installed are: tiny\.$"):
        find_bundle("emoji-99")
    assert find_bundle(tmp_path / "tiny").path == tmp_path / "tiny"
    (tmp_path / "x.primebundle").touch()
    with pytest.raises(StudioError, match="models import"):
        find_bundle(tmp_path / "x.primebundle")


def test_a_broken_bundle_is_listed_with_its_error(make_folder: Callable[..., Any], home: Path) -> None:
    import_bundle(make_folder("good").path)
    import_bundle(make_folder("bad").path)
    (home / "models" / "bad" / "palette.json").unlink()
    (home / "models" / ".import-x").mkdir()
    (home / "models" / "stray.txt").touch()
    (bad, error), (good, bundle) = list_bundles()
    assert (bad.name, good.name) == ("bad", "good")
    assert isinstance(error, StudioError) and "palette.json is missing" in str(error)
    assert isinstance(bundle, Bundle)
    assert default_bundle("image").name == "good"
    with pytest.raises(StudioError, match=r"palette\.json is missing"):
        default_bundle("text")


def test_the_default_model(make_folder: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="There is no image model"):
        default_bundle("image")
    make_folder("another", where=tmp_path / "shipped")
    make_folder("emoji-32", where=tmp_path / "shipped")
    assert default_bundle("image").name == "emoji-32"


def test_where_shipped_models_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert catalog.shipped_models().name == "models"


def test_verify_runs_the_network(folder: Any) -> None:
    weights = folder.path / "weights.safetensors"
    weights.write_bytes(bytes(8) + struct.pack("f", float("nan")) * 24)
    folder.seal("weights.safetensors")
    with pytest.raises(StudioError, match="not finite"):
        verify_bundle(folder.path)


def test_what_was_damaged_meanwhile_is_not_exported(folder: Any, tmp_path: Path) -> None:
    bundle = Bundle.open(folder.path)
    (folder.path / "weights.safetensors").write_bytes(bytes(104))
    with pytest.raises(StudioError, match=r"weights\.safetensors"):
        export_bundle(bundle, tmp_path / "m.primebundle")
    assert not (tmp_path / "m.primebundle").exists()


# Hostile archives


def test_no_such_file(tmp_path: Path) -> None:
    assert "There is no file" in refused(tmp_path / "nowhere.primebundle")


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04" + bytes(100)])
def test_not_a_zip(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.primebundle").write_bytes(data)
    assert "is not a whole .primebundle file" in refused(tmp_path / "m.primebundle")


def test_a_truncated_archive(folder: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.primebundle"
    export_bundle(Bundle.open(folder.path), path)
    whole = path.read_bytes()
    for size in (len(whole) - 1, len(whole) // 2):
        path.write_bytes(whole[:size])
        assert "is not a whole .primebundle file" in refused(path)


def test_a_flipped_bit(folder: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.primebundle"
    export_bundle(Bundle.open(folder.path), path)
    data = bytearray(path.read_bytes())
    data[data.index(b"colors")] ^= 1
    path.write_bytes(data)
    assert "is not a whole .primebundle file" in refused(path)


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "a/b", "a\\b", "dir/", ".hidden", "..", "__MACOSX/manifest.json"]
)
def test_a_member_that_is_no_plain_name(folder: Any, tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / "m.primebundle", contents(folder.path) | {name: b""})
    assert "which is not a plain file at the top level" in refused(path)
    assert not (tmp_path / "evil").exists() and not Path("/tmp/evil").exists()


def test_a_symlink_in_an_archive(folder: Any, tmp_path: Path) -> None:
    path = packed(tmp_path / "m.primebundle", contents(folder.path))
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "it holds link, which is not a plain file" in refused(path)


def test_too_many_entries(tmp_path: Path) -> None:
    path = packed(tmp_path / "m.primebundle", {f"file{i}": b"" for i in range(1000)})
    assert "it holds 1,000 files" in refused(path)


def test_a_list_of_files_that_is_larger_than_any_is_not_read(folder: Any, tmp_path: Path) -> None:
    """Python would make ten times as many bytes of it before the files could be counted."""
    long = zipfile.ZipInfo("a.txt")
    long.comment = b"x" * 60_000
    path = tmp_path / "long.primebundle"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(long, b"")
        archive.filelist *= 20
    tracemalloc.start()
    assert "not a whole .primebundle file" in refused(path)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_what_is_no_file_is_not_waited_for(home: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.primebundle")
    assert "neither a .primebundle file nor a folder" in refused(tmp_path / "pipe.primebundle")


def test_the_same_name_twice(folder: Any, tmp_path: Path) -> None:
    path = packed(tmp_path / "m.primebundle", contents(folder.path) | {"Palette.json": b""})
    assert "twice" in refused(path)


def test_a_zip_bomb(folder: Any, tmp_path: Path) -> None:
    bomb = contents(folder.path) | {"bomb.bin": bytes(1 << 26)}
    path = packed(tmp_path / "m.primebundle", bomb, compression=zipfile.ZIP_DEFLATED)
    assert "bomb.bin in it unpacks to 67,108,864 bytes" in refused(path)


def test_many_small_bombs(folder: Any, tmp_path: Path) -> None:
    bombs = contents(folder.path) | {f"bomb{i}": bytes(1 << 20) for i in range(20)}
    path = packed(tmp_path / "m.primebundle", bombs, compression=zipfile.ZIP_DEFLATED)
    assert "it unpacks to 20," in refused(path)


def test_a_lie_about_the_size(folder: Any, tmp_path: Path) -> None:
    """A member that unpacks to more than its entry says is cut there and fails its checksum."""
    members = contents(folder.path) | {"big.bin": bytes(3_000_000)}
    path = packed(tmp_path / "m.primebundle", members, compression=zipfile.ZIP_DEFLATED)
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 3_000_000), struct.pack("<I", 1000)))
    assert "is not a whole .primebundle file" in refused(path)


def test_an_unknown_packing(folder: Any, tmp_path: Path) -> None:
    path = packed(tmp_path / "m.primebundle", contents(folder.path), compression=zipfile.ZIP_BZIP2)
    assert "packed in an unknown way" in refused(path)


def test_an_archive_with_a_broken_bundle(folder: Any, tmp_path: Path) -> None:
    members = contents(folder.path)
    del members["palette.json"]
    assert "the model m: palette.json is missing" in refused(packed(tmp_path / "m.primebundle", members))
    members["manifest.json"] = json.dumps(folder.manifest | {"name": "../../escape"}).encode()
    assert "name: has a form" in refused(packed(tmp_path / "m.primebundle", members))


def test_an_import_cut_off_leaves_nothing(folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_bundle(Bundle.open(folder.path), tmp_path / "m.primebundle")

    def interrupted(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(catalog.Bundle, "open", interrupted)
    for source in (tmp_path / "m.primebundle", folder.path):
        with pytest.raises(KeyboardInterrupt):
            import_bundle(source)
        assert not list(catalog.user_models().iterdir())


def test_a_failing_replacement_keeps_the_old_model(
    make_folder: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_bundle(make_folder().path)
    other = make_folder(where=tmp_path / "other", title="Another").path
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.parent.name.startswith(".import-"):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    assert "No space left on device" in refused(other, replace=True)
    assert find_bundle("tiny").manifest.title == "A tiny model"


def test_a_name_that_the_disk_does_not_tell_from_the_old_one(make_folder: Callable[..., Any], home: Path) -> None:
    import_bundle(make_folder("Mine").path)
    (home / "models" / "mine").symlink_to("Mine")  # as a disk does that takes both for the same
    renamed = rename_bundle(find_bundle("Mine"), "mine")
    assert (renamed.name, renamed.path.name, renamed.manifest.title) == ("Mine", "Mine", "mine")
    import_bundle(make_folder("other").path)
    with pytest.raises(StudioError, match="A model other is already there"):
        rename_bundle(renamed, "Other")


def test_leftovers_of_a_killed_import_are_swept(folder: Any, home: Path) -> None:
    stale, fresh = home / "models" / ".import-old", home / "models" / ".import-new"
    stale.mkdir(parents=True)
    fresh.mkdir()
    os.utime(stale, (0, 0))
    import_bundle(folder.path)
    assert not stale.exists() and fresh.exists()


def test_export_to_a_place_that_cannot_be_written(folder: Any, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(StudioError, match="taken is a folder: choose another name"):
        export_bundle(Bundle.open(folder.path), tmp_path / "taken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken", "tiny"]


def test_a_model_is_not_exported_over_itself(folder: Any, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    (tmp_path / "link.primebundle").symlink_to(folder.path / "denoiser.onnx")
    (tmp_path / "beside").symlink_to(folder.path)
    for place in (
        folder.path / "manifest.json",
        folder.path / "tiny.primebundle",
        tmp_path / "link.primebundle",
        tmp_path / "beside" / "a.primebundle",
    ):
        with pytest.raises(StudioError, match="in the folder of the model itself: choose another place"):
            export_bundle(Bundle.open(folder.path), place)
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == before
