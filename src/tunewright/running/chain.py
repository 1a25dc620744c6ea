"""Running a chain: from the deepest cached artifact down, each stage once."""

from __future__ import annotations

import errno
import math
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache as memoised
from pathlib import Path
from typing import final

from tunewright.core.config import Config, digest_of
from tunewright.core.metrics import Sample
from tunewright.core.roles import Artifact, Context, Stage, Workload
from tunewright.core.trial import Fidelity, Measurement, Outcome, Span, Trial
from tunewright.errors import InputError, StoreError, TrialFailed, nearest
from tunewright.running.cache import ArtifactCache, Kept

Clock = Callable[[], float]
LEAST_FREE_BYTES = 2**20  # with less room than that left by others, a failure is the disk's


def _ignore(stage: str) -> None:
    """Tell nobody."""


def run_chain(  # noqa: PLR0913, PLR0917 - a chain, where it runs, and who listens
    trial: Trial,
    workload: Workload,
    cache: ArtifactCache,
    directory: Path,
    clock: Clock,
    finished: Callable[[str], None] = _ignore,
) -> Measurement:
    """The measurement of a trial; never raises for what a stage does.

    Raises StoreError where the disk is full: that says nothing about the config, and what a
    refit made must be kept, since it is what is handed over.

    directory: private to the trial, removed afterwards. clock: seconds of the study.
    finished: told the name of each stage that was run.
    """
    run = _Run(trial.fidelity, directory, clock, finished)

    def body() -> None:
        head, tail = divide(workload.stages, trial.fidelity.through)
        run.tail(tail, trial.config, run.head(workload, head, trial.config, cache))

    measurement = run.measure(body)
    refitted = trial.purpose.kind == "refit" and measurement.outcome is Outcome.OK
    if refitted and measurement.key not in cache:
        raise StoreError(
            f"cannot keep the refitted model in {cache.directory}: the disk is full or the model "
            f"is larger than {cache.budget_bytes / 2**30:g} GiB; "
            "free some space and run it again to resume"
        )
    return measurement


def run_tail(  # noqa: PLR0913, PLR0917 - as above
    trial: Trial,
    tail: Sequence[Stage],
    upstream: Kept | None,
    directory: Path,
    clock: Clock,
    finished: Callable[[str], None] = _ignore,
) -> Measurement:
    """The measurement of a trial's last stages alone, continuing from what is above them.

    Raises StoreError where the disk is full.
    """
    run = _Run(trial.fidelity, directory, clock, finished)
    return run.measure(lambda: run.tail(tail, trial.config, upstream))


def divide(stages: Sequence[Stage], through: str) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    """The stages down to `through`: those above the first timing stage, and the tail from it on.

    The artifacts of the former are cached. A tail is run afresh for each trial.
    """
    names = [stage.name for stage in stages]
    if through not in names:
        raise InputError(f"unknown stage {through!r}: {nearest(through, names)}")
    wanted = tuple(stages[: names.index(through) + 1])
    first = next((i for i, stage in enumerate(wanted) if stage.timing), len(wanted))
    return wanted[:first], wanted[first:]


def artifact_key(
    workload: Workload, stages: Sequence[Stage], config: Config, fidelity: Fidelity
) -> str:
    """The key of the artifact that these first stages of the chain produce ("" for none)."""
    if not stages:
        return ""
    decisive = (knob.name for stage in stages for knob in stage.knobs if not knob.exact)
    return digest_of(
        [
            workload.digest,
            environment(),
            [stage.name for stage in stages],
            [fidelity.rows, fidelity.split, fidelity.fold, fidelity.seed],
            {name: config[name] for name in decisive if name in config},
        ]
    )


@memoised
def environment() -> str:
    """A digest of interpreter, installed distributions and instruction set."""
    installed = {
        name
        for entry in sys.path
        if entry and os.path.isdir(entry)  # noqa: PTH112 - entries are strings, and there are many
        for name in os.listdir(entry)  # noqa: PTH208 - the same
        if name.endswith((".dist-info", ".egg-info"))
    }
    return digest_of([sys.version, platform.machine(), _instructions(), sorted(installed)])


def _instructions() -> str:
    try:
        with Path("/proc/cpuinfo").open() as lines:
            return next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        return platform.processor()


