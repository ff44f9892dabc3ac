"""A published picture network at full size: what its import and one forward take. No test: it takes minutes.

python -m tests.training.full_size

Figures to expect on two idle cores: import under 60 s and 3 GB, ONNX Runtime at most 1.1 times PyTorch eager.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser
from studio.training.importing import load_network, read_published
from tests.training.published import network, picture_state, save

CIFAR10 = {"digit_width": 48, "widths": [288, 384, 384], "blocks": [5, 5, 5], "dropout": 0.4}
SETTINGS = {"dataset": "cifar10", "schedule_n": 3.0, "seq_length": 3072}


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = save(folder / "full.pth", picture_state(network("unet", 2, **CIFAR10), SETTINGS))
        command = [sys.executable, "-m", "studio", "import", str(path), "-o", str(folder / "model"), "--quiet"]
        wall, _ = seconds(lambda: subprocess.run(command, check=True))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(
            f"import: {wall:.0f} s, {used.ru_utime:.0f} s of processor time, {used.ru_maxrss / 1e6:.2f} GB at the peak"
        )

        ours = load_network(read_published(path))
        denoise = OnnxDenoiser(Bundle.open(folder / "model"), "cpu", threads=torch.get_num_threads())
        y, rows = np.random.default_rng(0).integers(0, 17, (1, 3072, 2)), np.arange(3072)

        def eager() -> None:
            with torch.no_grad():
                ours(torch.from_numpy(y), torch.from_numpy(rows))

        calls: dict[str, Callable[[], object]] = {"PyTorch eager": eager, "ONNX Runtime": lambda: denoise(y, rows)}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
        for _ in range(6):  # in turn, so that a busy machine slows both
            for name, call in calls.items():
                times[name].append(seconds(call))
        for name, taken in times.items():
            wall, processor = np.median(taken[1:], axis=0)
            print(f"{name}: {wall:.2f} s a forward, {processor:.2f} s of processor time")


if __name__ == "__main__":
    main()
