"""Running a chain: from the deepest cached artifact down, each stage once."""

from __future__ import annotations

import errno
import math
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache as memoised
from pathlib import Path
from typing import final

from tunewright.core.config import Config, digest_of
from tunewright.core.metrics import LONG, Sample
from tunewright.core.roles import BLEND, Artifact, Context, Stage, Workload
from tunewright.core.trial import Fidelity, Measurement, Outcome, Span, Trial
from tunewright.errors import (
    InputError,
    OutputDiffers,
    StoreError,
    TrialFailed,
    TrialTimeout,
    nearest,
)
from tunewright.running.cache import ArtifactCache, Kept
from tunewright.running.peak import peak_mib, reset_peak

Clock = Callable[[], float]
Report = Callable[[float, Mapping[str, Sample]], None]
FAILURES = "failures"  # the directory of a study for what failed runs leave to be looked at
SHARED = "shared"  # the directory of a study that its stages share while it runs
LEAST_FREE_BYTES = 2**20  # with less room than that left by others, a failure is the disk's


def _ignore(step: float, samples: Mapping[str, Sample]) -> None:
    """Tell nobody."""


def run_chain(  # noqa: PLR0913, PLR0917 - a chain, where it runs, and who listens
    trial: Trial,
    workload: Workload,
    cache: ArtifactCache,
    directory: Path,
    clock: Clock,
    report: Report = _ignore,
) -> Measurement:
    """The measurement of a trial; never raises for what a stage does.

    Raises StoreError where the disk is full: that says nothing about the config, and what must be
    kept is handed over later.

    directory: private to the trial, removed afterwards. clock: seconds of the study.
    report: told what stages report of their progress.
    """
    return _Run(trial, directory, clock, report, cache, workload).measure()


def run_tail(  # noqa: PLR0913, PLR0917 - as above
    trial: Trial,
    tail: Sequence[Stage],
    above: Mapping[str, str],
    cache: ArtifactCache,
    directory: Path,
    clock: Clock,
    report: Report = _ignore,
) -> Measurement | None:
    """The measurement of the stages that run anew, going on from what is cached above them.

    above: the keys of the artifacts of the stages above, in their order. None where the last of
    them is not there. Raises StoreError where the disk is full.
    """
    run = _Run(trial, directory, clock, report, cache, None, dict(above))
    return run.measure_tail(tail)


def divide(
    stages: Sequence[Stage], fidelity: Fidelity
) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    """The stages that may come from the cache, and those that the trial runs anew.

    Raises InputError for a stage that the chain does not have.
    """
    names = [stage.name for stage in stages]
    for name in (fidelity.through, fidelity.since or fidelity.through):
        if name not in names:
            raise InputError(f"unknown stage {name!r}: {nearest(name, names)}")
    wanted = tuple(stages[: names.index(fidelity.through) + 1])
    cut = names.index(fidelity.since) if fidelity.since else len(wanted)
    return wanted[:cut], wanted[cut:]


def artifact_key(
    workload: Workload, stages: Sequence[Stage], config: Config, fidelity: Fidelity
) -> str:
    """The key of the artifact that these first stages of the chain produce ("" for none)."""
    if not stages:
        return ""
    names, piece = [stage.name for stage in stages], fidelity.piece
    blend = names.index(BLEND) if config.members and BLEND in names else 0
    decisive = (knob.name for stage in stages[blend:] for knob in stage.knobs if not knob.exact)
    return digest_of(
        [
            workload.digest,
            environment(),
            names,
            [_effort(workload, names, fidelity), piece.split, piece.fold, piece.seed],
            {name: config[name] for name in decisive if name in config},
            [
                [artifact_key(workload, stages[:blend], member, fidelity), weight]
                for member, weight in config.members
                if blend
            ],
        ]
    )


def _effort(workload: Workload, names: Sequence[str], fidelity: Fidelity) -> dict[str, float]:
    """The effort that these first stages of the chain read."""
    later = {e.name for e in workload.efforts if e.stage and e.stage not in names}
    return {name: value for name, value in fidelity.effort.items() if name not in later}


