"""Names that networks give to what the data decide; light, so that no import is needed to ask."""

INPUTS = frozenset(
    {"features", "in_features", "n_features", "num_features", "input_size", "input_dim", "in_dim"}
)
OUTPUTS = frozenset(
    {"outputs", "out_features", "n_outputs", "output_size", "output_dim", "out_dim"}
    | {"classes", "n_classes", "num_classes"}
)
NETWORKS = ("mlp", "cnn", "resnet")
LOSSES = {
    "cross_entropy": "classes", "mse": "numbers", "mae": "numbers", "huber": "numbers",
}  # fmt: skip
