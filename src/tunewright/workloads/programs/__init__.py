"""How programs are stated and read: words, knobs, metrics, failures, outputs."""
