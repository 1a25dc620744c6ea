"""What may limit a program: one function each, from evidence to a bottleneck or None.

A rule reasons from what the kernel shows when such a thing limits a program, never from which
program it is. To add one: write the function, and add it to a list below.
"""

from __future__ import annotations

from collections.abc import Callable

from tunewright.core.diagnosis import Bottleneck, Confidence, Fact
from tunewright.diagnosing.evidence import HANDED, Evidence, active, shares

Rule = Callable[[Evidence], Bottleneck | None]
LEAST = 0.2  # of the time: what takes less limits no program
SWITCH_S = 20e-6  # waking another thread, switching, and caches gone cold: 5 to 30 µs
TINY_S = 300e-6  # a piece of work that takes less is hardly more than ten times its switch
LIMITED = 0.3  # of the time, said of what a limit costs where nothing shows how much it is
FULL = 0.75  # of the cores, where a program that nothing else limits is healthy
NEAR = 0.85  # of a limit: allocators and runtimes need the rest


def memory_pressure(e: Evidence) -> Bottleneck | None:
    """Pages that were thrown away are read again, or a limit keeps the program small."""
    pressed = e.machine("memory")
    share = max(
        e.kinds.get("fault", 0.0), min((pressed or 0.0) / e.wall_s, 1.0),
        e.lead_waits.get("fault", 0.0),
    )  # fmt: skip
    facts = [Fact("waits for pages", e.kinds.get("fault", 0.0), "%")]
    facts += [] if pressed is None else [Fact("memory pressure", pressed / e.wall_s, "%")]
    facts.append(Fact("major faults", e.total(lambda look: look.major_faults) / e.wall_s, "1/s"))
    confidence: Confidence = "high" if share >= LEAST else "moderate"
    for limit in e.recording.limits:
        used = limit.peak_bytes / limit.limit_bytes
        resident = max(look.rss_bytes for look in e.looks) / limit.limit_bytes
        pinned = limit.hits > 0 and (share >= 0.05 or resident > 0.7)
        if pinned or (limit.what != "cgroup" and used >= NEAR):
            lost = e.system_share * e.kinds.get("cpu", 0.0)
            # What a limit costs cannot be seen: work done again looks like any other work.
            share = max(share, lost + shares(e.kinds, ("read", "write", "sync")), LIMITED)
            facts.append(Fact(f"{limit.what} limit used", used, "%"))
            facts.append(Fact("allocations refused", limit.hits, ""))
    if share < LEAST / 2:
        return None
    return Bottleneck(
        "memory_pressure", share, confidence, tuple(facts), _gain(share),
        ("memory limit", "batch size", "chunk size", "precision", "workers"),
    )  # fmt: skip


def sync(e: Evidence) -> Bottleneck | None:
    """The program waits until what it wrote is safe on the disk."""
    share = max(e.kinds.get("sync", 0.0), e.lead_waits.get("sync", 0.0))
    facts = [
        Fact("waits for fsync", share, "%"),
        Fact("written", e.io("write_bytes") / e.wall_s, "B/s"),
    ]
    if sync_s := e.recording.ceilings.sync_s:
        facts.append(Fact("one sync here takes", sync_s, "s"))
    knobs = ("commit batch", "sync mode", "write-ahead log", "storage")
    return _when(share, Bottleneck("io_sync", share, "high", tuple(facts), _gain(share), knobs))


def reading(e: Evidence) -> Bottleneck | None:
    """The program waits for the disk, or for the kernel to copy a file that is in memory."""
    blocked = max(e.kinds.get("read", 0.0), e.lead_waits.get("read", 0.0))
    copied = _copied(e, "rchar")
    rate = e.io("read_bytes") / e.wall_s
    facts = [
        Fact("waits for reads", blocked, "%"), Fact("from the disk", rate, "B/s"),
        Fact("by read calls", e.io("rchar") / e.wall_s, "B/s"),
    ]  # fmt: skip
    if ceiling := e.recording.ceilings.disk_read_bytes_s:
        facts.append(Fact("the disk gives", ceiling, "B/s"))
    share = min(blocked + copied, 1.0)
    knobs = ("file format", "compression", "cache", "read-ahead", "block size", "reader threads")
    trust: Confidence = "high" if blocked >= LEAST else "moderate"
    return _when(share, Bottleneck("io_read", share, trust, tuple(facts), _gain(share), knobs))


