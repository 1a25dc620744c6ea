"""The phases of a study in simulated time: search, looks, and every way to end."""

from dataclasses import replace

import pytest

from tunewright.core.config import Config
from tunewright.core.costs import LIMIT_FACTOR
from tunewright.core.events import Ended, Opened, Started, Stopped
from tunewright.core.history import History
from tunewright.core.knobs import Choice, Integer, Knob
from tunewright.core.metrics import Metric, Sample
from tunewright.core.roles import Proposal, Resources, Untouched
from tunewright.core.trial import Fidelity, Measurement, Need, Outcome, Purpose, Span, Trial
from tunewright.core.verdict import ALPHA, Decision, alpha_of
from tunewright.loop import apply, decide
from tunewright.loop.verification import MAX_LOOKS
from tunewright.planning import make_plan
from tunewright.session import WAIT_S
from tunewright.testing.simulated import (
    SimulatedClock,
    SimulatedExecutor,
    SimulatedStage,
    SimulatedWorkload,
)
from tunewright.testing.studies import TABLE, CheckedExecutor, TableModel, request, simulate
from tunewright.verifying.pairs import looks

FAST = "minimize latency_p50"


def studied(goal=FAST, budget="18 trials", model=None, workers=1, **more):
    return simulate(TABLE, request(goal, budget, **more), model or TableModel(), workers=workers)


def purposes(done):
    return {trial.purpose.kind for trial in done.trials}


def disturbed(change):
    """The table's model with some of its measurements changed; None leaves them as they are."""
    good = TableModel()

    def model(trial):
        measurement = good(trial)
        return change(trial, measurement) or measurement

    return model


def hanging(measurement):
    return replace(measurement, spans=(Span("fit", 0.0, 1e9),))


# Searching


def test_the_search_ends_in_time_for_the_verification():
    for workers in (1, 2):
        done = studied(budget="60s", workers=workers)
        kinds = [trial.purpose.kind for trial in done.trials]
        first = kinds.index("refit")
        assert "search" not in kinds[first:]
        assert done.history.elapsed_s <= 60.0
        verdict = done.history.finished
        assert (verdict.decision, verdict.looks) == (Decision.ACCEPT, 1)
        assert verdict.pairs >= 5


def test_blends_come_after_the_last_fits_and_before_the_proof():
    plan = make_plan(TABLE, request("maximize auc", "100s"))
    better, dear = (Config({**TABLE.baseline, "rate": 0.05, "leaves": n}) for n in (31, 60))
    blend = Config({}, [(plan.baseline, 0.5), (better, 0.5)])

    class Fixed:
        def propose(self, history, n):
            return [Proposal(config, Fidelity("compile")) for config in (dear, blend)][:n]

    plan, history, model = replace(plan, searcher=Fixed()), History(), TableModel()
    for number, config in enumerate((plan.baseline, better), start=1):
        trial = plan.trial(number, config, Fidelity("compile"), Purpose(), 1e6)
        history = apply(history, Started(number - 1.0, trial))
        history = apply(history, Ended(float(number), number, 1, model(trial)))

    def begun(elapsed_s):
        events = decide(history, plan, Resources(2, 2), elapsed_s)
        return [(e.trial.config, e.trial.purpose.kind) for e in events if isinstance(e, Started)]

    over_s = plan.budget.seconds - plan.costs.reserve_s(plan.ranking(history))
    late_s, moment_s = over_s + plan.costs.restart_s, 0.01
    assert begun(over_s - 10.0) == [(dear, "search"), (blend, "search")]
    assert begun(over_s - moment_s) == [(blend, "search")]  # a fit would end too late
    assert begun(over_s + moment_s) == [(blend, "search")]
    assert {kind for _, kind in begun(late_s + moment_s)} == {"refit"}
    trial = plan.trial(3, dear, Fidelity("compile"), Purpose(), 1e6)
    history = apply(history, Started(over_s - 1.0, trial))
    assert decide(history, plan, Resources(1, 1), over_s + moment_s) == ()  # it may end
    (stop,) = decide(history, plan, Resources(1, 1), late_s + moment_s)
    assert isinstance(stop, Stopped)


def test_a_search_trial_that_hangs_is_stopped_in_time_for_the_verification():
    model = disturbed(lambda trial, m: hanging(m) if trial.number == 30 else None)
    done = studied(budget="60s", model=model, limit_s=1e6)
    stop, *_ = [event for event in done.events if isinstance(event, Stopped)]
    assert (stop.number, stop.reason) == (30, "budget")
    assert stop.elapsed_s < done.history.elapsed_s <= 60.0
    assert done.history.finished.decision is Decision.ACCEPT


