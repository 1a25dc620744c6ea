"""Cases beyond one metric by pairs: shared error, equivalence, failures, outputs, tails, old runs."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.goal import parse_goal
from tunewright.core.metrics import OUTPUT, Metric, Sample
from tunewright.core.trial import Measurement, Outcome
from tunewright.core.verdict import ALPHA, Comparison, Decision, alpha_of
from tunewright.verifying.claims import (
    EXCEEDANCES,
    MIN_PAIRS,
    Case,
    Claim,
    compare,
    rows_of,
)
from tunewright.verifying.judge import WATCHED, holm, judge
from tunewright.verifying.pairs import (
    ARMS,
    FAILURES,
    Look,
    failing_arm,
    failure_story,
    outputs_of,
)

ACCEPT, REJECT, INCONCLUSIVE = Decision.ACCEPT, Decision.REJECT, Decision.INCONCLUSIVE
WALL = Metric("wall_s", "lower", "run", "s")
CPU = Metric("cpu_s", "lower", "run", "s")
SIZE = Metric("size", "lower", "run", "B", evidence="fixed")
ACC = Metric("acc", "higher", "run", scale="difference", margin=0.005, evidence="same data")
P95 = Metric("lat_p95", "lower", "run", "s", sample="lat", share=0.95)
AUC = Metric("auc", "higher", "fit", scale="difference", margin=0.005, evidence="rows")
METRICS = (WALL, CPU, SIZE, ACC, P95, AUC)
CRASHED = Measurement(Outcome.CRASHED, detail="segfault")
STOPPED = Measurement(Outcome.STOPPED)


def sample(value):
    if isinstance(value, Sample):
        return value
    return Sample(tuple(value) if isinstance(value, (list, tuple)) else (value,))


def ok(**values):
    return Measurement(
        Outcome.OK,
        {n: sample(v) for n, v in values.items()},
    )


def look_of(*pairs):
    """A look of these pairs, each two measurements; None for an arm that has not run."""
    return Look(pairs={
        block: {arm: m for arm, m in zip(ARMS, pair, strict=True) if m is not None}
        for block, pair in enumerate(pairs)
    })  # fmt: skip


def runs(level, n=12, spread=0.02, seed=0):
    chance = random.Random(f"{level} {n} {seed}")
    return [level * math.exp(spread * chance.gauss()) for _ in range(n)]


def paired(**arms):
    """A look whose pairs gave these values: name=(of the baseline, of the candidate)."""
    names, count = list(arms), len(next(iter(arms.values()))[0])
    return look_of(*(
        tuple(ok(**{name: arms[name][arm][block] for name in names}) for arm in (0, 1))
        for block in range(count)
    ))  # fmt: skip


def with_pairs(look, *pairs):
    """The look with more pairs behind those it has."""
    return look_of(*((p.get("baseline"), p.get("candidate")) for p in look.pairs.values()), *pairs)


def judged(goal, look, **more):
    return judge(Case(look, more.pop("number", 1), parse_goal(goal, METRICS), **more))


FASTER = paired(wall_s=(runs(2.0), runs(1.0)))
ALIKE = paired(wall_s=(runs(1.0), runs(1.0, seed=1)))


# Error that is shared


class Levels:
    """Claims that are accepted where they get so much error, and what each was asked with."""

    def __init__(self, **needed):
        self.needed, self.asked = needed, []

    def __call__(self, claim, alpha):
        self.asked.append((claim.metric.name, alpha))
        enough = alpha >= self.needed[claim.metric.name] * (1 - 1e-12)
        decision = ACCEPT if enough else INCONCLUSIVE
        return Comparison(claim.metric.name, claim.role, "ratio", *[1.0] * 6, decision, 5, "pairs")

    def rounds(self):
        """The levels of each round: one begins where the claims begin anew."""
        order, found, before = [metric.name for metric in METRICS], [], math.inf
        for name, alpha in self.asked:
            if order.index(name) <= before:
                found.append([])
            found[-1].append(alpha)
            before = order.index(name)
        return found


def decided(needed, watched=(), alpha=0.04):
    compare = Levels(**needed)
    claims = [
        Claim(metric, "watched" if metric.name in watched else "objective")
        for metric in METRICS
        if metric.name in needed
    ]
    found = holm(claims, compare, alpha)
    return [c.decision is ACCEPT for c in found], compare


def test_a_single_claim_may_spend_the_whole_error():
    accepted, compare = decided({"wall_s": 0.04})
    assert (accepted, compare.asked) == ([True], [("wall_s", 0.04)])
    assert decided({"wall_s": 0.05})[0] == [False]


def test_what_is_decided_passes_its_error_on_to_the_others():
    assert decided({"wall_s": 0.02, "cpu_s": 0.04})[0] == [True, True]
    assert decided({"wall_s": 0.04, "cpu_s": 0.02})[0] == [True, True]
    assert decided({"wall_s": 0.03, "cpu_s": 0.03})[0] == [False, False]
    assert decided({"wall_s": 0.013, "cpu_s": 0.02, "size": 0.04})[0] == [True] * 3
    assert decided({"wall_s": 0.013, "cpu_s": 0.021, "size": 0.04})[0] == [True, False, False]


def test_what_is_watched_costs_what_was_asked_a_tenth_of_its_share():
    weight = 1 / (1 + 2 * WATCHED)
    shares = [0.04 * weight, 0.04 * weight * WATCHED, 0.04 * weight * WATCHED]
    _, compare = decided({"wall_s": 1.0, "cpu_s": 1.0, "size": 1.0}, watched=("cpu_s", "size"))
    assert compare.rounds() == [pytest.approx(shares)]
    # where the first is decided, the two that are left share the whole
    _, compare = decided({"wall_s": 0.0, "cpu_s": 1.0, "size": 1.0}, watched=("cpu_s", "size"))
    assert compare.rounds() == [pytest.approx(shares), pytest.approx([0.02, 0.02])]


@given(st.lists(st.floats(0.001, 0.1), min_size=1, max_size=5), st.integers(0, 5))
def test_no_round_spends_more_than_the_whole_error(needed, watched):
    names = [metric.name for metric in METRICS][: len(needed)]
    accepted, compare = decided(dict(zip(names, needed, strict=True)), watched=names[:watched])
    rounds = compare.rounds()
    assert [sum(levels) for levels in rounds] == pytest.approx([0.04] * len(rounds))
    assert len(rounds[-1]) >= accepted.count(False)


def test_watched_metrics_are_told_and_decide_nothing():
    look = paired(
        wall_s=(runs(2.0), runs(1.0)), cpu_s=(runs(1.0), runs(2.0)), size=([9.0] * 12, [9.0] * 12)
    )
    decision, reason, told = judged("minimize wall_s", look, watched=(CPU, SIZE), ended=True)
    assert (decision, reason) == (ACCEPT, "wall_s is better")
    assert [(c.metric, c.role, c.decision) for c in told] == [
        ("wall_s", "objective", ACCEPT), ("cpu_s", "watched", REJECT), ("size", "watched", ACCEPT),
    ]  # fmt: skip
    quiet = paired(wall_s=(runs(2.0), runs(1.0)), cpu_s=([math.nan] * 12, runs(1.0)))
    decision, _, (_, cpu) = judged("minimize wall_s", quiet, watched=(CPU,), ended=True)
    assert (decision, cpu.decision, cpu.note) == (
        ACCEPT,
        INCONCLUSIVE,
        "some values are not finite",
    )


# Equivalence, constraints alone, and nothing at all


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (1.0, ACCEPT),
        (1.2, REJECT),
        (1 / 1.2, REJECT),
        (1.05, INCONCLUSIVE),
        (1 / 1.05, INCONCLUSIVE),
    ],
)
def test_an_equivalence_holds_inside_both_bounds_alone(factor, expected, ended):
    look = paired(wall_s=(runs(1.0, 40, 0.01), runs(factor, 40, 0.01, 1)))
    decision, reason, (told,) = judged("subject to wall_s within 5% of baseline", look, ended=ended)
    assert decision is told.decision is expected
    assert told.limit == pytest.approx(1.05)
    if expected is ACCEPT:
        assert reason == "everything that was asked for holds"
        assert 1 / 1.05 < told.low < told.high < 1.05


def test_an_equivalence_of_scores_is_one_of_differences():
    base = [0.9 + 0.0001 * i for i in range(12)]
    for moved, expected in ((0.0, ACCEPT), (0.02, REJECT), (-0.02, REJECT)):
        look = paired(acc=(base, [b + moved + 0.0001 * (i % 3) for i, b in enumerate(base)]))
        decision, _, (told,) = judged("subject to acc within 0.01 of baseline", look)
        assert (decision, told.scale, told.limit) == (expected, "difference", pytest.approx(0.01))


def test_constraints_alone_are_accepted_when_all_hold():
    goal = "subject to wall_s <= baseline * 1.05 and size <= 10"
    times = (runs(1.0, 30, 0.01), runs(1.0, 30, 0.01, 1))
    held = paired(wall_s=times, size=([9.0] * 30, [9.5] * 30))
    assert judged(goal, held)[:2] == (ACCEPT, "everything that was asked for holds")
    broken = paired(wall_s=times, size=([9.0] * 30, [11.0] * 30))
    assert judged(goal, broken)[:2] == (REJECT, "size breaks its constraint")
    few = paired(wall_s=tuple(t[:6] for t in times), size=([9.0] * 6, [9.5] * 6))
    assert judged(goal, few)[:2] == (INCONCLUSIVE, "not enough evidence on wall_s")


def test_without_a_question_runs_are_only_measured():
    decision, reason, told = judged("", FASTER, watched=(WALL,), ended=True)
    assert (decision, reason) == (INCONCLUSIVE, "nothing was asked: the runs were only measured")
    assert [(c.metric, c.role, c.decision) for c in told] == [("wall_s", "watched", ACCEPT)]


# Failures


@pytest.mark.parametrize(
    ("failing", "told"),
    [
        ((None, CRASHED), "0 of 13 runs of the baseline and 1 of 13 runs of the candidate"),
        ((CRASHED, None), "1 of 13 runs of the baseline and 0 of 13 runs of the candidate"),
        ((CRASHED, CRASHED), "1 of 13 runs of the baseline and 1 of 13 runs of the candidate"),
    ],
)
def test_a_run_that_fails_makes_everything_inconclusive_and_is_counted(failing, told):
    look = with_pairs(FASTER, tuple(m or ok(wall_s=1.0) for m in failing))
    decision, reason, comparisons = judged("minimize wall_s", look)
    assert (decision, reason) == (INCONCLUSIVE, f"{told} failed (crashed: segfault)")
    assert comparisons[0].decision is ACCEPT  # what the others say is told all the same
    assert comparisons[0].n == 12
    decision, reason, _ = judged("minimize wall_s", look, ignore_failures=True)
    assert (decision, reason) == (ACCEPT, "wall_s is better")


def test_a_run_that_we_stopped_is_no_failure():
    assert judged("minimize wall_s", with_pairs(FASTER, (None, STOPPED)))[0] is ACCEPT


def test_a_candidate_that_fails_as_often_as_not_is_rejected():
    fine, look = ok(wall_s=1.0), look_of()
    for failures in range(1, FAILURES + 1):
        look = with_pairs(look, (fine, CRASHED))
        failing = failures == FAILURES
        assert failing_arm(look) == ("candidate" if failing else None)
        expected = REJECT if failing else INCONCLUSIVE
        assert judged("minimize wall_s", look)[0] is expected
    assert judged("minimize wall_s", look, ignore_failures=True)[0] is INCONCLUSIVE
    seldom = with_pairs(look, *[(fine, fine)] * (FAILURES + 1))
    assert failing_arm(seldom) is None
    assert judged("minimize wall_s", seldom)[0] is INCONCLUSIVE


def test_a_failing_baseline_refutes_nothing():
    fine = ok(wall_s=1.0)
    alone = look_of(*[(CRASHED, fine)] * FAILURES)
    both = look_of(*[(CRASHED, CRASHED)] * FAILURES)
    assert failing_arm(alone) == failing_arm(both) == "baseline"
    for look in (alone, both):
        assert judged("minimize wall_s", look)[0] is INCONCLUSIVE


def test_the_story_of_failures_ends_with_the_latest_one():
    latest = Measurement(Outcome.TIMEOUT, detail="it ran longer than a trial may")
    told = failure_story(look_of((ok(), CRASHED), (ok(), latest), (ok(), ok())))
    assert told == (
        "0 of 3 runs of the baseline and 2 of 3 runs of the candidate failed "
        "(timeout: it ran longer than a trial may)"
    )


# Outputs


def putting_out(*pairs):
    """Twelve pairs of a candidate twice as fast; outputs by pair, the last for all that follow."""
    base, cand = runs(2.0), runs(1.0)
    return look_of(*(
        tuple(ok(wall_s=t, **{OUTPUT: o} if o is not None else {}) for t, o in zip((base[i], cand[i]), pairs[min(i, len(pairs) - 1)], strict=True))
        for i in range(12)
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("outputs", "found", "decision", "reason"),
    [
        ([(7.0, 7.0)], "same", ACCEPT, "wall_s is better"),
        ([(7.0, 7.0), (8.0, 8.0)], "same", ACCEPT, "wall_s is better"),
        ([(7.0, 9.0)], "differ", REJECT, "the outputs of the two differ"),
        ([(7.0, 9.0), (8.0, 10.0)], "vary", INCONCLUSIVE, "the outputs vary from run to run, so they cannot be compared"),
        ([(None, None)], "unknown", INCONCLUSIVE, "not enough evidence on the outputs"),
        ([(7.0, None)], "unknown", INCONCLUSIVE, "not enough evidence on the outputs"),
    ],
)  # fmt: skip
def test_where_both_must_put_out_the_same(outputs, found, decision, reason):
    look = putting_out(*outputs)
    assert outputs_of(look) == found
    assert judged("minimize wall_s", look, same_output=True)[:2] == (decision, reason)
    assert judged("minimize wall_s", look)[0] is ACCEPT  # where nobody asked, it is told elsewhere


def test_one_pair_cannot_tell_outputs_that_differ_from_outputs_that_vary():
    look = Look(pairs=dict(list(putting_out((7.0, 9.0)).pairs.items())[:1]))
    assert outputs_of(look) == "unknown"


def test_a_failure_goes_before_the_outputs():
    look = with_pairs(putting_out((7.0, 9.0)), (ok(wall_s=1.0), CRASHED))
    assert "failed" in judged("minimize wall_s", look, same_output=True)[1]


# What a quantile, a clock and an odd pair can say


@pytest.mark.parametrize(("share", "wanted"), [(0.95, 100), (0.99, 500), (0.9, 50)])
def test_a_tail_needs_values_beyond_it(share, wanted):
    assert wanted == round(EXCEEDANCES / (1 - share))
    metric = Metric("tail", "lower", "run", "s", sample="lat", share=share)
    goal = parse_goal("minimize tail", [metric])
    for count, expected in ((wanted, ACCEPT), (wanted - 1, INCONCLUSIVE), (2, INCONCLUSIVE)):
        look = paired(lat=([[t] * count for t in runs(2.0)], [[t] * count for t in runs(1.0)]))
        decision, _, (told,) = judge(Case(look, 1, goal))
        assert decision is expected
        if expected is INCONCLUSIVE:
            assert (
                told.note == f"{wanted} values a run are needed to know this quantile; got {count}"
            )


def test_a_program_may_tell_the_quantile_itself_but_one_value_of_many_is_none():
    look = paired(lat=(runs(2.0), runs(1.0)))
    decision, _, (told,) = judged("minimize lat_p95", look)
    assert (decision, told.note) == (
        INCONCLUSIVE,
        "100 values a run are needed to know this quantile; got 1",
    )
    own = Metric("own_p95", "lower", "run", share=0.95)
    claim = Claim(own, "objective")
    look = paired(own_p95=(runs(2.0), runs(1.0)))
    assert compare(Case(look, 1, parse_goal("", METRICS)), claim, 0.025).decision is ACCEPT


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(
    ("a", "b", "note"),
    [
        ([0.01] * 12, [0.02] * 12, "every run took equally long: the clock is too coarse for it"),
        ([0.0] * 12, [0.0] * 12, "some values are 0, so there is no ratio"),
        ([0.0, *[1.0] * 11], [1.0] * 12, "some values are 0, so there is no ratio"),
        ([1.0] * 4, [2.0] * 4, f"4 of at least {MIN_PAIRS} pairs"),
    ],
)  # fmt: skip
def test_times_that_cannot_be_compared_say_why(a, b, note, ended):
    decision, _, (told,) = judged("minimize wall_s", paired(wall_s=(a, b)), ended=ended)
    assert decision is told.decision is INCONCLUSIVE
    assert told.note.startswith(note)


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("factor", [1e-6, 1e-2, 100, 1e6])
@pytest.mark.parametrize("n", [5, 6, 8, 12, 30])
def test_one_odd_pair_cannot_win_or_lose(n, factor, ended):
    base, cand = runs(1.0, n), runs(1.0, n, seed=1)
    for place in (0, n // 2, n - 1):
        odd = [c * factor if i == place else c for i, c in enumerate(cand)]
        assert judged("minimize wall_s", paired(wall_s=(base, odd)), ended=ended)[0] is INCONCLUSIVE


def test_a_small_effect_that_early_looks_leave_open_is_decided_at_the_end():
    look = paired(wall_s=(runs(1.015, 30, 0.02), runs(1.0, 30, 0.02, 1)))
    assert judged("minimize wall_s", look)[:2] == (INCONCLUSIVE, "not enough evidence on wall_s")
    decision, _, (told,) = judged("minimize wall_s", look, ended=True)
    assert decision is ACCEPT
    assert told.low < told.estimate < told.high < 1


@given(st.integers(0, 200), st.integers(6, 30), st.floats(0.8, 1.25))
def test_what_is_claimed_early_is_claimed_at_the_end(seed, n, factor):
    look = paired(wall_s=(runs(1.0, n, 0.02, seed), runs(factor, n, 0.02, seed + 1)))
    before, after = (judged("minimize wall_s", look, ended=ended)[0] for ended in (False, True))
    assert before in (after, INCONCLUSIVE)


def test_what_could_have_been_seen_is_told_on_the_scale_of_the_change():
    _, _, (told,) = judged("minimize wall_s", ALIKE, ended=True)
    assert 1.0 < told.detectable < 1.1
    scores = paired(
        acc=([0.9 + 0.001 * (i % 4) for i in range(12)], [0.9 + 0.001 * (i % 3) for i in range(12)])
    )
    _, _, (told,) = judged("maximize acc", scores, ended=True)
    assert 0.0 < told.detectable < 0.01


# Rows of several folds


def joined(parts):
    return [value for part in parts for value in part]


LABELS = ("no", "yes")


def test_the_rows_of_all_folds_are_judged_together():
    chance = random.Random(0)
    base = [[chance.gauss(0.8, 0.1) for _ in range(40)] for _ in range(3)]
    cand = [[x + 0.02 + chance.gauss(0, 0.01) for x in part] for part in base]
    classes = [[float(i % 2) for i in range(40)]] * 3
    groups = [[float(40 * fold + i // 2) for i in range(40)] for fold in range(3)]

    def refits(parts):
        return {
            fold: ok(
                auc_rows=part,
                group=groups[fold],
                **{"class": Sample(tuple(classes[fold]), labels=LABELS)},
            )
            for fold, part in enumerate(parts)
        }

    look = Look(
        refits={"candidate": dict(reversed(refits(cand).items())), "baseline": refits(base)}
    )
    rows = rows_of(look, AUC)
    assert rows.baseline == pytest.approx(joined(base))
    assert rows.candidate == pytest.approx(joined(cand))
    assert list(rows.classes) == joined(classes)
    assert list(rows.groups) == joined(groups)
    assert rows.labels == LABELS
    decision, _, (told,) = judged("maximize auc", look)
    assert (decision, told.n, told.evidence) == (ACCEPT, 120, "rows")
    assert rows_of(look, ACC) is None


# A baseline of another day


def saved(level, yardstick=0.1, n=12, seed=5, **more):
    """What a baseline gave then, beside the yardstick."""
    times = zip(runs(yardstick, n, 0.005, seed), runs(level, n, 0.01, seed + 1), strict=True)
    return {"wall_s": list(times), **more}


def today(level, yardstick=0.1, n=12):
    return paired(wall_s=(runs(yardstick, n, 0.005, 7), runs(level, n, 0.01, 8)))


GATE = "subject to wall_s <= baseline * 1.05"


@pytest.mark.parametrize("slower", [1.0, 1.5, 0.5])
@pytest.mark.parametrize(("level", "expected"), [(1.0, ACCEPT), (0.7, ACCEPT), (1.2, REJECT)])
def test_a_machine_that_is_slower_today_changes_nothing(level, expected, slower):
    look = today(level * slower, 0.1 * slower)
    decision, _, (told,) = judged(GATE, look, saved=saved(1.0), ended=True)
    assert decision is expected
    assert told.evidence == "saved"
    assert told.estimate == pytest.approx(level, rel=0.02)
    assert told.baseline == pytest.approx(slower, rel=0.02)  # what it would have taken today
    assert told.candidate == pytest.approx(level * slower, rel=0.02)
    assert told.limit == pytest.approx(1.05)


def test_a_saved_baseline_is_held_against_once_at_the_end():
    decision, _, (told,) = judged(GATE, today(0.5), saved=saved(1.0))
    assert (decision, told.note) == (INCONCLUSIVE, "held against the saved baseline at the end")


@pytest.mark.parametrize(
    ("then", "now"), [(MIN_PAIRS - 1, 12), (12, MIN_PAIRS - 1), (0, 12), (12, 0)]
)
def test_a_saved_baseline_needs_enough_runs_on_both_days(then, now):
    look = today(0.5, n=now) if now else Look()
    decision, _, (told,) = judged(GATE, look, saved=saved(1.0, n=then), ended=True)
    few = f"at least {MIN_PAIRS} runs on both days are needed"
    assert (decision, told.note) == (INCONCLUSIVE, few if then else "not in the saved baseline")


def test_sizes_and_scores_of_another_day_need_no_yardstick():
    then = {"size": [[None, 9.0]] * 8, "acc": [[None, 0.9 + 0.001 * (i % 2)] for i in range(8)]}
    look = paired(
        size=([1.0] * 8, [3.0] * 8), acc=([0.5] * 8, [0.8 + 0.001 * (i % 2) for i in range(8)])
    )
    _, _, (size, acc) = judged(
        "minimize size and maximize acc", look, saved=then, ended=True
    )  # fmt: skip
    assert (size.decision, size.estimate) == (ACCEPT, pytest.approx(1 / 3))
    assert (acc.decision, acc.scale, acc.estimate) == (REJECT, "difference", pytest.approx(-0.1))


def test_a_run_without_its_yardstick_says_nothing_about_time():
    then = saved(1.0)
    then["wall_s"][3] = (None, 1.0)
    decision, _, _ = judged(GATE, today(0.5), saved=then, ended=True)
    assert decision is INCONCLUSIVE


# Earlier looks


def test_each_look_at_the_same_rows_halves_the_error():
    assert [alpha_of(number) for number in (1, 2, 3)] == [ALPHA / 2, ALPHA / 4, ALPHA / 8]
    _, _, (first,) = judged("minimize wall_s", ALIKE, ended=True)
    _, _, (second,) = judged("minimize wall_s", ALIKE, ended=True, number=2)
    assert second.low < first.low < first.high < second.high


# What once went wrong


def test_a_zero_among_the_values_of_a_ratio_does_not_turn_its_margin_into_an_amount():
    """A loss of 0.001 that becomes 0.01 is no worse by 0.009 only in its own unit."""
    loss = Metric("loss", "lower", "run")
    look = paired(wall_s=(runs(2.0), runs(1.0)), loss=([0.0, *runs(0.001)[1:]], runs(0.01)))
    goal = parse_goal("minimize wall_s, minimize loss", (*METRICS, loss))
    decision, reason, _ = judge(Case(look, 1, goal, ended=True))
    assert (decision, reason) == (REJECT, "loss is worse by more than its margin")


@pytest.mark.parametrize("number", [1, 2, 4, 6])
@pytest.mark.parametrize("n", range(MIN_PAIRS, 13))
def test_a_clear_effect_stays_proven_with_every_further_pair_at_every_look(n, number):
    """It is decided early only where ranks can agree: five drawn orders are alike too often."""
    look = paired(wall_s=(runs(10.0, n), runs(1.0, n)))
    assert judged("minimize wall_s", look, number=number, ended=True)[0] is ACCEPT
    early = ACCEPT if 0.5**n <= alpha_of(number) else INCONCLUSIVE
    assert judged("minimize wall_s", look, number=number, ended=False)[0] is early


def test_a_proven_loss_on_one_objective_ends_the_comparison_by_its_name():
    look = paired(wall_s=(runs(1.0), runs(0.7)), cpu_s=(runs(1.0), runs(1.5)))
    decision, reason, _ = judged("minimize wall_s, minimize cpu_s", look)
    assert (decision, reason) == (REJECT, "cpu_s is worse by more than its margin")
