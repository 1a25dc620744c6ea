"""What all tests share: the examples of Hypothesis, and the command line without its process."""

import io
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

from tunewright import cli

# The same examples in every run and on every machine; no deadline, since machines differ.
settings.register_profile(
    "tests",
    derandomize=True,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")


@pytest.fixture(scope="session")
def command():
    """`command(where, *words)`: what the installed command would do there.

    It runs in this process, which has imported everything.
    """

    def run(where, *words):
        out, err = io.StringIO(), io.StringIO()
        with (
            chdir(where),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.MonkeyPatch.context() as m,
        ):
            m.setattr(sys, "argv", ["tunewright", *map(str, words)])
            code = cli._code()
        return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())

    return run
