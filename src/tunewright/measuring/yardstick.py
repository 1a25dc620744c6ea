"""A fixed piece of work that measures how fast the machine is now: `python -m …yardstick`.

It touches what most programs do: interpreted arithmetic, small objects, and memory.
"""

from __future__ import annotations

VERSION = 1  # times of different versions cannot be compared
_ROUNDS, _BYTES = 12, 2**20


def main() -> int:
    """About a tenth of a second of work; the same work on every machine."""
    total = 0
    for turn in range(_ROUNDS):
        table = {i: (i * i) ^ turn for i in range(20_000)}
        total += sum(value & 7 for value in table.values())
        block = bytearray(_BYTES)
        for i in range(0, _BYTES, 4096):
            block[i] = (i + turn) & 255
        total += sum(bytes(block)[::64])
    return total


if __name__ == "__main__":
    main()
