"""The workload: a table's chain with its knobs and metrics. Importing it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from typing import Protocol, final

from tunewright.core.conditions import Condition
from tunewright.core.config import Config, Value, digest_of
from tunewright.core.knobs import Choice, Knob, Space
from tunewright.core.metrics import Metric
from tunewright.core.registry import resolve
from tunewright.core.roles import NO_PORTFOLIO, Effort, Portfolio, Stage, Untouched, space_of
from tunewright.core.texts import listed, names_of
from tunewright.errors import InputError
from tunewright.knobs import threads
from tunewright.machine import usable_cores
from tunewright.workloads.tabular import (
    calibration,
    class_weights,
    monotone,
    selection,
    transforms,
)
from tunewright.workloads.tabular.asked import path_of, source_of
from tunewright.workloads.tabular.data import Schema, Source, Table, TableFacts, Task
from tunewright.workloads.tabular.encoding import encodings_of, repeated_days
from tunewright.workloads.tabular.families import Family, Settings, families_for, yours
from tunewright.workloads.tabular.quality import METRICS, read_by
from tunewright.workloads.tabular.stages import (
    READ,
    Blend,
    Compile,
    Fit,
    Load,
    Predict,
    Prepare,
    Simplify,
)

VERSION = 8  # of the chain: raised when a stage comes to give another answer
CHECK = "tunewright.workloads.tabular.yours_library:check"
LEAST_ROWS = 0.05  # of a trial's effort

_OWN = (
    Metric("latency_p50", "lower", "predict", "s", sample="latency", share=0.50, quiet=True),
    Metric("latency_p95", "lower", "predict", "s", sample="latency", share=0.95, quiet=True),
    Metric("latency_p99", "lower", "predict", "s", sample="latency", share=0.99, quiet=True),
    Metric("model_bytes", "lower", "blend", "B", evidence="fixed"),
    Metric(selection.METRIC, "lower", "blend", evidence="fixed"),
    Metric("fit_s", "lower", "fit", "s", quiet=True),
)


class Frame(Protocol):
    """A table in memory, as pandas, polars and pyarrow hold it."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows, in the form that Arrow has for those who exchange them."""


@final
@dataclass(frozen=True)
class TableSpec:
    """What a user says about a table.

    path: a CSV, Parquet or Arrow file, or a data frame, which is kept in a file below .tunewright
    and known by that from then on. target: the column to predict. positive: which of two classes
    counts as positive (default: the rarer one). group: a column whose equal values must not be
    split over training and test. drop: columns to leave out. families: the models to choose from
    (default: all). seed: of the split. cores: for threads, None for all that this process may use.
    time: a column by which rows are split, the past from the future. test: a file or a data frame
    with the rows for the verdict. task: binary, multiclass or regression. metrics: those of the
    goal, which decide the task where it is not said. types: "age=number,zip=category" or a mapping.
    missing: "-999,?", further texts that stand for no value. delimiter, decimal, encoding: of a
    text (default: found). baseline: what you have today: your estimator as "module:attribute",
    or a bundle's directory; "" for LightGBM's defaults, or the knobs that are given. whole: no row
    is held back: a model can be fitted, and nothing be tuned. weight: a column that says how much
    each row counts, in fits and in judgements; it is no feature. monotone: columns as which the
    answer (of the positive class, or the value) must never fall, or never rise, all else equal:
    "age=increasing,price=decreasing" or a mapping.
    """

    path: str | PathLike[str] | Frame
    target: str | None = None
    positive: str | None = None
    group: str | None = None
    drop: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    seed: int = 0
    cores: int | None = None
    time: str | None = None
    test: str | PathLike[str] | Frame | None = None
    task: Task | None = None
    metrics: tuple[str, ...] = ()
    types: str | Sequence[str] | Mapping[str, str] = ""
    missing: str | float | Sequence[str | float] = ""
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    whole: bool = False
    baseline: str | PathLike[str] = ""
    weight: str | None = None
    monotone: str | Sequence[str] | Mapping[str, str] = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", path_of("data", self.path))
        if self.test is not None:
            object.__setattr__(self, "test", path_of("test", self.test))
        for name in ("drop", "families", "metrics"):
            object.__setattr__(self, name, names_of(name, getattr(self, name)))
        for name in ("types", "monotone", "missing"):
            object.__setattr__(self, name, listed(name, getattr(self, name)))
        if self.positive is not None:
            object.__setattr__(self, "positive", str(self.positive))
        given = str(self.baseline)
        here = str(Path(given).absolute()) if given and Path(given).is_dir() else given
        object.__setattr__(self, "baseline", here)