def keys_of(
    workload: Workload, stages: Sequence[Stage], config: Config, fidelity: Fidelity
) -> dict[str, str]:
    """The key of each of these stages' artifacts, by name, in their order."""
    return {
        stage.name: artifact_key(workload, stages[: depth + 1], config, fidelity)
        for depth, stage in enumerate(stages)
    }


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
    """One trial in one process: what it gave so far.

    workload: None where only the tail is run; `keys` then names what is above it.
    """

    trial: Trial
    directory: Path
    clock: Clock
    report: Report
    cache: ArtifactCache
    workload: Workload | None
    keys: Mapping[str, str] = field(default_factory=dict)
    samples: dict[str, Sample] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    key: str = ""
    made_s: float = 0.0

    def measure(self) -> Measurement:
        """Run the whole chain, from the deepest artifact in the cache."""
        workload, fidelity = self.workload, self.trial.fidelity
        assert workload is not None
        config = self.trial.subject

        def body() -> None:
            head, tail = divide(workload.stages, fidelity)
            self.keys = keys_of(workload, head, config, fidelity)
            kept = self._made(config, head, last=True) if head else None
            if kept and not tail:
                self.samples.update(kept.samples)
            self._anew(tail, kept)

        return self._guarded(body)

    def measure_tail(self, tail: Sequence[Stage]) -> Measurement | None:
        """Run what runs anew."""
        *_, self.key = self.keys.values() or ("",)
        kept = self.cache.get(self.key) if self.key else None
        if self.key and kept is None:
            return None
        self.made_s = kept.made_s if kept else 0.0
        return self._guarded(lambda: self._anew(tail, kept))

    def _guarded(self, body: Callable[[], None]) -> Measurement:
        """Run `body` and turn whatever comes of it into a measurement."""
        outcome, detail, full = Outcome.OK, "", False
        reset_peak()
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            body()
        except TrialTimeout as error:
            outcome, detail = Outcome.TIMEOUT, str(error)
        except OutputDiffers as error:
            outcome, detail = Outcome.DIFFERS, str(error)
        except TrialFailed as error:
            outcome, detail = Outcome.CRASHED, str(error)
        except InputError as error:
            outcome, detail = Outcome.REJECTED, str(error)
        except MemoryError as error:
            outcome, detail = Outcome.OUT_OF_MEMORY, str(error) or "a stage ran out of memory"
        except StoreError:
            raise
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
        spans = tuple(self.spans)
        return Measurement(outcome, self.samples, spans, detail, self.key, self.made_s, peak_mib())

    def _made(self, config: Config, stages: Sequence[Stage], *, last: bool = False) -> Kept:
        """The artifact of the last of these stages: from the cache, or made now, and told of.

        last: another trial will go on from it, so it is kept however quickly it was made.
        """
        start_s, key = self.clock(), self._key(config, stages)
        kept = self.cache.get(key)
        if kept is not None:
            ends = [start_s] * (len(stages) - 1) + [self.clock()]
            self.spans += [
                Span(stage.name, start_s, end_s, cached=True)
                for stage, end_s in zip(stages, ends, strict=True)
            ]
            if last and key not in self.cache:
                kept = self.cache.put(key, kept, stages[-1].name, must=self.trial.need.keep)
        else:
            kept = self._make(config, stages, key, last=last)
        if config == self.trial.subject:
            self.key, self.made_s = key, kept.made_s
        return kept

    def _make(self, config: Config, stages: Sequence[Stage], key: str, *, last: bool) -> Kept:
        *above, stage = stages
        members = config.members if stage.name == BLEND else ()
        sources = [self._made(member, above) for member, _ in members] if members else []
        if above and not members:
            sources = [self._made(config, above)]
        context = self._context(config, stages, self.trial.fidelity.piece.seed, cached=True)
        artifact = self._run(stage, tuple(kept.artifact for kept in sources), config, context)
        inherited = sources[0].samples if len(sources) == 1 and not members else {}
        took_s = self.spans[-1].end_s - self.spans[-1].start_s
        made_s = took_s + sum(source.made_s for source in sources)
        kept = Kept(artifact, {**inherited, **artifact.samples}, made_s)
        must = last and self.trial.need.keep
        return self.cache.put(key, kept, stage.name, math.inf if last else took_s, must=must)

    def _anew(self, stages: Sequence[Stage], kept: Kept | None) -> None:
        """Run all these stages; without a baseline, since what they measure is judged in pairs."""
        upstream = (kept.artifact,) if kept else ()
        if kept and stages:  # what is said of each row was said when it was made
            short = {n: s for n, s in kept.samples.items() if len(s.values) <= LONG}
            self.samples.update(short)
        piece = self.trial.fidelity.piece
        seed = (piece.seed + piece.repeat) % 2**31
        made: dict[str, Artifact] = {}
        for stage in stages:
            context = replace(
                self._context(self.trial.config, (stage,), seed, cached=False),
                above=lambda name: made.get(name) or self._above(self.trial.config, name),
            )
            made[stage.name] = self._run(stage, upstream, self.trial.config, context)
            upstream = (made[stage.name],)
            self.samples.update(made[stage.name].samples)

    def _run(
        self, stage: Stage, upstream: tuple[Artifact, ...], config: Config, context: Context
    ) -> Artifact:
        context.directory.mkdir(mode=0o700, parents=True)
        start_s = self.clock()
        try:
            artifact = stage.run(upstream, config, context)
        finally:
            self.spans.append(Span(stage.name, start_s, self.clock()))
        if not isinstance(artifact, Artifact):
            raise TrialFailed(
                f"stage {stage.name}: expected an Artifact; got {type(artifact).__name__}"
            )
        return artifact

    # What a stage may ask for

    def _context(
        self, config: Config, stages: Sequence[Stage], seed: int, *, cached: bool
    ) -> Context:
        directory = self.directory / f"{len(self.spans)}-{stages[-1].name}"
        return Context(
            self.trial.fidelity, directory, seed, self.trial.limit_s,
            above=lambda name: self._above(config, name),
            baseline=lambda: self._baseline(config, stages) if cached else None,
            earlier=lambda: self._earlier(config, stages) if cached else None,
            report=self.report,
            failure=self.directory.parents[1] / FAILURES / f"{self.directory.name}.txt",
            lasting=self.directory.parents[1] / SHARED,
        )  # fmt: skip

    def _key(self, config: Config, stages: Sequence[Stage]) -> str:
        if config == self.trial.subject and stages[-1].name in self.keys:
            return self.keys[stages[-1].name]
        assert self.workload is not None
        return artifact_key(self.workload, stages, config, self.trial.fidelity)

    def _above(self, config: Config, name: str) -> Artifact:
        """The artifact of a stage above, from the cache or made again."""
        if self.workload is None:
            kept = self.cache.get(self.keys[name])
            if kept is None:
                raise TrialFailed(f"expected the artifact of stage {name}; it is gone; try again")
            return kept.artifact
        names = [stage.name for stage in self.workload.stages]
        stages = self.workload.stages[: names.index(name) + 1]
        return self._aside(config, stages).artifact

    def _baseline(self, config: Config, stages: Sequence[Stage]) -> Artifact | None:
        assert self.workload is not None
        own, base = self._key(config, stages), self.workload.baseline
        if artifact_key(self.workload, stages, base, self.trial.fidelity) == own:
            return None
        return self._aside(base, stages).artifact

    def _aside(self, config: Config, stages: Sequence[Stage]) -> Kept:
        """An artifact that the trial reads and does not make: its time and samples are not told."""
        if (kept := self.cache.get(self._key(config, stages))) is not None:
            return kept
        trial = replace(
            self.trial, config=config, fidelity=replace(self.trial.fidelity, member=-1),
            need=replace(self.trial.need, keep=False),
        )  # fmt: skip
        directory = self.directory / f"aside-{len(self.spans)}"
        run = _Run(trial, directory, self.clock, _ignore, self.cache, self.workload)
        return run._made(config, stages)

    def _earlier(self, config: Config, stages: Sequence[Stage]) -> Artifact | None:
        assert self.workload is not None
        fidelity = self.trial.fidelity
        if not fidelity.earlier:
            return None
        less = replace(fidelity, effort=fidelity.earlier)
        kept = self.cache.get(artifact_key(self.workload, stages, config, less))
        return kept.artifact if kept else None
