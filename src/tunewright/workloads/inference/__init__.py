"""Inference: a trained model of any framework as a workload that only answers."""
