"""Profiles, as Pyroscope gets them."""

import socket
import time
from pathlib import Path

from tests.hosts.pyroscope import receiving
from tests.instance import FEEDBACK, running


def test_a_profile(host: str, hosts_database: str, tmp_path: Path) -> None:
    """It names the function's own code, and the version; no text of a student."""
    with receiving() as pyroscope:
        environ = {"PYROSCOPE_SERVER_ADDRESS": pyroscope.url}
        with running(tmp_path / "log", hosts_database, host, **environ) as function:
            pyroscope.wait(function.wait_until_ready())
            assert function.terminate() == 0
    for text in (b"mentor-function", b"service_version", b"function/http/asgi.py"):
        assert text in pyroscope.sent
    assert str(FEEDBACK["message"]).encode() not in pyroscope.sent


def test_a_server_that_is_silent(hosts_database: str, tmp_path: Path) -> None:
    """It delays the end by 2 s; the agent itself would take 27."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with running(tmp_path / "log", hosts_database, PYROSCOPE_SERVER_ADDRESS=url) as function:
            function.wait_until_ready()
            silent.settimeout(120)
            function.post()
            connection, _ = silent.accept()  # the agent's: it does profile by now
            with connection:
                before = time.monotonic()
                assert function.terminate() == 0
    assert time.monotonic() - before < 15
