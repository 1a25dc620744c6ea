"""Diagnosing: from what was seen of a program to what limits it. Pure: no clock, no I/O."""
