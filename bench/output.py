"""What a measurement tells people: its progress, its tables, and why it failed."""

import sys
from collections.abc import Sequence


class BenchFailure(Exception):
    """A program did not do what it is measured at; the text says what it did."""


def say(text: str) -> None:
    """Write a line to stderr: stdout is for the tables."""
    print(text, file=sys.stderr, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is readable as plain text: words to the left, figures to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    words = [any(row[column][:1].isalpha() for row in rows) for column in range(len(header))]
    rules = [
        f":{'-' * (width - 1)}" if left else f"{'-' * (width - 1)}:"
        for width, left in zip(widths, words, strict=True)
    ]
    padded = [
        [
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(line, widths, words, strict=True)
        ]
        for line in [header, rules, *rows]
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)
