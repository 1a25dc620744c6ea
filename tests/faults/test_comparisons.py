"""A comparison that is interrupted or killed: it says that it has no verdict, and goes on."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest

from tunewright import comparing
from tunewright.core.events import Ended, Started
from tunewright.core.verdict import Decision
from tunewright.errors import StoreError
from tunewright.session import replay
from tunewright.storing.journal import Reader
from tunewright.storing.studies import Studies

TUNEWRIGHT = [sys.executable, "-m", "tunewright"]
# The count is exact and equal in most pairs, so that all pairs are needed and nothing hangs on time.
PROGRAMS = [f"sh -c 'sleep 0.02; echo n=$((100 + {{seed}} * {step} % 5))'" for step in (1, 2)]
ASKED = ["--metric", "n=regex:n=([0-9]+)", "--minimize", "n", "--pairs", "12"]
STUDY = "verify-sh-1"
PATIENCE_S = 60


@contextmanager
def started(where, trials):
    """A comparison that has begun so many runs."""
    with subprocess.Popen(
        [*TUNEWRIGHT, "verify", *PROGRAMS, *ASKED], cwd=where,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as driver:  # fmt: skip
        deadline_s = time.monotonic() + PATIENCE_S
        while sum(isinstance(event, Started) for event in events(where)) < trials:
            assert driver.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        yield driver


def events(where):
    if not Studies(where / ".tunewright").names():
        return []
    with suppress(StoreError), Reader(where / ".tunewright" / STUDY) as reader:
        return list(reader.read())
    return []  # its driver has not yet begun it


def resumed(where):
    return subprocess.run(
        [*TUNEWRIGHT, "study", "resume"], cwd=where, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def outcome(where):
    """The verdict of the study and the counts of each of its pairs; nothing that hangs on time.

    The ends of an interval do: what is watched beside it may pass its error on.
    """
    with Reader(where / ".tunewright" / STUDY) as reader:
        history = replay(reader)
    counts = {
        trial.purpose: measurement.samples["n"].values
        for trial, measurement in history.ended()
        if trial.purpose.block >= 0 and "n" in measurement.samples
    }
    verdict = history.finished
    (told,) = (c for c in verdict.comparisons if c.metric == "n")
    values = (told.baseline, told.candidate, told.estimate, told.n)
    return verdict.decision, verdict.reason, verdict.pairs, values, counts


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    where = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run([*TUNEWRIGHT, "verify", *PROGRAMS, *ASKED], cwd=where, capture_output=True, timeout=PATIENCE_S, check=False)  # fmt: skip
    assert done.returncode == 3
    found = outcome(where)
    assert found[:3] == (Decision.INCONCLUSIVE, "not enough evidence on n", 12)
    assert len(found[-1]) == 24
    return found


def test_an_interrupted_comparison_says_what_the_pairs_say_and_that_it_is_no_verdict(
    tmp_path, undisturbed
):
    with started(tmp_path, trials=9) as driver:
        driver.send_signal(signal.SIGINT)
        printed, told = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 130
    assert f"tunewright study resume {STUDY}" in told
    assert "interrupted: what follows is no verdict, but what the pairs say so far" in printed
    assert "A         sh -c" in printed
    assert "Traceback" not in told
    done = resumed(tmp_path)
    assert done.returncode == 3, done.stderr
    assert outcome(tmp_path) == undisturbed


def test_an_interruption_before_the_first_pair_has_something_to_say_too(tmp_path):
    with started(tmp_path, trials=1) as driver:
        driver.send_signal(signal.SIGINT)
        printed, told = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 130
    assert "no verdict" in printed
    assert "Traceback" not in told


def test_a_killed_comparison_goes_on_to_the_verdict_that_it_would_have_had(tmp_path, undisturbed):
    for trials in (3, 10, 17):
        if trials == 3:
            with started(tmp_path, trials) as driver:
                driver.send_signal(signal.SIGKILL)
            continue
        with subprocess.Popen(
            [*TUNEWRIGHT, "study", "resume"], cwd=tmp_path, stdout=subprocess.DEVNULL
        ) as driver:
            while sum(isinstance(event, Started) for event in events(tmp_path)) < trials:
                assert driver.poll() is None
                time.sleep(0.01)
            driver.send_signal(signal.SIGKILL)
    done = resumed(tmp_path)
    assert done.returncode == 3, done.stderr
    assert outcome(tmp_path) == undisturbed
    every = events(tmp_path)
    assert sum(isinstance(event, Ended) for event in every) >= 2 + 24


def test_a_function_that_ends_its_process_is_told_so(tmp_path):
    few = comparing.Sampling("4s", 6)
    result = comparing.verify(sum, lambda _: os._exit(0), args=([1],), sampling=few, root=tmp_path)
    told = " ".join(measurement.detail for _, measurement in result.history.ended())
    assert "ended its process before it returned, as os._exit does" in told
    assert not result.accepted
