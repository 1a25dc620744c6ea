"""Arrays as text: how models of plain numbers are written down, without pickle."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack(arrays: Mapping[str, NDArray[Any]]) -> str:
    """JSON that `unpack` reads, equal on every machine."""
    return json.dumps({name: _packed(np.asarray(a)) for name, a in arrays.items()})


def _packed(array: NDArray[Any]) -> dict[str, Any]:
    kind = array.dtype.newbyteorder("<")
    text = base64.b64encode(array.astype(kind).tobytes()).decode()
    return {"type": kind.str, "shape": array.shape, "values": text}


def unpack(text: str | bytes) -> dict[str, NDArray[Any]]:
    """The arrays that `pack` wrote, to be read."""
    return {
        name: np.frombuffer(base64.b64decode(one["values"]), one["type"]).reshape(one["shape"])
        for name, one in json.loads(text).items()
    }
