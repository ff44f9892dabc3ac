import platform
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from studio.errors import Stopped, StudioError
from studio.runtime import denoiser as module
from studio.runtime import devices
from studio.runtime.bundle import Bundle
from studio.runtime.denoiser import OnnxDenoiser


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_logits_are_those_of_the_rows(folder: Any, table: np.ndarray, batch: int, kind: type) -> None:
    denoise = OnnxDenoiser(Bundle.open(folder.path), "cpu")
    y = np.random.default_rng(batch).integers(0, 3, size=(batch, 4, 2))
    for rows in ([0], [1, 3], range(batch * 4), [2, 2]):
        rows = np.asarray(rows)
        logits = denoise(y.astype(kind), rows.astype(kind))
        assert logits.dtype == np.float32
        digits = y.reshape(-1, 2)[rows]
        np.testing.assert_allclose(logits, table[digits[:, 0]] + table[digits[:, 1] + 3], rtol=1e-6)


def test_an_optimiser_that_older_runtimes_have_wrong_is_left_out(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime, asked = devices.import_onnxruntime(), []
    session = onnxruntime.InferenceSession

    def watched(*args: Any, **options: Any) -> Any:
        asked.append(options["disabled_optimizers"])
        return session(*args, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    OnnxDenoiser(Bundle.open(folder.path), "cpu")
    assert asked == [["GemmTransposeFusion"]]


def test_no_rows_no_call(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    denoise = OnnxDenoiser(Bundle.open(folder.path), "cpu")
    monkeypatch.setattr(denoise, "_session", None)
    assert denoise(np.zeros((1, 4, 2), int), np.array([])).shape == (0, 4)


@pytest.mark.parametrize(
    ("y", "rows"),
    [
        (np.zeros((4, 2), int), [0]),
        (np.zeros((1, 3, 2), int), [0]),
        (np.zeros((1, 5, 2), int), [0]),
        (np.zeros((1, 4, 3), int), [0]),
        (np.zeros((1, 4, 2)), [0]),
        (np.full((1, 4, 2), 3), [0]),
        (np.full((1, 4, 2), -1), [0]),
        (np.zeros((1, 4, 2), int), [4]),
        (np.zeros((1, 4, 2), int), [-1]),
        (np.zeros((1, 4, 2), int), [0.0]),
        (np.zeros((1, 4, 2), int), [[0]]),
    ],
)
def test_wrong_arguments(folder: Any, y: np.ndarray, rows: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"y|rows"):
        OnnxDenoiser(Bundle.open(folder.path), "cpu")(y, np.array(rows))


def test_text_may_be_shorter_than_the_context(make_folder: Callable[..., Any]) -> None:
    folder = make_folder(modality="text", grid=[4], tokenizer={"kind": "bpe", "file": "palette.json"})
    denoise = OnnxDenoiser(Bundle.open(folder.path), "cpu")
    assert denoise(np.zeros((2, 3, 2), int), np.array([5])).shape == (1, 4)
    with pytest.raises(ValueError, match="5 tokens"):
        denoise(np.zeros((1, 5, 2), int), np.array([0]))


@pytest.mark.skipif(devices.cuda_problem() is None, reason="there is a CUDA device")
def test_a_machine_without_cuda_says_so(folder: Any, capfd: Any) -> None:
    auto = OnnxDenoiser(Bundle.open(folder.path))
    assert auto.provider == "CPU"
    assert auto.reason and "\n" not in auto.reason and "; " in auto.reason
    assert capfd.readouterr() == ("", "")


def test_cpu_is_reported_with_the_reason(folder: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr(module, "cuda_problem", lambda: "no NVIDIA driver is installed; install one")
    bundle = Bundle.open(folder.path)
    auto = OnnxDenoiser(bundle)
    assert (auto.provider, auto.reason) == ("CPU", "no NVIDIA driver is installed; install one")
    cpu = OnnxDenoiser(bundle, "cpu")
    assert (cpu.provider, cpu.reason) == ("CPU", None)
    with pytest.raises(StudioError, match=r"^CUDA cannot be used: no NVIDIA driver .* device cpu\.$"):
        OnnxDenoiser(bundle, "cuda")
    with pytest.raises(StudioError, match="no device 'tpu'"):
        OnnxDenoiser(bundle, "tpu")
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(devices.cuda_problem() is None, reason="there is a CUDA device")
def test_a_session_that_falls_back_is_reported(folder: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    """The driver seems to be there, but the session says CPU."""
    monkeypatch.setattr(module, "cuda_problem", lambda: None)
    # A library that could not be loaded is no reason not to try, but explains the failure.
    monkeypatch.setattr(module, "missing_library", lambda: "libcudnn.so.9 is missing; install it")
    assert OnnxDenoiser(Bundle.open(folder.path)).reason == "libcudnn.so.9 is missing; install it"
    monkeypatch.setattr(module, "missing_library", lambda: None)
    auto = OnnxDenoiser(Bundle.open(folder.path))
    assert auto.provider == "CPU"
    assert auto.reason and "could not start CUDA" in auto.reason
    with pytest.raises(StudioError, match="could not start CUDA"):
        OnnxDenoiser(Bundle.open(folder.path), "cuda")
    assert capfd.readouterr() == ("", "")


def test_a_device_that_fails_to_start_is_reported(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = devices.import_onnxruntime()
    start = onnxruntime.InferenceSession

    def failing(path: str, options: Any, providers: list[Any], **more: Any) -> Any:
        if len(providers) > 1:
            raise RuntimeError("CUDA failure 35: driver too old\n at some line of some file")
        return start(path, options, providers, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", failing)
    monkeypatch.setattr(module, "cuda_problem", lambda: None)
    auto = OnnxDenoiser(Bundle.open(folder.path))
    assert auto.provider == "CPU"
    assert auto.reason and "(CUDA failure 35: driver too old)" in auto.reason
    with pytest.raises(StudioError, match=r"^CUDA cannot be used: .* driver too old"):
        OnnxDenoiser(Bundle.open(folder.path), "cuda")


@pytest.mark.skipif(devices.cuda_problem() is not None, reason="no CUDA device")
def test_cuda_agrees_with_cpu(folder: Any) -> None:
    bundle = Bundle.open(folder.path)
    cuda, cpu = OnnxDenoiser(bundle, "cuda"), OnnxDenoiser(bundle, "cpu")
    assert (cuda.provider, cuda.reason) == ("CUDA", None)
    y = np.random.default_rng(0).integers(0, 3, size=(3, 4, 2))
    np.testing.assert_allclose(cuda(y, np.arange(12)), cpu(y, np.arange(12)), atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"vocab_size": 3, "base": 2}, "axis 1 of logits is 4 instead of 3"),
        ({"length": 1, "base": 4, "granularities": [1]}, "axis 2 of y is 2 instead of 1"),
    ],
)
def test_a_network_that_does_not_fit_its_manifest(make_folder: Callable[..., Any], fields: Any, says: str) -> None:
    with pytest.raises(StudioError, match=says):
        OnnxDenoiser(Bundle.open(make_folder(**fields).path), "cpu")


def test_a_model_that_was_removed_since_it_was_opened(folder: Any) -> None:
    bundle = Bundle.open(folder.path)
    (folder.path / "denoiser.onnx").unlink()
    with pytest.raises(StudioError, match=r"^The model tiny is no longer there: choose another one, or import it"):
        OnnxDenoiser(bundle, "cpu")


def test_only_the_samples_that_are_asked_for_are_computed(
    folder: Any, table: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    denoise = OnnxDenoiser(Bundle.open(folder.path), "cpu")
    computed = []
    run = denoise._session.run

    def noted(names: Any, inputs: Any, options: Any) -> Any:
        computed.append(len(inputs["y"]))
        return run(names, inputs, options)

    monkeypatch.setattr(denoise, "_session", SimpleNamespace(run=noted))
    y = np.random.default_rng(0).integers(0, 3, size=(5, 4, 2))
    for rows, samples in (([6], 1), ([19, 4, 5], 2), (range(20), 5)):
        digits = y.reshape(-1, 2)[np.asarray(rows)]
        logits = denoise(y, np.asarray(rows))
        np.testing.assert_allclose(logits, table[digits[:, 0]] + table[digits[:, 1] + 3], rtol=1e-6)
        assert computed.pop() == samples


def test_failures_of_the_device_are_one_sentence(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    denoise = OnnxDenoiser(Bundle.open(folder.path), "cpu")

    def run(*_: Any) -> None:
        raise RuntimeError("Failed to allocate memory for requested buffer\nof size 4294967296")

    monkeypatch.setattr(denoise, "_session", SimpleNamespace(run=run))
    with pytest.raises(StudioError, match=r"^Not enough memory to run the model tiny \(.*\); take fewer .*\.$"):
        denoise(np.zeros((1, 4, 2), int), np.array([0]))


def test_the_empty_shell_of_an_uninstalled_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace())
    with pytest.raises(StudioError, match=r"broken.*pip uninstall"):
        devices.import_onnxruntime()
    problems = devices.describe()["problems"]
    assert any("broken" in problem for problem in problems)


def test_an_interrupt_while_it_loads_is_no_broken_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its extension module turns the interrupt into an ImportError, as pybind11 does."""
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('initialization failed') from KeyboardInterrupt()")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(KeyboardInterrupt):
        devices.import_onnxruntime()


def test_describe(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = devices.describe()
    assert facts["python"] == platform.python_version()
    assert facts["onnxruntime"] and facts["providers"]["CPU"] is None
    assert facts["threads"] >= 0
    monkeypatch.setattr(devices, "installed_packages", lambda: {"onnxruntime": "1", "onnxruntime-gpu": "1"})
    assert "overwrite each other" in devices.describe()["problems"][0]


def slow_network() -> bytes:
    """As the tiny network, but adding y[0, 0, 0] million rounds of a loop: a minute and more."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    def info(name: str, kind: int, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["go_on"]),
            helper.make_node("MatMul", ["state", "turn"], ["next"]),
        ],
        "round",
        [info("i", TensorProto.INT64, []), info("going", TensorProto.BOOL, []), info("state", TensorProto.FLOAT, [])],
        [info("go_on", TensorProto.BOOL, []), info("next", TensorProto.FLOAT, [])],
    )
    body.input[2].type.tensor_type.ClearField("shape")
    body.output[1].type.tensor_type.ClearField("shape")
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["y", "all"], ["flat_y"]),
            helper.make_node("Gather", ["flat_y", "zero"], ["first"]),
            helper.make_node("Mul", ["first", "million"], ["rounds"]),
            helper.make_node("Loop", ["rounds", "true", "turn"], ["turned"], body=body),
            helper.make_node("Gather", ["turned", "zero"], ["row"]),
            helper.make_node("Gather", ["row", "four"], ["part"]),
            helper.make_node("Shape", ["rows"], ["n"]),
            helper.make_node("Concat", ["n", "four_wide"], ["shape"], axis=0),
            helper.make_node("Expand", ["part", "shape"], ["logits"]),
        ],
        "slow",
        [info("y", TensorProto.INT64, ["B", 4, 2]), info("rows", TensorProto.INT64, ["n"])],
        [info("logits", TensorProto.FLOAT, ["n", 4])],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in {
                "all": [-1],
                "zero": 0,
                "million": 1_000_000,
                "true": True,
                "turn": np.eye(64, dtype=np.float32),
                "four": np.arange(4),
                "four_wide": [4],
            }.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def test_another_thread_stops_a_running_call(folder: Any) -> None:
    (folder.path / "denoiser.onnx").write_bytes(slow_network())
    denoise = OnnxDenoiser(Bundle.open(folder.seal("denoiser.onnx")), "cpu")
    slow = np.ones((1, 4, 2), int)
    run = denoise.stoppable()
    ended: list[Any] = []

    def call() -> None:
        try:
            run(slow, np.array([0]))
        except Exception as error:
            ended.append((error, time.perf_counter()))

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.3)
    assert not ended
    begin = time.perf_counter()
    run.stop()
    thread.join(30)
    ((error, end),) = ended
    assert isinstance(error, Stopped)
    assert end - begin < 1
    # What is stopped stays so; the session serves the next run.
    with pytest.raises(Stopped):
        run(0 * slow, np.array([0]))
    assert denoise(0 * slow, np.array([0])).shape == (1, 4)
    assert denoise.stoppable()(0 * slow, np.array([0, 1])).shape == (2, 4)


def test_a_stop_between_two_calls_is_not_lost(folder: Any, table: np.ndarray) -> None:
    run = OnnxDenoiser(Bundle.open(folder.path), "cpu").stoppable()
    y, rows = np.zeros((1, 4, 2), int), np.array([0])
    np.testing.assert_allclose(run(y, rows)[0], table[0] + table[3], rtol=1e-6)
    assert (run.provider, run.stopped) == ("CPU", False)
    run.stop()
    assert run.stopped
    with pytest.raises(Stopped):
        run(y, rows)


def test_a_failure_that_nobody_asked_for_is_no_stop(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    denoise = OnnxDenoiser(Bundle.open(folder.path), "cpu")

    def run(*_: Any) -> None:
        raise RuntimeError("a kernel failed")

    monkeypatch.setattr(denoise, "_session", SimpleNamespace(run=run))
    with pytest.raises(StudioError, match="a kernel failed"):
        denoise.stoppable()(np.zeros((1, 4, 2), int), np.array([0]))
