"""Tiny bundles that tests of more than one room build: a table for a network, but whole and real otherwise."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.media.texts import train_tokenizer

GRID, LENGTH, CONTEXT = 8, 4, 48
GREY = [[value, value, value] for value in range(0, 256, 17)]
LINES = [
    "Once upon a time there lived a king who had three daughters.",
    "The wind blew hard and joggled the water of the ocean, sending ripples across its surface.",
    "There was once a fisherman who was called Salmon, and his Christian name was Matte.",
] * 8


def network(table: np.ndarray, tokens: int | str) -> bytes:
    """An ONNX file: logits[n] = sum over the digits of token rows[n] of table[place, digit], (ℓ, b + 1, C)."""
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    length, values, classes = table.shape
    constants = {
        "table": table.reshape(-1, classes).astype(np.float32),
        "flat": np.array([-1, length]),
        "places": np.arange(length) * values,
        "axis": np.array([1]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["y", "flat"], ["states"]),
            helper.make_node("Gather", ["states", "rows"], ["digits"]),
            helper.make_node("Add", ["digits", "places"], ["index"]),
            helper.make_node("Gather", ["table", "index"], ["parts"]),
            helper.make_node("ReduceSum", ["parts", "axis"], ["logits"], keepdims=0),
        ],
        "tiny",
        [
            helper.make_tensor_value_info("y", TensorProto.INT64, ["B", tokens, length]),
            helper.make_tensor_value_info("rows", TensorProto.INT64, ["n"]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


def _seal(folder: Path, manifest: dict[str, Any]) -> Path:
    manifest["files"] = {
        file.name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "size": file.stat().st_size}
        for file in sorted(folder.iterdir())
        if file.name != "manifest.json"
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _manifest(name: str, base: int, length: int, **fields: Any) -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": name,
        "title": f"A tiny model, {name}",
        "length": length,
        "base": base,
        "schedule": "linear",
        "defaults": {"steps": 6, "schedule": "linear", "policy": "confidence", "granularity": 1, "temperature": 0.9},
        "licence": "Apache-2.0",
        **fields,
    }


def _table(length: int, base: int, classes: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(length, base + 1, classes))


def picture_bundle(folder: Path, name: str = "emoji-32") -> Path:
    """A model of 8 × 8 pictures in 16 greys, b = 2, ℓ = 4, trained for granularities 1 and 4."""
    path = folder / name
    path.mkdir(parents=True)
    (path / "denoiser.onnx").write_bytes(network(_table(LENGTH, 2, 16), GRID * GRID))
    (path / "palette.json").write_text(json.dumps({"colors": GREY}), encoding="utf-8")
    fields = {"modality": "image", "grid": [GRID, GRID], "num_tokens": GRID * GRID, "vocab_size": 16}
    tokenizer = {"kind": "palette", "file": "palette.json"}
    return _seal(path, _manifest(name, 2, LENGTH, granularities=[1, 4], tokenizer=tokenizer, **fields))


def text_bundle(folder: Path, name: str = "storybook") -> Path:
    """A model of texts of up to 48 tokens, 300 pieces, b = 7, ℓ = 3 (343 codes), granularities 1 and 3."""
    path = folder / name
    path.mkdir(parents=True)
    tokenizer = train_tokenizer(LINES, 300)
    tokenizer.save(str(path / "tokenizer.json"))
    (path / "denoiser.onnx").write_bytes(network(_table(3, 7, 300), "L"))
    fields = {"modality": "text", "grid": [CONTEXT], "num_tokens": CONTEXT, "vocab_size": 300}
    return _seal(
        path,
        _manifest(name, 7, 3, granularities=[1, 3], tokenizer={"kind": "bpe", "file": "tokenizer.json"}, **fields),
    )


def fake_worker(folder: Path) -> Path:
    """An executable for STUDIO_TRAIN_PYTHON: tests/fake_worker.py in place of the training process."""
    root = Path(__file__).resolve().parent.parent
    path = folder / "fake-python"
    command = f"PYTHONPATH='{root}' exec '{sys.executable}' '{root}/tests/fake_worker.py' \"$@\""
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)
    return path
