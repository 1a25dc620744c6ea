"""Tune real tables for a minute each, and check everything that a user relies on.

    python benchmarks/tables.py DATA_DIRECTORY [--budget 60s] [--only adult_income]

DATA_DIRECTORY holds `<name>/<name>.parquet`. For each table the installed command is run in a
temporary directory; then its bundle is loaded in a fresh process, and its answers are compared with
those of the verified model on all validation rows and on rows with missing, unseen and extreme
values. Prints one JSON line a table; `--write` appends them to tables.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from results import machine, write_section

from tunewright import planning, session
from tunewright.reporting.summary import summary
from tunewright.running.cache import ArtifactCache
from tunewright.storing.journal import Reader
from tunewright.storing.studies import Studies
from tunewright.workloads.tabular.encoding import encode_rows, plain_rows
from tunewright.workloads.tabular.predictor import load_runtime
from tunewright.workloads.tabular.reading import read
from tunewright.workloads.tabular.workload import TableWorkload

TABLES = {
    "adult_income": ("income", "roc_auc >= baseline - 0.005"),
    "california_housing": ("median_house_value", "rmse <= baseline * 1.02"),
    "letter": ("letter", "accuracy >= baseline - 0.01"),
    "diamonds_price": ("price", "rmse <= baseline * 1.02"),
}
TUNEWRIGHT = Path(sys.executable).with_name("tunewright")

# Runs in a process of its own: what a server would do with the bundle.
SERVER = """
import json, sys, time
from tunewright.deploying.bundle import load
rows = json.load(open(sys.argv[2]))
predictor = load(sys.argv[1])
answers = [list(a.values()) if isinstance(a, dict) else [a] for a in predictor.predict_rows(rows)]
took = []
for row in (rows * 3)[:3000]:
    begin = time.perf_counter_ns()
    predictor.predict_row(row)
    took.append(time.perf_counter_ns() - begin)
