"""How often whole studies accept where nothing is to be found, for each kind of evidence and look.

The search and the judge are the real ones; time and trials are simulated, see
tunewright.testing.nulls. Looks are forced: the candidates of the looks before crash.

Run: python benchmarks/null.py [--studies 1000] [--write]
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import product

from results import write_section

from tunewright.loop.verification import MAX_LOOKS
from tunewright.testing.nulls import NULLS, Errors, errors_of

PROCESSES = 2
HEAD = "| evidence | look | studies | ACCEPT | share, % | level, % | level + 2 SE, % |"


def main() -> None:
    """Print the share of wrong ACCEPTs beside what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="replace the section of RESULTS.md")
    options = parser.parse_args()
    began_s = time.perf_counter()
    cases = [*product(range(len(NULLS)), range(1, MAX_LOOKS + 1))]
    with ProcessPoolExecutor(PROCESSES) as pool:
        found = [*pool.map(errors, *zip(*cases, strict=True), [options.studies] * len(cases))]
    lines = [HEAD, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    lines += [line(NULLS[i].evidence, look, e) for (i, look), e in zip(cases, found, strict=True)]
    missed = [e for e in found if e.share > e.bound]
    lines += ["", f"Beyond the bound: {len(missed) or 'nothing'}"]
    text = "\n".join(lines)
    print(text)
    print(f"{time.perf_counter() - began_s:.0f} s")
    if options.write:
        how = f"`python benchmarks/null.py --studies {options.studies} --write`"
        head = (
            f"{how}, {datetime.now(UTC).date()}. Whole simulated studies with the real search, "
            "loop and judge, in which every config has the baseline's true values (at a bound: is "
            "worse by just as much as the goal allows). Looks are forced by crashes of the "
            "candidates before; a study that never came to its look is left out. The level is what "
            "the looks that took place may spend."
        )
        write_section("Null studies", f"{head}\n\n{text}")


def errors(which: int, looks: int, studies: int) -> Errors:
    """The errors of one kind of null study."""
    return errors_of(NULLS[which], looks, range(studies))


def line(evidence: str, look: int, found: Errors) -> str:
    """A row of the table."""
    shares = (f"{100 * share:.1f}" for share in (found.share, found.level, found.bound))
    return f"| {evidence} | {look} | {found.studies:,} | {found.accepted} | {' | '.join(shares)} |"


if __name__ == "__main__":
    main()
