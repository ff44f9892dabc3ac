"""PyTorch checkpoints of strangers, read without running anything that is in them."""

import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import torch

from studio.errors import StudioError, shown
from studio.runtime.format import MANIFEST

MAX_PICKLE_BYTES = 1 << 26
"""The pickle holds names and settings, not weights: a published one is a few megabytes at most."""
MAX_OPCODES = 1 << 21
"""Five thousand tensors, averaged and with the state of their optimiser, take 740,000; published ones far less. Each
costs time and a hundred bytes of memory to read."""

# What torch's own restricted reader builds weights from; `collections.OrderedDict` and the like do no harm.
_PLAIN = re.compile(
    r"torch\._utils\._rebuild_(tensor|tensor_v2|parameter)|torch\.nn\.parameter\.Parameter"
    r"|torch\.(\w+Storage|storage\.\w+Storage|Size|device|(b?float|u?int|complex)\d+|bool)"
    r"|collections\.(OrderedDict|Counter)|builtins\.set|_codecs\.encode"
)
# What the published checkpoints hold beside weights. None of it is imported: an `Inert` stands for each.
_KNOWN = re.compile(
    r"argparse\.Namespace|pathlib\.\w+|typing\.\w+|builtins\.(dict|list|tuple|str|int|float|bool|bytes|object)"
    r"|(omegaconf|transformers|tokenizers|lightning|lightning_fabric|pytorch_lightning)(\.\w+)+"
    r"|numpy\.dtype|numpy\._?core\.multiarray\.(scalar|_reconstruct)|numpy\.ndarray"
)
# torch's reader fills plain dictionaries only, so this one must become one.
_DICTIONARY = "collections.defaultdict"


