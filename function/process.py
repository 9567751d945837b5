"""What the process knows of itself."""

import os
import platform
import time
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path

STARTED = 22  # the field of /proc/self/stat: ticks from the boot to the start, see proc(5)


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
