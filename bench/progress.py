"""What tells a person that a long measurement is getting on."""

import sys


def say(text: str) -> None:
    """Write a line to stderr: stdout is for the tables."""
    print(text, file=sys.stderr, flush=True)