@pytest.mark.parametrize(("asked", "held"), [("10s", 9.7), ("60s", 58.2), ("5min", 298.0)])
def test_what_comes_after_a_study_belongs_to_its_budget(asked, held):
    plan = make_plan(TABLE, request(FAST, asked))
    assert plan.budget.seconds == pytest.approx(held)
    assert make_plan(TABLE, request(FAST, "18 trials")).budget.trials == 18


def test_a_budget_of_trials_uses_no_clock():
    done = studied()
    assert [t.purpose.kind for t in done.trials].count("search") == 18
    for event, history in done.live[:-1]:
        if not history.running:
            now = decide(history, done.plan, Resources(1, 1), event.elapsed_s)
            later = decide(history, done.plan, Resources(1, 1), event.elapsed_s + 1e6)
            assert [replace(e, elapsed_s=0.0) for e in now] == [
                replace(e, elapsed_s=0.0) for e in later
            ]


@pytest.mark.parametrize("through", ["compile", "predict"])
def test_a_failing_baseline_ends_the_study_with_one_sentence(through):
    def change(trial, _):
        if trial.fidelity.through == through:
            return Measurement(Outcome.CRASHED, detail="no column 'price'")
        return None

    done = studied(model=disturbed(change), workers=2)
    assert len(done.trials) == (1 if through == "compile" else 2)
    verdict = done.history.finished
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.config == TABLE.baseline
    assert verdict.reason == "the baseline failed (crashed: no column 'price')"


def test_a_searcher_with_nothing_left_ends_the_search_before_its_budget():
    plan = make_plan(TABLE, request(FAST, "1000 trials"))

    class Exhausted:
        def propose(self, history, n):
            return [] if history.last_number else [Proposal(plan.baseline, Fidelity("compile"))]

    plan, history = replace(plan, searcher=Exhausted()), History()
    (started,) = decide(history, plan, Resources(2, 2), 0.0)
    history = apply(history, started)
    assert decide(history, plan, Resources(1, 2), 0.0) == []
    history = apply(history, Ended(1.0, 1, 1, TableModel()(started.trial)))
    (finished,) = decide(history, plan, Resources(2, 2), 1.0)
    assert finished.verdict.reason == "the search found nothing better than the baseline"


def test_a_goal_that_nothing_can_reach_names_the_nearest_miss():
    done = studied("minimize latency_p50 subject to auc >= baseline + 0.5")
    verdict = done.history.finished
    assert (verdict.decision, verdict.config) == (Decision.INCONCLUSIVE, TABLE.baseline)
    assert "nearest miss: auc = " in verdict.reason


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_where_the_baseline_breaks_a_bound_the_best_within_it_is_handed_over(factor):
    """Though it is better on no objective, and so can be no winner."""

    def change(trial, measurement):
        if trial.config == TABLE.baseline or "auc" not in measurement.samples:
            return None
        worse = {
            name: replace(sample, values=tuple(factor * min(v, 0.5) - 0.4 for v in sample.values))
            for name, sample in measurement.samples.items()
            if name.startswith("auc")
        }
        return replace(measurement, samples={**measurement.samples, **worse})

    done = studied("maximize auc subject to size <= 10kB", model=disturbed(change))
    verdict = done.history.finished
    assert verdict.decision is not Decision.ACCEPT
    assert verdict.config != TABLE.baseline
    best = done.plan.ranking(done.history).choose(())
    assert verdict.config == best
    assert set(looks(done.history)) <= {1}  # no second one: what it keeps is what was asked for
    assert verdict.key


@pytest.mark.parametrize("others", ["hold", "break"])
def test_a_candidate_that_breaks_a_bound_does_not_bring_a_worse_baseline_back(others):
    """In its look it is larger than the search found: within 15 kB, yet nearer than the baseline.

    Another that holds is handed over, unproven; where none does, what comes nearest.
    """

    first = set()

    def change(trial, measurement):
        if "size" not in measurement.samples:
            return None
        if trial.purpose.arm == "candidate":
            size = 15e3
        elif trial.config == TABLE.baseline:
            size = 40e3
        else:
            first.update({trial.config} if others == "hold" or not first else ())
            size = 5e3 if trial.config in first else 30e3
        grown = replace(measurement.samples["size"], values=(size,))
        return replace(measurement, samples={**measurement.samples, "size": grown})

    done = studied("maximize auc subject to size <= 10kB", model=disturbed(change))
    verdict = done.history.finished
    tried = set(lookers(done).values())
    assert verdict.decision is Decision.REJECT
    assert (verdict.config in tried) == (others == "break")
    assert ("handed over is what keeps" in verdict.reason) == (others == "hold")
    assert verdict.config != TABLE.baseline


