"""Hypothesis strategies for every value of the core, and for histories that a study can have."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import strategies as st

from tunewright.core.conditions import Condition
from tunewright.core.config import Config
from tunewright.core.events import (
    Ended,
    Event,
    Finished,
    Opened,
    Refitted,
    Reported,
    Started,
    Stopped,
)
from tunewright.core.history import DRIVER_RESTART, History
from tunewright.core.knobs import Choice, Domain, Integer, Knob, Real, Space
from tunewright.core.metrics import Metric, Sample
from tunewright.core.trial import (
    Fidelity,
    Measurement,
    Need,
    Outcome,
    Piece,
    Purpose,
    Span,
    Trial,
)
from tunewright.core.verdict import Comparison, Decision, Verdict

STAGES = ("prepare", "fit", "predict")
FAMILIES = (
    "algorithm", "hyperparameter", "simplification", "resource", "parallelism", "storage",
)  # fmt: skip

finite = st.floats(-1e9, 1e9)
names = st.text("abcdefghij_", min_size=1, max_size=6)
units = st.floats(0, 1, exclude_max=True)
values = st.one_of(st.booleans(), st.integers(-(2**40), 2**40), finite, st.text(max_size=8))
_plain = st.dictionaries(names, values, max_size=5).map(Config)
members = st.lists(st.tuples(_plain, st.floats(0, 1)), min_size=2, max_size=3)
configs = st.one_of(_plain, _plain, st.builds(Config, st.dictionaries(names, values), members))


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    """Integer, Real and Choice domains, of one value and up."""
    kind = draw(st.sampled_from([Integer, Real, Choice]))
    if kind is Choice:
        listed = st.one_of(st.text(max_size=4), st.integers(-5, 5))
        return Choice(tuple(draw(st.lists(listed, min_size=1, max_size=5, unique=True))))
    log = draw(st.booleans())
    if kind is Integer:
        low = draw(st.integers(1 if log else -1000, 1000))
        return Integer(low, low + draw(st.integers(0, 10**6)), log)
    real_low = draw(st.floats(1e-6, 10) if log else st.floats(-1000, 1000))
    high = real_low * draw(st.floats(1, 1e6)) if log else real_low + draw(st.floats(1, 1e6))
    return Real(real_low, high, log)


@st.composite
def knobs(draw: st.DrawFn, before: Sequence[Knob] = ()) -> Knob:
    """A knob; where other knobs stand before it, it may depend on one of them."""
    domain = draw(domains())
    plain = Knob("plain", domain, _first(domain), "resource", "fit")
    when = None
    if len(before) and draw(st.booleans()):
        other = draw(st.sampled_from(list(before)))
        when = Condition.one_of(
            other.name, tuple(other.at(u) for u in draw(st.lists(units, max_size=2)))
        )
    return Knob(
        name=f"{draw(names)}{len(before)}",
        domain=domain,
        default=plain.at(draw(units)),
        family=draw(st.sampled_from(FAMILIES)),
        stage=draw(st.sampled_from(STAGES)),
        exact=draw(st.booleans()),
        when=when,
    )


def _first(domain: Domain) -> str | int | float | bool:
    return domain.values[0] if isinstance(domain, Choice) else domain.low


@st.composite
def spaces(draw: st.DrawFn, max_size: int = 5) -> Space:
    """Spaces of a few knobs, some conditional, some on a chain of conditions."""
    drawn: list[Knob] = []
    for _ in range(draw(st.integers(0, max_size))):
        drawn.append(draw(knobs(before=tuple(drawn))))
    return Space(tuple(drawn))


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Samples of any length, empty and longer than what single precision begins at."""
    numbers = draw(st.lists(finite, max_size=5)) * draw(st.sampled_from([1, 20]))
    error = draw(st.none() | st.floats(0, 10))
    labels = tuple(draw(st.lists(st.text(max_size=5), max_size=2)))
    return Sample(tuple(numbers), draw(st.sampled_from(["s", "B", ""])), error, labels)


