import json
import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.config import Config, Value
from tunewright.core.events import Ended, Finished, decode, encode, from_json, to_json
from tunewright.core.knobs import Integer
from tunewright.core.metrics import LONG, Sample
from tunewright.core.texts import read_json
from tunewright.core.trial import Measurement, Outcome
from tunewright.core.verdict import Comparison, Decision, Verdict
from tunewright.testing import strategies


@given(strategies.events)
def test_an_event_survives_the_journal_equal(event):
    text = to_json(event)
    assert from_json(text) == event
    assert to_json(from_json(text)) == text
    assert "\n" not in text


def test_what_programs_print_survives_even_when_it_is_no_text():
    detail = b"caf\xe9 \xff".decode(errors="surrogateescape")
    event = Ended(1.0, 1, 1, Measurement(Outcome.CRASHED, detail=detail))
    assert from_json(to_json(event).encode().decode()) == event


def test_types_of_values_survive():
    values = {"a": 1, "b": 1.0, "c": True, "d": "1", "e": 10**30, "f": float("inf")}
    event = Ended(0.0, 1, 1, Measurement(Outcome.OK, {"t": Sample((1, 2), "s")}))
    assert {type(v) for v in from_json(to_json(event)).measurement.samples["t"].values} == {float}
    again = Config(json.loads(json.dumps(dict(Config(values)))))
    assert [(type(v), v) for v in again.values()] == [(type(v), v) for v in values.values()]


@given(st.lists(strategies.finite, min_size=LONG + 1, max_size=LONG + 3))
def test_long_samples_are_rounded_once_before_use(numbers):
    sample = Sample(tuple(numbers))
    assert Sample(sample.values) == sample


@given(st.lists(strategies.finite, min_size=1), st.floats(0, 1))
def test_a_quantile_lies_within_the_sample(numbers, share):
    sample = Sample(tuple(numbers))
    slack = 1e-9 * max(abs(v) for v in sample.values)
    assert min(sample.values) - slack <= sample.quantile(share) <= max(sample.values) + slack
    assert sample.quantile(0) == min(sample.values)
    assert sample.quantile(1) == max(sample.values)


@given(st.dictionaries(strategies.names, strategies.values, min_size=2), st.randoms())
def test_a_configs_id_depends_on_its_content_alone(values, random):
    items = list(values.items())
    random.shuffle(items)
    assert Config(dict(items)) == Config(values)
    assert hash(Config(dict(items))) == hash(Config(values))
    name = items[0][0]
    assert Config({**values, name: "something else"}) != Config(values)
    assert Config({k: v for k, v in items if k != name}) != Config(values)


def test_what_is_not_known_survives():
    comparison = Comparison(
        "wall_s", "watched", "ratio", *[math.nan] * 6, Decision.INCONCLUSIVE, 0, "pairs", note="few"
    )
    event = Finished(1.0, Verdict(Decision.INCONCLUSIVE, Config({}), "few", (comparison,)))
    again = from_json(to_json(event))
    assert repr(again) == repr(event)
    assert math.isnan(again.verdict.comparisons[0].detectable)


def test_what_an_earlier_version_wrote_is_still_read():
    """Fields that came later have defaults."""
    comparison = Comparison(
        "wall_s", "objective", "ratio", *[1.0] * 6, Decision.ACCEPT, 5, "pairs", 1.1, "a note"
    )
    event = Finished(1.0, Verdict(Decision.ACCEPT, Config({}), "so", (comparison,)))
    kind, body = json.loads(to_json(event))
    for later in ("detectable", "note"):
        del body["verdict"]["comparisons"][0][later]
    (read,) = from_json(json.dumps([kind, body])).verdict.comparisons
    assert (read.metric, read.note) == ("wall_s", "")
    assert math.isnan(read.detectable)


def extended(value, body):
    """The body of a value with a field that nobody knows in each of its dataclasses."""
    if isinstance(body, dict) and is_dataclass(value):
        known = {name: extended(getattr(value, name, None), part) for name, part in body.items()}
        return {**known, "later": [{"x": 1}]}
    if isinstance(body, dict) and isinstance(value, Mapping) and not isinstance(value, Config):
        return {name: extended(value[name], part) for name, part in body.items()}
    if isinstance(body, list) and isinstance(value, tuple):
        return [extended(one, part) for one, part in zip(value, body, strict=True)]
    return body


@given(strategies.events)
def test_what_a_later_version_adds_is_ignored_wherever_it_stands(event):
    body = extended(event, encode(event))
    assert "later" in body
    assert from_json(json.dumps([type(event).__name__, body])) == event


@given(strategies.events)
def test_no_number_is_written_that_json_does_not_know(event):
    def no_constant(name):
        raise AssertionError(f"{name} is no JSON")

    odd = (math.nan, math.inf, -math.inf)
    comparison = Comparison("m", "watched", "ratio", *odd, *odd, Decision.REJECT, 0, "pairs", 1.0)
    spoilt = Finished(math.inf, Verdict(Decision.REJECT, Config({}), "", (comparison,)))
    measured = Ended(0.0, 1, 1, Measurement(Outcome.OK, {"t": Sample(odd), "u": Sample(odd * 30)}))
    for one in (event, spoilt, measured):
        text = to_json(one)
        json.loads(text, parse_constant=no_constant)
        assert repr(from_json(text)) == repr(one)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (str, 1), (str, None), (int, True), (int, 1.0), (bool, 0), (float, "x"), (float, [1]),
        (float, 10**400), (tuple[str, ...], "ab"), (tuple[str, ...], {"a": 1}), (Value, {}),
        (Literal["a", "b"], "c"), (Mapping[str, float], {"a": "b"}), (str | None, 3),
        (Integer, {"low": "1", "high": 2}),
    ],
)  # fmt: skip
def test_whatever_is_of_another_type_is_refused_where_it_is_read(kind, body):
    with pytest.raises((TypeError, ValueError, LookupError, AttributeError)):
        decode(kind, body)


def test_a_text_without_end_is_no_json():
    with pytest.raises(ValueError, match="too deeply"):
        read_json("[" * 100_000)
