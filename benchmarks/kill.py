"""Kills studies with -9, at any time and at planned moments, and checks that nothing is lost.

Studies of a small table and of a program that leaves helpers behind are run by the installed
command; drivers, workers and both at once are killed from outside, several times a study, and
resumed until they end. After each kill and at the end the journal must hold, first and unchanged,
all that it had held before; no attempt was begun twice; no process is left; the verdict follows
from the measurements in the journal.

Run: python benchmarks/kill.py [--kills 200] [--seed 0] [--write]
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from tunewright.core.budget import Budget
from tunewright.core.events import (
    Ended,
    Event,
    Finished,
    Opened,
    Refitted,
    Reported,
    Started,
    Stopped,
    encode,
    to_json,
)
from tunewright.core.goal import parse_goal
from tunewright.core.history import DRIVER_RESTART
from tunewright.core.trial import Measurement, Outcome, Trial
from tunewright.core.verdict import Decision
from tunewright.errors import StoreError
from tunewright.loop.plan import MAX_PAIRS
from tunewright.running.reaping import COOKIE
from tunewright.session import replay
from tunewright.storing.journal import FILE, Reader
from tunewright.storing.memory import MemoryStore
from tunewright.verifying.claims import Case
from tunewright.verifying.judge import judge
from tunewright.verifying.pairs import Look

PROGRAM = Path(sys.executable).with_name("tunewright")
GONE_S = 2.0  # by then the workers of a killed driver must have seen it
START_S = 2.0  # by then the workers of a fresh driver have imported what they need
PATIENCE_S = 120.0  # a study that is not over by then hangs
NAME = "study"

Point = tuple[str, str]  # whom to kill, and when

DRIVER, GENERAL, LEAN = "driver", "general worker", "lean worker"
BOTH, ALL = "driver and a worker", "driver and all workers"
ANY, COMMIT, SEARCH, REFIT, PAIR = "any time", "commit", "search", "refit", "pair"


@dataclass(frozen=True)
class Workload:
    """What is tuned, and where it can be killed, in the order of a study."""

    name: str
    arguments: tuple[str, ...]
    points: tuple[Point, ...]
    budget_s: float = float("inf")


TABLE_POINTS = (
    (DRIVER, ANY), (BOTH, ANY), (ALL, ANY), (GENERAL, SEARCH), (DRIVER, SEARCH), (BOTH, SEARCH),
    (LEAN, SEARCH), (DRIVER, COMMIT), (GENERAL, COMMIT), (LEAN, COMMIT), (DRIVER, REFIT),
    (GENERAL, REFIT), (BOTH, REFIT), (DRIVER, PAIR), (GENERAL, PAIR), (LEAN, PAIR), (BOTH, PAIR),
)  # fmt: skip
COMMAND_POINTS = (
    (DRIVER, ANY), (BOTH, ANY), (ALL, ANY), (DRIVER, SEARCH), (GENERAL, SEARCH), (BOTH, SEARCH),
    (DRIVER, COMMIT), (GENERAL, COMMIT), (DRIVER, PAIR), (GENERAL, PAIR), (BOTH, PAIR),
)  # fmt: skip
TABLE = (
    "rows.csv", "--target", "y", "--minimize", "latency_p50", "--baseline", "runtime=booster",
    "--subject-to", "roc_auc >= baseline - 0.2",
)  # fmt: skip
COMMAND = ("--knob", "size=40:1..60", "--knob", "mode=slow:slow,fast", "--minimize", "wall_s")
JOB = (sys.executable, "job.py", "{size}", "{mode}")
WORKLOADS = (
    Workload("table", (*TABLE, "--budget", "8s"), TABLE_POINTS, 8.0),
    Workload("command", (*COMMAND, "--budget", "6s", "--", *JOB), COMMAND_POINTS, 6.0),
    Workload("table", (*TABLE, "--budget", "12s"), TABLE_POINTS, 12.0),
    Workload("command", (*COMMAND, "--budget", "8 trials", "--", *JOB), COMMAND_POINTS),
)
PROGRAM_TEXT = """
import subprocess, sys, time
subprocess.Popen(["sleep", "30"])
subprocess.Popen(["sleep", "30"], start_new_session=True)  # leaves its group as a daemon does
sum(i * i for i in range(1000 * int(sys.argv[1])))
time.sleep(0.02 if sys.argv[2] == "fast" else 0.06)
"""


def main() -> None:
    """Kill as often as asked, print each kill and the tally, and fail if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--machine", default=f"{os.cpu_count()}-core machine")
    parser.add_argument("--write", action="store_true", help="kill.jsonl and RESULTS.md, too")
    options = parser.parse_args()
    chance, began_s = random.Random(options.seed), time.monotonic()
    lines: list[dict[str, object]] = []
    tally: Counter[tuple[str, str, str]] = Counter()
    broken: list[str] = []
    while tally.total() < options.kills:
        workload = WORKLOADS[len([line for line in lines if "verdict" in line]) % len(WORKLOADS)]
        with tempfile.TemporaryDirectory(prefix="tunewright-kill-") as where:
            study = Study(Path(where), workload, chance)
            study.run(plan(workload, tally, chance), options.kills - tally.total())
        lines += study.lines
        broken += study.broken
        for line in study.lines:
            if "victim" in line:
                tally[workload.name, str(line["victim"]), str(line["moment"])] += 1
            print(json.dumps(line), flush=True)
        print(f"{tally.total()} kills, {len(broken)} broken, {time.monotonic() - began_s:.0f} s")
    text = told(options, tally, lines, broken)
    print(text)
    if options.write:
        record(text, lines)
    sys.exit(bool(broken))