told = {"answers": answers, "p50_us": sorted(took)[len(took) // 2] / 1e3}
told["heavy"] = [name for name in ("pandas", "lightgbm", "sklearn") if name in sys.modules]
json.dump(told, sys.stdout)
"""


def main() -> None:
    """Run the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--only", action="append", choices=list(TABLES))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    found = []
    for name in options.only or TABLES:
        with tempfile.TemporaryDirectory() as place:
            found.append(_tune(name, options.data, options.budget, Path(place)))
        print(json.dumps(found[-1]), flush=True)
    if options.write:
        raw = Path(__file__).with_name("tables.jsonl")
        raw.write_text("".join(json.dumps(line) + "\n" for line in found))
        write_section("Real tables", _told(found, options.budget))


def _told(found: list[dict[str, Any]], budget: str) -> str:
    """The runs as a table."""
    heads = (
        "table", "verdict", "latency_p50, candidate / baseline", "quality", "pairs", "looks",
        "wall", "fits", "latency measured on", "own cost", "verification", "`predict_row` p50",
        "largest difference",
    )  # fmt: skip
    rows = [heads, ["---"] * len(heads)]
    for r in found:
        compared = [f"{e:.4g} [{low:.4g}, {high:.4g}]" for *_, e, low, high in r["comparisons"]]
        rows.append(
            (
                r["table"], r["verdict"], *compared[:2], r["pairs"], r["looks"],
                f"{r['wall_s']:.1f} s", r["fits"], r["latency_measured_on"],
                f"{r['own_share']:.1%}", f"{r['verification_share']:.0%}",
                f"{r['predict_row_p50_us']:.1f} µs", f"{r['largest_difference']:.1g}",
            )
        )  # fmt: skip
    how = (
        f"`python benchmarks/tables.py DATA --budget {budget} --write`, {found[0]['date'][:10]}, "
        f"{machine()}. Raw lines: `tables.jsonl`."
    )
    note = (
        "The baseline is LightGBM's own scikit-learn estimator with its defaults. The largest "
        "difference is that between the bundle's answers in a fresh process and the verified "
        "model's, over all validation rows."
    )
    table = ("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)
    return "\n".join([how, "", *table, "", note])


def _tune(name: str, data: Path, budget: str, place: Path) -> dict[str, Any]:
    target, bound = TABLES[name]
    words = [str(TUNEWRIGHT), "tune", str((data / name / f"{name}.parquet").absolute())]
    words += ["--target", target, "--minimize", "latency_p50", "--subject-to", bound]
    began = time.monotonic()
    run = subprocess.run([*words, "--budget", budget], cwd=place, check=False, capture_output=True)
    wall_s = time.monotonic() - began
    if run.returncode not in (0, 1):
        raise SystemExit(run.stderr.decode())
    directory = Studies(place / ".tunewright").latest()
    with Reader(directory) as reader:
        history = session.replay(reader)
    told = summary(history, session.goal_of(history))
    verdict = history.finished
    assert verdict is not None
    served = _compare(directory, verdict.key)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "table": name,
        "exit_code": run.returncode,
        "verdict": verdict.decision.name,
        "reason": verdict.reason,
        "comparisons": [
            [c.metric, c.scale, round(c.estimate, 5), round(c.low, 5), round(c.high, 5)]
            for c in verdict.comparisons
        ],
        "pairs": verdict.pairs,
        "looks": verdict.looks,
        "wall_s": round(wall_s, 2),
        "fits": told.fits,
        "latency_measured_on": told.measured["latency_p50"],
        "own_share": round(told.own_share, 4),
        "verification_share": round(told.verification_share, 4),
        "load": os.getloadavg()[0],
        **served,
    }


def _compare(directory: Path, key: str) -> dict[str, Any]:
    """The bundle in a fresh process against the verified model, on ordinary and on odd rows."""
    if not key:  # nothing was verified, so there is no bundle
        nothing = float("nan")
        return {"rows": 0, "largest_difference": nothing, "predict_row_p50_us": nothing}
    kept = ArtifactCache(directory / "artifacts").get(key)
    assert kept is not None
    ((model, _),) = kept.artifact.value.members
    with Reader(directory) as reader:
        request = session.request_of(session.replay(reader), directory)
    workload = planning.build_workload(request)
    assert isinstance(workload, TableWorkload)
    table = read(workload.stages[0].source)
    rows = list(plain_rows(table, table.folds[0]))
    odd = [dict(row) for row in rows[:200]]
    for i, row in enumerate(odd):
        names = list(row)
        numeric = {n for n in names if not isinstance(row[n], str)}
        for j, column in enumerate(names):
            kind = (i + j) % 5
            if kind == 0:
                row[column] = None
            elif kind == 1:
                row[column] = (1e300, -1e300, 1e-300)[i % 3] if column in numeric else "never seen"
    runtime = load_runtime(model, 1)
    expected = np.asarray(runtime.batch(encode_rows(table, model.schema, table.folds[0])))
    everything = directory / "rows.json"
    everything.write_text(json.dumps(rows + odd))
    script = [sys.executable, "-c", SERVER, str(directory / "bundle"), str(everything)]
    served = json.loads(subprocess.run(script, check=True, capture_output=True).stdout)
    answers = np.asarray(served["answers"])
    again = json.loads(subprocess.run(script, check=True, capture_output=True).stdout)
    wanted = expected.reshape(len(rows), -1)
    ordinary = answers[: len(rows)]
    ordinary = ordinary[:, -1:] if wanted.shape[1] == 1 else ordinary
    return {
        "rows": len(rows),
        "odd_rows": len(odd),
        "largest_difference": float(np.max(np.abs(ordinary - wanted))),
        "equal_in_two_processes": served["answers"] == again["answers"],
        "finite_on_odd_rows": bool(np.isfinite(answers[len(rows) :]).all()),
        "predict_row_p50_us": round(served["p50_us"], 2),
        "imported": served["heavy"],
    }


if __name__ == "__main__":
    main()
