"""The kind of workload that a table is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tunewright.core.config import Config, Value
from tunewright.core.goal import Goal
from tunewright.core.kinds import HandOver, Importance, Kind, Option, Stated
from tunewright.core.metrics import Metric
from tunewright.core.registry import resolve
from tunewright.core.roles import Artifact, Workload, space_of
from tunewright.workloads.tabular.data import Blended, Schema
from tunewright.workloads.tabular.families import family_of, lightgbm, yours
from tunewright.workloads.tabular.provable import provable
from tunewright.workloads.tabular.quality import AIMS
from tunewright.workloads.tabular.workload import TableSpec, TableWorkload, table

RELEASE = "tunewright.workloads.tabular.releasing:release"
SHOWN = 30  # columns that are named of those that a model asks for …
LISTED = 12  # … and of each kind, before the search


def build(spec: TableSpec, baseline: Mapping[str, Value], stated: Stated) -> Workload:
    """The workload; the metrics that are asked for may decide the task."""
    made = table(replace(spec, metrics=spec.metrics or tuple(stated)), baseline)
    resolve(RELEASE)(made.facts.rows * made.facts.columns)  # the rows are read again by workers
    return made


def parse(stated: TableSpec | str, said: Mapping[str, Any], seed: int) -> TableSpec:
    """The spec that a command line states."""
    read = dict(said)
    if "families" in said:
        read["families"] = tuple(str(said["families"]).replace(",", " ").split())
    if isinstance(stated, TableSpec):
        return replace(stated, **read, seed=seed)
    return TableSpec(str(Path(stated).absolute()), **read, seed=seed)


def describe(workload: TableWorkload, goal: Goal, looks_before: int) -> list[tuple[str, str]]:
    """Rows, columns, split, what is left out, and the smallest margins that can be proven."""
    return [*_facts(workload), *provable(workload.facts, goal, looks_before)]


def _facts(workload: TableWorkload) -> Iterator[tuple[str, str]]:
    facts = workload.facts
    task: str = facts.task
    if facts.positive is not None:
        task += f", positive class {facts.positive}"
    elif facts.classes:
        task += f", {len(facts.classes)} classes"
    path, here = Path(facts.path), Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    yield "data", f"{shown}: {facts.rows:,} rows, {facts.columns:,} columns"
    yield "task", f"{task}; target {facts.target}"
    for kind in sorted({kind for _, kind in facts.kinds}):
        names = [name for name, other in facts.kinds if other == kind]
        yield "columns", f"{kind} ({len(names)}): {_few(names, LISTED)}"
    yield from (("dropped", f"{column}: {why}") for column, why in facts.dropped)
    if facts.rows_without_target:
        yield "dropped", f"{facts.rows_without_target:,} rows without a target"
    rows = f"{facts.train:,} rows to learn from and to choose by, {facts.test:,} untouched"
    yield "split", f"{rows}; {facts.split}"
    yield from (("note", note) for note in facts.notes)
    own = workload.baseline.get(yours.NAME)
    if own is not None:
        yield (
            "baseline",
            (
                f"the bundle {own}; where it has learned from these rows, its quality is flattered"
                if yours.kind_of(str(own)) == "bundle"
                else f"your estimator {own}, fitted on the same rows"
            ),
        )
        return
    family, what = workload.baseline["family"], "as asked"
    if workload.baseline == space_of(workload).default:
        what = f"the defaults of the family {family}"
        if family == lightgbm.FAMILY.name:
            what = "LightGBM's defaults through its own one-row predict"
    yield "baseline", f"{what}: " + " ".join(f"{k}={v}" for k, v in workload.baseline.items())


def hand_over(_workload: object, config: Config, artifact: Artifact | None) -> HandOver | None:
    """The files of the model that was verified, and all that is needed to answer a row with it."""
    if artifact is None:
        return None
    blended: Blended = artifact.value
    if family_of(blended.members[0][0].family).plain:
        return None  # it is the user's own already
    configs = [member for member, _ in config.members] or [config]
    members = [
        {
            "family": model.family,
            "runtime": model.runtime,
            "weight": weight,
            "config": dict(own),
            "schema": asdict(model.schema),
            "files": {name: f"{number}-{name}" if number else name for name in model.files},
        }
        for number, ((model, weight), own) in enumerate(zip(blended.members, configs, strict=True))
    ]
    files = {
        f"{number}-{name}" if number else name: file
        for number, (model, _) in enumerate(blended.members)
        for name, file in model.files.items()
    }
    index = {"members": members, "threads": config.get("threads", 1)}
    if inputs := _inputs(blended.schema):
        index["inputs"] = inputs
    return HandOver(index, files, "tunewright predict {bundle} rows.csv")


def _inputs(schema: Schema) -> str:
    """Which of the columns must be sent, in words; "" where all of them must."""
    names = [column.name for column in schema.columns]
    if not schema.left_out:
        return ""
    every = len(names) + len(schema.left_out)
    return f"{len(names)} of {every} columns: {_few(names, SHOWN)}"


def _few(names: Sequence[str], most: int) -> str:
    """The first names."""
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def called(spec: TableSpec) -> str:
    """The file's name; a data frame, which is kept in a file named by its content, has none."""
    stem = Path(str(spec.path)).name.split(".")[0]
    return "frame" if stem.startswith("frame-") else stem


def importance(artifact: Artifact) -> tuple[str, Sequence[Importance]]:
    """How much worse the model gets without each column."""
    told: tuple[str, Sequence[Importance]] = resolve(IMPORTANCE)(artifact)
    return told


IMPORTANCE = "tunewright.workloads.tabular.importance:importance"


def aims(workload: TableWorkload) -> list[Metric]:
    """Quality first, then the time of one row."""
    named = {metric.name: metric for metric in workload.metrics}
    return [named[AIMS[workload.facts.task]], named["latency_p50"]]


def written(body: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The fields of a spec that a file in this directory states."""
    paths = {name: str(directory / body[name]) for name in ("path", "test") if name in body}
    return {**body, **paths}


TABLE = Kind(
    name="table",
    spec=TableSpec,
    parse=parse,
    written=written,
    build=build,
    describe=describe,
    hand_over=hand_over,
    takes="data",
    options=(
        Option("target", "The column to predict.", "COLUMN"),
        Option("positive", "The class that counts as positive.", "CLASS"),
        Option("group", "Its equal values are never split.", "COLUMN"),
        Option("weight", "How much each row counts.", "COLUMN"),
        Option("drop", "A column to leave out.", "COLUMN", many=True),
        Option("time", "Learn from the past by this column, judge on the future.", "COLUMN"),
        Option("test", "A file with the rows for the verdict.", "FILE"),
        Option("task", "binary, multiclass or regression.", "TASK"),
        Option("types", "What columns are, as age=number,zip=category.", "COLUMN=KIND,…"),
        Option("monotone", "How the answer moves, as age=increasing.", "COLUMN=WAY,…"),
        Option("missing", "Further codes for missing values, as -999,?.", "CODE,…"),
        Option("delimiter", "What stands between cells (default: found).", "MARK"),
        Option("decimal", 'The decimal mark, "." or "," (default: found).', "MARK"),
        Option("encoding", "The text's encoding (default: found).", "NAME"),
        Option("families", "The models to choose from.", "NAME,…"),
    ),
    warm=(
        "tunewright.workloads.tabular.reading",
        "tunewright.workloads.tabular.lightgbm_alone",
        "tunewright.workloads.tabular.lightgbm_library",
    ),
    called=called,
    aims=aims,
    importance=importance,
)