# Which trials a goal needs


def test_a_goal_about_quality_alone_times_nothing_and_runs_no_pairs():
    done = studied("maximize auc", "40 trials", workers=2)
    assert purposes(done) == {"search", "refit"}
    assert {trial.fidelity.through for trial in done.trials} == {"compile"}
    assert not any(trial.need.alone for trial in done.trials)
    verdict = done.history.finished
    assert (verdict.decision, verdict.pairs, verdict.looks) == (Decision.ACCEPT, 0, 1)
    assert [comparison.evidence for comparison in verdict.comparisons] == ["rows"]


def test_a_goal_about_size_is_proven_by_the_one_value_that_each_refit_has():
    done = studied("minimize size", workers=2)
    assert purposes(done) == {"search", "refit"}
    assert not any(trial.need.alone for trial in done.trials)
    verdict = done.history.finished
    assert (verdict.decision, verdict.pairs) == (Decision.ACCEPT, 0)
    assert [c.evidence for c in verdict.comparisons] == ["fixed", "rows"]


PROGRAM = SimulatedWorkload(
    (SimulatedStage("run", (Knob("level", Integer(1, 9), 6, "hyperparameter", "run"),)),),
    (
        Metric("wall_s", "lower", "run", "s", quiet=True),
        Metric("bytes", "lower", "run", "B", evidence="same data"),
    ),
    Config({"level": 6}),
)  # fmt: skip


def test_where_fits_are_dear_fewer_parts_are_judged_instead_of_none():
    def dear(_, m):
        fit_s = 2 * sum(s.end_s - s.start_s for s in m.spans if s.stage == "fit")
        later = (Span(s.stage, s.start_s + fit_s, s.end_s + fit_s) for s in m.spans[1:])
        first = replace(m.spans[0], end_s=m.spans[0].end_s + fit_s)
        return replace(m, spans=(first, *later), made_s=3 * m.made_s)

    workload = replace(TABLE, untouched=Untouched(folds=5))
    asked = request(FAST, "62s")
    done = simulate(workload, asked, disturbed(dear), workers=2)
    verdict = done.history.finished
    assert done.history.elapsed_s <= 62.0
    assert verdict.decision is Decision.ACCEPT
    assert (verdict.parts, verdict.of_parts) == (3, 5)
    refits = [t.purpose.block for t in done.trials if t.purpose.kind == "refit"]
    assert sorted(refits) == [part for part in range(3) for _ in "ab"]
    assert all(c.n == 3 * 300 for c in verdict.comparisons if c.evidence == "rows")
    quick = simulate(workload, asked, TableModel(), workers=2).history.finished
    assert (quick.parts, quick.of_parts) == (5, 5)


def program_model(trial):
    level = trial.config["level"]
    took_s = level * (1 + 0.01 * (trial.number * 7 % 5))
    samples = {"wall_s": Sample((took_s,), "s"), "bytes": Sample((1000.0 - level,), "B")}
    return Measurement(Outcome.OK, samples, (Span("run", 0.0, took_s),))


def test_a_program_is_timed_alone_and_proven_by_pairs_without_refits():
    asked = request("minimize wall_s subject to bytes <= baseline * 1.01", "20 trials")
    done = simulate(PROGRAM, asked, program_model, workers=2)
    assert done.plan.proof.folds == 0
    assert all(trial.need.alone and trial.fidelity.through == "run" for trial in done.trials)
    assert purposes(done) == {"search", "pair"}
    assert {trial.fidelity.piece.split for trial in done.trials} == {"search"}
    verdict = done.history.finished
    assert (verdict.decision, verdict.config, verdict.looks) == (
        Decision.ACCEPT, Config({"level": 1}), 0,
    )  # fmt: skip
    assert [c.evidence for c in verdict.comparisons] == ["pairs", "same data"]


# Looks


def lookers(done):
    """The candidate of each look."""
    return {t.purpose.look: t.config for t in done.trials if t.purpose.arm == "candidate"}


