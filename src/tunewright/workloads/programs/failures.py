"""Why a program failed: the telling part of what it printed, and where the rest is."""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path

from tunewright.measuring.processes import ProgramRun, Stream

SHOWN = 300  # characters of a message
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ERROR = r"(?:[\w$]+[.:])*[\w$]*(?:Error|Exception|Exit|Interrupt|Warning|Failure|Fault)\b"
# Each: what the line looks like, and which of several tells: the first or the last.
_TELLING = (
    (re.compile(r"Error: (?:Could not find|Unable to access) .*"), 0),  # Java itself
    (re.compile(rf"Caused by: {_ERROR}.*"), -1),  # Java
    (re.compile(rf"Exception in thread \".*?\" {_ERROR}.*"), 0),
    (re.compile(r"thread '.*' (?:\(\d+\) )?panicked at .*"), 0),  # Rust
    (re.compile(r"(?:panic|fatal error): .*"), 0),  # Go
    (re.compile(r"\S+:\d+:(?:\d+:)? (?:fatal )?error: .*"), 0),  # compilers
    (re.compile(r"error(?:\[\w+\])?: .*"), 0),
    (re.compile(r"(?:PHP )?Fatal error: .*"), 0),
    (re.compile(r"\S+:\d+:in .*\(.*\)"), 0),  # Ruby
    (re.compile(rf"(?:Uncaught )?{_ERROR}(?: \[\w+\])?: .*"), 0),  # Node, and most others
    (re.compile(r".*undefined reference to .*"), 0),
    (re.compile(r".*(?:core dumped|Segmentation fault|Killed|Out of memory).*"), 0),
    (re.compile(r"(?i).*\b(?:fatal|error|failed|failure|assertion|abort(?:ed)?)\b.*"), 0),
)
_TRACEBACK = "Traceback (most recent call last):"
_GROUP = re.compile(rf"^  \+ Exception Group {re.escape(_TRACEBACK)}$", re.MULTILINE)
_MEMBER = re.compile(r"^ *\+[-+].*$", re.MULTILINE)  # what stands between those of a group
_SILENT = "it printed nothing"
_TRAILER = re.compile(
    r"Node\.js v[\d.]+|note: run with .*|npm ERR! A complete log.*|exit status \d+|\s+at .*"
    r"|\s*\^[\^~]*\s*|\s*\}\s*|goroutine .*|(?:make|ninja|gmake)(?:\[\d+\])?: .*|collect2: .*"
)
_NOTHING = re.compile(r"\b(?:0|no) (?:errors?|failures?|failed)\b", re.IGNORECASE)


def telling(stdout: Stream, stderr: Stream) -> str:
    """The line that says most about why a program failed: its language's own message, if any.

    Else the last line of standard error, or of standard output where that is empty.
    """
    texts = [_ends(stderr), _ends(stdout)]
    for text in texts:
        if line := _traceback(text):
            return printable(line)
    for pattern, which in _TELLING:
        for text in texts:
            lines = [line.strip() for line in text.splitlines() if not _TRAILER.fullmatch(line)]
            matches = [at for at, line in enumerate(lines) if pattern.fullmatch(line)]
            matches = [at for at in matches if not _NOTHING.search(lines[at])]
            if matches:
                at = matches[which]
                more = lines[at + 1] if "panicked at" in lines[at] and at + 1 < len(lines) else ""
                return printable(f"{lines[at]} {more}".strip())
    for text in texts:
        lines = [line for line in text.splitlines() if line.strip()]
        plain = [line for line in lines if not _TRAILER.fullmatch(line)]
        if lines:
            return printable((plain or lines)[-1].strip())
    return _SILENT


def why_failed(run: ProgramRun, argv: Sequence[str], rest: Path | None = None) -> str:
    """How a run failed by itself, and the telling part of what it printed.

    rest: the file that `keep_failure` wrote.
    """
    how = f"exited with status {run.returncode}"
    if run.flooded:
        how = "printed without end; write sh -c '… > /dev/null'"
    elif run.returncode < 0:
        how = f"was killed ({signal.strsignal(-run.returncode)})"
    told = telling(run.stdout, run.stderr)
    where = f"; more in {rest}" if rest and told != _SILENT else ""
    return f"{argv[0]} {how}: {told}{where}"


def keep_failure(run: ProgramRun, argv: Sequence[str], path: Path) -> Path:
    """Write a run's command line and both ends of both its streams to a file; gives its path."""
    parts = [f"$ {shlex.join(argv)}", f"status {run.returncode}, {run.wall_s:.3f} s"]
    for name, stream in (("standard error", run.stderr), ("standard output", run.stdout)):
        parts += [f"--- {name}, {stream.size} bytes", _ends(stream)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts) + "\n", encoding="utf-8", errors="replace")
    return path


def printable(text: str) -> str:
    """A line that can be shown: of a length that fits, without control characters."""
    plain = _COLOUR.sub("", text).replace("\t", " ").strip()
    shown = plain if len(plain) <= SHOWN else f"{plain[: SHOWN - 1]}…"
    return "".join(char if char.isprintable() else "�" for char in shown)


def _ends(stream: Stream) -> str:
    """All of a stream, or where it is long its head and its tail."""
    head, tail = stream.head(), stream.tail()
    if len(tail.encode()) >= stream.size:
        text = tail
    elif 2 * len(head.encode()) >= stream.size:
        text = stream.text()
    else:
        text = f"{head}{os.linesep}[…]{os.linesep}{tail}"
    return _COLOUR.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def _traceback(text: str) -> str:
    """The message under Python's last traceback: the first line that is not indented.

    Of a group of exceptions, which is drawn as a tree, the messages of all.
    """
    before, traceback, rest = text.rpartition(_TRACEBACK)
    groups = [match.end() for match in _GROUP.finditer(text)]
    if groups and before.rpartition("\n")[2]:  # no plain one came after the group
        return _grouped(text[groups[-1] :])
    for line in rest.splitlines()[1:] if traceback else ():
        if line.strip() and not line.startswith((" ", "\t")):
            return line
    return ""


def _grouped(tree: str) -> str:
    """The messages in a tree of exceptions, that of the group first."""
    messages = []
    for member in _MEMBER.split(tree):
        lines = [line.lstrip(" ")[2:] for line in member.splitlines() if line.lstrip()[:1] in "|+"]
        told = (line for line in lines if line.strip() and not line[0].isspace())
        messages += [line for line in told if not line.endswith(_TRACEBACK)][:1]
    return f"{messages[0]}: {'; '.join(messages[1:])}" if messages else ""
