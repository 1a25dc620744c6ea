import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.conditions import Condition
from tunewright.core.events import decode, encode
from tunewright.errors import InputError

VALUES = {"a": 3, "b": 0.5, "c": "sgd", "d": True}

numbers = st.sampled_from(
    ["a", "b", "1", "2.5", "a * 2", "a + b", "a - 1", "a // 2", "a % 2", "-a"]
)
texts = st.sampled_from(["c", "'sgd'", "'adam'"])
ordered = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
compared = st.one_of(
    st.tuples(numbers, ordered, numbers).map(" ".join),
    st.tuples(texts, st.sampled_from(["==", "!="]), texts).map(" ".join),
    st.tuples(texts, st.sampled_from(["in", "not in"]), st.just("('sgd', 'rms')")).map(" ".join),
    st.tuples(numbers, ordered, numbers, ordered, numbers).map(" ".join),
    st.just("d"),
)
conditions = st.recursive(
    compared,
    lambda inner: st.one_of(
        inner.map("not ({})".format),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            "({0[0]}) {0[1]} ({0[2]})".format
        ),
    ),
    max_leaves=6,
)


@given(conditions)
def test_a_condition_means_what_python_means(text):
    condition = Condition(text)
    assert condition.holds(VALUES) is bool(eval(text, {}, VALUES))  # the oracle; ours never does
    assert Condition(condition.text) == condition
    assert Condition(f"  ({text})  ") == condition
    assert pickle.loads(pickle.dumps(condition)) == condition
    assert decode(Condition, encode(condition)) == condition
    assert set(condition.knobs) <= set(VALUES)


@given(conditions)
def test_no_comparison_with_an_inactive_knob_holds(text):
    condition = Condition(text)
    if "not (" not in text:
        read = set(condition.knobs)
        assert not condition.holds({}) or read < set(VALUES) or not read
    assert Condition("z > 1").holds({}) is False
    assert Condition("z not in (1, 2)").holds({}) is False
    assert Condition("1 / a > 1").holds({"a": 0}) is False


@pytest.mark.parametrize(
    "text",
    [
        "", "a >", "a = 1", "a > 1; b", "f(a)", "a.b > 1", "a[0] == 1", "lambda: 1", "(a := 1)", "a ** 2 > 1",
        "a if b else c", "[x for x in a]", "a is b", "f'{a}' == 'x'", "b'x' == c", "None", "...", "~a", "(" * 250 + "a" + ")" * 250,
        "a > 1\x00", "not " * 400 + "a", 3, None,
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(InputError, match="expected a condition"):
        Condition(text)


def test_only_like_is_compared_with_like():
    with pytest.raises(InputError, match="compares like with like; got 'c > 1' with c='sgd'"):
        Condition("c > 1").holds(VALUES)
    with pytest.raises(InputError, match="only numbers can be reckoned with"):
        Condition("c * 1000000000 == 'x'").holds(VALUES)


def test_one_of_is_a_choice_of_values():
    assert Condition.one_of("c", ("sgd", "adam")).holds(VALUES)
    assert Condition.one_of("c", ("sgd",)).text == "c == 'sgd'"
    assert not Condition.one_of("c", ()).holds(VALUES)
