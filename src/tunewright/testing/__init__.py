"""The test kit: public contract suites that every implementation joins, fakes, and strategies."""
