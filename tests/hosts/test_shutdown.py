"""SIGTERM ends an instance when the requests in flight are answered, not before."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from pg8000.native import Connection

from tests.conftest import open_connection
from tests.instance import FEEDBACK, PATH, Instance, running
from tests.waiting import wait_until

REQUESTS = 40
CLOSING = Path(__file__).with_name("closing")


def test_sigterm(host: str, feedback_database: str, tmp_path: Path) -> None:
    """Requests in flight are answered after SIGTERM."""
    with (
        running(tmp_path / "log", feedback_database, host, LOG_LEVEL="DEBUG") as function,
        closing(open_connection(feedback_database)) as locker,
        ThreadPoolExecutor(REQUESTS + 1) as pool,
    ):
        function.wait_until_ready()
        locker.run("BEGIN")
        locker.run("LOCK TABLE feedback IN EXCLUSIVE MODE")
        sent = threading.Semaphore(0)
        answers = pool.map(lambda number: send(function, number, sent), range(REQUESTS))
        assert all(sent.acquire(timeout=60) for _ in range(REQUESTS))
        wait_until_in_flight(function, locker)
        exit_code = pool.submit(function.terminate)
        time.sleep(0.7)
        locker.run("COMMIT")

        assert [answer for answer in answers if answer != 200] == []
        assert exit_code.result() == 0
        assert locker.run("SELECT count(*), count(DISTINCT message) FROM feedback") == [
            [REQUESTS, REQUESTS]
        ]
    finished = [event for event in function.events() if event.get("path") == "/api/v1/feedback"]
    assert [event["status"] for event in finished] == [200] * REQUESTS


def test_close(host: str, hosts_database: str, tmp_path: Path) -> None:
    """Each host closes the application."""
    with running(tmp_path / "log", hosts_database, host, PYTHONPATH=str(CLOSING)) as function:
        function.wait_until_ready()
        assert function.post().status == 200
        assert function.terminate() == 0
    assert function.log.count("all connections are closed") == 1


def send(function: Instance, number: int, sent: threading.Semaphore) -> int:
    body = json.dumps({**FEEDBACK, "message": f"message {number}"}).encode()
    with closing(HTTPConnection("127.0.0.1", function.port, timeout=40)) as connection:
        connection.request("POST", PATH, body)
        sent.release()
        return connection.getresponse().status


def wait_until_in_flight(function: Instance, connection: Connection) -> None:
    """Until a statement waits for the lock, and all requests that were sent have been read."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    wait_until(lambda: connection.run(waiting) != [[0]])
    function.get("/health/startup")  # the event loop reads what came before this one first


def test_sigterm_while_idle(host: str, feedback_database: str, tmp_path: Path) -> None:
    """An idle instance ends at once, also while clients are connected."""
    with (
        running(tmp_path / "log", feedback_database, host) as function,
        closing(HTTPConnection("127.0.0.1", function.port, timeout=40)) as idle,
        closing(HTTPConnection("127.0.0.1", function.port, timeout=40)) as silent,
    ):
        function.wait_until_ready()
        silent.connect()
        idle.request("POST", PATH, json.dumps(FEEDBACK))
        assert idle.getresponse().read()

        assert function.terminate(timeout=20) == 0


def test_shutdown_delay(feedback_database: str, tmp_path: Path) -> None:
    """Requests are accepted during SHUTDOWN_DELAY; a second SIGTERM ends it."""
    with (
        running(tmp_path / "log", feedback_database, SHUTDOWN_DELAY="5") as function,
        ThreadPoolExecutor() as pool,
    ):
        function.wait_until_ready()
        assert "connection" not in function.get("/health/startup").headers
        started = time.monotonic()
        exit_code = pool.submit(function.terminate)
        wait_until(lambda: function.get("/health/startup").headers.get("connection") == "close")
        assert function.post().status == 200
        function.process.terminate()
        assert exit_code.result() == 0
        assert time.monotonic() - started < 5


def test_end_of_shutdown_delay(feedback_database: str, tmp_path: Path) -> None:
    """The function ends after SHUTDOWN_DELAY."""
    with running(tmp_path / "log", feedback_database, SHUTDOWN_DELAY="1") as function:
        function.wait_until_ready()
        started = time.monotonic()
        assert function.terminate() == 0
        assert time.monotonic() - started >= 1
