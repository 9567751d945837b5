"""An instance that the kernel kills because its cgroup is out of memory."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dev.supervisor import Process
from tests.chaos.deployment import Deployment, deployed, server
from tests.chaos.fault import LeftOut, Stage, prove, stage

MEBIBYTE = 1024 * 1024
LIMIT = 64 * MEBIBYTE
ROOT = Path("/sys/fs/cgroup")
# A neighbor in the cgroup that takes all of it, in steps.
NEIGHBOR = f"""
import time
open(PROCS, "w").write("0")
taken = []
while True:
    taken.append(b"x" * {MEBIBYTE})
    time.sleep(0.005)
"""


class Cgroup:
    """A cgroup with a limit of memory, of version 2 or 1."""

    def __init__(self) -> None:
        unified = (ROOT / "cgroup.controllers").exists()
        parent = ROOT if unified else ROOT / "memory"
        self.folder = parent / f"mentor-chaos-{os.getpid()}"
        self.procs = self.folder / "cgroup.procs"
        self._limit = "memory.max" if unified else "memory.limit_in_bytes"
        self._events = "memory.events" if unified else "memory.oom_control"

    def make(self) -> None:
        """Make it with its limit. Raises OSError where that is not allowed."""
        self.folder.mkdir()
        (self.folder / self._limit).write_text(str(LIMIT))

    def kills(self) -> int:
        """How many processes the kernel has killed."""
        lines = (self.folder / self._events).read_text().splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])


@contextmanager
def cgroup() -> Iterator[Cgroup]:
    """Raises LeftOut."""
    found = Cgroup()
    try:
        found.make()
    except OSError as exc:
        with suppress(OSError):
            found.folder.rmdir()
        raise LeftOut(f"a cgroup with a limit needs root and the memory controller: {exc}") from exc
    try:
        yield found
    finally:
        found.folder.rmdir()


def exhaust_memory(deployment: Deployment, hold: float) -> str:
    """The kernel kills the instance first, because of its oom_score_adj."""
    process = deployment.instances[0].process
    with cgroup() as group:
        group.procs.write_text(str(process.pid))
        Path(f"/proc/{process.pid}/oom_score_adj").write_text("1000")
        program = NEIGHBOR.replace("PROCS", repr(str(group.procs)))
        with Process([sys.executable, "-c", program]):
            code = process.wait(30)
        time.sleep(hold / 2)
        kills = group.kills()
    deployment.start(0)
    killed = code == -signal.SIGKILL and kills
    return prove(killed, f"the kernel killed {kills} processes in the cgroup")


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    with cgroup():  # before anything is started
        pass
    with server() as postgres, deployed(postgres, folder) as deployment:
        yield stage(deployment, {"function: out of memory": exhaust_memory})
