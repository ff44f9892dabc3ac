"""Where models live: find, list, verify, import, export and remove them."""

import io
import json
import os
import re
import shutil
import stat
import tempfile
import time
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
import platformdirs

from studio.errors import StudioError, shown
from studio.files import atomic_path, is_plain_name, write_atomic
from studio.runtime.bundle import MANIFEST, MAX_FILE_BYTES, MAX_FILES, Bundle, Manifest, refuse
from studio.runtime.denoiser import OnnxDenoiser
from studio.runtime.replacing import bring_back, take_place
from studio.shipped import shipped

SUFFIX = ".primebundle"
DEFAULTS = {"image": "emoji-32", "text": "storybook"}
MAX_RATIO = 100
"""Bytes unpacked for one byte packed: weights hardly shrink, and a manifest is small."""
_FREE_RATIO = 1 << 20
_MOST_AT_ONCE = 1 << 20
"""Bytes of an archive that are read at once; its list of files is, and that of any model is far shorter."""
_STALE_SECONDS = 24 * 3600


class AlreadyThere(StudioError):
    """A model of that name is installed, and was not to be replaced. same: it is the very same one, and whole."""

    def __init__(self, sentence: str, name: str, same: bool = False):
        super().__init__(sentence)
        self.name, self.same = name, same


def data_folder() -> Path:
    """Where the user's models, history and settings live; PRIME_STUDIO_HOME puts it elsewhere."""
    home = os.environ.get("PRIME_STUDIO_HOME")
    return Path(home) if home else Path(platformdirs.user_data_dir("prime-studio", appauthor=False))


def user_models() -> Path:
    """The folder into which models are imported."""
    return data_folder() / "models"


def shipped_models() -> Path:
    """The models that came with the program."""
    return shipped("models")


def models_folders() -> list[Path]:
    """Folders that are searched; of two models of one name the user's own counts."""
    return [user_models(), shipped_models()]


def find_bundle(name_or_path: str | Path) -> Bundle:
    """Open a model by its name in the models folders, or by the path of its folder.

    StudioError names the models there are when there is no such one.
    """
    text = str(name_or_path)
    if is_plain_name(text):
        bring_back(user_models())
        for folder in models_folders():
            if (folder / text / MANIFEST).is_file():
                return Bundle.open(folder / text)
    path = Path(name_or_path)
    if path.is_dir():
        return Bundle.open(path)
    if path.is_file():
        raise StudioError(f"{shown(text)} is a file, not a model folder; run `prime-studio models import` on it first.")
    there = ", ".join(folder.name for folder in _bundle_folders()) or "none"
    raise StudioError(f"There is no model {shown(text)}; installed are: {there}.")


def list_bundles() -> list[tuple[Path, Bundle | StudioError]]:
    """Every model folder with its opened bundle, or with what is wrong with it."""
    found: list[tuple[Path, Bundle | StudioError]] = []
    for path in _bundle_folders():
        try:
            found.append((path, Bundle.open(path)))
        except StudioError as error:
            found.append((path, error))
    return found


def default_bundle(modality: str) -> Bundle:
    """The model to take for "image" or "text" when none was named; StudioError when there is none."""
    folders = _bundle_folders()
    folders.sort(key=lambda path: path.name != DEFAULTS.get(modality))
    first_error = None
    for path in folders:
        try:
            bundle = Bundle.open(path)
        except StudioError as error:
            first_error = first_error or error
        else:
            if bundle.manifest.modality == modality:
                return bundle
    if first_error:
        raise first_error
    raise StudioError(f"There is no {modality} model; get one and run `prime-studio models import` on it.")


def verify_bundle(name_or_path: str | Path) -> Bundle:
    """Check all files, then load the network and run it once on the CPU; StudioError if anything is wrong."""
    bundle = find_bundle(name_or_path)
    denoise = OnnxDenoiser(bundle, "cpu")
    for batch in (1, 2):
        y = np.full((batch, bundle.num_tokens, bundle.manifest.length), bundle.manifest.base)
        if not np.isfinite(denoise(y, np.arange(batch))).all():
            refuse(bundle.path, "its network gives numbers that are not finite; get the model again")
    return bundle


def free_name(name: str, *others: Path) -> str:
    """A name for a model that no installed one has, nor anything in other folders: name, name-2, …"""
    free, number = name, 2
    while any((folder / free).exists() for folder in (*models_folders(), *others)):
        free, number = f"{name[:60].rstrip('-._')}-{number}", number + 1  # the longest that a model can have has 64
    return free


