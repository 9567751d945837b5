"""Runs the function as its platforms do: a real process, reached over a real socket."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dev.ports import free_port
from dev.supervisor import Process

ROOT = Path(__file__).parents[1]
STUDENT = "550e8400-e29b-41d4-a716-446655440000"
FEEDBACK = {"student_id": STUDENT, "task_id": "task-123", "message": "This is too hard"}
PATH = "/api/v1/feedback"
# What SQL, a driver or JSON could take for its own.
ODD = "it's $1, \\ '; DROP TABLE feedback; -- $$ :x %s \U0001f600\u2028"
HOSTS = ("uvicorn", "functions-framework", "knative")

# func's own scaffolding does just this: https://github.com/knative/func
KNATIVE_MAIN = "from function import new; from func_python.http import serve; serve(new)"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Instance:
    """One running instance of the function, which writes stdout and stderr to `log_file`."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log_file: Path) -> None:
        self.process = process
        self.port = port
        self._log_file = log_file

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(
        self, feedback: Mapping[str, object] = FEEDBACK, headers: Mapping[str, str] | None = None
    ) -> Answer:
        return self.request("POST", PATH, json.dumps(feedback).encode(), headers)

    def raw(self, data: bytes, timeout: float = 30) -> bytes:
        """Send these very bytes, and return all that comes until the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            received = b""
            while part := client.recv(65536):
                received += part
            return received

    def stalled(self, data: bytes, timeout: float = 60) -> bytes:
        """Send these very bytes and no more, and return the first that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as client:
            client.sendall(data)
            return client.recv(65536)

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    def events(self) -> list[dict[str, Any]]:
        """The JSON lines that it logged."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def wait_until_ready(self, timeout: float = 60, probe: str = "/health/ready") -> Self:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.get(probe).status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"the function did not get ready:\n{self.log}")

    def terminate(self, timeout: float = 40) -> int:
        """Send SIGTERM, as every platform does, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)


def command(host: str, port: int) -> tuple[list[str | Path], dict[str, str]]:
    """How the host is started, and the variables that it needs for it."""
    if host == "uvicorn":
        return [sys.executable, "-m", "function.serve"], {"PORT": str(port)}
    if host == "functions-framework":
        program = Path(sys.executable).with_name("functions-framework")
        source = ["--source", "function/main.py", "--target", "feedback"]
        return [program, *source, "--host", "127.0.0.1", "--port", str(port)], {}
    python = ROOT / ".venv-func/bin/python"
    assert python.exists(), "`make environment-func` sets up .venv-func"
    return [python, "-c", KNATIVE_MAIN], {"LISTEN_ADDRESS": f"127.0.0.1:{port}"}


@contextmanager
def running(
    log_file: Path,
    database_url: str,
    host: str = "uvicorn",
    *,
    prefix: Sequence[str] = (),
    **environ: str,
) -> Iterator[Instance]:
    """Run an instance until the end of the block, by the program of the prefix."""
    given = environ.get("PORT", "")  # of a test that starts it again, or a wrong one
    port = int(given) if given.isdigit() and int(given) else free_port()
    arguments, variables = command(host, port)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    process = Process(
        [*prefix, *arguments],
        log=log_file,
        cwd=ROOT,
        env={**clean, **variables, "DATABASE_URL": database_url, **environ},
    )
    try:
        yield Instance(process, port, log_file)
    finally:
        process.kill()
