from dataclasses import replace

import pytest

from tunewright.machine import describe, lasting, probe, why_noisy


def made(root, **files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_an_empty_machine_says_unavailable_and_never_guesses(tmp_path):
    machine = probe(tmp_path)
    assert (machine.cpu, machine.gpu, machine.turbo, machine.pressure) == (None, None, None, None)
    assert machine.memory_limit_mib is None
    shown = dict(describe(machine))
    assert {shown[name] for name in ("cpu", "gpu", "turbo", "pressure", "hypervisor")} == {
        "unavailable"
    }
    assert all(isinstance(text, str) and text for text in shown.values())


def test_this_machine_can_be_probed():
    machine = probe()
    assert 0 < machine.cores_usable <= machine.cores
    assert 0 < machine.memory_available_mib <= machine.memory_total_mib
    assert machine.versions["numpy"]


@pytest.mark.parametrize(
    "files",
    [
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/cpu.max": "50000 100000",
            "sys/fs/cgroup/a/b/cpu.max": "max 100000",
            "sys/fs/cgroup/a/b/memory.max": "max",
            "sys/fs/cgroup/memory.max": str(512 * 2**20),
        },
        {
            "proc/self/cgroup": "7:memory:/x\n3:cpu,cpuacct:/x\n1:name=systemd:/\n",
            "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "50000",
            "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": str(512 * 2**20),
            "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712",
        },
    ],
)
def test_the_tightest_cgroup_limit_holds(tmp_path, files):
    machine = probe(made(tmp_path, **files))
    assert machine.cores_usable == 0.5
    assert machine.memory_limit_mib == 512


def test_what_is_visible_is_told(tmp_path):
    files = {
        "proc/cpuinfo": "model name\t: Fast 9000\nflags\t\t: avx2 fma hypervisor\n",
        "sys/class/dmi/id/product_name": "KVM",
        "sys/devices/system/cpu/intel_pstate/no_turbo": "0",
        "proc/pressure/cpu": "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\n",
        "proc/driver/nvidia/gpus/0/information": "Model: \t\t Big GPU\nIRQ: 1\n",
    }
    machine = replace(probe(made(tmp_path, **files)), load=3.0, cores_usable=1.0)
    assert (machine.cpu, machine.hypervisor, machine.turbo) == ("Fast 9000", "KVM", True)
    assert (machine.pressure, machine.gpu) == ({"cpu": 12.5}, "Big GPU")
    noisy = " | ".join(why_noisy(machine, threads=2))
    for word in (
        "load 3.00",
        "wait for cpu 12.5 %",
        "2 threads share 1 cores",
        "KVM",
        "turbo is on",
    ):
        assert word in noisy
    flags = {"proc/cpuinfo": "model name\t: Fast 9000\nflags\t\t: fma avx2 hypervisor\n"}
    assert probe(made(tmp_path, **flags)).instruction_set == machine.instruction_set


def test_a_quiet_machine_has_no_findings():
    quiet = replace(
        probe(), load=0.0, pressure={"cpu": 0.0}, cores_usable=8.0, hypervisor=None, turbo=False
    )
    assert why_noisy(quiet, threads=8) == ()


def test_what_lasts_is_told_by_name_and_what_passes_is_not():
    machine = probe()
    told = lasting(machine)
    assert {"cpu", "cores", "python", "system"} <= set(told)
    assert all(isinstance(value, str) and value for value in told.values())
    busier = replace(machine, load=99.0, memory_available_mib=1.0, pressure={"cpu": 50.0})
    assert lasting(busier) == told
    other = lasting(replace(machine, cpu=None, cores=machine.cores + 1))
    assert {name for name in told if told[name] != other[name]} <= {"cpu", "cores"}
    assert other["cpu"] == "unknown"
