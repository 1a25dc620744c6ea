"""The verdict: what is proven, what is refuted, and everything else."""

import math
from dataclasses import replace
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.goal import parse_goal
from tunewright.core.metrics import SAME_ANSWERS, Metric, Sample
from tunewright.core.trial import Measurement, Outcome
from tunewright.core.verdict import ALPHA, Decision, alpha_of
from tunewright.verifying.claims import MIN_PAIRS, Case
from tunewright.verifying.judge import judge
from tunewright.verifying.pairs import Look

ACCEPT, REJECT, INCONCLUSIVE = Decision.ACCEPT, Decision.REJECT, Decision.INCONCLUSIVE
LATENCY = Metric("latency", "lower", "predict", "s")
RATE = Metric("rate", "higher", "predict")
SCORE = Metric("score", "higher", "predict", scale="difference", margin=0.005, evidence="same data")
AUC = Metric("auc", "higher", "fit", scale="difference", margin=0.005, evidence="rows")
RMSE = Metric("rmse", "lower", "fit", evidence="rows")
SIZE = Metric("size", "lower", "predict", "B", evidence="fixed")
PEAK = Metric("peak", "lower", "predict", "B")
METRICS = (LATENCY, RATE, SCORE, AUC, RMSE, SIZE, PEAK)
CRASHED = Measurement(Outcome.CRASHED, detail="segfault")
NOISE = [0.0, 0.01, -0.01, 0.02, -0.02, 0.005, -0.005, 0.015]


def ok(**values):
    return Measurement(Outcome.OK, {name: Sample(tuple(v) if isinstance(v, list) else (v,)) for name, v in values.items()})  # fmt: skip


def paired(**arms):
    """A look whose pairs gave these values: name=(baseline values, candidate values)."""
    count = len(next(iter(arms.values()))[0])
    return Look(pairs={
        block: {
            arm: ok(**{name: both[i][block] for name, both in arms.items() if both[i][block] is not None})
            for i, arm in enumerate(("baseline", "candidate"))
        }
        for block in range(count)
    })  # fmt: skip


def refitted(look=None, **arms):
    """The same look with refits whose untouched rows gave these values."""
    refits = {
        arm: {0: ok(**{n: fmean(both[i]) for n, both in arms.items()}, **{f"{n}_rows": list(both[i]) for n, both in arms.items()})}
        for i, arm in enumerate(("baseline", "candidate"))
    }  # fmt: skip
    return Look(refits=refits, pairs=look.pairs if look else {})


def noisy(value, shift=0):
    return [value * (1 + NOISE[(i + shift) % len(NOISE)]) for i in range(len(NOISE))]


def around(value, spread=0.01):
    return [value + spread * noise for noise in NOISE]


def judged(goal, look, number=1, **more):
    return judge(Case(look, number, parse_goal(goal, METRICS), **more))


def decided(goal, look):
    return judged(goal, look)[0]


@pytest.mark.parametrize(
    ("goal", "values", "expected"),
    [
        ("minimize latency", (noisy(2.0), noisy(1.0, 3)), ACCEPT),
        ("minimize latency", (noisy(1.0), noisy(2.0, 3)), REJECT),
        ("minimize latency", (noisy(1.0), noisy(1.0, 3)), INCONCLUSIVE),
        ("maximize rate", (noisy(1.0), noisy(2.0, 3)), ACCEPT),
        ("maximize rate", (noisy(2.0), noisy(1.0, 3)), REJECT),
        ("maximize rate", (noisy(1.0), noisy(1.0, 3)), INCONCLUSIVE),
        ("maximize score", (around(0.8), around(0.9)[::-1]), ACCEPT),
        ("maximize score", (around(0.9), around(0.8)[::-1]), REJECT),
        ("maximize score", (around(0.8), around(0.8)[::-1]), INCONCLUSIVE),
    ],
)
def test_an_objective_by_pairs(goal, values, expected):
    decision, _, (comparison,) = judged(goal, paired(**{goal.split()[1]: values}))
    assert decision is comparison.decision is expected
    assert comparison.low <= comparison.estimate <= comparison.high
    assert comparison.limit == (0.0 if "score" in goal else 1.0)
    assert comparison.n == len(NOISE)