@pytest.mark.parametrize("flattered", [1, 2, MAX_LOOKS])
def test_a_rejected_candidate_gives_way_to_another_at_half_the_alpha(flattered):
    """The validation rows flattered the first ones: on untouched rows they are far worse."""

    def change(trial, measurement):
        if trial.purpose.arm == "candidate" and trial.purpose.look <= flattered:
            rows = measurement.samples["auc_rows"]
            worse = Sample(tuple(value - 0.1 for value in rows.values))
            return replace(measurement, samples={**measurement.samples, "auc_rows": worse})
        return None

    done = studied(model=disturbed(change))
    verdict = done.history.finished
    last = min(flattered + 1, MAX_LOOKS)
    assert (verdict.looks, verdict.alpha) == (last, ALPHA / 2**last)
    assert len(set(lookers(done).values())) == last
    if flattered < MAX_LOOKS:
        assert (verdict.decision, verdict.config) == (Decision.ACCEPT, lookers(done)[last])
    else:
        assert (verdict.decision, verdict.config) == (Decision.REJECT, TABLE.baseline)


def test_all_looks_together_spend_less_than_alpha():
    assert sum(alpha_of(look) for look in range(1, MAX_LOOKS + 1)) < ALPHA
    assert alpha_of(2) == alpha_of(1) / 2


@pytest.mark.parametrize("kind", ["refit", "pair"])
def test_a_candidate_that_crashes_in_its_look_gives_way_to_another(kind):
    def change(trial, _):
        crashed = trial.purpose == Purpose(kind, "candidate", 1, 0)
        return Measurement(Outcome.CRASHED, detail="segfault") if crashed else None

    done = studied(model=disturbed(change))
    verdict = done.history.finished
    assert (verdict.decision, verdict.looks, verdict.alpha) == (Decision.ACCEPT, 2, ALPHA / 4)
    assert verdict.config == lookers(done)[2] != lookers(done)[1]


def test_a_baseline_that_crashes_in_a_look_proves_nothing():
    def change(trial, _):
        crashed = trial.purpose.kind == "pair" and trial.purpose.arm == "baseline"
        return Measurement(Outcome.CRASHED, detail="segfault") if crashed else None

    verdict = studied(model=disturbed(change)).history.finished
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.reason == (
        "1 of 1 runs of the baseline and 0 of 1 runs of the candidate failed (crashed: segfault)"
    )


# Every way to end


@pytest.mark.parametrize("phase", ["baseline", "timed baseline", "search", "refit", "pair"])
@pytest.mark.parametrize("workers", [1, 2])
def test_the_end_of_the_budget_stops_what_runs_and_concludes(phase, workers):
    def change(trial, measurement):
        hangs = {
            "baseline": trial.number == 1,
            "timed baseline": trial.number == 2,
            "search": trial.number > 2 and trial.purpose.kind == "search",
        }
        hung = hangs.get(phase, trial.purpose.kind == phase)
        return hanging(measurement) if hung else None

    done = studied(budget="60s", model=disturbed(change), workers=workers, limit_s=1e6)
    verdict, history = done.history.finished, done.history
    assert verdict.decision is Decision.INCONCLUSIVE
    assert not history.running
    assert history.elapsed_s <= 60.0 + WAIT_S
    assert {event.reason for event in done.events if isinstance(event, Stopped)} == {"budget"}
    stopped = [t.purpose.kind for t, m in history.ended() if m.outcome is Outcome.STOPPED]
    assert stopped
    assert phase not in ("refit", "pair") or 0 < stopped.count(phase) <= workers
    assert "baseline" not in phase or len(stopped) <= workers
    if phase == "pair":
        assert (verdict.pairs, verdict.looks) == (0, 1)
        assert "not enough evidence on latency_p50" in verdict.reason
    else:
        assert verdict.reason


def test_a_trial_beyond_its_limit_times_out_and_the_study_goes_on():
    done = studied(model=disturbed(lambda t, m: hanging(m) if t.number == 4 else None), limit_s=5.0)
    (ended,) = [m for trial, m in done.history.ended() if trial.number == 4]
    assert ended.outcome is Outcome.TIMEOUT
    assert not any(isinstance(event, Stopped) for event in done.events)
    assert done.history.finished.decision is Decision.ACCEPT


def test_a_trial_queued_behind_one_that_hangs_has_its_own_limit():
    clock, alone = SimulatedClock(), Need(alone=True, process="lane", lane="a")
    fidelity = Fidelity("predict", "predict")
    executor = SimulatedExecutor(clock, lambda _: hanging(Measurement(Outcome.OK)))
    for number in (1, 2):
        trial = Trial(number, TABLE.baseline, fidelity, need=alone, limit_s=5.0)
        executor.submit(trial, TABLE)
    ends = [executor.wait(60.0)[0] for _ in (1, 2)]
    assert [(e.elapsed_s, e.number, e.measurement.outcome) for e in ends] == [
        (5.0, 1, Outcome.TIMEOUT), (10.0, 2, Outcome.TIMEOUT),
    ]  # fmt: skip


