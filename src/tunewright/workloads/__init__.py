"""Workloads: what can be tuned, each a chain of stages with its knobs and metrics."""
