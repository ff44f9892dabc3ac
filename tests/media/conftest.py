import pytest

from studio.media.texts import TextTokenizer, train_tokenizer

PIECES = 300
LINES = [
    "Once upon a time there lived a king, and the king had a daughter.",
    "The daughter lived in the tower; there was a time when the king came there.",
    "And then the king said that there was no time to be had in the tower.",
] * 4


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory) -> TextTokenizer:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    train_tokenizer(LINES, PIECES).save(str(path))
    return TextTokenizer(path)
