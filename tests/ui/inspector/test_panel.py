"""The inspector as it is used: every setting by key and mouse, what a run costs before it runs, the states of a run."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QComboBox, QLineEdit, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from studio.generation import free_request
from studio.prime.policies import expected_calls, idle_steps
from studio.runtime.bundle import Bundle
from studio.ui import theme
from studio.ui.inspector.forecast import units_of_request
from studio.ui.inspector.panel import InspectorPanel
from studio.ui.lane import Lane
from studio.ui.runs import Run
from studio.ui.sampling_settings import MAX_SEED
from tests.helpers import picture_bundle
from tests.ui.running import a_request, gated

LEFT, KEY = Qt.MouseButton.LeftButton, Qt.Key


def inside(widget: QWidget, kind: type[Any]) -> Any:
    found = widget.findChild(kind)
    assert found is not None
    return found


def test_it_begins_with_the_defaults_of_the_first_model(panel: InspectorPanel, bundle: Bundle) -> None:
    assert panel.settings.bundle is bundle and panel.model.value() == "emoji-32"
    for name, value in (("steps", 6), ("policy", "confidence"), ("granularity", 1), ("temperature", 0.9)):
        assert panel.options.controls[name].value() == value
        assert not panel.options.fields[name]._reset.isVisible()
    assert "Default: Most certain first" in panel.options.fields["policy"].toolTip()


def test_the_words_of_a_model_are_no_markup(panel: InspectorPanel, bundle: Bundle, studio: Any) -> None:
    evil = bundle.manifest.model_copy(update={"description": "<img src='file:///etc/hostname'>" * 1000})
    studio.models._take([(bundle.path, Bundle(bundle.path, evil, "of another"))])
    studio.models.changed.emit()
    panel._list_models()
    assert panel.model.toolTip().startswith("<p>&lt;img src=") and len(panel.model.toolTip()) < 1000


def test_every_setting_by_key(panel: InspectorPanel, qtbot: QtBot) -> None:
    controls, get = panel.options.controls, panel.settings.get
    panel.options.more.set_expanded(True)
    qtbot.keyClick(controls["granularity"], KEY.Key_Right)
    assert get("granularity") == 4
    qtbot.keyClick(controls["granularity"], KEY.Key_Right)
    assert get("granularity") == 4, "the last stop"
    for name, value in (("steps", 7), ("temperature", 0.95), ("variations", 2), ("remask", 0.05)):
        qtbot.keyClick(controls[name].slider, KEY.Key_Right)
        assert get(name) == pytest.approx(value)
    qtbot.keyClick(controls["top_p"].slider, KEY.Key_Left)
    assert get("top_p") == pytest.approx(0.99)
    qtbot.keyClick(controls["top_k"], KEY.Key_Up)
    assert get("top_k") == 1
    qtbot.keyClick(inside(controls["policy"], QComboBox), KEY.Key_Down)
    assert get("policy") == "ancestral" and "published process" in panel.options.policy_help.text()
    qtbot.keyClick(inside(controls["schedule"], QComboBox), KEY.Key_Down)
    assert get("schedule") == "cosine"
    seed = inside(controls["seed"], QLineEdit)
    seed.selectAll()
    qtbot.keyClicks(seed, str(MAX_SEED))
    assert get("seed") == MAX_SEED
    qtbot.mouseClick(panel.options.seed.dice, LEFT)
    assert get("seed") < 2**32
    qtbot.mouseClick(panel.options.seed.lock, LEFT)
    assert get("seed_locked") is True
    assert panel.options.more._header.text() == "More (4 changed)"


def test_the_way_back_to_the_default(panel: InspectorPanel, qtbot: QtBot) -> None:
    field = panel.options.fields["steps"]
    panel.settings.set(steps=100)
    assert field._reset.isVisible() and field._reset.accessibleName() == "Reset Steps to 6"
    qtbot.mouseClick(field._reset, LEFT)
    assert panel.settings.get("steps") == 6 and not field._reset.isVisible()


def test_stored_values_beyond_the_sliders_are_kept_and_shown(panel: InspectorPanel) -> None:
    panel.settings.load({"temperature": 7.125, "seed": MAX_SEED, "schedule": "poly1.5", "top_k": 70_000, "steps": 4096})
    get, controls = panel.settings.get, panel.options.controls
    for name in ("temperature", "seed", "schedule", "top_k", "steps"):
        assert controls[name].value() == get(name)
    assert get("temperature") == 7.125 and inside(controls["schedule"], QComboBox).currentText() == "Power 1.5"
    panel.options.refresh()
    assert get("temperature") == 7.125 and get("schedule") == "poly1.5", "looking changes nothing"


def test_what_a_run_costs_before_it_runs(panel: InspectorPanel, lane: Lane, bundle: Bundle, qtbot: QtBot) -> None:
    assert panel.cost.text() == "Nothing to make yet"
    panel.set_units(lambda granularity: (25 * granularity,))
    assert panel.cost.text() == "6 calls" and panel._measuring.isActive()
    lane.submit(lane.load, bundle).result()
    qtbot.waitUntil(lambda: not panel._measuring.isActive(), timeout=2000)
    assert panel.cost.text().startswith("6 calls · about ") and panel.cost.text().endswith(" on CPU")
    panel.settings.set(policy="ancestral", steps=64, granularity=4)
    assert panel.cost.text().startswith(f"≈ {expected_calls('ancestral', 64, 100):.0f} calls · about ")
    assert panel.idle.text() == f"0 idle calls; published sampler: {idle_steps(64, 100):.1f} of 64"
    panel.settings.set(policy="entropy")
    assert panel.cost.text().startswith("At most 64 calls")
    panel.set_units((0,))
    assert panel.cost.text() == "Nothing to make yet"


def test_a_run_costs_what_was_told_and_teaches(panel: InspectorPanel, lane: Lane, bundle: Bundle, qtbot: QtBot) -> None:
    lane.submit(lane.load, bundle).result()
    panel.settings.set(steps=40, granularity=4, variations=2, policy="even")
    request = a_request(bundle, seeds=panel.settings.seeds(), **panel.settings.options())
    panel.set_units(units_of_request(request, bundle))
    told = panel.forecast()
    run = lane.start(request, bundle)
    panel.playhead.set_run(run)
    qtbot.waitUntil(lambda: panel.playhead.state == "done")
    assert told and run.frames[-1].calls == told.calls
    assert panel.forecaster._factors, "its time corrects the next forecast"
    learnt = dict(panel.forecaster._factors)
    panel.playhead.state_changed.emit()
    assert panel.forecaster._factors == learnt, "once"
    assert panel.state.text.text().startswith("Done · 40 calls · ")


def test_the_buttons_follow_the_run(panel: InspectorPanel, lane: Lane, bundle: Bundle, qtbot: QtBot) -> None:
    told: list[str] = []
    for name in ("generate", "stop", "pause", "resume", "step", "compare"):
        getattr(panel, name).connect(lambda name=name: told.append(name))
    transport = panel.transport
    panel.pause.connect(transport.pause)
    panel.resume.connect(transport.go_on)
    panel.step.connect(transport.step)
    panel.stop.connect(transport.stop)
    panel.generate_button.setFocus()
    qtbot.keyClick(panel.generate_button, KEY.Key_Space)
    qtbot.mouseClick(panel.options.compare_button, LEFT)
    assert told == ["generate", "compare"]

    gate, run = gated(bundle, lane, a_request(bundle))
    panel.generate_button.setFocus()
    run.resume()
    panel.playhead.set_run(run)
    gate.open.release()
    qtbot.waitUntil(lambda: panel.playhead.index == 1)
    assert panel.pause_button.isVisible() and not panel.generate_button.isVisible()
    assert panel.focusWidget() is panel.pause_button, "the keyboard stays where it was"
    assert not panel.step_button.isEnabled()
    qtbot.waitUntil(lambda: panel.state.text.text() == "Step 1 of 6")
    qtbot.keyClick(panel.pause_button, KEY.Key_Space)
    assert panel.pause_button.text() == "Go on" and panel.step_button.isEnabled()
    assert panel.focusWidget() is panel.pause_button
    gate.open.release()
    qtbot.waitUntil(lambda: not run.active and panel.playhead.last == 2)
    assert panel.state.text.text() == "Paused at step 2 of 6"
    gate.open.release()
    qtbot.mouseClick(panel.step_button, LEFT)
    qtbot.waitUntil(lambda: not run.active and panel.playhead.last == 3)
    assert panel.pause_button.text() == "Go on" and run.state == "paused"
    qtbot.mouseClick(panel.pause_button, LEFT)
    qtbot.waitUntil(lambda: gate.calls == 4)
    assert panel._measuring.isActive(), "a run tells more of the time of a call"
    qtbot.mouseClick(panel.stop_button, LEFT)
    qtbot.waitUntil(lambda: panel.playhead.state == "stopped")
    assert not panel._measuring.isActive()
    assert panel.focusWidget() is panel.generate_button and panel.state.text.text() == "Stopped at step 3 of 6"
    assert told[2:] == ["pause", "step", "resume", "stop"]


def test_what_is_wrong_is_said_where_it_is(panel: InspectorPanel) -> None:
    assert not panel._warning.isVisible() and panel.generate_button.isEnabled()
    panel.set_problem("Paint over what is to be filled first.")
    assert panel._warning.isVisible() and not panel.generate_button.isEnabled()
    panel.set_problem("")
    assert not panel._warning.isVisible() and panel.generate_button.isEnabled()


def test_models_come_and_go(panel: InspectorPanel, studio: Any, bundle: Bundle, tmp_path: Any, qtbot: QtBot) -> None:
    other = Bundle.open(picture_bundle(tmp_path / "more", name="icons"))
    studio.models._take([(bundle.path, bundle), (other.path, other)])
    assert panel.settings.bundle is bundle
    qtbot.keyClick(inside(panel.model, QComboBox), KEY.Key_Down)
    assert panel.settings.bundle is other and panel.settings.are_default(), "its defaults are taken"
    panel.settings.set(steps=99)
    qtbot.keyClick(inside(panel.model, QComboBox), KEY.Key_Up)
    qtbot.keyClick(inside(panel.model, QComboBox), KEY.Key_Down)
    assert panel.settings.bundle is other and panel.settings.get("steps") == 99, "but for the user's own"
    studio.models._take([(bundle.path, bundle)])
    assert panel.settings.bundle is bundle
    panel.settings.set(granularity=4)
    studio.models._take([])
    assert panel.settings.bundle is None and "import one" in panel.problem.text()
    assert not panel.generate_button.isEnabled() and panel.cost.text() == "Nothing to make yet"
    studio.models._take([(bundle.path, bundle)])
    assert panel.settings.bundle is bundle and panel.generate_button.isEnabled()


def test_a_model_whose_place_another_took(panel: InspectorPanel, studio: Any, bundle: Bundle, tmp_path: Any) -> None:
    """Of the same name, as after an import over it, and after that one was removed again."""
    manifest = json.loads((bundle.path / "manifest.json").read_text("utf-8")) | {"title": "Another"}
    folder = Path(shutil.copytree(bundle.path, tmp_path / "own" / bundle.name))
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    other = Bundle.open(folder)
    panel.settings.set(steps=99)
    for now in (other, bundle):
        before = panel.settings.bundle
        assert before is not None
        studio.models._take([(now.path, now)])
        assert panel.settings.bundle is now and panel.settings.get("steps") == 99
        assert inside(panel.model, QComboBox).currentText() == now.manifest.title
        run = Run.at_start(free_request(before, [0]), before)
        assert "another" in run.strange_to(now) and run.strange_to(before) == ""


def test_more_is_remembered(panel: InspectorPanel, studio: Any, qtbot: QtBot) -> None:
    assert not panel.options.controls["top_p"].isVisible()
    qtbot.keyClick(panel.options.more._header, KEY.Key_Space)
    assert panel.options.controls["top_p"].isVisible()
    assert studio.settings.ui("image.inspector") == {"more": True}


def test_all_of_it_is_reached_by_tab_and_has_a_name(panel: InspectorPanel, qtbot: QtBot) -> None:
    panel.options.more.set_expanded(True)
    panel.settings.set(steps=9)
    panel.activateWindow()
    start = inside(panel.model, QComboBox)
    start.setFocus()
    seen: list[QWidget] = []
    while panel.focusWidget() not in seen:
        seen.append(panel.focusWidget())
        qtbot.keyClick(panel.focusWidget(), KEY.Key_Tab)
    assert all(widget.accessibleName() for widget in seen), [w for w in seen if not w.accessibleName()]
    for control in panel.options.controls.values():
        assert any(control is widget or control.isAncestorOf(widget) for widget in seen)
    assert {panel.generate_button, panel.options.compare_button, panel.presets.more} <= set(seen)
    tops = [widget.mapTo(panel, QPoint(0, 0)).y() for widget in seen if widget is not panel.generate_button]
    assert sum(later < earlier - 40 for earlier, later in itertools.pairwise(tops)) <= 1, "from top to bottom"


@pytest.mark.parametrize("mode", ["dark", "light"])
def test_in_a_small_window_it_scrolls_and_the_buttons_stay(panel: InspectorPanel, mode: str, qtbot: QtBot) -> None:
    theme.current().set_mode(mode)  # pyright: ignore[reportArgumentType]
    panel.options.more.set_expanded(True)
    panel.resize(300, 420)
    qtbot.wait(20)
    assert panel.size().toTuple() == (300, 420)
    area = inside(panel, QScrollArea)
    assert area.verticalScrollBar().maximum() > 0 and area.horizontalScrollBar().maximum() == 0
    where = panel.generate_button.mapTo(panel, QPoint(6, 6))
    assert panel.rect().contains(where)
    shot = panel.grab().toImage()
    assert shot.pixelColor(where * shot.devicePixelRatio()) == theme.color("accent")
