"""How often studies of functions, and of programs with an effort, accept where nothing is.

Everything is real but the work: the search, the processes, the pairs and the judge. What a run
gives is noise that its config and its seed draw, so the search is flattered and the proof must not
be. Beside that of benchmarks/null.py, which simulates the trials.

Run: python benchmarks/null_real.py [--studies 20] [--first 0] [--only TEXT] [--write]
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from results import machine, write_section

import tunewright as tw
from tunewright import session
from tunewright.core.verdict import Decision, alpha_of
from tunewright.planning import Limits, Proving, Request
from tunewright.workloads.functions.declared import Function, spec_of

SPREAD = 0.1
BUDGET, GOAL, PAIRS = "12 trials", "minimize loss", 8
ONE, SPACE = Limits(workers=1), {"x": tw.real(0.0, 1.0, default=0.5)}
Study = Callable[[int, Path], Any]
HEAD = "| what runs | studies | ACCEPT | ended without a look | level, % | level + 2 SE, % |"
# A program that draws by its seed and its knob, from awk: it starts in some milliseconds.
NOISE = (
    "BEGIN { srand(s % 9973 * 1000 + int(x * 99991)); for (i = 0; i < 5; i++) rand(); sum = 0; "
    "for (i = 0; i < 12; i++) sum += rand(); print sum - 6 + 20 }"
)


def drawn(x: float, seed: int, epoch: int = 0) -> float:
    """Noise that a config and a seed have drawn."""
    return math.exp(random.Random(f"{seed} {x} {epoch}").gauss(0, SPREAD))


def plain(config: Any, run: Any) -> dict[str, float]:
    """A function that returns noise."""
    return {"loss": drawn(config["x"], run.seed)}


def reporting(config: Any, run: Any) -> None:
    """A function that reports noise, and is stopped early by it."""
    for epoch in run.epochs(9):
        run.report(loss=drawn(config["x"], run.seed, epoch))


def function(body: Callable[..., Any], *, in_process: bool = False) -> Study:
    """A study of a function."""

    def study(seed: int, root: Path) -> Any:
        made, space = Function(body, SPACE, in_process), session.prepare("f", "function", ONE, root)
        with space as workspace:
            spec = spec_of(made, GOAL, None, workspace.directory)
            return session.begin(asked("function", spec, seed), workspace=workspace)

    return study


def program(seed: int, root: Path) -> Any:
    """A study of a program with an effort, which its noise does not follow."""
    words = ("awk", "-v", "x={x}", "-v", "s={seed}", "-v", "e={epochs}", NOISE)
    spec = tw.Command(
        words, knob=("x=0.5:0.0..1.0",), effort="epochs=1..9",
        metric=("loss=regex:([0-9.]+):lower",), cwd=str(root),
    )  # fmt: skip
    return session.begin(asked("command", spec, seed), root=root)


def asked(kind: str, spec: Any, seed: int) -> Request:
    """The request of a null study."""
    return Request("null", kind, spec, GOAL, {}, BUDGET, seed, ONE, Proving(pairs=PAIRS))


CASES = {
    "a function, forked": function(plain),
    "a function in its worker": function(plain, in_process=True),
    "a function that reports": function(reporting),
    "a program with an effort": program,
}


def main() -> None:
    """Print the wrong ACCEPTs beside what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", default="", help="cases whose names hold this")
    parser.add_argument("--write", action="store_true", help="replace the section of RESULTS.md")
    options = parser.parse_args()
    level, lines = alpha_of(1), [HEAD, "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for name, study in ((n, s) for n, s in CASES.items() if options.only in n):
        began_s = time.perf_counter()
        accepted = without = 0
        for seed in range(options.first, options.first + options.studies):
            with tempfile.TemporaryDirectory() as place:
                verdict = study(seed, Path(place)).verdict
            accepted += verdict.decision is Decision.ACCEPT
            without += not verdict.pairs
        bound = level + 2 * (level * (1 - level) / options.studies) ** 0.5
        lines.append(
            f"| {name} | {options.studies} | {accepted} | {without} | {100 * level:.1f} | "
            f"{100 * bound:.1f} |"
        )
        print(lines[-1], f"{time.perf_counter() - began_s:.0f} s", flush=True)
    if options.write:
        head = (
            f"`python benchmarks/null_real.py --studies {options.studies} --write`, "
            f"{datetime.now(UTC).date()}, {machine()}. Real studies of {BUDGET} and {PAIRS} pairs "
            "at most, whose runs give noise: every ACCEPT is wrong. So few say that nothing is "
            "grossly wrong, no more; the simulated studies above count thousands."
        )
        write_section("Null studies, real processes", head + "\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
