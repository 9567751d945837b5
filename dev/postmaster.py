"""The main process of a PostgreSQL server, found by the postmaster.pid in the data folder."""

import signal
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil

from dev.supervisor import wait_until_gone

STOP_LIMIT = 15.0  # seconds

Mode = Literal["fast", "immediate"]
# https://www.postgresql.org/docs/current/server-shutdown.html
SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


def is_ready(data: Path) -> bool:
    """Whether the server of the data folder takes connections, by its postmaster.pid."""
    # Line 8 is the status: https://www.postgresql.org/docs/current/storage-file-layout.html
    lines = _pid_file(data)
    return len(lines) >= 8 and lines[7].strip() == "ready"


def running_port(data: Path) -> int | None:
    """The port on which a server takes connections, whichever process started it."""
    return int(_pid_file(data)[3]) if _postmaster(data) and is_ready(data) else None


def end_leftover(data: Path) -> None:
    """End a server whose owner was killed, and remove a postmaster.pid that another one has left.

    PostgreSQL does not start while postmaster.pid names a living process of its user.
    """
    if postmaster := _postmaster(data):
        postmaster.send_signal(SIGNALS["fast"])
        wait_until_gone([postmaster], STOP_LIMIT)
    else:
        (data / "postmaster.pid").unlink(missing_ok=True)


def _pid_file(data: Path) -> list[str]:
    with suppress(FileNotFoundError):
        return (data / "postmaster.pid").read_text().splitlines()
    return []


def _postmaster(data: Path) -> psutil.Process | None:
    """The process that postmaster.pid names, unless it is another program by now."""
    with suppress(IndexError, ValueError, psutil.Error):
        process = psutil.Process(int(_pid_file(data)[0]))
        if process.name() == "postgres" and process.cwd() == str(data):
            return process
    return None
