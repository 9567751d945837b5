"""Starts programs and ends them with this process, even when this process is killed."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from contextlib import nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import psutil

from dev.paths import CLONE

T = TypeVar("T")

STOP_LIMIT = 10.0  # seconds
POLL = 0.05  # seconds

# Waits for a line. Without one, its owner has ended: then it kills the group of the program.
GUARD = 'read _ || kill -s "$1" -- "-$2"'


class Process(subprocess.Popen[bytes]):
    """A program in a session of its own, out of reach of the terminal's Ctrl-C.

    It writes to the file `log`, or else where this process does. `options` are subprocess.Popen's.
    Leaving its `with` block ends it. If this process is killed, a second process, the guard, sends
    `on_death` to the program's group.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path | None = None,
        on_death: signal.Signals = signal.SIGKILL,
        **options: Any,
    ) -> None:
        with log.open("ab") if log else nullcontext() as output:
            super().__init__(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **{"cwd": CLONE, **options},
            )
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD, "sh", on_death.name.removeprefix("SIG"), str(self.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def end(self, limit: float = STOP_LIMIT, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and kill it after `limit` seconds."""
        self.send_signal(stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self.wait(limit)
        self.kill()

    def kill(self) -> None:
        """Kill the program and what is left of its group, and wait for its end."""
        with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a zombie
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()
        if self._guard.poll() is None:
            self._guard.communicate(b"done\n")

    def __exit__(self, *_error: object) -> None:
        self.end()


class Stopped(Exception):
    """The user asked for the end, by Ctrl-C or a signal."""


class StopRequest:
    """Remembers SIGINT, SIGTERM and SIGHUP, and does nothing else about them.

    An exception out of a signal handler could come between the start of a process and the
    assignment that keeps it. And a second Ctrl-C must not disturb the cleanup after the first.
    """

    def __init__(self) -> None:
        self._made = False
        signal.signal(signal.SIGINT, self._remember)
        signal.signal(signal.SIGTERM, self._remember)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(signal.SIGHUP, self._remember)

    def check(self) -> None:
        """Raise Stopped if the user asked for the end."""
        if self._made:
            raise Stopped

    def wait(self, process: Process, limit: float = float("inf")) -> int | None:
        """The exit code of a process that ends within `limit` seconds. Raises Stopped."""
        deadline = time.monotonic() + limit
        while (code := process.poll()) is None and time.monotonic() < deadline:
            self.check()
            time.sleep(POLL)
        return code

    def _remember(self, _number: int, _frame: FrameType | None) -> None:
        self._made = True


def in_background(
    work: Callable[[], T], check: Callable[[], None], limit: float = float("inf")
) -> T:
    """Do the work in a thread, and leave the thread behind when `check`, called often, raises.

    For work that no signal interrupts, like the lookup of a host name.
    Raises TimeoutError after `limit` seconds.
    """
    done = Future[T]()
    threading.Thread(target=_resolve, args=[done, work], daemon=True).start()
    deadline = time.monotonic() + limit
    while not done.done():
        check()
        if time.monotonic() > deadline:
            raise TimeoutError
        wait([done], timeout=POLL)
    return done.result()


def _resolve(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as exc:  # noqa: BLE001 - the caller of in_background() gets it
        future.set_exception(exc)


def wait_until_gone(processes: Iterable[psutil.Process], limit: float) -> bool:
    """Wait for the end of other processes' children; False if it takes longer than `limit` seconds.

    A zombie counts as gone: in some containers, process 1 reaps only after seconds.
    """
    deadline = time.monotonic() + limit
    while alive := any(map(_is_alive, processes)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    return not alive


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
