"""What every maker of a model bundle does: a folder that appears whole or not at all, and its manifest."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.errors import StudioError
from studio.files import cannot_write, write_atomic

FORMAT_VERSION = 1


@contextmanager
def bundle_folder(output: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it takes the place of `output` on success and vanishes on failure.

    Raises StudioError, before anything is made, where `output` is there and is no bundle, or cannot be written.
    """
    check_replaceable(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        # Of this name, what is left by a process that was killed goes with a later import.
        folder = Path(tempfile.mkdtemp(prefix=f".import-{output.name}.", dir=output.parent))
    except OSError as error:
        raise cannot_write(output, error.strerror) from error
    try:
        yield folder
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.chmod(0o644)
        _replace(folder, output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_manifest(folder: Path, fields: dict[str, Any]) -> None:
    """Write manifest.json with `fields`, the format version, and size and checksum of every file in `folder`."""
    manifest = {"format_version": FORMAT_VERSION, **fields, "files": {}}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        manifest["files"][path.name] = {"sha256": sha256, "size": path.stat().st_size}
    write_atomic(folder / "manifest.json", (json.dumps(manifest, indent=1) + "\n").encode())


def check_replaceable(output: Path) -> None:
    """Raise StudioError where `output` is there and is no bundle."""
    if output.exists() and not (output / "manifest.json").exists():
        raise StudioError(f"{output} exists and is not a model bundle: choose another folder.")


def _replace(folder: Path, output: Path) -> None:
    """Move the finished folder into place; what was there goes only once the new one stands."""
    check_replaceable(output)
    old = output.with_name(f".{output.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if output.exists():
        output.rename(old)
    folder.rename(output)
    shutil.rmtree(old, ignore_errors=True)