@pytest.mark.parametrize(
    ("constraint", "held", "broken", "open_"),
    [
        ("latency <= baseline * 1.5", (1.0, 1.2), (1.0, 1.9), (1.0, 1.5)),
        ("latency <= baseline + 500ms", (1.0, 1.2), (1.0, 1.9), (1.0, 1.5)),
        ("latency <= 300ms", (1.0, 0.2), (1.0, 0.5), (1.0, 0.3)),
        ("latency <= 300ms", (0.1, 0.2), (0.1, 0.5), (0.1, 0.3)),
        ("rate >= baseline * 0.5", (1.0, 0.8), (1.0, 0.3), (1.0, 0.5)),
        ("rate >= 30", (100.0, 40.0), (100.0, 20.0), (100.0, 30.0)),
        ("score >= baseline - 0.1", (0.8, 0.75), (0.8, 0.6), (0.8, 0.7)),
        ("score >= 0.7", (0.8, 0.75), (0.8, 0.6), (0.8, 0.7)),
    ],
)
def test_a_constraint_by_pairs(constraint, held, broken, open_):
    name = constraint.split()[0]
    for (a, b), expected in ((held, ACCEPT), (broken, REJECT), (open_, INCONCLUSIVE)):
        values = (around(a), around(b)[::-1]) if name == "score" else (noisy(a), noisy(b, 3))
        look = paired(peak=(noisy(9.0), noisy(3.0, 3)), **{name: values})
        decision, reason, (_, comparison) = judged(f"minimize peak subject to {constraint}", look)
        assert decision is comparison.decision is expected, reason
        assert comparison.role == "constraint"


ROWS = [math.sin(i) for i in range(200)]


def rows(mean, noise=0.001):
    return [mean + 0.3 * row + noise * math.cos(1e5 * i * mean) for i, row in enumerate(ROWS)]


@pytest.mark.parametrize(
    ("goal", "a", "b", "expected"),
    [
        ("maximize auc", 0.8, 0.81, ACCEPT),
        ("maximize auc", 0.81, 0.8, REJECT),
        ("maximize auc", 0.8, 0.80001, INCONCLUSIVE),
        ("minimize rmse", 2.0, 1.9, ACCEPT),
        ("minimize rmse", 1.9, 2.0, REJECT),
        ("minimize rmse", 2.0, 1.99999, INCONCLUSIVE),
    ],
)
def test_an_objective_by_untouched_rows(goal, a, b, expected):
    decision, _, (comparison,) = judged(goal, refitted(**{goal.split()[1]: (rows(a), rows(b))}))
    assert decision is expected
    assert (comparison.evidence, comparison.n) == ("rows", len(ROWS))
    assert comparison.scale == ("difference" if "auc" in goal else "ratio")
    wanted = b - a if "auc" in goal else b / a
    assert comparison.estimate == pytest.approx(wanted, abs=1e-3)
    assert comparison.low < comparison.estimate < comparison.high


@pytest.mark.parametrize(
    ("constraint", "held", "broken", "open_"),
    [
        ("auc >= baseline - 0.01", (0.8, 0.795), (0.8, 0.78), (0.8, 0.79)),
        ("auc >= 0.7", (0.9, 0.8), (0.9, 0.6), (0.9, 0.7)),
        ("auc >= 0.7", (0.5, 0.8), (0.9, 0.6), (0.5, 0.7)),
        ("rmse <= baseline * 1.01", (2.0, 2.01), (2.0, 2.05), (2.0, 2.02)),
        ("rmse <= 3", (2.0, 2.9), (2.0, 3.1), (2.0, 3.0)),
    ],
)
def test_a_constraint_by_untouched_rows(constraint, held, broken, open_):
    name = constraint.split()[0]
    fast = paired(latency=(noisy(2.0), noisy(1.0, 3)))
    for (a, b), expected in ((held, ACCEPT), (broken, REJECT), (open_, INCONCLUSIVE)):
        look = refitted(fast, **{name: (rows(a), rows(b))})
        decision, reason, _ = judged(f"minimize latency subject to {constraint}", look)
        assert decision is expected, reason


def test_equal_predictions_are_proven_no_worse_and_not_better():
    fast = paired(latency=(noisy(2.0), noisy(1.0, 3)))
    look = refitted(fast, auc=(rows(0.8), rows(0.8)))
    assert decided("minimize latency subject to auc >= baseline", look) is ACCEPT
    assert decided("maximize auc", look) is REJECT


@pytest.mark.parametrize("better", [-1e-7, 0.0, 1e-7])
def test_the_same_answers_hold_a_bound_and_are_no_gain(better):
    """Of few rows, too; rounding that happens to be for the better is no claim."""
    few, fast = [0.8, 0.6, 0.9], paired(latency=(noisy(2.0), noisy(1.0, 3)))
    look = refitted(fast, auc=(few, [x + better for x in few]))
    look.refits["candidate"][0] = replace(
        look.refits["candidate"][0],
        samples={**look.refits["candidate"][0].samples, SAME_ANSWERS: Sample((1.0,))},
    )
    assert decided("minimize latency subject to auc >= baseline - 0.001", look) is ACCEPT
    assert decided("maximize auc", look) is REJECT
    assert decided("minimize latency subject to auc >= 0.99", look) is not ACCEPT


