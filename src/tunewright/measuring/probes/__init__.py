"""Probes: each file reads one part of what the kernel shows of a process. None is never a guess."""
