"""Ready-made knobs: what they do to a program, and that their defaults do nothing."""

import sys

import pytest

from tunewright.core.config import Config
from tunewright.core.roles import space_of
from tunewright.knobs import FAMILIES, family
from tunewright.knobs.offers import Offer, settled
from tunewright.measuring.processes import run_program
from tunewright.workloads.command import command
from tunewright.workloads.programs.spec import CommandSpec

OFFERS = [(name, offer) for name in FAMILIES for offer in family(name).offers("run", 4)]


@pytest.mark.parametrize(("name", "offer"), OFFERS, ids=lambda one: str(getattr(one, "knob", one)))
def test_a_default_changes_nothing_and_every_other_value_does_something(name, offer):
    knob = offer.knob
    assert settled([offer], {knob.name: knob.default}, {}) == ({}, [])
    for unit in (0.01, 0.5, 0.99):
        value = knob.at(unit)
        variables, words = settled([offer], {knob.name: value}, {})
        assert bool(variables or words) == (value != knob.default)
    assert offer.about
    assert knob.family == "resource"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_called_by_its_name_and_says_what_is_missing(name):
    own = family(name)
    assert own.name == name
    assert own.about
    assert own.missing


def test_a_variable_that_several_set_is_told_by_all():
    first, second = (Offer(offer.knob, "", (("LD_PRELOAD", "{}"),)) for _, offer in OFFERS[:2])
    config = Config({first.knob.name: 1, second.knob.name: "b"})
    assert settled([first, second], config, {"LD_PRELOAD": "a.so"})[0] == {"LD_PRELOAD": "a.so:1:b"}


def test_a_search_over_all_of_them_reaches_the_program(tmp_path):
    names = [name for name in FAMILIES if list(family(name).offers("run", 2))]
    workload = command(CommandSpec((sys.executable, "-c", "print(1)"), knobs=names, cores=2))
    space = space_of(workload)
    assert {offer.knob.name for _, offer in OFFERS} == set(space.by_name)
    lines = workload.command_lines(workload.baseline)["run"]
    assert (lines["env"], lines["argv"][0]) == ({}, sys.executable)
    lines = workload.command_lines(space.asked({"threads": 2, "gc": "off", "niceness": "10"}))
    assert lines["run"]["argv"][:3] == ["nice", "-n", "10"]
    assert lines["run"]["env"]["OMP_NUM_THREADS"] == "2"


@pytest.mark.parametrize(("value", "told"), [("off", "False 2000"), ("10000", "True 10000")])
def test_the_collector_of_python_is_told_at_its_start(tmp_path, value, told):
    (offer,) = (offer for _, offer in OFFERS if offer.knob.name == "gc")
    env, _ = settled([offer], {"gc": value}, {})
    code = "import gc; print(gc.isenabled(), gc.get_threshold()[0])"
    run = run_program([sys.executable, "-c", code], tmp_path, env=env)
    assert run.stdout.text().split()[0] == told.split()[0]
    assert value == "off" or run.stdout.text().strip() == told
