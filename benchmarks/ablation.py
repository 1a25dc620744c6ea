"""What each component is worth: the score without it, on the same tables, split and seed.

    python benchmarks/ablation.py DATA_DIRECTORY [--budget 30s] [--only NAME …] [--write]

Tables and scores are those of automl.py. A component is taken out where the driver builds the
workload or the searcher asks for it; a family by naming the others. Prints a JSON line a run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from automl import tuned
from results import machine, write_section

from tunewright.workloads.tabular.families import FAMILIES, family_of

TABLES = ("telco_churn", "phoneme", "wall_robot", "california_housing", "bike_sharing_hour")
MOST_LEFT_OUT = ("lightgbm", "forest", "network", "linear")
SMALL = ("sgd", "tree", "neighbours", "kernel")
COMPONENTS = ("folds", "portfolio", "ensemble", "calibration", "features", "simplification")

# The command, with a component taken out of what its driver does.
WITHOUT = """
import sys
from dataclasses import replace
from tunewright.core.knobs import Choice
from tunewright.core.roles import Portfolio, space_of
from tunewright.searching.blending import Blending
from tunewright.workloads.tabular import kind
gone = sys.argv.pop(1)
build = kind.TABLE.build
FIXED = {"features": ("encoding",), "simplification": ("keep_trees", "forest_keep")}
LEFT_OUT = {"features": ("target_transform",), "calibration": ("temperature",)}
def without(*asked):
    made = build(*asked)
    if gone == "folds":
        return replace(made, efforts=tuple(e for e in made.efforts if e.name != "folds"))
    if gone == "portfolio":
        return replace(made, portfolio=Portfolio())
    fixed, left_out = FIXED.get(gone, ()), LEFT_OUT.get(gone, ())
    if not fixed and not left_out:
        return made
    stages = []
    for stage in made.stages:
        knobs = [k for k in stage.knobs if k.name not in left_out]
        knobs = tuple(
            replace(k, domain=Choice((k.default,))) if k.name in fixed else k for k in knobs
        )
        stages.append(replace(stage, knobs=knobs) if stage.knobs else stage)
    told = {k.name: k.default for stage in stages for k in stage.knobs if k.name in fixed}
    less = replace(made, stages=tuple(stages))
    space = space_of(less)
    def plain(config):
        kept = {n: told.get(n, v) for n, v in config.items() if n not in left_out}
        return space.config(kept)
    best = tuple(dict.fromkeys(plain(config) for config in made.portfolio.best))
    small = tuple(dict.fromkeys(plain(config) for config in made.portfolio.small))
    portfolio = Portfolio(best, small)
    return replace(less, baseline=plain(made.baseline), portfolio=portfolio)
kind.TABLE = replace(kind.TABLE, build=without)
if gone == "ensemble":
    Blending.proposals = lambda *_: []
from tunewright.cli import main
main()
"""


def main() -> None:
    """Run every table with everything, and without each component."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", default="30s")
    parser.add_argument("--only", action="append")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    wanted = options.only or TABLES
    found = []
    for name in wanted:
        for component in ("nothing", *COMPONENTS, *MOST_LEFT_OUT, "the small families"):
            line = _without(component, name, options)
            found.append(line)
            print(json.dumps(line), flush=True)
    print(_shown(found, wanted))
    if options.write:
        raw = Path(__file__).with_name("ablation.jsonl")
        raw.write_text("".join(json.dumps(line) + "\n" for line in found))
        how = (
            f"`python benchmarks/ablation.py DATA --budget {options.budget} --write`, "
            f"{datetime.now(UTC).date()}, {machine()}. Raw lines: "
            f"`{raw.name}`. Each component is taken out in turn; a score is ROC AUC, negative log "
            "loss or R² on the held-out quarter, of one run."
        )
        write_section("Ablation", f"{how}\n\n{_shown(found, wanted)}")


def _without(component: str, table: str, options: Any) -> dict[str, Any]:
    less = argparse.Namespace(data=options.data, budget=options.budget, more="")
    gone = SMALL if component == "the small families" else (component,)
    if set(gone) & set(FAMILIES):
        known = [name for name in FAMILIES if family_of(name).installed]
        less.more = f"--families {','.join(name for name in known if name not in gone)}"
    program = (sys.executable, "-c", WITHOUT, component)
    with tempfile.TemporaryDirectory() as place:
        line = tuned(table, 0, less, Path(place), program)
    return {"without": component, **line}


def _shown(found: list[dict[str, Any]], tables: tuple[str, ...]) -> str:
    """What is lost without each component, by table and in the mean of the tables."""
    scores = {(line["without"], line["table"]): line["score"] for line in found}
    rows = [["without", *tables, "mean loss"], ["---"] * (len(tables) + 2)]
    whole = [f"{scores['nothing', table]:.4f}" for table in tables]
    rows.append(["nothing", *whole, "0"])
    for component in dict.fromkeys(line["without"] for line in found):
        if component == "nothing":
            continue
        lost = [scores["nothing", table] - scores[component, table] for table in tables]
        rows.append([component, *(f"{-x:+.4f}" for x in lost), f"{fmean(lost):+.4f}"])
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


if __name__ == "__main__":
    main()
