"""Tiny bundles that the tests build themselves."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.runtime.external_data import external_data

LENGTH, BASE, VOCAB, TOKENS = 2, 2, 4, 4


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Folder:
    """A bundle folder in the making: edit the manifest or the files, then `seal` it with right sums."""

    def __init__(self, path: Path, manifest: dict[str, Any]):
        self.path, self.manifest = path, manifest

    def seal(self, *names: str) -> Path:
        """List `names` with the sizes and sums they have now, and write the manifest."""
        for name in names:
            file = self.path / name
            self.manifest["files"][name] = {"sha256": sha256(file), "size": file.stat().st_size}
        return self.write()

    def write(self) -> Path:
        (self.path / "manifest.json").write_text(json.dumps(self.manifest, indent=1), encoding="utf-8")
        return self.path


def network(table: np.ndarray) -> Any:
    """logits[n] = sum over the digits of token rows[n] of table[place * (b + 1) + digit]; the table lies outside."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    def constant(name: str, value: Any) -> Any:
        return onnx.numpy_helper.from_array(np.asarray(value, dtype=np.int64), name)

    weights = TensorProto(name="table", data_type=TensorProto.FLOAT, dims=table.shape)
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.safetensors"), ("offset", "8"), ("length", str(table.nbytes))):
        weights.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["y", "flat"], ["tokens"]),
            helper.make_node("Gather", ["tokens", "rows"], ["digits"]),
            helper.make_node("Add", ["digits", "places"], ["index"]),
            helper.make_node("Gather", ["table", "index"], ["parts"]),
            helper.make_node("ReduceSum", ["parts", "axis"], ["logits"], keepdims=0),
        ],
        "tiny",
        [
            helper.make_tensor_value_info("y", TensorProto.INT64, ["B", "L", LENGTH]),
            helper.make_tensor_value_info("rows", TensorProto.INT64, ["n"]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", VOCAB])],
        [weights, constant("flat", [-1, LENGTH]), constant("places", [0, BASE + 1]), constant("axis", [1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.fixture
def table() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(LENGTH * (BASE + 1), VOCAB)).astype(np.float32)


@pytest.fixture
def make_folder(tmp_path: Path, table: np.ndarray) -> Callable[..., Folder]:
    """make_folder(name="tiny", **manifest fields): a good bundle of a 2 × 2 picture model, sealed."""

    def make(name: str = "tiny", where: Path | None = None, **fields: Any) -> Folder:
        path = (where or tmp_path) / name
        path.mkdir(parents=True)
        model = network(table).SerializeToString()
        assert [entry["location"] for entry in external_data(model)] == ["weights.safetensors"]
        (path / "denoiser.onnx").write_bytes(model)
        (path / "weights.safetensors").write_bytes(bytes(8) + table.tobytes())
        colors = [[0, 0, 0], [80, 80, 80], [160, 160, 160], [255, 255, 255]]
        (path / "palette.json").write_text(json.dumps({"colors": colors}))
        manifest = {
            "format_version": 1,
            "name": name,
            "title": "A tiny model",
            "description": "For tests",
            "modality": "image",
            "grid": [2, 2],
            "num_tokens": TOKENS,
            "vocab_size": VOCAB,
            "length": LENGTH,
            "base": BASE,
            "granularities": [1, 2],
            "schedule": "linear",
            "tokenizer": {"kind": "palette", "file": "palette.json"},
            "defaults": {
                "steps": 4,
                "schedule": "cosine",
                "policy": "confidence",
                "granularity": 1,
                "temperature": 0.9,
            },
            "licence": "Apache-2.0",
            "notices": ["Made by a test"],
            "network": {"kind": "table"},
            "training": {},
            "evaluation": {},
            "likelihood": None,
            "files": {},
        }
        folder = Folder(path, manifest | fields)
        folder.seal("denoiser.onnx", "weights.safetensors", "palette.json")
        return folder

    return make


@pytest.fixture
def folder(make_folder: Callable[..., Folder]) -> Folder:
    return make_folder()
