"""The data that training would learn from: made ready by another process, then looked at from disk."""

import asyncio
import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from studio.datasets.store import Dataset
from studio.errors import StudioError
from studio.media.gapped import valid
from studio.processes import child
from studio.ui.words import count

BATCHES = ("data_batch_", "test_batch")
"""How CIFAR's files are called."""
_PROBLEMS = {"unreadable": "unreadable", "tiny": "tiny or empty"}


class Source(QObject):
    """One dataset, or none. `changed` fires while it is read, when it is there and when it failed.

    folder: where datasets are kept, one for each source and shape.
    """

    changed = Signal()

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = folder
        self.path: Path | None = None
        self.grid: tuple[int, int] | None = None  # (height, width) of pictures, None for texts
        self.fit = "crop"
        self.column = ""
        self.dataset: Dataset | None = None
        self.reading = False
        self.counts: dict[str, int] = {}
        self.problem = ""
        self._turn = 0  # counts what was asked for: what comes late of another is dropped
        self._process: asyncio.subprocess.Process | None = None

    async def open(self, path: Path, grid: tuple[int, int] | None, fit: str = "crop", column: str = "") -> None:
        """Read the data anew; what was open before stays until the new data are there. A failure is in `problem`."""
        self._turn += 1
        turn = self._turn
        await self.cancel()
        if turn != self._turn:
            return
        self.path, self.grid, self.fit, self.column = path, grid, fit, column
        self.reading, self.problem, self.counts = True, "", {}
        self.changed.emit()
        dataset, problem = None, f"Reading {valid(path.name)} failed: open it again."
        try:
            dataset = await self._collect(path, turn)
            problem = ""
        except StudioError as error:
            problem = str(error)
        except OSError as error:
            problem = f"Reading {valid(path.name)} could not begin: {error.strerror}. Open it again."
        finally:
            if turn == self._turn:
                self.dataset, self.problem, self.reading = dataset, problem, False
                self.changed.emit()

    async def refuse(self, path: Path, problem: str) -> None:
        """Data of which it is known without reading them that they are none."""
        self._turn += 1
        await self.cancel()
        self.path, self.grid, self.column = path, None, ""
        self.dataset, self.reading, self.problem = None, False, problem
        self.changed.emit()

    async def _collect(self, path: Path, turn: int) -> Dataset | None:
        wanted = json.dumps([str(path.resolve()), self.grid, self.fit if self.grid else "", self.column])
        target = self.folder / f"{valid(path.stem)[:40]}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
        shape = ["--grid", *map(str, self.grid), "--fit", self.fit] if self.grid else []
        column = ["--column", self.column] if self.column else []
        command = [sys.executable, "-m", "studio.datasets", str(path), str(target), *shape, *column]
        last: dict[str, Any] = {}
        async with child(*command, stderr=asyncio.subprocess.DEVNULL) as process:
            if turn != self._turn:
                return None
            self._process = process
            assert process.stdout
            async for line in process.stdout:
                last = json.loads(line)
                if last["event"] == "progress" and turn == self._turn:
                    self.counts = last["counts"]
                    self.changed.emit()
            await process.wait()
        if last.get("event") == "error":
            raise StudioError(last["message"])
        if last.get("event") != "done":
            raise StudioError(f"Reading {path.name} was broken off: open it again.")
        return await asyncio.to_thread(Dataset, target)

    def look(self) -> None:
        """Let go of a dataset whose folder was removed under it."""
        if self.dataset is not None and not self.dataset.whole() and self.path is not None:
            self.dataset = None
            self.problem = f"What was made ready of {valid(self.path.name)} is gone from the disk: open the data again."
            self.changed.emit()

    def opened(self) -> Path | None:
        """The folder of the dataset that is there. StudioError while one is read."""
        if self.reading:
            raise StudioError("Data are being read: wait until they are there.")
        return self.dataset.folder if self.dataset else None

    async def cancel(self) -> None:
        """End the process that reads, if there is one."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def close(self) -> None:
        """End the process that reads; nobody waits for it any more."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def summary(self) -> str:
        """One line about what is there, or is being read."""
        counts = self.counts if self.reading or self.dataset is None else self.dataset.counts
        if self.reading:
            return f"Reading … {counts.get('kept', 0):,} so far"
        if self.dataset is None:
            return self.problem
        what = "picture" if self.dataset.kind == "pictures" else "text"
        parts = [count(counts["kept"], what)]
        parts += [f"{counts[kind]:,} {word}" for kind, word in _PROBLEMS.items() if counts[kind]]
        parts += [count(counts["duplicate"], "duplicate")] if counts["duplicate"] else []
        return " · ".join(parts)


def sources_of(paths: Sequence[Path]) -> Path | None:
    """What was dropped, if it can be training data: one folder, archive, table or text, or one of MNIST's or CIFAR's
    files. A single picture is none."""
    suffixes = (".zip", ".npz", ".parquet", ".jsonl", ".csv", ".tsv", ".gz", ".tgz", ".txt", ".md", "-ubyte")
    path = paths[0] if len(paths) == 1 else None
    if path is not None and (path.is_dir() or path.name.lower().endswith(suffixes) or path.name.startswith(BATCHES)):
        return path
    return None
