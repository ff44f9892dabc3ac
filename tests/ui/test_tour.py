"""The tour shows the pages that ship, with all their pictures, and goes from one to another."""

import re
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QTextDocument, QTextImageFormat
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from studio.shipped import shipped
from studio.ui import tour
from studio.ui.theme import DARK, LIGHT, current

PAGES = sorted(path.name for path in shipped("docs").glob("*.md"))


@pytest.fixture
def shown(qtbot: QtBot) -> Iterator[tour.Tour]:
    parent = QWidget()
    qtbot.addWidget(parent)
    opened = tour.Tour(parent)
    opened.show()
    yield opened


def pictures(document: QTextDocument) -> Iterator[QTextImageFormat]:
    block = document.begin()
    while block.isValid():
        for picture in tour.pictures_of(block):
            yield picture.charFormat().toImageFormat()
        block = block.next()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_its_pictures_and_they_fit(shown: tour.Tour, page: str) -> None:
    shown.follow(QUrl(page))
    text = (shipped("docs") / page).read_text(encoding="utf-8")
    document = shown.pages.document()
    images = [
        document.resource(QTextDocument.ResourceType.ImageResource, QUrl(picture.name()))
        for picture in pictures(document)
    ]
    assert len(images) == len(re.findall(r"!\[", text))
    assert all(0 < image.deviceIndependentSize().width() <= tour.WIDTH for image in images)
    assert document.idealWidth() <= shown.pages.viewport().width() + 1


def test_links_lead_to_pages_here_and_to_the_browser(shown: tour.Tour, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    assert not shown.back.isEnabled()
    shown.follow(QUrl("training.md"))
    assert "recipe" in shown.pages.toPlainText() and shown.back.isEnabled()
    shown.back.click()
    assert shown.pages.toPlainText().startswith("A tour of the studio")
    shown.follow(QUrl("https://arxiv.org/abs/2505.18495"))
    assert opened == ["https://arxiv.org/abs/2505.18495"]
    assert shown.pages.toPlainText().startswith("A tour of the studio")


def test_it_follows_the_theme(shown: tour.Tour) -> None:
    def borders() -> set[str]:
        frames = shown.pages.document().rootFrame().childFrames()
        return {frame.format().toTableFormat().borderBrush().color().name() for frame in frames}

    assert borders() == {DARK["border"]}
    current().set_mode("light")
    assert borders() == {LIGHT["border"]}
