"""A function's stage, run as a worker would run it."""

from types import SimpleNamespace

import pytest

from tunewright.core.goal import stated_directions
from tunewright.core.knobs import Space
from tunewright.core.trial import Fidelity, Piece, Trial
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain
from tunewright.workloads.function import build
from tunewright.workloads.functions.declared import Function, spec_of


@pytest.fixture
def study(tmp_path):
    """`study(function, space, goal)`: its workload, and `run(values, repeat)` of it.

    What a run reports is in `told`.
    """
    numbers = iter(range(1, 1000))

    def made(function, space=None, goal="maximize accuracy", data=None, in_process=False):
        one = function if isinstance(function, Function) else Function(function, space, in_process)
        directory = tmp_path / f"study-{next(numbers)}"
        spec = spec_of(one, goal, data, directory)
        workload = build(spec, {}, stated_directions(goal))
        told, cache = [], ArtifactCache(directory / "artifacts")

        def run(values=None, repeat=0, limit_s=60.0):
            config = Space(spec.knobs).config(values or {})
            fidelity = Fidelity("run", "run", piece=Piece(repeat=repeat))
            trial = Trial(next(numbers), config, fidelity, limit_s=limit_s)
            where = directory / "trials" / str(trial.number)
            report = lambda step, samples: told.append((step, samples))  # noqa: E731
            return run_chain(trial, workload, cache, where, lambda: 0.0, report)

        return SimpleNamespace(
            workload=workload, spec=spec, run=run, told=told, directory=directory
        )

    return made