def import_bundle(source: str | Path, replace: bool = False, name: str = "") -> Bundle:
    """Install a `.primebundle` file or a model folder under the name that its manifest gives, or under `name`, with
    which it counts as another model.

    It is unpacked and checked beside its place, then renamed into it: whole or not at all.
    StudioError when it is wrong; AlreadyThere when a model of that name is there and `replace` is false.
    """
    source, models = Path(source), user_models()
    if not source.exists():
        raise StudioError(f"There is no file {shown(source, 200)}; check its name.")
    if not source.is_file() and not source.is_dir():
        refuse(source, f"it is neither a {SUFFIX} file nor a folder; name one of these")
    try:
        models.mkdir(parents=True, exist_ok=True)
        bring_back(models)
        _sweep(models)
        temporary = Path(tempfile.mkdtemp(prefix=".import-", dir=models))
    except OSError as error:
        raise StudioError(f"Cannot write to {models}: {error.strerror}. Check its permissions.") from error
    # The folder's name stands in every message about it.
    unpacked = temporary / (source.stem if is_plain_name(source.stem) else "model")
    try:
        unpacked.mkdir()
        _copy_folder(source, unpacked) if source.is_dir() else _unpack(source, unpacked)
        bundle = Bundle.open(unpacked)
        for path in unpacked.iterdir():
            if path.name not in (MANIFEST, *bundle.manifest.files):  # nothing is known of what it is
                path.unlink()
        if name:
            bundle = _called(bundle, name)
        target = models / bundle.name
        if not replace and any((folder / bundle.name).exists() for folder in models_folders()):
            raise _there_before(bundle)
        take_place(unpacked, target)
        return Bundle(target, bundle.manifest, bundle.digest)
    except OSError as error:
        raise StudioError(
            f"Cannot import {shown(source, 200)}: {error.strerror or error}; check permissions and free space."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _there_before(bundle: Bundle) -> AlreadyThere:
    name, same = bundle.name, False
    with suppress(StudioError):  # it is damaged
        same = find_bundle(name).digest == bundle.digest
    if same:
        return AlreadyThere(f"The model {name} is already there, this very one.", name, same)
    return AlreadyThere(f"A model {name} is already there; import it with --replace to take its place.", name)


def _called(bundle: Bundle, name: str) -> Bundle:
    """The model in its folder with another name, which its title tells too, as the title is what is chosen by."""
    manifest = json.loads((bundle.path / MANIFEST).read_bytes())
    manifest |= {"name": name, "title": f"{bundle.manifest.title[:120]} ({name})"}
    write_atomic(bundle.path / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1).encode())
    return Bundle.open(bundle.path)


def export_bundle(bundle: Bundle, path: str | Path) -> None:
    """Write a bundle as one `.primebundle` file, whole or not at all; equal bundles give equal bytes. StudioError when
    its files are no longer what they were, and where it would be written among them."""
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(bundle.path)):
        raise StudioError(f"{path} lies in the folder of the model itself: choose another place to save to.")
    Bundle.open(bundle.path)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in [MANIFEST, *sorted(bundle.manifest.files)]:
            # Stored: weights do not shrink, and deflate differs between versions of zlib.
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.file_size = (bundle.path / name).stat().st_size
            with (bundle.path / name).open("rb") as file, archive.open(info, "w") as member:
                shutil.copyfileobj(file, member, 1 << 20)


def remove_bundle(name: str) -> None:
    """Delete an imported model. StudioError when it is not there or came with the program."""
    path = user_models() / name
    if is_plain_name(name):
        bring_back(path.parent)
    if not is_plain_name(name) or not path.is_dir():
        ours = is_plain_name(name) and (shipped_models() / name).is_dir()
        why = "came with the program and cannot be removed" if ours else "is not there; see `prime-studio models list`"
        raise StudioError(f"The model {shown(name)} {why}.")
    try:
        # First out of sight in one step, so that no half of it is ever listed.
        grave = Path(tempfile.mkdtemp(prefix=".import-", dir=path.parent))
        path.rename(grave / name)
        shutil.rmtree(grave)
    except OSError as error:
        raise StudioError(f"Cannot remove {path}: {error.strerror}. Check its permissions.") from error


def is_shipped(bundle: Bundle) -> bool:
    """Whether a model came with the program, which cannot be renamed or removed."""
    return bundle.path.parent == shipped_models()


def replaces_shipped(name: str) -> bool:
    """Whether an imported model of this name stands in place of one that came with the program."""
    return is_plain_name(name) and (user_models() / name).is_dir() and (shipped_models() / name / MANIFEST).is_file()


