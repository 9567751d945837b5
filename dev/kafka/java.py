"""A program on Java: started, watched, stopped, killed, started again."""

import os
import re
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from dev.kafka import programs

STOP_LIMIT = 30.0  # seconds
TAIL = 40  # lines of a log that an error quotes
TROUBLE = re.compile(r" (WARN|ERROR|FATAL) |Error:|Exception:")

# Ends the program when the process that started it has ended, unless that said "done" before.
GUARD = "import os, sys; sys.stdin.read() or os.killpg(int(sys.argv[1]), 9)"


class ProgramError(Exception):
    """A program did not start, or did not get ready; the text holds the end of its log."""


class JavaProgram(ABC):
    """A program in a session of its own, whose files and log lie in `folder`.

    As a context manager it is started, and stopped at the end. Whatever ends this process, kill -9
    too, ends the program. It may be stopped or killed and started again, as often as one likes.
    """

    name: ClassVar[str]
    start_limit: ClassVar[float] = 90.0  # seconds, on a busy machine

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.log_file = self.folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @abstractmethod
    def arguments(self) -> Sequence[str]:
        """What follows `java` on the command line; called at each start."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the program that runs now does its work."""

    def environ(self) -> Mapping[str, str]:
        """Variables that it gets beside this process's own."""
        return {}

    def start(self) -> None:
        """Start it and wait until it is ready. Raises ProgramError."""
        try:
            self.launch()
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def launch(self) -> None:
        """Start it without waiting, as one does when what it needs is away."""
        if self.exit_code() is None and self._process is not None:
            raise ProgramError(f"{self.name} runs already")
        self.kill()  # its guard, if it ended by itself
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [programs.java(), *self.arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **self.environ()},
                start_new_session=True,
            )
        self._guard = _guard(self._process.pid)

    def wait_until_ready(self) -> None:
        """Return when it does its work. Raises ProgramError when it ends, or takes too long."""
        deadline = time.monotonic() + self.start_limit
        while not self.is_ready():
            if self.exit_code() is not None:
                raise self.failure(f"ended with exit code {self.exit_code()}")
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready after {self.start_limit:g} seconds")
            time.sleep(0.05)

    def exit_code(self) -> int | None:
        """None while it runs, or was never started; minus the signal's number, if one ended it."""
        return None if self._process is None else self._process.poll()

    def wait(self, timeout: float) -> int:
        """Its exit code, when it ends by itself. Raises subprocess.TimeoutExpired."""
        if self._process is None:
            raise ProgramError(f"{self.name} was never started")
        return self._process.wait(timeout)

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not within 30 seconds; harmless when it is off."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_LIMIT)
        self.kill()

    def kill(self) -> None:
        """End it at once (kill -9), as a lost machine does; harmless when it is off."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._guard is not None:
            with suppress(BrokenPipeError):
                self._guard.communicate(b"done")
            self._guard = None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log(self) -> str:
        """What it has logged since its latest start; log_file has all of it."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def failure(self, what: str) -> ProgramError:
        """The error that says so of the program, with what its log has to say about it."""
        lines = self.log.splitlines()
        told = [line for line in lines if TROUBLE.search(line)] or lines
        text = "\n".join(told[-TAIL:])
        return ProgramError(f"{self.name} {what}; from {self.log_file}:\n{text}")


def _guard(pid: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", GUARD, str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
