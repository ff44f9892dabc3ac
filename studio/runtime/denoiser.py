"""OnnxDenoiser: (y, rows) -> logits, on the CPU or a CUDA device."""

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from studio.errors import OutOfMemory, Stopped, StudioError
from studio.prime.sampling import Denoiser
from studio.runtime.devices import (
    BROKEN,
    FATAL,
    cuda_problem,
    import_onnxruntime,
    missing_library,
    one_line,
    physical_cores,
)
from studio.runtime.format import NETWORK

if TYPE_CHECKING:
    from studio.runtime.bundle import Bundle

DEVICES = ("auto", "cpu", "cuda")
AT_ONCE = 32
"""Most samples in one call of the session; larger batches are split: they would be no faster, and take memory without
end."""
_SHORT = {"CPUExecutionProvider": "CPU", "CUDAExecutionProvider": "CUDA"}
_CPU = "CPUExecutionProvider"
_CUDA = (
    "CUDAExecutionProvider",
    # Heuristic: the exhaustive search costs seconds for each new shape. No TF32: it rounds to 10 bits, and
    # the same seed would make another picture on the GPU than on the CPU more often.
    {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested", "use_tf32": "0"},
)


class OnnxDenoiser:
    """The network of a bundle as a function; a `Denoiser`.

    `bundle` is an opened one: its files are taken as checked. device: "auto" tries CUDA and falls back to the
    CPU, "cuda" raises where it cannot be had, "cpu" never tries. threads: CPU threads of one call; None is one
    for each physical core. StudioError when the network cannot be loaded or does not fit the manifest.
    """

    provider: str
    """What the session itself reports: "CPU" or "CUDA"."""
    reason: str | None
    """Why `provider` is not CUDA although that was tried for; None if it is, or if the CPU was asked for."""

    def __init__(self, bundle: "Bundle", device: str = "auto", threads: int | None = None):
        if device not in DEVICES:
            raise StudioError(f"There is no device {device!r}; choose one of {', '.join(DEVICES)}.")
        manifest = bundle.manifest
        self._name = manifest.name
        self._length, self._mask_id = manifest.length, manifest.base
        self._num_tokens, self._vocab_size = manifest.num_tokens, manifest.vocab_size
        self._any_length = manifest.modality == "text"
        network = bundle.path / NETWORK
        if not network.is_file():  # removed by another program since the bundle was opened
            raise StudioError(f"The model {self._name} is no longer there: choose another one, or import it again.")
        self.reason = None if device == "cpu" else cuda_problem()
        self._session = self._start(str(network), device, threads)
        reported = str(self._session.get_providers()[0])
        self.provider = _SHORT.get(reported, reported)
        if device != "cpu" and self.provider != "CUDA" and not self.reason:
            self.reason = missing_library() or "ONNX Runtime could not start CUDA; run `prime-studio doctor`"
        if device == "cuda" and self.reason:
            raise StudioError(f"CUDA cannot be used: {self.reason}, or choose the device cpu.")
        self._check_interface()

    def _start(self, path: str, device: str, threads: int | None) -> Any:
        """A session on CUDA if nothing speaks against it, else on the CPU; sets `reason` when CUDA fails."""
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = FATAL
        options.intra_op_num_threads = physical_cores() if threads is None else threads
        # Idle threads sleep instead of spinning: no slower in our measurements, at half the processor time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")

        def start(providers: list[Any]) -> Any:
            # enable_fallback would print and start again without saying why; we do that ourselves.
            return onnxruntime.InferenceSession(path, options, providers, enable_fallback=0, disabled_optimizers=BROKEN)

        if device != "cpu" and not self.reason:
            try:
                return start([_CUDA, _CPU])
            except Exception as error:  # ONNX Runtime raises a dozen unrelated types
                self.reason = f"ONNX Runtime could not start CUDA ({one_line(error)}); run `prime-studio doctor`"
        try:
            return start([_CPU])
        except Exception as error:
            self._fail("load", error)

    def _check_interface(self) -> None:
        """The model's inputs and outputs are what the manifest says, as far as the file tells."""
        tokens = None if self._any_length else self._num_tokens
        wanted = {
            "y": ("tensor(int64)", [None, tokens, self._length]),
            "rows": ("tensor(int64)", [None]),
            "logits": ("tensor(float)", [None, self._vocab_size]),
        }
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if [node.name for node in inputs] != ["y", "rows"] or [node.name for node in outputs] != ["logits"]:
            self._misfit("its inputs must be y and rows and its output logits")
        for node in [*inputs, *outputs]:
            kind, shape = wanted[node.name]
            if node.type != kind or len(node.shape) != len(shape):
                self._misfit(f"{node.name} must be {kind} with {len(shape)} axes")
            for axis, (got, size) in enumerate(zip(node.shape, shape, strict=True)):
                # A dynamic axis is a name or None; a fixed one a number.
                if isinstance(got, int) and got != size:
                    self._misfit(f"axis {axis} of {node.name} is {got} instead of {size or 'dynamic'}")

    def __call__(self, y: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.float32]:
        """Logits of the tokens in `rows`.

        y: digits (B, L, ℓ), any integer type, mask_id where unknown. rows: (n,), indices into B·L.
        Returns float32 (n, C), not yet restricted to compatible classes; no call for n = 0.
        ValueError for arguments of another shape or range, StudioError when the device fails.
        """
        return self._run(y, rows, None)

    def stoppable(self) -> "StoppableDenoiser":
        """The same function for one run, which another thread can stop in the middle of a call."""
        return StoppableDenoiser(self)

    def _run(self, y: NDArray[Any], rows: NDArray[Any], options: Any) -> NDArray[np.float32]:
        y, rows = self._checked(np.asarray(y), np.asarray(rows))
        if not len(rows):
            return np.empty((0, self._vocab_size), dtype=np.float32)
        y, rows = asked_samples(y, rows)
        if len(y) > AT_ONCE:
            return in_parts(lambda y, rows: self._run(y, rows, options), y, rows, AT_ONCE)
        try:
            (logits,) = self._session.run(["logits"], {"y": y, "rows": rows}, options)
        except Exception as error:
            if options is not None and options.terminate:
                raise Stopped from error
            self._fail("run", error)
        if logits.shape != (len(rows), self._vocab_size):
            self._misfit(f"it gives logits of shape {logits.shape} for {len(rows)} rows")
        return logits

    def _checked(self, y: NDArray[Any], rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if y.ndim != 3 or y.shape[2] != self._length or y.dtype.kind not in "iu":
            raise ValueError(f"y must be integers (B, L, {self._length}), not {y.dtype} {y.shape}")
        if y.shape[1] > self._num_tokens or (y.shape[1] != self._num_tokens and not self._any_length):
            raise ValueError(f"y has {y.shape[1]} tokens, the model {self._num_tokens}")
        if rows.ndim != 1 or (rows.dtype.kind not in "iu" and len(rows)):
            raise ValueError(f"rows must be integers (n,), not {rows.dtype} {rows.shape}")
        if y.size and (y.min() < 0 or y.max() > self._mask_id):
            raise ValueError(f"digits of y must lie in 0 … {self._mask_id}")
        if len(rows) and (rows.min() < 0 or rows.max() >= y.shape[0] * y.shape[1]):
            raise ValueError(f"rows must lie in 0 … {y.shape[0] * y.shape[1] - 1}")
        return np.ascontiguousarray(y, dtype=np.int64), np.ascontiguousarray(rows, dtype=np.int64)

    def _fail(self, verb: str, error: Exception) -> NoReturn:
        text = one_line(error)
        if "alloc" in text.lower() or "out of memory" in text.lower():
            remedy = "take fewer variations at once, or close other programs"
            raise OutOfMemory(f"Not enough memory to {verb} the model {self._name} ({text}); {remedy}.") from error
        if verb == "load":
            what, remedy = f"Cannot load the model {self._name}", "import it again, or update Prime Studio"
        else:
            what, remedy = f"Cannot run the model {self._name}", "try the device cpu, or import the model again"
        raise StudioError(f"{what} ({text}); {remedy}.") from error

    def _misfit(self, what: str) -> NoReturn:
        raise StudioError(f"The network of the model {self._name} does not fit its manifest: {what}; export it again.")


def asked_samples(y: NDArray[Any], rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The samples of y (B, L, ℓ) that `rows` (n,) ask for, and the same rows within them.

    No sample depends on another, so the rest would only cost time; in most steps of a long run few have work.
    """
    asked, places = np.unique(rows // y.shape[1], return_inverse=True)
    if len(asked) == len(y):
        return y, rows
    return y[asked], places * y.shape[1] + rows % y.shape[1]


def in_parts(denoise: Denoiser, y: NDArray[Any], rows: NDArray[Any], most: int) -> NDArray[np.float32]:
    """What `denoise` says of all samples y (B, L, ℓ), at most so many of them at once: float32 (M, C) for rows (M,) of
    which there must be some."""
    samples, tokens = rows // y.shape[1], y.shape[1]
    logits = None
    for first in range(0, len(y), most):
        here = (samples >= first) & (samples < first + most)
        if here.any():
            part = denoise(y[first : first + most], rows[here] - first * tokens)
            logits = np.empty((len(rows), part.shape[1]), part.dtype) if logits is None else logits
            logits[here] = part
    assert logits is not None
    return logits


class StoppableDenoiser:
    """A `Denoiser` for one run: the session of an `OnnxDenoiser`, and a way to stop from any thread.

    `stop` ends the call that is running, between two operators of the network, and every later call; they raise
    `Stopped`. It cannot be undone, so a stop that comes between two calls is not lost; the next run takes a new one.
    """

    def __init__(self, denoise: OnnxDenoiser):
        self._denoise = denoise
        self._options = import_onnxruntime().RunOptions()
        self._options.log_severity_level = FATAL

    @property
    def provider(self) -> str:
        return self._denoise.provider

    @property
    def stopped(self) -> bool:
        return self._options.terminate

    def stop(self) -> None:
        self._options.terminate = True

    def __call__(self, y: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.float32]:
        """As of `OnnxDenoiser`; `Stopped` after `stop`."""
        if self.stopped:
            raise Stopped
        return self._denoise._run(y, rows, self._options)
