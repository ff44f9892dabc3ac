"""What the user chose, kept in `settings.json`: read value by value, written whole or not at all.

No value that the program wrote, or that someone edited, may keep the window from starting: what does not fit is
dropped, its default taken, and said.
"""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from PySide6.QtCore import QObject, QTimer, Signal

from studio.errors import StudioError
from studio.files import is_utf8, write_atomic
from studio.generation.request import first_problem
from studio.runtime.catalog import data_folder

FILE = "settings.json"
ASIDE = "settings.json.bad"
DELAY = 500
"""Milliseconds from the last change to the write."""
RECENT = 12
"""Files of each workspace that are kept."""

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Preset(BaseModel):
    """Sampler settings under a name; None leaves a value as it is. Seeds are no part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str | None = None
    steps: int | None = Field(default=None, ge=1, le=100_000)
    schedule: str | None = None
    policy: str | None = None
    granularity: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=100)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    remask: float | None = Field(default=None, ge=0, le=1)
    variations: int | None = Field(default=None, ge=1, le=4096)

    @classmethod
    def read(cls, path: str | Path) -> "Preset":
        """A preset that `write` made, here or elsewhere. StudioError where it is none."""
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise StudioError(f"Cannot read {path}: {error.strerror}.") from error
        except ValidationError as error:
            raise StudioError(f"{Path(path).name} is no preset: {first_problem(error)}.") from error

    def write(self, path: str | Path) -> None:
        """Save to be shared; only what it sets is in the file."""
        write_atomic(path, self.model_dump_json(exclude_none=True, indent=2).encode())


class Values(BaseModel):
    """Every value there is, with its default. A dictionary is checked entry by entry."""

    model_config = ConfigDict(validate_assignment=True, extra="forbid", allow_inf_nan=False)

    theme: Literal["system", "dark", "light"] = "system"
    shortcuts: dict[Name, str] = {}
    """Action id -> key sequence as portable text; "" for none. What equals the default is not stored."""
    presets: dict[Name, Preset] = {}
    ui: dict[Name, dict[str, JsonValue]] = {}
    """One dictionary a workspace or panel; what is in it is its own affair."""
    recent: dict[Name, list[str]] = {}
    """Files last opened, newest first, by workspace."""
    folders: dict[Name, str] = {}
    """Folder last used in a file dialog, by workspace or panel."""
    geometry: str = ""
    """Place of the window, base64 of `saveGeometry`."""


class Settings(QObject):
    """The values, and the file they live in.

    `changed` names the value that was set. `dropped` holds one sentence for everything that could not be read, the last
    also where it is kept. Changes are written by a thread, as a disk may take its time; `save` waits for it.
    """

    changed = Signal(str)
    _written = Signal(str)

    def __init__(self, folder: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.path = (folder or data_folder()) / FILE
        self.dropped: list[str] = []
        self._values = self._read()
        self._unsaved = False
        self._failed = ""
        self._timer = QTimer(self, singleShot=True, interval=DELAY)
        self._timer.timeout.connect(self._save_beside)
        self._writer: threading.Thread | None = None
        self._written.connect(self._ended)
        self.problem = ""
        """Why the last write failed, or ""; the window shows it, and the values stay in memory."""

    @property
    def values(self) -> Values:
        """To read; a change goes through `set`, which saves it."""
        return self._values

    def set(self, name: str, value: Any) -> None:
        """Change a value and save soon. ValidationError is a bug of the caller."""
        if getattr(self._values, name) == value:
            return
        setattr(self._values, name, value)
        self._touch(name)

    def ui(self, place: str) -> dict[str, Any]:
        """What a workspace or panel stored about itself; a copy."""
        return json.loads(json.dumps(self._values.ui.get(place, {})))

    def set_ui(self, place: str, **values: Any) -> None:
        """Store some values of a workspace or panel; they must be JSON."""
        self.set("ui", self._values.ui | {place: self.ui(place) | values})

    def set_preset(self, name: str, preset: Preset) -> None:
        self.set("presets", self._values.presets | {name: preset})

    def remove_preset(self, name: str) -> None:
        self.set("presets", {key: value for key, value in self._values.presets.items() if key != name})

    def add_recent(self, place: str, path: str | Path) -> None:
        if not is_utf8(str(path)):
            return  # such a name cannot be stored, and must not keep everything else from being stored
        paths = [str(path), *(p for p in self._values.recent.get(place, []) if p != str(path))]
        self.set("recent", self._values.recent | {place: paths[:RECENT]})
        self.use_folder(place, Path(path).parent)

    def forget_recent(self, place: str, path: str | None = None) -> None:
        """Take one file off the list of a place, or all."""
        left = [other for other in self._values.recent.get(place, []) if path not in (None, other)]
        self.set("recent", self._values.recent | {place: left})

    def use_folder(self, place: str, folder: Path) -> None:
        """Where the next file dialog of this place begins."""
        if is_utf8(str(folder)):
            self.set("folders", self._values.folders | {place: str(folder)})

    def _touch(self, name: str) -> None:
        self._unsaved = True
        self._timer.start()
        self.changed.emit(name)

    def save(self) -> None:
        """Write now what has changed; call it when the window closes. StudioError where that fails."""
        self._timer.stop()
        if self._writer is not None:
            self._writer.join()
            self._writer = None
            if self._failed:
                self._unsaved = True
        if not self._unsaved:
            return
        write_atomic(self.path, self._json())
        self._unsaved, self._failed, self.problem = False, "", ""

    def _json(self) -> bytes:
        return self._values.model_dump_json(indent=2, exclude_defaults=True).encode()

    def _save_beside(self) -> None:
        if self._writer is not None and self._writer.is_alive():
            self._timer.start()
            return
        self._unsaved, self._failed = False, ""
        self._writer = threading.Thread(target=self._write, args=(self._json(),), name="settings", daemon=True)
        self._writer.start()

    def _write(self, data: bytes) -> None:
        try:
            write_atomic(self.path, data)
        except StudioError as error:
            self._failed = str(error)
        self._written.emit(self._failed)

    def _ended(self, problem: str) -> None:
        """On the main thread again. What could not be written is tried with the next change, and at the end."""
        self._unsaved = self._unsaved or bool(problem)
        if problem != self.problem:
            self.problem = problem
            self.changed.emit("problem")

    def _read(self) -> Values:
        values = Values()
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return values
        except OSError as error:
            self.dropped.append(f"The settings cannot be read ({error.strerror}); the defaults are used.")
            return values
        try:
            stored = json.loads(text)
            if not isinstance(stored, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError):
            kept = f"it is kept as {ASIDE} and"
            try:
                os.replace(self.path, self.path.with_name(ASIDE))
            except OSError:  # a folder of that name, or nothing can be written there
                kept = "it could not be kept;"
            self.dropped.append(f"The settings file was damaged; {kept} the defaults are used.")
            return values
        for name, value in stored.items():
            if name not in Values.model_fields:
                self.dropped.append(f"The setting {name!r:.60} is unknown and was dropped.")
                continue
            if isinstance(value, dict) and isinstance(getattr(values, name), dict):
                value = self._good_entries(name, value)
            elif isinstance(value, str) and not _is_storable(value):
                self._drop(name, _NOT_STORABLE)
                continue
            try:
                setattr(values, name, value)
            except ValidationError as error:
                self._drop(name, _reason(error))
        if self.dropped:
            self._keep_copy(text)
        return values

    def _keep_copy(self, text: bytes) -> None:
        """What this version does not know, a newer one may: the next write would lose it."""
        with suppress(StudioError):
            write_atomic(self.path.with_name(ASIDE), text)
            self.dropped[-1] += f" The file as it was is kept as {ASIDE}."

    def _good_entries(self, name: str, entries: dict[str, Any]) -> dict[str, Any]:
        """The entries of a stored dictionary that fit, each checked on its own."""
        check: TypeAdapter[dict[str, Any]] = TypeAdapter(Values.__annotations__[name])
        good = {}
        for key, value in entries.items():
            place = f"{name}: {key:.60}".encode(errors="replace").decode()
            try:
                entry = check.validate_python({key: value})
            except ValidationError as error:
                self._drop(place, _reason(error))
                continue
            if _is_storable({key: value}):
                good |= entry
            else:
                self._drop(place, _NOT_STORABLE)
        return good

    def _drop(self, what: str, reason: str) -> None:
        self.dropped.append(f"The setting {what} was dropped: {reason}.")


_NOT_STORABLE = "it has half of a character in it"


def _is_storable(value: Any) -> bool:
    """Whether it can be written again: halves of surrogate pairs, which JSON can name, no file can hold."""
    return is_utf8(json.dumps(value, ensure_ascii=False))


def _reason(error: ValidationError) -> str:
    reason = error.errors(include_url=False, include_context=False)[0]["msg"].rstrip(".")
    return f"{reason[:1].lower()}{reason[1:]}"
