"""The process: how it ends at a signal, when it started, and what runs in it."""

import os
import platform
import signal
import sys
import time
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from types import FrameType

STARTED = 22  # the field of /proc/self/stat: ticks from the boot to the start, see proc(5)


def exit_at(*signals: int) -> None:
    """Exit as these signals would: process 1 of a container ignores them without a handler."""
    for number in signals:
        signal.signal(number, _exit)


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


@cache
def process_start() -> float | None:
    """When the process started, on the monotonic clock; None where only Linux would tell."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks = int(fields[STARTED - 3])  # the name, field 2, may have spaces
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return None
    return time.monotonic() - age


@cache
def version() -> tuple[str, str]:
    """The versions of the function and of Python."""
    try:
        own = version_of("function")
    except PackageNotFoundError:  # Knative's func runs the source
        own = "unknown"
    return own, platform.python_version()
