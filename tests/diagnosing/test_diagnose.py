"""Rules on made-up recordings: what the kernel would show, and what is said of it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.core.recording import Ceilings, Look, Program, Recording, Task, Wait
from tunewright.diagnosing.diagnose import diagnose
from tunewright.reporting.diagnosis import render_diagnosis, to_json
from tunewright.reporting.words import WORDS

STEP_S = 0.02
CEILINGS = Ceilings(1e10, 1e10, 5e-7, 1e-4, cache_bytes=2**25)


def recording(*looks, cores=2.0, python=True, count=60):
    """`count` looks, those that are given in turn; each a list of (tid, wait, share of a core)."""
    made = []
    for at in range(count):
        tasks, system_s, extra = [], 0.0, {}
        for tid, wait, ran in looks[at % len(looks)]:
            kind = wait if wait is None else Wait(*wait) if isinstance(wait, tuple) else Wait(wait)
            tasks.append(Task(1, tid, "t", kind, ran * STEP_S, 0.0, 2))
        user_s = sum(task.ran_s for task in tasks)
        made.append(Look(at * STEP_S, STEP_S, tuple(tasks), user_s, system_s, **extra))
    program = Program(1, 0, "python", "/usr/bin/python", python, 0.0, count * STEP_S)
    return Recording(1, count * STEP_S, cores, True, tuple(made), (program,), ceilings=CEILINGS)


CASES = {
    "gil": [[(1, ("lock", "join"), 0), (2, None, 1), (3, ("gil", "g", True), 0)]],
    "lock": [
        [(1, ("lock", "join"), 0), (2, None, 1), (3, ("lock", "a"), 0)],
        [(1, ("lock", "join"), 0), (2, ("lock", "a"), 0), (3, None, 1)],
    ],
    "network": [[(1, "network", 0)], [(1, "network", 0)], [(1, None, 0.5)]],
    "io_sync": [[(1, "sync", 0)]],
    "io_read": [[(1, "read", 0)], [(1, None, 0.2)]],
    "sleeping": [[(1, "timer", 0)]],
    "child": [[(1, "child", 0)]],
    "loader_starved": [
        [(1, ("lock", "q"), 0), (2, "timer", 0)],
        [(1, ("lock", "q"), 0), (2, None, 1)],
        [(1, None, 1), (2, None, 1)],
    ],
    "under_parallel": [
        [(1, None, 1), (2, ("lock", "pool"), 0), (3, ("lock", "pool"), 0)],
        [(1, None, 1), (2, ("lock", "pool"), 0), (3, ("lock", "pool"), 0)],
        [(1, ("lock", "join"), 0), (2, None, 1), (3, None, 1)],
    ],
    "compute": [[(1, None, 1)]],
    "healthy": [[(1, None, 1), (2, None, 1)]],
    "memory_pressure": [[(1, "fault", 0)], [(1, None, 0.1)]],
}


@pytest.mark.parametrize("wanted", CASES)
def test_what_the_kernel_shows_is_named(wanted):
    assert diagnose(recording(*CASES[wanted])).answer == wanted


def test_a_short_run_is_unknown():
    told = diagnose(recording(*CASES["gil"], count=4))
    assert (told.answer, told.reason) == ("unknown", "too short")


def test_a_program_whose_cores_others_took_is_not_judged():
    told = recording(*CASES["healthy"])
    looks = [
        replace(look, tasks=tuple(replace(t, ran_s=0.5 * STEP_S, queued_s=0.5 * STEP_S) for t in look.tasks),
                user_s=STEP_S)
        for look in told.looks
    ]  # fmt: skip
    answer = diagnose(replace(told, looks=tuple(looks)))
    assert (answer.answer, answer.reason) == ("unknown", "contended")


def test_few_looks_are_trusted_less():
    told = diagnose(recording(*CASES["network"], count=12))
    assert told.bottlenecks[0].confidence == "moderate"


@pytest.mark.parametrize(
    ("loads", "wanted"),
    [
        ((5, 15, 25, 35, 50, 74, 100), "start_up"),  # with code that runs for a while in between
        ((5, 15), "compute"),  # all else is its own work
        ((5, 15, 110), "compute"),  # something small is loaded late
    ],
)
def test_a_program_loads_as_long_as_it_keeps_on_loading(loads, wanted):
    told = recording(*CASES["compute"], count=120)
    looks = tuple(
        replace(look, loads=(1,) if at in loads else ()) for at, look in enumerate(told.looks)
    )
    assert diagnose(replace(told, looks=looks)).answer == wanted


def test_cores_that_only_the_clocks_saw_count_as_parallel_work():
    """Each look found one thread; the scheduler had run two."""
    told = recording(*CASES["compute"])
    looks = tuple(replace(look, user_s=1.2 * STEP_S) for look in told.looks)
    assert diagnose(replace(told, looks=looks)).answer == "under_parallel"


WAITS = st.sampled_from(
    [None, "network", "read", "sync", "timer", "child", "pipe", "fault", "other"]
) | st.tuples(st.sampled_from(["lock", "gil"]), st.sampled_from("ab"), st.booleans())
LOOKS = st.lists(
    st.lists(st.tuples(st.integers(1, 4), WAITS, st.floats(0, 1)), max_size=4),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(LOOKS, st.integers(0, 40), st.sampled_from([0.5, 1.0, 2.0, 64.0]))
def test_whatever_was_seen_there_is_an_answer_in_both_languages(looks, count, cores):
    told = diagnose(recording(*looks, cores=cores, count=count))
    assert all(0 <= each.share <= 1.001 for each in told.bottlenecks)
    assert all(each.gain is None or each.gain >= 0.999 for each in told.bottlenecks)
    assert all(each.knobs and each.facts for each in told.bottlenecks)
    for width in (40, 100):
        assert render_diagnosis(told, "program", width, "en")
        assert render_diagnosis(told, "program", width, "zh")
    assert json.loads(to_json(told, "program"))["answer"] == told.answer


def test_every_kind_has_words():
    kinds = [key[3:] for key in WORDS if key.startswith("is ") and f"why {key[3:]}" in WORDS]
    assert len(kinds) >= 19