def plan(
    workload: Workload, tally: Counter[tuple[str, str, str]], chance: random.Random
) -> list[Point]:
    """Points for one study, in the order of their moments; those that were hit least come first.

    Kills cost a study's budget, so that half of the studies are spared until they are verified.
    """
    moments = list(dict.fromkeys(moment for _, moment in workload.points))
    points: list[Point] = []
    for moment in moments[chance.choice((0, 3)) :]:
        here = [point for point in workload.points if point[1] == moment]
        chance.shuffle(here)
        points += sorted(here, key=lambda point: tally[workload.name, *point])[:3]
    return points


class Study:
    """One study in its own directory, from its first driver to its verdict."""

    def __init__(self, where: Path, workload: Workload, chance: random.Random) -> None:
        self.where, self.workload, self.chance = where, workload, chance
        self.root = where / ".tunewright"
        self.broken: list[str] = []
        self.lines: list[dict[str, object]] = []
        self.kept: list[str] = []  # the events that the journal has held, as text
        self.seen = 0  # how many of them there were when the last driver started
        self.unwatched = False  # a driver and all its workers died, and nobody has resumed since
        self.log = where / "output.txt"
        make_inputs(where)

    def run(self, points: Sequence[Point], most: int) -> None:
        """Kill at these points, as far as the study reaches them, and let it end."""
        driver = self.start()
        for victim, moment in points:
            if len(self.lines) >= most:
                break
            if not self.reached(driver, moment):
                continue
            driver = self.kill(driver, victim, moment)
        try:
            code = driver.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            driver.kill()
            code = driver.wait()
            self.complain("the study hangs")
        self.end(code)

    @property
    def directory(self) -> Path:
        """The study that the last driver runs."""
        found = sorted(self.root.glob(f"{NAME}-*"), key=lambda path: int(path.name.split("-")[-1]))
        return found[-1] if found else self.root / f"{NAME}-1"

    def start(self) -> subprocess.Popen[bytes]:
        """A driver: the first one, or one that resumes."""
        self.seen = len(self.kept)
        words = ["study", "resume"] if self.kept else ["tune", "--name", NAME]
        words += () if self.kept else self.workload.arguments
        with self.log.open("ab") as log:
            return subprocess.Popen([PROGRAM, *words], cwd=self.where, stdout=log, stderr=log)

    def reached(self, driver: subprocess.Popen[bytes], moment: str) -> bool:
        """Wait for the moment; whether the driver lives."""
        deadline_s = time.monotonic() + PATIENCE_S
        if moment == ANY:
            with contextlib.suppress(subprocess.TimeoutExpired):
                driver.wait(self.chance.uniform(0.0, 3.0))
            return driver.poll() is None
        wanted = (SEARCH, REFIT, PAIR) if moment == COMMIT else (moment,)
        with closing(Watched(self.directory, self.seen)) as journal:
            while journal.running() not in wanted and driver.poll() is None:
                time.sleep(0.002)
                if time.monotonic() > deadline_s or later(journal.running(), wanted):
                    return False
        time.sleep(self.chance.uniform(0.0, 0.3 if moment == REFIT else 0.1))
        return driver.poll() is None

    def kill(
        self, driver: subprocess.Popen[bytes], victim: str, moment: str
    ) -> subprocess.Popen[bytes]:
        """Kill, look at what is left, and give the driver that goes on."""
        workers, driver_dies = self.victims(driver, victim), victim in (DRIVER, BOTH, ALL)
        if not workers and victim != DRIVER:
            return driver
        if moment == COMMIT:
            wait_for_commit(self.directory, driver)
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if driver_dies:
            driver.kill()
            if driver.wait() != -signal.SIGKILL:  # it was quicker, and is done
                return driver
        before, after = len(self.kept), self.read()
        self.unwatched = victim == ALL or (self.unwatched and after == self.seen)
        gone_s = (
            None if self.unwatched else self.wait_until_gone(workers if not driver_dies else ())
        )
        with closing(Watched(self.directory)) as journal:
            phase = journal.running() or "between trials"
        self.lines.append({
            "workload": self.workload.name, "victim": victim, "planned": moment,
            "moment": moment if moment in (ANY, COMMIT, phase) else ANY, "phase": phase,
            "events": after, "new": after - before, "gone_s": gone_s,
        })  # fmt: skip
        return self.start() if driver_dies else driver

    def victims(self, driver: subprocess.Popen[bytes], victim: str) -> list[int]:
        """The workers to be killed: the busiest one mostly, else any; they may have to start."""
        if victim == DRIVER:
            return []
        workers: list[int] = []
        deadline_s = time.monotonic() + (0.0 if victim in (BOTH, ALL) else START_S)
        while not workers and driver.poll() is None:
            workers = workers_of(driver.pid, self.directory)
            if victim in (GENERAL, LEAN) and self.workload.name == "table":
                workers = [pid for pid in workers if is_general(pid) == (victim == GENERAL)]
            if time.monotonic() >= deadline_s:
                break
            time.sleep(0.005)
        if victim == ALL:
            return workers
        if not workers:
            return []
        if self.chance.random() < 0.7:
            return [busiest(workers)]
        return [self.chance.choice(workers)]

    def wait_until_gone(self, workers: Sequence[int]) -> float:
        """Seconds until nothing is left of these workers, or () for all of the study."""

        def left() -> list[int]:
            if not workers:
                return marked(self.directory)
            return [pid for pid in psutil.pids() if session_of(pid) in workers and alive(pid)]

        began_s = time.monotonic()
        while left():
            if time.monotonic() - began_s > GONE_S:
                self.complain(f"left after a kill: {[described(pid) for pid in left()]}")
                break
            time.sleep(0.002)
        return round(time.monotonic() - began_s, 3)

    def read(self) -> int:
        """Read the journal as a user could: what was there before is there first, unchanged."""
        try:
            with Reader(self.directory) as reader:
                found = [to_json(event) for event in reader.read()]
        except StoreError as error:
            found = []
            if self.kept:
                self.complain(f"the journal cannot be read: {error}")
        if found[: len(self.kept)] != self.kept:
            self.complain(f"lost: {len(self.kept)} events were there, {len(found)} are")
        self.kept = found
        return len(found)

    def end(self, code: int) -> None:
        """Check what the study came to."""
        self.read()
        for pid in marked(self.directory):
            self.complain(f"left at the end: {described(pid)}")
        output = self.log.read_text(errors="replace")
        if code not in (0, 1):
            self.complain(f"exit code {code}")
        if "Traceback" in output:
            self.complain("a traceback")
        store = MemoryStore()
        with Reader(self.directory) as reader:
            events = list(reader.read())
        store.append(events)
        for failure in check(events, self.workload.budget_s):
            self.complain(failure)
        verdict = replay(store).finished
        self.lines.append({
            "workload": self.workload.name, "events": len(events), "exit": code,
            "attempts": sum(isinstance(event, Started) for event in events),
            "lost": sum(
                isinstance(e, Ended) and e.measurement.outcome is Outcome.LOST for e in events
            ),
            "verdict": verdict.decision.value if verdict else None, "broken": self.broken,
        })  # fmt: skip
        if self.broken:
            print(output)

    def complain(self, what: str) -> None:
        """Remember what is wrong."""
        self.broken.append(what)
        print("BROKEN:", what, flush=True)


