"""The stage that runs one program, with what is done before and after each run."""

from __future__ import annotations

import os
import shutil
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from tunewright.core.config import Config, Value, digest_of
from tunewright.core.knobs import Knob
from tunewright.core.metrics import OUTPUT, Sample
from tunewright.core.roles import Artifact, Context
from tunewright.core.trial import Need
from tunewright.errors import OutputDiffers, TrialFailed, TrialTimeout
from tunewright.knobs.offers import Offer, settled
from tunewright.measuring.disturbance import Snapshot, disturbance, own_cpu_s
from tunewright.measuring.processes import ProgramRun, run_program
from tunewright.workloads.programs.efforts import CHECKPOINT, StatedEffort, continued
from tunewright.workloads.programs.failures import keep_failure, why_failed
from tunewright.workloads.programs.metrics import Reader, samples_of, stamps
from tunewright.workloads.programs.outputs import Check, Kept, Parts
from tunewright.workloads.programs.placeholders import fill, fill_words
from tunewright.workloads.programs.progress import Progress
from tunewright.workloads.programs.spelling import spelled
from tunewright.workloads.programs.templates import Template

LAST = "run"  # the stage of the command itself
DIFFERENCE = "outputs.txt"  # among a study's failures: how the runs of a pair put out differed
CLEANUP_S = 1.0  # for what cleans up behind a run that took all the time there was
_PADDING = 4096  # bytes by which the environment's size may vary


@final
@dataclass(frozen=True)
class Around:
    """What is run beside a program and is no part of what is measured, each with its words.

    prepare: before each run. cleanup: after each, however it ended. test: after each run of a
    verification, which no search sees; its readers give metrics in place of the program's own.
    """

    prepare: tuple[str, ...] = ()
    cleanup: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    readers: tuple[Reader, ...] = ()


