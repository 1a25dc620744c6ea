"""Functions as workloads: how they are declared and called, and what is read from them."""