def rename_bundle(bundle: Bundle, title: str) -> Bundle:
    """Give an imported model another title, and the name that follows from it; its digest changes with that, so what
    it made before cannot be made again to the same pixels. StudioError where the name is taken or none, or where the
    model is damaged; nothing is changed then."""
    name = re.sub(r"[^a-z0-9.]+", "-", title.lower()).strip("-._")[:64].strip("-._")
    target = user_models() / name
    if not name or not title.strip():
        raise StudioError("A model needs a name with a letter or digit from a to z in it.")
    if not is_plain_name(name):
        raise StudioError(f"A model cannot be called {name}, which Windows takes for a device: choose another name.")
    if bundle.path.parent != user_models():
        raise StudioError(f"The model {bundle.name} came with the program and cannot be renamed.")
    if target.exists() and target.samefile(bundle.path):  # also "mine" of "Mine", where the disk makes no difference
        target, name = bundle.path, bundle.path.name
    elif any((folder / name).exists() for folder in models_folders()):
        raise AlreadyThere(f"A model {name} is already there; choose another name.", name)
    Bundle.open(bundle.path)
    try:
        manifest = json.loads((bundle.path / MANIFEST).read_bytes()) | {"name": name, "title": " ".join(title.split())}
        try:
            Manifest.model_validate_json(json.dumps(manifest))
        except ValueError as error:
            raise StudioError("This title cannot be used: take a shorter one, in a single line.") from error
        written = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
        if target == bundle.path:
            write_atomic(target / MANIFEST, written)
        else:
            _move_as(bundle.path, written, target)
    except OSError as error:
        raise StudioError(
            f"Cannot rename {bundle.path}: {error.strerror}. Check permissions and free space."
        ) from error
    return Bundle.open(target)


def _move_as(path: Path, manifest: bytes, target: Path) -> None:
    """Move a model to `target` with another manifest. It is copied: moved first or changed first, a kill between the
    two would leave a folder of another name than its model's."""
    temporary = Path(tempfile.mkdtemp(prefix=".import-", dir=target.parent))
    renamed = temporary / target.name
    try:
        renamed.mkdir()
        _copy_folder(path, renamed)
        write_atomic(renamed / MANIFEST, manifest)
        renamed.rename(target)
        try:
            path.rename(temporary / "previous")
        except OSError:
            target.rename(renamed)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _bundle_folders() -> list[Path]:
    bring_back(user_models())
    found: dict[str, Path] = {}
    for folder in models_folders():
        with suppress(OSError):
            for path in sorted(folder.iterdir()):
                if not path.name.startswith(".") and (path / MANIFEST).is_file():
                    found.setdefault(path.name, path)
    return list(found.values())


def _sweep(models: Path) -> None:
    """Delete what an import that was killed left behind."""
    for path in models.glob(".import-*"):
        with suppress(FileNotFoundError):  # its own process has just deleted it
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _copy_folder(source: Path, target: Path) -> None:
    for name in [MANIFEST, *Bundle.open(source).manifest.files]:
        with (source / name).open("rb") as file:
            _write(target / name, file)


class _Modest(io.BufferedReader):
    """Refuses reads over 1 MiB, so that a hostile central directory cannot exhaust memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        asked = _MOST_AT_ONCE + 1 if size is None or size < 0 else size
        data = super().read(min(asked, _MOST_AT_ONCE + 1))
        if len(data) > _MOST_AT_ONCE:
            raise zipfile.BadZipFile
        return data


def _unpack(source: Path, target: Path) -> None:
    """Unpack a .primebundle, member by member, each by a name that cannot leave `target`."""
    try:
        with _Modest(io.FileIO(source)) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_members(source, members)
            for member in members:
                with archive.open(member) as content:
                    _write(target / member.filename, content)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
        refuse(source, f"it is not a whole {SUFFIX} file; get it again from where it came")


def _check_members(source: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_FILES + 1:
        refuse(source, f"it holds {len(members):,} files, more than any model has; get it again from where it came")
    seen = set()
    for member in members:
        name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
        if not is_plain_name(name) or kind not in (0, stat.S_IFREG):
            refuse(source, f"it holds {shown(name)}, which is not a plain file at the top level; get it again")
        if name.lower() in seen:
            refuse(source, f"it holds {shown(name)} twice; get it again from where it came")
        seen.add(name.lower())
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            refuse(source, f"{name} in it is encrypted or packed in an unknown way; get it again from where it came")
        if member.file_size > max(_FREE_RATIO, MAX_RATIO * member.compress_size):
            refuse(source, f"{name} in it unpacks to {member.file_size:,} bytes, which no model does; do not trust it")
    # Members may overlap in the file, so the sum is held against the whole of it too.
    total = sum(member.file_size for member in members)
    if total > min(MAX_FILE_BYTES, MAX_RATIO * source.stat().st_size + _FREE_RATIO * 4):
        refuse(source, f"it unpacks to {total:,} bytes, which no model does; do not trust it")


def _write(path: Path, source: IO[bytes]) -> None:
    with path.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
