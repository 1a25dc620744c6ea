"""Better models than AutoML in the same minute: the score, and what a row costs.

    python benchmarks/automl.py DATA_DIRECTORY PEERS.jsonl [--budget 60s] [--only NAME …]
        [--more "--subject-to 'latency_p50 <= 100us'"] [--seeds 3] [--write [LABEL]]

DATA_DIRECTORY holds `<name>/<name>.parquet` and `<name>/meta.json`. Of each table the columns that
its `meta.json` names are dropped, and a quarter of the rows (`train_test_split(test_size=0.25,
random_state=0)`, stratified by class) is the `--test` file. The installed command tunes the rest
with its default goal and hands over a bundle, whose answers to the test rows are scored in another
process: ROC AUC, negative log loss, or R². PEERS.jsonl has one line a peer and table, with the same
split and the same budget. `--more`: further options of the command. `--seeds`: so many runs a
table, seeded from 0. Prints a JSON line a run; `--write` keeps them in automl.jsonl, or in
automl-LABEL.jsonl.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from results import machine, write_section
from sklearn.metrics import log_loss, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split

TABLES = (
    "adult_income", "bank_marketing", "telco_churn", "magic_telescope", "credit_default_taiwan",
    "phoneme", "weather_aus_rain", "letter", "wall_robot", "dna_splice", "california_housing",
    "diamonds_price", "bike_sharing_hour", "ames_housing",
)  # fmt: skip
TUNEWRIGHT = Path(sys.executable).with_name("tunewright")

# Runs in a process of its own: what a server would do with the bundle.
SERVER = """
import json, sys, time
from tunewright.deploying.bundle import load
rows = json.load(open(sys.argv[2]))
predictor = load(sys.argv[1])
answers = predictor.predict_rows(rows)
took = []
for row in (rows * 3)[:2000]:
    begin = time.perf_counter_ns()
    predictor.predict_row(row)
    took.append(time.perf_counter_ns() - begin)
batch = []
for _ in range(5):
    begin = time.perf_counter()
    predictor.predict_rows(rows[:1000])
    batch.append(time.perf_counter() - begin)
rate = min(len(rows), 1000) / sorted(batch)[2]
json.dump({"answers": answers, "row_us": sorted(took)[1000] / 1e3, "rows_per_s": rate}, sys.stdout)
"""


def main() -> None:
    """Run the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", action="append")
    parser.add_argument("--write", nargs="?", const="", metavar="LABEL")
    parser.add_argument("--more", default="", help="further options for the command, as one word")
    options = parser.parse_args()
    peers = [json.loads(line) for line in options.peers.read_text().splitlines()]
    found = []
    for name, seed in product(options.only or TABLES, range(options.seeds)):
        with tempfile.TemporaryDirectory() as place:
            line = tuned(name, seed, options, Path(place))
        line["peers"] = {one["peer"]: one["score"] for one in peers if one["dataset"] == name}
        found.append(line)
        print(json.dumps(line), flush=True)
    print(_shown(found))
    if options.write is not None:
        label = f"-{options.write}" if options.write else ""
        raw = Path(__file__).with_name(f"automl{label}.jsonl")
        raw.write_text("".join(json.dumps(line) + "\n" for line in found))
        asked = shlex.join(sys.argv[3:])
        how = (
            f"`python benchmarks/automl.py DATA PEERS.jsonl {asked}`, {found[0]['date'][:10]}, "
            f"{machine()}. Raw lines: `{raw.name}`. The score is ROC "
            "AUC, negative log loss or R² on the held-out quarter."
        )
        title = f"AutoML, {options.write}" if options.write else "AutoML"
        write_section(title, f"{how}\n\n{_shown(found)}")