@final
@dataclass(frozen=True)
class Program:
    """A stage that runs one program; above the last one it keeps the files of its directory.

    known: the knobs of this stage and those above. steps: whose directories it reads. check: of
    what it puts out; baseline: whose output a search holds others against. stdin: a file that it
    reads, "" for nothing. ok_exit: the codes with which a good run may end. effort: how
    far it goes; continues: it has a directory from which a config goes on.
    """

    name: str
    knobs: tuple[Knob, ...]
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str
    readers: tuple[Reader, ...] = ()
    steps: tuple[str, ...] = ()
    check: Check | None = None
    baseline: Config | None = None
    known: tuple[Knob, ...] = ()
    stdin: str = ""
    ok_exit: tuple[int, ...] = (0,)
    templates: tuple[Template, ...] = ()
    offers: tuple[Offer, ...] = ()
    around: Around = Around()
    progress: Progress | None = None
    effort: StatedEffort | None = None
    continues: bool = False

    @property
    def sampled(self) -> bool:
        """Whether a metric asks for the memory of the whole tree."""
        return any(r.kind == "used" and r.path == "tree_bytes" for r in self.readers)

    def needs(self, config: Config) -> Need:
        """As many cores as it has threads; the program is a process of its own."""
        threads = config.get("threads", 1)
        cores = max(threads, 1) if isinstance(threads, int) else 1
        return Need(cores=cores, process="own")

    def run(self, _upstream: Sequence[Artifact], config: Config, context: Context) -> Artifact:
        """Run it. Raises TrialFailed when it fails or leaves no metric.

        In a search with a check the baseline runs twice, the second time only for what it puts
        out: where that varies, nothing can be held against it. Raises OutputDiffers for a config
        that puts out something else.
        """
        artifact, run, parts = self._once(config, context, context.directory, context.limit_s)
        if self.name != LAST:
            return artifact
        output, searching = (
            float(zlib.crc32(run.digest.encode())),
            not context.fidelity.piece.repeat,
        )
        if self.check is not None and not context.fidelity.effort:  # less effort answers otherwise
            kept = Kept(context.lasting / "outputs")
            output, why = kept.name(self.check, parts, context.seed)
            if why and not searching:
                context.failure.parent.mkdir(parents=True, exist_ok=True)
                context.failure.with_name(DIFFERENCE).write_text(why, encoding="utf-8")
            if searching and config == self.baseline:
                again_s = max(context.limit_s - run.wall_s, 0.0)
                again = context.directory / "again"
                again.mkdir()
                *_, parts = self._once(config, context, again, again_s)
                _, why = kept.name(self.check, parts, context.seed)
                if why:
                    raise TrialFailed(
                        f"its output varies from run to run: {why}; say what of it must be the "
                        "same: --same-output PATTERN, --same-output FILE, or --tolerance 1e-6"
                    )
            if searching and self.baseline is not None and why:
                raise OutputDiffers(f"its output is not the baseline's: {why}")
        return replace(artifact, samples={**artifact.samples, OUTPUT: Sample((output,))})

    def _once(
        self, config: Config, context: Context, where: Path, limit_s: float
    ) -> tuple[Artifact, ProgramRun, Parts]:
        """What one run in this directory gives, how it went, and what of its output is compared."""
        end_s = time.monotonic() + limit_s
        places = self._places(config, context, where)
        part = None
        if self.effort is not None and self.continues:
            part = continued(self.effort, config, context, Path(str(places[CHECKPOINT])))
        env = self._environment(config, context, places)
        argv = [*settled(self.offers, config, env)[1], *fill_words(self.argv, places)]
        launch = _Launch(self, context, where, places, env)
        try:
            made = self._measured(launch, argv, end_s)
        except BaseException:
            with suppress(TrialFailed):  # the first failure is the one to be told
                launch.aside("cleanup", self.around.cleanup, time.monotonic() + CLEANUP_S)
            raise
        launch.aside("cleanup", self.around.cleanup, max(end_s, time.monotonic() + CLEANUP_S))
        if part is None:
            return made
        artifact, run, parts = made
        samples = part.used(artifact.samples)
        part.keep(samples)
        return replace(artifact, samples=samples), run, parts

    def _measured(
        self, launch: _Launch, argv: Sequence[str], end_s: float
    ) -> tuple[Artifact, ProgramRun, Parts]:
        context, where, places = launch.context, launch.where, launch.places
        launch.aside("prepare", self.around.prepare, end_s)
        output = self.check.reader(self.cwd) if self.check else None
        read = (*self.readers, *((output,) if output else ()))
        written = stamps(read, places, self.steps)
        before, used_s = Snapshot.now(), own_cpu_s()
        run = launch.started(argv, end_s)
        after, used_s = Snapshot.now(), own_cpu_s() - used_s
        self._check(run, argv, context)
        if self.name != LAST:
            return Artifact(None, files=where / "dir"), run, {}
        samples = samples_of(run) | disturbance(before, after, used_s)
        for reader in self.readers:
            samples[reader.name] = Sample(reader.read(run, places, written), reader.unit)
        parts = self.check.parts(run, self.cwd, places, written) if self.check else {}
        if self.around.test and context.fidelity.piece.fresh:
            samples |= launch.tested(end_s)
        return Artifact(None, samples), run, parts

    def _places(self, config: Config, context: Context, where: Path) -> dict[str, Value]:
        """What the placeholders stand for in this run; what they name is made."""
        directory = where / "dir"
        places: dict[str, Value] = {**spelled(self.known, config), "seed": context.seed}
        places["split"] = "test" if context.fidelity.piece.fresh else "search"
        places["dir"] = str(directory)
        directory.mkdir()
        if self.effort is not None:
            places[self.effort.name] = self.effort.at(context.fidelity.effort)
        places[CHECKPOINT] = str(where / CHECKPOINT)
        for step in self.steps:
            kept = context.above(step).files
            assert kept is not None
            places[step] = str(shutil.copytree(kept, where / step, symlinks=True))
        if self.templates:
            filled = where / "filled"
            filled.mkdir()
            paths = {t.name: str(t.write(filled, places)) for t in self.templates}
            places.update(paths)
        return places

    def _environment(
        self, config: Config, context: Context, places: Mapping[str, Value]
    ) -> dict[str, str]:
        own = {name: fill(text, places) for name, text in self.env}
        env = {**_shaken(context.seed), **os.environ, **own, "TUNEWRIGHT_DIR": str(places["dir"])}
        return {**env, **settled(self.offers, config, env)[0]}

    def _check(self, run: ProgramRun, argv: Sequence[str], context: Context) -> None:
        """Raise TrialFailed for a run that failed, with the telling part of what it printed."""
        step = "" if self.name == LAST else f"step {self.name}: "
        if not (run.timed_out or run.returncode not in self.ok_exit or run.flooded):
            return
        rest = keep_failure(run, argv, context.failure)
        if run.timed_out:
            raise TrialTimeout(
                f"{step}{argv[0]} ran longer than {context.limit_s:.3g} s, "
                f"which is what a trial may; more in {rest}"
            )
        raise TrialFailed(f"{step}{why_failed(run, argv, rest)}")


