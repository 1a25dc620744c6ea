"""What counts as evidence of a config, and how sure it makes us."""

import math
from statistics import fmean, median, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.config import Config
from tunewright.core.evidence import SPREAD, Estimate, Evidence, Record, read
from tunewright.core.metrics import Metric, Sample
from tunewright.core.trial import Fidelity, Measurement, Need, Outcome, Piece, Purpose, Span, Trial

AUC = Metric("auc", "higher", "fit", scale="difference", evidence="rows")
TIME = Metric("time", "lower", "run", "s", quiet=True)
LOSS = Metric("loss", "lower", "run", evidence="same data")
SIZE = Metric("size", "lower", "fit", "B", evidence="fixed")
METRICS = (AUC, TIME, LOSS, SIZE)
STAGES = ("load", "fit", "run")
A, B = Config({"n": 0}), Config({"n": 1})
positive = st.floats(0.1, 100.0)


def ok(*spans, **values):
    samples = {
        name: value if isinstance(value, Sample) else Sample((value,))
        for name, value in values.items()
    }
    return Measurement(Outcome.OK, samples, spans, key="artifact")


def trial(config=A, since="run", alone=True, effort=(), purpose=Purpose(), **piece):
    fidelity = Fidelity("run", since, dict(effort), Piece(**piece))
    return Trial(1, config, fidelity, purpose, need=Need(alone=alone))


def learned(*runs):
    evidence = Evidence(METRICS, STAGES)
    for one, measurement in runs:
        evidence.learn(one, measurement)
    return evidence


# What counts


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), positive), min_size=1, max_size=12))
def test_the_same_piece_read_again_is_no_new_evidence(runs):
    """Of what runs anew a repeat is another piece; rows and fixed values do not know repeats."""
    evidence = learned(*(
        (trial(seed=seed, repeat=repeat), ok(auc=value, time=value, loss=value, size=value))
        for seed, repeat, value in runs
    ))  # fmt: skip
    record = evidence.records[A.id]
    anew = {(seed, repeat): value for seed, repeat, value in runs}
    rows = {seed: value for seed, _, value in runs}
    for metric, expected in ((AUC, rows), (SIZE, rows), (TIME, anew), (LOSS, anew)):
        readings = record.readings[metric.name]
        assert sorted(r.value for r in readings.values()) == sorted(expected.values())
        middle = fmean if metric.evidence == "rows" else median
        assert record.value(metric) == pytest.approx(middle(expected.values()))
    again = learned(*((trial(), ok(time=2.0)) for _ in range(9))).records[A.id].estimate(TIME)
    assert again == Estimate(2.0, SPREAD * 2.0)


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_a_quiet_metric_counts_from_trials_alone_only(alone):
    evidence = learned(*(
        (trial(alone=one, repeat=i), ok(time=1.0, loss=1.0)) for i, one in enumerate(alone)
    ))  # fmt: skip
    record = evidence.records[A.id]
    assert len(record.readings.get("time", ())) == sum(alone)
    assert len(record.readings["loss"]) == len(alone)


@pytest.mark.parametrize(
    ("since", "counts"), [("", False), ("load", True), ("fit", True), ("run", True)]
)
def test_what_must_run_anew_counts_where_the_chain_did(since, counts):
    record = learned((trial(since=since), ok(auc=0.9, time=1.0))).records[A.id]
    assert (record.value(TIME) is not None) == counts
    assert record.value(AUC) == 0.9


def test_a_stage_above_the_cut_came_from_the_cache():
    early = Metric("early", "lower", "fit", evidence="pairs")
    evidence = Evidence((early,), STAGES)
    evidence.learn(trial(since="run"), ok(early=1.0))
    assert evidence.records[A.id].value(early) is None


def test_a_part_of_the_effort_and_verifications_are_no_evidence_for_the_search():
    for one in (
        trial(effort={"rows": 0.25}.items()),
        trial(purpose=Purpose("refit", "candidate", 1)),
        trial(purpose=Purpose("pair", "baseline", 1)),
    ):
        evidence = learned((one, ok(auc=1.0, time=1.0)))
        assert not evidence.records
        assert evidence.baseline is None


