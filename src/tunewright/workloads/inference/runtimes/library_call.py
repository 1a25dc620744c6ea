"""The library's own call."""

from __future__ import annotations

import numpy as np

from tunewright.workloads.inference.data import Compiled, Runner
from tunewright.workloads.inference.frameworks import own
from tunewright.workloads.inference.frameworks.sklearn_models import answer_of


def load(model: Compiled) -> Runner:
    """See Runtime."""
    answer = answer_of(own.read(model))
    return Runner(answer, lambda inputs: inputs[0], lambda said: (np.asarray(said),))