@final
@dataclass(frozen=True)
class _Launch:
    """One run of a program: where it happens, and what its words stand for."""

    program: Program
    context: Context
    where: Path
    places: Mapping[str, Value]
    env: Mapping[str, str]

    def started(self, argv: Sequence[str], end_s: float) -> ProgramRun:
        """The program, run to its end."""
        program, spool = self.program, self.where / "output"
        spool.mkdir()
        stdin = Path(program.cwd, fill(program.stdin, self.places)) if program.stdin else None
        if stdin is not None and not stdin.is_file():
            raise TrialFailed(f"expected a file as standard input; got {stdin}; it is not there")
        watching: AbstractContextManager[None] = nullcontext()
        if program.progress is not None:
            streams = (spool / "stdout", spool / "stderr")
            watching = program.progress.watching(streams, self.context.report)
        with watching:
            return self._run(argv, spool, end_s, stdin)

    def aside(self, what: str, words: Sequence[str], end_s: float) -> None:
        """Run what is no part of the measurement. Raises TrialFailed where it fails."""
        if not words:
            return
        spool = self.where / what
        spool.mkdir()
        argv = fill_words(words, self.places)
        run = self._run(argv, spool, end_s)
        if run.timed_out or run.returncode:
            rest = keep_failure(run, argv, self.context.failure)
            if run.timed_out:
                raise TrialTimeout(f"{what}: {argv[0]} ran longer than a trial may; more in {rest}")
            raise TrialFailed(f"{what}: {why_failed(run, argv, rest)}")

    def tested(self, end_s: float) -> dict[str, Sample]:
        """What the test gives that no search sees."""
        around, spool = self.program.around, self.where / "test"
        spool.mkdir()
        argv = fill_words(around.test, self.places)
        written = stamps(around.readers, self.places, self.program.steps)
        run = self._run(argv, spool, end_s)
        if run.timed_out or run.returncode:
            rest = keep_failure(run, argv, self.context.failure)
            raise TrialFailed(f"test: {why_failed(run, argv, rest)}")
        return {
            reader.name: Sample(reader.read(run, self.places, written), reader.unit)
            for reader in around.readers
        }

    def _run(
        self, argv: Sequence[str], spool: Path, end_s: float, stdin: Path | None = None
    ) -> ProgramRun:
        limit_s = max(end_s - time.monotonic(), 0.0)
        try:
            return run_program(
                argv, spool, cwd=Path(self.program.cwd), env=self.env, stdin=stdin,
                limit_s=limit_s, tree=self.program.sampled,
            )  # fmt: skip
        except OSError as error:
            raise TrialFailed(f"cannot start {argv[0]}: {error.strerror}") from error


def _shaken(seed: int) -> dict[str, str]:
    """Variables that move memory and hashes about, so that no layout favours one arm by luck.

    Both arms of a pair get the same ones (Mytkowicz et al., "Producing wrong data without doing
    anything obviously wrong!", 2009). What the user's environment says goes first.
    """
    chance = int(digest_of(seed), 16)
    padding = "x" * (chance % _PADDING)
    return {"PYTHONHASHSEED": str(chance % 2**32), "TUNEWRIGHT_PADDING": padding}
