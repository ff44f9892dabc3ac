"""The Models workspace: what it says of models, and how they come and go."""

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QLabel, QWidget

from studio.errors import StudioError
from studio.files import write_atomic
from studio.generation import free_request
from studio.runtime import catalog
from studio.runtime.bundle import Bundle
from studio.training.run_folder import RECIPE, Lock
from studio.ui import dialogs
from studio.ui.models import facts, jobs, speeds, workspace
from studio.ui.models.workspace import ModelsWorkspace
from studio.ui.status import StatusBar
from studio.ui.words import bytes_text
from tests.helpers import picture_bundle, text_bundle
from tests.ui.keeping import FakeStudio, settled, until


@pytest.fixture
def folders(tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """emoji-32 and storybook shipped, one of the user's own beside them; the latter's folder."""
    shipped = tmp_path / "shipped"
    picture_bundle(shipped)
    text_bundle(shipped)
    monkeypatch.setattr(catalog, "shipped_models", lambda: shipped)
    own = own_home / "studio" / "models"
    picture_bundle(own, "own")
    return own


@pytest.fixture
def studio(qapp: object, folders: Path, tmp_path: Path) -> Iterator[FakeStudio]:
    studio = FakeStudio(tmp_path)
    studio.models.load()
    yield studio
    studio.close()


@pytest.fixture
def models(studio: FakeStudio, qtbot: Any) -> Iterator[ModelsWorkspace]:
    any_studio: Any = studio
    models = ModelsWorkspace(any_studio)
    qtbot.addWidget(models)
    qtbot.addWidget(models.inspector)
    models.resize(900, 600)
    studio.actions.attach(models)
    studio.actions.set_workspace("models")
    yield models
    models.close_down()


def answer(monkeypatch: pytest.MonkeyPatch, name: str, *answers: object) -> list[tuple[Any, ...]]:
    """Let a dialog answer these, one after the other; what it was asked."""
    left, asked = list(answers), list[tuple[Any, ...]]()

    async def give(_: object, *args: Any, **__: Any) -> object:
        asked.append(args)
        return left.pop(0)

    monkeypatch.setattr(dialogs, name, give)
    return asked


def names(models: ModelsWorkspace) -> list[str]:
    return [models.list._items.item(row).data(Qt.ItemDataRole.UserRole) for row in range(models.list._items.rowCount())]


def words(models: ModelsWorkspace) -> str:
    return "\n".join(label.text() for label in models.details.findChildren(QLabel))


class TestShowing:
    def test_what_is_installed(self, models: ModelsWorkspace) -> None:
        assert names(models) == ["emoji-32", "own", "storybook"]
        assert models.count.text() == "3 models installed"
        for title in ("A tiny model, emoji-32", "Pictures of 8 × 8 pixels in 16 colours", "trained for ℓ = 1, 4"):
            assert title in words(models)
        assert not models._actions["remove"].isEnabled() and not models._actions["rename"].isEnabled()
        models.list.choose("own")
        assert models._actions["remove"].isEnabled() and "added here" in words(models)
        models.list.choose("storybook")
        assert "300 pieces of words" in words(models)

    def test_a_broken_one_is_shown_with_what_is_wrong(
        self, models: ModelsWorkspace, studio: FakeStudio, folders: Path, qrun: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folders / "own" / "palette.json").unlink()
        studio.models.load()
        assert names(models) == ["emoji-32", "storybook", "own"]
        models.list.choose("own")
        assert "palette.json is missing" in words(models) and not models._actions["export"].isEnabled()
        answer(monkeypatch, "confirm", True)

        async def main() -> None:
            models._actions["remove"].trigger()
            await until(lambda: names(models) == ["emoji-32", "storybook"])
            await settled()

        qrun(main())
        assert not (folders / "own").exists()

    def test_the_speed_is_measured_once_and_kept(self, models: ModelsWorkspace, studio: FakeStudio, qrun: Any) -> None:
        async def main() -> None:
            models.show()
            models.activated()
            await until(lambda: "ms a call on CPU" in models.details.speed.text())
            await settled()
            assert list(studio.settings.ui("models")["speed"]) == [f"{models.bundle.digest[:16]} cpu"]  # pyright: ignore
            models.list.choose("storybook")
            assert "measured" in models.details.speed.text()
            await until(lambda: len(studio.settings.ui("models")["speed"]) == 2)
            models.list.choose("emoji-32")
            assert "ms a call on CPU" in models.details.speed.text()
            await until(lambda: not models._measuring)
            before = studio.settings.ui("models")["speed"]
            models._actions["measure"].trigger()
            await until(lambda: studio.settings.ui("models")["speed"] != before)  # it says when it was measured
            await settled()

        qrun(main())

    def test_runs_are_looked_for_beside_the_window(
        self, models: ModelsWorkspace, qrun: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked: list[threading.Thread] = []
        monkeypatch.setattr(workspace, "training", lambda: looked.append(threading.current_thread()) or True)

        async def main() -> None:
            models.show()
            models.activated()
            await until(lambda: looked)
            await settled()

        qrun(main())
        assert threading.main_thread() not in looked and models.details.speed.text() == "not measured yet"

    def test_a_speed_beside_a_training_is_no_measure(
        self, models: ModelsWorkspace, studio: FakeStudio, qrun: Any, own_home: Path
    ) -> None:
        run = own_home / "studio" / "runs" / "mine"
        write_atomic(run / RECIPE, b"")

        async def main() -> None:
            models.show()
            lock = Lock(run)
            models.activated()
            await settled()
            assert models.details.speed.text() == "not measured yet"
            models._actions["measure"].trigger()
            await until(lambda: models.details.speed.text().endswith("; measured beside a training"))
            await settled()
            lock.release()
            models.list.choose("storybook")
            await settled()
            models.list.choose("emoji-32")
            await until(lambda: not models._measuring and "measured" not in models.details.speed.text())
            await settled()

        qrun(main())

    def test_the_first_call_of_a_size_is_no_measure(self, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch) -> None:
        clock, sizes = [0.0], list[int]()

        class Cold:
            provider = "CPU"

            def denoise(self, y: Any, rows: Any) -> None:
                clock[0] += 0.5 if len(y) in sizes else 9.0
                sizes.append(len(y))

        monkeypatch.setattr(studio.lane, "load", lambda bundle: Cold())
        monkeypatch.setattr(speeds, "time", SimpleNamespace(perf_counter=lambda: clock[0], time=lambda: 0.0))
        found = speeds.measure_speed(studio.lane, studio.models.all()[0])
        assert found["ms1"] == 500.0

    def test_another_model_is_shown_from_its_top(
        self, models: ModelsWorkspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        models.details.resize(300, 200)
        models.details.show()
        bar = models.details.verticalScrollBar()
        bar.setValue(bar.maximum())
        there = bar.value()
        assert there > 0
        models.details.show_card(models.list.card, "9 ms a call", False)
        assert bar.value() == there  # the same one: it stays
        models.list.choose("own")
        assert bar.value() == 0

    def test_nonsense_in_the_settings(self, models: ModelsWorkspace, studio: FakeStudio) -> None:
        assert models.bundle is not None
        key = models.speeds.key(models.bundle)
        for nonsense in (3, {"x": 1}, {key: {"ms1": "fast"}}, {key: {"ms1": 10**400}}):
            studio.settings.set_ui("models", speed=nonsense)
            models._describe()
            assert models.details.speed.text() == "not measured yet"

    def test_the_session(self, models: ModelsWorkspace) -> None:
        models.list.choose("storybook")
        state = models.session()
        models.list.choose("own")
        for wrong in ({}, {"model": 3}, {"model": "gone"}):
            models.restore(wrong)
        models.restore(state)
        assert models.list.card and models.list.card.name == "storybook"

    def test_use(self, models: ModelsWorkspace, qtbot: Any) -> None:
        models.list.choose("storybook")
        with qtbot.waitSignal(models.model_used) as got:
            models.details.use.click()  # pyright: ignore
        assert got.args == [models.bundle] and got.args[0].name == "storybook"

    def test_every_control_has_a_name(self, models: ModelsWorkspace) -> None:
        for root in (models, models.details):
            for widget in root.findChildren(QWidget):
                if widget.isVisibleTo(root) and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
                    assert QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name), widget

    def test_it_paints(self, models: ModelsWorkspace) -> None:
        assert not models.grab().isNull() and not models.details.grab().isNull()


class TestComingAndGoing:
    def run(self, qrun: Any, steps: Any, timeout: float = 30) -> None:
        async def main() -> None:
            await steps()
            await settled()

        qrun(main(), timeout=timeout)

    def test_export_remove_import(
        self, models: ModelsWorkspace, studio: FakeStudio, qrun: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "out.primebundle"
        answer(monkeypatch, "ask_save", file)
        answer(monkeypatch, "ask_open", file, file, file)
        asked = answer(monkeypatch, "confirm", False, True)
        clash = answer(monkeypatch, "choose")

        async def steps() -> None:
            models.list.choose("own")
            models._actions["export"].trigger()
            await until(lambda: file.exists() and models._job is None)
            models._actions["remove"].trigger()
            await until(lambda: len(asked) == 1)
            assert names(models) == ["emoji-32", "own", "storybook"]
            models._actions["remove"].trigger()
            await until(lambda: names(models) == ["emoji-32", "storybook"])
            models._actions["import"].trigger()
            await until(lambda: names(models) == ["emoji-32", "own", "storybook"])
            assert models.list.card and models.list.card.name == "own"
            await until(lambda: models._job is None)
            assert studio.told("models")[-1] == "own is installed."
            models.list.choose("storybook")
            models._actions["import"].trigger()  # the very same: nothing to be asked
            await until(lambda: studio.told("models") == ["The model own is already there, this very one."])
            assert models.list.card.name == "own" and clash == []
            await until(lambda: models._job is None)

        self.run(qrun, steps)

    def test_of_two_models_of_one_name_both_can_be_kept(
        self, models: ModelsWorkspace, studio: FakeStudio, folders: Path, qrun: Any, tmp_path: Path, monkeypatch: Any
    ) -> None:
        other = picture_bundle(tmp_path / "elsewhere", "own")
        file = other / "manifest.json"
        file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"title": "Another"}), encoding="utf-8")
        asked = answer(monkeypatch, "choose", "Keep it", "Keep both", "Keep both", "Replace it")
        before = (folders / "own" / "manifest.json").read_bytes()

        async def steps() -> None:
            for times in (1, 2, 3):
                assert models.open_paths([other])
                await until(lambda: len(asked) == times and models._job is None)  # noqa: B023
            assert names(models) == ["emoji-32", "own", "own-2", "own-3", "storybook"]
            assert (folders / "own" / "manifest.json").read_bytes() == before
            assert models.bundle is not None and models.bundle.manifest.title == "Another (own-3)"
            models.open_paths([other])
            await until(lambda: len(asked) == 4 and models._job is None)
            assert models.bundle.name == "own" and models.bundle.manifest.title == "Another"
            assert asked[0][0] == "A model own is already there."

        self.run(qrun, steps)
        assert studio.told("models")[-1] == "own is installed."

    def test_of_two_with_one_title_the_question_tells_the_folder(
        self, models: ModelsWorkspace, studio: FakeStudio, folders: Path, qrun: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = picture_bundle(folders, "other") / "manifest.json"
        asked = answer(monkeypatch, "confirm", False, False)

        async def steps() -> None:
            for title in ("Another", "A tiny model, own"):
                file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"title": title}), encoding="utf-8")
                studio.models.load()
                models.list.choose("other")
                models._actions["remove"].trigger()
                await settled()

        self.run(qrun, steps)
        assert [question for (question,) in asked] == ["Remove Another?", "Remove A tiny model, own (other)?"]

    def test_one_that_took_the_place_of_a_shipped_one(
        self, models: ModelsWorkspace, studio: FakeStudio, folders: Path, qrun: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A run goes on with what was loaded; the one that shipped is back, and makes the next."""
        manifest = json.loads((picture_bundle(folders) / "manifest.json").read_text("utf-8")) | {"title": "Another"}
        (folders / "emoji-32" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        studio.models.load()
        told = list[str]()

        async def confirm(*_: Any, details: str, **__: Any) -> bool:
            told.append(details)
            return True

        monkeypatch.setattr(dialogs, "confirm", confirm)

        async def steps() -> None:
            for name in ("own", "emoji-32"):
                models.list.choose(name)
                bundle = models.bundle
                assert bundle is not None
                run = studio.lane.start(free_request(bundle, [0]), bundle, paused=True)
                run.step()
                await until(lambda: len(run.frames) == 2)  # noqa: B023
                models._actions["remove"].trigger()
                await until(lambda: studio.models.get(name) is not bundle)  # noqa: B023
                run.resume()
                await until(lambda: run.over)  # noqa: B023
                assert run.state == "done"
            assert ["came with the program" in details for details in told] == [False, True]
            assert all("An unfinished run that uses it" in details for details in told)
            back = studio.models.get("emoji-32")
            assert back is not None and catalog.is_shipped(back) and "came with the program" in words(models)
            run = studio.lane.start(free_request(back, [0]), back)
            await until(lambda: run.over)
            assert run.state == "done"

        self.run(qrun, steps)

    def test_what_is_dropped(self, models: ModelsWorkspace, studio: FakeStudio, qrun: Any, tmp_path: Path) -> None:
        async def steps() -> None:
            assert not models.open_paths([tmp_path / "cat.png"]) and not models.open_paths([])
            assert not models.open_paths([tmp_path])
            assert models.open_paths([picture_bundle(tmp_path / "elsewhere", "dropped")])
            await until(lambda: "dropped" in names(models))
            await until(lambda: models._job is None)
            (tmp_path / "bad.primebundle").write_bytes(b"nothing")
            assert models.open_paths([tmp_path / "bad.primebundle"])
            await until(lambda: any("bad" in text for text in studio.told("models")))

        self.run(qrun, steps)

    def test_verify(
        self, models: ModelsWorkspace, studio: FakeStudio, folders: Path, qrun: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def steps() -> None:
            models._actions["verify"].trigger()
            await until(lambda: "emoji-32: whole, and runs." in studio.told("models"))
            await until(lambda: models._job is None)
            with (folders / "own" / "palette.json").open("ab") as file:
                file.write(b" ")
            models._actions["verify-all"].trigger()
            await until(lambda: any("palette.json" in text for text in studio.told("models")))

        self.run(qrun, steps)

    def test_rename(
        self, models: ModelsWorkspace, studio: FakeStudio, folders: Path, qrun: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left, told = ["Flags, 8 × 8", "Storybook", "Con", None], list[str]()
        text_bundle(folders, "tales")
        studio.models.load()

        async def ask_text(*_: Any, details: str, **__: Any) -> str | None:
            told.append(details.split()[-1])
            return left.pop(0)

        monkeypatch.setattr(dialogs, "ask_text", ask_text)

        async def steps() -> None:
            models.list.choose("own")
            models._actions["rename"].trigger()
            await until(lambda: "flags-8-8" in names(models))
            assert models.bundle and models.bundle.manifest.title == "Flags, 8 × 8"
            models._actions["rename"].trigger()
            await until(lambda: studio.told("models"))
            assert "storybook is already there" in studio.told("models")[0]
            models._actions["rename"].trigger()
            await until(lambda: any("cannot be called con" in text for text in studio.told("models")))
            models.list.choose("tales")
            models._actions["rename"].trigger()
            await until(lambda: len(told) == 4)
            assert told == ["pixels.", "pixels.", "pixels.", "words."]

        self.run(qrun, steps)
        assert Bundle.open(folders / "flags-8-8").name == "flags-8-8" and not (folders / "own").exists()

    def test_who_holds_a_model_holds_the_one_that_is_listed(self, studio: FakeStudio, folders: Path, qrun: Any) -> None:
        """Else what is set to it looks like another model; after a look again it is the same."""
        path = folders / "own"

        async def steps() -> None:
            await studio.models.reload()
            held = studio.models.get("own")
            await studio.models.reload()
            assert held is not None and studio.models.get("own") is held
            manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
            (path / "manifest.json").write_text(json.dumps(manifest | {"title": "Another"}), encoding="utf-8")
            await studio.models.reload()
            assert studio.models.get("own") is not held

        qrun(steps())

    def test_a_model_that_was_damaged_is_shown_so_after_any_action(
        self, models: ModelsWorkspace, studio: FakeStudio, folders: Path, qrun: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that hides a shipped model, which must not be verified in its place."""
        answer(monkeypatch, "ask_text", "Flags")
        path = picture_bundle(folders, "emoji-32")
        files = {file.name: file.read_bytes() for file in path.iterdir()}

        async def steps() -> None:
            for name in ("verify", "rename"):
                for file, data in files.items():
                    (path / file).write_bytes(data)
                await studio.models.reload()
                models.list.choose("emoji-32")
                (path / "palette.json").write_bytes(b" " * len(files["palette.json"]))
                studio.notices.clear("models")
                models._actions[name].trigger()
                await until(lambda: "emoji-32" in [path.name for path, _ in studio.models.broken])
                await settled()
                assert "palette.json" in studio.told("models")[0]
                assert "cannot be used" in models.list.card.right and not models._actions["use"].isEnabled()  # pyright: ignore
            assert names(models) == ["own", "storybook", "emoji-32"]

        self.run(qrun, steps)
        assert (path / "manifest.json").read_bytes() == files["manifest.json"]

    def test_one_job_at_a_time(
        self, models: ModelsWorkspace, studio: FakeStudio, qrun: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer(monkeypatch, "confirm", False)

        async def steps() -> None:
            models.verify()
            assert models._job is not None and not await models.may_leave()
            models.verify_all()
            busy = "Verifying emoji-32 is still going on: wait until it is done."
            assert studio.notices.at("models")[-1].text == busy
            await until(lambda: models._job is None)
            assert not any("going on" in notice.text for notice in studio.notices.at("models"))
            assert await models.may_leave() and not models.job_line.isVisibleTo(models)

        self.run(qrun, steps)

    def test_what_a_model_says_stays_as_it_is_looked_at(self, models: ModelsWorkspace, qrun: Any) -> None:
        async def steps() -> None:
            models.details.show()
            before, use = models.details.widget(), models.details.use
            assert use is not None
            use.setFocus()
            models.verify()
            await until(lambda: models._job is None)
            assert models.details.widget() is before and use.hasFocus()
            models.list.choose("storybook")
            assert models.details.widget() is not before
            models.show()
            models.activateWindow()
            models.setFocus()
            await until(models.list.hasFocus)

        self.run(qrun, steps)

    def test_of_many_damaged_models_each_is_told(
        self, models: ModelsWorkspace, studio: FakeStudio, qrun: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def damaged(path: Path) -> None:
            raise StudioError(f"{path.name} is damaged.")

        monkeypatch.setattr("studio.ui.models.workspace.verify_bundle", damaged)

        async def steps() -> None:
            models._start("Verifying", models._verify([Path(f"model-{number}") for number in range(5)]))
            await until(lambda: models._job is None)
            (notice,) = studio.notices.at("models")
            assert notice.text == "5 of 5 models are not as they should be."
            assert notice.details.splitlines() == [f"model-{number} is damaged." for number in range(5)]

        self.run(qrun, steps)

    def test_a_double_click_on_stop_ends_one_job(self, models: ModelsWorkspace, studio: FakeStudio, qrun: Any) -> None:
        cleared: list[bool] = []

        async def work() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.05)
                cleared.append(True)

        async def steps() -> None:
            for pause in (0.0, 0.005, 0.06):
                models._start("Importing x.ckpt", work(), can_stop=True)
                await asyncio.sleep(0.05)
                models.stop.click()
                await asyncio.sleep(pause)
                models.stop.click()
                await until(lambda: models._job is None and not models.job_line.isVisibleTo(models))
                await settled()
            assert cleared == [True] * 3

        self.run(qrun, steps)


def _refuse(what: str, sentence: str) -> str:
    """A line of a stand-in for the import, which refuses as it does."""
    answer = json.dumps({"refused": what, "name": "own"})
    told = f"print('{answer}'); print('prime-studio: {sentence}', file=sys.stderr)"
    return f"import sys; {told}; sys.exit(2)"


class TestCheckpoints:
    """The conversion is another process; here one that plays its part."""

    @pytest.fixture
    def fake(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        """What `python -m studio import` does is in this file; its arguments are written to `args`."""
        script = tmp_path / "fake.py"
        real = asyncio.create_subprocess_exec

        async def start(*command: str, **options: Any) -> Any:
            assert command[:4] == (sys.executable, "-m", "studio", "import")
            (tmp_path / "args").write_text(json.dumps(command[4:]))
            return await real(sys.executable, str(script), *command[4:], **options)

        monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
        return script

    def run(self, models: ModelsWorkspace, qrun: Any, path: Path, steps: Any) -> None:
        async def main() -> None:
            assert models.open_paths([path])
            await steps()
            await until(lambda: models._job is None)
            await settled()

        qrun(main(), timeout=30)

    def test_progress_and_success(
        self, models: ModelsWorkspace, studio: FakeStudio, fake: Path, folders: Path, qrun: Any, tmp_path: Path
    ) -> None:
        source = picture_bundle(tmp_path / "made", "converted")
        fake.write_text(
            "import sys, time, shutil, json\n"
            "print('reading it', file=sys.stderr, flush=True); time.sleep(0.3)\n"
            f"shutil.copytree({str(source)!r}, {str(folders / 'converted')!r})\n"
            "print(json.dumps({'name': 'converted'}))\n"
        )

        async def steps() -> None:
            await until(lambda: models.job_words.text() == "Reading it…")
            assert models.stop.isVisibleTo(models.job_line)
            await until(lambda: "converted is installed." in studio.told("models"))
            assert models.list.card and models.list.card.name == "converted"

        self.run(models, qrun, tmp_path / "net.pth", steps)

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("print('prime-studio: It asks for os.system: refused.', file=sys.stderr); sys.exit(2)", "It asks for os"),
            ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended by signal 9"),
            ("raise MemoryError('too big')", "code 1. MemoryError: too big"),
        ],
    )
    def test_failures_are_said_here(
        self, models: ModelsWorkspace, studio: FakeStudio, fake: Path, qrun: Any, tmp_path: Path, code: str, told: str
    ) -> None:
        fake.write_text(f"import sys\n{code}\n")

        async def steps() -> None:
            await until(lambda: studio.told("models"))
            assert told in studio.told("models")[0]

        self.run(models, qrun, tmp_path / "net.ckpt", steps)

    def test_a_missing_tokenizer_is_asked_for(
        self, models: ModelsWorkspace, studio: FakeStudio, fake: Path, qrun: Any, tmp_path: Path, monkeypatch: Any
    ) -> None:
        fake.write_text(_refuse("tokenizer", "There is no tokenizer.json."))
        answer(monkeypatch, "ask_open", tmp_path / "tokenizer.json")

        async def steps() -> None:
            await until(lambda: studio.told("models"))
            await until(lambda: models._job is None)
            (notice,) = studio.notices.at("models")
            assert notice.action == "Choose it…" and notice.on_action
            notice.on_action()
            await until(lambda: "--tokenizer" in (tmp_path / "args").read_text())

        self.run(models, qrun, tmp_path / "net.ckpt", steps)

    def test_a_failure_that_names_a_tokenizer_asks_for_none(
        self, models: ModelsWorkspace, studio: FakeStudio, fake: Path, qrun: Any, tmp_path: Path
    ) -> None:
        sentence = "Cannot read my-tokenizer.ckpt, which is already there."
        fake.write_text(f"import sys\nprint('prime-studio: {sentence}', file=sys.stderr); sys.exit(2)")

        async def steps() -> None:
            await until(lambda: studio.told("models"))
            assert [(notice.text, notice.action) for notice in studio.notices.at("models")] == [(sentence, "")]

        self.run(models, qrun, tmp_path / "my-tokenizer.ckpt", steps)

    @pytest.mark.parametrize(
        ("pressed", "told"), [("Replace it", ["--replace"]), ("Keep both", ["--name", "own-2"])], ids=("one", "both")
    )
    def test_what_becomes_of_one_of_the_same_name_is_asked(
        self,
        models: ModelsWorkspace,
        fake: Path,
        qrun: Any,
        tmp_path: Path,
        monkeypatch: Any,
        pressed: str,
        told: list[str],
    ) -> None:
        fake.write_text(
            "import sys, json\n"
            "if not {'--replace', '--name'} & {*sys.argv}:\n"
            f"    {_refuse('name', 'A model own is already there; add --replace.')}\n"
            "print(json.dumps({'name': 'own'}))\n"
        )
        asked = answer(monkeypatch, "choose", pressed)

        async def steps() -> None:
            await until(lambda: asked and models._job is None)
            assert json.loads((tmp_path / "args").read_text())[-len(told) :] == told
            assert [args[0] for args in asked] == ["A model own is already there."]

        self.run(models, qrun, tmp_path / "net.pth", steps)

    def test_replace_is_asked_for_once_where_a_tokenizer_is_missing_too(
        self, models: ModelsWorkspace, studio: FakeStudio, fake: Path, qrun: Any, tmp_path: Path, monkeypatch: Any
    ) -> None:
        fake.write_text(
            "import sys, json\n"
            f"if '--replace' not in sys.argv:\n    {_refuse('name', 'A model own is already there; add --replace.')}\n"
            f"if '--tokenizer' not in sys.argv:\n    {_refuse('tokenizer', 'There is no tokenizer.json.')}\n"
            "print(json.dumps({'name': 'own'}))\n"
        )
        asked = answer(monkeypatch, "choose", "Replace it")
        answer(monkeypatch, "ask_open", tmp_path / "tokenizer.json")

        async def steps() -> None:
            await until(lambda: any(notice.on_action for notice in studio.notices.at("models")) and not models._job)
            (notice,) = studio.notices.at("models")
            assert notice.on_action
            notice.on_action()
            await until(lambda: "own is installed." in studio.told("models"))
            assert len(asked) == 1

        self.run(models, qrun, tmp_path / "net.ckpt", steps)

    def test_stop_ends_the_process(
        self, models: ModelsWorkspace, studio: FakeStudio, fake: Path, qrun: Any, tmp_path: Path
    ) -> None:
        fake.write_text(
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: (open(sys.argv[1] + '.ended', 'w').close(), sys.exit(1)))\n"
            "print('busy', file=sys.stderr, flush=True)\n"
            "time.sleep(60)\n"
        )

        async def steps() -> None:
            await until(lambda: models.job_words.text() == "Busy…")
            models.stop.click()
            await until(lambda: (tmp_path / "net.pth.ended").exists())

        self.run(models, qrun, tmp_path / "net.pth", steps)
        assert studio.told("models") == []

    def test_the_real_command_refuses_what_is_no_checkpoint(self, qrun: Any, tmp_path: Path) -> None:
        (tmp_path / "net.pth").write_bytes(b"nothing")
        said: list[str] = []
        with pytest.raises(StudioError, match=r"net\.pth"):
            qrun(jobs.convert_checkpoint(tmp_path / "net.pth", said.append), timeout=60)
        assert said == []  # what it says of the file is its only line


