"""tunewright measures an AI workload, searches what may change, and proves the winner."""
