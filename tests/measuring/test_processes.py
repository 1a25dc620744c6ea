"""Running a program: what is counted, what is kept of it, and that nothing is left behind."""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.measuring import processes
from tunewright.measuring.processes import Stream, run_program

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own marks")
TAKE = "b = b'x' * ({} << 20)"
MIB = 2**20


@pytest.fixture
def run(tmp_path):
    return lambda *argv, **options: run_program(argv, tmp_path, **options)


def python(code):
    return [sys.executable, "-S", "-c", code]


def test_the_streams_are_kept_apart_and_whole(run, tmp_path):
    ended = run(
        *python("import sys\nfor i in range(300_000): print(i)\nprint('e', file=sys.stderr)")
    )
    assert ended.stdout.text() == "".join(f"{i}\n" for i in range(300_000))
    assert ended.stdout.size > MIB
    assert (ended.stdout.head(2), ended.stdout.tail(7)) == ("0\n", "299999\n")
    assert ended.stderr.text() == "e\n"
    assert ended.stdout.path == tmp_path / "stdout"
    assert ended.returncode == 0


@pytest.mark.parametrize("status", [0, 1, 3, 126, 127, 255])
def test_the_status_is_the_programs_own(run, status):
    assert run("sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("number", [2, 9, 11, 15])
def test_a_signal_is_told_as_its_number_below_zero(run, number):
    assert run("sh", "-c", f"kill -{number} $$").returncode == -number


def test_a_pipe_that_breaks_ends_a_program_as_everywhere(run):
    assert run("sh", "-c", "seq 100000 | head -n 1").stderr.text() == ""


@settings(max_examples=15)
@given(words=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_words_reach_the_program_as_they_are(tmp_path_factory, words):
    place = tmp_path_factory.mktemp("words")
    ended = run_program(["printf", "%s\\0", *words] if words else ["true"], place)
    assert ended.stdout.path.read_bytes() == "".join(f"{w}\0" for w in words).encode()


@pytest.mark.parametrize("name", ["PLAIN", "with-hyphen", "BASH_FUNC_f%%", "pid", "go", "a.b"])
def test_the_environment_reaches_the_program_as_it_is(run, name):
    code = f"import os; print(repr(os.environ.get({name!r})))"
    env = {name: "a b\n'$x", "PATH": os.environ["PATH"]}
    assert run(*python(code), env=env).stdout.text() == repr(env[name]) + "\n"


def test_the_directory_and_the_input_are_those_that_were_asked_for(run, tmp_path):
    (tmp_path / "in").write_text("text")
    ended = run("sh", "-c", "pwd; cat", cwd=tmp_path, stdin=tmp_path / "in")
    assert ended.stdout.text() == f"{tmp_path}\ntext"
    assert run("cat").stdout.text() == ""


@pytest.mark.parametrize("argv", [["no-such-program"], ["./no-such"], ["/etc/passwd"], ["/"]])
def test_what_cannot_be_started_is_the_systems_error(run, argv):
    with pytest.raises(OSError, match=r"Permission denied|No such file"):
        run(*argv)


def test_a_directory_that_is_gone_is_an_error(run, tmp_path):
    with pytest.raises(FileNotFoundError):
        run("true", cwd=tmp_path / "gone")


@pytest.mark.parametrize("shell", ["", "/no/such/shell", "/bin/true"])
def test_without_a_shell_to_fork_from_it_is_started_all_the_same(run, monkeypatch, shell):
    monkeypatch.setattr(processes, "SHELL", shell)
    ended = run("sh", "-c", "echo out; exit 4")
    assert (ended.stdout.text(), ended.returncode) == ("out\n", 4)
    with pytest.raises(PermissionError):
        run("/etc/passwd")


def test_equal_output_has_an_equal_digest_also_where_only_the_middle_differs(run):
    def digest(middle, to=1):
        line = f"print('a' * {MIB} + {middle!r} + 'a' * {MIB}, file=open({to}, 'w'))"
        return run(*python(line)).digest

    assert digest("x") == digest("x")
    assert len({digest("x"), digest("y"), digest("x", 2)}) == 3


def test_a_limit_ends_the_whole_tree_and_begins_with_the_program(run):
    ended = run("sh", "-c", "sleep 71 & setsid sleep 71 & echo $!; sleep 71", limit_s=0.2)
    assert ended.timed_out
    assert 0.2 <= ended.wall_s < 30
    assert ended.returncode == -9
    assert not Path(f"/proc/{ended.stdout.text().strip()}").exists()


def test_a_short_program_is_not_charged_for_what_starts_it(run, monkeypatch):
    slow = python("import time; time.sleep(0.3)")[0:1]
    monkeypatch.setattr(sys, "executable", _slow_interpreter(run, slow))
    assert not run("true", limit_s=0.25).timed_out


def _slow_interpreter(run, python_):
    """An interpreter that takes longer to start than the limit."""
    path = Path(run("pwd").stdout.path.parent, "slow-python")
    path.write_text(f'#!/bin/sh\nsleep 0.4\nexec {python_[0]} "$@"\n')
    path.chmod(0o755)
    return str(path)


def test_what_prints_without_end_is_stopped(run):
    ended = run("yes", output_bytes=10_000)
    assert ended.flooded
    assert ended.returncode == -9


@linux
def test_a_daemon_is_ended_and_counted(run):
    daemon = f"import os\nif os.fork(): os._exit(0)\nos.setsid()\n{TAKE.format(40)}\nopen('d', 'w').write(str(os.getpid()))\nimport time; time.sleep(600)"
    place = run("true").stdout.path.parent
    wait = "while [ ! -s d ]; do sleep 0.01; done; cat d"
    ended = run("sh", "-c", f'{sys.executable} -S -c "{daemon}"; {wait}', cwd=place)
    assert not Path(f"/proc/{ended.stdout.text()}").exists()
    assert ended.peak_bytes > 40 * MIB


@linux
@settings(max_examples=20)
@given(mib=st.integers(5, 60), wrap=st.sampled_from(["plain", "shell", "orphan", "forked"]))
def test_the_peak_is_that_of_the_largest_process_wherever_in_the_tree(tmp_path_factory, mib, wrap):
    place = tmp_path_factory.mktemp("peak")
    code = TAKE.format(mib)
    line = f'{sys.executable} -S -c "{code}"'
    argv = {
        "plain": python(code),
        "shell": ["sh", "-c", f"{line}; true"],
        "orphan": ["sh", "-c", f"({line}; touch {place}/done) & while [ ! -e {place}/done ]; do sleep 0.01; done"],
        "forked": python(f"import os\nif os.fork(): os.wait()\nelse:\n {code}\n os._exit(0)"),
    }[wrap]  # fmt: skip
    peak_bytes = run_program(argv, place).peak_bytes
    assert mib * MIB < peak_bytes < (mib + 14) * MIB


@linux
@pytest.mark.skipif(shutil.which("/usr/bin/time") is None, reason="GNU time is not installed")
@pytest.mark.parametrize(
    "argv",
    [python("pass"), python(TAKE.format(20)), ["sh", "-c", f'{sys.executable} -c "{TAKE.format(30)}"'],
     ["awk", "BEGIN { for (i = 0; i < 50000; i++) a[i] = i }"]],
)  # fmt: skip
def test_the_peak_is_what_gnu_time_tells(run, tmp_path, argv):
    def timed():
        subprocess.run(["/usr/bin/time", "-f", "%M", "-o", tmp_path / "time", *argv], check=True)
        return int((tmp_path / "time").read_text()) * 1024

    ours = statistics.median(run(*argv).peak_bytes for _ in range(3))
    assert ours == pytest.approx(statistics.median(timed() for _ in range(3)), rel=0.05)


@linux
def test_a_peak_below_that_of_what_forked_it_is_not_known(run, monkeypatch):
    monkeypatch.setattr(processes, "SHELL", "")
    assert run("true").peak_bytes is None
    assert run(*python(TAKE.format(30))).peak_bytes > 30 * MIB


def test_processor_time_is_that_of_the_whole_tree(run):
    burn = "import time\nwhile time.process_time() < 0.15: pass"
    line = f'{sys.executable} -S -c "{burn}"'
    ended = run("sh", "-c", f"{line} & {line} & wait; {line}")
    assert ended.cpu_s > 0.45


def test_an_interrupted_run_leaves_nothing(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom tunewright.measuring.processes import run_program\n"
        "run_program(['sh', '-c', 'echo $$; sleep 600 & wait'], Path(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], stderr=subprocess.DEVNULL)
    told = tmp_path / "stdout"
    while not (told.exists() and told.read_text()):
        time.sleep(0.01)
    process.kill()
    process.wait()
    pid = int(told.read_text())
    for _ in range(1000):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


def test_a_stream_of_a_program_that_closed_it_is_empty(tmp_path):
    assert Stream.read(tmp_path / "none").size == 0