def _is_full(directory: Path) -> bool:
    """Whether there is no room, though the trial's own files are gone."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    return shutil.disk_usage(existing).free < LEAST_FREE_BYTES


@final
@dataclass
class _Run:
    """One trial in one process: what it gave so far."""

    fidelity: Fidelity
    directory: Path
    clock: Clock
    finished: Callable[[str], None]
    samples: dict[str, Sample] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    key: str = ""

    def measure(self, body: Callable[[], None]) -> Measurement:
        """Run `body` and turn whatever comes of it into a measurement."""
        outcome, detail, full = Outcome.OK, "", False
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            body()
        except TrialFailed as error:
            outcome, detail = Outcome.CRASHED, str(error)
        except InputError as error:
            outcome, detail = Outcome.REJECTED, str(error)
        except MemoryError as error:
            outcome, detail = Outcome.OUT_OF_MEMORY, str(error) or "a stage ran out of memory"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the workload's boundary
            last = (str(error).strip().splitlines() or [""])[-1]
            outcome, detail = Outcome.CRASHED, f"{type(error).__name__}: {last}"
            full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
        if outcome is Outcome.CRASHED and (full or _is_full(self.directory)):
            raise StoreError(
                f"the disk of {self.directory} is full; "
                f"free some space and run it again to resume ({detail})"
            )
        return Measurement(outcome, self.samples, tuple(self.spans), detail, self.key)

    def head(
        self, workload: Workload, stages: Sequence[Stage], config: Config, cache: ArtifactCache
    ) -> Kept | None:
        """Run what is not cached of these stages."""
        keys = [
            artifact_key(workload, stages[: depth + 1], config, self.fidelity)
            for depth in range(len(stages))
        ]
        start_s = self.clock()
        kept, found = None, 0
        for depth in range(len(stages), 0, -1):
            if (kept := cache.get(keys[depth - 1])) is not None:
                found = depth
                self.key = keys[depth - 1]
                self.samples.update(kept.samples)
                break
        for depth, stage in enumerate(stages[:found], start=1):
            end_s = self.clock() if depth == found else start_s
            self.spans.append(Span(stage.name, start_s, end_s, cached=True))
        for depth in range(found, len(stages)):
            upstream = kept.artifact if kept else None
            baseline = self._baseline(workload, stages[: depth + 1], keys[depth], cache)
            artifact = self._stage(stages[depth], upstream, config, baseline)
            kept = Kept(artifact, dict(self.samples))
            took_s = self.spans[-1].end_s - self.spans[-1].start_s
            last = depth == len(stages) - 1  # a tail in another process may go on from it
            cache.put(keys[depth], kept, stages[depth].name, math.inf if last else took_s)
            self.key = keys[depth]
        return kept

    def tail(self, stages: Sequence[Stage], config: Config, kept: Kept | None) -> None:
        """Run all these stages; without a baseline, since what they time is judged in pairs."""
        upstream = kept.artifact if kept else None
        if kept:
            self.samples.update(kept.samples)
        for stage in stages:
            upstream = self._stage(stage, upstream, config, lambda: None)

    def _baseline(
        self, workload: Workload, stages: Sequence[Stage], key: str, cache: ArtifactCache
    ) -> Callable[[], Artifact | None]:
        def baseline() -> Artifact | None:
            if artifact_key(workload, stages, workload.baseline, self.fidelity) == key:
                return None
            run = _Run(self.fidelity, self.directory / ".baseline", self.clock, _ignore)
            kept = run.head(workload, stages, workload.baseline, cache)
            return kept.artifact if kept else None

        return baseline

    def _stage(
        self,
        stage: Stage,
        upstream: Artifact | None,
        config: Config,
        baseline: Callable[[], Artifact | None],
    ) -> Artifact:
        directory = self.directory / stage.name
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        start_s = self.clock()
        try:
            artifact = stage.run(upstream, config, Context(self.fidelity, directory, baseline))
        finally:
            self.spans.append(Span(stage.name, start_s, self.clock()))
        if not isinstance(artifact, Artifact):
            raise TrialFailed(
                f"stage {stage.name}: expected an Artifact; got {type(artifact).__name__}"
            )
        self.samples.update(artifact.samples)
        self.finished(stage.name)
        return artifact
