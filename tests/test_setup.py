"""Set-up: the `run` script with a scripted Python in place of the real one, and the promises of the lock files."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-train.lock", "requirements-dev.lock")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="run is a POSIX shell script")

# Notes every call that matters in calls.txt; fails where a file called fail-… stands.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
  "-c "*) exit 0 ;;
  -V) echo "Python 3.11.9" ;;
  "-m venv "*)
    if [ -e kill-at-venv ]; then kill -9 $PPID; exit 1; fi
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo venv >>calls.txt ;;
  "-m pip --version") exit 0 ;;
  "-m pip install "*)
    echo "$*" | sed 's/.*--no-input/pip/; s/ -qq//' >>calls.txt
    if [ -e kill-at-pip ]; then kill -9 $PPID; fi
    if [ -e slow-pip ]; then sleep 1; fi
    [ ! -e fail-pip ] ;;
  "-m compileall "*) : >compiled ;;
  "-m studio.preflight") [ ! -e fail-preflight ] || { echo "libGL is missing" >&2; echo libgl1; exit 1; } ;;
  *) echo "$*" >>calls.txt; echo "$*" ;;
esac
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with the real script, small lock files and nothing installed; its path has a space."""
    folder = tmp_path / "a project"
    folder.mkdir()
    shutil.copy(ROOT / "run", folder)
    for name in (*LOCKS, "constraints.txt"):
        (folder / name).write_text(f"{name}\n")
    python = folder / "fake-python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    tools = folder / "tools"  # what a bare machine has, but for apt-get and any Python
    tools.mkdir()
    for name in ("dirname", "cat", "cksum", "ls", "rm", "mkdir", "cp", "id", "sed", "sleep"):
        (tools / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    return folder


@pytest.fixture
def run(project: Path) -> Run:
    def start(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(project / "tools"), "STUDIO_PYTHON": "./fake-python"} | environ
        return subprocess.run(
            ["/bin/sh", "./run", *arguments],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return start


def calls(project: Path) -> list[str]:
    path = project / "calls.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line.replace(f"{project}/", "") for line in lines]


def test_the_first_start_installs_and_the_second_does_not(project: Path, run: Run) -> None:
    result = run("doctor", "--json")
    assert (result.returncode, result.stdout) == (0, "-m studio doctor --json\n")
    assert calls(project) == ["venv", "pip --no-deps -r requirements.lock", "-m studio doctor --json"]
    assert (project / "compiled").exists()
    result = run("a b", "*")
    assert result.stderr == ""
    assert calls(project) == ["-m studio a b *"]


def test_a_changed_lock_is_installed_into_the_same_environment(project: Path, run: Run) -> None:
    run()
    calls(project)
    (project / "requirements.lock").write_text("changed\n")
    run()
    assert calls(project) == ["pip --no-deps -r requirements.lock", "-m studio"]


def test_training_is_added_when_it_is_asked_for(project: Path, run: Run) -> None:
    run("train", "recipe.toml")
    assert calls(project) == [
        "venv",
        "pip --no-deps -r requirements.lock",
        "pip --no-deps -r requirements-train.lock",
        "pip torch -c constraints.txt",
        "-m studio train recipe.toml",
    ]
    run("export")
    assert calls(project) == ["-m studio export"]


def test_the_tests_get_everything_and_lint_comes_first(project: Path, run: Run) -> None:
    run("test")
    after_setup = [line for line in calls(project) if not line.startswith(("pip", "venv"))]
    assert [line.split()[1] for line in after_setup] == ["ruff", "ruff", "pyright", "pytest"]
    run("test", "-k", "one and two")
    assert calls(project) == ["-m pytest -k one and two"]


def test_an_installation_that_was_cut_short_begins_afresh(project: Path, run: Run) -> None:
    (project / "kill-at-pip").touch()
    assert run().returncode != 0
    assert (project / ".venv.busy").exists()
    (project / "kill-at-pip").unlink()
    calls(project)
    result = run()
    assert result.returncode == 0
    assert "cut short" in result.stderr
    assert calls(project) == ["venv", "pip --no-deps -r requirements.lock", "-m studio"]
    assert not (project / ".venv.busy").exists()


@pytest.mark.parametrize("busy", [False, True])
def test_a_folder_with_other_things_keeps_them(project: Path, run: Run, busy: bool) -> None:
    (project / "letters").mkdir()
    (project / "letters" / "to mother").touch()
    if busy:  # of a set-up in a folder that is gone since
        (project / "letters.busy").write_text("999999999")
    result = run("doctor", STUDIO_VENV="letters")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "letters holds other things: set STUDIO_VENV to a new folder."
    assert [path.name for path in (project / "letters").iterdir()] == ["to mother"]
    assert calls(project) == [] and not (project / "letters.busy").exists()


def test_an_environment_that_was_hardly_begun_is_known_as_ours(project: Path, run: Run) -> None:
    (project / "kill-at-venv").touch()
    run()
    assert [path.name for path in (project / ".venv").iterdir()] == ["pyvenv.cfg"]
    (project / ".venv" / "lib").mkdir()
    (project / "kill-at-venv").unlink()
    assert run().returncode == 0
    assert not (project / ".venv" / "lib").exists()


def test_an_environment_of_another_python_is_made_anew(project: Path, run: Run) -> None:
    old = project / ".venv" / "bin" / "python"
    old.parent.mkdir(parents=True)
    (project / ".venv" / "pyvenv.cfg").touch()
    (project / ".venv" / "letter").touch()
    old.write_text(FAKE_PYTHON.replace('"-c "*) exit 0', '"-c "*) exit 1'))
    old.chmod(0o755)
    assert run().returncode == 0
    assert calls(project)[0] == "venv"
    assert old.read_text() == FAKE_PYTHON
    assert (project / ".venv" / "letter").exists()


def test_a_second_start_waits_for_the_first(project: Path, run: Run) -> None:
    (project / "slow-pip").touch()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, ("one", "two")))
    assert [result.returncode for result in results] == [0, 0]
    assert "Waiting for another ./run" in results[0].stderr + results[1].stderr
    assert sorted(calls(project)) == ["-m studio one", "-m studio two", "pip --no-deps -r requirements.lock", "venv"]