pieces = st.builds(
    Piece,
    split=st.sampled_from(["search", "test"]),
    fold=st.integers(0, 4),
    seed=st.integers(0, 2**63),
    repeat=st.integers(0, 9),
)
efforts = st.dictionaries(names, st.floats(0, 1e6), max_size=2)
fidelities = st.builds(
    Fidelity,
    through=st.sampled_from(STAGES),
    since=st.sampled_from(["", *STAGES]),
    effort=efforts,
    piece=pieces,
    earlier=efforts,
)
needs = st.builds(
    Need,
    cores=st.integers(1, 64),
    memory_mib=st.floats(0, 1e6),
    gpus=st.integers(0, 8),
    alone=st.booleans(),
    process=st.sampled_from(["any", "own", "lane", "fresh"]),
    lane=names,
    keep=st.booleans(),
)
arms = st.sampled_from(["baseline", "candidate"])
purposes = st.one_of(
    st.just(Purpose()),
    st.builds(Purpose, st.just("refit"), arms, st.integers(1, 3), st.integers(0, 4)),
    st.builds(Purpose, st.just("pair"), arms, st.integers(1, 3), st.integers(-1, 20)),
)
trials = st.builds(
    Trial,
    number=st.integers(1, 10**6),
    config=configs,
    fidelity=fidelities,
    purpose=purposes,
    attempt=st.integers(1, 3),
    need=needs,
    limit_s=st.floats(0, 1e6),
)
spans = st.builds(Span, st.sampled_from(STAGES), finite, finite, st.booleans())
measurements = st.builds(
    Measurement,
    outcome=st.sampled_from(Outcome),
    samples=st.dictionaries(names, samples(), max_size=2),
    spans=st.lists(spans, max_size=3).map(tuple),
    detail=st.text(max_size=10),
    key=names,
    made_s=st.floats(0, 1e6),
    peak_mib=st.none() | st.floats(0, 1e6),
)
comparisons = st.builds(
    Comparison,
    metric=names,
    role=st.sampled_from(["objective", "constraint", "watched"]),
    scale=st.sampled_from(["ratio", "difference"]),
    baseline=finite,
    candidate=finite,
    estimate=finite,
    low=finite,
    high=finite,
    limit=finite,
    decision=st.sampled_from(Decision),
    n=st.integers(0, 100),
    evidence=st.sampled_from(["pairs", "rows", "same data", "fixed", "saved"]),
    detectable=finite | st.just(math.inf),
    note=st.text(max_size=9),
)
verdicts = st.builds(
    Verdict,
    decision=st.sampled_from(Decision),
    config=configs,
    reason=st.text(max_size=20),
    comparisons=st.lists(comparisons, max_size=3).map(tuple),
    pairs=st.integers(0, 50),
    looks=st.integers(0, 3),
)
_json = st.recursive(
    st.none() | values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
)
_clock = st.floats(0, 1e6)
_number, _attempt = st.integers(1, 10**6), st.integers(1, 3)
metrics = st.builds(
    Metric,
    name=names,
    better=st.sampled_from(["lower", "higher"]),
    stage=st.sampled_from(STAGES),
    unit=st.sampled_from(["s", "B", ""]),
    scale=st.sampled_from(["ratio", "difference"]),
    evidence=st.sampled_from(["rows", "pairs", "same data", "fixed"]),
)
openings = st.builds(
    Opened,
    elapsed_s=_clock,
    study=names,
    goal=st.text(max_size=20),
    workload=names,
    request=st.dictionaries(names, _json, max_size=3),
    metrics=st.lists(metrics, max_size=2).map(tuple),
    knobs=spaces(2).map(lambda space: space.knobs),
    stages=st.lists(names, max_size=2).map(tuple),
    arms=st.just({}) | st.fixed_dictionaries({"A": st.text(max_size=9), "B": st.text(max_size=9)}),
    facts=st.lists(st.tuples(names, st.text(max_size=9)), max_size=2).map(tuple),
    environment=st.dictionaries(names, st.text(max_size=9), max_size=2),
    rows=names,
    looks_before=st.integers(0, 3),
)
events: st.SearchStrategy[Event] = st.one_of(
    openings,
    st.builds(Started, _clock, trials),
    st.builds(
        Reported, _clock, _number, _attempt, finite, st.dictionaries(names, samples(), max_size=2)
    ),
    st.builds(Ended, _clock, _number, _attempt, measurements),
    st.builds(Stopped, _clock, _number, _attempt, st.sampled_from(["budget", "halted", "limit"])),
    st.builds(Finished, _clock, verdicts),
    st.builds(Refitted, _clock, st.sampled_from(["test", "all"]), names, names),
)


@st.composite
def histories(draw: st.DrawFn, max_events: int = 25) -> list[Event]:
    """Events that a study can have, in order, with retries, restarts and late or doubled ends."""
    happened: list[Event] = [draw(openings)]
    history, clock_s = History().applied(happened[0]), happened[0].elapsed_s
    for _ in range(draw(st.integers(0, max_events))):
        clock_s += draw(st.floats(0, 10))
        event = draw(_following(history, clock_s))
        happened.append(event)
        history = history.applied(event)
    if not history.running and draw(st.booleans()):
        happened.append(Finished(clock_s, draw(verdicts)))
        if draw(st.booleans()):
            happened.append(Refitted(clock_s, "all", draw(names)))
    return happened


@st.composite
def _following(draw: st.DrawFn, history: History, clock_s: float) -> Event:
    """An event that may come next."""
    kinds = ["start", "open"]
    kinds += ["retry"] * bool(history.lost) + ["known", "late"] * bool(history.last_number)
    kind = draw(st.sampled_from(kinds + ["end", "stop"] * 2 * bool(history.running)))
    if kind == "open":
        return Opened(clock_s, "s", "g", "w", {})
    if kind == "start":
        trial = Trial(history.last_number + 1, draw(configs), draw(fidelities), draw(purposes))
        return Started(clock_s, trial)
    if kind == "retry":
        lost = draw(st.sampled_from(history.lost))
        again = Trial(lost.number, lost.config, lost.fidelity, lost.purpose, lost.attempt + 1)
        return Started(clock_s, again)
    if kind in ("end", "stop"):
        running = draw(st.sampled_from(history.running))
        number, attempt = running.number, running.attempt
    else:
        number, attempt = draw(st.integers(1, history.last_number)), draw(_attempt)
    if kind == "known":
        reported = draw(st.dictionaries(names, samples(), max_size=1))
        return Reported(clock_s, number, attempt, draw(finite), reported)
    if kind == "stop":
        return Stopped(
            clock_s, number, attempt, draw(st.sampled_from(["budget", "halted", "limit"]))
        )
    ended = draw(measurements)
    lost_by = st.sampled_from([DRIVER_RESTART, "the worker is gone"])
    if ended.outcome is Outcome.LOST:
        ended = Measurement(Outcome.LOST, detail=draw(lost_by))
    return Ended(clock_s, number, attempt, ended)
