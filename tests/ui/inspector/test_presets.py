"""Presets are kept, applied, handed on as files, and never take what they should not."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QComboBox

from studio.errors import StudioError
from studio.runtime.bundle import Bundle
from studio.ui.inspector import presets
from studio.ui.inspector.panel import InspectorPanel
from studio.ui.inspector.presets import PresetRow, preset_of
from studio.ui.settings import Preset, Settings
from tests.helpers import text_bundle


@pytest.fixture
def row(panel: InspectorPanel) -> PresetRow:
    return panel.presets


def answer(monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> list[tuple[Any, ...]]:
    """Let a dialog answer at once; returns what it was asked."""
    asked: list[tuple[Any, ...]] = []

    async def at_once(*args: Any, **options: Any) -> Any:
        asked.append((*args, options))
        return value

    monkeypatch.setattr(presets, name, at_once)
    return asked


def test_save_change_and_apply(
    panel: InspectorPanel, row: PresetRow, studio: Any, qrun: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.settings.set(steps=64, policy="even", temperature=0.5, seed=77)
    answer(monkeypatch, "ask_text", "Soft")
    qrun(row.ask_and_save())
    assert row.current == "Soft" and row.delete.isEnabled()
    panel.settings.set(steps=10, seed=78)
    assert row.current is None and not row.delete.isEnabled(), "settings of one's own"
    row.choice.set_value("Soft")
    row.choice.changed.emit("Soft")
    assert panel.settings.get("steps") == 64 and panel.settings.get("seed") == 78, "the seed is no part of it"
    studio.settings.save()
    again = Settings(studio.settings.path.parent)
    assert again.values.presets["Soft"] == preset_of(panel.settings)


def test_the_models_defaults_are_told_and_brought_back(panel: InspectorPanel, row: PresetRow, studio: Any) -> None:
    defaults, seed = panel.settings.defaults(), panel.settings.get("seed")
    assert row.choice.words(row.choice.value()) == "The model's defaults"
    assert row.current is None and not row.delete.isEnabled(), "no preset that could be deleted"
    panel.settings.set(steps=defaults["steps"] + 1, temperature=2.0)
    assert row.choice.words(row.choice.value()) == "Own settings"
    row.choice.changed.emit("")
    assert {name: panel.settings.get(name) for name in defaults} == defaults
    assert panel.settings.get("seed") == seed and row.choice.words(row.choice.value()) == "The model's defaults"
    studio.settings.set_preset("Same", Preset(steps=defaults["steps"]))
    assert row.current == "Same", "a preset of one's own comes before"


def test_rename_and_delete(
    panel: InspectorPanel, row: PresetRow, studio: Any, qrun: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.settings.set_preset("A", Preset(steps=9))
    studio.settings.set_preset("B", Preset(steps=10))
    row.apply("A")
    asked = answer(monkeypatch, "ask_text", "Nine")
    qrun(row.ask_and_rename())
    assert sorted(studio.settings.values.presets) == ["B", "Nine"] and row.current == "Nine"
    check = asked[0][-1]["check"]
    assert check("B") and check("x" * 61) and not check("Eight")
    answer(monkeypatch, "confirm", False)
    qrun(row.ask_and_delete())
    assert "Nine" in studio.settings.values.presets
    answer(monkeypatch, "confirm", True)
    qrun(row.ask_and_delete())
    assert sorted(studio.settings.values.presets) == ["B"] and row.current is None


def test_a_preset_goes_from_one_to_another_as_a_file(
    panel: InspectorPanel,
    row: PresetRow,
    studio: Any,
    qrun: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    panel.settings.set(steps=64, top_p=0.8)
    studio.settings.set_preset("Soft/slow", preset_of(panel.settings))
    row.apply("Soft/slow")
    file = tmp_path / "Soft.json"
    asked = answer(monkeypatch, "ask_save", file)
    qrun(row.ask_and_share())
    assert asked[0][3] == "Soft-slow.json" and json.loads(file.read_text())["steps"] == 64
    studio.settings.remove_preset("Soft/slow")
    panel.settings.set(steps=6, top_p=1.0)
    answer(monkeypatch, "ask_open", file)
    qrun(row.ask_and_load())
    assert row.current == "Soft" and panel.settings.get("steps") == 64 and panel.settings.get("top_p") == 0.8
    file.write_text('{"steps": 3}')
    qrun(row.ask_and_load())
    assert row.current == "Soft 2" and panel.settings.get("steps") == 3, "none is overwritten"
    qrun(row.ask_and_load())
    assert sorted(studio.settings.values.presets) == ["Soft", "Soft 2"], "nor doubled"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"steps": "many"}',
        '{"steps": 1e999}',
        '{"colour": 1}',
        '{"policy": "magic"}',
        '{"schedule": "poly0"}',
    ],
)
def test_a_file_that_is_no_preset_changes_nothing(
    panel: InspectorPanel, row: PresetRow, studio: Any, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    before = panel.settings.dump()
    with pytest.raises(StudioError, match=r"bad\.json is no preset"):
        row.add_file(file)
    assert panel.settings.dump() == before and not studio.settings.values.presets


@pytest.mark.skipif(os.name != "posix", reason="elsewhere all names are text")
def test_a_file_whose_name_is_no_text(row: PresetRow, studio: Any, tmp_path: Path) -> None:
    file = os.fsencode(tmp_path) + b"/caf\xe9.json"
    Path(os.fsdecode(file)).write_text('{"steps": 12}')
    row.add_file(Path(os.fsdecode(file)))
    assert list(studio.settings.values.presets) == ["caf\ufffd"]


def test_a_preset_for_a_model_that_is_not_there(panel: InspectorPanel, row: PresetRow, studio: Any) -> None:
    row.take(Preset(model="faces-64", steps=12), "The preset “X”")
    assert panel.settings.get("steps") == 12 and panel.model.value() == "emoji-32"
    (notice,) = studio.notices.at("image")
    assert "faces-64" in notice.text and notice.kind == "warning"


def test_a_preset_without_a_model_asks_for_none(panel: InspectorPanel, row: PresetRow, studio: Any) -> None:
    panel.settings.set_bundle(None)  # none is installed
    row.take(Preset(steps=12), "The preset “X”")
    assert not studio.notices.at("image")


def test_presets_of_models_for_texts_stay_with_these(
    panel: InspectorPanel, row: PresetRow, studio: Any, tmp_path: Path
) -> None:
    texts = Bundle.open(text_bundle(tmp_path))
    pictures = panel.settings.bundle
    assert pictures is not None
    studio.models._take([(pictures.path, pictures), (texts.path, texts)])
    studio.settings.set_preset("Tale", Preset(model="storybook", steps=5))
    studio.settings.set_preset("Any", Preset(steps=5))
    assert [row.choice.words(name) for name in (None, "Any")] == ["Own settings", "Any"]
    assert row.choice.findChild(QComboBox).count() == 3  # pyright: ignore[reportOptionalMemberAccess]
    file = tmp_path / "Tale.json"
    Preset(model="storybook", steps=7).write(file)
    row.add_file(file)
    assert studio.settings.values.presets["Tale 2"].steps == 7 and panel.settings.get("steps") == 6
    assert "makes something else" in studio.notices.at("image")[0].text


def test_what_a_model_cannot_do_is_brought_within_its_bounds(panel: InspectorPanel, row: PresetRow) -> None:
    row.take(Preset(granularity=3, steps=90_000, variations=4000), "X")
    get = panel.settings.get
    assert (get("granularity"), get("steps"), get("variations")) == (4, 4096, 64)
