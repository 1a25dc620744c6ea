"""`tunewright predict`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from tunewright.deploying.bundle import load
from tunewright.deploying.rows import read_rows


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("bundle")
@click.argument("rows")
def command(bundle: str, rows: str) -> None:
    """Predict the rows of a CSV or Parquet file; writes CSV to the standard output."""
    predictor = load(Path(bundle))
    writer = csv.writer(sys.stdout)
    for number, prediction in enumerate(
        map(predictor.predict_row, read_rows(rows, predictor.schema))
    ):
        if not isinstance(prediction, dict):
            if number == 0:
                writer.writerow(["prediction"])
            writer.writerow([prediction])
            continue
        if number == 0:
            writer.writerow(["prediction", *(f"p({name})" for name in prediction)])
        writer.writerow([max(prediction, key=lambda name: prediction[name]), *prediction.values()])
