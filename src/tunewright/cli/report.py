"""`tunewright report`."""

from __future__ import annotations

from pathlib import Path

import click

from tunewright import session
from tunewright.cli.running import REPORT, explained, shown, write_report
from tunewright.cli.study import chosen
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
    result = session.Result(directory, session.goal_of(history), history)
    told = explained(shown(directory, history), result)
    click.echo(write_report(told, output or directory / REPORT, language))
