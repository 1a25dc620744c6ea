"""Writes orders in small transactions and sums them up: python load.py DATABASE PRAGMA=VALUE …"""

import sqlite3
import sys

ROWS, BATCH = 20_000, 50

database = sqlite3.connect(sys.argv[1], isolation_level=None)
for pragma in sys.argv[2:]:
    database.execute(f"PRAGMA {pragma}")
database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount INTEGER)")
database.execute("CREATE INDEX by_customer ON orders (customer)")
for start in range(0, ROWS, BATCH):
    rows = [(i, i * 7919 % 997, i * 31 % 1000) for i in range(start, start + BATCH)]
    database.execute("BEGIN")
    database.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    database.execute("COMMIT")
total = database.execute(
    "SELECT sum(s) FROM (SELECT sum(amount) s FROM orders GROUP BY customer)"
).fetchone()
print(f"total={total[0]}")
