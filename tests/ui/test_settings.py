"""Settings survive everything: a bad value, a damaged file, a full disk, a kill."""

import json
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pytestqt.qtbot import QtBot

from studio.errors import StudioError
from studio.files import is_utf8
from studio.runtime.catalog import data_folder
from studio.ui.settings import FILE, Preset, Settings, Values


def stored(folder: Path) -> dict:
    return json.loads((folder / FILE).read_text())


def test_values_come_back(tmp_path: Path, qapp: object) -> None:
    first = Settings(tmp_path)
    first.set("theme", "light")
    first.set_ui("image", brush=12, overlay="states")
    first.set_ui("image", brush=14)
    first.set_preset("calm", Preset(steps=32, temperature=0.7))
    first.add_recent("image", "/a.png")
    first.add_recent("image", "/b.png")
    first.add_recent("image", "/b\udcff.png")  # no UTF-8: not to be stored, nor in the way of what is
    first.add_recent("image", "/a.png")
    first.save()
    second = Settings(tmp_path)
    assert second.dropped == []
    assert second.values == first.values
    assert second.ui("image") == {"brush": 14, "overlay": "states"}
    assert second.values.presets["calm"].steps == 32
    assert second.values.recent["image"] == ["/a.png", "/b.png"]
    second.remove_preset("calm")
    assert second.values.presets == {}


def test_only_what_differs_from_the_defaults_is_stored(tmp_path: Path, qapp: object) -> None:
    settings = Settings(tmp_path)
    settings.set("theme", "dark")
    settings.save()
    assert stored(tmp_path) == {"theme": "dark"}


def test_they_live_in_the_data_folder(qapp: object) -> None:
    assert Settings().path == data_folder() / FILE


def test_a_change_is_saved_soon_and_once(tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    writes = []
    monkeypatch.setattr("studio.ui.settings.write_atomic", lambda path, data: writes.append(data))
    settings = Settings(tmp_path)
    with qtbot.waitSignal(settings.changed) as caught:
        settings.set("theme", "dark")
    assert caught.args == ["theme"]
    settings.set("theme", "light")
    settings.set("theme", "light")
    assert writes == []
    qtbot.waitUntil(lambda: len(writes) == 1, timeout=3000)
    settings.save()
    assert len(writes) == 1


def test_a_bad_value_is_dropped_and_told_and_the_rest_kept(tmp_path: Path, qapp: object) -> None:
    (tmp_path / FILE).write_text(
        json.dumps(
            {
                "theme": "pink",
                "colour": 3,
                "shortcuts": {"image.generate": "Ctrl+G", "image.stop": 7},
                "presets": {"good": {"steps": 8}, "bad": {"steps": -1}, "odd": 5},
                "ui": ["x"],
                "geometry": None,
            }
        )
    )
    settings = Settings(tmp_path)
    assert settings.values == Values(shortcuts={"image.generate": "Ctrl+G"}, presets={"good": Preset(steps=8)})
    told = "\n".join(settings.dropped)
    assert len(settings.dropped) == 7 and told.endswith("kept as settings.json.bad.")
    settings.set("theme", "dark")
    settings.save()
    assert Settings(tmp_path).dropped == []
    assert json.loads((tmp_path / "settings.json.bad").read_text())["colour"] == 3
    for name in ("theme", "colour", "image.stop", "presets: bad", "presets: odd", "ui", "geometry"):
        assert name in told


def test_half_a_character_does_not_keep_the_rest_from_being_stored(tmp_path: Path, qapp: object) -> None:
    half = "\ud800"
    (tmp_path / FILE).write_text(
        json.dumps(
            {
                "theme": half,
                "geometry": "AAAA",
                "shortcuts": {"image.stop": half, half: "Ctrl+G", "image.generate": "Ctrl+G"},
                "presets": {"odd": {"model": half}},
                "ui": {"image": {"deep": [{half: 1}]}, "text": {"size": 12}},
                "recent": {"image": ["/a.png", half]},
                "folders": {"image": half, "text": "/tmp"},
            }
        )
    )
    settings = Settings(tmp_path)
    assert settings.values == Values(
        geometry="AAAA", shortcuts={"image.generate": "Ctrl+G"}, ui={"text": {"size": 12}}, folders={"text": "/tmp"}
    )
    told = "\n".join(settings.dropped)
    assert len(settings.dropped) == 7 and is_utf8(told)
    for name in ("theme", "image.stop", "presets: odd", "ui: image", "recent: image", "folders: image"):
        assert f"{name} was dropped: " in told
    settings.set("theme", "dark")
    settings.save()
    assert Settings(tmp_path).dropped == []


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b"[1]", b"[" * 100_000, b"null"])
def test_a_damaged_file_is_kept_aside_and_told(tmp_path: Path, qapp: object, damage: bytes) -> None:
    (tmp_path / FILE).write_bytes(damage)
    settings = Settings(tmp_path)
    assert settings.values == Values()
    assert (tmp_path / "settings.json.bad").read_bytes() == damage
    assert not (tmp_path / FILE).exists()
    assert len(settings.dropped) == 1 and "settings.json.bad" in settings.dropped[0]


