from pathlib import Path

import pytest

from studio.generation import text_tokenizer
from studio.media.texts import TextTokenizer
from studio.runtime.bundle import Bundle
from studio.ui.text.workspace import TextWorkspace
from studio.ui.window import Window
from tests.helpers import text_bundle
from tests.ui.test_window import with_window

__all__ = ["with_window"]


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.open(text_bundle(Path(tmp_path_factory.mktemp("texts"))))


@pytest.fixture
def tokenizer(texts: Bundle) -> TextTokenizer:
    return text_tokenizer(texts)


def text_of(window: Window) -> TextWorkspace:
    workspace = window.workspace_named("text")
    assert isinstance(workspace, TextWorkspace)
    window.bring_to_front("text")
    return workspace
