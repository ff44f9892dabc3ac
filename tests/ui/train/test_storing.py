"""What training keeps on disk goes after a question, unless it is needed by the time of the answer."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from studio.errors import StudioError
from studio.ui import dialogs
from studio.ui.train.storing import remove_unused


@pytest.mark.parametrize("meanwhile", ["learnt from", "opened", "read"])
def test_what_is_needed_since_the_question_stays(
    meanwhile: str, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets, runs = tmp_path / "datasets", tmp_path / "runs"
    for name in ("a", "b"):
        (datasets / name).mkdir(parents=True)
        (datasets / name / "dataset.json").write_text("{}")
    asked = False

    async def confirm(*_: Any, **__: Any) -> bool:
        nonlocal asked
        asked = True
        if meanwhile == "learnt from":
            (runs / "run").mkdir(parents=True)
            (runs / "run" / "recipe.toml").write_text(f"[data]\ntrain = '{datasets / 'a'}'\n")
        return True

    def opened() -> Path | None:
        if asked and meanwhile == "read":
            raise StudioError("Data are being read.")
        return datasets / "a" if asked and meanwhile == "opened" else None

    monkeypatch.setattr(dialogs, "confirm", confirm)
    parent = QWidget()
    qtbot.addWidget(parent)
    if meanwhile == "read":
        with pytest.raises(StudioError, match="being read"):
            asyncio.run(remove_unused(parent, datasets, runs, opened))
    else:
        asyncio.run(remove_unused(parent, datasets, runs, opened))
        assert not (datasets / "b").exists()
    assert (datasets / "a").exists()