@final
@dataclass(frozen=True)
class TableWorkload:
    """A chain of stages that learns from a table and predicts one row at a time; see Workload."""

    name: str
    stages: tuple[Stage, ...]
    metrics: tuple[Metric, ...]
    baseline: Config
    digest: str
    untouched: Untouched
    facts: TableFacts
    efforts: tuple[Effort, ...]
    portfolio: Portfolio = NO_PORTFOLIO


def table(spec: TableSpec, baseline: Mapping[str, Value] | None = None) -> TableWorkload:
    """The workload of predicting the target from the other columns of a file.

    baseline: knobs that differ from LightGBM's defaults.
    Raises InputError, in one sentence, for whatever cannot be used.
    """
    path = path_of("data", spec.path)
    if spec.target is None:
        names = resolve("tunewright.workloads.tabular.reading:column_names")(path)
        raise InputError(
            f"expected the column to predict; got none; {Path(path).name} has {', '.join(names)}: "
            f"say --target {names[-1]}"
        )
    source = source_of(spec, spec.target)
    read: Table = resolve(READ)(source)
    stages = _chain(source, read, spec)
    asked = dict(baseline or {})
    made = TableWorkload(
        name=Path(path).name.partition(".")[0],
        stages=stages,
        metrics=(*_OWN, *METRICS[read.facts.task]),
        baseline=Config({}),
        digest=digest_of(
            [VERSION, read.content, {**asdict(source), "path": "", "test": bool(source.test)}]
        ),
        untouched=Untouched(len(read.test), read.answers),
        facts=replace(read.facts, notes=(*read.facts.notes, *_kept(read, spec))),
        efforts=(Effort("rows", LEAST_ROWS, 1.0), Effort("folds", 1, read.facts.folds)),
    )
    space = space_of(made)
    if spec.baseline:
        if asked:
            raise InputError(
                f"expected knobs of the baseline, or {spec.baseline!r}; got both; drop one of them"
            )
        shape = Schema(
            read.facts.task, read.facts.target, read.facts.classes, read.schemas, features=()
        )
        resolve(CHECK)(spec.baseline, shape)
        asked = {"family": yours.NAME}
    if asked.get(calibration.KNOB) == calibration.LEARNED:
        raise InputError(
            f"expected a baseline that is fitted without a search; got {calibration.KNOB}="
            f"{calibration.LEARNED}, which a search learns; leave it out"
        )
    return replace(made, baseline=space.asked(asked), portfolio=_portfolio(space, spec, read))


