"""The programs that are measured over HTTP, started as their users start them."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from bench.output import BenchFailure, say
from dev.paths import CLONE
from dev.ports import free_port
from dev.supervisor import Process
from dev.tools import ToolError, go

Command = Sequence[str | Path]

GO = CLONE / "build/bench-go"
FUNCTIONS_FRAMEWORK = Path(sys.executable).with_name("functions-framework")
FIRST_ANSWER_LIMIT = 30.0  # seconds
POLL = 0.001  # seconds

# All of them listen on PORT; functions-framework has its defaults otherwise.
FUNCTION: Command = [sys.executable, "-m", "function.serve"]
WITH_MODEL: Command = [
    *("env", "LLM_PROVIDER=openai", "LLM_MODEL=model", "LLM_API_KEY=key"),
    *FUNCTION,
]
HELLO: Command = [FUNCTIONS_FRAMEWORK, "--source", "bench/hello.py", "--target", "hello"]


class Server(Process):
    """A running program, whose output is appended to `log`."""

    def __init__(self, command: Command, database_url: str, log: Path) -> None:
        self.port = free_port()
        self.log = log
        variables = {"PORT": str(self.port), "DATABASE_URL": database_url}
        super().__init__(command, log=log, env={**production_environ(), **variables})

    def wait_for_answer(self, request: bytes) -> None:
        """Send the request until it is answered with 200, trying to connect each millisecond."""
        deadline = time.monotonic() + FIRST_ANSWER_LIMIT
        while self.poll() is None and time.monotonic() < deadline:
            with suppress(ConnectionError):
                if _status(self.port, request) == b"200":
                    return
            time.sleep(POLL)
        text = self.log.read_text(errors="replace")
        raise BenchFailure(f"no answer from {self.args!r}:\n{text[-2000:]}")


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
    with tempfile.TemporaryDirectory() as folder:
        server = Server(command, database_url, Path(folder, "log"))
        try:
            yield server
        finally:
            server.kill()


def production_environ() -> Mapping[str, str]:
    """Ours, without a developer's settings of PostgreSQL and Python."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTHON"))
    }


def _status(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), FIRST_ANSWER_LIMIT) as client:
        client.sendall(request)
        return client.recv(65536)[9:12]