def test_the_first_config_is_the_baseline():
    evidence = learned((trial(B), ok()), (trial(A), ok()), (trial(B), ok()))
    assert evidence.baseline is evidence.records[B.id]


def test_failures_count_and_what_we_stopped_does_not():
    crashed, stopped = Measurement(Outcome.CRASHED, detail="no"), Measurement(Outcome.STOPPED)
    record = learned((trial(), stopped), (trial(), crashed), (trial(), ok(time=1.0))).records[A.id]
    assert (record.runs, record.failures) == (2, ["crashed: no"])
    assert record.failing(1 / 3) == "crashed: no"
    assert record.failing(1 / 2) == ""


def test_a_config_costs_its_fit_once_and_its_measurement_each_time():
    load, fit, run = Span("load", 0.0, 1.0), Span("fit", 1.0, 4.0), Span("run", 4.0, 4.5)
    reused = [Span(s.stage, 0.0, 0.1, cached=True) for s in (load, fit)]
    record = learned(
        (trial(since="", alone=False), ok(load, fit)),
        (trial(), ok(*reused, run)),
        (trial(repeat=1), ok(*reused, run)),
    ).records[A.id]
    assert (record.fit_s, record.measure_s) == (4.0, 0.5)
    assert (record.measured, record.runs, record.key) == (2, 3, "artifact")


# What it is worth


@given(st.lists(positive, min_size=2, max_size=9))
def test_repetition_gives_the_error_of_what_varies(values):
    record = learned(*((trial(repeat=i), ok(time=v, loss=v)) for i, v in enumerate(values))).records[A.id]  # fmt: skip
    expected = Estimate(median(values), pytest.approx(stdev(values) / math.sqrt(len(values))))
    assert record.estimate(TIME) == expected
    assert record.estimate(LOSS) == expected


def test_one_reading_has_the_spread_of_processes_where_the_machine_matters():
    record = learned((trial(), ok(time=2.0, loss=2.0, size=2.0))).records[A.id]
    assert record.estimate(TIME) == Estimate(2.0, 2.0 * SPREAD)
    assert record.estimate(LOSS) == Estimate(2.0, 0.0)
    assert record.estimate(SIZE) == Estimate(2.0, 0.0)
    assert record.estimate(AUC) is None


def test_rows_bring_their_error_and_more_pieces_a_smaller_one():
    def scored(value, change, error, seed=0):
        return trial(seed=seed), ok(
            auc=Sample((value,), error=0.01), auc_change=Sample((change,), error=error)
        )

    one = learned(scored(0.9, 0.01, 0.002)).records[A.id]
    assert one.estimate(AUC) == Estimate(0.9, 0.002)
    four = learned(*(scored(0.9, 0.01, 0.002, seed) for seed in range(4))).records[A.id]
    assert four.estimate(AUC) == Estimate(0.9, pytest.approx(0.001))
    base = learned((trial(), ok(auc=Sample((0.8,), error=0.01)))).records[A.id]
    assert four.change(AUC, base) == Estimate(pytest.approx(-0.01), pytest.approx(0.001))


@given(st.lists(st.tuples(positive, positive), min_size=2, max_size=6), st.data())
def test_configs_judged_on_other_folds_are_held_against_the_baseline_on_the_same(folds, data):
    """A hard fold makes no config worse: what counts is the change on the folds that it was given."""
    share = data.draw(st.sets(st.integers(0, len(folds) - 1), min_size=1))
    runs = [(trial(A, fold=i), ok(auc=base)) for i, (base, _) in enumerate(folds)]
    for i in share:
        base, own = folds[i]
        samples = {"auc": own, "auc_change": Sample((own - base,), error=0.1)}
        runs.append((trial(B, fold=i), ok(**samples)))
    record = learned(*runs).records[B.id]
    expected = fmean(b for b, _ in folds) + fmean(folds[i][1] - folds[i][0] for i in share)
    assert record.value(AUC) == pytest.approx(expected)
    assert record.pieces(AUC) == len(share)


