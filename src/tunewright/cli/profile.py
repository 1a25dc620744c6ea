"""`tunewright profile`."""

from __future__ import annotations

from pathlib import Path

import click

from tunewright import profiling
from tunewright.cli.lines import columns
from tunewright.errors import InputError
from tunewright.reporting.diagnosis import render_diagnosis, to_json

SIGNALLED = 128  # and the signal's number: how shells tell a program that a signal has ended


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": False}
)
@click.argument("command", nargs=-1, metavar="-- COMMAND...")
@click.option("--pid", type=click.IntRange(1), help="Watch a process that runs already.")
@click.option("--for", "duration", metavar="TIME",
              help=f"Watch so long at most; of a process that runs {profiling.FOR}.")  # fmt: skip
@click.option("--json", "json_", type=click.Path(path_type=Path), help="Write it there, too.")
def command(command: tuple[str, ...], pid: int | None, duration: str | None,
            json_: Path | None) -> int:  # fmt: skip
    """Say what limits a program, what it would gain, and which knobs could relieve it.

    \b
    tunewright profile -- python train.py --epochs 1
    tunewright profile --pid 4711 --for 30s

    The exit code is the program's own.
    """  # noqa: D301 - click wants the character itself
    if command and pid is not None:
        raise InputError("expected a command or --pid; got both; leave one out")
    if not command and pid is None:
        raise InputError("expected a command; got none; such as: tunewright profile -- python a.py")
    if json_ is not None and not json_.absolute().parent.is_dir():
        raise InputError(f"--json: expected a place to write; got {json_}; name another one")
    seen = profiling.profile(command or None, pid=pid, duration=duration)
    click.echo(render_diagnosis(seen.diagnosis, seen.target, columns()), nl=False)
    code = seen.recording.returncode or 0
    if code:
        click.echo(f"the program ended with code {code}" if code > 0 else
                   f"the program was ended by signal {-code}")  # fmt: skip
    if json_ is not None:
        json_.write_text(to_json(seen.diagnosis, seen.target), encoding="utf-8")
    return code if code >= 0 else SIGNALLED - code
