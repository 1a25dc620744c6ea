"""Values and roles. Standard library only; no clock, no chance, no I/O."""
