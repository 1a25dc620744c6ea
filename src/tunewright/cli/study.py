"""`tunewright study`."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from tunewright import session, several
from tunewright.cli import verify
from tunewright.cli.lines import columns
from tunewright.cli.running import Telling, run, shown, started_s, telling
from tunewright.errors import InputError, TunewrightError
from tunewright.reporting.layout import padded, wrapped
from tunewright.reporting.text import render_text
from tunewright.storing.journal import Reader
from tunewright.storing.studies import Studies


def chosen(name: str | None) -> Path:
    """The directory of the study that was named, or of the latest."""
    studies = Studies()
    return studies.find(name) if name else studies.latest()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List, show and resume studies. Without a name the latest is meant."""


@command.command("list")
def list_() -> None:
    """Every study below this directory, the latest last."""
    studies = Studies()
    for name in studies.names():
        try:
            with Reader(studies.root / name) as reader:
                history = session.replay(reader)
        except TunewrightError as error:  # the others are there all the same
            click.echo(f"{padded(name, 24)} {'unreadable':<13} {error}")
            continue
        state = history.finished.decision.value if history.finished else "unfinished"
        goal = history.opened.goal if history.opened else ""
        first = f"{padded(name, 24)} {state:<13} {history.last_number:>5} trials  "
        whole = not sys.stdout.isatty()  # for other programs a line stays a line
        click.echo(first + goal if whole else "\n".join(wrapped(goal or "—", columns(), first)))


@command.command()
@click.argument("name", required=False)
def show(name: str | None) -> None:
    """What a study did and found."""
    directory = chosen(name)
    with Reader(directory) as reader:
        history = session.replay(reader)
    summary = shown(directory, history)
    with suppress(InputError):  # an older version's request cannot be read, and is on its own
        among, verdict = several.together(directory)
        if among > 1:
            open_ = f"not all are finished: tunewright study resume {directory.name}"
            level = (
                f"judged with the others, at an error of {verdict.alpha:.3g}" if verdict else open_
            )
            click.echo(f"one of {among} comparisons that share one error; {level}")
        summary = replace(summary, verdict=verdict or summary.verdict)
    click.echo(render_text(summary, columns()))


@command.command()
@click.argument("name", required=False)
@telling
def resume(name: str | None, *, quiet: bool, json_: str) -> int:
    """Take an interrupted study up again."""
    began_s, directory, tell = started_s(), chosen(name), Telling(quiet, json_)
    tell.check()
    with Reader(directory) as reader:
        history = session.replay(reader)
        goal, request = session.goal_of(history), session.request_of(history, directory)
    if not tell.silent:
        click.echo(f"study          {directory.name}")
    if request.proof.candidate is not None:
        return verify.resume(directory, request, history, began_s)
    return run(
        request, goal,
        lambda watch: session.resume(directory, watch=watch, began_s=began_s), tell,
    )  # fmt: skip