def test_a_damaged_file_that_cannot_be_kept_does_not_stop_the_start(tmp_path: Path, qapp: object) -> None:
    (tmp_path / FILE).write_bytes(b"{")
    (tmp_path / "settings.json.bad").mkdir()
    settings = Settings(tmp_path)
    assert settings.values == Values() and "could not be kept" in settings.dropped[0]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, qapp: object) -> None:
    (tmp_path / FILE).mkdir()
    assert "cannot be read" in Settings(tmp_path).dropped[0]


def test_a_write_that_fails_is_told_and_tried_again(tmp_path: Path, qtbot: QtBot) -> None:
    problems = []
    blocked = tmp_path / "folder"
    blocked.write_text("a file where the folder should be")
    settings = Settings(blocked / "inner")
    settings.changed.connect(problems.append)
    settings.set("theme", "light")
    qtbot.waitUntil(lambda: settings.problem != "", timeout=3000)
    assert "Cannot write" in settings.problem and problems == ["theme", "problem"]
    with pytest.raises(StudioError):
        settings.save()
    blocked.unlink()
    settings.save()
    assert stored(blocked / "inner") == {"theme": "light"} and settings.problem == ""


def test_a_slow_disk_does_not_stop_the_window(tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The debounced write runs beside; what changes meanwhile is written after it, and the end waits for both."""
    go, writes = threading.Event(), []

    def slow(path: Path, data: bytes) -> None:
        go.wait(10)
        writes.append(json.loads(data))

    monkeypatch.setattr("studio.ui.settings.write_atomic", slow)
    monkeypatch.setattr("studio.ui.settings.DELAY", 1)
    settings = Settings(tmp_path)
    settings.set("theme", "dark")
    qtbot.wait(50)
    assert writes == []
    settings.set("theme", "light")
    qtbot.wait(20)
    go.set()
    settings.save()
    assert writes == [{"theme": "dark"}, {"theme": "light"}]


def test_a_wrong_value_from_the_program_is_a_bug(tmp_path: Path, qapp: object) -> None:
    settings = Settings(tmp_path)
    with pytest.raises(ValidationError):
        settings.set("theme", "pink")
    assert settings.values.theme == "system"


def test_a_preset_is_shared_as_a_file(tmp_path: Path) -> None:
    preset = Preset(steps=16, top_p=0.9, policy="confidence")
    preset.write(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == {"steps": 16, "top_p": 0.9, "policy": "confidence"}
    assert Preset.read(tmp_path / "a.json") == preset
    (tmp_path / "b.json").write_text('{"steps": 1e400}')
    for name in ("b.json", "missing.json"):
        with pytest.raises(StudioError, match=name.split(".")[0]):
            Preset.read(tmp_path / name)


TEXT = st.text(st.characters())  # halves of surrogate pairs too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@hypothesis_settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.dictionaries(st.sampled_from(sorted(Values.model_fields)) | TEXT, JSON))
def test_no_file_keeps_the_window_from_starting(tmp_path: Path, qapp: object, content: dict) -> None:
    (tmp_path / FILE).write_text(json.dumps(content))
    settings = Settings(tmp_path)
    settings.set_ui("test", opened=len(settings.ui("test")))
    settings.save()
    assert Settings(tmp_path).dropped == []
