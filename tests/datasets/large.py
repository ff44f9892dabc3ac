"""A million pictures and gigabytes of text: the memory and time that they take to be opened and made ready.

    PYTHONPATH=. python tests/datasets/large.py FOLDER [pictures|files|zip|texts ...] [--count N] [--gigabytes G]

Makes the data in FOLDER (a million pictures as an IDX file, as files or as a zip of them; texts in files of 64 MB),
opens each as the window does and makes it ready as a run does, each in a process of its own, and deletes all again.
Needs some 16 GB of disk and many minutes, so that no test runs it.
"""

import argparse
import io
import json
import shutil
import struct
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 16
READY = """
import sys, time
from pathlib import Path
from studio.training.prepare import prepare
from studio.training.presets import new_model
from studio.training.data import batch_indices
from torch import Generator
from dataclasses import replace
modality, source, run, side = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
recipe = new_model("large", modality, "tiny", **({"grid": (side, side)} if modality == "image" else {}))
recipe = replace(recipe, data=replace(recipe.data, train=source))
prepared = prepare(recipe, run)
generator = Generator().manual_seed(0)
started = time.perf_counter()
for step in range(200):
    prepared.data.batch(batch_indices(len(prepared.data), recipe.training.batch, step, 0), generator)
print(len(prepared.data), "samples;", round((time.perf_counter() - started) * 5, 2), "ms a batch")
"""


def measured(*command: str) -> tuple[float, int, str]:
    """(seconds, most MB, last line of the output) of a process that must succeed; mapped files do not count."""
    started, most = time.monotonic(), 0
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def look() -> None:
        nonlocal most
        while process.poll() is None:
            with suppress(OSError):  # it may end between two looks
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                most = max([most, *(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))])
            time.sleep(0.02)

    looking = threading.Thread(target=look)
    looking.start()
    output, _ = process.communicate()
    looking.join()
    last = output.splitlines()[-1] if output else ""
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:4])} … failed: {last}")
    return time.monotonic() - started, most // 1024, last


def png(number: int, buffer: io.BytesIO = io.BytesIO()) -> bytes:  # noqa: B008
    """A small picture, each number another one."""
    colours = np.frombuffer(number.to_bytes(4, "big") * 3, np.uint8).reshape(2, 2, 3)
    buffer.seek(0)
    buffer.truncate()
    Image.fromarray(colours.repeat(SIDE // 2, 0).repeat(SIDE // 2, 1)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def make_pictures(folder: Path, count: int) -> Path:
    path, rng = folder / "train-images-idx3-ubyte", np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(b"\0\0\x08\x03" + struct.pack(">3I", count, SIDE, SIDE))
        for start in range(0, count, 10_000):
            file.write(rng.integers(0, 256, (min(10_000, count - start), SIDE, SIDE), dtype=np.uint8).tobytes())
    return path


def make_files(folder: Path, count: int) -> Path:
    """All in one folder: the hardest case."""
    path = folder / "files"
    path.mkdir()
    for number in range(count):
        (path / f"{number:07}.png").write_bytes(png(number))
    return path


def make_zip(folder: Path, count: int) -> Path:
    path = folder / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number // 1000:04}/{number:07}.png", png(number))
    return path


def make_texts(folder: Path, gigabytes: float) -> Path:
    """Lines of words that are frequent as those of a language are."""
    path, rng = folder / "texts", np.random.default_rng(0)
    path.mkdir()
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    words = np.array(["".join(rng.choice(letters[: rng.integers(8, 27)], rng.integers(1, 11))) for _ in range(20_000)])
    share = 1 / np.arange(1, len(words) + 1)
    for number in range(max(1, round(gigabytes * 16))):
        with (path / f"{number:04}.txt").open("w") as file:
            while file.tell() < 1 << 26:
                drawn = rng.choice(words, 200_000, p=share / share.sum())
                file.write("\n".join(" ".join(line) for line in drawn.reshape(-1, 20)) + "\n")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("kinds", nargs="*", default=["pictures", "files", "zip", "texts"])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--gigabytes", type=float, default=4)
    args = parser.parse_args()
    make: dict[str, Any] = {"pictures": make_pictures, "files": make_files, "zip": make_zip, "texts": make_texts}
    for kind in args.kinds:
        folder = args.folder / f"large-{kind}"
        folder.mkdir(parents=True)
        try:
            source = make[kind](folder, args.gigabytes if kind == "texts" else args.count)
            size = sum(file.stat().st_size for file in (source.rglob("*") if source.is_dir() else [source]))
            shape = [] if kind == "texts" else ["--grid", str(SIDE), str(SIDE)]
            command = [sys.executable, "-m", "studio.datasets", str(source), str(folder / "dataset"), *shape]
            seconds, peak, last = measured(*command)
            counts = json.loads(last)["counts"]
            print(f"{kind}: {size / 1e9:.2f} GB, {counts}: opened in {seconds:.0f} s, {peak} MB at most", flush=True)
            modality = "text" if kind == "texts" else "image"
            run = [modality, str(folder / "dataset"), str(folder / "run"), str(SIDE)]
            seconds, peak, last = measured(sys.executable, "-c", READY, *run)
            print(f"{kind}: made ready in {seconds:.0f} s: {last}; {peak} MB at most", flush=True)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