class Inert:
    """Stands for an object of a foreign class: takes whatever it is given, keeps its state, does nothing."""

    state: Any = None

    def __new__(cls, *_: Any) -> "Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _dictionary(*_: Any) -> dict[Any, Any]:
    return {}


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint; foreign objects in it are `Inert`, tensors are mapped from the file.

    Nothing in the file is executed: what the pickle asks for is held against a table first, every foreign class
    in the table is replaced by a stand-in, and then torch reads with weights_only. Raises StudioError, one
    sentence, for anything else, naming the classes and functions that were asked for.
    """
    path = Path(path)
    names = _asked_for(path)
    refused = _foreign(names)
    if refused:
        more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
        asked = ", ".join(map(shown, refused[:3])) + more
        refuse(path, f"it asks for {asked}, which no known checkpoint needs; nothing of it was run; do not trust it")
    stand_ins: list[Any] = [(Inert, name) for name in names if _KNOWN.fullmatch(name)] + [(_dictionary, _DICTIONARY)]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins):
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except MemoryError:
        refuse(path, "it does not fit into the memory; close other programs")
    except Exception as error:  # a damaged or hostile file can fail anywhere in the reader
        name = re.search(r"GLOBAL (\S+)", str(error))
        if name:
            refuse(path, f"it asks for {shown(name[1])}; nothing of it was run; do not trust it")
        refuse(path, "it is cut short or damaged; get it again from where it came")
    if not isinstance(content, dict):
        refuse(path, "it holds no dictionary of weights, so it is no published checkpoint")
    return content


def _foreign(names: list[str]) -> list[str]:
    """Those of the names that no known checkpoint asks for."""
    return [name for name in names if not (_PLAIN.fullmatch(name) or _KNOWN.fullmatch(name) or name == _DICTIONARY)]


def lookup(node: Any, *keys: str) -> Any:
    """The plain value (str, int, float, bool) at keys[0], keys[1], … of nested settings, or None.

    Settings are dictionaries, argparse namespaces or OmegaConf nodes (content in `_content`, value in `_val`);
    an OmegaConf reference such as ${model.length} counts as missing.
    """
    for key in keys:
        node = _opened(node)
        node = node.get(key) if isinstance(node, dict) else None
    node = _opened(node)
    if isinstance(node, torch.Tensor) and node.numel() == 1:
        node = node.item()
    reference = isinstance(node, str) and node.startswith("${")
    return node if isinstance(node, str | int | float | bool) and not reference else None


def _opened(node: Any) -> Any:
    """What is inside a stand-in. No loop: a hostile node may hold itself."""
    if not isinstance(node, Inert):
        return node
    state = node.state
    for key in ("_content", "_val"):
        if isinstance(state, dict) and key in state:
            return state[key]
    return state


def embedded_tokenizer(node: Any) -> bytes | None:
    """The tokenizer.json inside a pickled `transformers` tokenizer, or None. It is text of a stranger."""
    tokenizer = _opened(node)
    inner = tokenizer.get("_tokenizer") if isinstance(tokenizer, dict) else None
    state = _opened(inner)
    return state if isinstance(state, bytes) else None


def _asked_for(path: Path) -> list[str]:
    """Every class and function that the pickle in the file names. StudioError unless it is a PyTorch archive."""
    if path.exists() and not path.is_file() and not path.is_dir():
        refuse(path, "it is not a regular file; name a .pth or .ckpt")
    try:
        with path.open("rb") as file:
            start = file.read(2)
            rest = b"" if start == b"PK" else file.read(MAX_OPCODES)  # bytes: no opcode takes less than one
    except IsADirectoryError:
        refuse(path, "it is a folder; name one checkpoint in it")
    except OSError as error:
        refuse(path, f"{error.strerror or 'it cannot be read'}; check its name and permissions")
    if start == b"\x1f\x8b":
        refuse(path, "it is packed with gzip; unpack it first (gunzip)")
    if start != b"PK":
        _refuse_bare(path, start + rest)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            pickles = [member for member in members if f"/{member.filename}".endswith("/data.pkl")]
            if any(member.filename == MANIFEST for member in members):
                refuse(path, "it is a model of Prime Studio already; run `prime-studio models import` on it")
            if len(pickles) != 1:
                refuse(path, "it is not a PyTorch checkpoint; choose the .pth or .ckpt that was published")
            if pickles[0].file_size > MAX_PICKLE_BYTES:
                refuse(path, f"its pickle has {pickles[0].file_size:,} bytes, which no known checkpoint needs")
            return sorted(set(_names(archive.read(pickles[0]))))
    except _TooManyError:
        refuse(path, f"its pickle has more than {MAX_OPCODES:,} steps, which no checkpoint needs; do not trust it")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError, RecursionError):
        refuse(path, "it is cut short or damaged; get it again from where it came")


def _refuse_bare(path: Path, data: bytes) -> NoReturn:
    """A file that is no archive. A bare pickle is refused too, but what it asks for is said."""
    found: list[str] = []
    stream, pickles = BytesIO(data), 0
    # What torch saved before 2020 is several pickles, one behind the other, and then the weights as they are.
    with suppress(Exception):
        while stream.tell() < len(data):
            found += _names(stream)
            pickles += 1
    names = _foreign(sorted(set(found))) if pickles else None
    if names:
        asked = ", ".join(map(shown, names[:3]))
        refuse(path, f"it is a bare pickle that asks for {asked}; nothing of it was run; do not trust it")
    if names is not None:
        refuse(path, "it is a bare pickle, not a PyTorch checkpoint of today; save it again with torch.save")
    refuse(path, "it is not a PyTorch checkpoint; choose the .pth or .ckpt that was published")


class _TooManyError(ValueError):
    pass


def _names(pickle: bytes | BytesIO) -> Iterator[str]:
    """ "module.name" of all that a pickle asks for; a stream is read to its end. ValueError where it is damaged."""
    strings: list[str] = []
    for count, (opcode, argument, _) in enumerate(pickletools.genops(pickle)):
        if count >= MAX_OPCODES:
            raise _TooManyError
        if opcode.name in ("GLOBAL", "INST"):
            name = str(argument).replace(" ", ".", 1)
            yield re.sub(r"^__builtin__\.", "builtins.", name)
        elif opcode.name == "STACK_GLOBAL":
            # torch's reader refuses this one whatever it names; the last two strings are for the message.
            yield ".".join(strings[-2:])
        elif opcode.name.startswith("EXT"):
            yield f"copyreg.{opcode.name}"
        elif isinstance(argument, str):
            strings.append(argument)


def refuse(path: Path, what: str) -> NoReturn:
    """Raise StudioError: the checkpoint at `path` cannot be imported, because of `what`."""
    raise StudioError(f"Cannot import {shown(path.name)}: {what}.")
