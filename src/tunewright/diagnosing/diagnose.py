"""From a recording to a diagnosis."""

from __future__ import annotations

from dataclasses import replace

from tunewright.core.diagnosis import HEALTHY, UNKNOWN, Bottleneck, Diagnosis, Fact
from tunewright.core.recording import Recording
from tunewright.diagnosing.evidence import Evidence
from tunewright.diagnosing.rules import FULL, GENERAL, SPECIFIC

FEWEST = 5  # looks: of a shorter run nothing can be told
THIN = 20  # looks: below that a share is off by a fifth
CONTENDED = 0.25  # of the time in which its threads could run, they had no core
# What shows beside these is a consequence of them.
_COVERS = {
    "memory_pressure": ("io_read", "io_write", "allocation_churn"),
    "tiny_tasks": ("gil", "lock", "loader_starved", "oversubscribed"),
    "gil": ("loader_starved",),
    "allocation_churn": ("memory_bandwidth",),  # zeroing new pages goes through memory, too
    "child": ("start_up", "loader_starved"),
}  # fmt: skip


def diagnose(recording: Recording) -> Diagnosis:
    """What limits the program of a recording; "unknown" where it cannot tell."""
    evidence = Evidence(recording)
    facts = _facts(evidence) if evidence.wall_s else ()
    missing = tuple(sorted(recording.missing.items()))
    if len(evidence.looks) < FEWEST or not evidence.wall_s:
        return Diagnosis(UNKNOWN, (), facts, missing, "too short")
    found = [each for rule in SPECIFIC if (each := rule(evidence)) is not None]
    kinds = {each.kind for each in found}
    covered = {kind for each in kinds for kind in _COVERS.get(each, ())}
    found = [each for each in found if each.kind not in covered]
    found.sort(key=lambda each: -each.share)
    if not found and evidence.queued >= CONTENDED:
        # It asked for cores that others had: what it does with all of them was not seen.
        return Diagnosis(UNKNOWN, (), facts, missing, "contended")
    explained = max((each.share for each in found), default=0.0)
    for general in GENERAL:
        each = general(evidence, explained)
        if each is not None:
            found.append(each)
            break
    # What is left comes last: a cause says more than that the program computes.
    found = [_doubted(each, len(evidence.looks)) for each in found]
    if found:
        return Diagnosis(found[0].kind, tuple(found), facts, missing)
    if evidence.busy >= FULL * evidence.cores:
        return Diagnosis(HEALTHY, (), facts, missing)
    return Diagnosis(UNKNOWN, (), facts, missing, "nothing stands out")


def _doubted(each: Bottleneck, looks: int) -> Bottleneck:
    if looks >= THIN:
        return each
    return replace(each, confidence="low" if each.confidence == "moderate" else "moderate")


def _facts(e: Evidence) -> tuple[Fact, ...]:
    pressure = [
        Fact(f"pressure: {name}", value / e.wall_s, "%")
        for name in ("cpu", "memory", "io")
        if (value := e.machine(name)) is not None
    ]
    return (
        Fact("wall", e.recording.wall_s, "s"), Fact("user", e.user_s, "s"),
        Fact("system", e.system_s, "s"), Fact("busy", e.busy, "cores"), Fact("cores", e.cores),
        Fact("ready without a core", e.queued, "%"), Fact("switches", e.slices, "1/s"),
        Fact("memory held", max((look.rss_bytes for look in e.looks), default=0), "B"),
        Fact("minor faults", e.total(lambda look: look.minor_faults) / e.wall_s, "1/s"),
        Fact("major faults", e.total(lambda look: look.major_faults) / e.wall_s, "1/s"),
        Fact("read from the disk", e.io("read_bytes") / e.wall_s, "B/s"),
        Fact("written to the disk", e.io("write_bytes") / e.wall_s, "B/s"), *pressure,
        Fact("looks", len(e.looks)), Fact("looking took", e.recording.cost_s, "s"),
    )  # fmt: skip
