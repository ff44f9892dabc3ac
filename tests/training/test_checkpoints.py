"""Foreign checkpoints: what is known is read, what is not is refused by name, and nothing is ever run."""

import argparse
import builtins
import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.errors import StudioError
from studio.training import checkpoints
from studio.training.checkpoints import Inert, embedded_tokenizer, lookup, read_checkpoint
from tests.training.published import needs_fixtures, save, unpacked


class Call:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


class WithState:
    """Pickles as an object of a class of its own, whose __setstate__ would run."""

    def __getstate__(self) -> dict[str, int]:
        return {"x": 1}

    def __setstate__(self, state: Any) -> None:
        raise AssertionError("the state of a foreign class was set")


def test_published_settings_and_weights_are_read(tmp_path: Path):
    weights = OrderedDict(a=torch.arange(3.0), b=torch.nn.Parameter(torch.ones(2)))
    path = save(tmp_path / "x.pth", {"model": weights, "args": argparse.Namespace(base=16, nested={"deep": [1]})})
    content = read_checkpoint(path)
    assert torch.equal(content["model"]["a"], torch.arange(3.0))
    assert type(content["args"]) is Inert
    assert lookup(content, "args", "base") == 16
    assert lookup(content, "args", "nested") is None
    assert lookup(content, "args", "nested", "missing", "more") is None


def test_torch_is_left_as_it_was(tmp_path: Path):
    path = save(tmp_path / "x.pth", {"args": argparse.Namespace(base=16)})
    before = set(torch.serialization.get_safe_globals())  # torch keeps them in no order
    read_checkpoint(path)
    assert set(torch.serialization.get_safe_globals()) == before


@needs_fixtures
def test_omegaconf_settings_without_omegaconf(tmp_path: Path):
    content = read_checkpoint(unpacked("text_l4.ckpt", tmp_path))
    config = content["hyper_parameters"]["config"]
    assert lookup(config, "model", "n_heads") == 2
    assert lookup(config, "prime", "carry_over") is True
    assert lookup(config, "noise", "type") == "loglinear"
    assert lookup(config, "model") is None
    tokenizer = embedded_tokenizer(content["hyper_parameters"]["tokenizer"])
    assert tokenizer is not None
    assert tokenizer.startswith(b'{"version"')


ATTACKS = {
    "posix.system": lambda marker: Call(os.system, f"touch {marker}"),
    "builtins.eval": lambda marker: Call(eval, f"open({str(marker)!r}, 'w')"),
    "builtins.exec": lambda marker: Call(exec, f"open({str(marker)!r}, 'w')"),
    "io.open": lambda marker: Call(builtins.open, str(marker), "w"),
    "builtins.getattr": lambda marker: Call(getattr, "x", "upper"),
    "torch.serialization.load": lambda marker: Call(torch.load, str(marker)),
    "torch.hub.load": lambda marker: Call(torch.hub.load, "someone/something", "anything"),
    "WithState": lambda marker: WithState(),
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", list(ATTACKS))
def test_anything_else_is_refused_by_name_and_not_run(name: str, protocol: int, tmp_path: Path):
    if name == "posix.system" and os.name != "posix":
        pytest.skip("named nt.system here")
    marker = tmp_path / "ran"
    evil = ATTACKS[name](marker)
    places: dict[str, Any] = {
        "top": evil,
        "nested": {"state_dict": {}, "hyper_parameters": {"config": [{"deep": (evil,)}]}},
        "argument of a stand-in": {"args": Call(argparse.Namespace, evil)},
        "key": {"model": {evil: 1}} if name != "WithState" else {"model": evil},
    }
    for place, content in places.items():
        path = tmp_path / "evil.pth"
        torch.save(content, path, pickle_protocol=protocol)
        with pytest.raises(StudioError) as refusal:
            read_checkpoint(path)
        assert name in str(refusal.value), place
        path.write_bytes(pickle.dumps(content, protocol))  # bare
        with pytest.raises(StudioError) as refusal:
            read_checkpoint(path)
        assert name in str(refusal.value), place
        torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=False)  # as before 2020
        with pytest.raises(StudioError) as refusal:
            read_checkpoint(path)
        assert name in str(refusal.value) and "save it again" not in str(refusal.value), place
    assert not marker.exists()


