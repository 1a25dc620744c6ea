"""The telling part of what failed programs print."""

import shutil
import sys
from pathlib import Path

import pytest

from tunewright.measuring.processes import run_program
from tunewright.workloads.programs.failures import keep_failure, telling, why_failed

NEEDS = {"node": "node", "java": "java", "gcc": "gcc", "perl": "perl", "ruby": "ruby"}
JAVA = 'class A { public static void main(String[] a) { try { int[] x = new int[-1]; } catch (Exception e) { throw new RuntimeError("outer", e); } } static class RuntimeError extends RuntimeException { RuntimeError(String m, Throwable t) { super(m, t); } } }'
REAL = [
    ("python", [sys.executable, "-c", "def f(): raise ValueError('bad\\nworse')\nf()"], "ValueError: bad"),
    ("python", [sys.executable, "-c", "try: 1/0\nexcept Exception as e: raise KeyError('k') from e"], "KeyError: 'k'"),
    ("python", [sys.executable, "-c", "x ="], "SyntaxError: invalid syntax"),
    ("python", [sys.executable, "-c", "raise SystemExit('no such file')"], "no such file"),
    ("python", [sys.executable, "-c", "import atexit, sys; atexit.register(lambda: print('bye', file=sys.stderr)); {}['key']"], "KeyError: 'key'"),
    ("python", [sys.executable, "-c", "raise ExceptionGroup('several', [ValueError('bad\\nworse'), TypeError('odd')])"], "ExceptionGroup: several (2 sub-exceptions): ValueError: bad; TypeError: odd"),
    ("python", [sys.executable, "-c", "raise ExceptionGroup('outer', [ExceptionGroup('inner', [KeyError('k')]), OSError('disk')])"], "ExceptionGroup: outer (2 sub-exceptions): ExceptionGroup: inner (1 sub-exception); KeyError: 'k'; OSError: disk"),
    ("python", [sys.executable, "-c", "import asyncio\nasync def bad(): raise ValueError('late')\nasync def main():\n  async with asyncio.TaskGroup() as group: group.create_task(bad())\nasyncio.run(main())"], "ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception): ValueError: late"),
    ("python", [sys.executable, "-c", "try: raise ExceptionGroup('g', [KeyError('k')])\nexcept* KeyError: 1/0"], "ZeroDivisionError: division by zero"),
    ("python", [sys.executable, "-c", "try: raise ExceptionGroup('g', [KeyError('k')])\nexcept Exception: 1/0"], "status 1: ZeroDivisionError: division by zero"),
    ("python", [sys.executable, "-c", "try: 1/0\nexcept Exception as e: raise ExceptionGroup('g', [KeyError('k')])"], "ExceptionGroup: g (1 sub-exception): KeyError: 'k'"),
    ("node", ["node", "-e", "throw new TypeError('bad thing')"], "TypeError: bad thing"),
    ("node", ["node", "-e", "require('no-such-module')"], "Error: Cannot find module 'no-such-module'"),
    ("node", ["node", "-e", "Promise.reject(new RangeError('late'))"], "RangeError: late"),
    ("java", ["java", "A.java"], "Caused by: java.lang.NegativeArraySizeException: -1"),
    ("java", ["java", "NoSuch"], "Error: Could not find or load main class NoSuch"),
    ("gcc", ["gcc", "a.c"], "a.c:1:"),
    ("gcc", ["gcc", "b.c"], "undefined reference to `g'"),
    ("perl", ["perl", "-e", "die 'bad thing'"], "bad thing at -e line 1"),
    ("sh", ["sh", "-c", "echo fine; echo worse >&2; exit 2"], "worse"),
    ("sh", ["sh", "-c", "echo out; exit 2"], "out"),
    ("sh", ["sh", "-c", "exit 2"], "it printed nothing"),
    ("sh", ["sh", "-c", "no-such-thing"], "not found"),
    ("sh", ["sh", "-c", "echo 'x: ERROR: disk is full'; for i in $(seq 50000); do echo closing $i; done; exit 1"], "x: ERROR: disk is full"),
]  # fmt: skip


