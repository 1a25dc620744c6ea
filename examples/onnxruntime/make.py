"""Writes a network of made-up weights as ONNX, and rows to ask it for: python make.py DIRECTORY"""

import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

LAYERS, WIDTH, ROWS = 4, 256, 3000
chance = np.random.default_rng(0)
nodes, weights, above = [], [], "x"
for layer in range(LAYERS):
    matrix = chance.normal(0, WIDTH**-0.5, (WIDTH, WIDTH)).astype(np.float32)
    bias = chance.normal(0, 0.1, WIDTH).astype(np.float32)
    weights += [
        numpy_helper.from_array(matrix, f"w{layer}"),
        numpy_helper.from_array(bias, f"b{layer}"),
    ]
    nodes += [
        helper.make_node("MatMul", [above, f"w{layer}"], [f"m{layer}"]),
        helper.make_node("Add", [f"m{layer}", f"b{layer}"], [f"a{layer}"]),
        helper.make_node("Relu", [f"a{layer}"], [f"r{layer}"]),
    ]
    above = f"r{layer}"
x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, WIDTH])
y = helper.make_tensor_value_info(above, TensorProto.FLOAT, [None, WIDTH])
graph = helper.make_graph(nodes, "network", [x], [y], weights)
save(
    helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
    f"{sys.argv[1]}/network.onnx",
)
np.save(f"{sys.argv[1]}/rows.npy", chance.normal(size=(ROWS, WIDTH)).astype(np.float32))
