import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import StudioError
from studio.runtime import bundle as module
from studio.runtime import external_data as external_data_module
from studio.runtime.bundle import Bundle, Manifest
from studio.runtime.denoiser import OnnxDenoiser
from studio.runtime.external_data import _FIELDS, external_data


def refused(path: Path) -> str:
    """The one sentence with which a bundle is refused."""
    with pytest.raises(StudioError) as caught:
        Bundle.open(path)
    message = str(caught.value)
    assert message.startswith("Cannot use the model ") and message.endswith(".")
    assert "\n" not in message and len(message) < 400
    assert not any(word in message for word in ("Traceback", "Error", "Exception", "pydantic", "errno"))
    return message


def edit_network(folder: Any, edit: Callable[[Any], None]) -> Path:
    """Change the ONNX model by `edit` and seal the bundle again, so that only the change is wrong."""
    onnx = pytest.importorskip("onnx")
    file = folder.path / "denoiser.onnx"
    model = onnx.ModelProto.FromString(file.read_bytes())
    edit(model)
    file.write_bytes(model.SerializeToString())
    return folder.seal("denoiser.onnx")


def set_place(tensor: Any, **place: str) -> None:
    for entry in tensor.external_data:
        entry.value = place.pop(entry.key, entry.value)
    for key, value in place.items():
        tensor.external_data.add(key=key, value=value)


def test_a_good_bundle(folder: Any) -> None:
    bundle = Bundle.open(folder.path)
    assert (bundle.name, bundle.num_tokens, bundle.path) == ("tiny", 4, folder.path)
    assert (bundle.subtokens.vocab_size, bundle.subtokens.length, bundle.subtokens.base) == (4, 2, 2)
    assert bundle.file("palette.json").is_file()
    assert len(bundle.digest) == 64
    assert bundle.manifest.grid == (2, 2)
    with pytest.raises(KeyError):
        bundle.file("../palette.json")
    assert Manifest.model_validate_json(bundle.manifest.model_dump_json()) == bundle.manifest


def test_unlisted_files_do_not_matter(folder: Any) -> None:
    before = Bundle.open(folder.path).digest
    (folder.path / "notes.txt").write_text("mine")
    assert Bundle.open(folder.path).digest == before


# Files


