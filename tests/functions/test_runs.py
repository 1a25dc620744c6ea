"""What a run of a function gives, and each way in which it can go wrong."""

import json
import math
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tunewright as tw
from tunewright.core.metrics import Metric
from tunewright.core.trial import Outcome
from tunewright.errors import InputError, TrialFailed
from tunewright.workloads.functions.answers import numbers_of, read_answer

SPACE = {"lr": tw.real(0.1, 1.0, default=0.5), "pick": tw.choice("a", None)}
ACCURACY = Metric("accuracy", "higher", "run")
finite = st.floats(-1e6, 1e6)

calls = []


def counting(config):
    calls.append(1)
    return float(len(calls))


def test_what_a_function_changes_is_gone_with_its_process(study):
    done = study(counting, SPACE)
    assert [done.run().samples["accuracy"].values for _ in range(2)] == [(1.0,), (1.0,)]
    inside = study(counting, SPACE, in_process=True)
    assert [inside.run().samples["accuracy"].values for _ in range(2)] == [(1.0,), (2.0,)]


def test_everything_that_is_a_number_is_recorded_and_what_it_used(study):
    def train(config, run):
        run.report(accuracy=0.1, loss=np.float32(2))
        run.report(5, accuracy=np.array(0.2), note="text", bad=math.nan)
        return {"size": 10**6, "accuracy": np.array([0.3]), "model": object()}

    done = study(train, SPACE, "maximize accuracy subject to size <= 20MB")
    measured = done.run()
    assert measured.outcome is Outcome.OK
    values = {name: sample.values for name, sample in measured.samples.items()}
    assert values["accuracy"] == (0.3,)
    assert (values["loss"], values["size"]) == ((2.0,), (1e6,))
    assert measured.samples["size"].unit == "B"
    assert {"wall_s", "cpu_s", "peak_bytes"} <= set(values)
    assert not {"note", "bad", "model"} & set(values)
    told = [(step, {n: s.values for n, s in samples.items()}) for step, samples in done.told]
    assert told == [(1.0, {"accuracy": (0.1,), "loss": (2.0,)}), (5.0, {"accuracy": (0.2,)})]
    assert {m.name for m in done.workload.metrics} >= {"accuracy", "size", "wall_s"}


def test_an_object_of_a_choice_comes_as_itself(study):
    done = study(lambda config: float(config["pick"] is None), SPACE)
    assert done.run({"pick": "None"}).samples["accuracy"].values == (1.0,)
    assert done.run().samples["accuracy"].values == (0.0,)


def test_chance_that_is_not_asked_for_follows_the_seed(study):
    done = study(lambda config: random.random() + np.random.random(), SPACE)  # noqa: NPY002 - that is the test
    first, again, other = (done.run(repeat=r).samples["accuracy"].values for r in (0, 0, 1))
    assert first == again != other
    asked = study(lambda config, run: run.seed, SPACE)
    assert asked.run(repeat=7).samples["accuracy"].values == (7.0,)


# Data


def test_large_arrays_are_shared_and_what_is_written_into_them_stays_with_the_run(study):
    def train(config, data):
        x = data["x"][0]
        x[0] += 1
        mapped = x.base is not None and not x.flags.owndata
        return {
            "accuracy": float(x[0]),
            "mapped": float(mapped),
            "small": float(data["x"][1].sum()),
        }

    x = np.arange(100_000.0)
    done = study(train, SPACE, data={"x": (x, np.ones(3))})
    for _ in range(2):
        values = {n: s.values[0] for n, s in done.run().samples.items()}
        assert (values["accuracy"], values["mapped"], values["small"]) == (1.0, 1.0, 3.0)
    assert x[0] == 0
    size = sum(f.stat().st_size for f in (done.directory / "function").iterdir())
    assert size == pytest.approx(x.nbytes, rel=0.05)


# Failures: one clear outcome each


def exploding(config):
    cause = None
    for n in range(15):
        try:
            raise ValueError(n) from cause  # noqa: TRY301 - a long chain is wanted
        except ValueError as error:
            cause = error
    raise ZeroDivisionError("division by zero") from cause


def killed(config):
    sys.stdout.write("now comes the end\n")
    os.kill(os.getpid(), signal.SIGKILL)


def crowded(config):
    raise MemoryError


@pytest.mark.parametrize(
    ("function", "outcome", "said"),
    [
        (exploding, Outcome.CRASHED, "ZeroDivisionError: division by zero (line"),
        (killed, Outcome.CRASHED, "was killed (Killed); the last that it printed: now comes the end"),
        (lambda config: os._exit(3), Outcome.CRASHED, "ended with status 3 before it returned"),
        (lambda config: sys.exit(3), Outcome.CRASHED, "got one that ended its process: 3"),
        (crowded, Outcome.OUT_OF_MEMORY, "the function ran out of memory"),
        (lambda config: None, Outcome.CRASHED, "expected metric accuracy from what the function returns or reports; got nothing; return {'accuracy': …}"),
        (lambda config: {"acc": 1}, Outcome.CRASHED, "got acc; return {'accuracy': …}"),
        (lambda config: math.nan, Outcome.CRASHED, "metric accuracy: expected a finite number; got nan"),
        (lambda config: {"accuracy": "high"}, Outcome.CRASHED, "metric accuracy: expected a number; got 'high'"),
        (lambda config: "good", Outcome.CRASHED, "expected the metrics by name; got 'good'"),
        (lambda config: time.sleep(60), Outcome.TIMEOUT, "ran longer than 0.5 s"),
    ],
)  # fmt: skip
def test_each_failure_has_one_clear_outcome(study, function, outcome, said):
    done = study(function, SPACE)
    measured = done.run(limit_s=0.5)
    assert measured.outcome is outcome
    assert said in measured.detail