# Several objectives


@pytest.mark.parametrize(
    ("latency", "size", "expected"),
    [
        ((2.0, 1.0), (9.0, 3.0), ACCEPT),
        ((2.0, 1.0), (9.0, 9.0), ACCEPT),
        ((1.0, 1.0), (9.0, 3.0), INCONCLUSIVE),  # time within 2 %: too noisy to say
        ((2.0, 1.0), (9.0, 9.9), REJECT),  # beyond the margin of 2 %, whatever the time does
        ((1.0, 2.0), (3.0, 9.0), REJECT),
    ],
)
def test_better_on_one_objective_and_no_worse_on_the_others(latency, size, expected):
    look = paired(
        latency=(noisy(latency[0]), noisy(latency[1], 3)),
        size=([size[0]] * len(NOISE), [size[1]] * len(NOISE)),
    )
    assert decided("minimize latency, minimize size", look) is expected


def test_objectives_share_alpha():
    look = paired(latency=(noisy(2.0), noisy(1.0, 3)), peak=(noisy(9.0), noisy(3.0, 3)))
    _, _, (alone,) = judged("minimize latency", look)
    _, _, (shared, _) = judged("minimize latency, minimize peak", look)
    assert shared.low < alone.low < alone.high < shared.high


def test_a_later_look_needs_more_evidence():
    look = paired(latency=(noisy(2.0), noisy(1.0, 3)))
    _, _, (first,) = judged("minimize latency", look, 1)
    _, _, (second,) = judged("minimize latency", look, 2)
    assert second.low < first.low < first.high < second.high
    assert [alpha_of(n) for n in (1, 2, 3)] == [ALPHA / 2, ALPHA / 4, ALPHA / 8]


# Anything unexpected


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 0.0, -1.0])
@pytest.mark.parametrize("arm", [0, 1])
@pytest.mark.parametrize("share", ["one", "all"])
def test_a_time_that_cannot_be_is_never_a_win(odd, arm, share):
    values = [noisy(2.0), noisy(1.0, 3)]
    values[arm] = [odd] * len(NOISE) if share == "all" else [odd, *values[arm][1:]]
    assert decided("minimize latency", paired(latency=values)) is INCONCLUSIVE
    fine = {"score": (around(0.8), around(0.9)[::-1])}
    limited = "maximize score subject to latency <= 3s"
    assert decided(limited, paired(latency=values, **fine)) is INCONCLUSIVE


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_never_a_win(odd):
    for arm in (0, 1):
        values = [around(0.8), around(0.9)]
        values[arm][2] = odd
        assert decided("maximize score", paired(score=values)) is INCONCLUSIVE
        both = [rows(0.8), rows(0.9)]
        both[arm][2] = odd
        assert decided("maximize auc", refitted(auc=both)) is INCONCLUSIVE


def test_a_plain_number_may_be_negative_and_is_then_compared_by_difference():
    """A program's own loss or likelihood has no unit that forbids it."""
    _, _, (comparison,) = judged("maximize rate", paired(rate=(around(-2.0), around(-1.0)[::-1])))
    assert (comparison.decision, comparison.scale) == (ACCEPT, "difference")


@pytest.mark.parametrize("count", [0, 1, MIN_PAIRS - 1])
def test_few_pairs_prove_nothing(count):
    look = paired(latency=(noisy(2.0)[:count], noisy(1.0)[:count]))
    assert decided("minimize latency", look) is INCONCLUSIVE


@pytest.mark.parametrize("arm", [0, 1])
def test_a_metric_that_is_missing_somewhere_proves_nothing(arm):
    values = [noisy(2.0), noisy(1.0, 3)]
    values[arm][4] = None
    decision, reason, _ = judged("minimize latency", paired(latency=values))
    assert (decision, reason) == (INCONCLUSIVE, "not enough evidence on latency")
    fast = paired(latency=(noisy(2.0), noisy(1.0, 3)))
    guarded = "minimize latency subject to auc >= baseline - 0.01"
    decision, reason, _ = judged(guarded, fast)
    assert (decision, reason) == (INCONCLUSIVE, "not enough evidence on auc")


