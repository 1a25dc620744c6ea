"""What `tunewright profile` says of fifteen planted programs in three sizes each.

python benchmarks/diagnosis.py [NAME ...]: all of them, or some, without writing the results. A
program is a few lines of Python; `N` is its size. What else limits it would be a wrong answer.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from results import machine, write_section

from tunewright.profiling import Profile, profile

SIZES = (1, 2, 4)
PROGRAMS: dict[str, tuple[tuple[str, ...], str]] = {
    "GIL loop": (("gil",), """
import threading
def work():
    x = 0
    for i in range(5_000_000 * N): x += i * i
threads = [threading.Thread(target=work) for _ in range(2)]
[t.start() for t in threads]; [t.join() for t in threads]
"""),
    "BLAS oversubscription": (("oversubscribed",), """
import os
os.environ["OPENBLAS_NUM_THREADS"] = "4"
from multiprocessing import Process
import numpy as np
def work():
    a = np.random.rand(700, 700)
    for _ in range(16 * N): a @ a
if __name__ == "__main__":
    ps = [Process(target=work) for _ in range(3)]
    [p.start() for p in ps]; [p.join() for p in ps]
"""),
    "bandwidth": (("memory_bandwidth",), """
import threading, numpy as np
def work():
    a, b = np.ones(20_000_000), np.ones(20_000_000)
    for _ in range(30 * N): np.add(a, b, out=a)
ts = [threading.Thread(target=work) for _ in range(2)]
[t.start() for t in ts]; [t.join() for t in ts]
"""),
    "allocation churn": (("allocation_churn",), """
import numpy as np
a = np.ones(5_000_000)
for _ in range(12 * N):
    b = a * 2 + a / 3 - 1
"""),
    "disk read": (("io_read",), """
import os, tempfile
with tempfile.NamedTemporaryFile(dir=".") as f:
    f.write(os.urandom(1 << 20) * 64); f.flush(); os.fsync(f.fileno())
    for _ in range(12 * N):
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        os.lseek(f.fileno(), 0, 0)
        while os.read(f.fileno(), 1 << 18): pass
"""),
    "fsync": (("io_sync",), """
import os, tempfile
with tempfile.NamedTemporaryFile(dir=".") as f:
    for i in range(3000 * N):
        f.write(b"%d\\n" % i); f.flush(); os.fsync(f.fileno())
"""),
    "lock": (("lock",), """
import threading, hashlib
lock, data = threading.Lock(), b"x" * (1 << 22)
def work():
    for _ in range(45 * N):
        with lock: hashlib.sha256(data).digest()
ts = [threading.Thread(target=work) for _ in range(3)]
[t.start() for t in ts]; [t.join() for t in ts]
"""),
    "starved loader": (("loader_starved",), """
import threading, queue, time, numpy as np
q = queue.Queue(4)
def load():
    for _ in range(50 * N):
        time.sleep(0.02); q.put(np.random.rand(300, 300))
    q.put(None)
threading.Thread(target=load).start()
while (a := q.get()) is not None:
    for _ in range(4): a @ a
"""),
    "start-up": (("start_up",), """
import scipy.stats, sklearn.ensemble, sklearn.linear_model, pyarrow, matplotlib.pyplot
x = sum(i for i in range(100_000 * N))
"""),
    "memory pressure": (("memory_pressure",), """
import resource
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
cache, misses = {}, 0
for i in range(600 * N):
    key = i * 7 % 97
    while key not in cache:
        try: cache[key] = bytearray(b"x" * (8 << 20))
        except MemoryError:
            misses += 1
            for old in list(cache)[:4]: del cache[old]
"""),
    "serial share": (("under_parallel",), """
import threading, hashlib
data = b"x" * (1 << 20)
def hashed(n):
    for _ in range(n): hashlib.sha256(data).digest()
for _ in range(4 * N):
    ts = [threading.Thread(target=hashed, args=(25,)) for _ in range(2)]
    [t.start() for t in ts]; [t.join() for t in ts]
    hashed(80)
"""),
    "network wait": (("network",), """
import socket, threading, time
server = socket.create_server(("127.0.0.1", 0))
def serve():
    connection, _ = server.accept()
    while data := connection.recv(64):
        time.sleep(0.01); connection.sendall(data * 100)
threading.Thread(target=serve, daemon=True).start()
with socket.create_connection(server.getsockname()) as c:
    for _ in range(100 * N):
        c.sendall(b"x" * 64); got = 0
        while got < 6400: got += len(c.recv(6400))
        sum(range(10_000))
"""),
    "many tiny tasks": (("tiny_tasks",), """
from multiprocessing import Pool
def task(i): return i + 1
if __name__ == "__main__":
    with Pool(2) as pool:
        for _ in pool.imap(task, range(20_000 * N)): pass
"""),
    "child wait": (("child",), """
import subprocess, sys
for _ in range(6 * N):
    subprocess.run([sys.executable, "-c", "sum(i * i for i in range(1_500_000))"], check=True)
    sum(range(300_000))
"""),
    "healthy": (("healthy",), """
import numpy as np
a = np.random.rand(1200, 1200)
for _ in range(25 * N): b = a @ a
"""),
}  # fmt: skip


def main(*names: str) -> None:
    """A line for each run; then the share of right answers."""
    chosen = names or tuple(PROGRAMS)
    rows, right, count = [], 0, 0
    with tempfile.TemporaryDirectory(dir=".") as place:
        for name in chosen:
            wanted, source = PROGRAMS[name]
            answers = []
            for size in SIZES:
                path = Path(place) / "program.py"
                path.write_text(f"N = {size}\n{source}", encoding="utf-8")
                start_s = time.perf_counter()
                told = profile([sys.executable, path.name], cwd=place)
                wall_s = time.perf_counter() - start_s
                hit = told.diagnosis.answer in wanted
                right, count = right + hit, count + 1
                answers.append(f"{'' if hit else '**'}{shown(told)}{'' if hit else '**'}")
                mark = "ok   " if hit else "WRONG"
                line = f"{mark} {name:22} ×{size} {wall_s:5.1f} s  {shown(told)}"
                print(line, others(told), flush=True)
                if not hit:
                    print("      ", told.diagnosis)
            rows.append(f"| {name} | {' | '.join(answers)} |")
    print(f"top-1 right: {right} of {count}")
    if names:
        return
    head = f"| program | {' | '.join(f'size {size}' for size in SIZES)} |"
    write_section("Diagnosis", "\n".join([
        f"`python benchmarks/diagnosis.py`, {time.strftime('%Y-%m-%d')}, {machine()}.", "",
        "Fifteen programs with one planted bottleneck each, in three sizes. The first answer of",
        "`tunewright profile`, its share of the time and its confidence; wrong ones are bold.", "",
        f"Right: {right} of {count} ({right / count:.0%}).", "", head, "|---|---|---|---|", *rows,
    ]))  # fmt: skip


def shown(told: Profile) -> str:
    """The first answer in a few words."""
    if not told.diagnosis.bottlenecks:
        return told.diagnosis.answer
    first = told.diagnosis.bottlenecks[0]
    return f"{first.kind} {first.share:.0%} {first.confidence}"


def others(told: Profile) -> str:
    """What else was said."""
    return ", ".join(f"{each.kind} {each.share:.0%}" for each in told.diagnosis.bottlenecks[1:])


if __name__ == "__main__":
    main(*sys.argv[1:])
