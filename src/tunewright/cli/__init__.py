"""The command line. The only place that prints, reads the terminal and exits.

Exit codes: 0 done (for `tune`: an accepted winner), 1 finished without an accepted winner,
2 wrong input, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import sys
from collections.abc import Collection
from types import FrameType
from typing import TYPE_CHECKING, final

import click

from tunewright.errors import TunewrightError, nearest

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Each command is imported when it is called: `--help` must not wait for numpy.
COMMANDS = {
    "tune": ("tunewright.cli.tune", "Search for a better config and prove it."),
    "init": ("tunewright.cli.init", "Write a commented tune.toml to begin with."),
    "optimize": ("tunewright.cli.optimize", "Make a trained model quicker, proven as good."),
    "verify": ("tunewright.cli.verify", "Say whether one program is really better than another."),
    "knobs": ("tunewright.cli.knobs", "List the ready-made knobs of this machine."),
    "profile": ("tunewright.cli.profile", "Say what limits a program, and what could relieve it."),
    "study": ("tunewright.cli.study", "List, show and resume studies."),
    "report": ("tunewright.cli.report", "Write a study's report as one HTML file."),
    "predict": ("tunewright.cli.predict", "Predict rows with a bundle."),
    "doctor": ("tunewright.cli.doctor", "Say what this machine can measure, and what disturbs it."),
    "demo": ("tunewright.cli.demo", "Tune a classifier of handwritten digits in a minute."),
}


LONGEST = 900  # letters of an error: more than any of ours, less than a file may hold
_ADVICE = "free some space, or make it accessible, and run it again"


@final
class Commands(click.Group):
    """The commands, imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command, or None."""
        if cmd_name not in COMMANDS:
            raise click.UsageError(f"no command {cmd_name!r}: {nearest(cmd_name, COMMANDS)}", ctx)
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list in `--help`, without importing what it names."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tunewright")
def tunewright() -> None:
    """Measure an AI workload, search everything that may change, and prove the winner."""


def main() -> None:
    """Run the command line and exit with its code."""
    missing = _mend_streams()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    code = _code(missing)
    _ignore_signals()
    sys.exit(code)


def _code(missing: Collection[int] = ()) -> int:
    try:
        code = tunewright.main(standalone_mode=False, obj=missing)
    except click.ClickException as error:
        error.show()
        code = 2
    except TunewrightError as error:
        click.echo(f"error: {_sentence(str(error))}", err=True)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = 130
    except OSError as error:  # a full disk, a place that may not be written
        where = error.filename or "the output"
        click.echo(f"error: cannot use {where}: {error.strerror}; {_ADVICE}", err=True)
        _drop_output()
        code = 2
    return code if isinstance(code, int) else 0


def _sentence(text: str) -> str:
    """One line, whatever a file or a program put into it: begin and end say what to do."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


@final
class _Unread(io.FileIO):
    """A stream whose reader may go, as `| head` does: the rest is dropped, and is no failure."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write what somebody reads."""
        try:
            return super().write(data)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return super().write(data)


def _mend_streams() -> list[int]:
    """See to it that the standard streams are there, and that output may find no reader.

    Gives those that were missing.
    A file that is opened where one is missing would take its place, and be written to.
    """
    missing = []
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            missing.append(fd)
    for name, fd in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        like = {"encoding": old.encoding, "errors": old.errors} if old else {}
        raw = io.BufferedWriter(_Unread(fd, "w", closefd=False))
        setattr(sys, name, io.TextIOWrapper(raw, **like, line_buffering=fd == 2 or raw.isatty()))
    return missing


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
    """A polite kill ends a study as Ctrl-C does. What follows must not disturb its end."""
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _drop_output() -> None:
    """Forget what could not be written: the interpreter would try again when it exits."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
