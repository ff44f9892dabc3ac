"""A model folder: its manifest, its files, their integrity."""

import hashlib
import json
import os
import re
import stat
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)

from studio.errors import StudioError, shown
from studio.files import is_plain_name
from studio.prime.policies import NO_CORRECTOR, POLICIES
from studio.prime.schedules import NO_WARP, alpha
from studio.prime.subtokens import Subtokens
from studio.runtime.external_data import external_data
from studio.runtime.format import FORMAT_VERSION, MANIFEST, MAX_PIXEL_DIGITS, MAX_TABLE, NETWORK

MAX_MANIFEST_BYTES = 1 << 20
MAX_NETWORK_BYTES = (1 << 31) - 1
MAX_FILE_BYTES = 1 << 33
MAX_FILES = 32

# Installers such as uv hard-link the files of a wheel from their cache; what we ship is trusted in that.
_PACKAGE = Path(__file__).resolve().parents[1]


def _plain(name: str) -> str:
    if not is_plain_name(name):
        raise ValueError("must be a plain file name")
    return name


def _printable(text: str) -> str:
    if any(not character.isprintable() and character != "\n" for character in text):
        raise ValueError("must not contain control characters")
    return text


def _schedule(name: str) -> str:
    alpha(name, 0.5)
    return name


def _policy(name: str) -> str:
    if name not in POLICIES:
        raise ValueError(f"must be one of {', '.join(POLICIES)}")
    return name


