"""Whitens batches of data in several processes: python whiten.py PROCESSES BATCHES_A_TASK

Each process calls BLAS, which starts threads of its own: so many processes times so many threads.
"""

import multiprocessing
import sys

import numpy as np

ROWS, COLUMNS, BATCHES = 1500, 260, 24


def whiten(batch):
    """How far the whitened columns are from independent, and a sum to be checked."""
    data = np.random.default_rng(batch).normal(size=(ROWS, COLUMNS))
    data = data @ data[:COLUMNS].T
    data -= data.mean(axis=0)
    values, vectors = np.linalg.eigh(data.T @ data / ROWS)
    white = data @ (vectors / np.sqrt(np.maximum(values, 1e-6)))
    return float(np.abs(white).sum())


if __name__ == "__main__":
    processes, chunk = int(sys.argv[1]), int(sys.argv[2])
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        total = sum(pool.map(whiten, range(BATCHES), chunksize=chunk))
    print(f"sum={total:.6e}")
