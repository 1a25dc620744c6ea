"""Workloads: what can be tuned, each a chain of stages with its knobs and metrics."""

KINDS = {
    "table": "tunewright.workloads.tabular.kind:TABLE",
    "command": "tunewright.workloads.command:COMMAND",
    "function": "tunewright.workloads.function:FUNCTION",
    "torch": "tunewright.workloads.training.pytorch.kind:TORCH",
    "keras": "tunewright.workloads.training.keras.kind:KERAS",
    "model": "tunewright.workloads.inference.kind:MODEL",
    "programs": "tunewright.workloads.comparison:PROGRAMS",
    "functions": "tunewright.workloads.comparison:FUNCTIONS",
}
