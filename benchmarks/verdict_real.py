"""The verdict on this machine: A/A comparisons under changing load, and planted slow-downs.

    python benchmarks/verdict_real.py [--same 300] [--planted 12] [--write]

A small C program that works for some 20 ms is compared with itself, while a background program
changes the load of the machine at random; and, without that, with one that does 2, 5 or 10 % more
work. hyperfine (Debian's package) gets the same programs at the same time, as many runs, in its own
order: all of one, then all of the other. Its times are judged as its authors propose, by Welch's
test (`scripts/welch_ttest.py` in its repository), at 5 %. Prints one JSON line a comparison;
`--write` appends them to verdict_real.jsonl and writes the section of RESULTS.md from the file.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median
from typing import Any

from results import machine, write_section
from scipy.stats import ttest_ind

import tunewright as tw

RAW = Path(__file__).with_name("verdict_real.jsonl")
PAIRS = 20  # of an A/A comparison
MOST_PAIRS = 200  # until a planted slow-down is given up
WORK = 6_000_000  # rounds of the loop: some 20 ms
EXTRAS = (0.02, 0.05, 0.10)
ALPHA = 0.05
GRID = (10, 30, 100)  # runs an arm that hyperfine is asked for
SOURCE = """
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    unsigned long n = strtoul(argv[1], 0, 10), x = argc;
    for (unsigned long i = 0; i < n; i++) x = x * 6364136223846793005UL + 1442695040888963407UL;
    printf("%lu\\n", x & 1);
    return 0;
}
"""
LOAD = """
import random, sys, threading, time
chance = random.Random(int(sys.argv[1]))
def burn(until, share):
    while time.monotonic() < until:
        stop = time.monotonic() + 0.01 * share
        while time.monotonic() < stop:
            pass
        if share < 1:
            time.sleep(0.01 * (1 - share))
def stream(until):
    block = bytearray(2**25)
    while time.monotonic() < until:
        block[:] = bytes(len(block))
while True:
    until = time.monotonic() + chance.uniform(0.3, 5.0)
    mode = chance.choice(("idle", "idle", "half", "one", "memory", "bursts"))
    if mode == "idle":
        time.sleep(until - time.monotonic())
    elif mode == "half":
        burn(until, 0.5)
    elif mode == "one":
        burn(until, 1.0)
    elif mode == "memory":
        stream(until)
    else:
        while time.monotonic() < until:
            burn(time.monotonic() + chance.uniform(0.01, 0.2), 1.0)
            time.sleep(chance.uniform(0.01, 0.3))