def test_no_manifest(tmp_path: Path) -> None:
    assert "manifest.json is missing" in refused(tmp_path)
    assert "manifest.json is missing" in refused(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "manifest.json is missing" in refused(tmp_path / "file")


@pytest.mark.parametrize("name", ["denoiser.onnx", "weights.safetensors", "palette.json"])
def test_missing_file(folder: Any, name: str) -> None:
    (folder.path / name).unlink()
    assert f"{name} is missing; import the model again" in refused(folder.path)


def test_wrong_size(folder: Any) -> None:
    with (folder.path / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    assert "weights.safetensors has 105 bytes instead of 104; import the model again" in refused(folder.path)


def test_wrong_hash(folder: Any) -> None:
    file = folder.path / "weights.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert "weights.safetensors does not have the checksum" in refused(folder.path)


@pytest.mark.parametrize("name", ["manifest.json", "weights.safetensors"])
def test_symlink(folder: Any, tmp_path: Path, name: str) -> None:
    (folder.path / name).rename(tmp_path / "elsewhere")
    (folder.path / name).symlink_to(tmp_path / "elsewhere")
    assert f"{name} is a link" in refused(folder.path)


def test_hard_link(folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.link(folder.path / "weights.safetensors", tmp_path / "elsewhere")
    assert "weights.safetensors is a hard link" in refused(folder.path)
    # Installers link the files of a wheel; those are ours.
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    Bundle.open(folder.path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_named_pipe_does_not_hang(folder: Any) -> None:
    (folder.path / "palette.json").unlink()
    os.mkfifo(folder.path / "palette.json")
    assert "palette.json is a link or not a regular file" in refused(folder.path)


# Manifest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b'{"format_version": 1, "num_tokens": NaN}',
        b'{"format_version": 1, "num_tokens": -Infinity}',
        b'{"format_version": 1, "num_tokens": ' + b"9" * 10_000 + b"}",
        b"[" * 100_000,
        b'{"format_version": 1, "licence": "Apache-2.0", "licence": "CC0-1.0"}',
        b'{"format_version": 1, "defaults": {"steps": 4, "steps": 8}}',
    ],
)
def test_invalid_json(folder: Any, data: bytes) -> None:
    (folder.path / "manifest.json").write_bytes(data)
    assert "manifest.json is not valid JSON" in refused(folder.path)


def test_manifest_too_large(folder: Any) -> None:
    folder.manifest["description"] = "x" * (1 << 20)
    assert "manifest.json is larger than 1,048,576 bytes" in refused(folder.write())


@pytest.mark.parametrize("version", [None, 0, -1, "1", 1.0, True, [1]])
def test_unknown_version(folder: Any, version: Any) -> None:
    folder.manifest["format_version"] = version
    assert "has no known format_version" in refused(folder.write())


def test_not_an_object(folder: Any) -> None:
    (folder.path / "manifest.json").write_text("[1]")
    assert "has no known format_version" in refused(folder.path)


@pytest.mark.parametrize("version", [2, 10**30])
def test_newer_version(folder: Any, version: int) -> None:
    folder.manifest |= {"format_version": version, "new_field": 1}
    assert "made by a newer version of Prime Studio; update" in refused(folder.write())


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"vocab_size": 10**12}, "vocab_size: "),
        ({"vocab_size": 10**400}, "vocab_size: "),
        ({"vocab_size": 1 << 20, "base": 1 << 20, "length": 2}, "vocab_size, length and base are too large"),
        ({"base": 1 << 20, "length": 64}, "base and length are too large"),
        ({"base": 10**18}, "base: "),
        ({"length": 65}, "length: "),
        ({"length": 0}, "length: "),
        ({"num_tokens": 1 << 40}, "num_tokens: "),
        ({"grid": [1 << 40, 1]}, "grid.0: "),
        ({"grid": [65536, 65536]}, "num_tokens must be 4294967296"),
        ({"grid": [1] * 50_000}, "grid must have 2 numbers"),
        ({"granularities": [1] * 1000}, "granularities: "),
        ({"notices": ["x"] * 2000}, "notices: "),
    ],
)
def test_absurd_sizes(folder: Any, fields: dict[str, Any], says: str) -> None:
    folder.manifest |= fields
    assert says in refused(folder.write())


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"title": None}, "title: "),
        ({"title": "two\nlines"}, "title: has a form that is not allowed"),
        ({"title": "\x1b[31mred"}, "title: must not contain control characters"),
        ({"name": "../escape"}, "name: has a form that is not allowed"),
        ({"name": ""}, "name: has a form that is not allowed"),
        ({"name": "aux"}, "name: must be a plain file name"),
        ({"vocab_size": "4"}, "vocab_size: "),
        ({"vocab_size": 5}, "base and length cannot write vocab_size classes"),
        ({"modality": "sound"}, "modality: "),
        ({"modality": "text"}, "the tokenizer is not one for this modality"),
        ({"grid": [4]}, "grid must have 2 numbers"),
        ({"num_tokens": 5}, "num_tokens must be 4 for this grid and tokenizer"),
        ({"tokenizer": {"kind": "rgb"}}, "num_tokens must be 12"),
        ({"tokenizer": {"kind": "rgb"}, "num_tokens": 12}, "vocab_size must be 256"),
        ({"tokenizer": {"kind": "palette"}}, "tokenizer.file does not fit its kind"),
        ({"tokenizer": {"kind": "palette", "file": "colors.json"}}, "files must list tokenizer.file"),
        ({"tokenizer": {"kind": "palette", "file": "../palette.json"}}, "tokenizer.file: must be a plain file name"),
        ({"granularities": [1, 3]}, "granularities must divide length"),
        ({"length": 17}, "length must be at most 16 for pictures"),
        ({"granularities": []}, "granularities: "),
        ({"schedule": "poly-1"}, "schedule: "),
        ({"schedule": "poly" + "9" * 400}, "schedule: "),
        ({"defaults": {"granularity": 64}}, "defaults.granularity is not among granularities"),
        ({"defaults": {"policy": "best"}}, "defaults.policy: must be one of ancestral"),
        ({"defaults": {"steps": 0}}, "defaults.steps: "),
        ({"defaults": {"top_p": 0}}, "defaults.top_p: "),
        ({"defaults": {"top_k": 5}}, "defaults.top_k is larger than vocab_size"),
        ({"defaults": {"temperature": -1}}, "defaults.temperature: "),
        ({"defaults": {"draw": "alone"}}, "defaults.draw: "),
        ({"defaults": {"warp": [1, 0, 0]}}, "defaults.warp.1: "),
        ({"defaults": {"temperature_slope": [-0.2]}}, "defaults.temperature_slope"),
        ({"defaults": {"corrector": [-1, 2, 2]}}, "defaults.corrector.0: "),
        ({"defaults": {"corrector": [1, 2, 2], "remask": 0.1}}, "defaults has both remask and a corrector"),
        ({"defaults": {"speed": 1}}, "defaults.speed: is not a field of this format"),
        ({"surprise": 1}, "surprise: is not a field of this format"),
        ({"evil\n\x1b[2J" + "x" * 9999: 1}, "evil??[2Jxxx"),
        ({"files": {}}, "files must list denoiser.onnx"),
    ],
)
def test_a_wrong_field_is_named(folder: Any, fields: dict[str, Any], says: str) -> None:
    folder.manifest |= fields
    assert says in refused(folder.write())


