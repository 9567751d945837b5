"""The programs that `make run` starts, and the wish to stop them."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import psutil

from dev.places import CLONE
from dev.processes import wait_until_gone

STOP_LIMIT = 10.0  # seconds


class Stopped(Exception):
    """Somebody asked for the end, by Ctrl-C or a signal."""


class StopRequest:
    """Remembers SIGINT, SIGTERM and SIGHUP, and does nothing else about them.

    An exception out of a signal handler could come between the start of a process and the
    assignment that keeps it; and a second Ctrl-C must not disturb the tidying up after the first.
    """

    def __init__(self) -> None:
        self._made = False
        signal.signal(signal.SIGINT, self._remember)
        signal.signal(signal.SIGTERM, self._remember)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(signal.SIGHUP, self._remember)

    def check(self) -> None:
        """Raise Stopped if somebody asked for the end."""
        if self._made:
            raise Stopped

    def _remember(self, _number: int, _frame: FrameType | None) -> None:
        self._made = True


class Child:
    """A program in the clone, in a session of its own: the terminal's Ctrl-C doesn't reach it.

    As a context manager: leaving it ends the program and all that it started.
    """

    def __init__(self, command: Sequence[str | Path], environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            env=environ,
            cwd=CLONE,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; 128 and the number of the signal that ended it, as in a shell."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def wait(self, stop: StopRequest) -> int:
        """Its exit code, when it ends by itself. Raises Stopped."""
        while (code := self.exit_code()) is None:
            stop.check()
            time.sleep(0.05)
        return code

    def finish(self, stop: StopRequest) -> None:
        """Ask it to end, and wait STOP_LIMIT seconds while it finishes. Raises Stopped."""
        self._process.terminate()
        deadline = time.monotonic() + STOP_LIMIT
        while self.exit_code() is None and time.monotonic() < deadline:
            stop.check()
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end_group(self._process.pid)
        self._process.wait()


class Trace:
    """A file that names a running program, so that a later process can end it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def write(self, pid: int) -> None:
        """Note the program; with its start time, because process ids come round again."""
        self._file.write_text(f"{pid} {psutil.Process(pid).create_time()}")

    def end_leftover(self) -> None:
        """End the program that is noted, if it still runs."""
        with suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            pid, created = self._file.read_text().split()
            if psutil.Process(int(pid)).create_time() == float(created):
                end_group(int(pid))


def end_group(leader: int) -> None:
    """End a process politely, and without further ado whatever is left of its group."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(leader)
        process.terminate()
        wait_until_gone([process], STOP_LIMIT)
    with suppress(ProcessLookupError, PermissionError):  # the latter is macOS's word for a zombie
        os.killpg(leader, signal.SIGKILL)
