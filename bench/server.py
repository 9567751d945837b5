"""The programs that are measured over HTTP, started as their users start them."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from bench.failure import BenchFailure
from bench.progress import say
from dev.places import CLONE
from dev.tools import ToolError, go

Command = Sequence[str | Path]

GO = CLONE / "build/bench-go"
FUNCTIONS_FRAMEWORK = Path(sys.executable).with_name("functions-framework")
FIRST_ANSWER_LIMIT = 30.0  # seconds
POLL = 0.001  # seconds

# All of them listen where PORT says; functions-framework has its defaults for all else.
FUNCTION: Command = [sys.executable, "-m", "function.serve"]
WITH_MODEL: Command = [
    *("env", "LLM_PROVIDER=openai", "LLM_MODEL=model", "LLM_API_KEY=key"),
    *FUNCTION,
]
HELLO: Command = [FUNCTIONS_FRAMEWORK, "--source", "bench/hello.py", "--target", "hello"]


@dataclass(frozen=True, slots=True)
class Server:
    """A running program; its stdout and stderr are appended to `log`."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: IO[bytes]

    @property
    def pid(self) -> int:
        """The process at the top of its tree."""
        return self.process.pid

    def wait_for_answer(self, request: bytes) -> None:
        """Send the request until it is answered with 200, trying to connect each millisecond."""
        deadline = time.monotonic() + FIRST_ANSWER_LIMIT
        while self.process.poll() is None and time.monotonic() < deadline:
            with suppress(ConnectionError):
                if _status(self.port, request) == b"200":
                    return
            time.sleep(POLL)
        self.log.seek(0)
        text = self.log.read().decode(errors="replace")
        raise BenchFailure(f"no answer from {self.process.args!r}:\n{text[-2000:]}")


@cache
def services() -> Mapping[str, Command]:
    """The programs that store feedback: the function and, if Go can build it, the Go service."""
    say("building the Go service (the first time takes a minute)")
    try:
        go(CLONE / "bench/go", "build", "-trimpath", "-buildvcs=false", "-o", GO, ".")
    except ToolError as exc:
        say(f"The Go service is left out: {exc}")
        return {"function": FUNCTION}
    return {"function": FUNCTION, "go": [GO]}


@contextmanager
def running(command: Command, database_url: str) -> Iterator[Server]:
    """Start the program, and kill all of it at the end of the block."""
    with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("a+b") as log:
        server = _spawn(command, database_url, log)
        try:
            yield server
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.process.wait()


def production_environ() -> Mapping[str, str]:
    """Ours, but for what a developer sets: another server, no bytecode, other options of Python."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTHON"))
    }


def _spawn(command: Command, database_url: str, log: IO[bytes]) -> Server:
    port = _free_port()
    process = subprocess.Popen(
        command,
        cwd=CLONE,
        env={**production_environ(), "PORT": str(port), "DATABASE_URL": database_url},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    return Server(process, port, log)


def _status(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), FIRST_ANSWER_LIMIT) as client:
        client.sendall(request)
        return client.recv(65536)[9:12]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
