"""What may be said about a program on the command line."""

from tunewright.core.kinds import Option

SAME_OUTPUT = Option("same-output", "Refuse what puts out something else.", "PATTERN|FILE", bare="")
TOLERANCE = Option("tolerance", "By how much its numbers may differ: 1e-6.", "SHARE")
METRIC = Option(
    "metric", "file:PATH, json:PATH:KEY, csv:PATH:COLUMN, junit:PATH:COUNT, tensorboard:PATH:TAG, "
    "regex:PATTERN (also regex-first, -mean, -max, -min) or used:WHAT.", "NAME=SOURCE", many=True,
)  # fmt: skip
RUNNING = (  # how a program is run, for `verify` as well
    Option("env", "An environment variable.", "NAME=TEXT", many=True),
    Option("env-file", "A file of them.", "FILE"),
    Option("stdin", "A file that it reads.", "FILE"),
    Option("shell", "Let a shell read every command line.", "[SHELL]", bare="sh"),
    Option("ok-exit", "The codes of a good run: 0,3.", "CODE,…"),
    Option("setup", "Run once before all; {setup} is its directory.", "COMMAND"),
    Option("prepare", "Run before each run, unmeasured.", "COMMAND"),
    Option("cleanup", "Run after each run, unmeasured.", "COMMAND"),
)
