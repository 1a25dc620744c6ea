import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.goal import (
    equivalent,
    not_worse,
    parse_constraint,
    parse_goal,
    within_margin,
)
from tunewright.core.metrics import Metric
from tunewright.core.units import BYTES, SECONDS, format_quantity, parse_quantity
from tunewright.errors import InputError

LATENCY = Metric("latency_p50", "lower", "predict", "s")
AUC = Metric("roc_auc", "higher", "fit", scale="difference", evidence="rows")
SIZE = Metric("size", "lower", "compile", "B")
METRICS = (LATENCY, AUC, SIZE)


def parsed(text):
    return parse_goal(text, METRICS)


def test_a_goal_has_ordered_objectives_and_constraints():
    goal = parsed(
        "minimize latency_p50, minimize size subject to roc_auc >= baseline - 0.005 and size<=2MB"
    )
    assert goal.objectives == (LATENCY, SIZE)
    assert [c.metric for c in goal.constraints] == [AUC, SIZE]
    assert goal.metrics == (LATENCY, SIZE, AUC)
    assert goal.constraints[0].bound(0.9) == pytest.approx(0.895)
    assert goal.constraints[1].bound(123.0) == 2e6
    assert parsed("maximize roc_auc and minimize size").objectives == (AUC, SIZE)
    assert parsed("minimize size subject-to roc_auc >= 0.8") == parsed(
        "minimize size subject-to roc_auc >= 0.8"
    )


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        ("baseline", 2.0),
        ("baseline + 1ms", 2.001),
        ("baseline - 1ms", 1.999),
        ("baseline * 1.5", 3.0),
        ("baseline*150%", 3.0),
        ("baseline / 4", 0.5),
        ("20us", 20e-6),
        (".5 s", 0.5),
        ("1e-3", 0.001),
        ("1.5 * baseline", 3.0),
        ("1.5*baseline", 3.0),
        ("1.5 × baseline", 3.0),
        ("150% * baseline", 3.0),
        ("150% of baseline", 3.0),
        ("1ms + baseline", 2.001),
        ("baseline + 1 ms", 2.001),
        ("baseline + 50%", 3.0),
        ("baseline - 50 %", 1.0),
        ("1,000us", 0.001),
        ("1,234,567 ns", 0.001234567),
        ("2 minutes", 120.0),
    ],
)
def test_bounds(bound, expected):
    (constraint,) = parsed(f"minimize size subject to latency_p50 <= {bound}").constraints
    assert constraint.bound(2.0) == pytest.approx(expected)
    assert constraint.slack(expected, 2.0) == pytest.approx(0.0)
    assert constraint.slack(expected * 2, 2.0) < 0 < constraint.slack(expected / 2, 2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast", "expected 'minimize METRIC' or 'maximize METRIC'; got 'fast'"),
        ("minimise size", "expected 'minimize METRIC' or 'maximize METRIC'; got 'minimise size'"),
        ("minimize latency_p5", "unknown metric 'latency_p5': did you mean 'latency_p50'?"),
        ("minimize xyz", "unknown metric 'xyz': known: latency_p50, roc_auc, size"),
        ("minimize roc_auc", "roc_auc is better when higher; say 'maximize roc_auc'"),
        ("maximize size", "size is better when lower; say 'minimize size'"),
        ("minimize size subject to roc_auc", "expected 'METRIC <= BOUND' or 'METRIC >= BOUND'; got 'roc_auc'"),
        ("minimize size subject to roc_auc > 1", "expected 'METRIC <= BOUND' or 'METRIC >= BOUND'"),
        ("minimize size subject to roc_auc <= 1", "so its bound is 'roc_auc >= …'; got 'roc_auc <= 1'"),
        ("minimize size subject to auc >= 1", "unknown metric 'auc'"),
        ("minimize size subject to roc_auc >= baseline 1", "'baseline - 0.01' or 'baseline * 1.02'; got 'baseline 1'"),
        ("minimize size subject to roc_auc >= baseline * 0", "expected a factor above 0; got '0'"),
        ("minimize size subject to size <= baseline - 150%", "expected a factor above 0; got '150%'"),
        ("minimize size subject to size <= 0 * baseline", "expected a factor above 0; got '0'"),
        ("minimize size subject to size <= 2 baseline", "'baseline - 0.01' or 'baseline * 1.02'; got '2 baseline'"),
        ("minimize size subject to size <= 2 / baseline", "'baseline - 0.01' or 'baseline * 1.02'; got '2 / baseline'"),
        ("minimize size subject to size <= -1", "expected a bound above 0, as size is; got '-1'"),
        ("minimize size subject to latency_p50 <= -1ms", "expected a bound above 0, as latency_p50 is; got '-1ms'"),
        ("minimize size subject to latency_p50 <= 1,5ms", "got '1,5ms'; write 1.5ms"),
        ("minimize size subject to latency_p50 <= 0,125s", "got '0,125s'; write 0.125s"),
        ("minimize size subject to size <= 1,00,000", "expected a number such as 0.5 or 20ms; got '1,00,000'"),
        ("minimize size subject to roc_auc >= high", "expected a number such as 0.5 or 20ms; got 'high'"),
        ("minimize size subject to latency_p50 <= 5MB", "expected a unit of ns, us, µs, ms, s, m, min, h, d; got '5MB'"),
        ("minimize size subject to latency_p50 <= 5mss", "did you mean 'ms'?"),
        ("minimize size subject to roc_auc >= 5ms", "expected a unit of %; got '5ms'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_explained(text, message):
    with pytest.raises(InputError) as caught:
        parsed(text)
    assert message in str(caught.value)


@given(st.integers(1000, 10**12), st.sampled_from([" and ", ", ", ","]))
def test_thousands_set_apart_by_commas_are_one_number(number, joined):
    goal = parsed(f"minimize size subject to size <= {number:,}{joined}latency_p50 <= 1s")
    assert [c.bound(1.0) for c in goal.constraints] == [number, 1.0]
    assert parsed(goal.text) == goal


def test_a_quality_may_be_bounded_below_zero():
    assert parsed("subject to roc_auc >= -1").constraints[0].bound(0.5) == -1
    assert parsed("subject to roc_auc >= baseline - 1%").constraints[0].bound(0.5) == 0.49


def test_a_goal_may_ask_for_constraints_alone_or_for_nothing():
    goal = parsed("subject to size <= 1 and latency_p50 <= baseline")
    assert goal.objectives == ()
    assert [c.metric for c in goal.constraints] == [SIZE, LATENCY]
    nothing = parsed("")
    assert (nothing.objectives, nothing.constraints, nothing.metrics) == ((), (), ())


@pytest.mark.parametrize(
    ("text", "baseline", "low", "high"),
    [
        ("latency_p50 within 3% of baseline", 2.0, 2.0 / 1.03, 2.06),
        ("latency_p50  within  0.03  of  baseline", 2.0, 2.0 / 1.03, 2.06),
        ("roc_auc within 0.01 of baseline", 0.9, 0.89, 0.91),
        ("roc_auc within 1% of baseline", 0.9, 0.89, 0.91),
    ],
)
def test_an_equivalence_bounds_both_sides(text, baseline, low, high):
    (constraint,) = parsed(f"subject to {text}").constraints
    assert constraint.op == "within"
    assert constraint.text == " ".join(text.split())
    assert (constraint.other_bound(baseline), constraint.bound(baseline)) == pytest.approx(
        (low, high)
    )
    for value in (low, high):
        assert constraint.slack(value, baseline) == pytest.approx(0.0)
    assert constraint.slack(baseline, baseline) > 0
    assert constraint.slack(low - 0.01, baseline) < 0 > constraint.slack(high + 0.01, baseline)


@pytest.mark.parametrize(
    ("made", "text", "stated"),
    [
        (not_worse, "latency_p50: 5%", "latency_p50 <= baseline * 1.05"),
        (not_worse, " size :0.1", "size <= baseline * 1.1"),
        (not_worse, "roc_auc: 0.002", "roc_auc >= baseline - 0.002"),
        (equivalent, "latency_p50: 3%", "latency_p50 within 3% of baseline"),
        (equivalent, "roc_auc:0.01", "roc_auc within 0.01 of baseline"),
    ],
)
def test_a_named_margin_states_a_constraint(made, text, stated):
    assert made(text, METRICS) == parse_constraint(stated, METRICS)
    goal = parsed(f"minimize size subject to {made(text, METRICS).text}")
    assert goal.constraints == (made(text, METRICS),)


@pytest.mark.parametrize("made", [not_worse, equivalent])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency_p50", "expected 'METRIC: MARGIN' such as 'wall_s: 5%'; got 'latency_p50'"),
        ("latency_p50:", "expected 'METRIC: MARGIN'"),
        ("latency_p5: 3%", "did you mean 'latency_p50'?"),
        ("latency_p50: 0", "expected a margin above 0 and below 1, such as 5%; got '0'"),
        ("latency_p50: 300%", "expected a margin above 0 and below 1, such as 5%; got '300%'"),
        ("latency_p50: -3%", "expected a margin above 0 and below 1, such as 5%; got '-3%'"),
        ("latency_p50: much", "got 'much'"),
        ("roc_auc: much", "got 'much'"),
        ("roc_auc: -0.1", "roc_auc: expected a margin above 0; got '-0.1'"),
        ("roc_auc: 0", "roc_auc: expected a margin above 0; got '0'"),
    ],
)
def test_a_margin_that_cannot_be_one_is_explained(made, text, message):
    with pytest.raises(InputError) as caught:
        made(text, METRICS)
    assert message in str(caught.value)


