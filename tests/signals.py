"""Signals that the tests' own process may ignore: under nohup, or in a shell's background job."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def receivable(number: signal.Signals) -> Iterator[None]:
    """Let programs that start meanwhile receive it, as they inherit no handler."""
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)
