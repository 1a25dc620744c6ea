"""A model of trees in LightGBM's library."""

from __future__ import annotations

import json
from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.inference.data import Arrays, Compiled, Runner, Signature
from tunewright.workloads.tabular import lightgbm_native
from tunewright.workloads.tabular.data import Schema


def load(model: Compiled) -> Runner:
    """See Runtime. Both classes of two are answered where the original does so."""
    facts = json.loads(model.files["schema.json"])
    schema = _schema(model.signature, facts["classes"])
    threads = int(model.settings.get("threads", 0)) or -1
    runtime = lightgbm_native.native(model.files, schema, threads)
    both = facts["classes"] == 2 and facts.get("both", True)

    def call(x: NDArray[Any]) -> NDArray[Any]:
        if len(x) == 1:
            said = np.array([runtime.row(array("d", x.tobytes()))])
            said = said if facts["classes"] > 2 else said[:, 0]
        else:
            said = runtime.batch(x)
        return np.column_stack((1 - said, said)) if both else said

    def native(inputs: Arrays) -> NDArray[Any]:
        return np.ascontiguousarray(inputs[0], np.float64)

    return Runner(call, native, lambda said: (said,))


def _schema(signature: Signature, classes: int) -> Schema:
    names = tuple(str(i) for i in range(classes))
    features: Any = tuple(range(signature.inputs[0].shape[0]))  # their number is all that is read
    return Schema("multiclass" if classes > 2 else "regression", "y", names, (), features=features)
