"""Packs a made-up log: python pack.py METHOD LEVEL OUT"""

import bz2
import lzma
import random
import sys
import zlib

method, level, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
chance = random.Random(7)
words = ["GET", "POST", "/index", "/cart", "/pay", "200", "404", "500", "ok", "slow", "retry"]
log = "\n".join(f"{i * 37} {' '.join(chance.choices(words, k=6))}" for i in range(60_000)).encode()
if method == "zlib":
    packed = zlib.compress(log, level)
elif method == "bz2":
    packed = bz2.compress(log, level)
else:
    packed = lzma.compress(log, preset=level)
with open(out, "wb") as file:
    file.write(packed)
