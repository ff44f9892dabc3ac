"""The house of CONTRIBUTING.md: who may import whom. Every import statement counts, lazy ones too."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LEAVES = {"errors", "figures", "files", "preflight", "processes", "shipped"}
MIDDLE = {"media", "runtime", "prime"}
DOORS = {"datasets", "evaluation", "generation", "library", "quality", "training"} | MIDDLE

# Room -> the rooms of ours that it may import beside itself.
ARROWS: dict[str, set[str]] = {
    "": set(),
    "__main__": {"cli"},
    "errors": set(),
    "figures": set(),
    "files": {"errors"},
    "preflight": set(),
    "processes": set(),
    "shipped": set(),
    "prime": set(),
    "media": {"prime", "errors", "files"},
    "runtime": {"prime", "errors", "files", "shipped"},
    "generation": MIDDLE | LEAVES,
    "library": {"generation"} | MIDDLE | LEAVES,
    "evaluation": {"generation"} | MIDDLE | LEAVES,
    "quality": {"generation"} | MIDDLE | LEAVES,
    "datasets": {"media", "errors", "files"},
    "training": {"datasets"} | MIDDLE | LEAVES,
    "commands": DOORS | LEAVES | {"cli", "ui"},
    "cli": DOORS | LEAVES | {"commands"},
    "ui": DOORS | LEAVES,
}

# What the window may import of training: it does without torch.
LIGHT = {"client", "presets", "recipe", "run_folder", "storage", "validation"}

# Rooms of the window that know nothing of each other.
WORKSPACES = {"image", "text", "train", "gallery", "models"}

# Package of others -> the rooms, or single modules, that may import it.
# Training runs where pydantic is missing, so what it imports must do without.
TORCH = {"training"}
QT = {"ui"}
HOMES: dict[str, set[str]] = {
    "torch": TORCH,
    "accelerate": TORCH,
    "onnx": TORCH,
    "onnxscript": TORCH,
    "tensorboard": TORCH,
    "pyarrow": {"datasets.parquet"},
    "onnxruntime": {"runtime"},
    "PySide6": QT,
    "pyqtgraph": QT,
    "qasync": QT,
    "pydantic": {"runtime.bundle", "generation", "library", "commands", "ui"},
}


def sources() -> list[Path]:
    return sorted((ROOT / "studio").rglob("*.py"))


def module_name(path: Path) -> str:
    """`studio/media/images.py` -> `media.images`; the package itself is ''."""
    parts = path.relative_to(ROOT / "studio").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> list[str]:
    """Full names of everything that the file imports, but for what only the type checker sees."""
    found: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                visit(other)
            return
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            found.extend(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def breach(module: str, imported: str) -> str | None:
    """Say which rule the import breaks, or None."""
    room = module.partition(".")[0]
    first, _, rest = imported.partition(".")
    if first == "studio":
        other = rest.partition(".")[0]
        if not (ROOT / "studio" / other).exists() and not (ROOT / "studio" / f"{other}.py").exists():
            return None  # a name of studio/__init__.py
        if other not in ARROWS[room] | {room}:
            return f"{room or 'studio'} must not import {other}"
        if room == "ui" and other == "training" and rest.split(".")[1:2] not in [[name] for name in LIGHT]:
            return f"of training the window imports {', '.join(sorted(LIGHT))} only, which do without torch"
        if room == other == "ui":
            one, two = module.split(".")[1], imported.split(".")[2]
            if one in WORKSPACES and two in WORKSPACES and one != two:
                return f"what {one} and {two} share belongs to the root of ui or to its widgets"
    elif room == "prime" and first != "numpy" and first not in sys.stdlib_module_names:
        return "prime imports numpy only"
    elif first in HOMES and not any(f"{module}.".startswith(f"{home}.") for home in HOMES[first]):
        return f"{first} is imported in {', '.join(sorted(HOMES[first]))} only"
    return None


@pytest.mark.parametrize("path", sources(), ids=lambda path: module_name(path) or "studio")
def test_imports_follow_the_arrows(path: Path) -> None:
    module = module_name(path)
    assert module.partition(".")[0] in ARROWS, f"say in tests/test_layers.py where {module} stands"
    assert [f"{name}: {rule}" for name in imports(path) if (rule := breach(module, name))] == []


def test_the_rules_bite() -> None:
    assert breach("prime.sampling", "scipy.special")
    assert breach("prime.sampling", "studio.errors.StudioError")
    assert breach("media.images", "studio.runtime.bundle")
    assert breach("commands.train", "torch")
    assert breach("generation", "onnxruntime")
    assert breach("training.export", "onnxruntime")
    assert breach("runtime.denoiser", "pydantic.BaseModel")
    assert breach("ui.train.panel", "studio.training.trainer")
    assert breach("ui.train.plan", "studio.ui.models.facts")
    assert not breach("ui.train.panel", "studio.training.client.start")
    assert not breach("ui.workspaces", "studio.ui.models.workspace")
    assert not breach("cli", "studio.__version__")


def test_no_file_grows_past_400_lines() -> None:
    lengths = {module_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def run_python(code: str) -> None:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_command_line_starts_light() -> None:
    heavy = ("torch", "PySide6", "onnxruntime", "pydantic", "PIL", "tokenizers")
    run_python(f"import sys, studio.cli; loaded = set({heavy!r}) & set(sys.modules); assert not loaded, loaded")


def test_engine_imports_neither_torch_nor_qt() -> None:
    modules = [
        f"studio.{module_name(path)}" for path in sources() if module_name(path).startswith(("prime", "runtime"))
    ]
    run_python(
        f"import sys, {', '.join(modules)}\n"
        "loaded = {'torch', 'PySide6'} & set(sys.modules); assert not loaded, loaded"
    )


def test_what_the_window_takes_of_training_is_light() -> None:
    modules = ["studio.datasets.store", *(f"studio.training.{name}" for name in sorted(LIGHT))]
    run_python(f"import sys\nsys.modules['torch'] = sys.modules['pydantic'] = None\nimport {', '.join(modules)}")


def test_training_does_without_pydantic_and_qt() -> None:
    modules = [
        f"studio.{module_name(path)}"
        for path in sources()
        if module_name(path).startswith("training") and path.name != "__main__.py"
    ]
    run_python(f"import sys\nsys.modules['pydantic'] = sys.modules['PySide6'] = None\nimport {', '.join(modules)}")