def test_a_traceback_is_kept_with_its_config_and_only_its_ends(study):
    done = study(exploding, SPACE)
    detail = done.run({"lr": 0.25}).detail
    kept = next((done.directory / "failures").iterdir())
    assert str(kept) in detail
    text = kept.read_text()
    assert "config: {'lr': 0.25, 'pick': 'a'}" in text
    assert "lines are left out" in text
    assert text.rstrip().endswith("ZeroDivisionError: division by zero")
    assert len(text.splitlines()) < 50


def test_a_child_that_lives_on_does_not_hold_the_run_up(study):
    def leaving(config):
        if not os.fork():
            time.sleep(60)
            os._exit(0)
        os._exit(4)

    began_s = time.monotonic()
    measured = study(leaving, SPACE).run()
    assert "ended with status 4" in measured.detail
    assert time.monotonic() - began_s < 30


def test_no_report_is_taken_after_the_end(study):
    tw_run = tw.Run(0)
    with pytest.raises(InputError, match="after the end"):
        tw_run.report(accuracy=1)
    with pytest.raises(InputError, match=r"run\.checkpoint without one"):
        _ = tw_run.checkpoint

    def late(config, run):
        threading.Thread(
            target=lambda: (time.sleep(0.2), run.report(accuracy=2.0)), daemon=True
        ).start()
        return 1.0

    done = study(late, SPACE)
    assert done.run().samples["accuracy"].values == (1.0,)
    assert done.told == []


# Checkpoints


def interrupted(config, run):
    """Dies once in the middle of writing, in its third epoch."""
    state = run.checkpoint / "state.json"
    done = json.loads(state.read_text()) if state.exists() else []
    for epoch in run.epochs(5):
        mark = Path(config["where"]) / "died"
        if epoch == 2 and not mark.exists():
            mark.touch()
            state.write_text("[0, 1, ")
            os.kill(os.getpid(), signal.SIGKILL)
        done.append(epoch)
        state.write_text(json.dumps(done))
        run.report(accuracy=epoch)
    return {"accuracy": len(done), "same": float(done == [0, 1, 2, 3, 4]), "step": run.step}


def test_a_run_goes_on_from_what_was_whole_when_it_was_killed(study, tmp_path):
    where = tmp_path / "marks"
    where.mkdir()
    done = study(interrupted, {**SPACE, "where": tw.choice(str(where))})
    assert done.run().outcome is Outcome.CRASHED
    assert [step for step, _ in done.told] == [1, 2]
    done.told.clear()
    again = done.run()
    assert again.samples["same"].values == (1.0,)
    assert [step for step, _ in done.told] == [3, 4, 5]
    done.told.clear()
    assert done.run(repeat=1).outcome is Outcome.OK  # new evidence begins anew
    assert [step for step, _ in done.told] == [1, 2, 3, 4, 5]
    done.told.clear()
    assert done.run().outcome is Outcome.OK  # and so does what had ended
    assert [step for step, _ in done.told] == [1, 2, 3, 4, 5]


# Numbers


@given(st.one_of(finite, finite.map(np.float64), st.integers(-9, 9), finite.map(np.array)))
def test_whatever_is_one_number_is_read_as_it(value):
    assert numbers_of(value) == (float(value),)
    assert numbers_of([value, value]) == (float(value),) * 2
    assert read_answer(value, {}, [ACCURACY]) == {"accuracy": (float(value),)}


@given(
    st.one_of(
        st.booleans(),
        st.text(),
        st.none(),
        st.binary(),
        st.dictionaries(st.text(), finite),
        st.just([]),
    )
)
def test_whatever_is_no_number_is_none(value):
    assert numbers_of(value) is None
    if not isinstance(value, dict) and value is not None:
        with pytest.raises(TrialFailed, match="expected the metrics by name"):
            read_answer(value, {}, [ACCURACY])


def stubborn(config):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)


@pytest.mark.parametrize(
    ("function", "outcome", "said"),
    [
        (stubborn, Outcome.TIMEOUT, "ran longer than 0.5 s"),
        (lambda config: os._exit(0), Outcome.CRASHED, "ended with status 0 before it returned"),
        (lambda config: sys.stdout.write("x" * 10**8) and None, Outcome.CRASHED, "got nothing; return"),
    ],
)  # fmt: skip
def test_what_a_function_should_not_do_ends_that_run_alone(study, function, outcome, said):
    done = study(function, SPACE).run(limit_s=0.5 if outcome is Outcome.TIMEOUT else 30.0)
    assert done.outcome is outcome
    assert said in done.detail
