"""Effects: running trials somewhere, each at most once an attempt."""
