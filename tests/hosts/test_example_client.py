"""examples/client.py stores its feedback once, whatever fails on the way."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from dev.postgres import EmbeddedPostgres
from tests.conftest import open_connection, select
from tests.instance import PATH, ROOT, STUDENT, running
from tests.waiting import wait_until


def client(port: int, *words: str) -> "subprocess.Popen[str]":
    url = f"http://127.0.0.1:{port}{PATH}"
    command = [sys.executable, str(ROOT / "examples/client.py"), url, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows(url: str) -> list[dict[str, Any]]:
    with closing(open_connection(url)) as connection:
        return select(connection, "SELECT task_id, message FROM feedback")


ROW = {"task_id": "task-1", "message": "Zu schwer 😀"}


def test_no_postgresql(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """The client repeats its request until PostgreSQL is back."""
    with running(tmp_path / "log", own_postgres.url(), DATABASE_TIMEOUT="1") as instance:
        instance.wait_until_ready()
        own_postgres.stop()
        with client(instance.port, STUDENT, *ROW.values()) as process:
            wait_until(lambda: 503 in [event.get("status") for event in instance.events()])
            own_postgres.start()
            answer, _ = process.communicate()
        assert json.loads(answer)["task_id"] == "task-1"
        assert rows(own_postgres.url()) == [ROW]


def test_lost_answer(feedback_database: str, tmp_path: Path) -> None:
    """A client that lost its answer repeats the request, and one row is stored."""
    with running(tmp_path / "log", feedback_database) as instance:
        instance.wait_until_ready()
        with (
            losing_first_answer(instance.port) as port,
            client(port, STUDENT, *ROW.values()) as process,
        ):
            answer, _ = process.communicate()
        assert json.loads(answer)["task_id"] == "task-1"
        statuses = [event["status"] for event in instance.events() if event.get("path") == PATH]
        assert statuses == [200, 200]
        assert rows(feedback_database) == [ROW]


def test_attempts() -> None:
    """All attempts have the same key, and wait as long as Retry-After says.

    The first answer is that of something else on the way: it is not even UTF-8.
    """
    keys = []

    class Busy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(self.headers["Idempotency-Key"])
            self.send_response(200 if len(keys) in {1, 8} else 503)
            # Without the header these attempts take two minutes.
            self.send_header("Retry-After", "\xb2" if len(keys) == 2 else "0")
            self.end_headers()
            self.wfile.write(b"<html>\xfc" if len(keys) == 1 else b"{}")

    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever).start()
        with client(server.server_port, STUDENT, *ROW.values()) as process:
            answer, _ = process.communicate(timeout=100)
        server.shutdown()
    assert (answer, len(keys), len(set(keys))) == ("{}\n", 8, 1)


def test_no_repeat(feedback_database: str, tmp_path: Path) -> None:
    """The client does not repeat a request that got 400."""
    with running(tmp_path / "log", feedback_database) as instance:
        instance.wait_until_ready()
        with client(instance.port, "nobody", *ROW.values()) as process:
            _, error = process.communicate()
        assert process.returncode == 1
        assert "HTTP Error 400" in error


@contextmanager
def losing_first_answer(port: int) -> Iterator[int]:
    """A proxy that drops the answer of the first connection, and relays the second."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_relay, args=(listener, port))
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def _relay(listener: socket.socket, port: int) -> None:
    for is_lost in (True, False):
        with (
            listener.accept()[0] as downstream,
            socket.create_connection(("127.0.0.1", port)) as upstream,
        ):
            request = b""
            while not request.endswith(b"}"):  # urllib closes after the answer
                request += downstream.recv(65536)
            upstream.sendall(request)
            while part := upstream.recv(65536):
                if is_lost:
                    break
                downstream.sendall(part)