def writing(e: Evidence) -> Bottleneck | None:
    """The program waits until the kernel takes what it writes."""
    share = max(e.kinds.get("write", 0.0), e.lead_waits.get("write", 0.0)) + _copied(e, "wchar")
    facts = (
        Fact("waits for writes", e.kinds.get("write", 0.0), "%"),
        Fact("to the disk", e.io("write_bytes") / e.wall_s, "B/s"),
        Fact("by write calls", e.io("wchar") / e.wall_s, "B/s"),
    )
    knobs = ("file format", "compression", "buffer size", "block size", "storage")
    return _when(share, Bottleneck("io_write", share, "moderate", facts, _gain(share), knobs))


def _copied(e: Evidence, counter: str) -> float:
    """The share of the time in which the kernel copies a file, where that is most of its work."""
    copy = e.recording.ceilings.copy_bytes_s
    piped = shares(e.lead_waits, ("pipe", "network"))
    if not copy or e.system_s <= 0 or piped > 0.2:
        return 0.0
    # A call costs a microsecond beside what it copies; a copy reads and writes.
    calls = e.io("syscr" if counter == "rchar" else "syscw")
    cost_s = 2 * e.io(counter) / copy + 1e-6 * calls
    if cost_s < 0.4 * e.system_s:
        return 0.0
    return e.system_share * e.kinds.get("cpu", 0.0)


def network(e: Evidence) -> Bottleneck | None:
    """The program waits for an answer; where both ends are its own, for the way to and fro."""
    share = e.kinds.get("network", 0.0)
    turns = e.lead_waits.get("network", 0.0)
    if e.system_share > 0.3 and e.parallel < 0.3:  # both ends in turn, mostly in the kernel
        share = max(share, turns)
    facts = (
        Fact("waits for the network", share, "%"), Fact("busy", e.busy, "cores"),
        Fact("switches", e.slices, "1/s"),
    )  # fmt: skip
    knobs = ("requests in flight", "connections", "batch size", "compression", "cache", "timeout")
    return _when(share, Bottleneck("network", share, "high", facts, _gain(share), knobs))


def child(e: Evidence) -> Bottleneck | None:
    """The program waits until a command that it started is done."""
    names = sorted({
        each.name for each in e.recording.programs
        if each.pid != e.recording.root and each.parent
    })  # fmt: skip
    facts = (
        Fact("waits for a command", e.child, "%"), Fact("processes", len(e.recording.programs)),
        Fact("programs", len(names)),
    )  # fmt: skip
    knobs = ("workers", "commands in flight", "a library in place of the command")
    return _when(e.child, Bottleneck("child", e.child, "high", facts, _gain(e.child), knobs))


def timer(e: Evidence) -> Bottleneck | None:
    """The program sleeps: it waits for a time to come, or looks again and again."""
    share = e.kinds.get("timer", 0.0)
    facts = (Fact("sleeps", share, "%"), Fact("busy", e.busy, "cores"))
    knobs = ("polling interval", "retries", "rate limit")
    return _when(share, Bottleneck("sleeping", share, "high", facts, _gain(share), knobs))


def lock(e: Evidence) -> Bottleneck | None:
    """Threads that could work wait for each other's turn."""
    share, members = e.lock
    if _tiny(e) and e.lead_ran > 0.1:
        return None
    facts = (
        Fact("waits at a shared lock", share, "%"), Fact("threads that take turns", members),
        Fact("busy", e.busy, "cores"),
    )  # fmt: skip
    gain = 1 / (1 - share * (1 - 1 / max(min(members, e.cores), 1)))
    knobs = ("lock granularity", "shards", "threads", "batch size")
    return _when(share, Bottleneck("lock", share, "high", facts, gain, knobs))


def gil(e: Evidence) -> Bottleneck | None:
    """Threads of Python wait for the one that holds the interpreter's lock."""
    share = e.gil
    if e.parallel > 0.5 or _tiny(e):
        return None
    facts = (
        Fact("a thread waits for Python's lock", share, "%"), Fact("busy", e.busy, "cores"),
        Fact("threads that compute", sum(part > 0.05 for part in e.runs.values())),
    )  # fmt: skip
    gain = 1 / (1 - share * (1 - 1 / max(e.cores, 1)))
    knobs = ("processes in place of threads", "workers", "vectorisation", "free-threaded Python")
    return _when(share, Bottleneck("gil", share, "high", facts, gain, knobs))


