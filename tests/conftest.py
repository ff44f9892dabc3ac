"""Every test runs offscreen, in a home of its own, and may leave no thread behind."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# Other people's machines are slow at times: no deadline. The build server must not fail by chance.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point HOME, the XDG folders and PRIME_STUDIO_HOME to an empty folder; child processes find `studio`."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for name in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    monkeypatch.setenv("PRIME_STUDIO_HOME", str(home / "studio"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return home


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail the test that leaves a non-daemon thread running; what is ending gets two seconds."""
    before = set(threading.enumerate())
    yield
    limit = time.monotonic() + 2
    while left := [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]:
        if time.monotonic() > limit:
            pytest.fail(f"threads left running: {', '.join(thread.name for thread in left)}")
        left[0].join(0.05)
