"""What processes cost, with all that they started."""

from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes of 10^6 bytes.

    `rss` counts pages that processes share once for each of them; `pss` shares them out, and is
    None where the system does not tell it.
    """

    rss: float
    pss: float | None


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


def memory(pid: int) -> Memory:
    """What the process and all below it occupy now."""
    usages = [process.memory_full_info() for process in _family(pid)]
    shares = [getattr(usage, "pss", None) for usage in usages]
    rss = sum(usage.rss for usage in usages) / 1e6
    return Memory(rss, None if None in shares else sum(filter(None, shares)) / 1e6)


def _family(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [*root.children(recursive=True), root]