"""


def main() -> None:
    """Compare, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--same", type=int, default=300)
    parser.add_argument("--planted", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if not shutil.which("hyperfine"):
        sys.exit("expected hyperfine on the PATH; got none; install it: apt-get install hyperfine")
    lines: list[dict[str, Any]] = []

    def keep(line: dict[str, Any]) -> None:
        lines.append(line)
        print(json.dumps(line), flush=True)

    with tempfile.TemporaryDirectory() as place:
        work = compiled(Path(place))
        with load(options.seed):
            for i in range(options.same):
                keep(same(work, i, Path(place)))
        for i in range(options.planted):
            for extra in EXTRAS:
                keep(planted(work, extra, i, Path(place)))
    if options.write:
        with RAW.open("a", encoding="utf-8") as raw:
            raw.writelines(json.dumps(line) + "\n" for line in lines)
        lines = [json.loads(line) for line in RAW.read_text(encoding="utf-8").splitlines()]
    text = report(lines)
    print(text)
    if options.write:
        write_section("Verdict, measured", text)


@contextmanager
def load(seed: int) -> Any:
    """Another program that changes the load of the machine at random."""
    with subprocess.Popen([sys.executable, "-c", LOAD, str(seed)]) as other:
        try:
            yield
        finally:
            other.kill()


def compiled(place: Path) -> Path:
    """The program that is compared."""
    source, program = place / "work.c", place / "work"
    source.write_text(SOURCE)
    subprocess.run(["cc", "-O1", "-o", str(program), str(source)], check=True)
    return program


def ours(old: str, new: str, pairs: int, seed: int, place: Path) -> dict[str, Any]:
    """The verdict, the interval and the pairs it took."""
    sampling = tw.Sampling(budget="120s", pairs=pairs, seed=seed)
    began = time.monotonic()
    verdict = tw.verify(old, new, sampling=sampling, root=place / "studies").verdict
    shutil.rmtree(place / "studies")
    assert verdict is not None
    told = verdict.comparisons[0]
    return {
        "decision": verdict.decision.name, "pairs": verdict.pairs,
        "ratio": [round(x, 5) for x in (told.estimate, told.low, told.high)],
        "seconds": round(time.monotonic() - began, 2),
    }  # fmt: skip


def hyperfine(old: str, new: str, runs: int, place: Path) -> list[float]:
    """The ratio of the means that hyperfine found, new to old, and Welch's p of its times."""
    told = place / "hyperfine.json"
    words = ["hyperfine", "-N", "--style", "none", "--warmup", "1", "--runs", str(runs)]
    subprocess.run([*words, "--export-json", str(told), old, new], check=True, capture_output=True)
    a, b = (result["times"] for result in json.loads(told.read_text())["results"])
    p = float(ttest_ind(a, b, equal_var=False).pvalue)
    return [round(fmean(b) / fmean(a), 5), round(p, 6)]


def same(work: Path, number: int, place: Path) -> dict[str, Any]:
    """The program against itself."""
    line = f"{work} {WORK}"
    order = random.Random(number).random() < 0.5
    line_of = {"kind": "same", "number": number}
    if order:
        line_of["hyperfine"] = hyperfine(line, line, PAIRS, place)
    line_of["ours"] = ours(line, line, PAIRS, number, place)
    if not order:
        line_of["hyperfine"] = hyperfine(line, line, PAIRS, place)
    return line_of


def planted(work: Path, extra: float, number: int, place: Path) -> dict[str, Any]:
    """The program against one that does more work: how many runs until it is found."""
    old, new = f"{work} {WORK}", f"{work} {round(WORK * (1 + extra))}"
    found = ours(old, new, MOST_PAIRS, number, place)
    peers = {str(runs): hyperfine(old, new, runs, place) for runs in GRID}
    return {"kind": "planted", "extra": extra, "number": number, "ours": found, "hyperfine": peers}


def report(lines: list[dict[str, Any]]) -> str:
    """The section of RESULTS.md."""
    same_ = [line for line in lines if line["kind"] == "same"]
    date = datetime.now(UTC).date().isoformat()
    how = f"`python benchmarks/verdict_real.py --write`, {date}, {machine()}."
    what = "A C program of some 20 ms. hyperfine's times are judged by Welch's test at 5 %."
    text = [f"{how} Raw lines: `verdict_real.jsonl`.\n", f"{what}\n"]
    if same_:
        count = len(same_)
        wrong = {
            "tunewright verify": sum(x["ours"]["decision"] != "INCONCLUSIVE" for x in same_),
            "hyperfine and Welch": sum(x["hyperfine"][1] < ALPHA for x in same_),
        }
        bound = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / count)
        text.append(
            f"The same program twice, {count} comparisons of {PAIRS} runs each, while another "
            "program changes the load of the machine at random (allowed are 5 % and two standard "
            f"errors, {bound:.1%}):\n"
        )
        text += ["| tool | wrong claims | share |", "|---|---:|---:|"]
        text += [f"| {tool} | {n} | {n / count:.1%} |" for tool, n in wrong.items()]
        text.append("")
    if any(line["kind"] == "planted" for line in lines):
        text.append(
            "A planted slow-down, without that load: how often it was found and after how many "
            f"pairs (stopping by itself, {MOST_PAIRS} at most); beside it how often hyperfine and "
            "Welch found it after so many runs of each, and, in brackets, how often they claimed "
            "the opposite:\n"
        )
        heads = " | ".join(f"{runs} runs" for runs in GRID)
        text.append(f"| more work | found | pairs, median (range) | {heads} |")
        text.append("|---:|---:|---:|" + "---:|" * len(GRID))
        text += [_row(lines, extra) for extra in EXTRAS]
    return "\n".join(text)


def _row(lines: list[dict[str, Any]], extra: float) -> str:
    rows = [x for x in lines if x["kind"] == "planted" and x["extra"] == extra]
    found = sorted(x["ours"]["pairs"] for x in rows if x["ours"]["decision"] == "REJECT")
    pairs = f"{median(found):g} ({found[0]}–{found[-1]})" if found else "—"
    cells = [f"{extra:.0%}", f"{len(found)} of {len(rows)}", pairs]
    for runs in GRID:
        sure = [x["hyperfine"][str(runs)][0] for x in rows if x["hyperfine"][str(runs)][1] < ALPHA]
        cells.append(f"{sum(r > 1 for r in sure)} ({sum(r < 1 for r in sure)})")
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