@given(
    st.floats(1e-6, 0.99),
    st.sampled_from(["ratio", "difference"]),
    st.sampled_from(["lower", "higher"]),
)
def test_a_metrics_own_margin_is_a_constraint_that_can_be_typed(margin, scale, better):
    metric = Metric("m", better, "fit", "s", scale=scale, margin=margin)
    own = within_margin(metric)
    typed = parse_constraint(own.text, [metric])
    assert (typed.op, typed.text) == (own.op, own.text)
    assert (typed.factor, typed.offset) == pytest.approx((own.factor, own.offset), rel=1e-9)
    just, more = (own.bound(2.0) + metric.signed(step) for step in (-1e-9, 1e-9))
    assert own.slack(just, 2.0) > 0 > own.slack(more, 2.0)


@given(
    st.floats(-1e6, 1e6), st.sampled_from([("s", u) for u in SECONDS] + [("B", u) for u in BYTES])
)
def test_a_quantity_means_its_number_times_its_unit(number, unit):
    inside, suffix = unit
    scale = {"s": SECONDS, "B": BYTES}[inside][suffix]
    for text in (f"{number}{suffix}", f" {number} {suffix} "):
        assert parse_quantity(text, inside) == pytest.approx(number * scale)


@given(st.floats(1e-9, 1e12), st.sampled_from(["s", "B"]))
def test_a_formatted_quantity_reads_back_as_the_same_size(value, unit):
    text = format_quantity(value, unit)
    assert parse_quantity(text, unit) == pytest.approx(value, rel=0.006)
    assert "e" not in text or value < 1e-3


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0009999, "s", "1 ms"),
        (3.7e-6, "s", "3.7 µs"),
        (1234.5, "s", "1234 s"),
        (0.0, "s", "0"),
        (512, "B", "512 B"),
        (1_500_000, "B", "1.5 MB"),
        (0.91234, "", "0.9123"),
        (12.5, "req/s", "12.5 req/s"),
    ],
)
def test_quantities_read_well(value, unit, text):
    assert format_quantity(value, unit) == text