def check(events: Sequence[Event], budget_s: float) -> list[str]:
    """What is wrong with a finished study's events, told from the events alone."""
    wrong: list[str] = []
    if isinstance(events[-1], Refitted):
        *events, _ = events  # what is handed over may be fitted once more after the verdict
    starts = [event.trial for event in events if isinstance(event, Started)]
    names = [(trial.number, trial.attempt) for trial in starts]
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        wrong.append(f"begun twice: {doubled}")
    numbers = {number for number, _ in names}
    if numbers != set(range(1, len(numbers) + 1)):
        wrong.append(f"numbers have gaps: {sorted(numbers)}")
    for number in numbers:
        attempts = [attempt for other, attempt in names if other == number]
        if attempts != list(range(1, len(attempts) + 1)):
            wrong.append(f"attempts of trial {number}: {attempts}")
    if not isinstance(events[-1], Finished):
        return [*wrong, f"the last event is {type(events[-1]).__name__}"]
    over = math.isfinite(budget_s) and Budget(budget_s).closed().over(events[-1].elapsed_s)
    wrong += [f"never tried again: {name}" for name in unretried(events) if not over]
    verdict, number = events[-1].verdict, max((t.purpose.look for t in starts), default=0)
    if number == 0:
        if verdict.decision is not Decision.INCONCLUSIVE or verdict.comparisons:
            wrong.append(f"{verdict.decision} without a look")
        return wrong
    opened = next(event for event in events if isinstance(event, Opened))
    look, goal = look_of(events, number), parse_goal(opened.goal, opened.metrics)
    ended = look.tried() >= MAX_PAIRS or over
    case = Case(look, number + opened.looks_before, goal, ended=ended)
    decision, _, comparisons = judge(case)
    judged = json.dumps([encode(decision), encode(comparisons)])
    if judged != json.dumps([encode(verdict.decision), encode(verdict.comparisons)]):
        wrong.append(f"the verdict is {verdict.decision}; the pairs in the journal say {decision}")
    return wrong


