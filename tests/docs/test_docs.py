"""The documentation is true: its blocks run, its options exist, both languages say the same.

A comment above a block says how it is treated:
    <!-- not run: why -->    illustrative
    <!-- dry run: why -->    `tunewright tune` is called with --dry-run
    <!-- file: NAME -->      written to a file instead
    <!-- output -->          what the Python block above it prints
Without one, sh and python blocks are run in order, in one directory for each page.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import pytest

from tunewright.cli import tunewright

ROOT = Path(__file__).parents[2]
HOW_TOS = sorted((ROOT / "docs").glob("*.md"))
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
TOP = [
    ROOT / f"{n}.md"
    for n in ("README", "README.zh-CN", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG")
]
PAGES = [*TOP, *HOW_TOS, *DECISIONS]
RUN = [page for page in [*TOP, *HOW_TOS] if page.name != "README.zh-CN.md"]  # equal blocks: once

BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[a-z ]+?)(?:: (?P<note>[^>]*))? -->\n)?"
    r"```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
HEADING = re.compile(r"^(#+) ", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
MARKS = ("", "not run", "dry run", "file", "output")


@dataclass(frozen=True)
class Block:
    mark: str
    note: str
    kind: str
    text: str


def blocks(page):
    return [
        Block(m["mark"] or "", m["note"] or "", m["kind"], m["text"])
        for m in BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


def prose(page):
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def name_of(page):
    return str(page.relative_to(ROOT))


def run_shell(text):
    """Run a block as a user would, up to the first command that fails."""
    done = subprocess.run(["bash", "-euc", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def run_dry(text):
    """The same for commands that only say what they understood; in this process, since it is quick."""
    for line in text.splitlines():
        words = shlex.split(line)
        assert words[:2] == ["tunewright", "tune"], line
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = tunewright.main(["tune", "--dry-run", *words[2:]], standalone_mode=False)
        assert code == 0, line
        assert "\nbudget " in out.getvalue()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with what a page takes for granted: some digits, and a program called zstd."""
    digits = "\n".join(f"{i % 7},{i % 11},{i % 10}" for i in range(400))
    (tmp_path / "digits.csv").write_text(f"a,b,digit\n{digits}\n")
    program = tmp_path / "zstd"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = [str(Path(sys.executable).parent), os.environ["PATH"], str(tmp_path)]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as `python` and pytest do for their own directory
    return tmp_path


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_the_blocks_of_a_page_run(page, place):
    names = {"__name__": "__main__"}
    printed = ""
    for block in blocks(page):
        if block.mark == "not run":
            continue
        if block.mark == "file":
            (place / block.note).write_text(block.text, encoding="utf-8")
        elif block.mark == "output":
            assert printed == block.text
        elif block.kind == "sh" and (block.mark == "dry run" or "--dry-run" in block.text):
            run_dry(block.text)
        elif block.kind == "sh":
            run_shell(block.text)
        elif block.kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(block.text, str(page), "exec"), names)
            printed = out.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page):
    """A kind that we know, and for each mark a reason where it needs one."""
    for block in blocks(page):
        assert block.kind in ("sh", "python", "text", "toml"), block
        assert block.mark in MARKS, block
        assert bool(block.note) == (block.mark in ("not run", "dry run", "file")), block
    assert prose(page).count("```") == 0


def test_both_languages_have_the_same_headings_blocks_and_tables():
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"
    assert HEADING.findall(prose(chinese)) == HEADING.findall(prose(english))
    assert [(b.mark, b.kind, b.text) for b in blocks(chinese)] == [
        (b.mark, b.kind, b.text) for b in blocks(english)
    ]
    rows = [re.findall(r"^\|", prose(page), re.MULTILINE) for page in (english, chinese)]
    assert len(rows[0]) == len(rows[1])


@cache
def options():
    """Every option of every command, and the metrics' and knobs' own words are none of them."""
    found = {"--help", "--version"}
    context = click.Context(tunewright)

    def visit(command):
        found.update(o for p in command.params for o in (*p.opts, *p.secondary_opts))
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                visit(command.get_command(context, name))

    visit(tunewright)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_option_that_is_named_exists(page):
    """In prose every `--word` in backquotes that stands alone; in blocks those of tunewright."""
    named = set(re.findall(r"`(--[a-z][a-z-]*)", prose(page)))
    for block in blocks(page):
        for line in block.text.splitlines():
            if re.match(r"(\$ )?tunewright ", line):
                own = line.split(" -- ")[0]
                named.update(re.findall(r"(?<=\s)--[a-z][a-z-]*", own))
    assert named <= options()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_named_exists(page):
    named = set(re.findall(r"`tunewright ([a-z]+)", prose(page)))
    for block in blocks(page):
        named.update(re.findall(r"^(?:\$ )?tunewright ([a-z]+)", block.text, re.MULTILINE))
    assert named <= set(tunewright.list_commands(click.Context(tunewright)))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    for target, anchor in LINK.findall(prose(page)):
        if target.startswith(("http:", "https:")):
            continue
        other = (page.parent / target).resolve() if target else page
        assert other.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", prose(other), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in slugs


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_of_the_source_exists(page):
    for path in re.findall(r"`((?:src|tests|docs)/[\w./-]+)`", prose(page)):
        assert (ROOT / path).exists(), path


def test_decisions_are_numbered_and_have_their_four_parts():
    numbers = [int(page.name[:4]) for page in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    for page in DECISIONS:
        titles = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert titles == ["Context", "Decision", "Refused", "What would change our mind"], page.name
