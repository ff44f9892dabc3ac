"""What every maker of a model bundle does: a folder that appears whole or not at all, and its manifest."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from studio.errors import StudioError
from studio.files import cannot_write, write_atomic
from studio.runtime.format import FORMAT_VERSION, MANIFEST
from studio.runtime.replacing import bring_back, take_place


@contextmanager
def bundle_folder(output: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it takes the place of `output` on success and vanishes on failure.

    Raises StudioError where it cannot be written, and, before anything is made, where `output` is there and is no
    bundle.
    """
    check_replaceable(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        bring_back(output.parent)
        # Of this name, what is left by a process that was killed goes with a later import.
        folder = Path(tempfile.mkdtemp(prefix=f".import-{output.name}.", dir=output.parent))
    except OSError as error:
        raise cannot_write(output, error.strerror) from error
    try:
        yield folder
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.chmod(0o644)
        check_replaceable(output)
        take_place(folder, output)
    except (OSError, SafetensorError) as error:  # the second is what a full disk gives where weights are written
        raise cannot_write(output, str(getattr(error, "strerror", None) or error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_manifest(folder: Path, fields: dict[str, Any]) -> None:
    """Write manifest.json with `fields`, the format version, and size and checksum of every file in `folder`."""
    manifest = {"format_version": FORMAT_VERSION, **fields, "files": {}}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        manifest["files"][path.name] = {"sha256": sha256, "size": path.stat().st_size}
    write_atomic(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def check_replaceable(output: Path) -> None:
    """Raise StudioError where `output` is there and is no bundle."""
    if output.exists() and not (output / MANIFEST).exists():
        raise StudioError(f"{output} exists and is not a model bundle: choose another folder.")