def tuned(
    name: str,
    seed: int,
    options: Any,
    place: Path,
    program: Sequence[str] = (str(TUNEWRIGHT),),
) -> dict[str, Any]:
    """What the command gives for a table. options: data, budget and more, as above."""
    meta = json.loads((options.data / name / "meta.json").read_text())
    table = pq.read_table(options.data / name / f"{name}.parquet")
    target = meta["target"]
    gone = [*meta["id_columns_to_drop"], *meta["leak_columns_to_drop"]]
    table = table.drop_columns([column for column in gone if column in table.column_names])
    table = table.filter(table[target].is_valid())
    y = np.array(table[target].to_pylist(), dtype=object)
    classes = meta["task"] != "regression"
    rows = np.arange(len(y))
    kept, held = train_test_split(
        rows, test_size=0.25, random_state=0, stratify=y if classes else None
    )
    pq.write_table(table.take(pa.array(kept)), place / f"{name}.parquet")
    pq.write_table(table.take(pa.array(held)), place / "test.parquet")
    words = [*program, "tune", f"{name}.parquet", "--target", target]
    words += ["--test", "test.parquet", "--budget", options.budget, "--seed", str(seed)]
    words += ["--json", "-", *shlex.split(options.more)]
    began = time.monotonic()
    run = subprocess.run(words, cwd=place, check=False, capture_output=True, text=True)
    wall_s = time.monotonic() - began
    if run.returncode not in (0, 1):
        raise SystemExit(run.stderr)
    told = json.loads(run.stdout)
    asked = table.drop_columns([target]).take(pa.array(held)).to_pylist()
    (place / "rows.json").write_text(json.dumps(asked, default=str))
    served = subprocess.run(
        [sys.executable, "-c", SERVER, f".tunewright/{told['study']}/bundle", "rows.json"],
        cwd=place, check=True, capture_output=True, text=True,
    )  # fmt: skip
    out = json.loads(served.stdout)
    return {
        "table": name, "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "budget": options.budget, "seed": seed, "wall_s": round(wall_s, 2),
        "verdict": told["decision"], "score": _score(out["answers"], y[held], meta["task"]),
        "row_us": round(out["row_us"], 1), "rows_per_s": round(out["rows_per_s"]),
        "sentence": told["sentence"], "config": told["config"],
    }  # fmt: skip


def _score(answers: list[Any], y: Any, task: str) -> float:
    if task == "regression":
        return float(r2_score(y.astype(float), np.array(answers, float)))
    labels = sorted(answers[0])
    truth = np.array([str(label) for label in y])
    sure = np.array([[answer[label] for label in labels] for answer in answers])
    if len(labels) == 2:
        return float(roc_auc_score(truth == labels[1], sure[:, 1]))
    return -float(log_loss(truth, sure, labels=labels))


def _shown(found: list[dict[str, Any]]) -> str:
    """The tables with each peer's score, and the mean ranks."""
    names = sorted({peer for line in found for peer in line["peers"]})
    heads = ["table", "tunewright", *names, "place", "one row", "rows/s", "wall", "verdict"]
    rows, ranks = [heads, ["---"] * len(heads)], dict.fromkeys(["tunewright", *names], 0.0)
    for line in found:
        scores = {"tunewright": line["score"], **line["peers"]}
        for name in ranks:
            own = scores.get(name, float("-inf"))
            others = [scores.get(other, float("-inf")) for other in ranks if other != name]
            ranks[name] += 1 + sum(o > own for o in others) + 0.5 * sum(o == own for o in others)
        place = 1 + sum(score > line["score"] for score in line["peers"].values())
        rows.append(
            [
                line["table"], f"{line['score']:.4f}",
                *(f"{line['peers'][n]:.4f}" if n in line["peers"] else "—" for n in names),
                place, f"{line['row_us']:.0f} µs", f"{line['rows_per_s']:,}",
                f"{line['wall_s']:.1f} s", line["verdict"],
            ]
        )  # fmt: skip
    ranked = {name: total / len(found) for name, total in ranks.items()}
    shown = ", ".join(f"{n} {rank:.2f}" for n, rank in sorted(ranked.items(), key=lambda p: p[1]))
    body = "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)
    wall = fmean(line["wall_s"] for line in found)
    return f"{body}\n\nMean ranks: {shown}. Mean wall time {wall:.1f} s."


if __name__ == "__main__":
    main()
