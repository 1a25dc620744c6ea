"""Forests as one operator of ONNX: their mean, for as many outputs as a leaf has numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper


def ensemble(grown: Sequence[tuple[Any, NDArray[Any]]], features: int) -> bytes:
    """The model's file. grown: scikit-learn's trees with what each node says, a row a node."""
    outputs = grown[0][1].shape[1]
    names = "tree node feature value left right leaf missing t_tree t_node t_id t_weight"
    part: dict[str, list[NDArray[Any]]] = {name: [] for name in names.split()}
    for number, (tree, says) in enumerate(grown):
        count = len(tree.children_left)
        is_leaf = tree.children_left < 0
        limit = tree.threshold
        below = limit.astype(np.float32)
        part["tree"].append(np.full(count, number))
        part["node"].append(np.arange(count))
        part["feature"].append(np.where(is_leaf, 0, tree.feature))
        below = np.where(below > limit, np.nextafter(below, np.float32(-np.inf)), below)
        part["value"].append(np.where(is_leaf, 0.0, below))
        part["left"].append(np.where(is_leaf, 0, tree.children_left))
        part["right"].append(np.where(is_leaf, 0, tree.children_right))
        part["leaf"].append(is_leaf)
        part["missing"].append(tree.missing_go_to_left.astype(np.int64))
        node, output = np.nonzero(says * is_leaf[:, None])
        silent = np.flatnonzero(is_leaf & ~np.any(says, axis=1))  # a leaf of 0 says so
        node, output = np.append(node, silent), np.append(output, np.zeros(len(silent), int))
        part["t_tree"].append(np.full(len(node), number))
        part["t_node"].append(node)
        part["t_id"].append(output)
        part["t_weight"].append(says[node, output] / len(grown))
    flat = {name: np.concatenate(values) for name, values in part.items()}
    modes = np.where(flat["leaf"], "LEAF", "BRANCH_LEQ").tolist()

    def whole(name: str) -> list[int]:
        return [int(one) for one in flat[name]]

    node = helper.make_node(
        "TreeEnsembleRegressor", ["single"], ["answer"], domain="ai.onnx.ml", n_targets=outputs,
        aggregate_function="SUM", post_transform="NONE", nodes_treeids=whole("tree"),
        nodes_nodeids=whole("node"), nodes_featureids=whole("feature"), nodes_modes=modes,
        nodes_values=[float(v) for v in flat["value"]], nodes_truenodeids=whole("left"),
        nodes_falsenodeids=whole("right"), nodes_missing_value_tracks_true=whole("missing"),
        target_treeids=whole("t_tree"), target_nodeids=whole("t_node"), target_ids=whole("t_id"),
        target_weights=[float(v) for v in flat["t_weight"]],
    )  # fmt: skip
    cast = helper.make_node("Cast", ["x"], ["single"], to=TensorProto.FLOAT)
    graph = helper.make_graph(
        [cast, node], "forest",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, features])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, outputs])],
    )  # fmt: skip
    model = helper.make_model(
        graph, ir_version=8,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
    )  # fmt: skip
    return bytes(model.SerializeToString())