def test_a_failing_pip_is_one_sentence_and_the_next_start_goes_on(project: Path, run: Run) -> None:
    (project / "fail-pip").touch()
    result = run()
    assert result.returncode == 1
    assert "Installing the Python packages failed; check the network" in result.stderr
    assert "-m studio" not in calls(project)
    (project / "fail-pip").unlink()
    assert run().returncode == 0
    assert calls(project) == ["pip --no-deps -r requirements.lock", "-m studio"]


def test_no_python_is_one_sentence(run: Run) -> None:
    result = run(STUDIO_PYTHON="")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("Python 3.11 to 3.14 with its venv module is needed")


def test_the_python_that_is_named_is_the_one_that_is_used(project: Path, run: Run) -> None:
    (project / "tools" / "python3").symlink_to(project / "fake-python")
    result = run(STUDIO_PYTHON="./no such python")
    assert result.returncode == 1
    assert result.stderr.startswith("STUDIO_PYTHON names ./no such python, which will not do: Python 3.11 to 3.14 with")
    assert calls(project) == []
    (project / "my python").write_text(FAKE_PYTHON + "# mine")
    (project / "my python").chmod(0o755)
    assert run(STUDIO_PYTHON="./my python").returncode == 0
    assert (project / ".venv" / "bin" / "python").read_text().endswith("# mine")


@pytest.mark.parametrize("flag", ["--help", "--version", "-h"])
def test_questions_about_the_program_install_nothing(project: Path, run: Run, flag: str) -> None:
    assert run(flag).stdout == f"-m studio {flag}\n"
    assert calls(project) == [f"-m studio {flag}"]
    assert run(flag, STUDIO_PYTHON="./no-such-python").returncode == 1
    without = run(flag, STUDIO_PYTHON="")
    assert without.returncode == 0 and without.stdout.startswith("./run ") and "STUDIO_VENV" in without.stdout
    assert not (project / ".venv").exists()


