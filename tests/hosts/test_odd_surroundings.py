"""The container's host: upgrade offers, a full disk, revoked rights, and a body that stops."""

import json
import os
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from dev.ports import free_port
from tests.conftest import open_connection
from tests.instance import FEEDBACK, PATH, ROOT, Instance, command, running


def test_http2_offer(feedback_database: str, tmp_path: Path) -> None:
    """A request that offers HTTP/2 is answered over HTTP/1.1."""
    offer = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAMAAABkAAQCAAAAAAIAAAAA",
    }
    with running(tmp_path / "log", feedback_database) as instance:
        instance.wait_until_ready()
        assert instance.post(headers=offer).status == 200
        words = {**FEEDBACK, "message": "Why upgrade: this is fine"}
        assert instance.post(words, headers=offer).json()["task_id"] == "task-123"
    with closing(open_connection(feedback_database)) as connection:
        rows = connection.run("SELECT message FROM feedback ORDER BY created_at")
    assert rows == [["This is too hard"], ["Why upgrade: this is fine"]]


def test_full_disk(feedback_database: str, tmp_path: Path) -> None:
    """Feedback is stored even if the log can't be written."""
    port = free_port()
    arguments, variables = command("uvicorn", port)
    environ = {**os.environ, **variables, "DATABASE_URL": feedback_database}
    with Path("/dev/full").open("wb") as full, (tmp_path / "stderr").open("wb") as stderr:
        process = subprocess.Popen(arguments, cwd=ROOT, env=environ, stdout=full, stderr=stderr)
    try:
        instance = Instance(process, port, tmp_path / "stderr").wait_until_ready()
        assert [instance.post().status for _ in range(3)] == [200, 200, 200]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)


def test_read_only_database(feedback_database: str, tmp_path: Path) -> None:
    """While the database is read-only, the function is not ready; then it recovers."""
    name = feedback_database.rsplit("/", 1)[1]
    with (
        running(tmp_path / "log", feedback_database, DATABASE_TIMEOUT="1") as instance,
        closing(open_connection(feedback_database)) as connection,
    ):
        instance.wait_until_ready()
        connection.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        connection.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'mentor-function' AND datname = current_database()"
        )
        time.sleep(1.1)  # a check is shared for a second
        assert instance.get("/health/ready").status == 503
        assert instance.post().status == 503
        connection.run("SET default_transaction_read_only = off")
        connection.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        instance.wait_until_ready()
        assert instance.post().status == 200


def test_stalled_body(feedback_database: str, tmp_path: Path) -> None:
    """A body that stops in the middle gets 408, so that a broker sends it again."""
    body = json.dumps(FEEDBACK).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with running(tmp_path / "log", feedback_database) as instance:
        instance.wait_until_ready()
        answer = instance.stalled(head + body[:20])
        assert answer.startswith(b"HTTP/1.1 408 ")  # not 400: a broker would drop the event
        assert b"did not come within 10 seconds" in answer


@pytest.mark.parametrize("home", ["home", "/dev/null/home"])
def test_home(home: str, feedback_database: str, tmp_path: Path) -> None:
    """functions-framework creates nothing in the user's home, and needs none."""
    (tmp_path / "home").mkdir()
    environ = {"HOME": str(tmp_path / home), "XDG_RUNTIME_DIR": ""}
    with running(tmp_path / "log", feedback_database, "functions-framework", **environ) as instance:
        instance.wait_until_ready()
        assert instance.terminate() == 0
        assert [line for line in instance.log.splitlines() if not line.startswith("{")] == []
    assert list((tmp_path / "home").iterdir()) == []
