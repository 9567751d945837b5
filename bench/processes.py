"""CPU time and memory of processes with their descendants."""

from contextlib import suppress

import psutil


def cpu_seconds(pid: int) -> float:
    """User and system time so far, of the process and its descendants.

    Descendants that have ended are included, except on macOS.
    """
    total = 0.0
    for process in _family(pid):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def rss(pid: int) -> float:
    """Megabytes (10^6 bytes) in memory, of the process and its descendants."""
    return sum(float(process.memory_info().rss) for process in _family(pid)) / 1e6


def _family(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [*root.children(recursive=True), root]
