"""Answers all rows: python answer.py DIRECTORY THREADS LEVEL SPINNING BATCH"""

import sys

import numpy as np
import onnxruntime

ROUNDS = 6
directory, threads, level, spinning, batch = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_{level}")
options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
session = onnxruntime.InferenceSession(
    f"{directory}/network.onnx", options, providers=["CPUExecutionProvider"]
)
rows = np.load(f"{directory}/rows.npy")
size = int(batch)
for _ in range(ROUNDS):
    answers = [session.run(None, {"x": rows[i : i + size]})[0] for i in range(0, len(rows), size)]
print(f"sum={np.concatenate(answers).sum(dtype=np.float64):.6e}")