class TestFacts:
    def test_of_the_shipped_models(self) -> None:
        folder = Path(__file__).resolve().parents[3] / "models"
        emoji, story = (Bundle.open(folder / name) for name in ("emoji-32", "storybook"))
        assert facts.headline(emoji).startswith("≤ 1.") and "(marginal bound, ℓ = 1)" in facts.headline(emoji)
        assert "bits per character" in facts.headline(story)
        likelihood, cross = facts.tables(emoji)
        assert likelihood.columns[2] == "bits per dimension" and len(likelihood.rows) == 8  # two bounds
        assert "Upper bound" in likelihood.what and "not a likelihood" in cross.what
        assert ("Data", emoji.manifest.training["data"]) in facts.trained_on(emoji)

    @pytest.mark.parametrize(("modality", "unit"), [("image", "dimension"), ("text", "token")])
    def test_of_older_exports_a_picture_is_told_in_the_same_unit(
        self, tmp_path: Path, modality: str, unit: str
    ) -> None:
        path = (picture_bundle if modality == "image" else text_bundle)(tmp_path, "old")
        figures = [{"bound": "marginal", "granularity": 1, "nats": 9.0, "bits_per_token": 1.36}]
        manifest = json.loads((path / "manifest.json").read_text()) | {"likelihood": {"figures": figures}}
        (path / "manifest.json").write_text(json.dumps(manifest))
        assert facts.headline(Bundle.open(path)) == f"≤ 1.36 bits per {unit} (marginal bound, ℓ = 1)"

    @pytest.mark.parametrize(
        "fields",
        [
            {"likelihood": {"figures": 3}},
            {"likelihood": {"figures": [{"bound": 3}, 4, {"bound": "step"}, {"bound": "marginal", "nats": None}]}},
            {"evaluation": {"masked_cross_entropy": {"1": 3}}},
            {"evaluation": {"masked_cross_entropy": {"1": {"much": "x"}}}},
            {"training": {"data": 4, "steps": "many", "minutes": None, "extra": [1], "note": "fine"}},
        ],
    )
    def test_other_shapes_are_left_out(self, tmp_path: Path, fields: dict[str, Any]) -> None:
        path = picture_bundle(tmp_path, "odd")
        manifest = json.loads((path / "manifest.json").read_text()) | fields
        (path / "manifest.json").write_text(json.dumps(manifest))
        bundle = Bundle.open(path)
        assert facts.headline(bundle) == ""
        facts.tables(bundle)
        assert facts.trained_on(bundle) == ([("Note", "fine")] if "training" in fields else [])

    @pytest.mark.parametrize(
        "fields",
        [
            {"training": {"parameters": 10**400, "minutes": 10**400, "steps": 10**400}},
            {"likelihood": {"figures": [{"bound": "marginal", "nats": 10**400}]}},
            {"likelihood": {"figures": [{"bound": "marginal", "nats": 1, "nats_error": 10**400, "samples": [1]}]}},
            {"evaluation": {"masked_cross_entropy": {"1": {"0.5": 10**400}}}},
            {"likelihood": {"figures": [{"bound": "m" * 9, "nats": 1}] * 20_000}},
            {"evaluation": {"masked_cross_entropy": {"1": {str(share): 1 for share in range(20_000)}}}},
            {"training": {f"key {number}": "v" for number in range(20_000)}},
            {"training": {"data": "x y " * 200_000}},
            {"description": "word " * 20_000, "notices": ["word " * 15_000] * 9},
        ],
        ids=range(9),
    )
    def test_a_manifest_that_is_there_to_harm_is_shown(
        self, models: ModelsWorkspace, studio: FakeStudio, folders: Path, fields: dict[str, Any]
    ) -> None:
        """The window lists the models as it starts: whatever one says of itself must not keep it from that."""
        path = picture_bundle(folders, "odd")
        manifest = json.loads((path / "manifest.json").read_text()) | fields
        (path / "manifest.json").write_text(json.dumps(manifest))
        studio.models.load()
        models.list.choose("odd")
        labels = models.details.findChildren(QLabel)
        assert len(labels) < 400 and sum(len(label.text()) for label in labels) < 50_000

    def test_no_word_of_a_manifest_is_markup_or_widens_the_window(
        self, models: ModelsWorkspace, studio: FakeStudio, folders: Path, qtbot: Any
    ) -> None:
        evil = "<h1>" + "W" * 150
        path = picture_bundle(folders, "odd")
        figures = [{"bound": evil, "nats": 1.0, "granularity": evil}]
        free = {"likelihood": {"figures": figures, "of": evil}, "training": {evil: evil}}
        manifest = json.loads((path / "manifest.json").read_text()) | {"title": evil, "licence": evil, **free}
        (path / "manifest.json").write_text(json.dumps(manifest))
        any_studio: Any = studio
        status = StatusBar(any_studio)
        qtbot.addWidget(status)
        status.look_at(models)
        before = status.minimumSizeHint().width()
        studio.models.load()
        models.list.choose("odd")
        models.details.resize(320, 700)
        models.details.show()
        inside = models.details.widget()
        assert inside is not None and inside.minimumSizeHint().width() <= 320
        for label in [*models.details.findChildren(QLabel), *status.findChildren(QLabel)]:
            assert "<" not in label.text() or label.textFormat() == Qt.TextFormat.PlainText
        assert status.minimumSizeHint().width() < before + 300

    def test_bytes(self) -> None:
        assert [bytes_text(n) for n in (0, 999, 1e3, 18.1e6, 5e12)] == [
            *("0 bytes", "999 bytes", "1.0 kB", "18.1 MB", "5000 GB")
        ]
