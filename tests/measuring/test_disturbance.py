"""What else the machine did while something ran."""

import pytest

from tunewright.measuring import disturbance as module
from tunewright.measuring.disturbance import Snapshot, disturbance, own_cpu_s
from tunewright.measuring.processes import run_program


def snapshot(at_s, busy_s=None, stolen_s=None, pressed_s=None, queue=None):
    return Snapshot(at_s, busy_s, stolen_s, pressed_s, queue)


def values(before, after, own_cpu_s=0.0):
    return {name: s.values[0] for name, s in disturbance(before, after, own_cpu_s).items()}


def test_what_others_used_is_what_we_did_not():
    before, after = snapshot(10.0, 100.0, 5.0, 1.0), snapshot(12.0, 103.0, 5.5, 1.4)
    found = values(before, after, own_cpu_s=2.0)
    assert found == pytest.approx({"others_cores": 0.5, "stolen_cores": 0.25, "cpu_pressure": 0.2})


def test_our_own_work_is_no_disturbance_and_nothing_is_below_zero():
    before, after = snapshot(0.0, 0.0, 1.0, 0.0), snapshot(1.0, 1.0, 0.9, 3.0)
    found = values(before, after, own_cpu_s=1.5)
    assert found == {"others_cores": 0.0, "stolen_cores": 0.0, "cpu_pressure": 1.0}


def test_who_waits_is_counted_at_both_ends_also_of_a_short_run():
    before, after = snapshot(0.0, queue=1), snapshot(0.001, queue=4)
    assert values(before, after) == {"run_queue": 2.5}
    assert values(snapshot(0.0), after) == {}


def test_of_a_run_shorter_than_the_kernel_counts_nothing_is_known():
    assert values(snapshot(0.0, 0.0, 0.0, 0.0), snapshot(0.001, 1.0, 1.0, 1.0)) == {}


def test_what_the_machine_does_not_show_is_left_out():
    before, after = snapshot(0.0), snapshot(1.0)
    assert values(before, after) == {}
    assert set(values(snapshot(0.0, 0.0), snapshot(1.0, 1.0))) == {"others_cores"}


def test_what_starts_a_program_and_has_ended_is_our_own_work(tmp_path):
    before_s = own_cpu_s()
    run = run_program(["true"], tmp_path)
    assert own_cpu_s() - before_s > 2 * run.cpu_s


def test_the_counters_are_read_from_the_kernels_files(tmp_path, monkeypatch):
    stat, pressure, load = tmp_path / "stat", tmp_path / "cpu", tmp_path / "loadavg"
    monkeypatch.setattr(module, "STAT", stat)
    monkeypatch.setattr(module, "PRESSURE", pressure)
    monkeypatch.setattr(module, "LOAD", load)
    monkeypatch.setattr(module.os, "sysconf", lambda _: 100)
    found = Snapshot.now()
    assert (found.busy_s, found.stolen_s, found.pressed_s, found.queue) == (None,) * 4
    stat.write_text("cpu  100 20 30 9999 8888 4 6 70 0 0\ncpu0 1 1 1 1\n")
    pressure.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n")
    load.write_text("2.03 2.88 2.90 4/224 31662\n")
    found = Snapshot.now()
    assert (found.busy_s, found.stolen_s, found.pressed_s, found.queue) == (1.6, 0.7, 2.5, 3)
    stat.write_text("garbage\n")
    load.write_text("garbage\n")
    assert (Snapshot.now().busy_s, Snapshot.now().queue) == (None, None)
