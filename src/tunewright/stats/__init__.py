"""Intervals that hold: pure functions of numbers."""
