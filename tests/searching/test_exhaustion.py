"""When the joint searcher says that nothing is left to try."""

from __future__ import annotations

from tunewright.core.budget import Budget
from tunewright.core.config import Config
from tunewright.core.costs import Costs
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.knobs import Integer, Knob, Real
from tunewright.core.metrics import Metric, Sample
from tunewright.core.preference import ranking
from tunewright.core.roles import Problem, space_of
from tunewright.core.trial import Measurement, Outcome, Span
from tunewright.loop.plan import Plan, Proof
from tunewright.searching.joint import JointSearcher
from tunewright.session import drive
from tunewright.storing.memory import MemoryStore
from tunewright.testing.simulated import (
    SimulatedClock,
    SimulatedExecutor,
    SimulatedStage,
    SimulatedWorkload,
)

LOAD_S, FIT_S = 1.0, 0.1  # reading the file takes longer than learning from it


def search_trials(*knobs, trials):
    """How many configs a search proposes whose dearest stage is one that no knob reaches."""
    score = Metric("score", "higher", "fit", scale="difference", evidence="rows")
    baseline = Config({knob.name: knob.default for knob in knobs})
    stages = (SimulatedStage("load"), SimulatedStage("fit", knobs))
    workload = SimulatedWorkload(stages, (score,), baseline)
    seen: list[str] = []

    def model(trial):
        load = Span("load", 0.0, 0.0 if seen else LOAD_S, cached=bool(seen))
        seen.append(trial.config.id)
        value = float(trial.config["a"]) + trial.number * 1e-6
        spans = (load, Span("fit", load.end_s, load.end_s + FIT_S))
        return Measurement(Outcome.OK, {"score": Sample((value,))}, spans)

    space, goal, names = space_of(workload), parse_goal("maximize score", [score]), ("load", "fit")
    problem = Problem(space, goal, baseline, names, "fit", None, metrics=(score,))
    plan = Plan(
        goal, space, baseline, JointSearcher(problem), Budget(trials=trials),
        ranking(goal, (score,), names), stages, "fit", frozenset(), Proof(""),
        Costs(Budget(trials=trials), 0, names, "fit", ""),
    )  # fmt: skip
    clock = SimulatedClock()
    executor = SimulatedExecutor(clock, model)
    history = drive(History(), plan, workload, MemoryStore(), executor, clock)
    return sum(trial.purpose.kind == "search" for trial, _ in history.ended())


def test_a_dear_stage_without_knobs_does_not_end_the_search():
    a = Knob("a", Real(0.0, 1.0), 0.5, "hyperparameter", "fit")
    b = Knob("b", Real(0.0, 1.0), 0.5, "hyperparameter", "fit")
    assert search_trials(a, b, trials=30) == 30


def test_a_small_space_is_tried_to_its_end():
    a = Knob("a", Integer(1, 3), 1, "hyperparameter", "fit")
    b = Knob("b", Integer(1, 2), 1, "hyperparameter", "fit")
    assert search_trials(a, b, trials=50) == 6
