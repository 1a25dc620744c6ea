"""Options of the Java virtual machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from tunewright.core.knobs import Choice, Knob
from tunewright.knobs.offers import Family, Offer

COLLECTORS = {"serial": "SerialGC", "parallel": "ParallelGC", "g1": "G1GC", "z": "ZGC"}
VARIABLE = "JAVA_TOOL_OPTIONS"


def offers(stage: str, cores: int) -> Iterator[Offer]:
    """The collector, the heap, the compiler and the threads."""
    if shutil.which("java") is None:
        return
    names = ("default", *COLLECTORS)
    yield Offer(
        Knob("collector", Choice(names), "default", "resource", stage),
        "the garbage collector: serial for small heaps, parallel for throughput, g1 and z for "
        "short pauses",
        ((VARIABLE, "-XX:+Use{}"),),
        spelled={"default": "", **COLLECTORS},
    )
    yield Offer(
        Knob("heap", Choice(("default", "10", "25", "50", "75")), "default", "resource", stage),
        "the heap, as a percentage of memory, all of it from the start",
        ((VARIABLE, "-XX:MaxRAMPercentage={} -XX:InitialRAMPercentage={}"),),
        spelled={"default": ""},
    )
    yield Offer(
        Knob("compiler", Choice(("default", "quick", "off")), "default", "resource", stage),
        "quick: the first compiler alone, for short programs; off: only interpreted",
        ((VARIABLE, "{}"),),
        spelled={"default": "", "quick": "-XX:TieredStopAtLevel=1", "off": "-Xint"},
    )
    fewer = [str(2**k) for k in range(10) if 2**k < cores]
    yield Offer(
        Knob("processors", Choice(("default", *fewer)), "default", "resource", stage),
        "how many processors it believes in: its collector's and compiler's threads follow",
        ((VARIABLE, "-XX:ActiveProcessorCount={}"),),
        spelled={"default": ""},
    )


FAMILY = Family(
    "jvm", "the Java virtual machine's collector, heap and compiler", offers, "there is no java"
)
