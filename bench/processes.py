"""What processes cost, with all that they started."""

from contextlib import suppress

import psutil


def cpu_seconds(pid: int) -> float:
    """User and system time so far, of the process and all below it.

    What has ended below it counts by its parent's account; macOS keeps none.
    """
    total = 0.0
    for process in _family(pid):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def rss(pid: int) -> float:
    """Megabytes (10^6 bytes) in memory, of the process and all below it."""
    return sum(float(process.memory_info().rss) for process in _family(pid)) / 1e6


def _family(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [*root.children(recursive=True), root]
