"""The processes of a PostgreSQL server, found by the folder they work in.

All of them, and nothing else, are `postgres` programs whose working directory is the data folder.
That holds when the postmaster was killed and its children live on, and when a pid file lies.
"""

import signal
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil

from dev.processes import kill, thaw, wait_until_gone

Mode = Literal["smart", "fast", "immediate"]
# https://www.postgresql.org/docs/current/server-shutdown.html
SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
STOP_LIMIT = 15.0  # seconds


def processes(cluster: Path) -> list[psutil.Process]:
    """The server's processes, the oldest first: the postmaster."""
    found = [process for process in psutil.process_iter() if _works_in(process, cluster)]
    return sorted(found, key=lambda process: (process.create_time(), process.pid))


def is_ready(cluster: Path) -> bool:
    """Whether the server whose postmaster.pid lies there takes connections."""
    return bool(_lines_when_ready(cluster))


def port(cluster: Path) -> int | None:
    """The port on which a living server takes connections, whoever started it; None without one."""
    lines = _lines_when_ready(cluster)
    with suppress(psutil.NoSuchProcess):
        if lines and _works_in(psutil.Process(int(lines[0])), cluster):
            return int(lines[3])
    return None


def halt(cluster: Path, mode: Mode) -> None:
    """Ask the server to stop; kill what did not within STOP_LIMIT."""
    found = processes(cluster)
    thaw(found)
    for process in found[:1]:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(SIGNALS[mode])
    kill(wait_until_gone(found, STOP_LIMIT))


def _lines_when_ready(cluster: Path) -> list[str]:
    """The lines of postmaster.pid, none of them unless it says that the server is ready."""
    # https://www.postgresql.org/docs/current/storage-file-layout.html; pg_ctl reads line 8 too.
    with suppress(FileNotFoundError):
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return lines
    return []


def _works_in(process: psutil.Process, cluster: Path) -> bool:
    with suppress(psutil.Error):
        return process.name() == "postgres" and process.cwd() == str(cluster)
    return False