def test_what_separates_two_configs_is_known_from_fold_to_fold():
    """Both vary by 0.05 from fold to fold, and one is always better by 0.01."""
    values = [0.80, 0.85, 0.90, 0.95]
    runs = [(trial(A, fold=i), ok(auc=0.7)) for i in range(4)]
    for config, gain in ((B, 0.0), (Config({"n": 2}), 0.01)):
        runs += [
            (trial(config, fold=i), ok(auc=v + gain, auc_change=Sample((v + gain - 0.7,), error=0.04)))
            for i, v in enumerate(values)
        ]  # fmt: skip
    evidence = learned(*runs)
    _, one, other = evidence.records.values()
    assert one.apart(other, AUC) == Estimate(pytest.approx(0.01), pytest.approx(0.0, abs=1e-9))
    assert one.estimate(AUC).error == pytest.approx(0.02)


def test_a_config_is_settled_by_what_its_fits_chose():
    bound, other = Config({"n": 3000, "rate": 0.5}), Config({"n": 7})
    runs = [(trial(A), ok()), (trial(other), ok(auc=1.0))]
    runs += [(trial(bound, fold=i), ok(n=n, rate=0.25)) for i, n in enumerate((100, 105))]
    evidence = learned(*runs)
    settled = Config({"n": 102, "rate": 0.25})
    assert evidence.settled(bound) == settled
    assert evidence.settled(other) == other
    blend = Config({}, [(bound, 0.5), (other, 0.5)])
    assert evidence.settled(blend) == Config({}, [(settled, 0.5), (other, 0.5)])
    assert evidence.record_of(settled) is evidence.records[bound.id]
    assert evidence.record_of(Config({"n": 9})) is None


def test_members_without_weights_are_no_candidate():
    evidence = learned((trial(A), ok()), (trial(Config({}, [(A, 0.0), (B, 0.0)])), ok(auc=1.0)))
    assert list(evidence.records) == [A.id]


@given(positive, positive)
def test_a_change_is_less_where_it_is_better(a, b):
    base, other = Record(A), Record(B)
    for record, value in ((base, a), (other, b)):
        for metric in METRICS:
            record.readings[metric.name] = {Piece(): read(metric, ok(**{metric.name: value}))}
    for metric in METRICS:
        change = other.change(metric, base)
        better = b > a if metric.better == "higher" else b < a
        assert (change.value < 0) == better
        assert base.change(metric, base) == Estimate(0.0, 0.0)
    assert other.change(TIME, base).error == pytest.approx(SPREAD * math.hypot(a, b))


def test_what_was_not_reported_is_unknown():
    assert read(AUC, ok(time=1.0)) is None
    assert read(AUC, ok(auc=Sample(()))) is None
    assert Record(A).change(AUC, Record(B)) is None


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=5), st.data())
def test_time_is_told_by_the_fit_that_is_about_as_large_as_what_is_handed_over(trees, data):
    """Early stopping leaves each fold's fit its own size; the mean of them is refitted."""
    bound = Config({"n": 3000})
    runs = [(trial(A), ok(time=1.0))]
    runs += [(trial(bound, since="", fold=i), ok(auc=0.9, n=n)) for i, n in enumerate(trees)]
    record = learned(*runs).records[bound.id]
    apart = [abs(n / fmean(trees) - 1) for n in trees]
    assert apart[record.typical] == min(apart)
    assert not record.outgrown  # as long as nothing was timed
    timed = data.draw(st.lists(st.integers(0, len(trees) - 1), min_size=1, unique=True))
    runs += [(trial(bound, fold=i), ok(auc=0.9, n=trees[i], time=trees[i])) for i in timed]
    record = learned(*runs).records[bound.id]
    nearest = min(timed, key=lambda i: (apart[i], i))
    assert record.value(TIME) == trees[nearest]
    assert record.outgrown == (apart[nearest] > 0.1)
