"""The python batches of CIFAR-10 and CIFAR-100: pickles of strangers, read without running anything in them."""

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import StudioError, shown

MAX_BYTES = 1 << 29
"""More is not to be read. A published batch has 31 MB, all of CIFAR-100's training pictures 155 MB."""


class _Array:
    """Stands for a NumPy array: keeps the raw bytes of its state and does nothing."""

    data: bytes = b""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 5 and isinstance(state[4], bytes):
            self.data = state[4]


class _Kind:
    """Stands for numpy.ndarray and numpy.dtype; what it is called with is forgotten."""

    def __new__(cls, *_: Any) -> "_Kind":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """How pickles of protocol 2 that Python 3 wrote spell bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("no plain bytes")
    return text.encode("latin1")


_STAND_INS = {
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy.ndarray": _Kind,
    "numpy.dtype": _Kind,
    "_codecs.encode": _encode,
}


class _Reader(pickle.Unpickler):
    """Builds dictionaries, lists, numbers and bytes; every other name is a stand-in of ours or refused."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}"[:120]) from None


def read_batch(data: bytes, name: str) -> NDArray[np.uint8]:
    """The pictures of one batch, uint8 (N, 32, 32, 3). StudioError, one sentence, for anything else in the file."""
    try:
        content = _Reader(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # a hostile pickle can fail in any way
        raise StudioError(f"{name} is no CIFAR batch ({shown(error, 120)}); nothing in it was run.") from error
    pixels = content.get(b"data", content.get("data")) if isinstance(content, dict) else None
    if not isinstance(pixels, _Array) or not pixels.data or len(pixels.data) % 3072:
        raise StudioError(f"{name} holds no pictures of 3 × 32 × 32 bytes under 'data', so it is no CIFAR batch.")
    planes = np.frombuffer(pixels.data, dtype=np.uint8).reshape(-1, 3, 32, 32)
    return planes.transpose(0, 2, 3, 1)