def starved_loader(e: Evidence) -> Bottleneck | None:
    """What computes waits for what prepares its data, which cannot keep up."""
    share, busy = e.starved
    if e.child >= LEAST or e.gil >= share or e.lock[0] >= share or _tiny(e):
        return None
    facts = (
        Fact("waits to be handed something", share, "%"), Fact("computes itself", e.lead_ran, "%"),
        Fact("busy meanwhile", busy, "cores"),
    )  # fmt: skip
    knobs = ("loader workers", "prefetch", "batch size", "file format", "cache")
    trust: Confidence = "high" if share > 0.4 else "moderate"
    return _when(share, Bottleneck("loader_starved", share, trust, facts, _gain(share), knobs))


def oversubscribed(e: Evidence) -> Bottleneck | None:
    """More threads are ready than there are cores for."""
    share = e.share(lambda look: len(active(look)) > 1.2 * e.cores)
    ready = e.total(lambda look: len(active(look)) * look.span_s) / e.wall_s
    if e.queued < 0.25 or ready < 1.1 * e.cores:
        return None
    facts = (
        Fact("threads ready to run", ready), Fact("cores", e.cores),
        Fact("ready without a core", e.queued, "%"), Fact("switches", e.slices, "1/s"),
    )  # fmt: skip
    knobs = ("threads", "workers", "OMP_NUM_THREADS", "affinity")
    trust: Confidence = "high" if e.queued > 0.4 else "moderate"
    return _when(share, Bottleneck("oversubscribed", share, trust, facts, None, knobs))


def _tiny(e: Evidence) -> bool:
    """Whether threads hand over so little at a time that the handing over is the work."""
    handed = others = 0.0
    for look in e.looks:
        for task in look.tasks:
            if task.wait is not None and e.runs.get(task.tid, 0.0) > MEMBER_RUN:
                alike = task.wait.kind in (*HANDED, "gil")
                handed, others = handed + alike, others + (not alike)
    return e.slices > 2000 and e.slice_s < TINY_S and handed > 1.5 * others


MEMBER_RUN = 0.03  # of the processor time: a thread that uses less is no party to the work


def tiny_tasks(e: Evidence) -> Bottleneck | None:
    """The pieces of work are so small that handing them over costs as much as they do."""
    if not _tiny(e):
        return None
    lost = e.system_share * e.kinds.get("cpu", 0.0)
    share = min(max(e.slices * SWITCH_S, lost), 0.95)
    facts = (
        Fact("switches", e.slices, "1/s"), Fact("runs at a time", e.slice_s, "s"),
        Fact("in the kernel", e.system_share, "%"),
    )  # fmt: skip
    knobs = ("chunk size", "batch size", "tasks a message", "workers")
    trust: Confidence = "high" if share > 0.3 else "moderate"
    return _when(share, Bottleneck("tiny_tasks", share, trust, facts, _gain(share), knobs), 0.08)


def start_up(e: Evidence) -> Bottleneck | None:
    """Most of the run is over before the program has loaded its own code."""
    facts = (
        Fact("until its code was loaded", e.loading, "%"),
        Fact("that is", e.loading * e.recording.wall_s, "s"),
    )
    knobs = ("imports", "a process that stays", "items a run", "ahead-of-time compilation")
    trust: Confidence = "high" if e.loading > 0.6 else "moderate"
    found = Bottleneck("start_up", e.loading, trust, facts, _gain(e.loading), knobs)
    return _when(e.loading, found, 0.4)


def allocation_churn(e: Evidence) -> Bottleneck | None:
    """Memory is taken from the kernel and given back all the time: new pages are zeroed."""
    cost_s = e.faulted_s
    if cost_s is None or e.system_s <= 0 or cost_s < 0.3 * e.system_s:
        return None
    share = e.system_share * e.kinds.get("cpu", 0.0)
    facts = (
        Fact("new pages", e.total(lambda look: look.minor_faults) / e.wall_s, "1/s"),
        Fact("new huge pages", (e.machine("huge") or 0.0) / e.wall_s, "1/s"),
        Fact("in the kernel", e.system_share, "%"), Fact("that many pages cost", cost_s, "s"),
        Fact("memory held", max(look.rss_bytes for look in e.looks), "B"),
    )  # fmt: skip
    knobs = ("buffer reuse", "allocator", "MALLOC_TRIM_THRESHOLD_", "huge pages", "batch size")
    trust: Confidence = "high" if share > 0.3 else "moderate"
    return _when(share, Bottleneck("allocation_churn", share, trust, facts, _gain(share), knobs))


