"""Reports from running trials, and a search that halts them; candidates that are dear to verify."""

from dataclasses import replace

from tunewright.core.events import Reported, Started, Stopped
from tunewright.core.history import History
from tunewright.core.metrics import Sample
from tunewright.core.roles import Halt, Resources
from tunewright.core.trial import Fidelity, Outcome, Span, Trial
from tunewright.core.verdict import Decision
from tunewright.loop import apply, decide
from tunewright.planning import make_plan
from tunewright.testing.studies import TABLE, TableModel, request, simulate


class Asked:
    """A searcher that halts what has reported three times, and counts how often it is asked."""

    def __init__(self):
        self.times = 0

    def propose(self, history, n):
        self.times += 1
        steps = [report.step for report in history.reports()]
        return [Halt(report.number) for report in history.reports()][:1] if len(steps) > 2 else []


def planned():
    searcher = Asked()
    return replace(
        make_plan(TABLE, request("maximize auc", "9 trials")), searcher=searcher
    ), searcher


def running(number=1):
    return Started(0.0, Trial(number, TABLE.baseline, Fidelity("compile")))


def test_a_search_halts_what_has_said_enough_and_that_is_no_failure():
    plan, _ = planned()
    history = apply(History(), running())
    for step in range(3):
        loss = {"loss": Sample((1.0 / (step + 1),))}
        history = apply(history, Reported(float(step), 1, 1, float(step), loss))
    (stop,) = decide(history, plan, Resources(1, 1.0), 3.0)
    assert stop == Stopped(3.0, 1, 1, "halted")
    history = apply(history, stop)
    ((_, measurement),) = history.ended()
    assert measurement.outcome is Outcome.STOPPED
    assert measurement.samples["loss"].values == (1 / 3,)
    record = plan.ranking(history).baseline
    assert (record.runs, record.failures) == (0, [])


def test_nobody_is_asked_while_nothing_could_start_and_nothing_was_reported():
    plan, searcher = planned()
    history = apply(History(), running())
    assert decide(history, plan, Resources(0, 0.0), 1.0) == ()
    assert searcher.times == 0
    history = apply(history, Reported(1.0, 1, 1, 1.0))
    assert decide(history, plan, Resources(0, 0.0), 2.0) == []
    assert searcher.times == 1


def test_a_report_of_a_fenced_attempt_is_no_report():
    history = apply(apply(History(), running()), Reported(1.0, 1, 2, 1.0))
    assert not list(history.reports())


def test_a_candidate_eight_times_as_dear_is_verified_within_the_budget():
    """The time for refits is kept from what both arms cost, so its look ends with an answer."""

    class Dear:
        def __init__(self):
            self._model = TableModel()

        def __call__(self, trial):
            measurement = self._model(trial)
            dear = 8.0 if trial.config["leaves"] > 40 else 1.0
            spans = tuple(
                Span(s.stage, s.start_s * dear, s.end_s * dear, s.cached) for s in measurement.spans
            )
            better = 0.05 if dear > 1 else 0.0
            samples = {
                name: Sample(tuple(v + better for v in s.values), s.unit, s.error)
                if name.startswith("auc")
                else s
                for name, s in measurement.samples.items()
            }
            made_s = dear * measurement.made_s
            return replace(measurement, samples=samples, spans=spans, made_s=made_s)

    for seed in range(4):
        done = simulate(TABLE, request("maximize auc", "200s", seed=seed), Dear(), workers=2)
        verdict = done.history.finished
        assert verdict.decision is Decision.ACCEPT, verdict.reason
        assert verdict.config["leaves"] > 40
        assert done.history.elapsed_s <= 200.5
