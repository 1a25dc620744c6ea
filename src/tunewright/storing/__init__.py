"""Storing: the journal of a study, and where studies lie. One writer, any number of readers."""
