"""The tokenizer of a published text model: given by the user, inside the checkpoint, or in the Hugging Face cache."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer

from studio.errors import NoTokenizer

MAX_BYTES = 1 << 26
REPOSITORIES = ("gpt2", "openai-community--gpt2")


def find_tokenizer(vocab_size: int, given: str | Path | None = None, embedded: bytes | None = None) -> bytes:
    """The text of a tokenizer.json of `vocab_size` tokens, never from the network.

    NoTokenizer where `given` is unsuitable, or where nothing is given and neither the checkpoint nor the
    Hugging Face cache has a byte-level one of that size.
    """
    if given is not None:
        path = Path(given)
        data = _read(path)
        count = _size(data)
        if count is None:
            raise NoTokenizer(f"{path} is not a tokenizer.json: give the one of the model, such as GPT-2's.")
        if count != vocab_size:
            raise NoTokenizer(
                f"{path} has {count} tokens and the model {vocab_size}: give the tokenizer.json of the model."
            )
        return data
    for data in _candidates(embedded):
        if _byte_level(data) and _size(data) == vocab_size:
            return data
    inside = "" if embedded is None else "; the one inside the checkpoint does not keep every text as it is"
    raise NoTokenizer(
        f"The model's tokenizer.json is missing ({vocab_size} tokens; GPT-2's for the published models{inside}) and is "
        f"not in {hub_cache()} either: get it from huggingface.co/openai-community/gpt2 and add --tokenizer FILE."
    )


def hub_cache() -> Path:
    """Where the Hugging Face libraries keep what they downloaded, by the same variables as theirs."""
    if hub := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(hub).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "huggingface" / "hub"


def _candidates(embedded: bytes | None) -> Iterator[bytes]:
    if embedded is not None:
        yield embedded
    for repository in REPOSITORIES:
        for path in sorted((hub_cache() / f"models--{repository}" / "snapshots").glob("*/tokenizer.json")):
            yield _read(path)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        raise NoTokenizer(f"Cannot read the tokenizer {path}: {error.strerror or error}.") from error


def _size(data: bytes) -> int | None:
    """How many tokens it has, or None where it is no tokenizer.json."""
    try:
        return Tokenizer.from_str(data.decode("utf-8")).get_vocab_size()
    except Exception:  # the library raises plain Exception for every kind of bad file
        return None


def _byte_level(data: bytes) -> bool:
    """Whether any text comes back from it byte for byte."""
    try:
        content = json.loads(data)
        return content["model"]["type"] == "BPE" and content["decoder"]["type"] == "ByteLevel"
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
