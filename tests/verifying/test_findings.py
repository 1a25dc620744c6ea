"""What was odd about the pairs, for whoever reads the verdict."""

import random

import pytest

from tunewright.core.metrics import OUTPUT, Metric, Sample
from tunewright.core.trial import Measurement, Outcome
from tunewright.verifying.findings import BUSY_CORES, PRESSURE, STOLEN_CORES, Finding, findings
from tunewright.verifying.pairs import ARMS, Look

WALL = Metric("wall_s", "lower", "run", "s")
CALL = Metric("call_s", "lower", "run", "s", sample="calls")


def ok(value, **more):
    samples = {"wall_s": Sample((value,)), **{n: Sample(tuple(v)) for n, v in more.items()}}
    return Measurement(Outcome.OK, samples)


def look_of(*pairs):
    return Look(pairs={i: dict(zip(ARMS, pair, strict=True)) for i, pair in enumerate(pairs)})


def quiet(n=20, level=1.0, seed=0):
    chance = random.Random(seed)
    return [level * (1 + chance.gauss(0, 0.02)) for _ in range(n)]


def steady(**more):
    """Twenty pairs without anything odd, but for what each run reports beside its time."""
    both = zip(quiet(), quiet(seed=1), strict=True)
    return look_of(*((ok(a, **more), ok(b, **more)) for a, b in both))


def test_quiet_pairs_and_no_pairs_have_nothing_odd():
    assert findings(steady(), WALL) == ()
    assert findings(steady(others_cores=[0.0], stolen_cores=[0.0]), WALL) == ()
    assert findings(Look(), WALL) == ()


def test_failures_are_counted_for_each_arm_with_the_latest_reason():
    crashed, late = (Measurement(Outcome.CRASHED, detail=d) for d in ("first", "latest"))
    fine = ok(1.0)
    look = look_of((fine, fine), (fine, crashed), (fine, late), (crashed, fine))
    assert findings(look, WALL) == (
        Finding("failed", "baseline", {"count": 1, "runs": 4, "how": "first"}),
        Finding("failed", "candidate", {"count": 2, "runs": 4, "how": "latest"}),
    )


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [
        ([(7, 7)], None),
        ([(7, 8)], None),
        ([(7, 8)] * 2, "outputs differ"),
        ([(7, 8), (9, 10)], "outputs vary"),
    ],
)
def test_outputs_are_told_whether_or_not_anybody_asked(outputs, kind):
    look = look_of(*(tuple(ok(1.0, **{OUTPUT: [o]}) for o in pair) for pair in outputs))
    assert [f.kind for f in findings(look, WALL)] == ([kind] if kind else [])


def test_an_arm_whose_level_shifts_in_the_middle_is_unsteady():
    base, cand = quiet(), [*quiet(10), *quiet(10, level=1.5, seed=1)]
    look = look_of(*((ok(a), ok(b)) for a, b in zip(base, cand, strict=True)))
    (found,) = findings(look, WALL)
    assert (found.kind, found.arm, found.values["after"]) == ("unsteady", "candidate", 10)
    assert found.values["factor"] == pytest.approx(1.5, rel=0.05)


def test_calls_that_warm_up_within_their_process_are_unsteady_within():
    warming = [*quiet(300, level=2.0), *quiet(700, seed=1)]
    settled = quiet(1000, seed=2)
    look = look_of(*[(ok(1.0, calls=settled), ok(1.0, calls=warming))] * 3)
    (found,) = findings(look, CALL)
    assert found == Finding("unsteady within", "candidate", {"count": 3, "runs": 3})


@pytest.mark.parametrize(
    ("sample", "kind", "limit"),
    [("others_cores", "others", BUSY_CORES), ("stolen_cores", "stolen", STOLEN_CORES)],
)
def test_runs_that_others_disturbed_are_counted(sample, kind, limit):
    fine = ok(1.0, **{sample: [limit]})
    look = look_of(
        (fine, ok(1.0, **{sample: [4 * limit]})),
        (ok(1.0, **{sample: [2 * limit]}), fine),
        (ok(1.0), fine),
    )
    (found,) = findings(look, WALL)
    assert (found.kind, found.arm) == (kind, "")
    assert found.values == {"count": 2, "runs": 5, "cores": pytest.approx(3 * limit)}


def test_waiting_for_a_core_is_told_with_how_many_waited():
    waits = ok(1.0, cpu_pressure=[2 * PRESSURE], run_queue=[3.0])
    (found,) = findings(look_of((waits, waits), (waits, ok(1.0))), WALL)
    assert (found.kind, found.arm) == ("waiting", "")
    assert found.values == {"share": pytest.approx(2 * PRESSURE), "queue": 3.0}
    unknown = ok(1.0, cpu_pressure=[2 * PRESSURE])
    (found,) = findings(look_of((unknown, unknown)), WALL)
    assert found.values["queue"] == 0.0
    calm = ok(1.0, cpu_pressure=[PRESSURE], run_queue=[9.0])
    assert findings(look_of((calm, calm)), WALL) == ()