@pytest.mark.parametrize(
    ("a", "b"), [([], []), ([0.8], [0.9]), ([0.8, 0.8], [0.9]), ([0.8] * 3, [])]
)
def test_too_few_or_unequal_rows_prove_nothing(a, b):
    refits = {
        "baseline": {0: ok(auc=0.8, auc_rows=a)}, "candidate": {0: ok(auc=0.9, auc_rows=b)},
    }  # fmt: skip
    assert decided("maximize auc", Look(refits=refits)) is INCONCLUSIVE
    only = Look(refits={"candidate": {0: ok(auc=0.9, auc_rows=[0.9] * 99)}})
    assert decided("maximize auc", only) is INCONCLUSIVE


def test_refits_that_the_clock_ended_are_named_and_no_missing_figure():
    some = {0: ok(auc=0.9, auc_rows=[0.9] * 99)}
    cut = {0: Measurement(Outcome.STOPPED)}
    both = {"baseline": cut, "candidate": cut}
    for refits in ({}, {"candidate": some}, {"baseline": some, "candidate": cut}, both):
        _, _, (late,) = judged("maximize auc", Look(refits=refits))
        assert late.note.startswith("the refits had not ended when the time was over; ")
    parts = {
        arm: {0: ok(auc=0.9, auc_rows=[v] * 99), 1: cut[0]}
        for arm, v in (("baseline", 0.8), ("candidate", 0.9))
    }
    _, _, (part,) = judged(
        "maximize auc", Look(refits={**parts, "baseline": {**parts["baseline"], 1: some[0]}})
    )
    assert part.n == 99
    _, _, (other,) = judged("minimize rmse", Look(refits={"baseline": some, "candidate": some}))
    assert other.note == "not measured"


@pytest.mark.parametrize("value", [1000.0, 1 / 49, 0.1])
def test_a_constant_on_its_bound_holds_it(value):
    look = paired(size=([value] * 13, [value] * 13), rate=(around(1.0, 1.0) + [1.0] * 5, around(9.0, 1.0) + [9.0] * 5))  # fmt: skip
    for bound in ("baseline", f"{value!r}B"):
        assert decided(f"maximize rate subject to size <= {bound}", look) is ACCEPT


@pytest.mark.parametrize(("a", "b"), [(2e-6, 1e-6), (1e-6, 2e-6), (1e-6, 1e-6)])
def test_times_that_never_vary_come_from_a_clock_too_coarse(a, b):
    """A size that never varies is as it should be."""
    count = len(NOISE)
    assert decided("minimize latency", paired(latency=([a] * count, [b] * count))) is INCONCLUSIVE
    size = decided("minimize size", paired(size=([a] * count, [b] * count)))
    assert size is (ACCEPT if b < a else REJECT)


def test_an_arm_that_cannot_be_refitted_decides_before_any_number():
    look = paired(latency=(noisy(2.0), noisy(1.0, 3)))
    for arm, expected in (("candidate", REJECT), ("baseline", INCONCLUSIVE)):
        broken = Look(refits={arm: {0: ok(auc=0.8), 1: CRASHED}}, pairs=look.pairs)
        decision, reason, comparisons = judged("minimize latency", broken)
        assert (decision, comparisons) == (expected, ())
        assert reason == f"the {arm} ended as crashed: segfault"
    stopped = Look(pairs={**look.pairs, 99: {"candidate": Measurement(Outcome.STOPPED)}})
    assert decided("minimize latency", stopped) is ACCEPT


numbers = st.one_of(
    st.floats(0.5, 2.0), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e-300, 1e300])
)
goals = st.sampled_from([
    "minimize latency", "maximize rate", "maximize score", "minimize latency, maximize score",
    "minimize latency subject to score >= baseline - 0.005", "maximize score subject to rate >= 1",
    "minimize size subject to latency <= baseline * 1.1 and rate >= baseline",
])  # fmt: skip


@given(goals, st.lists(st.tuples(numbers, numbers), max_size=12), st.integers(1, 3))
def test_whatever_was_measured_there_is_a_verdict_and_no_win_without_numbers(goal, pairs, number):
    columns = ([a for a, _ in pairs], [b for _, b in pairs])
    names = ("latency", "rate", "score", "size")
    look = paired(**dict.fromkeys(names, columns)) if pairs else Look()
    decision, reason, comparisons = judged(goal, look, number)
    assert reason
    odd = not all(math.isfinite(x) for pair in pairs for x in pair)
    if odd or len(pairs) < MIN_PAIRS:
        assert decision is INCONCLUSIVE
    if decision is ACCEPT:
        assert all(c.low <= c.estimate <= c.high for c in comparisons)