def test_infinite_temperature(folder: Any) -> None:
    text = json.dumps(folder.manifest).replace('"temperature": 0.9', '"temperature": 1e999')
    (folder.path / "manifest.json").write_text(text)
    assert "defaults.temperature: " in refused(folder.path)


@pytest.mark.parametrize("field", ["network", "training", "evaluation", "likelihood"])
def test_infinity_in_a_free_field(folder: Any, field: str) -> None:
    text = json.dumps(folder.manifest | {field: {"a": [{"b": "HERE"}]}})
    for number, refusal in (("1e308", None), ("1e999", f"{field}: a number is too large")):
        (folder.path / "manifest.json").write_text(text.replace('"HERE"', number))
        if refusal:
            assert refusal in refused(folder.path)
        else:
            Bundle.open(folder.path)


@pytest.mark.parametrize(
    "name",
    [
        "../palette.json",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "C:x",
        "..",
        ".hidden",
        "",
        "a\nb",
        "é",
        "x" * 200,
        "NUL",
        "con.onnx",
        "a.",
    ],
)
def test_a_path_out_of_the_folder(folder: Any, name: str) -> None:
    folder.manifest["files"][name] = {"sha256": "0" * 64, "size": 1}
    assert "must be a plain file name" in refused(folder.write())


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"sha256": "0" * 64, "size": 1 << 50}, "size: "),
        ({"sha256": "0" * 64, "size": -1}, "size: "),
        ({"sha256": "zz", "size": 1}, "sha256: "),
        ({"size": 1}, "sha256: "),
    ],
)
def test_a_wrong_file_entry(folder: Any, entry: dict[str, Any], says: str) -> None:
    folder.manifest["files"]["palette.json"] = entry
    assert says in refused(folder.write())


def test_the_manifest_cannot_list_itself_or_too_much(folder: Any) -> None:
    folder.manifest["files"]["manifest.json"] = {"sha256": "0" * 64, "size": 1}
    assert "files must not list manifest.json" in refused(folder.write())
    folder.manifest["files"] |= {f"file{i}": {"sha256": "0" * 64, "size": 1} for i in range(99)}
    assert "files: " in refused(folder.write())


# The ONNX file


def test_truncated_onnx(folder: Any) -> None:
    file = folder.path / "denoiser.onnx"
    whole = file.read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        assert "denoiser.onnx is cut short or not an ONNX file" in refused(folder.seal("denoiser.onnx"))


@pytest.mark.parametrize("data", [b"\x00" * 100, b"not a model at all", b"\x3a\x00", bytes(range(256)), b"\xff" * 64])
def test_garbage_onnx_with_the_right_hash(folder: Any, data: bytes) -> None:
    (folder.path / "denoiser.onnx").write_bytes(data)
    path = folder.seal("denoiser.onnx")
    try:
        bundle = Bundle.open(path)
    except StudioError:
        assert "denoiser.onnx is cut short or not an ONNX file" in refused(path)
    else:  # an empty graph is a whole message; ONNX Runtime then says what it lacks
        with pytest.raises(StudioError, match=r"^Cannot load the model tiny \(.*\); import it again"):
            OnnxDenoiser(bundle, "cpu")


def _field(tag: bytes, data: bytes) -> bytes:
    size, length = len(data), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return tag + length + bytes([size]) + data


@pytest.mark.parametrize(
    ("field", "says"),
    [(b"\x08\x01", "too many fields"), (b"\x0d1234", "too many fields"), (b"\x32\x00", "too many fields")],
)
def test_an_onnx_file_of_endless_fields(monkeypatch: pytest.MonkeyPatch, field: bytes, says: str) -> None:
    monkeypatch.setattr(external_data_module, "_MAX_FIELDS", 1000)
    with pytest.raises(ValueError, match=says):
        list(external_data(field * 1001))
    entry = _field(b"\x0a", b"location") + b"\x18\x01" * 40_000
    tensor = _field(b"\x6a", entry)
    with pytest.raises(ValueError, match="an entry too large"):
        list(external_data(_field(b"\x3a", _field(b"\x2a", tensor))))


