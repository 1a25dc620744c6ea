"""Reporting: one summary of a study, as text for a terminal and as one self-contained page."""
