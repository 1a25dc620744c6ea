"""How functions take their config, and what is refused before anything runs."""

import functools
import threading
from dataclasses import dataclass

import pytest

import tunewright as tw
from tunewright.errors import InputError
from tunewright.workloads.functions.calling import calling_of
from tunewright.workloads.functions.declared import Function

SPACE = {"lr": tw.real(0.1, 1.0, default=0.5), "n": tw.integer(1, 9, default=2, when="lr > 0.3")}
KNOBS = Function(print, SPACE).knobs()
RUN, DATA = object(), object()


@dataclass(frozen=True)
class Setting:
    lr: float
    n: int = 7
    name: str = "x"


class Trainer:
    def fit(self, lr, n=0):
        return lr, n

    def __call__(self, config):
        return config


def mapped(config):
    return config


def mapped_with_run(settings, r):
    return settings, r


def mapped_with_more(config, run=None, verbose=False):
    return config, run, verbose


def typed(setting: Setting, run):
    return setting, run


def typed_by_text(setting: "Setting"):
    return setting


def named(lr, n=7):
    return lr, n


def named_with_run(run, *, lr, n=7):
    return lr, n, run


def any_names(**config):
    return config


def with_data(config, run, data):
    return config, run, data


BOTH, ONE = {"lr": 0.5, "n": 2}, {"lr": 0.2}


@pytest.mark.parametrize(
    ("function", "values", "got"),
    [
        (mapped, BOTH, BOTH),
        (mapped, ONE, ONE),
        (mapped_with_run, BOTH, (BOTH, RUN)),
        (mapped_with_more, ONE, (ONE, RUN, False)),
        (typed, BOTH, (Setting(0.5, 2), RUN)),
        (typed, ONE, (Setting(0.2, 7), RUN)),
        (typed_by_text, BOTH, Setting(0.5, 2)),
        (named, BOTH, (0.5, 2)),
        (named, ONE, (0.2, 7)),
        (named_with_run, BOTH, (0.5, 2, RUN)),
        (any_names, ONE, ONE),
        (functools.partial(named_with_run, "other"), BOTH, (0.5, 2, "other")),
        (Trainer().fit, BOTH, (0.5, 2)),
        (Trainer(), BOTH, BOTH),
        (lambda config: config["lr"], BOTH, 0.5),
    ],
)
def test_a_function_gets_its_config_as_its_parameters_ask(function, values, got):
    args, named = calling_of(function, KNOBS, data=False).arguments(values, RUN, None)
    assert function(*args, **named) == got


def test_data_go_to_the_parameter_of_that_name():
    args, named = calling_of(with_data, KNOBS, data=True).arguments(BOTH, RUN, DATA)
    assert with_data(*args, **named) == (BOTH, RUN, DATA)


def lacking(lr, n=1, *, depth):
    return lr, n, depth


def without_default(lr, n):
    return lr, n


def yielding(config):
    yield config


async def awaited(config):
    return config


@dataclass
class Wrong:
    lr: float


@dataclass
class Sometimes:
    lr: float
    n: int


def wrongly_typed(setting: Wrong):
    return setting


def sometimes_typed(setting: Sometimes):
    return setting


@pytest.mark.parametrize(
    ("function", "data", "said"),
    [
        (lacking, False, "expected a knob for 'depth' of lacking"),
        (lambda lr: lr, False, "knob 'n' is no parameter of <lambda>"),
        (without_default, False, "knob 'n' is left out unless lr > 0.3; give that parameter of"),
        (wrongly_typed, False, "knob 'n' is no field of Wrong: known: lr"),
        (sometimes_typed, False, "give that field of Sometimes a default"),
        (lambda config, other, more: 1, False, "expected a knob for 'other'"),
        (yielding, False, "got a generator function: yielding"),
        (awaited, False, "got a coroutine function: awaited"),
        (mapped, True, "expected a parameter named 'data'"),
    ],
)
def test_what_cannot_be_called_so_is_refused_with_what_to_write(function, data, said):
    with pytest.raises(InputError) as caught:
        calling_of(function, KNOBS, data=data)
    assert said in str(caught.value)


lock = threading.Lock()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tw.workload(lr=0.1)(mapped), "knob 'lr': expected tunewright.real(…)"),
        (lambda: tw.workload(lr=tw.real(1, 0))(mapped), "expected low..high; got 1.0..0.0"),
        (lambda: tw.workload(n=tw.integer(1, 9, when="m > 1"))(mapped), "depends on 'm', which"),
        (lambda: tw.real("1", 2), "low: expected such as 0.1; got '1'"),
        (lambda: tw.integer(1, 2.5), "high: expected such as 3; got 2.5"),
        (lambda: tw.integer(1, 2, when=3), "when: expected such as 'layers > 1'"),
        (lambda: tw.choice(1, 2, 1), "expected different values; got 1 twice"),
        (lambda: tw.choice(1, 2, default=3).named("n"), "the default does not fit"),
        (lambda: Function(3), "expected a function; got 3"),
        (lambda: tw.tune(mapped, goal="minimize x"), "expected knobs of mapped; got none"),
        (lambda: tw.tune(mapped, space=[1], goal="minimize x"), "space: expected such as"),
        (lambda: tw.tune(lambda config: lock, space=SPACE, goal="minimize x"), "can be pickled"),
        (lambda: tw.tune(mapped, space=SPACE), "expected something to minimize or maximize"),
        (lambda: tw.tune(mapped, space=SPACE, goal="minimize x", baseline={"z": 1}), "unknown knob 'z'"),
        (lambda: tw.tune(tw.Command(("true",)), space=SPACE, goal="minimize wall_s"), "only for a function"),
        (lambda: tw.tune(3, goal="minimize x"), "got int"),
    ],
)  # fmt: skip
def test_what_cannot_be_tuned_is_refused_and_leaves_nothing(make, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        make()
    assert said in str(caught.value)
    assert not [*tmp_path.iterdir()]


def test_a_decorated_function_is_still_one():
    made = tw.workload(lr=tw.real(0.1, 1.0))(mapped)
    assert made({"lr": 1}) == {"lr": 1}
    assert [knob.default for knob in made.knobs()] == [0.55]


def test_objects_are_named_by_their_texts():
    knob = tw.choice(None, "a", 3, (1, 2), Setting, default=None).named("x")
    assert knob.domain.values == ("None", "a", 3, "(1, 2)", "Setting")
    assert knob.default == "None"
    assert tw.choice("a", None).named("x").default == "a"