def _finite(fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Free fields are written again as JSON, which has no infinity, as which 1e999 is read."""
    try:
        json.dumps(fields, allow_nan=False)
    except ValueError:
        raise ValueError("a number is too large") from None
    return fields


FileName = Annotated[str, AfterValidator(_plain)]
_LETTERS = StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$")
ModelName = Annotated[str, _LETTERS, AfterValidator(_plain)]
Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\n]*$"), AfterValidator(_printable)]
Prose = Annotated[str, StringConstraints(max_length=100_000), AfterValidator(_printable)]
Free = Annotated[dict[str, JsonValue], AfterValidator(_finite)]
Schedule = Annotated[str, StringConstraints(max_length=32), AfterValidator(_schedule)]
Length = Annotated[int, Field(ge=1, le=64)]
Side = Annotated[int, Field(ge=1, le=1 << 16)]
_Number = Annotated[float, Field(ge=-100, le=100)]
_Positive = Annotated[float, Field(gt=0, le=100)]
_NotNegative = Annotated[float, Field(ge=0, le=1000)]
Draw = Literal["joint", "marginal"]
Slope = tuple[_Number, _Positive]
Warp = tuple[_Positive, _Positive, _Number]
Corrector = tuple[_NotNegative, _NotNegative, _NotNegative]


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FileEntry(_Checked):
    """What a file of the bundle must be."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: int = Field(ge=0, le=MAX_FILE_BYTES)


class Tokenizer(_Checked):
    """How pictures or texts become tokens; `file` is null for rgb alone."""

    kind: Literal["palette", "rgb", "bpe"]
    file: FileName | None = None


class Defaults(_Checked):
    """The sampling options that suit the model; `sample` says what they mean."""

    steps: int = Field(default=32, ge=1, le=100_000)
    schedule: Schedule = "cosine"
    policy: Annotated[str, AfterValidator(_policy)] = "ancestral"
    granularity: Length = 1
    temperature: float = Field(default=1.0, ge=0, le=100)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    remask: float = Field(default=0.0, ge=0, le=1)
    draw: Draw = "joint"
    temperature_slope: Slope = (0.0, 1.0)
    warp: Warp = NO_WARP
    corrector: Corrector = NO_CORRECTOR


class Manifest(_Checked):
    """manifest.json, format 1. Numbers are bounded, so that no table they size can exhaust the memory."""

    format_version: Literal[1] = FORMAT_VERSION
    name: ModelName
    title: Line
    description: Prose = ""
    modality: Literal["image", "text"]
    grid: tuple[Side, ...]
    """(height, width) of a picture model, (context,) of a text model."""
    num_tokens: Side
    vocab_size: int = Field(ge=2, le=1 << 20)
    length: Length
    base: int = Field(ge=2, le=1 << 20)
    granularities: tuple[Length, ...] = Field(min_length=1, max_length=64)
    schedule: Schedule
    tokenizer: Tokenizer
    defaults: Defaults = Defaults()
    licence: Line
    notices: tuple[Prose, ...] = Field(default=(), max_length=1000)
    network: Free = {}
    training: Free = {}
    evaluation: Free = {}
    likelihood: Free | None = None
    files: dict[FileName, FileEntry] = Field(max_length=MAX_FILES)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """What the fields say of each other."""
        kinds = {"palette": ("image", 2, 1), "rgb": ("image", 2, 3), "bpe": ("text", 1, 1)}
        modality, sides, tokens = kinds[self.tokenizer.kind]
        for side in self.grid:
            tokens *= side
        for holds, what in (
            (modality == self.modality, "the tokenizer is not one for this modality"),
            (sides == len(self.grid), f"grid must have {sides} numbers"),
            (tokens == self.num_tokens, f"num_tokens must be {tokens} for this grid and tokenizer"),
            (self.tokenizer.kind != "rgb" or self.vocab_size == 256, "vocab_size must be 256 for rgb tokens"),
            ((self.tokenizer.file is None) == (self.tokenizer.kind == "rgb"), "tokenizer.file does not fit its kind"),
            (self.base**self.length >= self.vocab_size, "base and length cannot write vocab_size classes"),
            (self.base**self.length < 1 << 62, "base and length are too large"),
            (
                self.length == 1 or (self.base + 1) * self.length * self.vocab_size <= MAX_TABLE,
                "vocab_size, length and base are too large",
            ),
            (modality == "text" or self.length <= MAX_PIXEL_DIGITS, "length must be at most 16 for pictures"),
            (all(self.length % g == 0 for g in self.granularities), "granularities must divide length"),
            (self.defaults.granularity in self.granularities, "defaults.granularity is not among granularities"),
            (not (self.defaults.remask and self.defaults.corrector[0]), "defaults has both remask and a corrector"),
            (self.defaults.top_k <= self.vocab_size, "defaults.top_k is larger than vocab_size"),
            (MANIFEST not in self.files, f"files must not list {MANIFEST}"),
            (NETWORK in self.files, f"files must list {NETWORK}"),
            (self.tokenizer.file in {*self.files, None}, "files must list tokenizer.file"),
        ):
            if not holds:
                raise ValueError(what)
        return self


class Bundle:
    """A model on disk whose manifest, files and checksums have been found right.

    Open one with `Bundle.open`; nothing of it has been parsed by ONNX Runtime then.
    """

    def __init__(self, path: Path, manifest: Manifest, digest: str):
        self.path = path
        self.manifest = manifest
        self.digest = digest
        """sha256 of manifest.json, hexadecimal; it fixes every file, because the manifest lists their sums."""

    @classmethod
    def open(cls, path: str | Path) -> "Bundle":
        """Open the model folder `path` and check all of it. StudioError, one sentence, at the first thing wrong."""
        path = Path(path)
        try:
            data = _read(path, MANIFEST, MAX_MANIFEST_BYTES)
            manifest = _manifest(path, data)
            for name, entry in manifest.files.items():
                _check_file(path, name, entry)
            _check_external_data(path, manifest)
        except OSError as error:
            refuse(path, f"it cannot be read ({error.strerror or error}); check its permissions or import it again")
        return cls(path, manifest, hashlib.sha256(data).hexdigest())

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def num_tokens(self) -> int:
        return self.manifest.num_tokens

    @cached_property
    def subtokens(self) -> Subtokens:
        """Tokens as digits, as this model has them."""
        return Subtokens(self.manifest.vocab_size, self.manifest.length, self.manifest.base)

    def file(self, name: str) -> Path:
        """Path of a file that the manifest lists. KeyError for any other."""
        if name not in self.manifest.files:
            raise KeyError(name)
        return self.path / name


def refuse(path: str | Path, what: str) -> NoReturn:
    """Raise StudioError: the model at `path` cannot be used, because of `what`, which ends with the remedy."""
    sentence = f"Cannot use the model {shown(Path(path).absolute().name)}: {what}."
    raise StudioError(sentence)


def _manifest(path: Path, data: bytes) -> Manifest:
    try:
        content = json.loads(data, parse_constant=_no_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        refuse(path, f"its {MANIFEST} is not valid JSON; import it again")
    version = content.get("format_version") if isinstance(content, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        refuse(path, f"its {MANIFEST} has no known format_version, so it is not a model of Prime Studio")
    if version > FORMAT_VERSION:
        refuse(path, "it was made by a newer version of Prime Studio; update Prime Studio to use it")
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        refuse(path, f"its {MANIFEST} is wrong: {_first(error)}; get the model again from where it came")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Readers differ in which of two equal keys counts, so neither is believed."""
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _first(error: ValidationError) -> str:
    """The first of the errors, as "field: what"."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(shown(part, 40) for part in first["loc"] if part != "[key]")
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        what = "is not a field of this format"
    elif first["type"] == "string_pattern_mismatch":
        what = "has a form that is not allowed"
    return f"{place}: {shown(what, 160)}" if place else shown(what, 160)


def _status(path: Path, name: str) -> os.stat_result:
    """lstat of a file of the bundle, which must be a regular one."""
    try:
        status = (path / name).lstat()
    except (FileNotFoundError, NotADirectoryError):
        refuse(path, f"{name} is missing; import the model again")
    if not stat.S_ISREG(status.st_mode):
        refuse(path, f"{name} is a link or not a regular file; import the model again")
    # ONNX Runtime reads weights through hard links, which could show it any file of this disk.
    if status.st_nlink != 1 and not path.resolve().is_relative_to(_PACKAGE):
        refuse(path, f"{name} is a hard link to a file elsewhere; copy the model, or import it again")
    return status


def _read(path: Path, name: str, limit: int) -> bytes:
    if _status(path, name).st_size > limit:
        refuse(path, f"{name} is larger than {limit:,} bytes, which no model needs; import the model again")
    with (path / name).open("rb") as file:
        return file.read(limit + 1)


def _check_file(path: Path, name: str, entry: FileEntry) -> None:
    size = _status(path, name).st_size
    if size != entry.size:
        refuse(path, f"{name} has {size:,} bytes instead of {entry.size:,}; import the model again")
    with (path / name).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
            refuse(path, f"{name} does not have the checksum of its {MANIFEST}; import the model again")


def _check_external_data(path: Path, manifest: Manifest) -> None:
    """Every tensor that lies outside denoiser.onnx must lie inside another file of the manifest."""
    again = "get the model again from where it came"
    try:
        tensors = list(external_data(_read(path, NETWORK, MAX_NETWORK_BYTES)))
    except ValueError:
        refuse(path, f"{NETWORK} is cut short or not an ONNX file; {again}")
    for tensor in tensors:
        location = tensor.get("location", "")
        entry = manifest.files.get(location)
        if entry is None:
            refuse(path, f"{NETWORK} takes weights from {shown(location)}, which is no file of this model; {again}")
        numbers = [tensor.get("offset", "0"), tensor.get("length", "0")]
        if not all(re.fullmatch(r"[0-9]{1,19}", number) for number in numbers):
            refuse(path, f"{NETWORK} has weights at a place that is not a number; {again}")
        if sum(map(int, numbers)) > entry.size:
            refuse(path, f"{NETWORK} takes weights from beyond the end of {location}; {again}")
