"""Measuring: sample until precise, keep the raw values."""