def unretried(events: Sequence[Event]) -> list[tuple[int, int]]:
    """The attempts that were lost and not followed by another, though they should have been."""
    begun = {(e.trial.number, e.trial.attempt) for e in events if isinstance(e, Started)}
    losses: Counter[int] = Counter()
    found = []
    for event in events:
        if isinstance(event, Ended) and event.measurement.outcome is Outcome.LOST:
            losses[event.number] += event.measurement.detail != DRIVER_RESTART
            if losses[event.number] < 2 and (event.number, event.attempt + 1) not in begun:
                found.append((event.number, event.attempt))
    return found


def look_of(events: Sequence[Event], number: int) -> Look:
    """One look's refits and pairs, gathered from its events without the program's own folds."""
    look, running = Look(), dict[tuple[int, int], Trial]()
    losses: Counter[int] = Counter()
    for event in events:
        if isinstance(event, Started):
            running[event.trial.number, event.trial.attempt] = event.trial
        elif isinstance(event, Ended | Stopped):
            trial = running.pop((event.number, event.attempt), None)
            if trial is None or trial.purpose.look != number or trial.purpose.arm is None:
                continue
            if isinstance(event, Ended):
                measurement = event.measurement
            else:
                late = event.reason == "limit"
                measurement = Measurement(Outcome.TIMEOUT if late else Outcome.STOPPED)
            if measurement.outcome is Outcome.LOST:
                losses[event.number] += measurement.detail != DRIVER_RESTART
                if losses[event.number] < 2:
                    continue
                measurement = replace(measurement, outcome=Outcome.CRASHED)  # its own fault
            if trial.purpose.kind == "refit":
                refits = look.refits.setdefault(trial.purpose.arm, {})
                refits[trial.purpose.block] = measurement
            else:
                pair = look.pairs.setdefault(trial.purpose.block, {})
                pair[trial.purpose.arm] = measurement
    return look


class Watched:
    """What a study is doing, read from its journal while it is written."""

    def __init__(self, directory: Path, after: int = 0) -> None:
        self._directory = directory
        self._count = after
        self._trials: dict[tuple[int, int], str] = {}
        self._reader: Reader | None = None

    def running(self) -> str:
        """What the trials under way are for; "" when there are none."""
        with contextlib.suppress(StoreError):
            self._reader = self._reader or Reader(self._directory)
            for event in self._reader.read(after=self._count):
                self._count += 1
                if isinstance(event, Started):
                    self._trials[event.trial.number, event.trial.attempt] = event.trial.purpose.kind
                elif isinstance(event, Opened):
                    self._trials.clear()
                elif not isinstance(event, Finished | Refitted | Reported):
                    self._trials.pop((event.number, event.attempt), None)
        return next(reversed(self._trials.values()), "")

    def close(self) -> None:
        """Give the journal back."""
        if self._reader:
            self._reader.close()


def later(now: str, wanted: Sequence[str]) -> bool:
    """Whether the study is beyond the moments wanted."""
    order = ("", SEARCH, REFIT, PAIR)
    return order.index(now) > max(map(order.index, wanted))