def test_an_onnx_file_nested_too_deeply(folder: Any) -> None:
    graph = b""
    for _ in range(500):
        graph = _field(b"\x0a", _field(b"\x2a", _field(b"\x32", graph)))  # node, attribute, graph
    model = _field(b"\x3a", graph)
    with pytest.raises(ValueError, match="nested too deeply"):
        list(external_data(model))
    (folder.path / "denoiser.onnx").write_bytes(model)
    assert "cut short or not an ONNX file" in refused(folder.seal("denoiser.onnx"))


@pytest.mark.parametrize(
    "location",
    [
        "../x",
        "/etc/passwd",
        "palette.json/../../x",
        "./weights.safetensors",
        "other.bin",
        "",
        "manifest.json",
        "*/_ORT_MEM_ADDR_/*",
        "x\n\x1b[2J",
    ],
)
def test_external_data_elsewhere(folder: Any, location: str) -> None:
    (folder.path / "other.bin").write_bytes(bytes(1000))
    path = edit_network(folder, lambda model: set_place(model.graph.initializer[0], location=location))
    assert "which is no file of this model" in refused(path)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ({"offset": "9"}, "beyond the end of weights.safetensors"),
        ({"offset": "105", "length": "0"}, "beyond the end of weights.safetensors"),
        ({"length": "9999999999999999999"}, "beyond the end of weights.safetensors"),
        ({"offset": "-1"}, "at a place that is not a number"),
        ({"offset": "9" * 5000}, "at a place that is not a number"),
        ({"length": "NaN"}, "at a place that is not a number"),
    ],
)
def test_external_data_beyond_the_file(folder: Any, place: dict[str, str], says: str) -> None:
    path = edit_network(folder, lambda model: set_place(model.graph.initializer[0], **place))
    assert says in refused(path)


def test_external_data_said_twice(folder: Any) -> None:
    def edit(model: Any) -> None:
        model.graph.initializer[0].external_data.add(key="location", value="../x")

    assert "cut short or not an ONNX file" in refused(edit_network(folder, edit))


def _outside(tensor: Any) -> None:
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="../x")


@pytest.mark.parametrize(
    "place",
    [
        lambda model: model.graph.initializer.add(),
        lambda model: model.graph.sparse_initializer.add().values,
        lambda model: model.graph.node[0].attribute.add().t,
        lambda model: model.graph.node[0].attribute.add().tensors.add(),
        lambda model: model.graph.node[0].attribute.add().g.initializer.add(),
        lambda model: model.graph.node[0].attribute.add().graphs.add().node.add().attribute.add().t,
        lambda model: model.graph.node[0].attribute.add().sparse_tensors.add().indices,
        lambda model: model.functions.add().node.add().attribute.add().t,
        lambda model: model.training_info.add().algorithm.initializer.add(),
    ],
)
def test_external_data_in_hidden_places(folder: Any, place: Callable[[Any], Any]) -> None:
    path = edit_network(folder, lambda model: _outside(place(model)))
    assert "takes weights from ../x, which is no file of this model" in refused(path)


def test_the_walker_knows_every_place_of_a_tensor() -> None:
    """Against the descriptors of the onnx package: a place added by a new version must not be missed."""
    onnx = pytest.importorskip("onnx")
    messages = onnx.onnx_ml_pb2.DESCRIPTOR.message_types_by_name
    children = {
        name: {field.number: field.message_type.name for field in message.fields if field.message_type}
        for name, message in messages.items()
    }
    holds = {"TensorProto"}
    while more := {name for name, kinds in children.items() if holds & {*kinds.values()}} - holds:
        holds |= more
    holds.discard("ModelProto")
    expected = {
        name: {number: kind for number, kind in children[name].items() if kind in holds}
        for name in [*holds, "ModelProto"]
        if name not in ("TensorProto", "TypeProto")
    }
    walked = {name: fields for name, fields in _FIELDS.items() if name != "TensorProto"}
    assert walked == expected
    assert children["TensorProto"][13] == "StringStringEntryProto"


def test_opening_a_model_is_quick(folder: Any) -> None:
    """The walk over the protobuf steps over the data of tensors that lie inside."""
    onnx = pytest.importorskip("onnx")

    def edit(model: Any) -> None:
        for i in range(20):
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(100_000, np.int8), f"w{i}"))

    path = edit_network(folder, edit)
    assert sum(1 for _ in module.external_data((path / "denoiser.onnx").read_bytes())) == 1
    Bundle.open(path)
