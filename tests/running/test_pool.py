"""What may follow what: of a job and of a worker, and the pool that gives workers out."""

from __future__ import annotations

import itertools
import sys
from contextlib import closing, contextmanager

import pytest

from tunewright.errors import TunewrightError
from tunewright.running.cache import ArtifactCache
from tunewright.running.pool import Pool, State, Use
from tunewright.running.processes import Stand, _Job
from tunewright.testing.executors import ToyWorkload, toy_trial

FOLLOWS = {
    Stand.WAITING: {Stand.HEAD, Stand.QUEUED, Stand.RUNNING, Stand.OVER},
    Stand.HEAD: {Stand.WAITING, Stand.OVER},
    Stand.QUEUED: {Stand.WAITING, Stand.RUNNING, Stand.OVER},
    Stand.RUNNING: {Stand.WAITING, Stand.OVER},
    Stand.OVER: set(),
}


@pytest.mark.parametrize(("stand", "wanted"), list(itertools.product(Stand, Stand)))
def test_a_job_takes_the_steps_that_can_follow_and_no_others(stand, wanted):
    job = _Job(toy_trial(1), ToyWorkload(), {}, lean=False, stand=stand)
    if wanted in FOLLOWS[stand]:
        job.moves(wanted)
        assert job.stand is wanted
        assert job.under_way == (wanted in (Stand.HEAD, Stand.RUNNING))
        return
    with pytest.raises(AssertionError):
        job.moves(wanted)
    assert job.stand is stand


@contextmanager
def opened(directory, least=1):
    pool = Pool(directory, ArtifactCache(directory / "artifacts"), (), least)
    with closing(pool):
        yield pool


def ready(worker):
    """Wait until it has answered."""
    assert worker.connection.poll(20.0)
    assert worker.connection.recv() is None
    worker.ready()


def test_a_worker_is_idle_when_it_has_answered_everything(tmp_path):
    with opened(tmp_path) as pool:
        pool.fill(1)
        (worker,) = pool.workers
        worker.warm(("json",))
        assert (worker.state, worker.messages, pool.starting) == (State.STARTING, 2, True)
        ready(worker)
        assert worker.state is State.STARTING
        ready(worker)
        assert (worker.state, pool.starting) == (State.IDLE, False)


def test_a_fresh_worker_that_was_not_used_is_given_out_again(tmp_path):
    with opened(tmp_path) as pool:
        first = pool.lean("a", once=True)
        assert pool.lean("b", once=True) is first
        first.state = State.BUSY
        second = pool.lean("a", once=True)
        assert second is not first
        assert [worker.use for worker in pool.workers] == [Use.ONCE, Use.ONCE]


def test_a_fresh_worker_loads_what_is_wanted_and_has_loaded_nothing_else(tmp_path):
    with opened(tmp_path) as pool:
        pool.prepare(1, ("json",))
        pool.prepare(1, ("json", "csv"))
        bare, loaded = pool.workers
        pool.prepare(1, ("csv", "json"))  # the same in another order
        assert pool.workers == [bare, loaded]
        other = pool.lean("a", ("json", "sched"), once=True)
        assert other is bare
        assert other.imports == {"json", "sched"}
        assert pool.lean("a", ("csv", "json"), once=True) is loaded
        assert pool.lean("a", (), once=True) not in (bare, loaded)


def test_a_lane_has_one_worker_and_none_while_that_has_other_work(tmp_path):
    with opened(tmp_path) as pool:
        pool.prepare(1, ())
        (spare,) = pool.workers
        first = pool.lean("a", once=False)
        assert first is spare
        assert pool.lean("a", once=False) is first
        assert pool.lean("b", once=False) is not first
        first.state = State.BUSY
        assert pool.lean("a", once=False) is None


def test_what_is_discarded_is_replaced_and_a_closed_pool_has_nothing(tmp_path):
    with opened(tmp_path, least=2) as pool:
        pool.fill(2)
        first, second = pool.workers
        first.state = State.BUSY
        pool.discard(first)
        assert first.state is State.GONE
        assert first.process.returncode is not None
        assert len(pool.workers) == 2
        assert second in pool.workers
        pool.discard(first)
        assert len(pool.workers) == 2
        kept = [*pool.workers]
        pool.close()
        assert pool.workers == []
        assert all(worker.process.returncode is not None for worker in kept)


def test_workers_that_all_die_as_they_start_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with opened(tmp_path) as pool:
        pool.fill(1)
        for _ in range(2):
            died(pool)
        with pytest.raises(TunewrightError, match="cannot start"):
            died(pool)


def died(pool):
    worker = pool.workers[0]
    worker.process.wait()
    pool.died(worker)
