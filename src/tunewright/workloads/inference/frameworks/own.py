"""The user's own model as it is: it travels within the study, and never into a bundle."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewright.errors import InputError
from tunewright.measuring import payloads
from tunewright.workloads.inference.data import Compiled, Signature

FILE = "own.pickle"


def write(directory: Path, value: Any) -> None:
    """Leave it for `files` and `read`, by value where it is defined in the user's program.

    Raises InputError where it cannot be pickled.
    """
    try:
        payloads.by_value(type(value))
        body = payloads.dumps(value)
    except Exception as error:
        raise InputError(
            "expected a model that can be pickled, so that today's speed can be measured in fresh "
            f"processes; got {type(error).__name__}: {' '.join(str(error).split())[:200]}; export "
            "it to a file and give that"
        ) from error
    (directory / FILE).write_bytes(pickle.dumps((list(sys.path), body)))


def files(directory: Path, _signature: Signature) -> Mapping[str, bytes]:
    """The form "own"."""
    return {FILE: (directory / FILE).read_bytes()}


def read(compiled: Compiled) -> Any:
    """The model itself. Only what the own user's study left is read."""
    path, body = pickle.loads(compiled.files[FILE])  # noqa: S301 - see above
    sys.path[:] = [*sys.path, *(entry for entry in path if entry not in sys.path)]
    return pickle.loads(body)  # noqa: S301 - as above
