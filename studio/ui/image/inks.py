"""What a tool leaves where it draws."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

Ink = Literal["mask", "unmask", "pin", "unpin", "color"]


def inked(ink: Ink, color: Sequence[int], bits: int, editing_state: bool) -> dict[str, Any]:
    """What an ink puts into which layers of an `ImageDocument`; bits: what a stroke of "mask" writes."""
    bits = bits if ink == "mask" else 0
    match ink, editing_state:
        case (("pin" | "unpin"), _):
            return {"pins": ink == "pin"}
        case "color", False:
            return {"stored": np.array(color, dtype=np.uint8), "alpha": 255}
        case "color", True:
            return {"erased": 0, "painted": np.array([*color, 255], dtype=np.uint8)}
        case _, False:
            return {"mask": bits}
        case _:
            return {"erased": bits, "painted": 0}