def _chain(source: Source, read: Table, spec: TableSpec) -> tuple[Stage, ...]:
    """The stages with their knobs; the defaults are LightGBM's own."""
    families = _families(spec, read)
    cores = spec.cores or usable_cores()
    knobs = [knob for family in families for knob in family.space(cores)]
    names = tuple(family.name for family in families)
    own: tuple[str, ...] = ()
    if spec.baseline:
        own, knobs = (yours.NAME,), [*knobs, *yours.knobs(str(spec.baseline))]
        families = [*families, yours.FAMILY]

    def of(stage: str) -> tuple[Knob, ...]:
        return tuple(knob for knob in knobs if knob.stage == stage)

    ours = Condition.one_of("family", names) if own else None  # what is yours has its own threads
    quality = read_by(source.metrics, read.facts.task)
    temperature = calibration.knobs_of(families, quality)
    of_fit = (*transforms.knobs_of(read, ours), *class_weights.knobs_of(read, quality, ours))
    encoding = Knob("encoding", Choice(encodings_of(read)), "category", "algorithm", "prepare")
    family = Knob("family", Choice((*names, *own)), names[0], "algorithm", "fit", baseline_only=own)
    return (
        Load(source, read.content),
        Prepare((encoding, *selection.knobs_of(len(read.columns), source.metrics))),
        Fit((family, *of_fit, *of("fit"))),
        Simplify(of("simplify")),
        Compile((*of("compile"), *temperature)),
        Blend(),
        Predict(
            (replace(threads("threads", "predict", cores, cores, exact=False), when=ours),),
            tuple(family.runtime for family in families),
        ),
    )


def _families(spec: TableSpec, read: Table) -> list[Family]:
    """The families to choose from."""
    asked, promised = names_of("families", spec.families), bool(monotone.in_words(read.schemas))
    return families_for(asked, read.facts.task, monotone=promised)


def _kept(read: Table, spec: TableSpec) -> Iterator[str]:
    """What is promised of columns, and who keeps it."""
    if not (promise := monotone.in_words(read.schemas)):
        return
    held = "your own baseline is not held to that" if spec.baseline else "the baseline does so, too"
    yield f"{promise}, all else equal; {held}"
    able = [family.name for family in _families(spec, read)]
    every = [family.name for family in families_for((), read.facts.task)]
    if left := [name for name in every if name not in able and not spec.families]:
        yield f"{', '.join(left)} cannot keep that and are left out"


def _portfolio(space: Space, spec: TableSpec, read: Table) -> Portfolio:
    """The settings that families are known to do well with, in turn, on runtimes for serving.

    The very first is asked what the others need not be asked again: whether the means of days that
    repeat help, how few columns will do where that is asked for, and on which scale a skewed target
    is best learned. Where the target is very skewed, a family learns every second of its settings
    on roots. Where the goal reads probabilities, those of families that can gain are calibrated;
    where it gains from class weights, all have them.
    """
    outputs = len(read.facts.classes) if read.facts.task == "multiclass" else 1
    very = transforms.skewness(read) > transforms.VERY_SKEWED
    scales: tuple[Mapping[str, Value], ...] = ({}, {transforms.KNOB: "sqrt"} if very else {})
    offered = space.by_name.get(calibration.KNOB)
    warm: Mapping[str, Value] = {calibration.KNOB: calibration.LEARNED} if offered else {}
    gains = class_weights.KNOB in space.by_name
    even: Mapping[str, Value] = {class_weights.KNOB: class_weights.BALANCED} if gains else {}

    def in_turn(settings: Callable[[Family], Settings]) -> list[dict[str, Value]]:
        """The settings of the families, one of each and then the next of each."""
        own = [
            [
                {
                    "family": family.name, family.runtime: family.served_by, **scales[i % 2],
                    **even, **(warm if family.calibrated else {}), **one,
                }
                for i, one in enumerate(settings(family))
            ]
            for family in _families(spec, read)
        ]  # fmt: skip
        return [one for turn in zip_longest(*own) for one in turn if one is not None]

    best = in_turn(lambda family: family.portfolio(len(read.train), outputs))
    first = best[:1]
    means = [{**one, "encoding": "means"} for one in first if repeated_days(read)]
    counts = selection.first_counts(len(read.columns)) if selection.KNOB in space.by_name else ()
    fewer = [{**one, selection.KNOB: count} for one in first for count in counts]
    rescaled = [
        {**one, transforms.KNOB: name} for one in first for name in transforms.names_of(read)
    ]
    return Portfolio(
        tuple(space.config(one) for one in [*means, *first, *fewer, *rescaled, *best[1:]]),
        tuple(space.config(one) for one in in_turn(lambda family: family.small)),
    )
