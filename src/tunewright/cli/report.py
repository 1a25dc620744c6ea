"""`tunewright report`."""

from __future__ import annotations

from pathlib import Path

import click

from tunewright import session
from tunewright.cli.study import chosen
from tunewright.errors import InputError
from tunewright.reporting.html import render_html
from tunewright.reporting.summary import summary
from tunewright.reporting.words import Language
from tunewright.storing.journal import Reader


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("study", required=False)
@click.option("--output", type=click.Path(path_type=Path), help="Default: in the study.")
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True)
def command(study: str | None, output: Path | None, language: Language) -> None:
    """Write a study's report as one HTML file. Without a name the latest study is meant."""
    directory = chosen(study)
    with Reader(directory) as reader:
        history = session.replay(reader)
    place = output or directory / "report.html"
    page = render_html(summary(history, session.goal_of(history)), language)
    try:
        place.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"expected a place to write the report; got {place}: {error.strerror}; say --output"
        ) from error
    click.echo(place)
