from pathlib import Path

import pytest

from studio.generation import text_tokenizer
from studio.media.texts import TextTokenizer
from studio.runtime.bundle import Bundle
from tests.helpers import text_bundle


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.open(text_bundle(Path(tmp_path_factory.mktemp("texts"))))


@pytest.fixture
def tokenizer(texts: Bundle) -> TextTokenizer:
    return text_tokenizer(texts)