def wait_for_commit(directory: Path, driver: subprocess.Popen[bytes]) -> None:
    """Return the moment that the write-ahead log has changed."""
    path = str(directory / f"{FILE}-wal")

    def state() -> tuple[int, int]:
        try:
            status = os.stat(path)  # noqa: PTH116 - the quickest there is
        except OSError:
            return 0, 0
        return status.st_mtime_ns, status.st_size

    before, deadline_s = state(), time.monotonic() + 5.0
    while state() == before and time.monotonic() < deadline_s:
        if driver.poll() is not None:
            return


def marked(directory: Path) -> list[int]:
    """The processes that carry the study's cookie."""
    entry = f"{COOKIE}={directory.resolve()}".encode()
    return [pid for pid in psutil.pids() if entry in environment_of(pid)]


def environment_of(pid: int) -> list[bytes]:
    """A process's environment; nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def workers_of(driver: int, directory: Path) -> list[int]:
    """The workers of a driver: they carry its cookie and lead a session."""
    entry = f"{COOKIE}={directory.resolve()}".encode()
    with contextlib.suppress(psutil.Error):
        children = [child.pid for child in psutil.Process(driver).children()]
        return [p for p in children if session_of(p) == p and entry in environment_of(p)]
    return []


def is_general(pid: int) -> bool:
    """Whether a worker of a table has imported what reads tables, as no lean worker does."""
    try:
        return "pyarrow" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def busiest(pids: Sequence[int]) -> int:
    """Whose tree used most processor time within the last few ticks."""

    def used(pid: int) -> float:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            tree = [process, *process.children(recursive=True)]
            return sum(sum(p.cpu_times()[:2]) for p in tree) + len(tree)
        return 0.0

    before = {pid: used(pid) for pid in pids}
    time.sleep(0.03)
    return max(pids, key=lambda pid: used(pid) - before[pid])


def session_of(pid: int) -> int:
    """The session of a process."""
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def alive(pid: int) -> bool:
    """Whether a process still runs: a zombie holds nothing."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def described(pid: int) -> str:
    """A process in words."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return f"{pid} (parent {process.ppid()}): {' '.join(process.cmdline())[-80:]}"
    return str(pid)


def make_inputs(where: Path) -> None:
    """A table of four hundred rows, and the program."""
    chance = random.Random(1)
    with (where / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{i}" for i in range(6)), "y"])
        for _ in range(400):
            x = [chance.gauss(0, 1) for _ in range(6)]
            positive = x[0] + x[1] * x[2] + chance.gauss(0, 0.3) > 0
            writer.writerow([*(f"{value:.4f}" for value in x), "yes" if positive else "no"])
    (where / "job.py").write_text(PROGRAM_TEXT)


def told(
    options: argparse.Namespace,
    tally: Counter[tuple[str, str, str]],
    lines: Sequence[dict[str, object]],
    broken: Sequence[str],
) -> str:
    """The tally as a section of RESULTS.md."""
    ends = [line for line in lines if "verdict" in line]
    kills = [line for line in lines if "victim" in line]
    text = [
        "## Kill -9", "",
        (
            f"`python benchmarks/kill.py --kills {options.kills} --seed {options.seed}`, "
            f"{datetime.now(UTC):%Y-%m-%d}, {options.machine}. Raw lines: `kill.jsonl`."
        ), "",
        f"{len(kills)} kills of {len(ends)} studies; {sum(int(str(e['lost'])) for e in ends)} "
        f"trials lost and tried again; broken promises: {len(broken)}. Verdicts: "
        + ", ".join(f"{n} {v}" for v, n in Counter(str(e["verdict"]) for e in ends).items())
        + f". Processes were gone {latest_s(kills):.2f} s after a kill at the latest; where the "
        "driver and all its workers die at once, what they ran goes on until the study is resumed.",
        "",
        "| workload | killed | moment | kills |", "|---|---|---|---:|",
        *(f"| {a} | {b} | {c} | {n} |" for (a, b, c), n in sorted(tally.items())),
    ]  # fmt: skip
    return "\n".join([*text, *(f"- broken: {what}" for what in broken), ""])


def latest_s(kills: Sequence[dict[str, object]]) -> float:
    """When the last process was gone, of kills that leave somebody who can see them."""
    return max((float(str(k["gone_s"])) for k in kills if k["gone_s"] is not None), default=0.0)


def record(text: str, lines: Sequence[dict[str, object]]) -> None:
    """Write the raw lines, and this section of RESULTS.md."""
    here = Path(__file__).parent
    (here / "kill.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    results = here / "RESULTS.md"
    old = results.read_text() if results.exists() else "# Results\n"
    section = re.compile(r"^## Kill -9\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    kept = section.sub("", old).rstrip()
    results.write_text(f"{kept}\n\n{text}")


if __name__ == "__main__":
    main()
