"""Machine: what this one offers and how quiet it is. What cannot be seen is None, never a guess."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import psutil

from tunewright.core.config import digest_of

RUNTIMES = ("numpy", "scikit-learn", "lightgbm", "onnx", "onnxruntime", "onnxmltools", "skl2onnx")
PRESSURES = ("cpu", "memory", "io")
NOISY_PRESSURE = 10.0  # per cent of the last ten seconds in which somebody had to wait
NOISY_LOAD = 0.2  # runnable processes per usable core, before we start any
UNLIMITED_MIB = 2.0**40  # cgroup v1 says "no limit" as a huge number


@final
@dataclass(frozen=True)
class Machine:
    """One machine at one moment.

    cores_usable: after affinity and cgroup limits, so possibly a fraction.
    instruction_set: a digest of the CPU's flags. pressure: stalled time in per cent (PSI), by
    resource. load: runnable processes over the last minute.
    """

    cores: int
    cores_usable: float
    memory_total_mib: float
    memory_available_mib: float
    memory_limit_mib: float | None
    cpu: str | None
    instruction_set: str | None
    hypervisor: str | None
    gpu: str | None
    turbo: bool | None
    load: float | None
    pressure: Mapping[str, float] | None
    python: str
    system: str
    versions: Mapping[str, str | None]


def usable_cores() -> int:
    """The cores that this process may use, whatever quota there is beside."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def probe(root: Path = Path("/")) -> Machine:
    """This machine, now. `root` is where proc and sys are looked for."""
    info = _text(root / "proc/cpuinfo") or ""
    model, flags = (
        _match(r"model name\s*:\s*(.+)", info),
        _match(r"(?:flags|Features)\s*:(.+)", info),
    )
    named = _text(root / "sys/hypervisor/type") or _text(root / "sys/class/dmi/id/product_name")
    virtual = "hypervisor" in (flags or "").split() or (root / "sys/hypervisor/type").exists()
    turbo = {"0": False, "1": True}.get(_text(root / "sys/devices/system/cpu/cpufreq/boost") or "")
    no_turbo = _text(root / "sys/devices/system/cpu/intel_pstate/no_turbo")
    gpus = [_text(p) or "" for p in sorted(root.glob("proc/driver/nvidia/gpus/*/information"))]
    pressure = {what: _pressure(root / "proc/pressure" / what) for what in PRESSURES}
    limits = [m for g in _cgroups(root, "memory") if (m := _memory_mib(g))]
    memory, mib = psutil.virtual_memory(), 2.0**20
    return Machine(
        cores=os.cpu_count() or 1,
        cores_usable=min([usable_cores(), *(q for g in _cgroups(root, "cpu") if (q := _quota(g)))]),
        memory_total_mib=memory.total / mib,
        memory_available_mib=memory.available / mib,
        memory_limit_mib=min(limits) if limits and min(limits) < UNLIMITED_MIB else None,
        cpu=model,
        instruction_set=digest_of(sorted(flags.split())) if flags else None,
        hypervisor=(named or "unnamed") if virtual else None,
        gpu=", ".join(_match(r"Model:\s*(.+)", text) or "unnamed" for text in gpus) or None,
        turbo=no_turbo == "0" if no_turbo else turbo,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        pressure={k: v for k, v in pressure.items() if v is not None} or None,
        python=platform.python_version(),
        system=platform.platform(),
        versions={name: _version(name) for name in RUNTIMES},
    )


def lasting(machine: Machine) -> dict[str, str]:
    """What lasts of it, by name: where all of it is equal, the same work takes about as long."""
    named = {
        "cpu": machine.cpu,
        "instruction set": machine.instruction_set,
        "cores": f"{machine.cores_usable:g} usable of {machine.cores}",
        "python": machine.python,
        "system": machine.system,
        **machine.versions,
    }
    return {name: value or "unknown" for name, value in named.items()}


def describe(machine: Machine) -> tuple[tuple[str, str], ...]:
    """Everything about the machine as (name, text); what is not known reads "unavailable"."""
    pressure = machine.pressure and ", ".join(f"{k} {v:g} %" for k, v in machine.pressure.items())
    free, limit = machine.memory_available_mib, machine.memory_limit_mib
    shown = {
        "cpu": machine.cpu,
        "cores": f"{machine.cores_usable:g} usable of {machine.cores}",
        "memory": f"{free:,.0f} MiB free of {machine.memory_total_mib:,.0f}",
        "memory limit": f"{limit:,.0f} MiB" if limit else "none",
        "gpu": machine.gpu,
        "hypervisor": machine.hypervisor,
        "turbo": None if machine.turbo is None else ("on" if machine.turbo else "off"),
        "load": None if machine.load is None else f"{machine.load:.2f}",
        "pressure": pressure,
        "python": machine.python,
        "system": machine.system,
        **machine.versions,
    }
    return tuple((name, text or "unavailable") for name, text in shown.items())


def why_noisy(machine: Machine, threads: int = 1) -> tuple[str, ...]:
    """What may disturb timings here, and what to do about it; () where nothing is seen."""
    reasons = []
    if machine.load is not None and machine.load > NOISY_LOAD * machine.cores_usable:
        reasons.append(f"other work is running (load {machine.load:.2f}); wait for it or stop it")
    for what, share in (machine.pressure or {}).items():
        if share > NOISY_PRESSURE:
            reasons.append(f"processes wait for {what} {share:g} % of the time; free some {what}")
    if machine.cores_usable < threads:
        reasons.append(f"{threads} threads share {machine.cores_usable:g} cores; use fewer threads")
    if machine.cores_usable < 2:
        reasons.append("the driver shares one core with what it measures; allow a second one")
    if machine.hypervisor:
        reasons.append(
            f"a virtual machine ({machine.hypervisor}) shares its host; expect more pairs"
        )
    if machine.turbo is None:
        reasons.append("turbo and frequency are not visible; speed may drift with temperature")
    elif machine.turbo:
        reasons.append(
            "turbo is on, so speed depends on temperature; switch it off to compare days"
        )
    if machine.pressure is None:
        reasons.append("pressure (PSI) is not visible; disturbance by others goes unnoticed")
    return tuple(reasons)


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """The directories whose limits hold for us, ours first; v2 (one tree) and v1 (one each)."""
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / (controller if controllers else "")
        ours = mount / path.lstrip("/")
        yield from [d for d in (ours, *ours.parents) if d == mount or mount in d.parents]


def _quota(group: Path) -> float | None:
    quota, _, period = (_text(group / "cpu.max") or "").partition(" ")
    quota = quota or _text(group / "cpu.cfs_quota_us") or "max"
    period = period or _text(group / "cpu.cfs_period_us") or "100000"
    return None if quota in ("max", "-1") else float(quota) / float(period)


def _memory_mib(group: Path) -> float | None:
    limit = _text(group / "memory.max") or _text(group / "memory.limit_in_bytes") or "max"
    return None if limit == "max" else float(limit) / 2**20


def _pressure(path: Path) -> float | None:
    share = _match(r"some avg10=([\d.]+)", _text(path) or "")
    return float(share) if share else None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None


def _match(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match[1].strip() if match else None
