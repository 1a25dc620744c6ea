"""`python -m tunewright`, and the installed command."""

import signal

from tunewright.core.registry import resolve


def main() -> None:
    """Run the command line. Until it is imported, Ctrl-C ends the program without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    resolve("tunewright.cli:main")()


if __name__ == "__main__":
    main()