def with_pickle(path: Path, data: bytes) -> Path:
    """An archive of PyTorch's layout around a hand-made pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
    return path


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.", "posix.system"),
        (b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.", "builtins.eval"),
        (b"\x80\x02(ios\nsystem\n.", "os.system"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.", "posix.system"),
        (b"\x80\x02\x82\x01.", "copyreg.EXT1"),
        (b"\x80\x02cevil\x1b[31m\nname\n.", "evil?[31m.name"),
        (b"\x80\x02ctorch._utils\n_rebuild_wrapper_subclass\n)R.", "_rebuild_wrapper_subclass"),
        (b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "builtins.bytearray"),
    ],
)
def test_hand_made_pickles(data: bytes, word: str, tmp_path: Path):
    with pytest.raises(StudioError) as refusal:
        read_checkpoint(with_pickle(tmp_path / "evil.pth", data))
    assert word in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_second_wall_names_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """If our own look at the pickle missed something, torch's reader would still refuse it."""
    marker = tmp_path / "ran"
    path = save(tmp_path / "evil.pth", {"x": Call(eval, f"open({str(marker)!r}, 'w')")})
    monkeypatch.setattr(checkpoints, "_asked_for", lambda path: [])
    with pytest.raises(StudioError, match="eval"):
        read_checkpoint(path)
    assert not marker.exists()


def test_stand_ins_do_nothing_whatever_they_are_given(tmp_path: Path):
    stranger = Call(argparse.Namespace, "a", 2, {"__class__": 3})
    content = read_checkpoint(save(tmp_path / "x.pth", {"args": stranger, "model": {}}))
    assert type(content["args"]) is Inert
    assert lookup(content, "args", "a") is None
    namespace = argparse.Namespace()
    namespace.__dict__.update({"__setstate__": "no", "state": 5, "_content": {"base": 4}})
    content = read_checkpoint(save(tmp_path / "x.pth", {"args": namespace}))
    assert lookup(content, "args", "base") == 4


def test_settings_that_hold_themselves(tmp_path: Path):
    namespace = argparse.Namespace()
    namespace._content = namespace
    content = read_checkpoint(save(tmp_path / "x.pth", {"args": namespace, "model": {}}))
    assert lookup(content, "args", "base", "base") is None


def test_references_count_as_missing():
    node = Inert()
    node.__setstate__({"_val": "${model.length}"})
    assert lookup({"prime": {"seq_length": node}}, "prime", "seq_length") is None


def test_damaged_files_are_one_sentence(tmp_path: Path):
    whole = save(tmp_path / "whole.pth", {"model": {"a": torch.zeros(1000)}}).read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("readme.txt", "hello")
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("manifest.json", "{}")
    cases: dict[str, tuple[bytes | None, str]] = {
        "missing": (None, "No such file"),
        "empty": (b"", "not a PyTorch checkpoint"),
        "garbage": (bytes(range(256)) * 9, "not a PyTorch checkpoint"),
        "half": (whole[: len(whole) // 2], "cut short"),
        "start": (whole[:40], "cut short"),
        "hole": (whole[:200] + bytes(64) + whole[264:], "cut short|not a PyTorch"),
        "other-zip": (packed.getvalue(), "not a PyTorch checkpoint"),
        "bundle": (bundle.getvalue(), "models import"),
        "gzip": (b"\x1f\x8b" + bytes(20), "gunzip"),
        "list": (save(tmp_path / "list.pth", [1, 2]).read_bytes(), "no dictionary"),
        "bare": (pickle.dumps({"a": 1}, 2), "torch.save"),
    }
    for name, (data, word) in cases.items():
        path = tmp_path / f"{name}.ckpt"
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(StudioError, match=word) as refusal:
            read_checkpoint(path)
        assert str(refusal.value).count("\n") == 0
    with pytest.raises(StudioError, match="folder"):
        read_checkpoint(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.pt")
        with pytest.raises(StudioError, match="not a regular file"):
            read_checkpoint(tmp_path / "pipe.pt")


def test_a_huge_pickle_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoints, "MAX_PICKLE_BYTES", 1000)
    with pytest.raises(StudioError, match="its pickle has"):
        read_checkpoint(save(tmp_path / "x.pth", {"a": ["x" * 20 + str(i) for i in range(100)]}))


@pytest.mark.parametrize("archive", [True, False])
def test_a_pickle_of_endless_steps_is_not_read(archive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each step is one byte here, and a hundred once it is read."""
    monkeypatch.setattr(checkpoints, "MAX_OPCODES", 1000)
    data = b"\x80\x02" + b"]" * 2000 + b"."
    path = tmp_path / "x.pth"
    if archive:
        with_pickle(path, data)
    else:
        path.write_bytes(data)
    with pytest.raises(StudioError, match="more than 1,000 steps" if archive else "not a PyTorch checkpoint"):
        read_checkpoint(path)
