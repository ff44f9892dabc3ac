"""Where what came with the program is found."""

from pathlib import Path

import pytest

from studio import shipped


def test_inside_the_package_if_it_was_installed_else_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "studio" / "shipped.py"))
    assert shipped.shipped("assets") == tmp_path / "assets"
    inside = tmp_path / "studio" / "_shipped" / "assets"
    inside.mkdir(parents=True)
    assert shipped.shipped("assets") == inside
    assert shipped.shipped("models") == tmp_path / "models"
