"""Variations, comparisons, the before/after slider and the film strip."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QWidget
from pytestqt.qtbot import QtBot

from studio.ui.image import strip
from studio.ui.image.compare import CompareView
from studio.ui.image.strip import FilmStrip
from studio.ui.image.variations import Compared, ComparisonStrip, Results, Variations

LEFT = Qt.MouseButton.LeftButton


def plain(value: int, side: int = 8) -> np.ndarray:
    return np.full((side, side, 3), value, dtype=np.uint8)


def shown(widget: QWidget) -> np.ndarray:
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


@pytest.fixture
def variations(qtbot: QtBot) -> Iterator[Variations]:
    variations = Variations()
    qtbot.addWidget(variations)
    variations.resize(640, 400)
    variations.set_seeds([5, 6, 2**64 - 1, 8])
    variations.show()
    qtbot.waitExposed(variations)
    yield variations
    variations.close()


def button(widget: Results, text: str) -> QPushButton:
    return next(found for found in widget.findChildren(QPushButton) if found.text() == text)


def test_samples_are_drawn_with_their_seeds(variations: Variations) -> None:
    variations.show_samples(np.stack([plain(10), plain(60), plain(110), plain(160)]))
    seen = shown(variations)
    for value in (10, 60, 110, 160):
        assert (seen == value).all(axis=2).sum() >= 88 * 88  # eight pixels, eleven times enlarged and sharp
    interface = QAccessible.queryAccessibleInterface(variations.view)
    assert interface.text(QAccessible.Text.Name) == "Variations"
    assert "seed 18446744073709551615" in variations.view.tiles.index(2).data(Qt.ItemDataRole.AccessibleTextRole)


def test_keyboard_picks_and_compares(variations: Variations, qtbot: QtBot) -> None:
    picked, compared, looked_at = [], [], []
    variations.picked.connect(picked.append)
    variations.compared.connect(lambda a, b: compared.append((a, b)))
    variations.shown.connect(looked_at.append)
    view = variations.view
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Right)
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert picked == [1] and looked_at == [1]
    QTest.keyClick(view, Qt.Key.Key_C)
    assert compared == [(-1, 1)]
    QTest.keyClick(view, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert view.selected() == [1, 2] and not button(variations, "Use").isEnabled()
    QTest.keyClick(view, Qt.Key.Key_C)
    assert compared[-1] == (1, 2)
    QTest.keyClick(view, Qt.Key.Key_Home)
    button(variations, "Use").click()
    assert picked == [1, 0]


def test_one_is_chosen_even_while_ctrl_is_held(variations: Variations, qtbot: QtBot) -> None:
    window = variations.windowHandle()
    QTest.keyPress(window, Qt.Key.Key_Control, Qt.KeyboardModifier.ControlModifier)  # pyright: ignore[reportCallIssue, reportArgumentType]
    try:
        variations.view.set_current(2)
        assert variations.view.selected() == [2] and button(variations, "Use").isEnabled()
    finally:
        QTest.keyRelease(window, Qt.Key.Key_Control)  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_granularities_side_by_side(qtbot: QtBot) -> None:
    comparison = ComparisonStrip()
    qtbot.addWidget(comparison)
    comparison.set_runs([Compared(1), Compared(8)])
    index = comparison.view.tiles.index(1)
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == "ℓ = 8, waiting"
    comparison.show_run(1, Compared(8, 12, 0.34), plain(90))
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == "ℓ = 8, 12 calls, 0.3 s"
    assert Compared(8, 300, 12.34).detail == "300 calls, 12 s", "short enough for the width of a picture"
    comparison.resize(600, 240)
    assert (shown(comparison) == 90).all(axis=2).sum() == 88 * 88


@pytest.fixture
def compare(qtbot: QtBot) -> Iterator[CompareView]:
    compare = CompareView()
    qtbot.addWidget(compare)
    compare.resize(300, 200)
    compare.set_pictures(plain(20, 10), plain(220, 10), ("Original", "Result"))
    compare.show()
    qtbot.waitExposed(compare)
    compare.fit()
    yield compare
    compare.close()


def parts(compare: CompareView) -> tuple[int, int]:
    """How much of the row in the lower quarter shows the first picture and the second."""
    row = shown(compare.viewport())[160]
    return int((row == 20).all(axis=1).sum()), int((row == 220).all(axis=1).sum())


def test_the_divider_is_dragged(compare: CompareView) -> None:
    width = 10 * compare.zoom
    before, after = parts(compare)
    assert before == pytest.approx(width / 2, abs=3) == after
    left = compare.viewportTransform().map(QPoint(0, 0)).x()
    view = compare.viewport()
    QTest.mousePress(view, LEFT, pos=QPoint(int(left + 0.5 * width), 100))
    QTest.mouseMove(view, QPoint(int(left + 0.2 * width), 100))
    QTest.mouseRelease(view, LEFT, pos=QPoint(int(left + 0.2 * width), 100))
    assert compare.share == pytest.approx(0.2, abs=0.02)
    before, after = parts(compare)
    assert before == pytest.approx(0.2 * width, abs=4) and after == pytest.approx(0.8 * width, abs=4)
    QTest.mouseClick(view, LEFT, pos=QPoint(299, 100))
    assert compare.share == 1 and parts(compare)[1] == 0


def test_the_divider_by_keys(compare: CompareView, qtbot: QtBot) -> None:
    compare.setFocus()
    QTest.keyClick(compare, Qt.Key.Key_Home)
    assert compare.share == 0 and "Original fills 0%" in compare.accessibleDescription()
    QTest.keyClick(compare, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert compare.share == pytest.approx(0.1)
    with qtbot.waitSignal(compare.closed):
        QTest.keyClick(compare, Qt.Key.Key_Escape)
    with pytest.raises(ValueError):
        compare.set_pictures(plain(0, 4), plain(0, 5))


@pytest.fixture
def film(qtbot: QtBot) -> Iterator[FilmStrip]:
    film = FilmStrip()
    qtbot.addWidget(film)
    film.resize(700, 160)
    film.show()
    yield film
    film.close_down()
    film.close()


def pictures(folder: Path, count: int) -> None:
    for i in range(count):
        Image.new("RGB", (6, 6), (40 + i, 0, 0)).save(folder / f"p{i + 1}.png")


def test_the_pictures_of_a_folder_in_their_order(film: FilmStrip, qtbot: QtBot, tmp_path: Path) -> None:
    pictures(tmp_path, 11)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "broken.png").write_text("no picture either")
    chosen = []
    film.chosen.connect(chosen.append)
    (tmp_path / "²3.png").write_text("a digit that is no number")
    with qtbot.waitSignal(film.listed):
        film.open_folder(tmp_path)
    assert [path.name for path in film.paths] == ["broken.png", *[f"p{i}.png" for i in range(1, 12)], "²3.png"]
    film.view.set_current(2)
    assert not chosen
    tiles = film.view.tiles.tiles
    qtbot.waitUntil(lambda: tiles[0].failed and all(tile.image is not None for tile in tiles[1:5]))
    assert tiles[2].image is not None and tiles[2].image.pixelColor(0, 0).red() == 41
    film.view.setFocus()
    QTest.keyClick(film.view, Qt.Key.Key_Right)
    QTest.keyClick(film.view, Qt.Key.Key_Return)
    film.step(-2)
    assert [path.name for path in chosen] == ["p3.png", "p1.png"]
    film.mark(tmp_path / "p5.png")
    assert film.view.current == 1, "who walks along here is left alone"
    film.mark(tmp_path / "elsewhere.png")
    assert film.view.current == -1 and not film.view.selected()
    film.view.clearFocus()
    film.mark(tmp_path / "p5.png")
    assert film.view.current == 5 and len(chosen) == 2


def test_a_folder_that_cannot_be_read(film: FilmStrip, qtbot: QtBot, tmp_path: Path) -> None:
    pictures(tmp_path, 2)
    with qtbot.waitSignal(film.listed):
        film.open_folder(tmp_path)
    told = []
    film.failed.connect(told.append)
    with qtbot.waitSignal(film.failed), qtbot.assertNotEmitted(film.listed):
        film.open_folder(tmp_path / "none")
    assert "Choose another one" in told[0] and film.isHidden() and not film.paths


def test_few_thumbnails_stay_in_memory(
    film: FilmStrip, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strip, "KEPT", 9)
    pictures(tmp_path, 60)
    with qtbot.waitSignal(film.listed):
        film.open_folder(tmp_path)
    for row in range(0, 60, 3):
        film.view.set_current(row)
        qtbot.waitUntil(lambda row=row: film.view.tiles.tiles[row].image is not None)
    qtbot.waitUntil(lambda: not film._busy)
    assert sum(tile.image is not None for tile in film.view.tiles.tiles) <= 9


def test_another_folder_while_one_is_read(film: FilmStrip, qtbot: QtBot, tmp_path: Path) -> None:
    for name, count in (("a", 30), ("b", 3)):
        (tmp_path / name).mkdir()
        pictures(tmp_path / name, count)
    film.open_folder(tmp_path / "a")
    with qtbot.waitSignal(film.listed):
        film.open_folder(tmp_path / "b")
    assert len(film.view.tiles.tiles) == 3
    film.close_down()
    film.close_down()
