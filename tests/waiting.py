"""Waiting for what other processes do."""

import time
from collections.abc import Callable


def wait_until(done: Callable[[], bool], timeout: float = 120) -> None:
    deadline = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < deadline, f"not so after {timeout} seconds"
        time.sleep(0.1)