def memory_bandwidth(e: Evidence) -> Bottleneck | None:
    """The program goes through more memory than caches hold about as fast as memory gives it."""
    full, rate, windows = e.streaming
    ceiling = e.recording.ceilings.read_bytes_s
    if windows < 3 or not ceiling:
        return None
    share = full * e.kinds.get("cpu", 0.0)
    facts = (
        Fact("memory touched by a core", rate, "B/s"), Fact("one core reads here", ceiling, "B/s"),
        Fact("moments watched", windows),
        Fact("memory held", max(look.rss_bytes for look in e.looks), "B"),
    )  # fmt: skip
    knobs = ("precision", "blocking", "fused operations", "data layout", "threads")
    found = Bottleneck("memory_bandwidth", share, "moderate", facts, None, knobs)
    return _when(share, found, 0.3)


def throttled(e: Evidence) -> Bottleneck | None:
    """A quota or the hypervisor takes the cores away."""
    quota, stolen = e.machine("throttled") or 0.0, e.machine("stolen") or 0.0
    share = min(max(quota / e.wall_s, stolen / e.wall_s / max(e.cores, 1)), 1.0)
    facts = (Fact("throttled by a quota", quota / e.wall_s, "%"),
             Fact("taken by the hypervisor", stolen / e.wall_s / max(e.cores, 1), "%"))  # fmt: skip
    knobs = ("cpu limit", "threads", "workers")
    return _when(share, Bottleneck("throttled", share, "high", facts, _gain(share), knobs))


def gpu_starved(e: Evidence) -> Bottleneck | None:
    """The graphics processor has work now and then, and waits in between."""
    shown = [look.gpu for look in e.looks if look.gpu is not None]
    if not shown or max(shown) < 0.1:
        return None
    idle = 1 - sum(shown) / len(shown)
    facts = (Fact("the GPU computes", 1 - idle, "%"), Fact("busy", e.busy, "cores"))
    knobs = ("batch size", "loader workers", "prefetch", "pinned memory", "mixed precision")
    return _when(idle, Bottleneck("gpu_starved", idle, "moderate", facts, _gain(idle), knobs), 0.4)


SPECIFIC: tuple[Rule, ...] = (
    memory_pressure, sync, reading, writing, network, child, timer, lock, gil, starved_loader,
    oversubscribed, tiny_tasks, start_up, allocation_churn, memory_bandwidth, throttled,
    gpu_starved,
)  # fmt: skip


def under_parallel(e: Evidence, explained: float) -> Bottleneck | None:
    """The program can use several cores, and for much of its time uses one."""
    several = e.parallel > 0.08 or e.busy > 1.08  # few looks may miss what the clocks have counted
    share = e.single - explained
    if not several or e.cores < 2:
        return None
    facts = (
        Fact("one thread ready", e.single, "%"), Fact("several ready", e.parallel, "%"),
        Fact("busy", e.busy, "cores"), Fact("cores", e.cores),
    )  # fmt: skip
    gain = 1 / (1 - e.single * (1 - 1 / e.cores))
    knobs = ("the serial part", "threads", "workers", "chunk size", "overlap")
    trust: Confidence = "high" if share > 0.4 else "moderate"
    return _when(share, Bottleneck("under_parallel", share, trust, facts, gain, knobs))


def compute(e: Evidence, explained: float) -> Bottleneck | None:
    """The program computes on one core, and nothing in it asks for another."""
    share = e.kinds.get("cpu", 0.0) - explained
    if e.busy > FULL * e.cores:
        return None
    facts = (
        Fact("computes", e.kinds.get("cpu", 0.0), "%"), Fact("busy", e.busy, "cores"),
        Fact("cores", e.cores), Fact("in the kernel", e.system_share, "%"),
    )  # fmt: skip
    gain = None if e.cores < 2 else 1 / (1 - share * (1 - 1 / e.cores))
    knobs = ("algorithm", "threads", "workers", "vectorisation", "precision", "compilation")
    return _when(share, Bottleneck("compute", share, "moderate", facts, gain, knobs), 0.4)


# What is left when the rules above have had their say.
GENERAL: tuple[Callable[[Evidence, float], Bottleneck | None], ...] = (under_parallel, compute)


def _when(share: float, found: Bottleneck, least: float = LEAST) -> Bottleneck | None:
    return found if share >= least else None


def _gain(share: float) -> float | None:
    """How many times as fast without it (Amdahl); beyond ten times something else limits it."""
    return 1 / (1 - share) if share < 0.9 else 10.0
