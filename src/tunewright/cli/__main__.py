"""`python -m tunewright.cli`."""

from tunewright.cli import main

main()
