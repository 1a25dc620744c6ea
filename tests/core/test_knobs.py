import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.conditions import Condition
from tunewright.core.knobs import Choice, Integer, Knob, Real, Space
from tunewright.errors import InputError
from tunewright.testing import strategies


def knob(name="k", domain=Integer(1, 9), default=5, **more):
    return Knob(name, domain, default, "resource", "fit", **more)


@given(strategies.knobs(), strategies.units)
def test_at_stays_in_the_domain_and_position_undoes_it(knob, unit):
    value = knob.at(unit)
    assert knob.why_invalid(value) is None
    here = knob.position(value)
    assert 0 <= here < 1
    again = knob.at(here)
    if isinstance(knob.domain, Real):
        assert math.isclose(again, value, rel_tol=1e-4, abs_tol=1e-4)
    else:
        assert again == value
        assert abs(here - unit) <= 1 / min(knob.count, 2)


@given(strategies.knobs(), strategies.units, st.floats(0.001, 0.5))
def test_neighbours_are_other_values_of_the_domain(knob, unit, width):
    value = knob.at(unit)
    near = knob.neighbours(value, width)
    assert all(knob.why_invalid(other) is None for other in near)
    assert value not in near
    assert isinstance(knob.domain, Choice) or len(near) <= 2
    assert near or knob.count == 1 or isinstance(knob.domain, Real)


@given(st.integers(-50, 50), st.integers(1, 40), st.booleans())
def test_equal_steps_reach_every_whole_number(low, count, log):
    low = abs(low) + 1 if log else low
    number = Knob("n", Integer(low, low + count - 1, log), low, "resource", "fit")
    reached = {number.at(number.position(value)) for value in range(low, low + count)}
    assert reached == set(range(low, low + count))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: knob(domain=Choice(())), "knob 'k': expected at least one value; got none"),
        (lambda: knob(domain=Integer(9, 1)), "knob 'k': expected low..high; got 9..1"),
        (lambda: knob(domain=Choice((1.0, math.inf)), default=1.0), "finite numbers; got inf"),
        (lambda: knob(domain=Real(0.0, math.inf)), "knob 'k': expected finite numbers; got inf"),
        (lambda: knob(domain=Real(math.nan, 1.0)), "knob 'k': expected finite numbers; got nan"),
        (lambda: knob(domain=Real(0, 1, log=True)), "a log scale must start above 0; got 0"),
        (
            lambda: knob(default=10),
            "the default does not fit: expected a whole number 1..9; got 10",
        ),
        (lambda: knob(default=True), "expected a whole number 1..9; got True"),
        (lambda: knob(domain=Real(0, 1), default="x"), "expected a number 0..1; got 'x'"),
        (lambda: knob(domain=Real(0, 1), default=math.nan), "expected a number 0..1; got nan"),
        (lambda: knob(domain=Choice((1, 2)), default=True), r"expected one of [1, 2]; got True"),
        (lambda: Space((knob(), knob())), "knob 'k' is defined twice"),
        (
            lambda: Space((knob(when=Condition.one_of("z", (1,))),)),
            "depends on 'z', which must stand before",
        ),
        (lambda: Space((knob("depth"),)).config({"dept": 1}), "did you mean 'depth'?"),
        (lambda: Space((knob(),)).config({"k": 99}), "knob 'k': expected a whole number 1..9"),
    ],
)
def test_what_does_not_fit_is_explained(make, text):
    with pytest.raises(InputError) as caught:
        make()
    assert text in str(caught.value)


@given(st.data())
def test_a_config_holds_exactly_the_active_knobs(data):
    space = data.draw(strategies.spaces())
    config = space.at([data.draw(strategies.units) for _ in space.knobs])
    for each in space.knobs:
        active = each.when is None or each.when.holds(config)
        assert (each.name in config) == active
        assert not active or each.why_invalid(config[each.name]) is None
    assert space.config(config) == config


@given(strategies.spaces())
def test_defaults_make_a_config_and_equal_spaces_have_equal_digests(space):
    assert space.default == space.config({})
    assert Space(space.knobs).digest == space.digest
    assert set(space.by_name) == {each.name for each in space.knobs}
    assert len(space.of(strategies.STAGES)) == len(space.knobs)


def test_a_condition_on_an_inactive_knob_is_never_met():
    space = Space(
        (
            knob("a", Choice(("x", "y")), "x"),
            knob("b", Choice(("x", "y")), "x", when=Condition.one_of("a", ("y",))),
            knob("c", when=Condition.one_of("b", ("x",))),
        )
    )
    assert dict(space.default) == {"a": "x"}
    assert dict(space.config({"a": "y"})) == {"a": "y", "b": "x", "c": 5}


def test_a_whole_number_for_a_real_knob_names_the_same_config():
    space = Space((knob("rate", Real(0, 2), 1),))
    assert space.config({"rate": 1}).id == space.config({"rate": 1.0}).id == space.default.id
