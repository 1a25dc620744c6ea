"""`tunewright predict`."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

import click

from tunewright.cli.lines import check_output
from tunewright.deploying.bundle import load
from tunewright.deploying.rows import read_rows
from tunewright.errors import InputError
from tunewright.workloads.tabular.data import Column, Exceptions
from tunewright.workloads.tabular.files import Dialect
from tunewright.workloads.tabular.predictor import Predictor


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("bundle")
@click.argument("rows")
@click.option("--delimiter", metavar="MARK", help="What stands between cells (default: found).")
@click.option(
    "--decimal", metavar="MARK", help="The decimal mark (default: as in what was learned from)."
)
@click.option("--encoding", metavar="NAME", help="The text's encoding (default: found).")
def command(
    bundle: str, rows: str, delimiter: str | None, decimal: str | None, encoding: str | None
) -> None:
    """Predict the rows of a CSV, Parquet or Arrow file; writes CSV to the standard output."""
    check_output()
    predictor = load(Path(bundle))
    if not hasattr(predictor, "schema"):  # which says what the columns of a table are
        raise InputError(
            f"expected the bundle of a table's model; got {bundle}, which answers arrays; "
            f"in Python it is tunewright.load({bundle!r}).predict(x)"
        )
    read = read_rows(rows, predictor.schema, Dialect(delimiter, decimal, encoding))
    for odd in read.exceptions:
        click.echo(_note(odd), err=True)
    for note in read.notes:
        click.echo(f"note: {note}", err=True)
    try:
        _write(predictor, read.columns)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has what it wanted, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(predictor: Predictor, columns: tuple[Column, ...]) -> None:
    writer = csv.writer(sys.stdout)
    classes = predictor.schema.classes
    writer.writerow(["prediction", *(f"p({name})" for name in classes)])
    for answer in predictor.predict_columns(columns):
        if isinstance(answer, dict):
            likeliest = max(answer, key=lambda name: answer[name])
            writer.writerow([likeliest, *answer.values()])
        else:
            writer.writerow([answer])


def _note(odd: Exceptions) -> str:
    cells = f"{odd.count:,} of the cells"
    first = f"{odd.texts[0]!r} in row {odd.rows[0]}"
    return f"note: {cells} of {odd.column!r} hold no {odd.kind}, as {first}, and count as missing"
