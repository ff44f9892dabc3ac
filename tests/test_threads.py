"""What the package asks of the libraries below it."""

import subprocess
import sys
from os import environ
from pathlib import Path

import pytest

COUNT = """
import studio, numpy, os
large = numpy.ones((600, 600), dtype=numpy.float32)
large @ large
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_numpy_multiplies_in_the_thread_that_asks():
    plain = {name: value for name, value in environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", COUNT], env=plain, capture_output=True, text=True, check=True)
    assert int(done.stdout) == 1