@pytest.mark.parametrize(("needs", "argv", "told"), REAL)
def test_a_failure_is_told_by_its_own_message(tmp_path, needs, argv, told):
    if shutil.which(NEEDS.get(needs, "sh")) is None:
        pytest.skip(f"{needs} is not installed")
    (tmp_path / "A.java").write_text(JAVA)
    (tmp_path / "a.c").write_text("int main() { return x; }\nint f() { return y; }\n")
    (tmp_path / "b.c").write_text("int g(void); int main() { return g(); }\n")
    run = run_program(argv, tmp_path, cwd=tmp_path)
    sentence = why_failed(run, argv)
    assert told in sentence
    assert "\n" not in sentence
    assert f"exited with status {run.returncode}: " in sentence
    assert ("more in kept" in why_failed(run, argv, Path("kept"))) == (told != "it printed nothing")


PRINTED = [
    ("thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace", "thread 'main' panicked at src/main.rs:2:5: index out of bounds"),
    ("panic: runtime error: index out of range\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:3\nexit status 2", "panic: runtime error: index out of range"),
    ("error[E0308]: mismatched types\n --> src/main.rs:2:18\n  |\nerror: could not compile `x`", "error[E0308]: mismatched types"),
    ("x.rb:1:in 'f': unhandled exception (RuntimeError)\n\tfrom x.rb:3:in '<main>'", "x.rb:1:in 'f': unhandled exception (RuntimeError)"),
    ("PHP Fatal error:  Uncaught Exception: bad in x.php:1\nStack trace:\n#0 {main}\n  thrown in x.php on line 1", "PHP Fatal error:  Uncaught Exception: bad in x.php:1"),
    ("cc -c x.c\nx.c:3:5: error: expected ';'\nx.c:9:1: error: other\nmake: *** [Makefile:2: x] Error 1", "x.c:3:5: error: expected ';'"),
    ("make: *** No rule to make target 'y'.  Stop.", "make: *** No rule to make target 'y'. Stop."),
    ("0 errors, 1 warning\nlast line", "last line"),
    ("\x1b[31mError: red\x1b[0m\n    at f (x.js:1)\n\nNode.js v20.20.2", "Error: red"),
    ("step 1\rstep 2\rcannot go on\r\n", "cannot go on"),
    ("a\tb\x07c", "a b�c"),
    ("x" * 1000, "x" * 299 + "…"),
]  # fmt: skip


@pytest.mark.parametrize(("printed", "told"), PRINTED)
@pytest.mark.parametrize("stream", [1, 2])
def test_the_telling_line_is_found_in_either_stream(tmp_path, printed, told, stream):
    (tmp_path / "text").write_bytes(printed.encode())
    run = run_program(["sh", "-c", f"cat {tmp_path}/text >&{stream}; exit 1"], tmp_path)
    assert " ".join(telling(run.stdout, run.stderr).split()) == " ".join(told.split())


def test_how_it_ended_is_said_and_where_the_rest_is(tmp_path):
    argv = ["sh", "-c", "seq 100000; seq 100000 200000 >&2; kill -11 $$"]
    run = run_program(argv, tmp_path)
    place = keep_failure(run, argv, tmp_path / "failures" / "3.txt")
    sentence = why_failed(run, argv, place)
    assert sentence.startswith("sh was killed (Segmentation fault): 200000")
    assert sentence.endswith(f"; more in {place}")
    kept = place.read_text().splitlines()
    assert {"1", "100000", "100001", "200000", "[…]"} <= set(kept)
    assert kept[0].startswith("$ sh -c ")
    assert place.stat().st_size < 500_000


def test_a_flood_is_said(tmp_path):
    assert "printed without end" in why_failed(
        run_program(["yes"], tmp_path, output_bytes=100), ["yes"]
    )