def test_unless_told_otherwise_a_trial_may_take_a_multiple_of_the_baseline():
    """And ten per cent of the budget, where the baseline is quick."""
    done = studied(budget="60s")
    limits = [trial.limit_s for trial in done.trials if trial.purpose.kind == "search"]
    assert limits[0] == done.plan.budget.seconds / 2
    assert set(limits[2:]) == {LIMIT_FACTOR * (1.0 + 0.1 + 1.5)}


def test_a_budget_of_trials_caps_them_by_the_baseline_too():
    done = studied(budget="8 trials")
    limits = [trial.limit_s for trial in done.trials if trial.purpose.kind == "search"]
    assert set(limits[2:]) == {LIMIT_FACTOR * (1.0 + 0.1 + 1.5)}


# What may run together


def test_an_exclusive_trial_has_the_machine_to_itself():
    done = studied(budget="60s", workers=4)
    sizes = set()
    for _, history in done.live:
        running = history.running
        sizes.add((len(running), any(t.need.alone for t in running)))
        if any(t.need.alone for t in running) and len(running) > 1:
            assert len(running) == 2
            assert len({t.need.lane for t in running}) == 1
            assert all(t.need.alone and t.need.lane for t in running)
    assert {(2, False), (1, True), (2, True)} <= sizes


def started(through, *configs, slots=4, since=""):
    """How many of the proposed configs begin on an empty machine of four cores."""

    class Fixed:
        def propose(self, history, n):
            return [Proposal(config, Fidelity(through, since)) for config in configs][:n]

    plan = replace(make_plan(TABLE, request(FAST, "100 trials")), searcher=Fixed())
    return len(decide(History(), plan, Resources(slots, 4), 0.0))


def test_trials_of_other_lanes_and_of_no_lane_wait_for_an_empty_machine():
    native = Config({**TABLE.baseline, "runtime": "native"})
    laneless = Config({k: v for k, v in TABLE.baseline.items() if k != "runtime"})
    assert started("predict", native, native, native, since="predict") == 2
    assert started("predict", native, TABLE.baseline, since="predict") == 1
    assert started("predict", laneless, laneless, since="predict") == 1


def test_the_cores_that_trials_need_bound_how_many_run():
    one, two, five = (Config({**TABLE.baseline, "fit_threads": n}) for n in (1, 2, 5))
    assert started("compile", two, one, one, one) == 3
    assert started("compile", two, two, two) == 2
    assert started("compile", one, two, two) == 2
    assert started("compile", *[one] * 9, slots=9) == 4
    assert started("compile", *[one] * 9, slots=3) == 3
    assert started("compile", five, one) == 1  # what wants more than there is gets what there is
    assert started("compile", one, five) == 1


@pytest.mark.parametrize("values", [(0, 2), ("auto", "none"), (0.5, 1.5)])
def test_a_knob_of_the_users_own_called_workers_holds_nothing_up(values):
    knob = Knob("workers", Choice(values), values[0], "hyperparameter", "run")
    plan = make_plan(
        SimulatedWorkload(
            (SimulatedStage("run", (knob,)),), (Metric("loss", "lower", "run"),),
            Config({"workers": values[0]}),
        ),
        request("minimize loss", "10 trials"),
    )  # fmt: skip
    (started,) = decide(History(), plan, Resources(2, 2), 0.0)
    assert started.trial.config == plan.baseline


def test_the_session_waits_no_more_often_than_time_passes_and_trials_end():
    for goal, budget in ((FAST, "18 trials"), (FAST, "60s"), ("maximize auc", "18 trials")):
        uncounted = studied(goal, budget, workers=2)
        waits = len(uncounted.events) + int(uncounted.history.elapsed_s / WAIT_S) + 1
        simulate(
            TABLE, request(goal, budget), TableModel(), workers=2,
            around=lambda inner, waits=waits: CheckedExecutor(inner, waits),
        )  # fmt: skip


def test_every_event_that_a_session_saw_is_in_its_store():
    done = studied(budget="30s", workers=2)
    opened, *rest = done.events
    assert isinstance(opened, Opened)
    assert [repr(event) for event in rest] == [repr(event) for event, _ in done.live]
