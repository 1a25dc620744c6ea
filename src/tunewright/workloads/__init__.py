"""Workloads: what can be tuned, each a chain of stages with its knobs and metrics."""

KINDS = {
    "table": "tunewright.workloads.tabular.kind:TABLE",
    "command": "tunewright.workloads.command:COMMAND",
    "programs": "tunewright.workloads.comparison:PROGRAMS",
    "functions": "tunewright.workloads.comparison:FUNCTIONS",
}