def test_missing_libraries_stop_the_window_and_the_tests_only(project: Path, run: Run) -> None:
    (project / "fail-preflight").touch()
    assert run(DISPLAY=":0").returncode == 1
    assert run("test").returncode == 1
    assert run("inpaint").returncode == 0
    assert run().returncode == 0
    assert [line for line in calls(project) if line.startswith("-m")] == ["-m studio inpaint", "-m studio"]


@pytest.mark.parametrize("user", ["0", "1000"])
def test_root_installs_the_libraries_and_others_are_told_how(project: Path, run: Run, user: str) -> None:
    (project / "fail-preflight").touch()
    for name, body in (("apt-get", 'echo "apt-get $*" >>calls.txt'), ("id", f"echo {user}")):
        tool = project / "tools" / name
        tool.unlink(missing_ok=True)
        tool.write_text(f"#!/bin/sh\n{body}\n")
        tool.chmod(0o755)
    result = run(DISPLAY=":0")
    started = calls(project)[2:]
    if user == "0":
        assert started == [
            "apt-get update -qq",
            "apt-get install -y -qq --no-install-recommends libgl1",
            "-m studio",
        ]
    else:
        assert (result.returncode, started) == (1, [])
        assert "Please run:  sudo apt-get install --no-install-recommends libgl1" in result.stderr


def test_it_starts_from_any_folder(project: Path, tmp_path: Path, run: Run) -> None:
    """Names of files are relative to where the user stands, not to the project."""
    run()
    environment = os.environ | {"STUDIO_PYTHON": "false"}
    command = [str(project / "run"), "inpaint", "here.png"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.stdout == "-m studio inpaint here.png\n"
    assert (tmp_path / "calls.txt").exists()


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ \\]+)", text, re.MULTILINE))


def test_the_locks_pin_and_hash_every_requirement() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for lock, requirements in zip(LOCKS, (project["dependencies"], extras["train"], extras["dev"]), strict=True):
        names = {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in requirements} - {"torch"}
        assert names <= pins(lock).keys(), f"run packaging/lock.sh to renew {lock}"
        blocks = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
        assert all("--hash=sha256:" in block for block in blocks if not block.startswith("#"))
        assert "://" not in (ROOT / lock).read_text()


def test_torch_is_pinned_apart() -> None:
    assert (ROOT / "constraints.txt").read_text().strip() == "torch==2.13.0"
    locked = {name for lock in LOCKS for name in pins(lock)}
    assert not [name for name in locked if name == "torch" or name.startswith(("nvidia-", "triton"))]


def test_one_onnxruntime_and_no_bad_version() -> None:
    import onnxruntime

    assert hasattr(onnxruntime, "InferenceSession")
    assert (pins(LOCKS[0])["onnxruntime"], pins(LOCKS[0])["onnxruntime-gpu"]) != ("1.27.0", "1.27.0")
    lines = [line for line in (ROOT / LOCKS[0]).read_text().splitlines() if line.startswith("onnxruntime")]
    from packaging.markers import Marker

    for platform, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("win32", "AMD64"), ("darwin", "arm64")):
        where = {"sys_platform": platform, "platform_machine": machine}
        markers = [Marker(line.partition(";")[2].rstrip(" \\")) for line in lines]
        assert sum(marker.evaluate(where) for marker in markers) == 1


def test_the_window_toolkit_is_one_that_does_not_abort() -> None:
    assert tuple(map(int, pins(LOCKS[0])["pyside6-essentials"].split("."))) < (6, 12)


@pytest.mark.parametrize("script", ["run", ".ci/run", "packaging/lock.sh"])
def test_the_scripts_are_executable_and_parse(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert subprocess.run(["/bin/sh", "-n", str(path)], check=False).returncode == 0


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "studio", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_folder_that_takes_no_packages_is_said_with_the_way_out(run: Run) -> None:
    result = run("doctor", STUDIO_VENV="/dev/null/venv")
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith(
        "Cannot write to /dev/null: free some space, or set STUDIO_VENV to a folder of your own"
    )
